//! Appending records to the newest segment.
//!
//! Input: the records of one transaction. Output: bytes handed to the operating system when
//! [`WalWriter::commit`] returns, so that they survive the end of the process; [`WalWriter::sync`], segment switches
//! and closing make them survive a power failure too. A failed write leaves the segment as it was before the
//! transaction, and the next one can succeed.
//!
//! A transaction never spans two segments: one that does not fit starts a new segment, and one larger than a segment
//! makes a larger segment, which Prometheus reads as well.

use super::page::{PAGE, SNAPPY, frame, framed_bound};
use super::segment::{list_segments, segment_path, sync_folder};
use crate::error::{Doing, TsdbError};
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The end of the log.
pub(crate) struct WalWriter {
    folder: PathBuf,
    /// The segment written to; shared so that it can be asked for without holding the writer.
    index: Arc<AtomicU64>,
    file: File,
    length: u64,
    /// A failed transaction left bytes behind that could not be cut off yet.
    torn: bool,
    segment_bytes: u64,
    compress: bool,
    compressor: snap::raw::Encoder,
    compressed: Vec<u8>,
    framed: Vec<u8>,
    /// Bytes the file system still takes; a test's full disk.
    #[cfg(test)]
    pub(crate) room: Option<u64>,
}

impl WalWriter {
    /// Starts behind the segments that exist; an empty last one is used again.
    pub(crate) fn open(folder: &Path, segment_bytes: u64, compress: bool) -> Result<Self, TsdbError> {
        let last = list_segments(folder)?.last().copied();
        let index = match last {
            Some(last) if is_empty(&segment_path(folder, last)) => last,
            Some(last) => last + 1,
            None => 0,
        };
        Self::create(folder, index, segment_bytes, compress)
    }

    /// Starts with the segment of an index.
    pub(crate) fn create(
        folder: &Path,
        index: u64,
        segment_bytes: u64,
        compress: bool,
    ) -> Result<Self, TsdbError> {
        Ok(Self {
            folder: folder.to_owned(),
            index: Arc::new(AtomicU64::new(index)),
            file: open_segment(folder, index)?,
            length: 0,
            torn: false,
            segment_bytes,
            compress,
            compressor: snap::raw::Encoder::new(),
            compressed: Vec::new(),
            framed: Vec::new(),
            #[cfg(test)]
            room: None,
        })
    }

    /// The index of the segment written to.
    pub(crate) fn index(&self) -> u64 {
        self.index.load(Ordering::Relaxed)
    }

    /// The index, to be read without the writer.
    pub(crate) fn shared_index(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.index)
    }

    /// Bytes in the segment written to.
    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    /// Writes records as one transaction; empty ones are left out.
    pub(crate) fn commit(&mut self, records: &[&[u8]]) -> Result<(), TsdbError> {
        let records = || records.iter().filter(|r| !r.is_empty());
        self.mend()?;
        let bound: u64 = records().map(|r| framed_bound(r.len())).sum();
        if self.length > 0 && self.length + bound > self.segment_bytes {
            self.next_segment()?;
        }
        self.framed.clear();
        for record in records() {
            let (record, flags) = self.compressed(record)?;
            // `framed` and `compressed` are both of this writer: the record is taken out for the time being.
            let mut framed = std::mem::take(&mut self.framed);
            frame(&mut framed, self.length, record.unwrap_or(&self.compressed), flags);
            self.framed = framed;
        }
        if let Err(cause) = self.write_framed() {
            self.torn = true;
            // The write error is what went wrong; a tail that stays is mended before the next transaction.
            let _ = self.mend();
            return Err(TsdbError::io("write", &self.path(), cause));
        }
        self.length += self.framed.len() as u64;
        Ok(())
    }

    /// The record itself, or `None` with the flag when its compressed form is shorter.
    fn compressed<'r>(&mut self, record: &'r [u8]) -> Result<(Option<&'r [u8]>, u8), TsdbError> {
        if !self.compress {
            return Ok((Some(record), 0));
        }
        self.compressed.resize(snap::raw::max_compress_len(record.len()), 0);
        let length = self
            .compressor
            .compress(record, &mut self.compressed)
            .map_err(|e| TsdbError::io("compress a record for", &self.path(), io::Error::other(e)))?;
        self.compressed.truncate(length);
        Ok(if length < record.len() { (None, SNAPPY) } else { (Some(record), 0) })
    }

    fn write_framed(&mut self) -> io::Result<()> {
        #[cfg(test)]
        if let Some(room) = &mut self.room {
            let fits = (*room).min(self.framed.len() as u64);
            *room -= fits;
            self.file.write_all(&self.framed[..fits as usize])?;
            return if fits == self.framed.len() as u64 {
                Ok(())
            } else {
                Err(io::ErrorKind::StorageFull.into())
            };
        }
        self.file.write_all(&self.framed)
    }

    /// Cuts off what a failed transaction left.
    fn mend(&mut self) -> Result<(), TsdbError> {
        if self.torn {
            self.file.set_len(self.length).doing("cut the torn end of", &self.path())?;
            self.torn = false;
        }
        Ok(())
    }

    /// Finishes the segment and starts the next; gives the index of the finished one.
    pub(crate) fn next_segment(&mut self) -> Result<u64, TsdbError> {
        self.finish()?;
        let finished = self.index();
        self.file = open_segment(&self.folder, finished + 1)?;
        self.index.store(finished + 1, Ordering::Relaxed);
        self.length = 0;
        Ok(finished)
    }

    /// Fills the last page with zeros, as every finished segment has it, and syncs.
    pub(crate) fn finish(&mut self) -> Result<(), TsdbError> {
        self.mend()?;
        let whole = self.length.next_multiple_of(PAGE as u64);
        self.file.set_len(whole).doing("fill the last page of", &self.path())?;
        self.file.sync_all().doing("sync", &self.path())?;
        self.length = whole;
        Ok(())
    }

    /// A second handle to the segment, for syncing without holding the writer.
    pub(crate) fn handle(&self) -> Result<(File, PathBuf), TsdbError> {
        let path = self.path();
        Ok((self.file.try_clone().doing("open", &path)?, path))
    }

    fn path(&self) -> PathBuf {
        segment_path(&self.folder, self.index())
    }
}

