//! A histogram of seconds whose buckets remember a trace.
//!
//! Input: durations, with the span that took them. Output: a classic histogram with [`LATENCY_BUCKETS`]; in OpenMetrics each bucket
//! carries the ids of the last sampled span that fell into it (its exemplar). Deliberately remembers nothing of unsampled traces:
//! there would be nothing to look at.

use std::time::{Duration, SystemTime};

use prometheus_client::{
    encoding::{EncodeLabelSet, EncodeLabelValue, EncodeMetric, LabelValueEncoder, MetricEncoder},
    metrics::{MetricType, TypedMetric, exemplar::HistogramWithExemplars},
};

use crate::{
    LATENCY_BUCKETS, TraceContext,
    current_context::of_current,
    trace_context::{SpanId, TraceId},
};

#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Exemplar {
    trace_id: TraceId,
    span_id: SpanId,
}

impl EncodeLabelValue for TraceId {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> std::fmt::Result {
        std::fmt::Write::write_fmt(encoder, format_args!("{self}"))
    }
}

impl EncodeLabelValue for SpanId {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> std::fmt::Result {
        std::fmt::Write::write_fmt(encoder, format_args!("{self}"))
    }
}

/// The histogram; a clone is the same one.
#[derive(Clone, Debug)]
pub struct LatencyHistogram(HistogramWithExemplars<Exemplar>);

impl Default for LatencyHistogram {
    fn default() -> Self {
        Self(HistogramWithExemplars::new(LATENCY_BUCKETS.into_iter()))
    }
}

impl LatencyHistogram {
    /// Counts a duration of the current span.
    pub fn observe(&self, duration: Duration) {
        self.put(duration, of_current(exemplar).flatten());
    }

    /// Counts a duration of the span `context`.
    pub fn observe_of(&self, duration: Duration, context: Option<&TraceContext>) {
        self.put(duration, context.and_then(exemplar));
    }

    fn put(&self, duration: Duration, exemplar: Option<Exemplar>) {
        let now = exemplar.map(|_| SystemTime::now());
        self.0.observe(duration.as_secs_f64(), exemplar, now);
    }
}

fn exemplar(context: &TraceContext) -> Option<Exemplar> {
    // Only what this process records: another's decision may have been overruled here.
    context.tracer.is_some().then_some(Exemplar { trace_id: context.trace_id, span_id: context.span_id })
}

impl EncodeMetric for LatencyHistogram {
    fn encode(&self, encoder: MetricEncoder<'_>) -> std::fmt::Result {
        self.0.encode(encoder)
    }

    fn metric_type(&self) -> MetricType {
        Self::TYPE
    }
}

impl TypedMetric for LatencyHistogram {
    const TYPE: MetricType = MetricType::Histogram;
}

#[cfg(test)]
mod tests {
    use prometheus_client::{encoding::text, registry::Registry};

    use super::*;
    use crate::{Environment, SpanKind, TracePipeline, TraceSettings, Tracer, in_context};

    /// The bucket of 40 ms after it was observed in a span of `sampler`.
    async fn bucket(sampler: &str) -> String {
        let variables = [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9"),
            ("OTEL_TRACES_SAMPLER", sampler),
            ("OTEL_BSP_SCHEDULE_DELAY", "600000"),
        ];
        let settings = TraceSettings::from_environment(&Environment::of(variables)).unwrap();
        let mut registry = Registry::default();
        let histogram = LatencyHistogram::default();
        registry.register("seconds", "Seconds", histogram.clone());
        let pipeline = TracePipeline::start(&settings, "x", "1", &mut Registry::default()).unwrap();
        let operation = pipeline.tracer().operation("work", SpanKind::Internal);
        let span = pipeline.tracer().begin(&operation, None);
        span.run(async { histogram.observe(Duration::from_millis(40)) }).await;
        let mut page = String::new();
        text::encode(&mut page, &registry).unwrap();
        let ids =
            span.context().map(|context| format!("{} {}", context.trace_id(), context.span_id())).unwrap();
        let lines: Vec<&str> = page.lines().filter(|line| line.contains(" # ")).collect();
        assert!(lines.len() <= 1 && lines.iter().all(|line| line.contains(r#"le="0.05""#)), "{page}");
        format!("{ids}|{}", lines.first().unwrap_or(&""))
    }

    #[tokio::test]
    async fn a_sampled_span_becomes_the_exemplar_of_its_bucket() {
        let seen = bucket("always_on").await;
        let (ids, line) = seen.split_once('|').unwrap();
        let (trace, span) = ids.split_once(' ').unwrap();
        let (sample, exemplar) = line.split_once(" # ").unwrap();
        assert_eq!(sample, r#"seconds_bucket{le="0.05"} 1"#);
        let value = exemplar.strip_prefix(&format!(r#"{{trace_id="{trace}",span_id="{span}"}} "#)).unwrap();
        let numbers: Vec<f64> = value.split(' ').map(|number| number.parse().unwrap()).collect();
        assert_eq!((numbers.len(), numbers[0]), (2, 0.04), "value and time: {value}");
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs_f64();
        assert!((now - numbers[1]).abs() < 60.0, "{value} is in seconds since the epoch");
    }

    #[tokio::test]
    async fn without_a_recorded_span_there_is_no_exemplar() {
        assert!(bucket("always_off").await.ends_with('|'));
        let histogram = LatencyHistogram::default();
        let mut registry = Registry::default();
        registry.register("seconds", "Seconds", histogram.clone());
        let foreign = TraceContext::parse("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", None);
        in_context(foreign.clone(), async { histogram.observe(Duration::from_millis(1)) }).await;
        let operation = Tracer::off().operation("work", SpanKind::Server);
        let passed_on = Tracer::off().begin(&operation, foreign.as_ref());
        histogram.observe_of(Duration::from_millis(1), passed_on.context());
        let mut page = String::new();
        text::encode(&mut page, &registry).unwrap();
        assert!(page.contains(r#"seconds_bucket{le="0.005"} 2"#) && !page.contains(" # {"), "{page}");
    }
}
