//! 5,000 rules over 100,000 series: what a round of evaluations costs.
//!
//! Run with `cargo bench -p tidewatch-rules`. Output: processor and wall time of rounds of all groups on the real store. With
//! `fill DIR` it writes the series to a data directory instead, from ten minutes ago to ten minutes ahead, and with `rules FILE` the
//! rules: benches/rules/run.sh has the same evaluated by the program and by a real Prometheus.

use std::fmt::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tidewatch_model::{Append, Batch, Clock, Labels, SeriesRef, SystemClock};
use tidewatch_promql::{Cancel, Engine, EngineOptions};
use tidewatch_rules::{EvaluationContext, GroupState, LoadOptions, load_rule_file};
use tidewatch_tsdb::{Tsdb, TsdbOptions};

const SERVICES: usize = 200;
const PODS: usize = 5;
const PATHS: usize = 10;
const CODES: [&str; 4] = ["200", "404", "500", "503"];
const BUCKETS: usize = 20;
/// Gauges of a pod: 5 pods of 200 services with 200 requests, 100 buckets, 20 of memory and 180 of these make 100,000 series.
const GAUGES: usize = 36;
/// Between samples, in milliseconds.
const STEP: i64 = 15_000;
/// Samples reach this far back and ahead, in milliseconds.
const AROUND: i64 = 600_000;
/// Rounds that are measured.
const ROUNDS: i64 = 20;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["fill", folder] => {
            let store = Tsdb::open(folder, TsdbOptions::default()).expect("an empty folder");
            fill(&store, SystemClock.now());
            store.close().expect("the log can be written");
        }
        ["rules", file] => std::fs::write(file, rules()).expect("a file that can be written"),
        _ => measure(),
    }
}

/// The label sets of all series.
fn series() -> Vec<Labels> {
    let mut all = Vec::with_capacity(100_000);
    for service in 0..SERVICES {
        for pod in 0..PODS {
            let of = |name: &str, more: &[(&str, String)]| {
                let own = [
                    ("__name__", name.to_owned()),
                    ("namespace", "shop".to_owned()),
                    ("service", format!("svc-{service:03}")),
                    ("pod", format!("svc-{service:03}-{pod}")),
                ];
                Labels::from_pairs(own.into_iter().chain(more.iter().cloned()))
            };
            for (path, code) in (0..PATHS).flat_map(|path| CODES.map(|code| (path, code))) {
                let more = [("path", format!("/api/{path}")), ("code", code.to_owned())];
                all.push(of("http_requests_total", &more));
            }
            for bucket in 0..BUCKETS {
                let le = if bucket + 1 == BUCKETS {
                    "+Inf".to_owned()
                } else {
                    format!("{}", 0.01 * 1.5f64.powi(bucket as i32))
                };
                all.push(of("http_request_duration_seconds_bucket", &[("le", le)]));
            }
            for container in ["app", "proxy"] {
                let more = [("container", container.to_owned())];
                all.push(of("container_memory_working_set_bytes", &more));
                all.push(of("container_memory_limit_bytes", &more));
            }
            for gauge in 0..GAUGES {
                all.push(of("queue_depth", &[("queue", format!("q{gauge:02}"))]));
            }
        }
    }
    all
}

/// Writes samples of all series around `now`.
fn fill(store: &Tsdb, now: i64) {
    let mut batch = Batch::default();
    for labels in series() {
        batch.push(SeriesRef::UNKNOWN, labels, 0, 0.0);
    }
    for time in (now - AROUND..=now + AROUND).step_by(STEP as usize) {
        let round = (time - now + AROUND) / STEP;
        for (at, row) in batch.rows.iter_mut().enumerate() {
            row.timestamp = time + (at as i64 % 100) * 7;
            let step = ((at as i64 * 7 + round * 3) % 13) as f64;
            row.value = match row.labels.metric_name() {
                Some("http_requests_total") => row.value + step,
                Some("http_request_duration_seconds_bucket") => {
                    row.value + (at % 100 / 5) as f64 + step.min(3.0)
                }
                Some("container_memory_limit_bytes") => 1e9,
                Some("container_memory_working_set_bytes") => 8.2e8 + step * 1e7,
                _ => step * 8.0,
            };
        }
        store.append(&mut batch).expect("the log can be written");
    }
}

