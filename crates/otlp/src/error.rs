//! Requests that cannot be read at all.
//!
//! Input: faults of the readers. Output: one error for the edge, which answers 400 or `INVALID_ARGUMENT`. A single bad span is not an
//! error but a [`Refusal`](crate::Refusal).

/// A request that is refused as a whole.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OtlpError {
    /// The bytes are not a protobuf message of this kind.
    #[error("malformed protobuf at byte {at}: {what}")]
    Malformed {
        /// Where reading stopped, in bytes from the start of the request.
        at: usize,
        /// What is wrong there.
        what: &'static str,
    },
    /// The text is not a JSON request.
    #[error("malformed JSON: {0}")]
    Json(String),
}
