//! The database as a whole: opening and closing a folder, and who may do what at the same time.
//!
//! Input: a folder and options. Output: a [`Tsdb`]. The work itself is in the modules beside it.
//!
//! Locks, always taken in this order:
//! 1. `maintenance`: one `maintain` at a time.
//! 2. `writer`: the log, the end of the chunk files, the allocation of ids. One batch at a time; also held while
//!    chunks move to disk.
//! 3. `head`: written for moments only, to check a batch and to make it visible as a whole; never while a file is
//!    written. Readers hold it while they collect references and copy open chunks; chunks are decoded after that.

use crate::append::Staging;
use crate::error::{Doing, TsdbError};
use crate::exemplars::Exemplars;
use crate::head::{Head, load};
use crate::lock::FolderLock;
use crate::mapped::{ChunkRef, ChunkWriter, load_chunk_files};
use crate::options::TsdbOptions;
use crate::stats::{Counters, TsdbStats};
use crate::wal::{WalWriter, folder_bytes, remove_unfinished};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// Bytes of chunks that are written at once.
const CHUNK_WRITE: usize = 1 << 20;

/// A database in an open folder.
pub struct Tsdb {
    pub(crate) folder: PathBuf,
    pub(crate) options: TsdbOptions,
    pub(crate) maintenance: Mutex<Maintenance>,
    pub(crate) writer: Mutex<Writer>,
    pub(crate) head: RwLock<Head>,
    /// Taken after `head`, never before.
    pub(crate) exemplars: RwLock<Exemplars>,
    pub(crate) counters: Counters,
    wal_segment: Arc<AtomicU64>,
    notices: Vec<String>,
    replayed: u64,
    repairs: u64,
}

/// What only one writer at a time may use.
pub(crate) struct Writer {
    pub(crate) wal: WalWriter,
    pub(crate) chunks: ChunkWriter,
    pub(crate) staging: Staging,
    /// The highest id given to a series.
    pub(crate) last_id: u64,
    /// Slots of series with full chunks in memory.
    pub(crate) full: Vec<u32>,
    pub(crate) closed: bool,
    lock: Option<FolderLock>,
}

/// What `maintain` remembers.
#[derive(Default)]
pub(crate) struct Maintenance {
    /// When the last checkpoint was written, or when maintenance began, in milliseconds since the Unix epoch.
    pub(crate) last_checkpoint: Option<i64>,
}

/// A head under its lock, or one that nobody else sees yet.
pub(crate) enum HeadAccess<'a> {
    Shared(&'a RwLock<Head>),
    Own(&'a mut Head),
}

impl HeadAccess<'_> {
    fn read<R>(&mut self, look: impl FnOnce(&Head) -> R) -> R {
        match self {
            Self::Shared(head) => look(&read_guard(head)),
            Self::Own(head) => look(head),
        }
    }

    fn write<R>(&mut self, change: impl FnOnce(&mut Head) -> R) -> R {
        match self {
            Self::Shared(head) => change(&mut write_guard(head)),
            Self::Own(head) => change(head),
        }
    }
}

impl Tsdb {
    /// Opens a folder, which is made if need be, and reads its log.
    ///
    /// # Errors
    /// When another process has the folder, when it cannot be read or written, when a file is damaged beyond repair,
    /// or when it holds blocks.
    pub fn open(folder: impl AsRef<Path>, options: TsdbOptions) -> Result<Self, TsdbError> {
        let folder = folder.as_ref();
        let (wal, chunks) = (folder.join("wal"), folder.join("chunks_head"));
        fs::create_dir_all(folder).doing("create", folder)?;
        let lock = FolderLock::take(folder)?;
        refuse_blocks(folder)?;
        for folder in [&wal, &chunks] {
            fs::create_dir_all(folder).doing("create", folder)?;
        }
        remove_unfinished(&wal)?;
        let found = load_chunk_files(&chunks)?;
        let mut chunk_writer = ChunkWriter::new(&chunks, found.next_number);
        let mut failure = None;
        let exemplars = Exemplars::new(options.max_exemplars);
        let loaded = load(&wal, found, exemplars, &mut |head, full| {
            full.sort_unstable();
            full.dedup();
            match move_full_chunks(&mut HeadAccess::Own(head), &mut chunk_writer, full) {
                Ok(()) => full.clear(),
                Err(error) => failure = Some(error),
            }
        })?;
        let mut notices = loaded.notices;
        notices.extend(failure.map(|error| format!("chunks stay in memory for now: {error}")));
        if folder_bytes(&folder.join("wbl")) > 0 {
            notices.push("wbl: the out-of-order samples of this folder are not read".to_owned());
        }
        let writer = Writer {
            wal: WalWriter::open(&wal, options.wal_segment_bytes, options.wal_compression)?,
            chunks: chunk_writer,
            staging: Staging::default(),
            last_id: loaded.last_id,
            full: loaded.waiting,
            closed: false,
            lock: Some(lock),
        };
        Ok(Self {
            folder: folder.to_owned(),
            options,
            maintenance: Mutex::default(),
            wal_segment: writer.wal.shared_index(),
            writer: Mutex::new(writer),
            head: RwLock::new(loaded.head),
            exemplars: RwLock::new(loaded.exemplars),
            counters: Counters::default(),
            notices,
            replayed: loaded.samples,
            repairs: loaded.repairs,
        })
    }

