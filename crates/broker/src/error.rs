//! What can go wrong while starting or asking the broker, as a caller inside this program sees it.
//!
//! Input: errors of the operating system and of options. Output: text for a person. Errors that a Kafka client sees are
//! protocol codes and live in `codes.rs`.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Why the broker or its exporter could not do what was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BrokerError {
    /// A file or folder of the data folder could not be read or written.
    #[error("{what} {}: {source}", path.display())]
    File {
        /// What was being done, for example `cannot open`.
        what: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The operating system's error.
        #[source]
        source: io::Error,
    },
    /// The data folder is in use by another broker.
    #[error("data folder {} is in use by another broker; hint: stop it, or give another folder", .0.display())]
    FolderInUse(PathBuf),
    /// The listener could not be opened.
    #[error(
        "cannot listen on {address}: {source}; hint: another broker may be running, or choose another port"
    )]
    Listen {
        /// The address that was asked for.
        address: SocketAddr,
        /// The operating system's error.
        #[source]
        source: io::Error,
    },
    /// The address is not a loopback address.
    #[error("{0} is not a loopback address, and the broker has no authentication; hint: use 127.0.0.1")]
    NotLoopback(SocketAddr),
    /// A topic of the options or of a manifest is not usable.
    #[error("topic {topic:?}: {reason}")]
    Topic {
        /// The topic's name, or the manifest's.
        topic: String,
        /// Field, value and remedy.
        reason: String,
    },
    /// What the broker keeps beside the logs cannot be understood.
    #[error("{} is damaged: {reason}; hint: remove the file, topics and offsets in it are then forgotten", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong in it.
        reason: String,
    },
}

impl BrokerError {
    pub(crate) fn file(what: &'static str, path: impl Into<PathBuf>, source: io::Error) -> Self {
        Self::File { what, path: path.into(), source }
    }

    pub(crate) fn topic(topic: &str, reason: impl Into<String>) -> Self {
        Self::Topic { topic: topic.to_owned(), reason: reason.into() }
    }
}
