//! Numbers about a database, for `/metrics` and the status page.
//!
//! Input: the head, the files, and counters that appends keep. Output: a plain [`TsdbStats`]; the names under which
//! these are exposed are beside each field.

use std::sync::atomic::{AtomicU64, Ordering};
use tidewatch_model::Rejection;

/// A database at a moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TsdbStats {
    /// Series in memory: `prometheus_tsdb_head_series`.
    pub series: usize,
    /// Distinct pairs of label name and value.
    pub label_pairs: usize,
    /// Chunks of all series, on disk or not: `prometheus_tsdb_head_chunks`.
    pub chunks: usize,
    /// The earliest sample, in milliseconds since the Unix epoch: `prometheus_tsdb_head_min_time`.
    pub min_time: Option<i64>,
    /// The latest sample, in milliseconds since the Unix epoch: `prometheus_tsdb_head_max_time`.
    pub max_time: Option<i64>,
    /// Label names and values with their series, in bytes, estimated.
    pub index_bytes: usize,
    /// Series with their open chunks and chunk references, labels aside, in bytes, estimated.
    pub series_bytes: usize,
    /// Bytes of the log, checkpoint included: `prometheus_tsdb_wal_storage_size_bytes`.
    pub wal_bytes: u64,
    /// The segment written to: `prometheus_tsdb_wal_segment_current`.
    pub wal_segment: u64,
    /// Bytes of the chunk files: `prometheus_tsdb_head_chunks_storage_size_bytes`.
    pub chunk_bytes: u64,
    /// Series made since the start: `prometheus_tsdb_head_series_created_total`.
    pub series_created: u64,
    /// Series removed since the start: `prometheus_tsdb_head_series_removed_total`.
    pub series_removed: u64,
    /// Samples taken since the start: `prometheus_tsdb_head_samples_appended_total{type="float"}`.
    pub samples_appended: u64,
    /// Samples refused for their order or a second value: `prometheus_tsdb_out_of_order_samples_total{type="float"}`.
    pub out_of_order: u64,
    /// Samples refused as too old: `prometheus_tsdb_out_of_bound_samples_total{type="float"}`.
    pub out_of_bounds: u64,
    /// Samples refused for the limit on series.
    pub series_limit: u64,
    /// Exemplars kept: `prometheus_tsdb_exemplar_exemplars_in_storage`.
    pub exemplars: usize,
    /// Series that have some: `prometheus_tsdb_exemplar_series_with_exemplars_in_storage`.
    pub exemplar_series: usize,
    /// The time of the newest, in milliseconds since the Unix epoch: `prometheus_tsdb_exemplar_last_exemplars_timestamp_seconds`.
    pub newest_exemplar: Option<i64>,
    /// Exemplars taken since the start: `prometheus_tsdb_exemplar_exemplars_appended_total`.
    pub exemplars_appended: u64,
    /// Exemplars refused for their order: `prometheus_tsdb_exemplar_out_of_order_exemplars_total`.
    pub exemplars_out_of_order: u64,
    /// Exemplars dropped for the length of their labels or because their sample was refused.
    pub exemplars_dropped: u64,
    /// Failed writes to the log: `prometheus_tsdb_wal_writes_failed_total`.
    pub wal_writes_failed: u64,
    /// Failed writes of chunks, each tried again later.
    pub chunk_writes_failed: u64,
    /// Checkpoints written: `prometheus_tsdb_checkpoint_creations_total`.
    pub checkpoints: u64,
    /// Checkpoints that failed: `prometheus_tsdb_checkpoint_creations_failed_total`.
    pub checkpoints_failed: u64,
    /// Torn or damaged files repaired when the folder was opened: `prometheus_tsdb_wal_corruptions_total` among them.
    pub repairs: u64,
}

/// What is counted while the database is open.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) series_created: AtomicU64,
    pub(crate) series_removed: AtomicU64,
    pub(crate) samples_appended: AtomicU64,
    pub(crate) out_of_order: AtomicU64,
    pub(crate) out_of_bounds: AtomicU64,
    pub(crate) series_limit: AtomicU64,
    pub(crate) exemplars_appended: AtomicU64,
    pub(crate) exemplars_out_of_order: AtomicU64,
    pub(crate) exemplars_dropped: AtomicU64,
    pub(crate) wal_writes_failed: AtomicU64,
    pub(crate) chunk_writes_failed: AtomicU64,
    pub(crate) checkpoints: AtomicU64,
    pub(crate) checkpoints_failed: AtomicU64,
}

impl Counters {
    pub(crate) fn add(counter: &AtomicU64, count: usize) {
        counter.fetch_add(count as u64, Ordering::Relaxed);
    }

    pub(crate) fn get(counter: &AtomicU64) -> u64 {
        counter.load(Ordering::Relaxed)
    }

    pub(crate) fn reject(&self, rejection: Rejection) {
        let counter = match rejection {
            Rejection::OutOfBounds => &self.out_of_bounds,
            Rejection::SeriesLimit => &self.series_limit,
            _ => &self.out_of_order,
        };
        Self::add(counter, 1);
    }
}