    /// What was repaired or passed over when the folder was opened, one sentence each; worth a line in the log.
    pub fn notices(&self) -> &[String] {
        &self.notices
    }

    /// How many samples were read from the log when the folder was opened.
    pub fn replayed_samples(&self) -> u64 {
        self.replayed
    }

    /// The data folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// How many series there are; cheap enough to ask at any time.
    pub fn series_count(&self) -> usize {
        read_guard(&self.head).len()
    }

    /// Numbers for `/metrics` and status pages. Looks at every series and at the folder: for every few seconds, and for
    /// threads that may block. Appends go on meanwhile, except while the series are looked at.
    pub fn stats(&self) -> TsdbStats {
        let wal_bytes = folder_bytes(&self.wal_folder());
        let chunk_bytes = folder_bytes(&self.folder.join("chunks_head"));
        let (exemplars, exemplar_series, newest_exemplar) = {
            let exemplars = read_guard(&self.exemplars);
            (exemplars.len(), exemplars.series(), exemplars.newest())
        };
        let head = read_guard(&self.head);
        let series = (0..head.slots()).filter_map(|slot| head.series(slot));
        let counters = &self.counters;
        TsdbStats {
            series: head.len(),
            label_pairs: head.postings().names().map(|name| head.postings().value_count(name)).sum(),
            chunks: head.chunks,
            min_time: head.min_time,
            max_time: head.max_time,
            index_bytes: head.index_bytes(),
            series_bytes: series.map(|s| s.heap_bytes()).sum(),
            wal_bytes,
            wal_segment: self.wal_segment.load(Ordering::Relaxed),
            chunk_bytes,
            series_created: Counters::get(&counters.series_created),
            series_removed: Counters::get(&counters.series_removed),
            samples_appended: Counters::get(&counters.samples_appended),
            out_of_order: Counters::get(&counters.out_of_order),
            out_of_bounds: Counters::get(&counters.out_of_bounds),
            series_limit: Counters::get(&counters.series_limit),
            exemplars,
            exemplar_series,
            newest_exemplar,
            exemplars_appended: Counters::get(&counters.exemplars_appended),
            exemplars_out_of_order: Counters::get(&counters.exemplars_out_of_order),
            exemplars_dropped: Counters::get(&counters.exemplars_dropped),
            wal_writes_failed: Counters::get(&counters.wal_writes_failed),
            chunk_writes_failed: Counters::get(&counters.chunk_writes_failed),
            checkpoints: Counters::get(&counters.checkpoints),
            checkpoints_failed: Counters::get(&counters.checkpoints_failed),
            repairs: self.repairs,
        }
    }

    /// Writes out what is in memory only, syncs, and lets go of the folder. Reading goes on, appending does not.
    /// Dropping the database does the same and hides the error.
    ///
    /// # Errors
    /// When a file cannot be written or synced. Everything accepted is in the log all the same.
    pub fn close(&self) -> Result<(), TsdbError> {
        let mut writer = guard(&self.writer);
        if writer.closed {
            return Ok(());
        }
        writer.closed = true;
        let moved = self.move_full_chunks(&mut writer).and_then(|()| writer.chunks.sync());
        let finished = writer.wal.finish();
        writer.lock = None;
        moved.and(finished)
    }

