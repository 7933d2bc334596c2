//! daprd's metrics, with its names, labels and buckets.
//!
//! Input: what the sidecar does. Output: the text of `GET /`: Prometheus text 0.0.4. Only what pub/sub does is counted; families appear with
//! their first value, as daprd's do. The number of label sets of a family is bounded, since callers choose paths.

use crate::configuration::MetricSpec;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use tidewatch_telemetry::ProcessStat;

/// Label sets of one family; more are left out and counted.
const MOST_SERIES: usize = 2_000;

/// daprd's buckets for sizes, in bytes.
const SIZE_BUCKETS: [f64; 13] = [
    1024.0,
    2048.0,
    4096.0,
    16384.0,
    65536.0,
    262_144.0,
    1_048_576.0,
    4_194_304.0,
    16_777_216.0,
    67_108_864.0,
    268_435_456.0,
    1_073_741_824.0,
    4_294_967_296.0,
];

type Labels = Vec<(&'static str, String)>;

/// All metrics of a sidecar.
#[derive(Debug)]
pub(crate) struct Measures {
    app_id: String,
    namespace: String,
    spec: MetricSpec,
    families: Mutex<BTreeMap<&'static str, Family>>,
}

#[derive(Debug)]
struct Family {
    help: &'static str,
    kind: &'static str,
    series: BTreeMap<Labels, Value>,
}

#[derive(Debug)]
enum Value {
    Counter(f64),
    Histogram { counts: Vec<u64>, sum: f64, bounds: Vec<f64> },
}

/// How a delivery ended, as the label `process_status`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Delivered {
    /// Taken.
    Success,
    /// To be tried again.
    Retry,
    /// Left out.
    Drop,
    /// Left out because the application said so, or no rule matched: `status` is `success`.
    DropSuccess,
}

/// The completed milliseconds since `start`.
pub(crate) fn elapsed_ms(start: Instant) -> f64 {
    start.elapsed().as_millis() as f64
}

