//! What can go wrong with a database folder, in words that name the file, the cause and the remedy.
//!
//! Made wherever the crate touches the disk; ends in `AppendError::Storage`, `SelectError::Storage` or in front of
//! the person who started the program. The operating system's cause is in the text, so there is no `source()`.

use std::io;
use std::path::{Path, PathBuf};

/// A database folder that cannot be opened, read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TsdbError {
    /// The operating system refused an operation on a file.
    #[error("cannot {doing} {}: {cause}{}", path.display(), hint_for(cause))]
    Io {
        /// The operation, as a verb.
        doing: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the operating system says.
        cause: io::Error,
    },
    /// Another process has the folder open.
    #[error(
        "{} is in use by {holder}; hint: stop that process or give this one another data folder",
        path.display()
    )]
    Locked {
        /// The data folder.
        path: PathBuf,
        /// Who holds it, e.g. `process 4711`.
        holder: String,
    },
    /// A file does not hold what its format says.
    #[error("{} is damaged at byte {offset}: {what}", path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// Where in it, in bytes from its start.
        offset: u64,
        /// What is wrong there, and the remedy where there is one.
        what: String,
    },
    /// The folder holds something that Prometheus reads and this program does not yet.
    #[error("{} holds {what}, which is not read yet; hint: {hint}", path.display())]
    Unsupported {
        /// The file or folder.
        path: PathBuf,
        /// The thing that is not supported.
        what: String,
        /// What to do instead.
        hint: &'static str,
    },
    /// The database has been closed.
    #[error("the database is closed")]
    Closed,
}

impl TsdbError {
    pub(crate) fn io(doing: &'static str, path: &Path, cause: io::Error) -> Self {
        Self::Io { doing, path: path.to_owned(), cause }
    }

    pub(crate) fn corrupt(path: &Path, offset: u64, what: impl Into<String>) -> Self {
        Self::Corrupt { path: path.to_owned(), offset, what: what.into() }
    }

    /// Whether the file system (or a quota) has no room left.
    pub fn is_disk_full(&self) -> bool {
        matches!(self, Self::Io { cause, .. } if is_full(cause))
    }
}

fn is_full(cause: &io::Error) -> bool {
    matches!(cause.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

fn hint_for(cause: &io::Error) -> &'static str {
    match cause.kind() {
        _ if is_full(cause) => {
            "; hint: free space on its file system or lower the retention (--storage.tsdb.retention.time)"
        }
        io::ErrorKind::PermissionDenied => "; hint: let this user write there or choose another data folder",
        io::ErrorKind::ReadOnlyFilesystem => "; hint: choose a data folder on a writable file system",
        _ => "",
    }
}

/// Attaches the operation and the file to an I/O result.
pub(crate) trait Doing<T> {
    fn doing(self, doing: &'static str, path: &Path) -> Result<T, TsdbError>;
}

impl<T> Doing<T> for io::Result<T> {
    fn doing(self, doing: &'static str, path: &Path) -> Result<T, TsdbError> {
        self.map_err(|cause| TsdbError::io(doing, path, cause))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_the_file_the_cause_and_the_remedy() {
        let full = TsdbError::io("write", Path::new("data/wal/00000001"), io::ErrorKind::StorageFull.into());
        assert!(full.is_disk_full());
        let text = full.to_string();
        for part in ["cannot write data/wal/00000001", "no storage space", "hint: free space", "retention"] {
            assert!(text.contains(part), "{part:?} is missing in {text:?}");
        }
        let locked = TsdbError::Locked { path: "data".into(), holder: "process 7".into() };
        assert!(locked.to_string().starts_with("data is in use by process 7; hint: "));
    }
}
