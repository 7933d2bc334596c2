//! tidewatch's own metrics, and their text.
//!
//! Input: metric handles that stages keep and change, and functions that observe values at the time of a scrape.
//! Output: OpenMetrics 1.0 or text 0.0.4. The families are `prometheus-client`'s; this adds names as they are scraped
//! (counters with `_total`), the classic text, and observation by a plain function.

use crate::classic::to_classic;
use crate::summary::{Summary, SummaryFamily};
use crate::{BuildInfo, process};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::exemplar::Exemplar;
use prometheus_client::registry::Metric;
use std::fmt;
use std::sync::{PoisonError, RwLock, RwLockWriteGuard};

/// The text formats that can be answered with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exposition {
    /// `application/openmetrics-text` 1.0.0.
    OpenMetrics,
    /// `text/plain` 0.0.4.
    Text,
}

impl Exposition {
    /// The format an `Accept` header asks for: OpenMetrics where it is named, text otherwise.
    pub fn accepted_by(accept: Option<&str>) -> Self {
        match accept {
            Some(accept) if accept.contains("application/openmetrics-text") => Self::OpenMetrics,
            _ => Self::Text,
        }
    }

    /// The `Content-Type` of the text.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => {
                "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=underscores"
            }
            Self::Text => "text/plain; version=0.0.4; charset=utf-8; escaping=underscores",
        }
    }
}

/// All metrics of this process.
#[derive(Default)]
pub struct Registry {
    // Registration happens while the pipeline is wired, encoding at every scrape.
    inner: RwLock<prometheus_client::registry::Registry>,
    summaries: RwLock<Vec<SummaryFamily>>,
}

impl Registry {
    /// A registry with the metrics of the process and of the build.
    pub fn new(build: BuildInfo) -> Self {
        let registry = Self::default();
        registry.observe(process::observe);
        registry.observe(move |out| observe_build(out, &build));
        registry
    }

    /// Adds a metric, or a family of them, by the name its samples have; a counter's ends in `_total`. `help` ends
    /// without a full stop.
    pub fn register(&self, name: &str, help: &str, metric: impl Metric) {
        let family = name.strip_suffix("_total").unwrap_or(name);
        self.lock().register(family, help, metric);
    }

    /// Adds a function that is asked for values at every scrape. It must be quick and must not register metrics.
    pub fn observe(&self, observe: impl Fn(&mut Observations<'_>) + Send + Sync + 'static) {
        self.lock().register_collector(Box::new(Observer(observe)));
    }

    /// Adds a family of summaries that a function gives at every scrape. `help` ends without a full stop.
    pub fn observe_summaries(
        &self,
        name: &str,
        help: &str,
        observe: impl Fn() -> Vec<Summary> + Send + Sync + 'static,
    ) {
        let family =
            SummaryFamily { name: name.to_owned(), help: help.to_owned(), observe: Box::new(observe) };
        self.summaries.write().unwrap_or_else(PoisonError::into_inner).push(family);
    }

    /// The text of all metrics.
    pub fn encode(&self, format: Exposition) -> String {
        let mut text = String::with_capacity(16 * 1024);
        let inner = self.inner.read().unwrap_or_else(PoisonError::into_inner);
        encode_registry(&mut text, &inner).expect("writing into a String does not fail");
        drop(inner);
        for family in self.summaries.read().unwrap_or_else(PoisonError::into_inner).iter() {
            family.encode(&mut text);
        }
        encode_eof(&mut text).expect("writing into a String does not fail");
        match format {
            Exposition::OpenMetrics => text,
            Exposition::Text => to_classic(&text),
        }
    }

    fn lock(&self) -> RwLockWriteGuard<'_, prometheus_client::registry::Registry> {
        self.inner.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry").finish_non_exhaustive()
    }
}

fn observe_build(out: &mut Observations<'_>, build: &BuildInfo) {
    let with_version = |version: &str| {
        [
            ("branch", build.branch.clone()),
            ("goversion", String::new()),
            ("revision", build.revision.clone()),
            ("version", version.to_owned()),
        ]
    };
    let help =
        "A metric with a constant '1' value, labeled by the version of Prometheus whose API is served.";
    out.gauges("prometheus_build_info", help, [(with_version(BuildInfo::COMPATIBLE_WITH).to_vec(), 1.0)]);
    let help = "A metric with a constant '1' value, labeled by tidewatch's own version.";
    let labels = vec![("revision", build.revision.clone()), ("version", build.version.clone())];
    out.gauges("tidewatch_build_info", help, [(labels, 1.0)]);
}

struct Observer<F>(F);

impl<F> fmt::Debug for Observer<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Observer")
    }
}

impl<F: Fn(&mut Observations<'_>) + Send + Sync + 'static> Collector for Observer<F> {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut observations = Observations { encoder, result: Ok(()) };
        self.0(&mut observations);
        observations.result
    }
}

/// Where a function puts the values it observes at a scrape. Each name may be used once a scrape.
#[derive(Debug)]
pub struct Observations<'a> {
    encoder: DescriptorEncoder<'a>,
    result: fmt::Result,
}

