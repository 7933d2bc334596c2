//! One JSON line per event on standard output.
//!
//! Input: `tracing` events. Output: lines such as `{"timestamp":…,"level":"INFO","message":"listening",…}`; those written within
//! a span end with its `trace_id` and `span_id`. Panics become a line too. Deliberately logs no request body, query or path: nothing a user typed may reach a log.

use std::str::FromStr;

use tracing::{Event, Subscriber};
use tracing_subscriber::{
    Layer,
    filter::{LevelFilter, Targets},
    fmt::{self, FmtContext, FormatEvent, FormatFields, format::Writer},
    layer::SubscriberExt,
    registry::LookupSpan,
    util::SubscriberInitExt,
};

use crate::current_context::of_current;

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
        .map_event_format(WithTraceIds)
        .with_filter(targets);
    if tracing_subscriber::registry().with(lines).try_init().is_err() {
        return;
    }
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(place, "panicked");
    }));
}

/// Adds the ids of the current span to the JSON object that the inner format writes.
struct WithTraceIds<F>(F);

impl<S, N, F> FormatEvent<S, N> for WithTraceIds<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> std::fmt::Result {
        let Some((trace_id, span_id)) = of_current(|current| (current.trace_id, current.span_id)) else {
            return self.0.format_event(context, writer, event);
        };
        let mut line = String::with_capacity(256);
        self.0.format_event(context, Writer::new(&mut line), event)?;
        match line.trim_end().strip_suffix('}') {
            Some(object) => {
                writeln!(writer, r#"{object},"trace_id":"{trace_id}","span_id":"{span_id}"}}"#)
            }
            None => writer.write_str(&line),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{self, Write},
        sync::{Arc, Mutex},
    };

    use super::*;
    use crate::{TraceContext, in_context};

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn lines_within_a_span_carry_its_ids_sampled_or_not() {
        let lines = Lines::default();
        let writer = lines.clone();
        let layer = fmt::layer().json().flatten_event(true).with_writer(move || writer.clone());
        let subscriber = tracing_subscriber::registry().with(layer.map_event_format(WithTraceIds));
        let _default = tracing::subscriber::set_default(subscriber);
        tracing::info!(number = 1, "outside");
        for flags in ["00", "01"] {
            let parent = format!("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-{flags}");
            in_context(TraceContext::parse(&parent, None), async {
                tracing::info!(text = "a } b", "inside");
            })
            .await;
        }
        let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        let parsed: Vec<serde_json::Value> =
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(parsed.len(), 3, "{text}");
        assert!(parsed[0].get("trace_id").is_none() && parsed[0]["number"] == 1, "{text}");
        for line in &parsed[1..] {
            assert_eq!(line["trace_id"], "0af7651916cd43dd8448eb211c80319c", "{text}");
            assert_eq!(line["span_id"], "b7ad6b7169203331", "{text}");
            assert_eq!((line["message"].as_str(), line["text"].as_str()), (Some("inside"), Some("a } b")));
        }
    }
}
