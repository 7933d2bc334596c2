//! The bounds of a store.
//!
//! Input: the configuration. Output: read by the store on every batch and every upkeep. It holds numbers only.

use std::time::Duration;

/// What bounds a [`crate::TraceStore`]. Whatever comes, the oldest spans leave before a bound is exceeded.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoreOptions {
    /// Bytes of heap that spans and their indexes may take. With a folder only the newest segment is there; without one, all are.
    pub max_memory_bytes: u64,
    /// Bytes that the files may take. Without a folder it has no meaning.
    pub max_disk_bytes: u64,
    /// How long spans are kept, counted from their arrival.
    pub retention: Duration,
    /// Bytes of a segment's spans, after which the next segment begins; lowered to an eighth of the bound on memory or disk.
    pub segment_bytes: u64,
    /// Age at which a segment with any span in it is closed, so that retention has something to remove.
    pub segment_age: Duration,
    /// Bytes of one span as it comes in, strings included; a larger one, or one of more than half a segment, is refused.
    pub max_span_bytes: usize,
    /// Attributes of one span with its events and links; a span with more is refused.
    pub max_attributes: usize,
    /// A span that started longer before its arrival is counted as late. It is kept.
    pub late_after: Duration,
    /// A span that starts longer after its arrival is counted as skewed. It is kept.
    pub skewed_after: Duration,
    /// Whether a span equal in every byte to one of the last 65,536 is counted and not kept again. Answers are the same with and without:
    /// Jaeger keeps what was sent again and removes it when it answers, as its query APIs here do too, except for an answer that is
    /// asked for raw, in which it would show what was sent twice. Spans that share an id and differ in a byte, as the two sides of a call
    /// may, are always kept. Not equal is a span of another resource or scope. Calls between services are counted of what is kept.
    pub drop_duplicates: bool,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self {
            max_memory_bytes: 256 << 20,
            max_disk_bytes: 1 << 30,
            retention: Duration::from_secs(48 * 3600),
            segment_bytes: 16 << 20,
            segment_age: Duration::from_secs(3600),
            max_span_bytes: 4 << 20,
            max_attributes: 16_384,
            late_after: Duration::from_secs(48 * 3600),
            skewed_after: Duration::from_secs(600),
            drop_duplicates: true,
        }
    }
}