/// A group of 25 rules for each service.
fn rules() -> String {
    let mut text = String::from("groups:\n");
    for service in 0..SERVICES {
        let s = format!("service=\"svc-{service:03}\"");
        let _ = writeln!(
            text,
            "- name: svc-{service:03}\n  interval: 15s\n  labels: {{team: \"t{}\"}}\n  rules:",
            service % 10
        );
        for (by, range) in [
            ("service, code", "5m"),
            ("service, path", "5m"),
            ("service, pod", "5m"),
            ("service, pod, code", "1m"),
        ] {
            let name: String = by.replace(", ", "_");
            record(
                &mut text,
                &format!("{name}:http_requests:rate{range}"),
                &format!("sum by ({by}) (rate(http_requests_total{{{s}}}[{range}]))"),
            );
        }
        record(
            &mut text,
            "service:http_errors:ratio_rate5m",
            &format!(
                "sum by (service) (rate(http_requests_total{{{s},code=~\"5..\"}}[5m])) / sum by (service) (rate(http_requests_total{{{s}}}[5m]))"
            ),
        );
        for quantile in ["0.5", "0.9", "0.99"] {
            record(
                &mut text,
                &format!("service:http_request_duration_seconds:q{}", &quantile[2..]),
                &format!(
                    "histogram_quantile({quantile}, sum by (service, le) (rate(http_request_duration_seconds_bucket{{{s}}}[5m])))"
                ),
            );
        }
        record(
            &mut text,
            "container:memory:ratio",
            &format!("container_memory_working_set_bytes{{{s}}} / container_memory_limit_bytes{{{s}}}"),
        );
        record(
            &mut text,
            "service:memory:sum",
            &format!("sum by (service) (container_memory_working_set_bytes{{{s}}})"),
        );
        record(
            &mut text,
            "service:queue_depth:max",
            &format!("max by (service, queue) (queue_depth{{{s}}})"),
        );
        record(
            &mut text,
            "service:queue_depth:avg5m",
            &format!("avg by (service, pod) (avg_over_time(queue_depth{{{s}}}[5m]))"),
        );
        record(
            &mut text,
            "pod:queue_depth:deriv",
            &format!("sum by (service, pod) (deriv(queue_depth{{{s},queue=~\"q0.\"}}[5m]))"),
        );
        alert(&mut text, "ErrorRatio", &format!("service:http_errors:ratio_rate5m{{{s}}} > 0.05"), "5m");
        alert(&mut text, "ErrorRatioHigh", &format!("service:http_errors:ratio_rate5m{{{s}}} > 0.9"), "1m");
        alert(&mut text, "Slow", &format!("service:http_request_duration_seconds:q99{{{s}}} > 0.5"), "5m");
        alert(
            &mut text,
            "VerySlow",
            &format!("service:http_request_duration_seconds:q99{{{s}}} > 500"),
            "5m",
        );
        alert(&mut text, "MemoryFull", &format!("container:memory:ratio{{{s}}} > 0.93"), "1m");
        alert(
            &mut text,
            "MemoryVeryFull",
            &format!(
                "container_memory_working_set_bytes{{{s}}} / container_memory_limit_bytes{{{s}}} > 0.99"
            ),
            "1m",
        );
        alert(&mut text, "QueueLong", &format!("queue_depth{{{s},queue=~\"q1.\"}} > 90"), "30s");
        alert(&mut text, "QueueVeryLong", &format!("queue_depth{{{s}}} > 1000"), "30s");
        alert(&mut text, "NoRequests", &format!("sum(rate(http_requests_total{{{s}}}[5m])) == 0"), "5m");
        alert(
            &mut text,
            "PathFails",
            &format!(
                "sum by (path) (rate(http_requests_total{{{s},code=\"500\"}}[5m])) / sum by (path) (rate(http_requests_total{{{s}}}[5m])) > 0.3"
            ),
            "2m",
        );
        alert(&mut text, "Gone", &format!("absent(http_requests_total{{{s}}})"), "1m");
        alert(&mut text, "PodBusy", &format!("service_pod:http_requests:rate5m{{{s}}} > 10"), "1m");
    }
    text
}

fn record(text: &mut String, name: &str, expression: &str) {
    let _ = writeln!(text, "  - record: {name}\n    expr: {expression}");
}

fn alert(text: &mut String, name: &str, expression: &str, hold: &str) {
    let _ = writeln!(
        text,
        "  - alert: {name}\n    expr: {expression}\n    for: {hold}\n    labels: {{severity: warning}}\n    annotations:\n      \
         summary: '{{{{ $labels.service }}}} {{{{ $labels.pod }}}} is at {{{{ $value | humanize }}}}'\n      \
         runbook_url: https://example.org/runbooks/{name}"
    );
}

fn measure() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let store = Tsdb::open(folder.path(), TsdbOptions::default()).expect("an empty folder");
    let now = SystemClock.now();
    fill(&store, now);
    let groups = load_rule_file("rules.yml", &rules(), &LoadOptions::default()).expect("valid rules");
    let count: usize = groups.iter().map(|group| group.rules.len()).sum();
    let mut states: Vec<GroupState> =
        groups.into_iter().map(|group| GroupState::new(Arc::new(group))).collect();
    println!("{count} rules in {} groups over {} series", states.len(), store.series_count());
    let (engine, cancel) = (Engine::new(EngineOptions::default()), Cancel::new());
    let context = EvaluationContext {
        engine: &engine,
        read: &store,
        append: &store,
        external_labels: &Labels::empty(),
        external_url: "http://localhost:9090",
        query_offset: Duration::ZERO,
        resend_delay: Duration::from_secs(60),
        cancel: &cancel,
    };
    let processor = || tidewatch_telemetry::cpu_seconds().unwrap_or(f64::NAN);
    for round in 0..ROUNDS {
        let (began, cpu) = (Instant::now(), processor());
        let (mut samples, mut alerts, mut failures) = (0, 0, 0);
        for state in &mut states {
            let outcome = state.evaluate(now + round * STEP, &context);
            samples += outcome.samples;
            alerts += outcome.alerts.len();
            failures += outcome.failures;
        }
        println!(
            "round {round:2}: {:6.0} ms of wall, {:6.0} ms of processor time, {samples} samples, {alerts} alerts sent, {failures} failures",
            began.elapsed().as_secs_f64() * 1e3,
            (processor() - cpu) * 1e3,
        );
    }
}
