//! Keeping the folder within its bounds: retention, full chunks, the length of the log.
//!
//! Input: the time. Output: fewer files. [`Tsdb::maintain`] runs every minute or so; each step is independent, so that
//! one that fails (a full disk, say) does not keep the others from making room.
//!
//! How much a power failure can cost: what the log got since the last call, as each call syncs it. The end of the
//! process alone costs nothing.
//!
//! A checkpoint is written from memory and not, as Prometheus does, from the old segments: whatever those hold is
//! either in a chunk file (synced first) or in an open chunk, or has expired. So it is as small as can be, and reading
//! the folder again does not depend on old segments being whole.

use crate::chunk::XorDecoder;
use crate::database::{Maintenance, Tsdb, Writer, guard, read_guard, write_guard};
use crate::error::{Doing, TsdbError};
use crate::head::{CHUNK_RANGE, Head};
use crate::options::milliseconds;
use crate::stats::Counters;
use crate::wal::{
    CheckpointWriter, ExemplarEncoder, SampleEncoder, SeriesEncoder, list_segments, remove_superseded,
    segment_path,
};
use hashbrown::HashMap;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

/// Series looked at per hold of the head's lock.
const GROUP: u32 = 1024;
/// A chunk file holds at most this share of the retention, so that files can expire.
const FILES_PER_RETENTION: i64 = 14;
/// A record of a checkpoint is written when it is this long.
const RECORD: usize = 64 << 10;

impl Tsdb {
    /// Removes what is older than the retention, moves full chunks to disk, syncs the log, gives memory back and, when
    /// it is due, replaces the old part of the log by a checkpoint. `now` is in milliseconds since the Unix epoch.
    ///
    /// # Errors
    /// The first thing that failed. Everything else was done, and the next call tries again.
    pub fn maintain(&self, now: i64) -> Result<(), TsdbError> {
        let mut maintenance = guard(&self.maintenance);
        let mut first_error = Ok(());
        let mut note = |result: Result<(), TsdbError>| {
            if first_error.is_ok() {
                first_error = result;
            }
        };
        let log = {
            let mut writer = guard(&self.writer);
            if writer.closed {
                return Err(TsdbError::Closed);
            }
            self.expire(&mut writer, now);
            note(self.remove_expired_files(&mut writer, now));
            note(self.move_full_chunks(&mut writer));
            writer.wal.handle()
        };
        self.order();
        note(log.and_then(|(file, path)| file.sync_data().doing("sync", &path)));
        note(self.checkpoint_if_due(&mut maintenance, now));
        let files = Arc::clone(&read_guard(&self.head).files);
        files.iter().for_each(|file| file.release());
        first_error
    }

    /// Brings the order of the series up to date; only appends of this moment wait for it, not for the sorting.
    fn order(&self) {
        let unordered = read_guard(&self.head).unordered();
        if let Some(unordered) = unordered {
            let ordered = unordered.sort();
            write_guard(&self.head).set_order(&ordered);
        }
    }

    /// Forgets old chunks, finishes open ones that nothing is added to, and removes series that have none left.
    fn expire(&self, writer: &mut Writer, now: i64) {
        let cutoff = now.saturating_sub(milliseconds(self.options.retention));
        let (mut empty, mut earliest, mut slot) = (Vec::new(), None, 0);
        loop {
            let mut head = write_guard(&self.head);
            let end = head.slots().min(slot + GROUP);
            for slot in slot..end {
                let Some(series) = head.series_mut(slot) else { continue };
                let expired = series.expire(cutoff);
                if series.finish_idle(now) {
                    writer.full.push(slot);
                }
                match series.min_time() {
                    Some(min) => earliest = Some(earliest.map_or(min, |e: i64| e.min(min))),
                    None => empty.push(slot),
                }
                head.chunks -= expired;
            }
            slot = end;
            if slot == head.slots() {
                head.min_time = earliest;
                head.max_time = head.max_time.filter(|_| earliest.is_some());
                break;
            }
        }
        if !empty.is_empty() {
            let mut head = write_guard(&self.head);
            head.remove(&empty);
            // Slots may have new numbers now: the series with full chunks are looked for again.
            writer.full =
                (0..head.slots()).filter(|s| head.series(*s).is_some_and(|s| !s.full().is_empty())).collect();
            Counters::add(&self.counters.series_removed, empty.len());
        }
    }

    /// Removes the oldest chunk files as far as all their chunks are expired; files never get a gap.
    fn remove_expired_files(&self, writer: &mut Writer, now: i64) -> Result<(), TsdbError> {
        let retention = milliseconds(self.options.retention);
        let cutoff = now.saturating_sub(retention);
        let span = (retention / FILES_PER_RETENTION).max(CHUNK_RANGE);
        writer.chunks.finish_older_than(now.saturating_sub(span))?;
        let end = writer.chunks.number();
        let files = Arc::clone(&read_guard(&self.head).files);
        let (mut removed, mut result) = (None, Ok(()));
        for file in files.iter().take_while(|f| f.number() < end && f.max_time() < cutoff) {
            // Whoever reads it has it mapped. One that stays is still in the set, so the next call tries it again.
            result = remove_if_there(file.path());
            if result.is_err() {
                break;
            }
            removed = Some(file.number());
        }
        if let Some(last) = removed {
            write_guard(&self.head).files = Arc::new(files.starting_at(last + 1));
        }
        result
    }

