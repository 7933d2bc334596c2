//! Where received spans go, behind a trait so that transports are tested without a store.
//!
//! Input: requests in protobuf. Output: what became of their spans. The pipeline implements [`SpanIntake`] over its span
//! store with `tidewatch_otlp::decode_traces`.

use std::fmt;
use std::sync::Arc;
use tidewatch_otlp::{Decoded, OtlpError, Refusal};

/// Stores spans.
pub trait SpanIntake: Send + Sync {
    /// Stores the spans of an `ExportTraceServiceRequest` in protobuf: what is accepted when this returns is not lost.
    /// Called from event loops for small requests, so it may wait for a lock but not for a disk.
    ///
    /// # Errors
    /// When nothing of the request is stored: it is malformed, or spans cannot be taken now.
    fn take(&self, request: &[u8]) -> Result<Taken, IntakeError>;
}

/// What became of the spans of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// Spans stored.
    pub accepted: u64,
    /// Spans refused, by a reason that is the value of a label.
    pub rejected: Vec<(&'static str, u64)>,
    /// Texts that were not UTF-8 and are kept as bytes.
    pub repaired_texts: u64,
}

impl Taken {
    /// Adds what the decoder refused and repaired.
    #[must_use]
    pub fn with_decoded(mut self, decoded: &Decoded) -> Self {
        let refused = Refusal::ALL.map(|reason| (reason.name(), decoded.refused(reason)));
        self.rejected.extend(refused.into_iter().filter(|(_, spans)| *spans > 0));
        self.repaired_texts += decoded.repaired_texts;
        self
    }

    /// Spans refused for any reason.
    pub fn rejected_total(&self) -> u64 {
        self.rejected.iter().map(|(_, spans)| spans).sum()
    }

    /// What to tell the sender; empty if all spans were accepted.
    pub(crate) fn message(&self) -> String {
        let rejected = self.rejected.iter().filter(|(_, spans)| *spans > 0);
        let reasons: Vec<String> = rejected.map(|(reason, spans)| format!("{reason} {spans}")).collect();
        if reasons.is_empty() { String::new() } else { format!("spans refused: {}", reasons.join(", ")) }
    }
}

/// A request of which nothing is stored.
#[derive(Debug)]
#[non_exhaustive]
pub enum IntakeError {
    /// It will never be.
    Malformed(OtlpError),
    /// Not now, and why; the sender is told to try again.
    Unavailable(String),
}

impl From<OtlpError> for IntakeError {
    fn from(error: OtlpError) -> Self {
        Self::Malformed(error)
    }
}

/// Bounds on what senders may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OtlpLimits {
    /// Bytes of a request at most, as sent and again when decompressed.
    pub max_request_bytes: usize,
    /// Bytes of all requests that are being received or read at most; more are told to try again.
    pub max_bytes_in_flight: usize,
}

impl Default for OtlpLimits {
    /// 20 MiB as in the collector; 160 MiB for all.
    fn default() -> Self {
        Self { max_request_bytes: 20 << 20, max_bytes_in_flight: 160 << 20 }
    }
}

/// Where received spans go, and within which bounds.
#[derive(Clone)]
pub struct SpanReception {
    /// What stores them.
    pub intake: Arc<dyn SpanIntake>,
    /// The bounds.
    pub limits: OtlpLimits,
}

impl fmt::Debug for SpanReception {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SpanReception").field("limits", &self.limits).finish_non_exhaustive()
    }
}
