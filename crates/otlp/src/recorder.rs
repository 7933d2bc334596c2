//! A request's way into the store: decoded once, counted, sampled, kept.
//!
//! Input: requests in protobuf with the time of their arrival, and a tick every moment. Output: spans in the [`TraceStore`], samples of
//! calls and calls between services for a store of samples, and what became of each request. All spans are counted, whether they
//! are sampled or not. Without tail sampling spans are stored at once; with it, requests with undecided traces wait in memory, bounded,
//! until their traces are decided, and are decoded again then: what waits is lost when the process is killed, and stored when it
//! ends in order. Deliberately reads no clock and starts no task.

use crate::{Decoded, OtlpError, decode_traces};
use hashbrown::HashSet;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tidewatch_model::{Append, AppendError, Batch};
use tidewatch_traces::{
    Both, Calls, Fate, Ingested, ResourceRef, ScopeRef, ServiceGraph, ServiceGraphOptions, SpanMetrics,
    SpanRef, SpanSink, TailPolicy, TailSampler, TailStats, TraceId, TraceStore, TracesError,
};

/// How a recorder counts and samples.
#[derive(Clone, Debug)]
pub struct RecorderOptions {
    /// How many operations are counted apart.
    pub most_operations: usize,
    /// Bounds of the service graph.
    pub service_graph: ServiceGraphOptions,
    /// What is kept; `None` keeps everything.
    pub tail_sampling: Option<TailPolicy>,
    /// Bytes of requests, with the ids of their traces, that may wait for a decision; beyond, the oldest are decided early.
    pub most_waiting_bytes: usize,
}

impl Default for RecorderOptions {
    /// 1,000 operations, as many as the connector's cache has by default, are 20,000 series; 128 MiB of requests are some 300,000 spans.
    fn default() -> Self {
        Self {
            most_operations: 1_000,
            service_graph: ServiceGraphOptions::default(),
            tail_sampling: None,
            most_waiting_bytes: 128 << 20,
        }
    }
}

/// A request of which nothing is stored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// It cannot be read.
    #[error(transparent)]
    Malformed(#[from] OtlpError),
    /// The store does not take it.
    #[error(transparent)]
    Store(#[from] TracesError),
}

/// What became of a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recorded {
    /// What the decoder read and refused.
    pub decoded: Decoded,
    /// What the store took of the spans that were to be kept at once.
    pub ingested: Ingested,
    /// Spans that wait for a decision on their trace.
    pub waiting: u64,
    /// Spans of traces that tail sampling drops.
    pub sampled_out: u64,
}

/// What a recorder holds besides the store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RecorderStats {
    /// Operations that are counted apart.
    pub operations: usize,
    /// Spans of operations beyond those, counted together.
    pub operations_beyond: u64,
    /// Spans whose other side never came.
    pub unpaired_spans: u64,
    /// Spans and calls beyond the bounds of the service graph.
    pub graph_dropped: u64,
    /// Decisions on traces; `None` without tail sampling.
    pub tail: Option<TailStats>,
    /// Spans of dropped traces.
    pub sampled_out: u64,
    /// Spans of kept traces that had waited when the store did not take them any more.
    pub lost: u64,
    /// Bytes of requests that wait, with the ids of their traces.
    pub waiting_bytes: usize,
}

/// Takes requests.
pub struct Recorder {
    store: Arc<TraceStore>,
    counters: Mutex<Counters>,
    tail: Option<Mutex<Tail>>,
    most_waiting_bytes: usize,
    /// Buffers of requests that are through.
    spare: Mutex<Vec<Calls>>,
}

struct Counters {
    metrics: SpanMetrics,
    graph: ServiceGraph,
    batch: Batch,
}

/// Tail sampling, and what waits for it.
struct Tail {
    sampler: TailSampler,
    wait_ns: u64,
    held: VecDeque<Held>,
    held_bytes: usize,
    sampled_out: u64,
    lost: u64,
}

/// A request that waits.
struct Held {
    due_ns: u64,
    request: Box<[u8]>,
    /// Those of its traces that were not decided when it came.
    undecided: HashSet<TraceId>,
}

impl Held {
    /// What it takes in memory.
    fn bytes(&self) -> usize {
        size_of::<Self>() + self.request.len() + self.undecided.allocation_size()
    }
}

/// Spare buffers that are kept.
const SPARE_BUFFERS: usize = 8;
/// Calls of a buffer that is kept, at most.
const SPARE_CALLS: usize = 1 << 14;

