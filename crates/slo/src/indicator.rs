//! What an objective measures: of all events, which failed; or of all events, which took too long.
//!
//! Input: series selectors and a threshold. Output: the PromQL of events and failures per second. A selector is taken
//! apart and put together as text; the query engine has read it before.

use std::time::Duration;
use tidewatch_model::{METRIC_NAME, Matcher};
use tidewatch_promql::parse_selector;

/// What kind of objective it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SloKind {
    /// Events that failed.
    Availability,
    /// Events that took longer than a threshold.
    Latency,
}

impl SloKind {
    /// The name, as in the label `kind`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Availability => "availability",
            Self::Latency => "latency",
        }
    }
}

/// How events and failures are counted.
#[derive(Clone, Debug, PartialEq)]
pub enum Indicator {
    /// Two counters, each as a series selector.
    Availability {
        /// All events.
        total: String,
        /// Those of them that failed; may be without a series until something fails.
        failed: String,
    },
    /// A classic histogram of seconds and the bound below which an event is good.
    Latency {
        /// The selector of the histogram, without `_bucket`.
        histogram: String,
        /// The threshold; a bucket of the histogram ends there.
        threshold: Duration,
    },
}

impl Indicator {
    /// Which kind it is.
    pub fn kind(&self) -> SloKind {
        match self {
            Self::Availability { .. } => SloKind::Availability,
            Self::Latency { .. } => SloKind::Latency,
        }
    }

    /// Events per second over `window`, of all series together.
    pub(crate) fn events(&self, window: &str) -> String {
        match self {
            Self::Availability { total, .. } => rate(total, window),
            Self::Latency { histogram, .. } => rate(&renamed(histogram, "_count", ""), window),
        }
    }

    /// Failures per second over `window`; `events` is the series of [`Self::events`] at the same time.
    pub(crate) fn failures(&self, window: &str, events: &str) -> String {
        match self {
            // Nothing has failed yet and the counter of failures is not there: 0, as long as events are counted.
            Self::Availability { failed, .. } => {
                format!("{}\nor on ()\n{events} * 0", rate(failed, window))
            }
            // Without the bucket there is no answer: better none than a good one.
            Self::Latency { histogram, threshold } => {
                let bucket = renamed(histogram, "_bucket", &bound(*threshold));
                format!("clamp_min(\n  {events}\n  - on ()\n  {},\n  0\n)", rate(&bucket, window))
            }
        }
    }
}

fn rate(selector: &str, window: &str) -> String {
    format!("sum(rate({selector}[{window}]))")
}

/// The bucket's label. Since Prometheus 3 a whole bound is stored as `1.0`; before it was `1`, and in rule tests it still is.
fn bound(threshold: Duration) -> String {
    let seconds = threshold.as_secs_f64();
    if threshold.subsec_nanos() == 0 {
        return format!("le=~\"{seconds}([.]0)?\"");
    }
    format!("le=\"{seconds}\"")
}

/// `name{matchers}` with a suffix to the name and one more matcher.
fn renamed(selector: &str, suffix: &str, matcher: &str) -> String {
    let (name, rest) = selector.split_once('{').unwrap_or((selector, "}"));
    let inner = rest.trim().trim_end_matches('}').trim().trim_end_matches(',').trim();
    let both: Vec<&str> = [inner, matcher].into_iter().filter(|part| !part.is_empty()).collect();
    format!("{}{suffix}{{{}}}", name.trim(), both.join(", "))
}

/// Reads a selector as a declaration has it; the error says what to write.
pub(crate) fn checked_selector(text: &str) -> Result<String, (String, &'static str)> {
    const HINT: &str =
        "write a series selector, e.g. http_requests_total{job=\"api\"}; rates and sums are added to it";
    let matchers = parse_selector(text).map_err(|error| (error.to_string(), HINT))?;
    let metric = text.trim().split('{').next().unwrap_or_default().trim();
    let named = matchers.iter().find(|matcher| matcher.name() == METRIC_NAME).map(Matcher::value);
    if metric.is_empty() || named != Some(metric) {
        return Err((format!("{text:?} does not begin with the name of a metric"), HINT));
    }
    Ok(text.split_whitespace().collect::<Vec<_>>().join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn latency(histogram: &str, millis: u64) -> String {
        let threshold = Duration::from_millis(millis);
        Indicator::Latency { histogram: histogram.to_owned(), threshold }.failures("5m", "events")
    }

    #[test]
    fn a_threshold_becomes_its_bucket() {
        let check = |text: String, part: &str| assert!(text.contains(part), "{part} in {text}");
        check(latency("d{job=\"a\"}", 500), "sum(rate(d_bucket{job=\"a\", le=\"0.5\"}[5m]))");
        check(latency("d{job=\"a\",}", 2000), "d_bucket{job=\"a\", le=~\"2([.]0)?\"}[5m]");
        check(latency("d", 25), "d_bucket{le=\"0.025\"}[5m]");
        let count = Indicator::Latency { histogram: "d{}".into(), threshold: Duration::from_secs(1) };
        assert_eq!(count.events("5m"), "sum(rate(d_count{}[5m]))");
    }

    #[test]
    fn only_plain_selectors_are_taken() {
        let check = |text: &str, expected: Option<&str>| {
            assert_eq!(checked_selector(text).ok().as_deref(), expected, "{text}");
        };
        check("a_total{b=\"c\"}", Some("a_total{b=\"c\"}"));
        check("a_total{\n  b=\"c\",\n  d=~\"e\"\n}", Some("a_total{ b=\"c\", d=~\"e\" }"));
        check("a_total", Some("a_total"));
        for wrong in ["rate(a_total[5m])", "a_total[5m]", "{b=\"c\"}", "{__name__=\"a\"}", "a_total{", ""] {
            check(wrong, None);
        }
    }
}
