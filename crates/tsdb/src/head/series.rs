//! One series: its labels, its open chunk, its full chunks in memory and the references to those on disk.
//!
//! Input: samples, first staged (checked against the last one) and then appended, once the log has them. Output: full
//! chunks, and what a reader needs of a range. When a chunk is full is decided as in Prometheus, so that both cut the
//! same chunks from the same samples.

use super::order::Rank;
use crate::chunk::XorEncoder;
use crate::mapped::{ChunkRef, ChunkRefs};
use std::sync::Arc;
use tidewatch_model::{Labels, Rejection};

/// Chunks never reach beyond a multiple of this, in milliseconds: the range of the blocks made of them.
pub(crate) const CHUNK_RANGE: i64 = 2 * 60 * 60 * 1000;
/// A quarter of the samples a chunk should have: then its end is predicted.
const PREDICT_AT: u16 = 30;
/// The most samples of a chunk, should the prediction have been wrong.
const MOST_SAMPLES: u16 = 240;
/// A chunk longer than this takes no further sample.
const MOST_BYTES: usize = 1024 - 19;

/// A chunk that takes no further samples and is not on disk yet.
#[derive(Clone, Debug)]
pub(crate) struct FullChunk {
    pub(crate) min: i64,
    pub(crate) max: i64,
    pub(crate) count: u16,
    pub(crate) bytes: Arc<[u8]>,
}

/// What is to become of a sample.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Staged {
    /// It goes to the log and then to [`Series::append`]; if it cannot, [`Series::unstage`] takes what it replaced.
    New(Last),
    /// The series has it already.
    Known,
}

/// A series of the head.
#[derive(Debug)]
pub(crate) struct Series {
    id: u64,
    labels: Labels,
    open: XorEncoder,
    open_min: i64,
    /// The time from which on a sample belongs into the next chunk.
    open_end: i64,
    full: Vec<FullChunk>,
    mapped: ChunkRefs,
    rank: Rank,
    /// The last sample staged; the last one appended, but during an append.
    last: Last,
}

/// The sample that the next one is checked against.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Last {
    /// In milliseconds since the Unix epoch.
    time: i64,
    /// The bits; `None` while the value is on disk only, after a restart.
    value: Option<u64>,
}

impl Series {
    pub(crate) fn new(id: u64, labels: Labels) -> Self {
        Self {
            id,
            labels,
            open: XorEncoder::new(),
            open_min: 0,
            open_end: 0,
            full: Vec::new(),
            mapped: ChunkRefs::default(),
            rank: Rank::default(),
            last: Last { time: i64::MIN, value: None },
        }
    }

    /// The id under which the series is on disk.
    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    pub(crate) fn labels(&self) -> &Labels {
        &self.labels
    }

    /// The place among all series in the order of labels.
    pub(crate) fn rank(&self) -> Rank {
        self.rank
    }

    pub(crate) fn set_rank(&mut self, rank: Rank) {
        self.rank = rank;
    }

    pub(crate) fn mapped(&self) -> &ChunkRefs {
        &self.mapped
    }

    pub(crate) fn full(&self) -> &[FullChunk] {
        &self.full
    }

    /// The open chunk's bytes, none when it is empty.
    pub(crate) fn open(&self) -> &[u8] {
        self.open.bytes()
    }

    pub(crate) fn open_count(&self) -> u16 {
        self.open.count()
    }

    /// How many chunks the series has.
    pub(crate) fn chunks(&self) -> usize {
        self.mapped.len() + self.full.len() + usize::from(self.open.count() > 0)
    }

    /// Bytes on the heap, the labels aside.
    pub(crate) fn heap_bytes(&self) -> usize {
        let full: usize = self.full.iter().map(|c| c.bytes.len()).sum();
        size_of::<Self>() + self.open.capacity() + self.mapped.heap_bytes() + full
    }

