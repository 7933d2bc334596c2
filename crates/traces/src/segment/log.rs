//! The frames of a segment's file: what makes accepted spans survive the end of the process.
//!
//! Input: a finished frame of the open segment. Output: bytes in the file, handed to the operating system before the sender is answered;
//! they are not forced to the disk, so a crash of the machine may take the last seconds. A torn or damaged frame ends the file: what is
//! before it counts. The layout is drawn in `segment`.

use super::open::VERSION;
use super::record::{FILE_HEADER, FRAME_HEADER};
use crate::error::{Doing, TracesError};
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

/// A frame that is whole.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame {
    pub(super) arrival_ns: u64,
    pub(super) end: usize,
}

fn number<const N: usize>(data: &[u8], at: usize) -> Option<[u8; N]> {
    data.get(at..at + N)?.try_into().ok()
}

/// The base time of a file of this version.
pub(super) fn base_ns(data: &[u8]) -> Option<u64> {
    (data.get(..4)? == b"TWSP" && data[4..].first() == Some(&VERSION)).then_some(())?;
    number(data, 8).map(u64::from_le_bytes)
}

/// Whether a file begins with a header that can be read, or the version it has instead.
pub(crate) fn file_version(data: &[u8]) -> Result<(), Option<u8>> {
    match data.get(..FILE_HEADER) {
        Some(header) if header[..4] == *b"TWSP" && header[4] == VERSION => Ok(()),
        Some(header) if header[..4] == *b"TWSP" => Err(Some(header[4])),
        _ => Err(None),
    }
}

/// The frame at a place, if it is whole and its checksum is right.
pub(super) fn frame(data: &[u8], at: usize) -> Option<Frame> {
    let length = u32::from_le_bytes(number(data, at)?) as usize;
    let checksum = u32::from_le_bytes(number(data, at + 4)?);
    let end = at.checked_add(FRAME_HEADER)?.checked_add(length)?;
    let arrival_ns = u64::from_le_bytes(number(data, at + 8)?);
    (length > 0 && crc32c::crc32c(data.get(at + 8..end)?) == checksum).then_some(Frame { arrival_ns, end })
}

/// Up to where a file is sound.
pub(super) fn sound_length(data: &[u8]) -> usize {
    if base_ns(data).is_none() {
        return 0;
    }
    let mut at = FILE_HEADER;
    while let Some(frame) = frame(data, at) {
        at = frame.end;
    }
    at
}

/// Fills in the header of a frame.
pub(super) fn seal_frame(frame: &mut [u8], arrival_ns: u64) {
    let length = (frame.len() - FRAME_HEADER) as u32;
    frame[8..16].copy_from_slice(&arrival_ns.to_le_bytes());
    frame[..4].copy_from_slice(&length.to_le_bytes());
    let checksum = crc32c::crc32c(&frame[8..]);
    frame[4..8].copy_from_slice(&checksum.to_le_bytes());
}

/// The file of the open segment.
#[derive(Debug)]
pub(crate) struct Log {
    path: PathBuf,
    file: File,
    /// For tests: bytes that can still be written, after which the disk is full.
    #[cfg(test)]
    pub(crate) room: Option<usize>,
}

impl Log {
    /// Begins a file with a header, or goes on with one: cut off behind `bytes`, which it holds already.
    pub(crate) fn open(path: &Path, bytes: &[u8], holds_them: bool) -> Result<Self, TracesError> {
        let mut file = OpenOptions::new().create(true).append(true).open(path).doing("open", path)?;
        if holds_them {
            file.set_len(bytes.len() as u64).doing("cut", path)?;
        } else {
            file.set_len(0).doing("cut", path)?;
            file.write_all(bytes).doing("write", path)?;
        }
        Ok(Self::new(path, file))
    }

    fn new(path: &Path, file: File) -> Self {
        Self {
            path: path.to_owned(),
            file,
            #[cfg(test)]
            room: None,
        }
    }

    /// Goes on with a file after a write that failed: what it holds of `bytes` stays there, so that a disk that is still full takes
    /// nothing away.
    pub(crate) fn complete(path: &Path, bytes: &[u8]) -> Result<Self, TracesError> {
        let options = OpenOptions::new().create(true).append(true).read(true).to_owned();
        let mut file = options.open(path).doing("open", path)?;
        let mut held = Vec::new();
        (&file).take(bytes.len() as u64).read_to_end(&mut held).doing("read", path)?;
        let same = held.iter().zip(bytes).take_while(|(held, wanted)| held == wanted).count();
        file.set_len(same as u64).doing("cut", path)?;
        file.write_all(&bytes[same..]).doing("write", path)?;
        Ok(Self::new(path, file))
    }

    /// Appends a frame.
    pub(crate) fn append(&mut self, frame: &[u8]) -> Result<(), TracesError> {
        #[cfg(test)]
        if let Some(room) = self.room
            && room < frame.len()
        {
            self.file.write_all(&frame[..room]).doing("write", &self.path)?;
            return Err(std::io::Error::from(std::io::ErrorKind::StorageFull)).doing("write", &self.path);
        }
        self.file.write_all(frame).doing("write", &self.path)
    }

    /// Forces what was written to the disk.
    pub(crate) fn sync(&self) -> Result<(), TracesError> {
        self.file.sync_data().doing("sync", &self.path)
    }
}
