//! Dapr's Configuration: tracing and metrics.
//!
//! Input: an object of `dapr.io/v1alpha1`. Output: [`Configuration`]. What concerns other parts of Dapr is named in the log and left out.

use crate::document::{Document, Place};
use tidewatch_manifest::{ManifestError, Other};

/// What a Configuration says of pub/sub.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Configuration {
    /// `spec.tracing.samplingRate`; empty where there is none.
    pub(crate) sampling_rate: String,
    /// Where spans go: `host:port` of `spec.tracing.otel`.
    pub(crate) otel_endpoint: Option<String>,
    pub(crate) metrics: MetricSpec,
}

/// `spec.metric` and `spec.metrics`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct MetricSpec {
    pub(crate) enabled: bool,
    /// Whether the paths of requests are labels.
    pub(crate) increased_cardinality: bool,
    pub(crate) exclude_verbs: bool,
    /// Patterns as of Go's `ServeMux`, without wildcards for hosts.
    pub(crate) path_matching: Vec<String>,
    /// Milliseconds, rising.
    pub(crate) latency_buckets: Vec<f64>,
}

/// daprd's buckets for latencies, in milliseconds.
const LATENCY_BUCKETS: [f64; 34] = [
    1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 13.0, 16.0, 20.0, 25.0, 30.0, 40.0, 50.0, 65.0, 80.0, 100.0,
    130.0, 160.0, 200.0, 250.0, 300.0, 400.0, 500.0, 650.0, 800.0, 1_000.0, 2_000.0, 5_000.0, 10_000.0,
    20_000.0, 50_000.0, 100_000.0,
];

impl Default for MetricSpec {
    fn default() -> Self {
        Self {
            enabled: true,
            increased_cardinality: true,
            exclude_verbs: false,
            path_matching: Vec::new(),
            latency_buckets: LATENCY_BUCKETS.to_vec(),
        }
    }
}

/// Reads a Configuration object.
///
/// # Errors
/// All its mistakes.
pub(crate) fn read(other: &Other) -> Result<Configuration, Vec<ManifestError>> {
    let document = Document::new(other);
    let configuration = {
        let spec = document.root().get("spec");
        for (name, _) in spec.entries() {
            if !["tracing", "metric", "metrics", "features", "logging"].contains(&name) {
                tracing::info!(
                    configuration = other.meta.name,
                    field = name,
                    "does not concern pub/sub and is left out"
                );
            }
        }
        let tracing = spec.get("tracing");
        for name in ["zipkin", "stdout"] {
            if tracing.get(name).is_there() && tracing.get(name).value() != &serde_json::Value::Bool(false) {
                tracing::warn!(
                    configuration = other.meta.name,
                    exporter = name,
                    "is not supported: spans go to otel only"
                );
            }
        }
        Configuration {
            sampling_rate: tracing.get("samplingRate").loose_text().unwrap_or_default(),
            otel_endpoint: otel(&tracing.get("otel")),
            metrics: metric_spec([spec.get("metric"), spec.get("metrics")]),
        }
    };
    let errors = document.into_errors();
    if errors.is_empty() { Ok(configuration) } else { Err(errors) }
}

fn otel(otel: &Place<'_>) -> Option<String> {
    let endpoint = otel.get("endpointAddress").text().filter(|endpoint| !endpoint.is_empty())?;
    let protocol = otel.get("protocol").text().filter(|protocol| !protocol.is_empty());
    match protocol.as_deref() {
        Some("http") => {}
        // daprd exports nothing then, and says nothing.
        None => {
            otel.get("protocol").wrong("is missing", "write protocol: http");
        }
        Some(other) => otel.get("protocol").wrong(
            format!("{other:?} is not supported by this sidecar"),
            "write protocol: http and the collector's port for it, which is usually 4318",
        ),
    }
    if otel.get("isSecure").flag().unwrap_or(true) {
        otel.get("isSecure").wrong(
            "is true, which is also the default: this sidecar has no TLS",
            "write isSecure: false; the collector is reached over plain HTTP",
        );
    }
    if endpoint.contains("://") || endpoint.contains('/') {
        otel.get("endpointAddress")
            .wrong(format!("{endpoint:?} is an URL"), "write host:port only, e.g. jaeger.monitoring:4318");
        return None;
    }
    Some(endpoint)
}

