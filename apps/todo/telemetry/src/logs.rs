//! One JSON line per event on standard output.
//!
//! Input: `tracing` events. Output: lines such as `{"timestamp":…,"level":"INFO","message":"listening",…}`. Panics become a
//! line too. Deliberately logs no request body, query or path: nothing a user typed may reach a log.

use std::str::FromStr;

use tracing_subscriber::{
    Layer,
    filter::{LevelFilter, Targets},
    fmt,
    layer::SubscriberExt,
    util::SubscriberInitExt,
};

/// How much is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogLevel {
    /// Only failures.
    Error,
    /// Failures and what may become one.
    Warn,
    /// Start, stop and changes of state as well.
    Info,
    /// One line per request as well: method, route template, status, duration.
    Debug,
}

impl FromStr for LogLevel {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text.to_ascii_lowercase().as_str() {
            "error" => Ok(Self::Error),
            "warn" | "warning" => Ok(Self::Warn),
            "info" => Ok(Self::Info),
            "debug" => Ok(Self::Debug),
            _ => Err(()),
        }
    }
}

/// Sends every event at or above `level` to standard output as JSON, and panics (their place, not their text) as errors.
/// A second call in one process changes nothing.
pub fn init_json_logs(level: LogLevel) {
    let own = match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
    };
    // Libraries may log statements and headers at lower levels.
    let targets = Targets::new().with_default(LevelFilter::ERROR).with_targets([
        ("todo_telemetry", own),
        ("todo_backend", own),
        ("todo_event_service", own),
        ("todo_frontend", own),
    ]);
    let lines = fmt::layer()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_span_list(false)
        .with_target(false)
        .with_filter(targets);
    if tracing_subscriber::registry().with(lines).try_init().is_err() {
        return;
    }
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(place, "panicked");
    }));
}
