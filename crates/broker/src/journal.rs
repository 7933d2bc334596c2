//! A file of small records that only grows until it is rewritten: committed offsets and groups.
//!
//! Input: payloads to append; on start the file. Output: the payloads in order. What they mean is the coordinator's.
//!
//! ```text
//! ┌────────────┬────────────┬─────────┐
//! │ length u32 │ crc32c u32 │ payload │ …      big endian; the checksum is the payload's
//! └────────────┴────────────┴─────────┘
//! ```
//!
//! An append is one write and returns when the operating system has it. A torn tail is cut off on start. Rewriting goes to a
//! second file, which takes the first one's name once it is on disk.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Bytes before a payload.
const FRAME: usize = 8;
/// Bytes below which rewriting is not worth it.
const SMALL: u64 = 1 << 20;

/// An open journal.
#[derive(Debug)]
pub(crate) struct Journal {
    path: PathBuf,
    file: File,
    size: u64,
    /// Size right after the last rewrite.
    compact_size: u64,
    torn: bool,
}

/// Payloads framed for one append.
#[derive(Debug, Default)]
pub(crate) struct Frames(Vec<u8>);

impl Frames {
    pub(crate) fn push(&mut self, payload: &[u8]) {
        let length = u32::try_from(payload.len()).expect("a request is smaller than 4 GiB");
        self.0.extend(length.to_be_bytes());
        self.0.extend(crc32c::crc32c(payload).to_be_bytes());
        self.0.extend(payload);
    }
}

impl Journal {
    /// Opens or makes the file, tells `seen` each payload, and cuts a torn tail off.
    pub(crate) fn open(path: &Path, mut seen: impl FnMut(&[u8])) -> io::Result<Self> {
        let bytes = match std::fs::read(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            read => read?,
        };
        let mut whole = 0;
        while let Some(payload) = payload_at(&bytes[whole..]) {
            seen(payload);
            whole += FRAME + payload.len();
        }
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        if whole < bytes.len() {
            tracing::warn!(path = %path.display(), bytes = bytes.len() - whole, "cut off what was not a whole record");
            file.set_len(whole as u64)?;
        }
        Ok(Self { path: path.to_owned(), file, size: whole as u64, compact_size: 0, torn: false })
    }

    /// Appends all frames or, after an error, none.
    pub(crate) fn append(&mut self, frames: &Frames) -> io::Result<()> {
        if frames.0.is_empty() {
            return Ok(());
        }
        if self.torn {
            self.file = OpenOptions::new().append(true).open(&self.path)?;
            self.file.set_len(self.size)?;
            self.torn = false;
        }
        if let Err(error) = self.file.write_all(&frames.0) {
            self.torn = self.file.set_len(self.size).is_err();
            return Err(error);
        }
        self.size += frames.0.len() as u64;
        Ok(())
    }

    /// Whether most of the file is likely outdated.
    pub(crate) fn wants_rewriting(&self) -> bool {
        self.size > SMALL && self.size > self.compact_size * 4
    }

    /// Replaces everything by these frames.
    pub(crate) fn rewrite(&mut self, frames: &Frames) -> io::Result<()> {
        let temporary = self.path.with_extension("new");
        let mut file = File::create(&temporary)?;
        file.write_all(&frames.0)?;
        file.sync_data()?;
        std::fs::rename(&temporary, &self.path)?;
        self.file = OpenOptions::new().append(true).open(&self.path)?;
        self.size = frames.0.len() as u64;
        self.compact_size = self.size;
        self.torn = false;
        Ok(())
    }
}

fn payload_at(bytes: &[u8]) -> Option<&[u8]> {
    let length = u32::from_be_bytes(bytes.get(..4)?.try_into().ok()?) as usize;
    let crc = u32::from_be_bytes(bytes.get(4..FRAME)?.try_into().ok()?);
    let payload = bytes.get(FRAME..FRAME.checked_add(length)?)?;
    (crc32c::crc32c(payload) == crc).then_some(payload)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(path: &Path) -> Vec<Vec<u8>> {
        let mut payloads = Vec::new();
        Journal::open(path, |payload| payloads.push(payload.to_vec())).unwrap();
        payloads
    }

    fn frames(payloads: &[&[u8]]) -> Frames {
        let mut frames = Frames::default();
        payloads.iter().for_each(|payload| frames.push(payload));
        frames
    }

    #[test]
    fn every_torn_tail_leaves_the_whole_records() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("groups.journal");
        let mut journal = Journal::open(&path, |_| {}).unwrap();
        journal.append(&frames(&[b"one", b"two"])).unwrap();
        journal.append(&frames(&[b"three"])).unwrap();
        drop(journal);
        let bytes = std::fs::read(&path).unwrap();
        let all: [&[u8]; 3] = [b"one", b"two", b"three"];
        let ends = [11, 22, 35];
        for cut in 0..=bytes.len() {
            std::fs::write(&path, &bytes[..cut]).unwrap();
            let whole = ends.iter().filter(|&&end| end <= cut).count();
            assert_eq!(read(&path), all[..whole], "cut at {cut}");
            assert_eq!(
                std::fs::metadata(&path).unwrap().len(),
                ends[..whole].last().copied().unwrap_or(0) as u64
            );
        }
    }

    #[test]
    fn rewriting_keeps_only_what_is_given() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("groups.journal");
        let mut journal = Journal::open(&path, |_| {}).unwrap();
        journal.append(&frames(&[&[7; 600_000], &[8; 600_000]])).unwrap();
        assert!(journal.wants_rewriting());
        journal.rewrite(&frames(&[b"kept"])).unwrap();
        journal.append(&frames(&[b"later"])).unwrap();
        assert!(!journal.wants_rewriting());
        assert_eq!(read(&path), [b"kept".to_vec(), b"later".to_vec()]);
    }
}
