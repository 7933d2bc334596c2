//! `otel_exporter_*`: what became of the spans.
//!
//! Input: outcomes of the queue and of exports. Output: counters, all of them at zero from the start. Deliberately nothing per
//! span name or trace.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

/// Why a span will never be seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DropReason {
    /// Too many spans were waiting.
    QueueFull,
    /// The receiver will never take it.
    Refused,
    /// The receiver could not be reached, or did not want it yet, for too long.
    Unavailable,
    /// The receiver took too long to answer.
    Timeout,
    /// The process ended first.
    Shutdown,
}

impl DropReason {
    const ALL: [(Self, &'static str); 5] = [
        (Self::QueueFull, "queue_full"),
        (Self::Refused, "refused"),
        (Self::Unavailable, "unavailable"),
        (Self::Timeout, "timeout"),
        (Self::Shutdown, "shutdown"),
    ];
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct DropLabels {
    reason: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct PollLabels {
    success: &'static str,
}

/// The metrics of exporting.
#[derive(Clone, Debug)]
pub(crate) struct ExportMetrics {
    pub(crate) exported: Counter,
    pub(crate) waiting: Gauge,
    dropped: [Counter; DropReason::ALL.len()],
}

impl ExportMetrics {
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let (exported, waiting) = (Counter::default(), Gauge::default());
        let dropped = Family::<DropLabels, Counter>::default();
        registry.register("otel_exporter_spans_exported", "Spans that the receiver took", exported.clone());
        registry.register("otel_exporter_queue_spans", "Spans waiting to be exported", waiting.clone());
        let help = "Sampled spans that never reached the receiver, by reason";
        registry.register("otel_exporter_spans_dropped", help, dropped.clone());
        let dropped = DropReason::ALL.map(|(_, reason)| dropped.get_or_create_owned(&DropLabels { reason }));
        Self { exported, waiting, dropped }
    }

    pub(crate) fn dropped(&self, reason: DropReason, spans: u64) {
        self.dropped[reason as usize].inc_by(spans);
    }

    #[cfg(test)]
    pub(crate) fn count(&self, reason: DropReason) -> u64 {
        self.dropped[reason as usize].get()
    }
}

/// Counters of asking for a sampling strategy: succeeded, failed.
pub(crate) fn register_polls(registry: &mut Registry) -> (Counter, Counter) {
    let polls = Family::<PollLabels, Counter>::default();
    registry.register("otel_sampler_polls", "Requests for a sampling strategy", polls.clone());
    let counter = |success| polls.get_or_create_owned(&PollLabels { success });
    (counter("true"), counter("false"))
}
