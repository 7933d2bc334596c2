//! Appending chunks to the newest file.
//!
//! Input: full chunks of any series. Output: their positions, once [`ChunkWriter::write`] has handed the bytes to the
//! operating system. A failed write leaves the file as it was; the caller keeps the chunks and tries again later: the
//! log still has their samples. [`ChunkWriter::sync`] makes the chunks survive a power failure and comes before any
//! part of the log is removed.

use super::file::MappedFile;
use super::layout::{FILE_BYTES, FILE_HEADER, Position, frame_len, put_frame};
use crate::chunk::ENCODING_XOR;
use crate::error::{Doing, TsdbError};
use crate::wal::sync_folder;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The end of the chunk files.
pub(crate) struct ChunkWriter {
    folder: PathBuf,
    next_number: u32,
    current: Option<Current>,
    buffer: Vec<u8>,
    buffer_max: i64,
}

struct Current {
    file: File,
    mapped: Arc<MappedFile>,
    length: u64,
    torn: bool,
    /// The first sample of the file, in milliseconds since the Unix epoch.
    min_time: i64,
}

impl ChunkWriter {
    /// Writes to files from a number on; the first is made when there is a chunk for it.
    pub(crate) fn new(folder: &Path, next_number: u32) -> Self {
        Self {
            folder: folder.to_owned(),
            next_number,
            current: None,
            buffer: Vec::new(),
            buffer_max: i64::MIN,
        }
    }

    /// Whether a chunk needs a new file: [`ChunkWriter::cut`] comes first then.
    pub(crate) fn is_full(&self, data: usize) -> bool {
        match &self.current {
            Some(current) => current.length + (self.buffer.len() + frame_len(data)) as u64 > FILE_BYTES,
            None => true,
        }
    }

    /// Bytes waiting for [`ChunkWriter::write`].
    pub(crate) fn buffered(&self) -> usize {
        self.buffer.len()
    }

    /// Puts a chunk into the buffer; gives where it will be.
    ///
    /// # Panics
    /// When there is no file: see [`ChunkWriter::is_full`].
    pub(crate) fn stage(&mut self, series: u64, min: i64, max: i64, data: &[u8]) -> Position {
        let current = self.current.as_mut().expect("a file was cut before a chunk is staged");
        let offset = current.length + self.buffer.len() as u64;
        put_frame(&mut self.buffer, series, min, max, ENCODING_XOR, data);
        self.buffer_max = self.buffer_max.max(max);
        current.min_time = current.min_time.min(min);
        Position { file: current.mapped.number(), offset: offset as u32 }
    }

    /// Writes the buffer. After an error nothing of it is in the file, and the positions given are void.
    pub(crate) fn write(&mut self) -> Result<(), TsdbError> {
        let buffer = std::mem::take(&mut self.buffer);
        let buffer_max = std::mem::replace(&mut self.buffer_max, i64::MIN);
        let result = self.write_buffer(&buffer, buffer_max);
        self.buffer = buffer;
        self.buffer.clear();
        result
    }

    fn write_buffer(&mut self, buffer: &[u8], max_time: i64) -> Result<(), TsdbError> {
        let Some(current) = &mut self.current else { return Ok(()) };
        let path = current.mapped.path();
        if current.torn {
            current.file.set_len(current.length).doing("cut the torn end of", path)?;
            current.torn = false;
        }
        if let Err(cause) = current.file.write_all(buffer) {
            current.torn = current.file.set_len(current.length).is_err();
            return Err(TsdbError::io("write", path, cause));
        }
        current.length += buffer.len() as u64;
        current.mapped.grow(buffer.len());
        current.mapped.note_time(max_time);
        Ok(())
    }

    /// Finishes the file and starts the next, which readers must be told of.
    pub(crate) fn cut(&mut self) -> Result<Arc<MappedFile>, TsdbError> {
        self.sync()?;
        let number = self.next_number;
        let path = self.folder.join(format!("{number:06}"));
        let mut file =
            OpenOptions::new().create(true).read(true).append(true).open(&path).doing("create", &path)?;
        file.set_len(0).doing("empty", &path)?;
        file.write_all(&FILE_HEADER).doing("write", &path)?;
        sync_folder(&self.folder)?;
        let mapped = Arc::new(MappedFile::growing(number, &path, &file)?);
        self.current = Some(Current {
            file,
            mapped: Arc::clone(&mapped),
            length: FILE_HEADER.len() as u64,
            torn: false,
            min_time: i64::MAX,
        });
        self.next_number += 1;
        Ok(mapped)
    }

    /// Lets the next chunk start a new file when the present one begins before a time, so that files can expire.
    pub(crate) fn finish_older_than(&mut self, time: i64) -> Result<(), TsdbError> {
        if self.current.as_ref().is_some_and(|c| c.min_time < time) {
            self.sync()?;
            self.current = None;
        }
        Ok(())
    }

    /// The number of the file written to; the next one's while there is none.
    pub(crate) fn number(&self) -> u32 {
        self.current.as_ref().map_or(self.next_number, |c| c.mapped.number())
    }

    /// A second handle to the file, for syncing without holding the writer.
    pub(crate) fn handle(&self) -> Result<Option<(File, PathBuf)>, TsdbError> {
        let Some(current) = &self.current else { return Ok(None) };
        let path = current.mapped.path().to_owned();
        Ok(Some((current.file.try_clone().doing("open", &path)?, path)))
    }

    /// Makes what was written survive a power failure.
    pub(crate) fn sync(&self) -> Result<(), TsdbError> {
        match &self.current {
            Some(current) => current.file.sync_all().doing("sync", current.mapped.path()),
            None => Ok(()),
        }
    }
}
