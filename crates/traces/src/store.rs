//! The store: spans in by [`Writer`] or [`TraceStore::commit`], traces out by id or [`Search`].
//!
//! Input: decoded requests and questions, each with the time of its caller. Output: owned traces. One lock guards the segments: a batch
//! takes it once, for as long as its spans take to be indexed; a question reads sealed segments without it, and shares it for short steps
//! through the open one. Deliberately not here: sampling, adjusting traces,
//! and any thread of its own: [`TraceStore::maintain`] is called from outside.

mod commit;
mod recover;
mod upkeep;
mod snapshot;
mod query;
mod dependencies;

use crate::batch::SpanBatch;
use crate::error::TracesError;
use crate::options::StoreOptions;
use crate::search::{Dependency, Ingested, Search, StoreStats};
use crate::segment::{Log, Open, Sealed};
use crate::span::{ResourceRef, ScopeRef, SpanKind, SpanRef, SpanSink, TraceId};
use crate::trace::Trace;
use snapshot::Snapshot;
use std::fs::File;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

/// Keeps spans, finds traces.
#[derive(Debug)]
pub struct TraceStore {
    folder: Option<PathBuf>,
    options: StoreOptions,
    segments: RwLock<Segments>,
    /// What is known of the calls in sealed segments.
    calls: Mutex<dependencies::Known>,
    /// Emptied batches, so that their memory is used again.
    batches: Mutex<Vec<SpanBatch>>,
    /// Held while the store is open: no other process uses the folder.
    _lock: Option<File>,
}

/// Everything behind the lock.
#[derive(Debug)]
struct Segments {
    /// In the order in which they were sealed.
    sealed: Vec<Arc<Sealed>>,
    open: Open,
    open_number: u64,
    /// The file of the open segment, or nothing after a write that failed.
    log: Option<Log>,
    /// The hashes of the last spans, each at the place its lowest bits give.
    recent: Vec<u64>,
    /// Segments that are gone from the store, and whose files could not be removed yet.
    doomed: Vec<Arc<Sealed>>,
    /// The totals since the store was opened; what it holds is counted when asked for.
    totals: StoreStats,
    closed: bool,
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

impl TraceStore {
    /// Opens a store in a folder, which is made where it is missing, or in memory. What a folder holds is read: an unfinished segment is
    /// gone on with, a damaged one is kept up to the damage and counted.
    ///
    /// # Errors
    /// When the folder cannot be read or written, is in use by another process, or was written by a newer version.
    pub fn open(folder: Option<PathBuf>, options: StoreOptions, now_ns: u64) -> Result<Self, TracesError> {
        recover::open(folder, options, now_ns)
    }

    fn read(&self) -> RwLockReadGuard<'_, Segments> {
        self.segments.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn snapshot(&self) -> Snapshot<'_> {
        Snapshot::new(&self.segments)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Segments> {
        self.segments.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the spans of one request that came at `now_ns`. Nothing is kept before [`Writer::finish`].
    pub fn writer(&self, now_ns: u64) -> Writer<'_> {
        let mut batches = self.batches.lock().unwrap_or_else(PoisonError::into_inner);
        Writer { store: self, now_ns, batch: batches.pop().unwrap_or_default() }
    }

    /// Keeps the spans of a batch that came at `now_ns`. From now on they are found, and survive the end of this process.
    ///
    /// # Errors
    /// [`TracesError::Closed`] after [`Self::close`]. A write to the disk that fails is no error: the spans are kept in memory, the
    /// write is counted in [`StoreStats::failed_writes`] and tried again by [`Self::maintain`].
    pub fn commit(&self, batch: &SpanBatch, now_ns: u64) -> Result<Ingested, TracesError> {
        if batch.is_empty() {
            return Ok(Ingested::default());
        }
        self.write().commit(batch, now_ns, self.folder.as_deref(), &self.options)
    }

    /// The names of all services, sorted.
    pub fn services(&self) -> Vec<String> {
        query::services(&self.snapshot())
    }

    /// Names and kinds of the spans of a service, sorted.
    pub fn operations(&self, service: &str) -> Vec<(String, SpanKind)> {
        query::operations(&self.snapshot(), service)
    }

    /// The traces that match, whole, the one whose first span arrived last first.
    pub fn find(&self, search: &Search) -> Vec<Trace> {
        query::find(&self.snapshot(), search)
    }

    /// A trace by its id.
    pub fn trace(&self, id: TraceId) -> Option<Trace> {
        query::trace(&self.snapshot(), id)
    }

    /// Which service called which how often, by traces with a span that started in the `lookback` before `end_ns`: every span whose parent
    /// is found counts, within a service too. Sorted.
    pub fn dependencies(&self, end_ns: u64, lookback: Duration) -> Vec<Dependency> {
        let window = end_ns.saturating_sub(nanoseconds(lookback))..=end_ns;
        let mut known = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        dependencies::count(&self.snapshot(), &mut known, &window)
    }

    /// What it holds and what it has done.
    pub fn stats(&self) -> StoreStats {
        let pooled: usize = {
            let batches = self.batches.lock().unwrap_or_else(PoisonError::into_inner);
            batches.iter().map(SpanBatch::memory_bytes).sum()
        };
        let mut stats = self.read().stats();
        stats.memory_bytes += pooled as u64;
        stats
    }

    /// Lets go of what is too old, seals a segment that is open for too long, tries again what failed. To be called about once a second.
    ///
    /// # Errors
    /// When a file cannot be written or removed; it is tried again at the next call.
    pub fn maintain(&self, now_ns: u64) -> Result<(), TracesError> {
        self.write().maintain(now_ns, self.folder.as_deref(), &self.options)
    }

    /// Forces what was written to the disk. Afterwards [`Self::commit`] and [`Writer::finish`] fail; questions are answered as before.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn close(&self) -> Result<(), TracesError> {
        let mut segments = self.write();
        segments.closed = true;
        segments.sync(self.folder.as_deref())
    }
}

/// Takes the spans of one request; dropped without [`Writer::finish`], it leaves no trace of them.
#[derive(Debug)]
pub struct Writer<'a> {
    store: &'a TraceStore,
    now_ns: u64,
    batch: SpanBatch,
}

/// Batches kept for later requests.
const POOL: usize = 4;

impl Writer<'_> {
    /// Keeps the spans. From now on they are found, and survive the end of this process.
    ///
    /// # Errors
    /// As [`TraceStore::commit`].
    pub fn finish(self) -> Result<Ingested, TracesError> {
        self.store.commit(&self.batch, self.now_ns)
    }

    /// What came so far.
    pub fn batch(&self) -> &SpanBatch {
        &self.batch
    }
}

impl Drop for Writer<'_> {
    fn drop(&mut self) {
        let mut batch = std::mem::take(&mut self.batch);
        let mut pool = self.store.batches.lock().unwrap_or_else(PoisonError::into_inner);
        if pool.len() < POOL && batch.memory_bytes() <= self.store.options.pooled_bytes() {
            batch.clear();
            pool.push(batch);
        }
    }
}

impl SpanSink for Writer<'_> {
    fn resource(&mut self, resource: &ResourceRef<'_>) {
        self.batch.resource(resource);
    }

    fn scope(&mut self, scope: &ScopeRef<'_>) {
        self.batch.scope(scope);
    }

    fn span(&mut self, span: &SpanRef<'_>) {
        self.batch.span(span);
    }
}
