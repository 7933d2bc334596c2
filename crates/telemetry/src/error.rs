//! The one error of this crate: a log setting that cannot be used.

/// Telemetry that could not be set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TelemetryError {
    /// The log level is neither a level nor a filter.
    #[error("unknown log level {level:?}; hint: use one of trace, debug, info, warn, error")]
    Level {
        /// The text given.
        level: String,
    },
    /// The log format is unknown.
    #[error("unknown log format {format:?}; hint: use text or json")]
    Format {
        /// The text given.
        format: String,
    },
    /// Logging is set up already; a process does it once.
    #[error("logging is set up already")]
    AlreadySet,
}
