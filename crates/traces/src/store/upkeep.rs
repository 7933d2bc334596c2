//! Segments are sealed, and the oldest leave, so that the bounds hold.
//!
//! Input: the open segment and the bounds. Output: sealed segments, files removed, and counts of what left. Called by every commit that
//! fills a segment, and by `maintain`.

use super::{POOL, Segments, nanoseconds};
use crate::error::TracesError;
use crate::options::StoreOptions;
use crate::search::StoreStats;
use crate::segment::{Log, Open, Sealed, segment_path};
use std::path::Path;
use std::sync::Arc;

impl StoreOptions {
    /// Bytes after which a segment is sealed: the bounds must hold with the open segment and some sealed ones.
    pub(super) fn bounded_segment_bytes(&self, on_disk: bool) -> usize {
        let bound =
            if on_disk { self.max_disk_bytes.min(self.max_memory_bytes) } else { self.max_memory_bytes };
        self.segment_bytes.min(bound / 8).clamp(64 << 10, 1 << 30) as usize
    }

    /// Bytes that an emptied batch may take to be kept for a later request.
    pub(super) fn pooled_bytes(&self) -> usize {
        (self.max_memory_bytes / 128).min(2 << 20) as usize
    }
}

impl Segments {
    /// Seals the open segment, if it holds anything, and begins the next.
    pub(super) fn rotate(&mut self, now_ns: u64, folder: Option<&Path>, options: &StoreOptions) {
        if self.open.is_empty() {
            return;
        }
        let room = options.bounded_segment_bytes(folder.is_some());
        let full = std::mem::replace(&mut self.open, Open::new(now_ns, room));
        let number = self.open_number;
        self.open_number += 1;
        let sealed = match folder {
            None => Sealed::in_memory(number, full),
            Some(folder) => self.seal_on_disk(folder, number, full),
        };
        self.sealed.extend(sealed.map(Arc::new));
        self.log = None;
        if let Some(folder) = folder {
            self.begin_log(folder);
        }
        self.enforce_size(room, options);
    }

    fn seal_on_disk(&mut self, folder: &Path, number: u64, full: Open) -> Option<Sealed> {
        let complete = match &self.log {
            Some(_) => Ok(()),
            None => Log::complete(&segment_path(folder, number, "spans"), full.file_bytes()).map(drop),
        };
        match complete.and_then(|()| Sealed::write(folder, number, &full)) {
            Ok(Some(sealed)) => Some(sealed),
            _ => {
                // It stays in memory, within the bound on memory; a restart finds what of it was logged.
                self.totals.failed_writes += 1;
                Sealed::in_memory(number, full)
            }
        }
    }

    /// Begins the file of the open segment, with what is in it so far.
    fn begin_log(&mut self, folder: &Path) {
        let path = segment_path(folder, self.open_number, "spans");
        match Log::open(&path, self.open.file_bytes(), false) {
            Ok(log) => self.log = Some(log),
            Err(_) => self.totals.failed_writes += 1,
        }
    }

    /// Removes the oldest segments. The open one grows until this is called again: room is left for a whole one, which takes up to
    /// twice its bytes because vectors are larger than what is in them.
    fn enforce_size(&mut self, segment_bytes: usize, options: &StoreOptions) {
        let on_heap = |one: &Arc<Sealed>| one.is_on_heap();
        let pooled = POOL * options.pooled_bytes();
        let room = (pooled + (2 * segment_bytes).saturating_sub(self.open.memory_bytes())) as u64;
        while self.memory_bytes() + room > options.max_memory_bytes
            && let Some(at) = self.sealed.iter().position(on_heap)
        {
            self.remove(at, true);
        }
        let room = 2 * segment_bytes as u64;
        while self.disk_bytes() + room > options.max_disk_bytes
            && let Some(at) = self.sealed.iter().position(|one| !one.is_on_heap())
        {
            self.remove(at, true);
        }
    }

    fn remove(&mut self, at: usize, evicted: bool) {
        let segment = self.sealed.remove(at);
        let counter = if evicted { &mut self.totals.evicted_spans } else { &mut self.totals.expired_spans };
        *counter += segment.spans() as u64;
        if segment.remove().is_err() {
            self.doomed.push(segment);
        }
    }

    fn memory_bytes(&self) -> u64 {
        let sealed: usize = self.sealed.iter().map(|one| one.memory_bytes()).sum();
        (sealed + self.open.memory_bytes() + self.recent.capacity() * 8) as u64
    }

    fn disk_bytes(&self) -> u64 {
        let sealed: u64 = self.sealed.iter().map(|one| one.disk_bytes()).sum();
        sealed + if self.log.is_some() { self.open.file_bytes().len() as u64 } else { 0 }
    }