fn is_empty(path: &Path) -> bool {
    path.metadata().is_ok_and(|meta| meta.len() == 0)
}

/// Opens a segment at its end; what a failed attempt left in it is removed.
fn open_segment(folder: &Path, index: u64) -> Result<File, TsdbError> {
    let path = segment_path(folder, index);
    let file = OpenOptions::new().create(true).append(true).open(&path).doing("create", &path)?;
    file.set_len(0).doing("empty", &path)?;
    sync_folder(folder)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::super::RecordReader;
    use super::*;
    use std::fs;

    fn records(folder: &Path) -> Vec<Vec<u8>> {
        let mut all = Vec::new();
        for index in list_segments(folder).unwrap() {
            let mut reader = RecordReader::open(&segment_path(folder, index)).unwrap();
            while let Some(record) = reader.next().unwrap().expect("a whole segment") {
                all.push(record.to_vec());
            }
        }
        all
    }

    #[test]
    fn both_compressions_are_read_back() {
        for compress in [false, true] {
            let folder = tempfile::tempdir().unwrap();
            let mut wal = WalWriter::open(folder.path(), 4 * PAGE as u64, compress).unwrap();
            let written: Vec<Vec<u8>> = (1..40usize).map(|n| vec![n as u8; n * 777]).collect();
            for record in &written {
                wal.commit(&[record, &[]]).unwrap();
            }
            drop(wal);
            assert_eq!(records(folder.path()), written, "compress: {compress}");
            let expected = if compress { 1 } else { 3 };
            assert!(list_segments(folder.path()).unwrap().len() >= expected);
        }
    }

    #[test]
    fn a_finished_segment_ends_with_a_whole_page() {
        let folder = tempfile::tempdir().unwrap();
        let mut wal = WalWriter::open(folder.path(), 1 << 20, false).unwrap();
        wal.commit(&[b"one"]).unwrap();
        assert_eq!(wal.next_segment().unwrap(), 0);
        wal.commit(&[b"two"]).unwrap();
        assert_eq!(fs::metadata(segment_path(folder.path(), 0)).unwrap().len(), PAGE as u64);
        assert_eq!(records(folder.path()), [b"one", b"two"]);
    }

    #[test]
    fn a_full_disk_leaves_nothing_of_the_transaction() {
        let folder = tempfile::tempdir().unwrap();
        let mut wal = WalWriter::open(folder.path(), 1 << 20, false).unwrap();
        wal.commit(&[b"before"]).unwrap();
        for room in [0, 3, 100] {
            wal.room = Some(room);
            let error = wal.commit(&[b"lost", &[7; 200]]).unwrap_err();
            assert!(error.is_disk_full(), "{error}");
            assert_eq!(records(folder.path()), [b"before"]);
        }
        wal.room = None;
        wal.commit(&[b"after"]).unwrap();
        assert_eq!(records(folder.path()), [b"before".to_vec(), b"after".to_vec()]);
    }

    #[test]
    fn a_missing_segment_is_named() {
        let folder = tempfile::tempdir().unwrap();
        for index in [3, 4, 6] {
            fs::write(segment_path(folder.path(), index), "").unwrap();
        }
        let error = list_segments(folder.path()).unwrap_err().to_string();
        assert!(error.contains("00000005") && error.contains("missing"), "{error}");
    }
}
