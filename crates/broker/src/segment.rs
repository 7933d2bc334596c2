//! One file of a partition's log: batches one behind the other, as they came.
//!
//! Input: whole batches to append, positions to read from; on start an existing file. Output: the file, and a sparse index in
//! memory. It knows nothing of producers, retention or waiting consumers.
//!
//! ```text
//! 00000000000000000042.log     the name is the offset of its first message
//! ┌─────────┬─────────┬───┬─────────┬ ─ ─ ─ ─ ┐
//! │ batch 42│ batch 45│ … │ batch 99│ torn tail   after a crash of the machine: cut off at the first
//! └─────────┴─────────┴───┴─────────┴ ─ ─ ─ ─ ┘   batch that is short or whose checksum is wrong
//! ```
//!
//! It is Kafka's own format: `kafka-dump-log` reads it. Index and time index are not on disk, since reading the headers
//! again takes microseconds per megabyte.

use crate::batch::{BatchHeader, HEADER, RecordTimes, patched_prefix};
use std::fs::{File, OpenOptions};
use std::io::{self, IoSlice, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Bytes between two entries of the index.
const INDEX_EVERY: u64 = 4096;

/// A segment, open for appending and reading.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) base_offset: i64,
    pub(crate) next_offset: i64,
    /// Bytes of whole batches.
    pub(crate) size: u64,
    /// The largest timestamp in milliseconds, -1 without messages.
    pub(crate) max_timestamp: i64,
    file: Arc<File>,
    path: PathBuf,
    /// Offset relative to the base, and position of the batch that begins there.
    index: Vec<(u32, u32)>,
    /// An append failed and what it left in the file has not been cut off yet.
    torn: bool,
}

/// How much of a file recovery checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Check {
    /// Headers only: the file was complete when the next one was begun.
    Headers,
    /// Every checksum; the file is cut at the first that is wrong.
    Checksums,
}

fn open_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).read(true).append(true).open(path)
}

impl Segment {
    /// A new, empty segment; an existing file of that name is emptied.
    pub(crate) fn create(folder: &Path, base_offset: i64) -> io::Result<Self> {
        let segment = Self::empty(folder, base_offset)?;
        segment.file.set_len(0)?;
        Ok(segment)
    }

    fn empty(folder: &Path, base_offset: i64) -> io::Result<Self> {
        let path = folder.join(format!("{base_offset:020}.log"));
        let file = Arc::new(open_file(&path)?);
        let (size, max_timestamp) = (0, -1);
        Ok(Self {
            base_offset,
            next_offset: base_offset,
            size,
            max_timestamp,
            file,
            path,
            index: Vec::new(),
            torn: false,
        })
    }

    /// Opens an existing file, tells `seen` each batch, and cuts off what is not whole or not in its place. Gives the number of
    /// bytes cut off.
    ///
    /// A batch's offset lies outside of its checksum, but is known: the log is never compacted and loses whole segments only, so
    /// in a file every batch begins where the one before ended, and the last ends before `before`, where the next file begins.
    pub(crate) fn recover(
        folder: &Path,
        base_offset: i64,
        before: i64,
        check: Check,
        mut seen: impl FnMut(&BatchHeader),
    ) -> io::Result<(Self, u64)> {
        let mut segment = Self::empty(folder, base_offset)?;
        let length = segment.file.metadata()?.len();
        let mut batch = Vec::new();
        while let Some(header) = segment.header_at(segment.size, length)? {
            let whole = match check {
                Check::Headers => header.magic == 2 && segment.size + header.size as u64 <= length,
                Check::Checksums => {
                    batch.resize(header.size, 0);
                    segment.file.read_exact_at(&mut batch, segment.size)?;
                    header.is_whole(&batch)
                }
            };
            if !whole || header.base_offset != segment.next_offset || header.next_offset() > before {
                break;
            }
            segment.note(&header);
            seen(&header);
        }
        let cut = length - segment.size;
        if cut > 0 {
            segment.file.set_len(segment.size)?;
        }
        Ok((segment, cut))
    }

    /// The header at a position, if it and the batch it describes end before `end`.
    fn header_at(&self, position: u64, end: u64) -> io::Result<Option<BatchHeader>> {
        if position + HEADER as u64 > end {
            return Ok(None);
        }
        let mut bytes = [0; HEADER];
        self.file.read_exact_at(&mut bytes, position)?;
        Ok(BatchHeader::parse(&bytes).filter(|header| position + header.size as u64 <= end))
    }

