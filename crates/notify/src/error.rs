//! What can go wrong with notifications, in words that name the file, the cause and the remedy.
//!
//! Mistakes of a configuration carry their places ([`ConfigErrors`]); everything else that can fail at start, reload or a request is a
//! [`NotifyError`]. No text holds a secret.

use std::fmt;
use std::io;
use std::path::PathBuf;
use tidewatch_manifest::ManifestError;

/// All mistakes of a configuration file, by line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigErrors(
    /// Each with file, line, field, value and remedy.
    pub Vec<ManifestError>,
);

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}

/// Something that Alertmanager's part cannot do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NotifyError {
    /// The configuration, or a template file it names, is wrong.
    #[error(transparent)]
    Config(#[from] ConfigErrors),
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
    #[error("{} is in use by another process; hint: stop it, or give this one another data folder", path.display())]
    InUse {
        /// The data folder.
        path: PathBuf,
    },
    /// A silence that cannot be taken as it is.
    #[error("{0}")]
    InvalidSilence(
        /// Why, in Alertmanager's words.
        String,
    ),
    /// No silence has this id.
    #[error("silence not found")]
    SilenceNotFound,
}

fn hint_for(cause: &io::Error) -> &'static str {
    match cause.kind() {
        io::ErrorKind::StorageFull => "; hint: make room on the volume, nothing was changed",
        io::ErrorKind::PermissionDenied => "; hint: give this user write access to the folder",
        _ => "",
    }
}