fn metric_spec(places: [Place<'_>; 2]) -> MetricSpec {
    let mut spec = MetricSpec::default();
    for place in places {
        spec.enabled = place.get("enabled").flag().unwrap_or(spec.enabled);
        let http = place.get("http");
        spec.increased_cardinality =
            http.get("increasedCardinality").flag().unwrap_or(spec.increased_cardinality);
        spec.exclude_verbs = http.get("excludeVerbs").flag().unwrap_or(spec.exclude_verbs);
        let patterns: Vec<String> = http.get("pathMatching").items().iter().filter_map(Place::text).collect();
        if !patterns.is_empty() {
            spec.path_matching = patterns;
        }
        let buckets = place.get("latencyDistributionBuckets");
        let bounds: Vec<f64> =
            buckets.items().iter().filter_map(Place::number).map(|bound| bound as f64).collect();
        if bounds.windows(2).any(|pair| pair[0] >= pair[1]) {
            buckets.wrong("must rise", "write whole milliseconds, each larger than the one before");
        } else if !bounds.is_empty() {
            spec.latency_buckets = bounds;
        }
        if place.get("rules").is_there() {
            tracing::warn!("metric rules (regular expressions on labels) are not supported and are left out");
        }
    }
    spec
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidewatch_manifest::load_text;

    fn read_text(spec: &str) -> Result<Configuration, String> {
        let text =
            format!("apiVersion: dapr.io/v1alpha1\nkind: Configuration\nmetadata:\n  name: c\nspec:\n{spec}");
        let manifests = load_text("c.yaml", &text).map_err(|errors| format!("{errors:?}"))?;
        read(&manifests.others[0])
            .map_err(|errors| errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
    }

    #[test]
    fn tracing_and_metrics_are_read() {
        let spec = "  tracing:\n    samplingRate: \"1\"\n    otel: {endpointAddress: 'jaeger.monitoring:4318', isSecure: false, protocol: http}\n  metric:\n    enabled: true\n    http: {increasedCardinality: false, excludeVerbs: true, pathMatching: [/a]}\n    latencyDistributionBuckets: [1, 10]\n";
        let expected = Configuration {
            sampling_rate: "1".to_owned(),
            otel_endpoint: Some("jaeger.monitoring:4318".to_owned()),
            metrics: MetricSpec {
                enabled: true,
                increased_cardinality: false,
                exclude_verbs: true,
                path_matching: vec!["/a".to_owned()],
                latency_buckets: vec![1.0, 10.0],
            },
        };
        assert_eq!(read_text(spec), Ok(expected));
        assert_eq!(read_text("  features: []\n"), Ok(Configuration::default()));
        assert_eq!(
            read_text("  tracing: {samplingRate: 0.5}\n").map(|read| read.sampling_rate),
            Ok("0.5".to_owned())
        );
    }

    #[test]
    fn what_cannot_work_is_refused_with_a_remedy() {
        let check = |otel: &str, parts: &[&str]| {
            let error = read_text(&format!("  tracing:\n    otel: {{{otel}}}\n")).expect_err("it is wrong");
            for part in parts {
                assert!(error.contains(part), "{part:?} is missing in {error}");
            }
        };
        check(
            "endpointAddress: 'a:1', protocol: http",
            &["isSecure: is true", "hint: write isSecure: false"],
        );
        check(
            "endpointAddress: 'a:1', protocol: grpc, isSecure: false",
            &["\"grpc\" is not supported", "4318"],
        );
        check("endpointAddress: 'a:1', isSecure: false", &["spec.tracing.otel.protocol: is missing"]);
        check("endpointAddress: 'http://a:1', protocol: http, isSecure: false", &["is an URL", "host:port"]);
    }
}