impl Recorder {
    /// Records into a store.
    pub fn new(store: Arc<TraceStore>, options: RecorderOptions) -> Self {
        let tail = options.tail_sampling.map(|policy| {
            let wait_ns = policy.decision_wait_ns;
            let sampler = TailSampler::new(policy);
            Mutex::new(Tail {
                sampler,
                wait_ns,
                held: VecDeque::new(),
                held_bytes: 0,
                sampled_out: 0,
                lost: 0,
            })
        });
        let counters = Counters {
            metrics: SpanMetrics::new(options.most_operations),
            graph: ServiceGraph::new(options.service_graph),
            batch: Batch::default(),
        };
        Self {
            store,
            counters: Mutex::new(counters),
            tail,
            most_waiting_bytes: options.most_waiting_bytes,
            spare: Mutex::default(),
        }
    }

    /// The store it records into.
    pub fn store(&self) -> &Arc<TraceStore> {
        &self.store
    }

    /// Takes an `ExportTraceServiceRequest` in protobuf that arrives at `now_ns`, in nanoseconds since the Unix epoch.
    ///
    /// # Errors
    /// When it is malformed or the store is closed; nothing of it is stored or counted then.
    pub fn record(&self, request: &[u8], now_ns: u64) -> Result<Recorded, RecordError> {
        let mut calls = lock(&self.spare).pop().unwrap_or_default();
        calls.clear();
        let recorded = match &self.tail {
            None => self.store_all(request, &mut calls, now_ns),
            Some(tail) => self.sample(request, &mut calls, tail, now_ns),
        };
        if recorded.is_ok() {
            let mut counters = lock(&self.counters);
            let Counters { metrics, graph, .. } = &mut *counters;
            graph.expire(now_ns);
            for call in calls.iter() {
                metrics.observe(&call);
                graph.observe(&call, now_ns);
            }
        }
        let mut spare = lock(&self.spare);
        if spare.len() < SPARE_BUFFERS && calls.len() <= SPARE_CALLS {
            spare.push(calls);
        }
        recorded
    }

    fn store_all(&self, request: &[u8], calls: &mut Calls, now_ns: u64) -> Result<Recorded, RecordError> {
        let mut both = Both(self.store.writer(now_ns), calls);
        let decoded = decode_traces(request, &mut both)?;
        let ingested = both.0.finish()?;
        Ok(Recorded { decoded, ingested, ..Recorded::default() })
    }

    fn sample(
        &self,
        request: &[u8],
        calls: &mut Calls,
        tail: &Mutex<Tail>,
        now_ns: u64,
    ) -> Result<Recorded, RecordError> {
        let decoded = decode_traces(request, calls)?;
        let traces = calls.traces();
        let (mut kept, mut undecided) = (HashSet::new(), HashSet::new());
        {
            let mut tail = lock(tail);
            tail.sampler.expire(now_ns);
            for call in calls.iter() {
                tail.sampler.observe(&call, now_ns);
            }
            for trace in &traces {
                match tail.sampler.fate(*trace) {
                    Fate::Keep => kept.insert(*trace),
                    Fate::Wait => undecided.insert(*trace),
                    Fate::Drop => true,
                };
            }
        }
        let mut recorded = Recorded { decoded, ..Recorded::default() };
        for call in calls.iter() {
            recorded.waiting += u64::from(undecided.contains(&call.trace_id));
            let goes_on = kept.contains(&call.trace_id) || undecided.contains(&call.trace_id);
            recorded.sampled_out += u64::from(!goes_on);
        }
        if !kept.is_empty() {
            recorded.ingested = self.store_of(request, &kept, now_ns)?;
        }
        let mut tail = lock(tail);
        tail.sampled_out += recorded.sampled_out;
        if !undecided.is_empty() {
            let due_ns = now_ns.saturating_add(tail.wait_ns);
            let held = Held { due_ns, request: request.into(), undecided };
            tail.held_bytes += held.bytes();
            tail.held.push_back(held);
        }
        drop(tail);
        self.release(now_ns, false)?;
        Ok(recorded)
    }

    /// Stores those spans of a request that belong to some traces.
    fn store_of(
        &self,
        request: &[u8],
        traces: &HashSet<TraceId>,
        now_ns: u64,
    ) -> Result<Ingested, RecordError> {
        let mut writer = self.store.writer(now_ns);
        // it was decoded before, so it can be
        decode_traces(request, &mut OfTraces { sink: &mut writer, traces })?;
        Ok(writer.finish()?)
    }