    /// Checks a sample against the last one and takes its place; gives the one it replaced.
    pub(crate) fn stage(&mut self, time: i64, value: f64) -> Result<Staged, Rejection> {
        let (last, value) = (self.last, value.to_bits());
        if time > last.time || self.is_untouched() {
            self.last = Last { time, value: Some(value) };
            return Ok(Staged::New(last));
        }
        if time < last.time {
            return Err(Rejection::OutOfOrder);
        }
        // Like Prometheus, take a sample as a known one when the last value is not at hand.
        match last.value {
            Some(known) if known != value => Err(Rejection::DuplicateTimestamp),
            _ => Ok(Staged::Known),
        }
    }

    fn is_untouched(&self) -> bool {
        self.last.time == i64::MIN && self.last.value.is_none() && self.chunks() == 0
    }

    /// Takes back a sample that was staged and not appended.
    pub(crate) fn unstage(&mut self, replaced: Last) {
        self.last = replaced;
    }

    /// Adds a staged sample; gives how many chunks that began (0 or 1) and whether one became full.
    pub(crate) fn append(&mut self, time: i64, value: f64) -> (usize, bool) {
        let count = self.open.count();
        if count == PREDICT_AT {
            self.open_end = predict_end(self.open_min, self.open.time(), self.open_end);
        }
        let ended = count > 0
            && (time >= self.open_end || count >= MOST_SAMPLES || self.open.bytes().len() > MOST_BYTES);
        if ended {
            self.finish_open();
        }
        let began = self.open.count() == 0;
        if began {
            self.open_min = time;
            self.open_end = end_of_range(time);
        }
        self.open.push(time, value);
        self.last = Last { time, value: Some(value.to_bits()) };
        (usize::from(began), ended)
    }

    /// Adds a sample of the log, unless it is not later than the last; gives the same as [`Series::append`].
    pub(crate) fn replay(&mut self, time: i64, value: f64) -> Option<(usize, bool)> {
        (time > self.last.time || self.is_untouched()).then(|| self.append(time, value))
    }

    fn finish_open(&mut self) {
        self.full.push(FullChunk {
            min: self.open_min,
            max: self.open.time(),
            count: self.open.count(),
            bytes: self.open.bytes().into(),
        });
        self.open.clear();
    }

    /// Makes the open chunk a full one and frees its memory, when no sample has been due for it for some time; gives
    /// whether it did.
    pub(crate) fn finish_idle(&mut self, now: i64) -> bool {
        let idle = self.open.count() > 0 && now.saturating_sub(CHUNK_RANGE / 2) > self.open_end;
        if idle {
            self.finish_open();
            self.open = XorEncoder::new();
        }
        idle
    }

    /// Puts the references to chunks found on disk under the series.
    pub(crate) fn attach(&mut self, chunks: ChunkRefs) {
        if self.mapped.is_empty() {
            self.mapped = chunks;
        } else {
            self.mapped.merge(&chunks);
        }
        // What was replayed so far is on disk, or older than what is.
        if self.mapped.max().is_some_and(|max| max >= self.open_min) {
            self.open.clear();
            self.full.clear();
        }
        let disk = self.mapped.max().unwrap_or(i64::MIN);
        if disk > self.last.time || self.open.count() == 0 {
            self.last = Last { time: disk, value: None };
        }
    }

    /// Replaces the oldest full chunks in memory by their references on disk.
    pub(crate) fn moved_to_disk(&mut self, chunks: &[ChunkRef]) {
        for chunk in chunks {
            self.mapped.push(*chunk);
        }
        self.full.drain(..chunks.len());
        if self.full.is_empty() {
            self.full = Vec::new();
        }
    }

    /// Forgets chunks that end before a time; gives how many.
    pub(crate) fn expire(&mut self, cutoff: i64) -> usize {
        let before = self.chunks();
        self.mapped.expire(cutoff);
        self.full.retain(|c| c.max >= cutoff);
        if self.open.count() > 0 && self.open.time() < cutoff {
            self.open.clear();
        }
        before - self.chunks()
    }

    /// The first sample, while there is one.
    pub(crate) fn min_time(&self) -> Option<i64> {
        let open = (self.open.count() > 0).then_some(self.open_min);
        self.mapped.min().or_else(|| self.full.first().map(|c| c.min)).or(open)
    }

    /// Whether the series has a chunk that overlaps a range of time. Gaps between chunks are not looked at.
    pub(crate) fn overlaps(&self, start: i64, end: i64) -> bool {
        self.last.time >= start && self.min_time().is_some_and(|min| min <= end)
    }

