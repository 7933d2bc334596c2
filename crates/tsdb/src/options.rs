//! What may be set when a database is opened.
//!
//! Input: flags and configuration, elsewhere. Output: numbers for the other modules.

use std::time::Duration;

/// Settings of a database; the default is what a single machine needs.
#[derive(Clone, Debug)]
pub struct TsdbOptions {
    /// How long samples are kept: 7 days unless set.
    pub retention: Duration,
    /// How many series there may be at a time: 2,000,000 unless set. Rows beyond are refused, existing series go on.
    pub max_series: usize,
    /// How many exemplars are kept, the newest of all series: 100,000 unless set, as in Prometheus; 0 keeps none.
    pub max_exemplars: usize,
    /// How far a sample may be behind the latest one of the whole database: an hour unless set, which is what
    /// Prometheus allows. Samples of one series always have to ascend.
    pub out_of_bounds_after: Duration,
    /// The size from which on the log continues in a new segment: 128 MiB unless set, as in Prometheus.
    pub wal_segment_bytes: u64,
    /// Whether records of the log are compressed with snappy when that makes them shorter: yes unless set. Both are
    /// read, whatever is set.
    pub wal_compression: bool,
    /// A checkpoint is written when the last one is this old: two hours unless set.
    pub checkpoint_interval: Duration,
    /// A checkpoint is also written when the log has grown by this much since the last: 128 MiB unless set.
    pub checkpoint_bytes: u64,
}

impl Default for TsdbOptions {
    fn default() -> Self {
        Self {
            retention: Duration::from_secs(7 * 24 * 60 * 60),
            max_series: 2_000_000,
            max_exemplars: 100_000,
            out_of_bounds_after: Duration::from_secs(60 * 60),
            wal_segment_bytes: 128 << 20,
            wal_compression: true,
            checkpoint_interval: Duration::from_secs(2 * 60 * 60),
            checkpoint_bytes: 128 << 20,
        }
    }
}

/// A duration in milliseconds, as far as these go.
pub(crate) fn milliseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
