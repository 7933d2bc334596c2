//! Why the frontend cannot start.
//!
//! Input: failures of what the processes share. Output: one enum. Deliberately knows nothing of failing upstreams: those are
//! problems, answered by `proxy.rs`.

/// Result of everything fallible in this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// A failure of the frontend.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Settings or sockets.
    #[error(transparent)]
    Shared(#[from] todo_telemetry::Error),
}
