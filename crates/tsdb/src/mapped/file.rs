//! Chunk files mapped into memory, and the set of them at a moment.
//!
//! Input: the files of `chunks_head/` and the positions in [`super::ChunkRefs`]. Output: the bytes of a chunk, its
//! checksum verified. A reader keeps the set it began with, so a file removed meanwhile stays readable for it.

// Mapping a file is unsafe because the bytes behind a `&[u8]` could change or go away when someone else writes to or
// cuts the file. Here that is ruled out by the lock on the data folder (`lock`), by files only ever growing at the
// end, and by never looking beyond the bytes that were written completely.
#![allow(unsafe_code)]

use super::layout::{FILE_BYTES, FILE_HEADER, Frame, Parsed, Position, parse};
use crate::error::{Doing, TsdbError};
use memmap2::{Mmap, MmapOptions, UncheckedAdvice};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};

/// One file of chunks.
#[derive(Debug)]
pub(crate) struct MappedFile {
    number: u32,
    path: PathBuf,
    map: Mmap,
    /// Bytes that are written completely and may be looked at.
    written: AtomicUsize,
    /// The latest sample, in milliseconds since the Unix epoch.
    max_time: AtomicI64,
}

impl MappedFile {
    /// Maps a file that will not be written to again.
    pub(crate) fn finished(number: u32, path: &Path) -> Result<Self, TsdbError> {
        let file = File::open(path).doing("open", path)?;
        let length = file.metadata().doing("inspect", path)?.len();
        Self::map(number, path, &file, length, length)
    }

    /// Maps a file as long as it may become, of which so far only the header is written.
    pub(crate) fn growing(number: u32, path: &Path, file: &File) -> Result<Self, TsdbError> {
        Self::map(number, path, file, FILE_BYTES, FILE_HEADER.len() as u64)
    }

    fn map(number: u32, path: &Path, file: &File, length: u64, written: u64) -> Result<Self, TsdbError> {
        let (length, written) = (length as usize, written as usize);
        // SAFETY: the file belongs to the locked data folder, is only appended to, and `bytes` ends at `written`.
        let map = unsafe { MmapOptions::new().len(length).map(file) }.doing("map", path)?;
        Ok(Self {
            number,
            path: path.to_owned(),
            map,
            written: AtomicUsize::new(written),
            max_time: AtomicI64::new(i64::MIN),
        })
    }

    pub(crate) fn number(&self) -> u32 {
        self.number
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// What is written so far.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.map[..self.written.load(Ordering::Acquire)]
    }

    /// Says that further bytes are written completely.
    pub(crate) fn grow(&self, by: usize) {
        self.written.fetch_add(by, Ordering::AcqRel);
    }

    pub(crate) fn max_time(&self) -> i64 {
        self.max_time.load(Ordering::Relaxed)
    }

    pub(crate) fn note_time(&self, time: i64) {
        self.max_time.fetch_max(time, Ordering::Relaxed);
    }

    /// Lets go of the pages that were looked at, so that they do not count as this process' memory. They stay in the
    /// page cache, from where the next look takes them.
    pub(crate) fn release(&self) {
        // SAFETY: for a shared mapping of a file this drops page table entries only: whoever reads at the same time
        // or later sees the same bytes.
        let released = unsafe { self.map.unchecked_advise(UncheckedAdvice::DontNeed) };
        // An advice that is not taken costs memory, nothing else.
        drop(released);
    }

    /// The chunk at a byte of the file.
    pub(crate) fn frame(&self, offset: u32) -> Result<Frame<'_>, TsdbError> {
        let damaged = |what: &str| TsdbError::corrupt(&self.path, u64::from(offset), what);
        match parse(self.bytes().get(offset as usize..).unwrap_or_default()) {
            Parsed::Frame(frame) => Ok(frame),
            Parsed::Damaged { what, .. } => Err(damaged(what)),
            Parsed::End => Err(damaged("there is no chunk")),
        }
    }
}

/// The files at a moment, in ascending order of their numbers.
#[derive(Debug, Default)]
pub(crate) struct ChunkFiles(Vec<Arc<MappedFile>>);

impl ChunkFiles {
    pub(crate) fn new(files: Vec<Arc<MappedFile>>) -> Self {
        Self(files)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<MappedFile>> {
        self.0.iter()
    }

    /// The same files and one more at the end.
    pub(crate) fn with(&self, file: Arc<MappedFile>) -> Self {
        Self(self.0.iter().cloned().chain([file]).collect())
    }

    /// The same files from a number on.
    pub(crate) fn starting_at(&self, number: u32) -> Self {
        Self(self.0.iter().filter(|f| f.number >= number).cloned().collect())
    }

    /// Asks the memory for the beginnings of chunks that are about to be read. They lie megabytes apart: asked for one
    /// after the other each would be waited for, asked for together they come together.
    pub(crate) fn warm_up(&self, positions: &[Position]) {
        let mut sum = 0u8;
        for position in positions {
            if let Ok(at) = self.0.binary_search_by_key(&position.file, |f| f.number) {
                let bytes = self.0[at].bytes();
                for line in [0, 64, 128, 192] {
                    sum ^= bytes.get(position.offset as usize + line).copied().unwrap_or_default();
                }
            }
        }
        std::hint::black_box(sum);
    }

    /// The chunk at a position.
    pub(crate) fn frame(&self, position: Position) -> Result<Frame<'_>, TsdbError> {
        let at = self.0.binary_search_by_key(&position.file, |f| f.number);
        match at {
            Ok(at) => self.0[at].frame(position.offset),
            Err(_) => Err(TsdbError::corrupt(
                Path::new(&format!("chunks_head/{:06}", position.file)),
                u64::from(position.offset),
                "the file is gone",
            )),
        }
    }
}
