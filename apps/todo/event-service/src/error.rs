//! Why the event service cannot start or cannot answer.
//!
//! Input: failures of the database and of what the processes share. Output: one enum; `api.rs` turns it into problems. Deliberately
//! holds no user data.

/// Result of everything fallible in this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// A failure of the event service.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Settings, sockets or the database.
    #[error(transparent)]
    Shared(#[from] todo_telemetry::Error),
    /// A stored activity does not read as one: the table was changed by something else.
    #[error("activities cannot be read: {0}")]
    Row(String),
}
