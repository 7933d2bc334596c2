//! Receives spans over OTLP: what both transports share.
//!
//! Input: bodies of requests from [`http`] and [`grpc`]. Output: requests in protobuf, whole and within limits, for the
//! [`SpanIntake`], and an account of each in the metrics. What is answered with success has been stored; what cannot be
//! stored now is refused in a way that makes senders try again. Small requests are read where they arrive, others on a
//! blocking thread, as many at once as there are processors.
//!
//! Deliberately not here: metrics and logs of OpenTelemetry, and any knowledge of spans.

pub(crate) mod grpc;
pub(crate) mod http;

mod body;
mod compression;
mod intake;
mod metrics;

pub use intake::{IntakeError, OtlpLimits, SpanIntake, SpanReception, Taken};

use crate::state::ApiState;
use body::{Budget, Reserved};
use bytes::Bytes;
use compression::{Compression, Inflated};
use metrics::OtlpMetrics;
use std::sync::Arc;
use tidewatch_otlp::{Code, Notation, json_to_protobuf};
use tokio::sync::Semaphore;

/// Bytes of a protobuf request up to which reading it takes less time than moving it to another thread is worth.
const SMALL_REQUEST: usize = 64 * 1024;

/// How a request arrives, as the collector calls it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    Http,
    Grpc,
}

impl Transport {
    fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Grpc => "grpc",
        }
    }
}

/// Why a request is refused as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    /// As the value of a label.
    reason: &'static str,
    code: Code,
    text: String,
}

impl Refused {
    fn new(reason: &'static str, code: Code, text: impl Into<String>) -> Self {
        Self { reason, code, text: text.into() }
    }

    fn malformed(text: impl Into<String>) -> Self {
        Self::new("malformed", Code::InvalidArgument, text)
    }

    fn too_large(limit: usize) -> Self {
        let text = format!("the request is larger than {limit} bytes\nhint: send smaller batches");
        Self::new("too_large", Code::ResourceExhausted, text)
    }

    fn too_slow(seconds: u64) -> Self {
        Self::new("too_slow", Code::Unavailable, format!("the request's body took longer than {seconds}s"))
    }

    fn overloaded() -> Self {
        Self::new("overloaded", Code::Unavailable, "too many requests at once, try again")
    }
}

/// A request as it came, with what it holds of the budget.
struct Received {
    bytes: Bytes,
    reserved: Reserved,
    compression: Compression,
    notation: Notation,
}

/// Everything the transports need.
pub(crate) struct Receiver {
    intake: Arc<dyn SpanIntake>,
    limits: OtlpLimits,
    budget: Budget,
    /// Requests that are read on blocking threads.
    readers: Arc<Semaphore>,
    metrics: OtlpMetrics,
}

impl Receiver {
    /// What receives spans, if anything does.
    pub(crate) fn new(state: &ApiState) -> Option<Arc<Self>> {
        let reception = state.spans.as_ref()?;
        let processors = std::thread::available_parallelism().map_or(2, usize::from);
        Some(Arc::new(Self {
            intake: Arc::clone(&reception.intake),
            limits: reception.limits,
            budget: Budget::new(reception.limits.max_bytes_in_flight),
            readers: Arc::new(Semaphore::new(processors)),
            metrics: OtlpMetrics::new(&state.registry),
        }))
    }

    /// Stores the spans of a request and counts them; gives the text for the sender if some are refused.
    async fn take(
        self: &Arc<Self>,
        transport: Transport,
        received: Received,
    ) -> Result<(u64, String), Refused> {
        let is_small = received.compression == Compression::None
            && received.notation == Notation::Protobuf
            && received.bytes.len() <= SMALL_REQUEST;
        let outcome = if is_small {
            self.read(received)
        } else {
            let slot =
                Arc::clone(&self.readers).acquire_owned().await.expect("the semaphore is never closed");
            let this = Arc::clone(self);
            // The spans are stored even if the sender does not wait for it.
            let reading = tokio::task::spawn_blocking(move || {
                let outcome = this.read(received);
                drop(slot);
                outcome
            });
            reading.await.unwrap_or_else(|failure| {
                tracing::error!(%failure, "reading spans ended in a panic");
                let text = "the request ended in a defect of tidewatch, see its log";
                Err(Refused::new("defect", Code::Internal, text))
            })
        };
        let taken = outcome?;
        self.metrics.taken(transport, &taken);
        Ok((taken.rejected_total(), taken.message()))
    }

    fn read(&self, received: Received) -> Result<Taken, Refused> {
        let Received { mut bytes, mut reserved, compression, notation } = received;
        match compression.inflate(&bytes, self.limits.max_request_bytes, &self.budget, &mut reserved)? {
            Inflated::Unchanged => {}
            Inflated::Bytes(inflated) => bytes = inflated.into(),
        }
        if notation == Notation::Json {
            if !reserved.grow(&self.budget, bytes.len() * 2) {
                return Err(Refused::overloaded());
            }
            bytes = json_to_protobuf(&bytes).map_err(|error| Refused::malformed(error.to_string()))?.into();
        }
        self.intake.take(&bytes).map_err(|error| match error {
            IntakeError::Malformed(error) => Refused::malformed(error.to_string()),
            IntakeError::Unavailable(why) => Refused::new("unavailable", Code::Unavailable, why),
        })
    }

    /// Counts a request that is refused as a whole.
    fn count_refused(&self, transport: Transport, refused: &Refused) {
        self.metrics.refused(transport, refused.reason);
        tracing::debug!(
            transport = transport.name(),
            reason = refused.reason,
            "spans refused: {}",
            refused.text
        );
    }
}
