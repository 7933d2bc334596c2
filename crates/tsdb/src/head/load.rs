//! The head as the files of a folder describe it.
//!
//! Input: the chunks found in `chunks_head/`, the last checkpoint and the segments after it. Output: a [`Head`] with
//! the same series and samples as before the process ended, the ids taken, and what had to be repaired on the way.
//! Samples that are on disk as chunks are passed over; a torn segment is cut where it is torn.

use super::{Head, Series};
use crate::error::TsdbError;
use crate::exemplars::{Exemplars, Verdict};
use crate::mapped::{ChunkRefs, LoadedChunks};
use crate::wal::{
    Record, RecordReader, last_checkpoint, list_segments, read_exemplars, read_samples, read_samples_v2,
    read_series, repair_segment, segment_path,
};
use hashbrown::HashMap;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use tidewatch_model::{Exemplar, Labels};

/// A head read from disk.
pub(crate) struct Loaded {
    pub(crate) head: Head,
    pub(crate) exemplars: Exemplars,
    /// The highest id in use.
    pub(crate) last_id: u64,
    /// Samples read from the log.
    pub(crate) samples: u64,
    /// Slots of series with full chunks that are still in memory.
    pub(crate) waiting: Vec<u32>,
    /// What was repaired or passed over, for people.
    pub(crate) notices: Vec<String>,
    /// How many files were repaired.
    pub(crate) repairs: u64,
}

/// Called with the head whenever so many bytes of full chunks may be waiting; empties them to disk if it can.
pub(crate) type Relieve<'a> = dyn FnMut(&mut Head, &mut Vec<u32>) + 'a;

struct Loader<'a> {
    head: Head,
    exemplars: Exemplars,
    last_id: u64,
    /// The slot of each id of the log.
    slots: HashMap<u64, u32>,
    /// Chunks on disk that no series of the log has claimed yet.
    chunks: HashMap<u64, ChunkRefs>,
    samples: u64,
    unknown: u64,
    passed_over: BTreeMap<&'static str, u64>,
    full: Vec<u32>,
    relieve: &'a mut Relieve<'a>,
}

/// How many full chunks may wait in memory while the log is read.
const WAITING: usize = 5_000;

/// Reads the log of a folder on top of the chunks found.
///
/// # Errors
/// When a file cannot be read, the checkpoint is damaged, or a segment is missing.
pub(crate) fn load<'a>(
    wal: &Path,
    chunks: LoadedChunks,
    exemplars: Exemplars,
    relieve: &'a mut Relieve<'a>,
) -> Result<Loaded, TsdbError> {
    let last_id = chunks.series.keys().copied().max().unwrap_or(0);
    let mut loader = Loader {
        head: Head { files: Arc::new(chunks.files), ..Head::default() },
        exemplars,
        last_id,
        slots: HashMap::new(),
        chunks: chunks.series,
        samples: 0,
        unknown: 0,
        passed_over: BTreeMap::new(),
        full: Vec::new(),
        relieve,
    };
    let (mut notices, mut repairs) = (chunks.notices, chunks.repairs);
    let checkpoint = last_checkpoint(wal)?;
    if let Some(checkpoint) = &checkpoint {
        for segment in list_segments(&checkpoint.path)? {
            let path = segment_path(&checkpoint.path, segment);
            if let Some((torn, path)) = loader.segment(&path)?.map(|torn| (torn, path)) {
                let remedy = "; hint: move this checkpoint folder away to go on without the series it names";
                return Err(TsdbError::corrupt(&path, torn.offset, torn.what + remedy));
            }
        }
    }
    let first = checkpoint.map_or(0, |c| c.index + 1);
    for segment in list_segments(wal)?.into_iter().filter(|s| *s >= first) {
        let path = segment_path(wal, segment);
        if let Some(torn) = loader.segment(&path)? {
            let bytes = path.metadata().map_or(0, |m| m.len()).saturating_sub(torn.offset);
            repair_segment(&path, &torn)?;
            repairs += 1;
            let (path, at, what) = (path.display(), torn.offset, torn.what);
            notices.push(format!("{path}: {what} at byte {at}: {bytes} bytes removed"));
        }
    }
    Ok(Loaded { repairs, ..loader.finish(notices) })
}

