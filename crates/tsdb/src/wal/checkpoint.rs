//! Checkpoints: what is still needed of the segments before them, so that these can go.
//!
//! Input: series and samples from `maintain`, which takes them from memory rather than from the old segments. Output:
//! `checkpoint.<index>/`, a folder of segments that replaces all segments up to the index. It is complete when it has
//! its name: it is written and synced under another (`….tmp`) and then renamed.

use super::segment::{list_segments, segment_path, sync_folder};
use super::writer::WalWriter;
use crate::error::{Doing, TsdbError};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

const PREFIX: &str = "checkpoint.";
const UNFINISHED: &str = ".tmp";

/// A finished checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Checkpoint {
    /// The last segment it replaces.
    pub(crate) index: u64,
    /// Its folder.
    pub(crate) path: PathBuf,
}

/// The newest checkpoint of a log.
pub(crate) fn last_checkpoint(wal: &Path) -> Result<Option<Checkpoint>, TsdbError> {
    Ok(checkpoints(wal)?.into_iter().max_by_key(|c| c.index))
}

fn checkpoints(wal: &Path) -> Result<Vec<Checkpoint>, TsdbError> {
    let mut found = Vec::new();
    for entry in fs::read_dir(wal).doing("list", wal)? {
        let entry = entry.doing("list", wal)?;
        let name = entry.file_name();
        let index = name.to_str().and_then(|n| n.strip_prefix(PREFIX)).and_then(|n| n.parse().ok());
        found.extend(index.map(|index| Checkpoint { index, path: entry.path() }));
    }
    Ok(found)
}

/// Removes the segments and checkpoints that a checkpoint replaces, and what unfinished ones left.
pub(crate) fn remove_superseded(wal: &Path, index: u64) -> Result<(), TsdbError> {
    // Oldest first: were this to stop halfway, the rest would still be without a gap.
    for segment in list_segments(wal)?.into_iter().filter(|s| *s <= index) {
        let path = segment_path(wal, segment);
        fs::remove_file(&path).doing("remove", &path)?;
    }
    for old in checkpoints(wal)?.into_iter().filter(|c| c.index < index) {
        fs::remove_dir_all(&old.path).doing("remove", &old.path)?;
    }
    Ok(())
}

/// A checkpoint being written.
pub(crate) struct CheckpointWriter {
    log: Option<WalWriter>,
    wal: PathBuf,
    unfinished: PathBuf,
    index: u64,
}

impl CheckpointWriter {
    pub(crate) fn create(
        wal: &Path,
        index: u64,
        segment_bytes: u64,
        compress: bool,
    ) -> Result<Self, TsdbError> {
        let unfinished = wal.join(format!("{PREFIX}{index:08}{UNFINISHED}"));
        match fs::remove_dir_all(&unfinished) {
            Err(cause) if cause.kind() != ErrorKind::NotFound => {
                return Err(TsdbError::io("remove", &unfinished, cause));
            }
            _ => fs::create_dir(&unfinished).doing("create", &unfinished)?,
        }
        let mut writer = Self { log: None, wal: wal.to_owned(), unfinished, index };
        writer.log = Some(WalWriter::create(&writer.unfinished, 0, segment_bytes, compress)?);
        Ok(writer)
    }

    pub(crate) fn push(&mut self, record: &[u8]) -> Result<(), TsdbError> {
        match &mut self.log {
            Some(log) => log.commit(&[record]),
            None => Err(TsdbError::Closed),
        }
    }

    /// Syncs the checkpoint and gives it its name.
    pub(crate) fn finish(mut self) -> Result<(), TsdbError> {
        if let Some(mut log) = self.log.take() {
            log.finish()?;
        }
        sync_folder(&self.unfinished)?;
        let path = self.wal.join(format!("{PREFIX}{:08}", self.index));
        fs::rename(&self.unfinished, &path).doing("rename", &self.unfinished)?;
        sync_folder(&self.wal)
    }
}

impl Drop for CheckpointWriter {
    /// Leaves nothing behind when the checkpoint was not finished.
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.unfinished);
    }
}

/// Removes what a process left that ended while it wrote a checkpoint.
pub(crate) fn remove_unfinished(wal: &Path) -> Result<(), TsdbError> {
    for entry in fs::read_dir(wal).doing("list", wal)? {
        let entry = entry.doing("list", wal)?;
        let name = entry.file_name();
        if name.to_str().is_some_and(|n| n.starts_with(PREFIX) && n.ends_with(UNFINISHED)) {
            fs::remove_dir_all(entry.path()).doing("remove", &entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkpoint_replaces_what_is_before_it() {
        let folder = tempfile::tempdir().unwrap();
        let wal = folder.path();
        for index in 0..4 {
            fs::write(segment_path(wal, index), "x").unwrap();
        }
        for index in [0, 1] {
            let mut checkpoint = CheckpointWriter::create(wal, index, 1 << 20, true).unwrap();
            checkpoint.push(b"record").unwrap();
            checkpoint.finish().unwrap();
        }
        drop(CheckpointWriter::create(wal, 3, 1 << 20, true).unwrap());
        assert_eq!(last_checkpoint(wal).unwrap().map(|c| c.index), Some(1));
        remove_superseded(wal, 1).unwrap();
        assert_eq!(list_segments(wal).unwrap(), [2, 3]);
        let mut names: Vec<_> = fs::read_dir(wal).unwrap().map(|e| e.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["00000002", "00000003", "checkpoint.00000001"]);
    }
}