    /// Takes a batch of this header, which lies at the end, into index and bounds.
    fn note(&mut self, header: &BatchHeader) {
        let last = self.index.last().map(|&(_, position)| u64::from(position));
        if last.is_none_or(|last| self.size >= last + INDEX_EVERY)
            && let (Ok(offset), Ok(position)) =
                (u32::try_from(header.base_offset - self.base_offset), u32::try_from(self.size))
        {
            self.index.push((offset, position));
        }
        self.size += header.size as u64;
        self.next_offset = header.next_offset();
        self.max_timestamp = self.max_timestamp.max(header.max_timestamp);
    }

    /// Writes a batch behind the last with `header.base_offset`, in one call. After an error the segment is as before.
    pub(crate) fn append(&mut self, header: &BatchHeader, batch: &[u8]) -> io::Result<()> {
        if self.torn {
            self.file = Arc::new(open_file(&self.path)?);
            self.file.set_len(self.size)?;
            self.torn = false;
        }
        let prefix = patched_prefix(batch, header.base_offset);
        match write_both(&self.file, &prefix, &batch[prefix.len()..]) {
            Ok(()) => {
                self.note(header);
                Ok(())
            }
            Err(error) => {
                self.torn = self.file.set_len(self.size).is_err();
                Err(error)
            }
        }
    }

    /// Position of the batch that holds `offset` or, in a gap, of the one behind; the size when there is none.
    pub(crate) fn position_of(&self, offset: i64) -> io::Result<u64> {
        // An offset before the first lies in a gap that recovery cut: reading goes on with the first.
        let relative = u32::try_from((offset - self.base_offset).max(0)).unwrap_or(u32::MAX);
        let entry = self.index.partition_point(|&(first, _)| first <= relative);
        let mut position = entry.checked_sub(1).map_or(0, |entry| u64::from(self.index[entry].1));
        while let Some(header) = self.header_at(position, self.size)? {
            if header.next_offset() > offset {
                break;
            }
            position += header.size as u64;
        }
        Ok(position)
    }

    /// The first message whose timestamp is at least `timestamp`, as offset and timestamp. In a compressed batch it is the
    /// batch's first message, with the batch's largest timestamp.
    pub(crate) fn offset_at_time(&self, timestamp: i64) -> io::Result<Option<(i64, i64)>> {
        let mut position = 0;
        while let Some(header) = self.header_at(position, self.size)? {
            if header.max_timestamp >= timestamp {
                let mut batch = vec![0; header.size];
                self.file.read_exact_at(&mut batch, position)?;
                let exact = RecordTimes::new(header, &batch).find(|&(_, time)| time >= timestamp);
                return Ok(Some(exact.unwrap_or((header.base_offset, header.max_timestamp))));
            }
            position += header.size as u64;
        }
        Ok(None)
    }

    /// The file, to read from without holding the log's lock.
    pub(crate) fn file(&self) -> Arc<File> {
        Arc::clone(&self.file)
    }

    /// Puts what was written onto the disk itself.
    pub(crate) fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    /// Removes the file; readers that hold it read on.
    pub(crate) fn remove(self) -> io::Result<()> {
        std::fs::remove_file(&self.path)
    }

    /// Makes every write fail until the segment repairs itself.
    #[cfg(test)]
    pub(crate) fn break_file(&mut self) {
        self.file = Arc::new(File::open(&self.path).expect("the segment's own file"));
    }
}

fn write_both(mut file: &File, prefix: &[u8], rest: &[u8]) -> io::Result<()> {
    let written = file.write_vectored(&[IoSlice::new(prefix), IoSlice::new(rest)])?;
    match written.checked_sub(prefix.len()) {
        Some(written) => file.write_all(&rest[written..]),
        None => {
            file.write_all(&prefix[written..])?;
            file.write_all(rest)
        }
    }
}

/// The offsets at which the segments of a folder begin, ascending.
pub(crate) fn base_offsets(folder: &Path) -> io::Result<Vec<i64>> {
    let mut offsets = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let name = entry?.file_name();
        let offset =
            name.to_str().and_then(|name| name.strip_suffix(".log")).and_then(|stem| stem.parse().ok());
        offsets.extend(offset.filter(|offset: &i64| *offset >= 0));
    }
    offsets.sort_unstable();
    Ok(offsets)
}