/// The labels of one observation.
type ObservedLabels = Vec<(&'static str, String)>;

impl Observations<'_> {
    /// A value that goes up and down.
    pub fn gauge(&mut self, name: &str, help: &str, value: f64) {
        self.gauges(name, help, [(Vec::new(), value)]);
    }

    /// A family of gauges: one value for each label set.
    pub fn gauges(
        &mut self,
        name: &str,
        help: &str,
        values: impl IntoIterator<Item = (ObservedLabels, f64)>,
    ) {
        self.family(name, help, MetricType::Gauge, values, |encoder, value| encoder.encode_gauge(&value));
    }

    /// A value that only rises; `name` ends in `_total`.
    pub fn counter(&mut self, name: &str, help: &str, value: f64) {
        self.counters(name, help, [(Vec::new(), value)]);
    }

    /// A family of counters: one value for each label set; `name` ends in `_total`.
    pub fn counters(
        &mut self,
        name: &str,
        help: &str,
        values: impl IntoIterator<Item = (ObservedLabels, f64)>,
    ) {
        let family = name.strip_suffix("_total").unwrap_or(name);
        self.family(family, help, MetricType::Counter, values, |encoder, value| {
            encoder.encode_counter(&value, None::<&Exemplar<ObservedLabels, f64>>)
        });
    }

    fn family(
        &mut self,
        name: &str,
        help: &str,
        kind: MetricType,
        values: impl IntoIterator<Item = (ObservedLabels, f64)>,
        encode: impl Fn(&mut MetricEncoder<'_>, f64) -> fmt::Result,
    ) {
        let write = || {
            let mut family = self.encoder.encode_descriptor(name, help, None, kind)?;
            for (labels, value) in values {
                if labels.is_empty() {
                    encode(&mut family, value)?;
                } else {
                    encode(&mut family.encode_family(&labels)?, value)?;
                }
            }
            Ok(())
        };
        let written = write();
        self.result = self.result.and(written);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Counter, Family, Histogram};

    #[test]
    fn both_formats_carry_the_same_samples_under_their_own_names() {
        let registry = Registry::default();
        let requests = Family::<[(&'static str, String); 1], Counter>::default();
        registry.register("prometheus_http_requests_total", "Requests", requests.clone());
        requests.get_or_create(&[("code", "200".to_owned())]).inc_by(3);
        registry.observe(|out| {
            out.gauge("prometheus_tsdb_head_series", "Series.", 7.0);
            out.counters("tidewatch_x_total", "X.", [(vec![("a", "\"q\"".to_owned())], 1.5)]);
        });
        assert_eq!(
            registry.encode(Exposition::Text),
            "# HELP prometheus_http_requests_total Requests.\n# TYPE prometheus_http_requests_total counter\n\
             prometheus_http_requests_total{code=\"200\"} 3\n\
             # HELP prometheus_tsdb_head_series Series.\n# TYPE prometheus_tsdb_head_series gauge\n\
             prometheus_tsdb_head_series 7.0\n\
             # HELP tidewatch_x_total X.\n# TYPE tidewatch_x_total counter\ntidewatch_x_total{a=\"\\\"q\\\"\"} 1.5\n"
        );
        registry.observe_summaries("t_seconds", "T", || vec![Summary { count: 4, ..Summary::default() }]);
        let open_metrics = registry.encode(Exposition::OpenMetrics);
        assert!(open_metrics.contains("# TYPE prometheus_http_requests counter\n"), "{open_metrics}");
        assert!(open_metrics.ends_with("t_seconds_count 4\n# EOF\n"), "{open_metrics}");
    }

    #[test]
    fn histograms_have_buckets_sum_and_count() {
        let registry = Registry::default();
        let histogram = Histogram::new([0.1, 1.0]);
        registry.register("t_seconds", "T", histogram.clone());
        histogram.observe(0.5);
        let text = registry.encode(Exposition::Text);
        let expected = "t_seconds_sum 0.5\nt_seconds_count 1\nt_seconds_bucket{le=\"0.1\"} 0\n\
                        t_seconds_bucket{le=\"1.0\"} 1\nt_seconds_bucket{le=\"+Inf\"} 1\n";
        assert!(text.ends_with(expected), "{text}");
    }

    #[test]
    fn process_and_build_are_always_there() {
        let text = Registry::new(BuildInfo::of_version("0.1.0")).encode(Exposition::Text);
        for name in [
            "process_cpu_seconds_total ",
            "process_resident_memory_bytes ",
            "process_open_fds ",
            "process_max_fds ",
            "process_start_time_seconds ",
            "prometheus_build_info{",
            "tidewatch_build_info{revision=\"\",version=\"0.1.0\"} 1",
        ] {
            assert!(text.lines().any(|line| line.starts_with(name)), "{name} is missing in\n{text}");
        }
    }

    #[test]
    fn the_format_is_the_one_accepted() {
        let check = |accept: Option<&str>, expected| assert_eq!(Exposition::accepted_by(accept), expected);
        check(None, Exposition::Text);
        check(Some("*/*"), Exposition::Text);
        check(Some("text/plain;version=0.0.4"), Exposition::Text);
        check(
            Some("application/openmetrics-text;version=1.0.0;q=0.5,text/plain;q=0.2"),
            Exposition::OpenMetrics,
        );
    }
}