impl Measures {
    pub(crate) fn new(app_id: &str, namespace: &str, spec: MetricSpec) -> Self {
        Self { app_id: app_id.to_owned(), namespace: namespace.to_owned(), spec, families: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<&'static str, Family>> {
        self.families.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self, name: &'static str, help: &'static str, labels: Labels, by: f64) {
        self.with(name, help, "counter", labels, |value| {
            if let Value::Counter(count) = value.get_or_insert(Value::Counter(0.0)) {
                *count += by;
            }
        });
    }

    fn observe(&self, name: &'static str, help: &'static str, labels: Labels, bounds: &[f64], amount: f64) {
        self.with(name, help, "histogram", labels, |value| {
            let empty =
                || Value::Histogram { counts: vec![0; bounds.len() + 1], sum: 0.0, bounds: bounds.to_vec() };
            if let Value::Histogram { counts, sum, bounds } = value.get_or_insert_with(empty) {
                // OpenCensus puts a value that equals a bound into the bucket above it.
                counts[bounds.partition_point(|bound| *bound <= amount)] += 1;
                *sum += amount;
            }
        });
    }

    fn with(
        &self,
        name: &'static str,
        help: &'static str,
        kind: &'static str,
        mut labels: Labels,
        change: impl FnOnce(&mut Option<Value>),
    ) {
        if !self.spec.enabled {
            return;
        }
        labels.push(("app_id", self.app_id.clone()));
        labels.sort_unstable();
        let mut families = self.lock();
        let family = families.entry(name).or_insert_with(|| Family { help, kind, series: BTreeMap::new() });
        if family.series.len() >= MOST_SERIES && !family.series.contains_key(&labels) {
            let (name, help) = (
                "tidewatch_sidecar_label_sets_dropped_total",
                "Values left out because a family had too many label sets.",
            );
            let lost = families.entry(name).or_insert_with(|| Family {
                help,
                kind: "counter",
                series: BTreeMap::new(),
            });
            if let Value::Counter(count) = lost.series.entry(Labels::new()).or_insert(Value::Counter(0.0)) {
                *count += 1.0;
            }
            return;
        }
        let mut value = family.series.remove(&labels);
        change(&mut value);
        family.series.extend(value.map(|value| (labels, value)));
    }

    fn component(&self, component: &str, topic: &str) -> Labels {
        vec![
            ("component", component.to_owned()),
            ("namespace", self.namespace.clone()),
            ("topic", topic.to_owned()),
        ]
    }

    /// A delivery to the application.
    pub(crate) fn ingress(&self, component: &str, topic: &str, delivered: Delivered, elapsed: f64) {
        let (process_status, status) = match delivered {
            Delivered::Success => ("success", "success"),
            Delivered::Retry => ("retry", "retry"),
            Delivered::Drop => ("drop", "drop"),
            Delivered::DropSuccess => ("drop", "success"),
        };
        let mut labels = self.component(component, topic);
        labels.extend([("process_status", process_status.to_owned()), ("status", status.to_owned())]);
        let help = "The number of incoming messages arriving from the pub/sub component.";
        self.count("dapr_component_pubsub_ingress_count", help, labels.clone(), 1.0);
        if elapsed > 0.0 {
            let help = "The consuming app event processing latency.";
            self.observe(
                "dapr_component_pubsub_ingress_latencies",
                help,
                labels,
                &self.spec.latency_buckets,
                elapsed,
            );
        }
    }

    /// A publish request to the component.
    pub(crate) fn egress(&self, component: &str, topic: &str, success: bool, elapsed: f64) {
        let mut labels = self.component(component, topic);
        labels.push(("success", success.to_string()));
        let help = "The number of outgoing messages published to the pub/sub component.";
        self.count("dapr_component_pubsub_egress_count", help, labels.clone(), 1.0);
        if elapsed > 0.0 {
            let help = "The latency of the response from the pub/sub component.";
            self.observe(
                "dapr_component_pubsub_egress_latencies",
                help,
                labels,
                &self.spec.latency_buckets,
                elapsed,
            );
        }
    }

    /// A bulk publish request to the component.
    pub(crate) fn bulk_egress(&self, component: &str, topic: &str, success: bool, elapsed: f64) {
        let mut labels = self.component(component, topic);
        labels.push(("success", success.to_string()));
        let help = "The number of bulk publish calls to the pub/sub component.";
        self.count("dapr_component_pubsub_egress_bulk_count", help, labels.clone(), 1.0);
        if elapsed > 0.0 {
            let help = "The latency of the response for the bulk publish call from the pub/sub component.";
            self.observe(
                "dapr_component_pubsub_egress_bulk_latencies",
                help,
                labels,
                &self.spec.latency_buckets,
                elapsed,
            );
        }
    }

    /// A request to the sidecar's API.
    pub(crate) fn server(&self, method: &str, path: &str, status: u16, bytes: (u64, u64), elapsed: f64) {
        let known = self.spec.increased_cardinality || !self.spec.path_matching.is_empty();
        let path = self.path(if known { path } else { "" });
        let labels = vec![("method", self.method(method)), ("path", path), ("status", status.to_string())];
        let help = "Count of HTTP requests processed by the server.";
        self.count("dapr_http_server_request_count", help, labels.clone(), 1.0);
        if self.spec.increased_cardinality {
            self.count(
                "dapr_http_server_response_count",
                "The number of HTTP responses",
                labels.clone(),
                1.0,
            );
        }
        let help = "HTTP request end-to-end latency in server.";
        self.observe("dapr_http_server_latency", help, labels, &self.spec.latency_buckets, elapsed);
        let help = "HTTP request body size if set as ContentLength (uncompressed) in server.";
        self.observe("dapr_http_server_request_bytes", help, Labels::new(), &SIZE_BUCKETS, bytes.0 as f64);
        let help = "HTTP response body size (uncompressed) in server.";
        self.observe("dapr_http_server_response_bytes", help, Labels::new(), &SIZE_BUCKETS, bytes.1 as f64);
    }

    /// A request to the application that begins.
    pub(crate) fn client_started(&self, method: &str, path: &str) {
        let labels =
            vec![("method", self.method(method)), ("path", self.path(path)), ("status", String::new())];
        let help = "Total bytes sent in request body (not including headers)";
        // daprd looks at a part of the request that is never filled.
        self.observe("dapr_http_client_sent_bytes", help, labels, &SIZE_BUCKETS, 0.0);
    }

    /// A request to the application that has ended.
    pub(crate) fn client(&self, method: &str, path: &str, status: u16, received: u64, elapsed: f64) {
        let labels =
            vec![("method", self.method(method)), ("path", self.path(path)), ("status", status.to_string())];
        self.count("dapr_http_client_completed_count", "Count of completed requests", labels.clone(), 1.0);
        let help = "Time between first byte of request headers sent to last byte of response received, or terminal error";
        self.observe("dapr_http_client_roundtrip_latency", help, labels, &self.spec.latency_buckets, elapsed);
        let help = "Total bytes received in response bodies (not including headers but including error responses with bodies)";
        self.observe("dapr_http_client_received_bytes", help, Labels::new(), &SIZE_BUCKETS, received as f64);
    }

    /// A probe of the application's health.
    pub(crate) fn health_probe(&self, status: u16, elapsed: f64) {
        let labels = vec![("status", status.to_string())];
        self.count(
            "dapr_http_healthprobes_completed_count",
            "Count of completed health probes",
            labels.clone(),
            1.0,
        );
        let help = "Time between first byte of health probes headers sent to last byte of response received, or terminal error";
        self.observe(
            "dapr_http_healthprobes_roundtrip_latency",
            help,
            labels,
            &self.spec.latency_buckets,
            elapsed,
        );
    }

    /// A component that was found.
    pub(crate) fn component_loaded(&self) {
        self.count(
            "dapr_runtime_component_loaded",
            "The number of successfully loaded components.",
            Labels::new(),
            1.0,
        );
    }

    /// A component that was initialised, or not.
    pub(crate) fn component_initialised(&self, name: &str, success: bool) {
        let component = ("component", "pubsub.kafka".to_owned());
        if success {
            let help = "The number of initialized components.";
            self.count("dapr_runtime_component_init_total", help, vec![component], 1.0);
        } else {
            let labels = vec![component, ("component_name", name.to_owned()), ("reason", "init".to_owned())];
            let help = "The number of component initialization failures.";
            self.count("dapr_runtime_component_init_fail_total", help, labels, 1.0);
        }
    }

    /// Spans that were not sent.
    pub(crate) fn spans_dropped(&self, count: u64, reason: &'static str) {
        let help = "Spans that were not exported.";
        self.count(
            "tidewatch_sidecar_spans_dropped_total",
            help,
            vec![("reason", reason.to_owned())],
            count as f64,
        );
    }

    fn method(&self, method: &str) -> String {
        const KNOWN: [&str; 9] =
            ["GET", "PUT", "POST", "PATCH", "DELETE", "HEAD", "OPTIONS", "CONNECT", "TRACE"];
        if self.spec.exclude_verbs {
            String::new()
        } else if KNOWN.contains(&method) {
            method.to_owned()
        } else {
            "UNKNOWN".to_owned()
        }
    }

    fn path(&self, path: &str) -> String {
        const STATIC: [&str; 4] = ["/dapr/config", "/dapr/metrics", "/dapr/subscribe", "/healthz"];
        if STATIC.contains(&path) {
            return path.to_owned();
        }
        if !self.spec.path_matching.is_empty() && !path.is_empty() {
            let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
            let fitting = self.spec.path_matching.iter().filter(|pattern| fits(pattern, &path));
            let otherwise = if self.spec.increased_cardinality { path.clone() } else { String::new() };
            return fitting.max_by_key(|pattern| pattern.len()).cloned().unwrap_or(otherwise);
        }
        if self.spec.increased_cardinality { path.to_owned() } else { String::new() }
    }

    /// The page.
    pub(crate) fn encode(&self) -> String {
        let mut out = String::with_capacity(16 << 10);
        for (name, family) in self.lock().iter() {
            let _ = writeln!(out, "# HELP {name} {}\n# TYPE {name} {}", family.help, family.kind);
            for (labels, value) in &family.series {
                write_value(&mut out, name, labels, value);
            }
        }
        write_process(&mut out);
        out
    }
}

/// Whether a path fits a pattern of Go's `ServeMux`: `{name}` for a segment, `{name...}` or a trailing `/` for the rest.
fn fits(pattern: &str, path: &str) -> bool {
    let mut segments = path.split('/');
    let mut wanted = pattern.split('/').peekable();
    while let Some(want) = wanted.next() {
        let last = wanted.peek().is_none();
        if last && (want.is_empty() && pattern != path || want.ends_with("...}")) {
            return segments.next().is_some();
        }
        match segments.next() {
            Some(segment) if want == segment || want.starts_with('{') && !segment.is_empty() => {}
            _ => return false,
        }
    }
    segments.next().is_none()
}

/// A number as Go's `%g` writes it, which is how daprd's page writes bounds: another text would be another series.
fn go_float(value: f64) -> String {
    if value != 0.0 && (value.abs() < 1e-4 || value.abs() >= 1e6) {
        let text = format!("{value:e}");
        let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let sign = if exponent.starts_with('-') { '-' } else { '+' };
        return format!("{digits}e{sign}{:0>2}", exponent.trim_start_matches('-'));
    }
    value.to_string()
}

fn write_value(out: &mut String, name: &str, labels: &Labels, value: &Value) {
    match value {
        Value::Counter(count) => {
            write_name(out, name, "", labels, None);
            let _ = writeln!(out, " {count}");
        }
        Value::Histogram { counts, sum, bounds } => {
            let mut below = 0;
            let bounds = bounds.iter().map(|bound| go_float(*bound)).chain(["+Inf".to_owned()]);
            for (count, bound) in counts.iter().zip(bounds) {
                below += count;
                write_name(out, name, "_bucket", labels, Some(&bound));
                let _ = writeln!(out, " {below}");
            }
            write_name(out, name, "_sum", labels, None);
            let _ = writeln!(out, " {sum}");
            write_name(out, name, "_count", labels, None);
            let _ = writeln!(out, " {below}");
        }
    }
}

fn write_name(out: &mut String, name: &str, suffix: &str, labels: &Labels, bound: Option<&str>) {
    out.push_str(name);
    out.push_str(suffix);
    let bound = bound.map(|bound| ("le", bound));
    let pairs = labels.iter().map(|(key, value)| (*key, value.as_str())).chain(bound);
    let mut open = '{';
    for (key, value) in pairs {
        let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        let _ = write!(out, "{open}{key}=\"{value}\"");
        open = ',';
    }
    if open == ',' {
        out.push('}');
    }
}

fn write_process(out: &mut String) {
    let mut write = |name: &str, kind: &str, help: &str, value: f64| {
        let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}");
    };
    if let Some(stat) = ProcessStat::own() {
        let help = "Total user and system CPU time spent in seconds.";
        write("process_cpu_seconds_total", "counter", help, stat.user_seconds + stat.system_seconds);
        write(
            "process_resident_memory_bytes",
            "gauge",
            "Resident memory size in bytes.",
            stat.resident_bytes as f64,
        );
        write(
            "process_virtual_memory_bytes",
            "gauge",
            "Virtual memory size in bytes.",
            stat.virtual_bytes as f64,
        );
        if let Some(boot) = boot_seconds() {
            let help = "Start time of the process since unix epoch in seconds.";
            write("process_start_time_seconds", "gauge", help, boot + stat.started_seconds);
        }
    }
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    if let Some(most) = limit(&limits, "Max open files") {
        write("process_max_fds", "gauge", "Maximum number of open file descriptors.", most);
    }
    if let Some(most) = limit(&limits, "Max address space") {
        let help = "Maximum amount of virtual memory available in bytes.";
        write("process_virtual_memory_max_bytes", "gauge", help, most);
    }
    if let Ok(open) = std::fs::read_dir("/proc/self/fd") {
        write(
            "process_open_fds",
            "gauge",
            "Number of open file descriptors.",
            open.count().saturating_sub(1) as f64,
        );
    }
}

