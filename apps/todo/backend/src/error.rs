//! Why the backend cannot start or cannot answer.
//!
//! Input: failures of the database, of the event queue and of what the processes share. Output: one enum; `api.rs` turns it into
//! problems. Deliberately holds no user data.

/// Result of everything fallible in this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// A failure of the backend.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Settings, sockets or the database.
    #[error(transparent)]
    Shared(#[from] todo_telemetry::Error),
    /// A stored task does not read as one: the table was changed by something else.
    #[error("task {id} is stored with {column} = \"{value}\"")]
    Stored {
        /// Id of the task.
        id: i64,
        /// The column that cannot be read.
        column: &'static str,
        /// What it holds.
        value: String,
    },
    /// A column is missing or of another type.
    #[error("tasks cannot be read: {0}")]
    Row(String),
}
