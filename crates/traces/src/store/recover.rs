//! A folder is read when the store is opened.
//!
//! Input: the files of segments. Output: sealed segments as they are, those without a sound index indexed again, the last one open. What is
//! torn or damaged is cut off and counted; a file of which nothing can be read is set aside as `.damaged`.

use super::commit::RECENT;
use super::{Segments, TraceStore};
use crate::error::{Doing, TracesError};
use crate::options::StoreOptions;
use crate::search::StoreStats;
use crate::segment::{Log, Open, Sealed, file_version, segment_path};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, RwLock};

pub(super) fn open(
    folder: Option<PathBuf>,
    options: StoreOptions,
    now_ns: u64,
) -> Result<TraceStore, TracesError> {
    let room = options.bounded_segment_bytes(folder.is_some());
    let mut segments = Segments {
        sealed: Vec::new(),
        open: Open::new(now_ns, room),
        open_number: 1,
        log: None,
        recent: vec![0; RECENT],
        doomed: Vec::new(),
        totals: StoreStats::default(),
        closed: false,
    };
    let mut lock = None;
    if let Some(folder) = &folder {
        fs::create_dir_all(folder).doing("make", folder)?;
        lock = Some(lock_folder(folder)?);
        segments.recover(folder)?;
    }
    segments.maintain(now_ns, folder.as_deref(), &options)?;
    let batches = Mutex::new(Vec::new());
    let (segments, calls) = (RwLock::new(segments), Mutex::default());
    Ok(TraceStore { folder, options, segments, calls, batches, _lock: lock })
}

fn lock_folder(folder: &Path) -> Result<File, TracesError> {
    let path = folder.join("lock");
    let file =
        OpenOptions::new().create(true).truncate(false).write(true).open(&path).doing("open", &path)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(TracesError::Locked { path: folder.to_owned() }),
        Err(TryLockError::Error(cause)) => Err(cause).doing("lock", &path),
    }
}

/// The numbers of the segments in a folder, ascending.
fn numbers(folder: &Path) -> Result<Vec<u64>, TracesError> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir(folder).doing("list", folder)? {
        let path = entry.doing("list", folder)?.path();
        if path.extension().is_some_and(|ending| ending == "spans") {
            numbers.extend(
                path.file_stem().and_then(|stem| stem.to_str()).and_then(|stem| stem.parse::<u64>().ok()),
            );
        }
    }
    numbers.sort_unstable();
    Ok(numbers)
}

impl Segments {
    fn recover(&mut self, folder: &Path) -> Result<(), TracesError> {
        let numbers = numbers(folder)?;
        for number in &numbers {
            let is_last = Some(number) == numbers.last();
            let sealed = Sealed::read(folder, *number)?;
            let had_index = segment_path(folder, *number, "index").exists();
            match sealed.filter(Sealed::is_sound) {
                Some(sealed) => self.adopt(sealed),
                None => self.recover_spans(folder, *number, had_index, is_last)?,
            }
        }
        if self.log.is_none() {
            self.open_number = numbers.last().map_or(1, |last| last + 1);
        }
        Ok(())
    }

    fn adopt(&mut self, sealed: Sealed) {
        self.totals.recovered_spans += sealed.spans() as u64;
        self.sealed.push(Arc::new(sealed));
    }

    fn recover_spans(
        &mut self,
        folder: &Path,
        number: u64,
        had_index: bool,
        is_last: bool,
    ) -> Result<(), TracesError> {
        let path = segment_path(folder, number, "spans");
        let data = fs::read(&path).doing("read", &path)?;
        let length = data.len();
        match file_version(&data) {
            Ok(()) => {}
            Err(Some(found)) => {
                return Err(TracesError::Version { path, found, known: crate::segment::VERSION });
            }
            Err(None) => return self.set_aside(folder, number, length),
        }
        let open = Open::replay(data);
        // The end of the last file is torn when the process ended while it was written: that is no damage.
        let torn = open.file_bytes().len() < length;
        self.totals.damaged_segments += u64::from(had_index || torn && !is_last);
        let log = Log::open(&path, open.file_bytes(), true)?;
        if is_last && !had_index {
            self.totals.recovered_spans += open.spans() as u64;
            self.open = open;
            self.open_number = number;
            self.log = Some(log);
        } else if !open.is_empty() {
            drop(log);
            if let Some(sealed) = Sealed::write(folder, number, &open)? {
                self.adopt(sealed);
            }
        } else {
            drop(log);
            fs::remove_file(&path).doing("remove", &path)?;
        }
        Ok(())
    }

    /// A file that is shorter than its header was just begun; another one without a header is damaged.
    fn set_aside(&mut self, folder: &Path, number: u64, length: usize) -> Result<(), TracesError> {
        let path = segment_path(folder, number, "spans");
        if length < 16 {
            return fs::remove_file(&path).doing("remove", &path);
        }
        self.totals.damaged_segments += 1;
        let aside = segment_path(folder, number, "damaged");
        fs::rename(&path, &aside).doing("rename", &path)
    }
}