    fn checkpoint_if_due(&self, maintenance: &mut Maintenance, now: i64) -> Result<(), TsdbError> {
        let wal = self.wal_folder();
        let last = *maintenance.last_checkpoint.get_or_insert(now);
        let segments = list_segments(&wal)?;
        let length = |segment| segment_path(&wal, segment).metadata().map_or(0, |meta| meta.len());
        let bytes: u64 = segments.into_iter().map(length).sum();
        let due = bytes >= self.options.checkpoint_bytes
            || now.saturating_sub(last) >= milliseconds(self.options.checkpoint_interval);
        if !due || bytes == 0 {
            return Ok(());
        }
        let result = self.checkpoint();
        match &result {
            Ok(()) => {
                maintenance.last_checkpoint = Some(now);
                Counters::add(&self.counters.checkpoints, 1);
            }
            Err(_) => Counters::add(&self.counters.checkpoints_failed, 1),
        }
        result
    }

    /// Replaces all segments but a new one by a checkpoint.
    fn checkpoint(&self) -> Result<(), TsdbError> {
        let (index, last_id) = {
            let mut writer = guard(&self.writer);
            let index = match writer.wal.length() {
                0 => writer.wal.index().checked_sub(1),
                _ => Some(writer.wal.next_segment()?),
            };
            (index, writer.last_id)
        };
        let Some(index) = index else { return Ok(()) };
        let wal = self.wal_folder();
        let (segment, compress) = (self.options.wal_segment_bytes, self.options.wal_compression);
        let mut checkpoint = CheckpointWriter::create(&wal, index, segment, compress)?;
        self.write_series(&mut checkpoint, last_id)?;
        self.write_samples(&mut checkpoint, last_id)?;
        self.write_exemplars(&mut checkpoint, last_id)?;
        // Chunks that became full meanwhile are in neither: their file has to last before the segments go.
        let chunks = guard(&self.writer).chunks.handle()?;
        if let Some((file, path)) = chunks {
            file.sync_all().doing("sync", &path)?;
        }
        checkpoint.finish()?;
        remove_superseded(&wal, index)
    }

    /// Writes the series that are in the old segments, all their ids included.
    fn write_series(&self, checkpoint: &mut CheckpointWriter, last_id: u64) -> Result<(), TsdbError> {
        let mut aliases: HashMap<u64, Vec<u64>> = HashMap::new();
        for (alias, id) in read_guard(&self.head).aliases() {
            aliases.entry(*id).or_default().push(*alias);
        }
        let mut record = SeriesEncoder::default();
        self.each_group(
            |head, slots| {
                for series in slots.filter_map(|slot| head.series(slot)).filter(|s| s.id() <= last_id) {
                    record.push(series.id(), series.labels());
                    for alias in aliases.get(&series.id()).into_iter().flatten() {
                        record.push(*alias, series.labels());
                    }
                }
                std::mem::take(&mut record)
            },
            |record| checkpoint.push(record.bytes()),
        )
    }

    /// Writes the samples of the chunks that are in memory.
    fn write_samples(&self, checkpoint: &mut CheckpointWriter, last_id: u64) -> Result<(), TsdbError> {
        let mut record = SampleEncoder::default();
        self.each_group(
            |head, slots| {
                let series = slots.filter_map(|slot| head.series(slot)).filter(|s| s.id() <= last_id);
                let chunks = series.flat_map(|series| {
                    let full = series.full().iter().map(|c| Arc::clone(&c.bytes));
                    let open = (!series.open().is_empty()).then(|| Arc::from(series.open()));
                    full.chain(open).map(|bytes| (series.id(), bytes)).collect::<Vec<(u64, Arc<[u8]>)>>()
                });
                chunks.collect::<Vec<_>>()
            },
            |chunks| {
                for (id, chunk) in chunks {
                    let Ok(mut samples) = XorDecoder::new(&chunk) else { continue };
                    while let Ok(Some((time, value))) = samples.next() {
                        record.push(id, time, value);
                    }
                    if record.bytes().len() >= RECORD {
                        checkpoint.push(record.bytes())?;
                        record.clear();
                    }
                }
                checkpoint.push(record.bytes())?;
                record.clear();
                Ok(())
            },
        )
    }

    /// Writes the exemplars, so that those of the old segments are not lost; one that is in a new segment too is read once.
    fn write_exemplars(&self, checkpoint: &mut CheckpointWriter, last_id: u64) -> Result<(), TsdbError> {
        let mut records = Vec::new();
        let mut record = ExemplarEncoder::default();
        read_guard(&self.exemplars).each(|id, exemplar| {
            if id > last_id {
                return;
            }
            record.push(id, exemplar);
            if record.bytes().len() >= RECORD {
                records.push(std::mem::take(&mut record));
            }
        });
        records.push(record);
        records.iter().try_for_each(|record| checkpoint.push(record.bytes()))
    }

    /// Takes something from each group of slots while the head is locked, and uses it when it is not.
    fn each_group<T>(
        &self,
        mut take: impl FnMut(&Head, std::ops::Range<u32>) -> T,
        mut used: impl FnMut(T) -> Result<(), TsdbError>,
    ) -> Result<(), TsdbError> {
        let mut from = 0;
        loop {
            let (taken, end, slots) = {
                let head = read_guard(&self.head);
                let end = head.slots().min(from + GROUP);
                (take(&head, from..end), end, head.slots())
            };
            used(taken)?;
            from = end;
            if from >= slots {
                return Ok(());
            }
        }
    }
}

/// Removes a file; one that someone else has removed is no error.
fn remove_if_there(path: &Path) -> Result<(), TsdbError> {
    match fs::remove_file(path) {
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result.doing("remove", path),
    }
}
