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