    /// Whether the open chunk overlaps a range of time.
    pub(crate) fn open_overlaps(&self, start: i64, end: i64) -> bool {
        self.open.count() > 0 && self.open_min <= end && self.open.time() >= start
    }
}

/// The end of the range of two hours that a time is in.
fn end_of_range(time: i64) -> i64 {
    (time / CHUNK_RANGE).saturating_mul(CHUNK_RANGE).saturating_add(CHUNK_RANGE)
}

/// When a chunk that is a quarter full at `current` should end, so that all chunks up to `limit` get the same size.
fn predict_end(start: i64, current: i64, limit: i64) -> i64 {
    let span = limit.saturating_sub(start) as f64;
    let chunks = span / (current.saturating_sub(start).saturating_add(1) as f64 * 4.0);
    if chunks <= 1.0 { limit } else { (start as f64 + span / chunks.floor()) as i64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series() -> Series {
        Series::new(1, Labels::empty())
    }

    #[test]
    fn chunks_are_cut_where_prometheus_cuts_them() {
        let check = |interval: i64, expected: &[u16]| {
            let mut series = series();
            let start = 10 * CHUNK_RANGE;
            (0..=CHUNK_RANGE / interval).for_each(|i| {
                series.append(start + i * interval, i as f64);
            });
            let counts: Vec<u16> = series.full.iter().map(|c| c.count).collect();
            assert_eq!(counts, expected, "every {interval} ms");
        };
        check(30_000, &[120, 120]);
        check(60_000, &[120]);
        check(15_000, &[120; 4]);
        check(10_000, &[120; 6]);
        check(300_000, &[24]);
    }

    #[test]
    fn noise_is_cut_by_size() {
        let mut series = series();
        let mut value = 1u64;
        for i in 0..200 {
            value = value.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            series.append(i * 1000 + i64::from(value as u16) % 900, f64::from_bits(value));
        }
        assert!(!series.full.is_empty());
        assert!(series.full.iter().all(|c| c.bytes.len() <= 1024));
    }

    fn stage(series: &mut Series, time: i64, value: f64) -> Result<bool, Rejection> {
        series.stage(time, value).map(|staged| matches!(staged, Staged::New(_)))
    }

    #[test]
    fn samples_are_staged_in_order() {
        let mut series = series();
        assert_eq!(stage(&mut series, 100, 1.0), Ok(true));
        assert_eq!(stage(&mut series, 100, 1.0), Ok(false));
        assert_eq!(stage(&mut series, 100, 2.0), Err(Rejection::DuplicateTimestamp));
        assert_eq!(stage(&mut series, 99, 1.0), Err(Rejection::OutOfOrder));
        series.append(100, 1.0);
        let Ok(Staged::New(replaced)) = series.stage(200, f64::NAN) else { panic!("a new sample") };
        series.unstage(replaced);
        assert_eq!(stage(&mut series, 100, 1.0), Ok(false));
        assert_eq!(stage(&mut series, 150, 3.0), Ok(true));
    }

    #[test]
    fn the_smallest_time_is_taken_once() {
        let mut series = series();
        assert_eq!(stage(&mut series, i64::MIN, 1.0), Ok(true));
        series.append(i64::MIN, 1.0);
        assert_eq!(stage(&mut series, i64::MIN, 1.0), Ok(false));
        assert_eq!(stage(&mut series, i64::MIN, 2.0), Err(Rejection::DuplicateTimestamp));
    }

    #[test]
    fn an_idle_chunk_is_finished() {
        let mut series = series();
        series.append(0, 1.0);
        assert!(!series.finish_idle(CHUNK_RANGE));
        assert!(series.finish_idle(2 * CHUNK_RANGE));
        assert_eq!((series.full.len(), series.open.capacity(), series.chunks()), (1, 0, 1));
        assert_eq!(stage(&mut series, 0, 2.0), Err(Rejection::DuplicateTimestamp));
        series.append(10, 2.0);
        assert_eq!(series.expire(10), 1);
        assert_eq!((series.expire(11), series.chunks()), (1, 0));
    }
}
