//! What the receiver counts about itself.
//!
//! Input: outcomes of requests. Output: families with the collector's names where they exist, else tidewatch's own. Every
//! reason of a whole request's refusal is there at 0 from the start.

use super::{Taken, Transport};
use tidewatch_telemetry::{Counter, Family, Registry};

type Labels<const N: usize> = [(&'static str, String); N];

const REASONS: [&str; 8] =
    ["malformed", "too_large", "too_slow", "cut_off", "overloaded", "unavailable", "unsupported", "defect"];

#[derive(Debug)]
pub(crate) struct OtlpMetrics {
    accepted: Family<Labels<2>, Counter>,
    refused: Family<Labels<2>, Counter>,
    rejected_spans: Family<Labels<1>, Counter>,
    rejected_requests: Family<Labels<2>, Counter>,
    repaired_texts: Counter,
}

fn receiver(transport: Transport) -> Labels<2> {
    [("receiver", "otlp".to_owned()), ("transport", transport.name().to_owned())]
}

fn reason(transport: Transport, reason: &str) -> Labels<2> {
    [("transport", transport.name().to_owned()), ("reason", reason.to_owned())]
}

impl OtlpMetrics {
    pub(crate) fn new(registry: &Registry) -> Self {
        let metrics = Self {
            accepted: Family::default(),
            refused: Family::default(),
            rejected_spans: Family::default(),
            rejected_requests: Family::default(),
            repaired_texts: Counter::default(),
        };
        for transport in [Transport::Http, Transport::Grpc] {
            let _ = metrics.accepted.get_or_create(&receiver(transport));
            let _ = metrics.refused.get_or_create(&receiver(transport));
            for known in REASONS {
                let _ = metrics.rejected_requests.get_or_create(&reason(transport, known));
            }
        }
        let help = "Number of spans successfully pushed into the pipeline";
        registry.register("otelcol_receiver_accepted_spans_total", help, metrics.accepted.clone());
        let help = "Number of spans that could not be pushed into the pipeline";
        registry.register("otelcol_receiver_refused_spans_total", help, metrics.refused.clone());
        let help = "Spans of well-formed OTLP requests that were refused, by reason";
        registry.register("tidewatch_otlp_rejected_spans_total", help, metrics.rejected_spans.clone());
        let help = "OTLP requests refused as a whole, by reason";
        registry.register("tidewatch_otlp_rejected_requests_total", help, metrics.rejected_requests.clone());
        let help = "Texts of spans that were not UTF-8 and were kept as bytes";
        registry.register("tidewatch_otlp_repaired_texts_total", help, metrics.repaired_texts.clone());
        metrics
    }

    pub(crate) fn taken(&self, transport: Transport, taken: &Taken) {
        self.accepted.get_or_create(&receiver(transport)).inc_by(taken.accepted);
        let rejected = taken.rejected_total();
        if rejected > 0 {
            self.refused.get_or_create(&receiver(transport)).inc_by(rejected);
        }
        for (reason, spans) in &taken.rejected {
            self.rejected_spans.get_or_create(&[("reason", (*reason).to_owned())]).inc_by(*spans);
        }
        if taken.repaired_texts > 0 {
            self.repaired_texts.inc_by(taken.repaired_texts);
        }
    }

    pub(crate) fn refused(&self, transport: Transport, why: &str) {
        self.rejected_requests.get_or_create(&reason(transport, why)).inc();
    }
}