    pub(super) fn maintain(
        &mut self,
        now_ns: u64,
        folder: Option<&Path>,
        options: &StoreOptions,
    ) -> Result<(), TracesError> {
        let retention = nanoseconds(options.retention);
        let age = nanoseconds(options.segment_age).min(retention);
        if now_ns.saturating_sub(self.open.first_arrival_ns()) > age && !self.closed {
            self.rotate(now_ns, folder, options);
        }
        while let Some(at) =
            self.sealed.iter().position(|one| now_ns.saturating_sub(one.arrival_ns()) > retention)
        {
            self.remove(at, false);
        }
        self.enforce_size(options.bounded_segment_bytes(folder.is_some()), options);
        self.sealed.iter().for_each(|segment| segment.release());
        while let Some(segment) = self.doomed.last() {
            segment.remove()?;
            self.doomed.pop();
        }
        match folder {
            Some(folder) if self.log.is_none() && !self.closed => self.log_again(folder),
            _ => Ok(()),
        }
    }

    fn log_again(&mut self, folder: &Path) -> Result<(), TracesError> {
        let path = segment_path(folder, self.open_number, "spans");
        self.log = Some(Log::complete(&path, self.open.file_bytes())?);
        Ok(())
    }

    /// Writes what the log lacks, and forces it to the disk.
    pub(super) fn sync(&mut self, folder: Option<&Path>) -> Result<(), TracesError> {
        if let (Some(folder), None) = (folder, &self.log) {
            self.log_again(folder)?;
        }
        self.log.as_ref().map_or(Ok(()), Log::sync)
    }

    pub(super) fn stats(&self) -> StoreStats {
        let sealed: u64 = self.sealed.iter().map(|one| one.spans() as u64).sum();
        StoreStats {
            spans: sealed + self.open.spans() as u64,
            segments: self.sealed.len() as u64 + 1,
            memory_bytes: self.memory_bytes(),
            disk_bytes: self.disk_bytes(),
            ..self.totals
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::span::{ResourceRef, SpanId, SpanKind, SpanRef, SpanSink, TraceId};
    use crate::{Search, StoreOptions, TraceStore};
    use std::path::Path;

    const NOW: u64 = 1_760_000_000_000_000_000;

    fn ingest(store: &TraceStore, number: u8) {
        let mut writer = store.writer(NOW);
        writer.resource(&ResourceRef::default());
        writer.span(&SpanRef {
            trace_id: TraceId([number; 16]),
            span_id: SpanId([number; 8]),
            name: "write",
            kind: SpanKind::Internal,
            start_ns: NOW,
            end_ns: NOW + 1,
            ..SpanRef::default()
        });
        assert_eq!(writer.finish().unwrap().accepted, 1);
    }

    fn open(folder: &Path) -> TraceStore {
        TraceStore::open(Some(folder.to_owned()), StoreOptions::default(), NOW).unwrap()
    }

    fn spans(store: &TraceStore) -> usize {
        store.find(&Search::default()).iter().map(|trace| trace.spans.len()).sum()
    }

    /// The disk is full after so many bytes of a frame, then has room again before or after the next restart.
    fn check(room: usize, has_room_again: bool, after_restart: usize) {
        let folder = tempfile::tempdir().unwrap();
        let store = open(folder.path());
        ingest(&store, 1);
        store.write().log.as_mut().unwrap().room = Some(room);
        ingest(&store, 2);
        ingest(&store, 3);
        assert_eq!((spans(&store), store.stats().failed_writes), (3, 1), "kept in memory, and counted");
        if has_room_again {
            store.maintain(NOW).unwrap();
            ingest(&store, 4);
            assert_eq!((spans(&store), store.stats().failed_writes), (4, 1));
        }
        drop(store);
        let store = open(folder.path());
        assert_eq!((spans(&store), store.stats().damaged_segments), (after_restart, 0), "room {room}");
    }

    #[test]
    fn a_full_disk_costs_nothing_once_it_has_room() {
        for room in [0, 1, 20] {
            check(room, true, 4);
            check(room, false, 1);
        }
    }

    /// A failed retry must not take away what is in the file.
    #[test]
    fn a_failed_retry_leaves_what_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let store = open(folder.path());
        ingest(&store, 1);
        let path = folder.path().join("00000001.spans");
        let before = std::fs::read(&path).unwrap();
        store.write().log.as_mut().unwrap().room = Some(5);
        ingest(&store, 2);
        let aside = folder.path().join("aside");
        std::fs::rename(&path, &aside).unwrap();
        std::fs::create_dir(&path).unwrap();
        let error = store.maintain(NOW).unwrap_err().to_string();
        assert!(error.contains("cannot open"), "{error}");
        assert!(std::fs::read(&aside).unwrap().starts_with(&before));
        std::fs::remove_dir(&path).unwrap();
        std::fs::rename(&aside, &path).unwrap();
        store.maintain(NOW).unwrap();
        drop(store);
        assert_eq!(spans(&open(folder.path())), 2);
    }
}
