//! Events as lines on standard error, as text or JSON.
//!
//! Input: `tracing` events of all crates; the level and format of the command line. Output: standard error, so that
//! standard output stays free for results. It writes no files and rotates nothing.

use crate::TelemetryError;
use std::io::{self, IsTerminal};
use std::str::FromStr;
use tracing_subscriber::EnvFilter;

/// How a log line is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// Time, level, module, message, fields.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

impl FromStr for LogFormat {
    type Err = TelemetryError;

    /// Reads `text` (Prometheus's `logfmt` means the same) or `json`.
    fn from_str(text: &str) -> Result<Self, TelemetryError> {
        match text {
            "text" | "logfmt" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err(TelemetryError::Format { format: text.to_owned() }),
        }
    }
}

/// Starts to log. `level` is `trace`, `debug`, `info`, `warn` or `error`: what tidewatch itself logs from, while
/// libraries log warnings; or a filter such as `tidewatch_scrape=debug,warn`.
///
/// # Errors
/// When the level is unknown, or logging has been started before.
pub fn init_logging(format: LogFormat, level: &str) -> Result<(), TelemetryError> {
    let builder = tracing_subscriber::fmt()
        .with_writer(io::stderr)
        .with_env_filter(filter(level)?)
        .with_ansi(io::stderr().is_terminal());
    let started = match format {
        LogFormat::Text => builder.with_target(true).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    started.map_err(|_| TelemetryError::AlreadySet)
}

fn filter(level: &str) -> Result<EnvFilter, TelemetryError> {
    let unknown = || TelemetryError::Level { level: level.to_owned() };
    let directives = match level {
        "trace" | "debug" | "info" | "warn" | "error" => {
            let others = if level == "error" { "error" } else { "warn" };
            format!("{others},tidewatch={level}")
        }
        _ if level.contains(['=', ',']) => level.to_owned(),
        _ => return Err(unknown()),
    };
    EnvFilter::builder().parse(directives).map_err(|_| unknown())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_and_filters_are_read() {
        let check = |level: &str, expected: Option<&str>| {
            assert_eq!(filter(level).ok().map(|f| f.to_string()).as_deref(), expected, "{level}");
        };
        check("info", Some("tidewatch=info,warn"));
        check("error", Some("tidewatch=error,error"));
        check("tidewatch_http=debug", Some("tidewatch_http=debug"));
        check("loud", None);
        check("", None);
        check("tidewatch=loud", None);
    }

    #[test]
    fn formats_are_read() {
        let check =
            |text: &str, expected: Option<LogFormat>| assert_eq!(text.parse().ok(), expected, "{text}");
        check("text", Some(LogFormat::Text));
        check("logfmt", Some(LogFormat::Text));
        check("json", Some(LogFormat::Json));
        check("xml", None);
    }

    #[test]
    fn an_error_names_value_and_remedy() {
        let error = filter("loud").unwrap_err().to_string();
        assert_eq!(error, "unknown log level \"loud\"; hint: use one of trace, debug, info, warn, error");
    }
}