/// A soft limit of the process; `None` where there is none, or it cannot be read.
fn limit(limits: &str, name: &str) -> Option<f64> {
    let line = limits.lines().find_map(|line| line.strip_prefix(name))?;
    let soft = line.split_whitespace().next()?;
    if soft == "unlimited" { Some(u64::MAX as f64) } else { soft.parse().ok() }
}

fn boot_seconds() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/stat").ok()?;
    stat.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(spec: MetricSpec, act: impl FnOnce(&Measures)) -> String {
        let measures = Measures::new("app", "ns", spec);
        act(&measures);
        measures.encode()
    }

    #[test]
    fn component_metrics_have_daprds_names_and_labels() {
        let text = page(MetricSpec::default(), |measures| {
            measures.ingress("bus", "things", Delivered::DropSuccess, 0.0);
            measures.egress("bus", "things", true, 7.0);
        });
        for line in [
            "# TYPE dapr_component_pubsub_ingress_count counter",
            "dapr_component_pubsub_ingress_count{app_id=\"app\",component=\"bus\",namespace=\"ns\",process_status=\"drop\",status=\"success\",topic=\"things\"} 1",
            "dapr_component_pubsub_egress_count{app_id=\"app\",component=\"bus\",namespace=\"ns\",success=\"true\",topic=\"things\"} 1",
            "dapr_component_pubsub_egress_latencies_bucket{app_id=\"app\",component=\"bus\",namespace=\"ns\",success=\"true\",topic=\"things\",le=\"6\"} 0",
            "dapr_component_pubsub_egress_latencies_bucket{app_id=\"app\",component=\"bus\",namespace=\"ns\",success=\"true\",topic=\"things\",le=\"8\"} 1",
            "dapr_component_pubsub_egress_latencies_sum{app_id=\"app\",component=\"bus\",namespace=\"ns\",success=\"true\",topic=\"things\"} 7",
        ] {
            assert!(text.lines().any(|one| one == line), "{line} is missing in\n{text}");
        }
        assert!(!text.contains("ingress_latencies"), "nothing took a millisecond:\n{text}");
        assert!(text.contains("process_resident_memory_bytes "), "{text}");
    }

    #[test]
    fn paths_are_labels_as_configured() {
        let check = |increased_cardinality, exclude_verbs, patterns: &[&str], expected: &str| {
            let path_matching = patterns.iter().map(|one| (*one).to_owned()).collect();
            let spec =
                MetricSpec { increased_cardinality, exclude_verbs, path_matching, ..MetricSpec::default() };
            let text =
                page(spec, |measures| measures.server("POST", "/v1.0/publish/bus/things", 204, (3, 0), 1.0));
            let line =
                format!("dapr_http_server_request_count{{app_id=\"app\",{expected},status=\"204\"}} 1");
            assert!(text.contains(&line), "{line} is missing in\n{text}");
            assert_eq!(text.contains("dapr_http_server_response_count"), increased_cardinality);
        };
        check(true, false, &[], "method=\"POST\",path=\"/v1.0/publish/bus/things\"");
        check(false, false, &[], "method=\"POST\",path=\"\"");
        check(false, true, &[], "method=\"\",path=\"\"");
        check(
            false,
            false,
            &["/v1.0/publish/{bus}/{topic}"],
            "method=\"POST\",path=\"/v1.0/publish/{bus}/{topic}\"",
        );
        check(false, false, &["/v1.0/", "/other"], "method=\"POST\",path=\"/v1.0/\"");
        check(false, false, &["/other"], "method=\"POST\",path=\"\"");
    }

    #[test]
    fn bounds_are_written_as_by_go() {
        let check = |value, expected: &str| assert_eq!(go_float(value), expected);
        check(1.0, "1");
        check(0.5, "0.5");
        check(100_000.0, "100000");
        check(1_048_576.0, "1.048576e+06");
        check(4_294_967_296.0, "4.294967296e+09");
    }

    #[test]
    fn label_sets_are_bounded() {
        let text = page(MetricSpec::default(), |measures| {
            for number in 0..MOST_SERIES + 5 {
                measures.server("GET", &format!("/{number}"), 404, (0, 0), 0.0);
            }
        });
        assert!(text.contains("tidewatch_sidecar_label_sets_dropped_total 15"), "5 in each of 3 families");
    }

    #[test]
    fn nothing_is_counted_where_metrics_are_off() {
        let text = page(MetricSpec { enabled: false, ..MetricSpec::default() }, |measures| {
            measures.component_loaded();
        });
        assert!(!text.contains("dapr_"), "{text}");
    }
}