impl Loader<'_> {
    fn segment(&mut self, path: &Path) -> Result<Option<crate::wal::Torn>, TsdbError> {
        let mut reader = RecordReader::open(path)?;
        loop {
            match reader.next()? {
                Ok(Some(record)) => {
                    if self.record(Record::new(record)).is_none() {
                        let path = path.display();
                        return Err(TsdbError::Unsupported {
                            path: path.to_string().into(),
                            what: "a record that is whole and yet not as its kind says".to_owned(),
                            hint: "it was written by a newer version; open the folder with that one",
                        });
                    }
                }
                Ok(None) => return Ok(None),
                Err(torn) => return Ok(Some(torn)),
            }
            if self.full.len() >= WAITING {
                (self.relieve)(&mut self.head, &mut self.full);
            }
        }
    }

    fn record(&mut self, record: Record<'_>) -> Option<()> {
        match record {
            Record::Series(wire) => read_series(wire, |id, labels| self.series(id, labels)),
            Record::Samples(wire) => read_samples(wire, |id, time, value| self.sample(id, time, value)),
            Record::SamplesV2(wire) => read_samples_v2(wire, |id, time, value| self.sample(id, time, value)),
            Record::Exemplars(wire) => read_exemplars(wire, |id, exemplar| self.exemplar(id, exemplar)),
            Record::Other(kind) => {
                *self.passed_over.entry(kind).or_default() += 1;
                Some(())
            }
        }
    }

    fn series(&mut self, id: u64, labels: Labels) {
        self.last_id = self.last_id.max(id);
        let slot = match self.head.find(&labels) {
            Some(slot) => slot,
            None => self.head.insert(Series::new(id, labels)),
        };
        let Some(series) = self.head.series_mut(slot) else { return };
        let before = series.chunks();
        if let Some(chunks) = self.chunks.remove(&id) {
            series.attach(chunks);
        }
        let (after, own_id) = (series.chunks(), series.id());
        let range = series.min_time().zip(series.mapped().max());
        self.head.chunks = self.head.chunks + after - before;
        if let Some((min, max)) = range {
            self.head.note_time(min);
            self.head.note_time(max);
        }
        if self.slots.insert(id, slot).is_none() && own_id != id {
            self.head.alias(id, own_id);
        }
    }

    #[inline]
    fn sample(&mut self, id: u64, time: i64, value: f64) {
        self.samples += 1;
        let Some(slot) = self.slots.get(&id) else {
            self.unknown += 1;
            return;
        };
        let Some((began, ended)) = self.head.series_mut(*slot).and_then(|s| s.replay(time, value)) else {
            return;
        };
        self.head.chunks += began;
        self.head.note_time(time);
        if ended {
            self.full.push(*slot);
        }
    }

    fn exemplar(&mut self, id: u64, exemplar: Exemplar) {
        let Some(series) = self.slots.get(&id).and_then(|slot| self.head.series(*slot)) else { return };
        if self.exemplars.judge(series.id(), &exemplar) == Verdict::New {
            self.exemplars.push(series.id(), exemplar);
        }
    }

    fn finish(mut self, mut notices: Vec<String>) -> Loaded {
        (self.relieve)(&mut self.head, &mut self.full);
        if self.unknown > 0 {
            notices.push(format!("wal: {} samples of unknown series are not kept", self.unknown));
        }
        for (kind, count) in &self.passed_over {
            let kept_apart = matches!(*kind, "metadata" | "minimum valid times");
            if !kept_apart {
                notices.push(format!("wal: {count} records of {kind} are not read"));
            }
        }
        Loaded {
            head: self.head,
            exemplars: self.exemplars,
            last_id: self.last_id,
            samples: self.samples,
            waiting: self.full,
            notices,
            repairs: 0,
        }
    }
}