    pub(crate) fn wal_folder(&self) -> PathBuf {
        self.folder.join("wal")
    }

    /// Moves all full chunks that are in memory to disk. After an error the rest stays where it is.
    pub(crate) fn move_full_chunks(&self, writer: &mut Writer) -> Result<(), TsdbError> {
        writer.full.sort_unstable();
        writer.full.dedup();
        let moved = move_full_chunks(&mut HeadAccess::Shared(&self.head), &mut writer.chunks, &writer.full);
        match &moved {
            Ok(()) => writer.full.clear(),
            Err(_) => Counters::add(&self.counters.chunk_writes_failed, 1),
        }
        moved
    }
}

impl Drop for Tsdb {
    fn drop(&mut self) {
        let _ = self.close();
    }
}

impl std::fmt::Debug for Tsdb {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tsdb").field("folder", &self.folder).finish_non_exhaustive()
    }
}

/// Moves the full chunks of the series in the slots to disk, a group at a time.
fn move_full_chunks(
    head: &mut HeadAccess<'_>,
    chunks: &mut ChunkWriter,
    slots: &[u32],
) -> Result<(), TsdbError> {
    let mut slots = slots;
    while !slots.is_empty() {
        let (group, done) = head.read(|head| stage_group(head, chunks, slots));
        if group.is_empty() && done == 0 {
            let file = chunks.cut()?;
            head.write(|head| head.files = Arc::new(head.files.with(file)));
            continue;
        }
        chunks.write()?;
        head.write(|head| {
            for (slot, refs) in &group {
                if let Some(series) = head.series_mut(*slot) {
                    series.moved_to_disk(refs);
                }
            }
        });
        slots = &slots[done..];
    }
    Ok(())
}

/// Stages full chunks until the group or the file is full; gives them, and how many slots are through.
fn stage_group(head: &Head, chunks: &mut ChunkWriter, slots: &[u32]) -> (Vec<(u32, Vec<ChunkRef>)>, usize) {
    let mut group = Vec::new();
    for (done, slot) in slots.iter().enumerate() {
        let Some(series) = head.series(*slot).filter(|s| !s.full().is_empty()) else { continue };
        if chunks.buffered() >= CHUNK_WRITE {
            return (group, done);
        }
        let mut refs = Vec::with_capacity(series.full().len());
        for chunk in series.full() {
            if chunks.is_full(chunk.bytes.len()) {
                if !refs.is_empty() {
                    group.push((*slot, refs));
                }
                return (group, done);
            }
            let position = chunks.stage(series.id(), chunk.min, chunk.max, &chunk.bytes);
            refs.push(ChunkRef { position, min: chunk.min, max: chunk.max, count: chunk.count });
        }
        group.push((*slot, refs));
    }
    (group, slots.len())
}

/// Blocks hold most of what a Prometheus has: to open the folder without them would hide it.
fn refuse_blocks(folder: &Path) -> Result<(), TsdbError> {
    for entry in fs::read_dir(folder).doing("list", folder)? {
        let path = entry.doing("list", folder)?.path();
        if path.join("meta.json").is_file() && path.join("index").is_file() {
            return Err(TsdbError::Unsupported {
                path,
                what: "a block".to_owned(),
                hint: "give this program a data folder of its own",
            });
        }
    }
    Ok(())
}

/// The guard of a mutex. A panic elsewhere while it was held does not make its contents unusable.
pub(crate) fn guard<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The guard for reading; see [`guard`].
pub(crate) fn read_guard<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

/// The guard for writing; see [`guard`].
pub(crate) fn write_guard<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;
    use std::time::Duration;

    #[test]
    fn numbers_are_there_while_a_batch_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let tsdb = Tsdb::open(folder.path(), TsdbOptions::default()).unwrap();
        let mut writer = guard(&tsdb.writer);
        let finished = writer.wal.next_segment().unwrap();
        let (sender, stats) = mpsc::channel();
        std::thread::scope(|scope| {
            let tsdb = &tsdb;
            scope.spawn(move || sender.send(tsdb.stats().wal_segment));
            let answered = stats.recv_timeout(Duration::from_secs(10));
            drop(writer);
            assert_eq!(answered, Ok(finished + 1));
        });
    }
}
