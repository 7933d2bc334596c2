//! Why a process of the todo application cannot start, or cannot reach its database.
//!
//! Input: failures of the other modules. Output: one enum whose text names the variable, value and remedy. Deliberately does
//! not choose status codes: that is done where a request is answered.

use std::{io, net::SocketAddr};

/// Result of everything fallible in this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// A failure at start, or of the database.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An environment variable holds something that cannot be used. `value` never holds a password.
    #[error("{name} is \"{value}\": {reason}; hint: {hint}")]
    Setting {
        /// Name of the environment variable.
        name: &'static str,
        /// Its value, with credentials removed.
        value: String,
        /// What is wrong with it.
        reason: String,
        /// What would be right.
        hint: String,
    },
    /// A listening socket could not be opened.
    #[error(
        "cannot listen on {address} for {purpose}: {source}; hint: set {variable} to a free port, or 0 to get any"
    )]
    Bind {
        /// What the socket is for: `requests` or `metrics`.
        purpose: &'static str,
        /// The variable that chooses its port.
        variable: &'static str,
        /// The address asked for.
        address: SocketAddr,
        /// The operating system's answer.
        source: io::Error,
    },
    /// The handler for SIGTERM and SIGINT could not be installed.
    #[error("cannot wait for SIGTERM: {0}")]
    Signal(io::Error),
    /// The database is not there, or too busy: the same call may succeed later.
    #[cfg(feature = "database")]
    #[error("database unavailable: {0}")]
    DatabaseUnavailable(String),
    /// The database answered that the call itself is wrong, or is damaged: repeating it will not help.
    #[cfg(feature = "database")]
    #[error("database failure: {0}")]
    DatabaseFailure(String),
    /// A migration could not be applied.
    #[cfg(feature = "database")]
    #[error("migration {version} \"{name}\" failed: {reason}")]
    Migration {
        /// Number of the migration.
        version: i64,
        /// Its name.
        name: &'static str,
        /// What the database said.
        reason: String,
    },
}

impl Error {
    /// Whether the same call may succeed later without anybody changing anything.
    pub fn is_transient(&self) -> bool {
        #[cfg(feature = "database")]
        if matches!(self, Self::DatabaseUnavailable(_)) {
            return true;
        }
        false
    }
}
