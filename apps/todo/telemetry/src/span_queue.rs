//! Spans on their way from requests to the exporter.
//!
//! Input: the bytes of ended spans. Output: batches that need nothing but an envelope. Bounded in spans and bytes; what does not fit
//! is counted and gone. Deliberately wakes the exporter twice per batch at most: when the first span comes and when a batch is full.

use std::{collections::VecDeque, mem, sync::Mutex};

use tokio::sync::Notify;

use crate::{
    export_metrics::{DropReason, ExportMetrics},
    span_encoding::put_bytes,
};

/// Field `spans` of the message `ScopeSpans`.
const SPANS: u32 = 2;
/// Most bytes per span that the queue may hold, on average.
const AVERAGE_SPAN_BYTES: usize = 2048;
/// A batch of so many bytes is full.
const MAX_BATCH_BYTES: usize = 1 << 20;

/// Spans of one export.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    /// Each as a field of `ScopeSpans`.
    pub(crate) bytes: Vec<u8>,
    pub(crate) spans: usize,
}

#[derive(Debug, Default)]
struct Waiting {
    open: Batch,
    full: VecDeque<Batch>,
    spans: usize,
    bytes: usize,
    closed: bool,
}

/// The queue.
#[derive(Debug)]
pub(crate) struct SpanQueue {
    waiting: Mutex<Waiting>,
    max_spans: usize,
    max_batch: usize,
    metrics: ExportMetrics,
    pub(crate) first: Notify,
    pub(crate) full: Notify,
}

impl SpanQueue {
    pub(crate) fn new(max_spans: usize, max_batch: usize, metrics: ExportMetrics) -> Self {
        let waiting = Mutex::default();
        Self { waiting, max_spans, max_batch, metrics, first: Notify::new(), full: Notify::new() }
    }

    /// Takes an ended span, or counts that it does not fit.
    pub(crate) fn push(&self, span: &[u8]) {
        let mut waiting = self.waiting.lock().expect("no holder of this lock panics");
        let fits = waiting.spans < self.max_spans
            && waiting.bytes + span.len() <= self.max_spans * AVERAGE_SPAN_BYTES;
        if waiting.closed || !fits {
            let reason = if waiting.closed { DropReason::Shutdown } else { DropReason::QueueFull };
            drop(waiting);
            return self.metrics.dropped(reason, 1);
        }
        put_bytes(&mut waiting.open.bytes, SPANS, span);
        waiting.open.spans += 1;
        waiting.spans += 1;
        waiting.bytes += span.len();
        let is_first = waiting.spans == 1;
        let is_full = waiting.open.spans == self.max_batch || waiting.open.bytes.len() >= MAX_BATCH_BYTES;
        if is_full {
            let batch = mem::take(&mut waiting.open);
            waiting.full.push_back(batch);
        }
        drop(waiting);
        self.metrics.waiting.inc();
        if is_first {
            self.first.notify_one();
        }
        if is_full {
            self.full.notify_one();
        }
    }

    /// The oldest batch: only a full one, or whatever there is.
    pub(crate) fn take(&self, only_full: bool) -> Option<Batch> {
        let mut waiting = self.waiting.lock().expect("no holder of this lock panics");
        let batch = match waiting.full.pop_front() {
            Some(batch) => batch,
            None if only_full || waiting.open.spans == 0 => return None,
            None => mem::take(&mut waiting.open),
        };
        waiting.spans -= batch.spans;
        waiting.bytes = if waiting.spans == 0 { 0 } else { waiting.bytes.saturating_sub(batch.bytes.len()) };
        self.metrics.waiting.dec_by(i64::try_from(batch.spans).unwrap_or(i64::MAX));
        Some(batch)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.lock().expect("no holder of this lock panics").spans == 0
    }

    /// Takes nothing any more.
    pub(crate) fn close(&self) {
        self.waiting.lock().expect("no holder of this lock panics").closed = true;
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::registry::Registry;

    use super::*;

    fn queue(max_spans: usize, max_batch: usize) -> SpanQueue {
        SpanQueue::new(max_spans, max_batch, ExportMetrics::register(&mut Registry::default()))
    }

    #[test]
    fn what_does_not_fit_is_counted_and_batches_keep_their_size() {
        let queue = queue(5, 2);
        for _ in 0..7 {
            queue.push(b"span");
        }
        assert_eq!(queue.metrics.count(DropReason::QueueFull), 2);
        assert_eq!(queue.metrics.waiting.get(), 5);
        let sizes: Vec<usize> = std::iter::from_fn(|| queue.take(true)).map(|batch| batch.spans).collect();
        assert_eq!(sizes, [2, 2]);
        let rest = queue.take(false).unwrap();
        assert_eq!(rest.bytes, b"\x12\x04span");
        assert!(queue.take(false).is_none() && queue.is_empty());
        assert_eq!(queue.metrics.waiting.get(), 0);
        queue.close();
        queue.push(b"span");
        assert_eq!(queue.metrics.count(DropReason::Shutdown), 1);
    }

    #[test]
    fn few_large_spans_are_bounded_too() {
        let queue = queue(4, 4);
        let large = vec![0; 3 * AVERAGE_SPAN_BYTES];
        queue.push(&large);
        queue.push(&large);
        queue.push(b"small");
        assert_eq!(queue.metrics.count(DropReason::QueueFull), 1);
        while queue.take(false).is_some() {}
        queue.push(&large);
        assert_eq!(queue.metrics.count(DropReason::QueueFull), 1);
    }
}
