//! What can go wrong with the folder of traces, in words that name the file, the cause and the remedy.
//!
//! Made wherever the crate touches the disk; ends in the answer to a sender or in front of the person who started the program. The
//! operating system's cause is in the text, so there is no `source()`. A span that is refused is no error: it is counted in `Ingested`.

use std::io;
use std::path::{Path, PathBuf};

/// A folder of traces that cannot be opened, read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TracesError {
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
    /// The folder was written by a newer version of this program.
    #[error("{} has format version {found}, this program reads {known}; hint: use the newer program or another folder", path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// The version in its header.
        found: u8,
        /// The version this program writes.
        known: u8,
    },
    /// Another process has the folder open.
    #[error("{} is in use; hint: stop the other process or give this one another data folder", path.display())]
    Locked {
        /// The folder.
        path: PathBuf,
    },
    /// The store has been closed.
    #[error("the trace store is closed")]
    Closed,
}

fn hint_for(cause: &io::Error) -> &'static str {
    match cause.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "; hint: free space on its file system or lower the bound on the disk that traces may take"
        }
        io::ErrorKind::PermissionDenied => "; hint: let this user write there or choose another data folder",
        io::ErrorKind::ReadOnlyFilesystem => "; hint: choose a data folder on a writable file system",
        _ => "",
    }
}

/// Attaches the operation and the file to an I/O result.
pub(crate) trait Doing<T> {
    fn doing(self, doing: &'static str, path: &Path) -> Result<T, TracesError>;
}

impl<T> Doing<T> for io::Result<T> {
    fn doing(self, doing: &'static str, path: &Path) -> Result<T, TracesError> {
        self.map_err(|cause| TracesError::Io { doing, path: path.to_owned(), cause })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_the_file_the_cause_and_the_remedy() {
        let full = Err::<(), _>(io::Error::from(io::ErrorKind::StorageFull))
            .doing("write", Path::new("data/traces/00000001.spans"))
            .unwrap_err();
        let text = full.to_string();
        for part in ["cannot write data/traces/00000001.spans", "no storage space", "hint: free space"] {
            assert!(text.contains(part), "{part:?} is missing in {text:?}");
        }
    }
}
