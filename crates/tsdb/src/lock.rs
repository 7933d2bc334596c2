//! The lock that keeps a second process out of a data folder.
//!
//! Input: the folder. Output: a guard that holds `<folder>/lock` with flock(2), exactly as Prometheus does, so that
//! neither can open a folder that the other has open. The file holds the holder's process id for the message that
//! the other one prints. The system ends the lock with the process, however that ends.

use crate::error::{Doing, TsdbError};
use rustix::fs::{FlockOperation, flock};
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Holds the lock of a folder until it is dropped.
#[derive(Debug)]
pub(crate) struct FolderLock {
    path: PathBuf,
    /// Its open file is the lock.
    _file: File,
}

impl FolderLock {
    /// Takes the lock.
    ///
    /// # Errors
    /// When another process has it, or the file cannot be made.
    pub(crate) fn take(folder: &Path) -> Result<Self, TsdbError> {
        let path = folder.join("lock");
        loop {
            let mut file = OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .open(&path)
                .doing("open", &path)?;
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => {}
                Err(rustix::io::Errno::WOULDBLOCK) => {
                    return Err(TsdbError::Locked { path: folder.to_owned(), holder: holder(&mut file) });
                }
                Err(error) => return Err(TsdbError::io("lock", &path, error.into())),
            }
            // A holder that ends removes the file: then this is the lock of a file that is no longer there.
            let same = |a: &fs::Metadata, b: &fs::Metadata| (a.dev(), a.ino()) == (b.dev(), b.ino());
            match (file.metadata(), fs::metadata(&path)) {
                (Ok(ours), Ok(there)) if same(&ours, &there) => {}
                _ => continue,
            }
            file.set_len(0).doing("write", &path)?;
            // A full disk must not keep the database from being read: the lock holds without the number.
            let _ = writeln!(file, "{}", std::process::id());
            return Ok(Self { path, _file: file });
        }
    }
}

impl Drop for FolderLock {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

fn holder(file: &mut File) -> String {
    let mut text = String::new();
    let pid = file.read_to_string(&mut text).ok().and_then(|_| text.trim().parse::<u32>().ok());
    pid.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_holder_is_told_who_the_first_is() {
        let folder = tempfile::tempdir().unwrap();
        let lock = FolderLock::take(folder.path()).unwrap();
        let error = FolderLock::take(folder.path()).unwrap_err().to_string();
        assert!(error.contains(&format!("in use by process {}", std::process::id())), "{error}");
        drop(lock);
        assert!(!folder.path().join("lock").exists());
        FolderLock::take(folder.path()).unwrap();
    }
}
