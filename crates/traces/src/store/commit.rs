//! A batch goes into the open segment: judged span by span, logged as one frame.
//!
//! Input: a batch and the time of its arrival. Output: the open segment, its log, and what became of each span. Whatever Jaeger keeps is
//! kept as long as it fits the bounds: old and future spans are only counted.

use super::{Segments, nanoseconds};
use crate::batch::{Held, SpanBatch};
use crate::error::TracesError;
use crate::options::StoreOptions;
use crate::search::Ingested;
use std::path::Path;

/// Spans whose hashes are kept, to find those sent again.
pub(super) const RECENT: usize = 1 << 16;

impl Segments {
    pub(super) fn commit(
        &mut self,
        batch: &SpanBatch,
        now_ns: u64,
        folder: Option<&Path>,
        options: &StoreOptions,
    ) -> Result<Ingested, TracesError> {
        if self.closed {
            return Err(TracesError::Closed);
        }
        let mut ingested = Ingested::default();
        let segment_bytes = options.bounded_segment_bytes(folder.is_some());
        let early = now_ns.saturating_sub(nanoseconds(options.late_after));
        let late = now_ns.saturating_add(nanoseconds(options.skewed_after));
        let mut frame = self.open.begin_frame();
        for held in batch.held() {
            if !self.is_acceptable(batch, held, segment_bytes, options, &mut ingested) {
                continue;
            }
            if self.open.used_bytes() >= segment_bytes || self.open.is_full() {
                self.end_frame(frame, now_ns);
                self.rotate(now_ns, folder, options);
                frame = self.open.begin_frame();
            }
            ingested.accepted += 1;
            ingested.late += u64::from(held.start_ns < early);
            ingested.skewed += u64::from(held.start_ns > late);
            self.open.push(batch, held);
        }
        self.end_frame(frame, now_ns);
        self.totals.ingested += ingested;
        Ok(ingested)
    }

    fn end_frame(&mut self, frame: usize, now_ns: u64) {
        let bytes = self.open.end_frame(frame, now_ns);
        if let Some(log) = &mut self.log
            && !bytes.is_empty()
            && log.append(bytes).is_err()
        {
            // A part of the frame may be written: the file is written anew, by `maintain` or when the segment is sealed.
            self.log = None;
            self.totals.failed_writes += 1;
        }
    }

    #[inline]
    fn is_acceptable(
        &mut self,
        batch: &SpanBatch,
        held: &Held,
        segment_bytes: usize,
        options: &StoreOptions,
        ingested: &mut Ingested,
    ) -> bool {
        let rejected = &mut ingested.rejected;
        if !held.trace_id.is_valid() {
            rejected.invalid_trace_id += 1;
        } else if !held.span_id.is_valid() {
            rejected.invalid_span_id += 1;
        } else if batch.size(held) > options.max_span_bytes.min(segment_bytes / 2) {
            rejected.oversized += 1;
        } else if batch.attribute_count(held) > options.max_attributes {
            rejected.too_many_attributes += 1;
        } else {
            let recent = &mut self.recent[held.hash as usize % RECENT];
            if !options.drop_duplicates || std::mem::replace(recent, held.hash) != held.hash {
                return true;
            }
            ingested.duplicates += 1;
        }
        false
    }
}