    /// Decides and stores what has waited long enough, and whatever is beyond the bound; `all` ends the waiting of everything. What the
    /// store does not take is counted as lost, and the first such error given in the end.
    fn release(&self, now_ns: u64, all: bool) -> Result<(), RecordError> {
        let Some(tail) = &self.tail else { return Ok(()) };
        let mut released = Ok(());
        loop {
            let (held, kept) = {
                let mut tail = lock(tail);
                tail.sampler.expire(now_ns);
                let beyond = all || tail.held_bytes > self.most_waiting_bytes;
                if !tail.held.front().is_some_and(|held| beyond || held.due_ns <= now_ns) {
                    return released;
                }
                let Some(held) = tail.held.pop_front() else { return released };
                tail.held_bytes -= held.bytes();
                let undecided = held.undecided.iter().copied();
                let kept: HashSet<TraceId> =
                    undecided.filter(|trace| tail.sampler.decide(*trace, now_ns)).collect();
                (held, kept)
            };
            if kept.len() < held.undecided.len() {
                let out: HashSet<TraceId> = held.undecided.difference(&kept).copied().collect();
                lock(tail).sampled_out += spans_of(&held.request, &out);
            }
            if !kept.is_empty()
                && let Err(error) = self.store_of(&held.request, &kept, now_ns)
            {
                lock(tail).lost += spans_of(&held.request, &kept);
                released = released.and(Err(error));
            }
        }
    }

    /// What has to be done as time passes: decisions that are due, and pairs of spans that will not be complete any more.
    ///
    /// # Errors
    /// When the store is closed.
    pub fn tick(&self, now_ns: u64) -> Result<(), RecordError> {
        lock(&self.counters).graph.expire(now_ns);
        self.release(now_ns, false)
    }

    /// Decides everything that waits, at the end.
    ///
    /// # Errors
    /// When the store is closed.
    pub fn finish(&self, now_ns: u64) -> Result<(), RecordError> {
        self.release(now_ns, true)
    }

    /// Writes the counts as samples of `now_ms`, in milliseconds since the Unix epoch.
    ///
    /// # Errors
    /// When the store of samples cannot be written to; the next call writes the counts of then.
    pub fn write_samples(&self, samples: &dyn Append, now_ms: i64) -> Result<(), AppendError> {
        let mut counters = lock(&self.counters);
        let Counters { metrics, graph, batch } = &mut *counters;
        batch.clear();
        metrics.write(batch, now_ms);
        graph.write(batch, now_ms);
        if batch.rows.is_empty() {
            return Ok(());
        }
        let appended = samples.append(batch);
        if appended.is_ok() {
            let end = metrics.learn(batch, 0);
            graph.learn(batch, end);
        }
        appended.map(drop)
    }

    /// What it holds besides the store.
    pub fn stats(&self) -> RecorderStats {
        let mut stats = {
            let counters = lock(&self.counters);
            RecorderStats {
                operations: counters.metrics.operations(),
                operations_beyond: counters.metrics.beyond(),
                unpaired_spans: counters.graph.unpaired(),
                graph_dropped: counters.graph.dropped(),
                ..RecorderStats::default()
            }
        };
        if let Some(tail) = &self.tail {
            let tail = lock(tail);
            stats.tail = Some(tail.sampler.stats());
            (stats.sampled_out, stats.lost, stats.waiting_bytes) =
                (tail.sampled_out, tail.lost, tail.held_bytes);
        }
        stats
    }
}

impl std::fmt::Debug for Recorder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Recorder").field("stats", &self.stats()).finish_non_exhaustive()
    }
}

/// How many spans of a request, which was decoded before, belong to some traces.
fn spans_of(request: &[u8], traces: &HashSet<TraceId>) -> u64 {
    let mut calls = Calls::default();
    let decoded = decode_traces(request, &mut OfTraces { sink: &mut calls, traces });
    decoded.map_or(0, |_| calls.len() as u64)
}

/// Hands on the spans of some traces.
struct OfTraces<'a, S> {
    sink: &'a mut S,
    traces: &'a HashSet<TraceId>,
}

impl<S: SpanSink> SpanSink for OfTraces<'_, S> {
    fn resource(&mut self, resource: &ResourceRef<'_>) {
        self.sink.resource(resource);
    }

    fn scope(&mut self, scope: &ScopeRef<'_>) {
        self.sink.scope(scope);
    }

    fn span(&mut self, span: &SpanRef<'_>) {
        if self.traces.contains(&span.trace_id) {
            self.sink.span(span);
        }
    }
}

/// The guard of a mutex. A panic elsewhere while it was held does not make its contents unusable.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
