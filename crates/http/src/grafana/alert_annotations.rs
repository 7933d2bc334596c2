//! Firing alerts as annotations: from the series `ALERTS`, which rules write.
//!
//! Input: the store and a range. Output: from when to when each alert fired. What is remembered is what is stored, so alerts of
//! before a restart are there too. Alerts of severity `none`, which always fire to prove that alerting works, are left out.

use tidewatch_model::{Columns, METRIC_NAME, MatchOp, Matcher, Select, SelectError, Selection, is_stale};

/// A series without a sample for longer has ended, as for a query, in milliseconds.
const LOOK_BACK_MS: i64 = 5 * 60_000;
/// How far back is looked when no beginning is given, in milliseconds.
const DEFAULT_RANGE_MS: i64 = 24 * 3_600_000;
/// More series are not read for one answer.
const MOST_SERIES: usize = 2_000;

/// A time during which an alert fired.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Firing {
    /// The alert's name.
    pub(super) name: String,
    /// Its other labels, e.g. `job="todo-backend", severity="critical"`.
    pub(super) labels: String,
    /// When it began, in milliseconds since the Unix epoch.
    pub(super) from: i64,
    /// When it was last seen, in milliseconds since the Unix epoch.
    pub(super) to: i64,
}

/// The alerts that fired within a range, both ends included, in milliseconds since the Unix epoch.
pub(super) fn firing(store: &dyn Select, from: i64, to: i64, now: i64) -> Result<Vec<Firing>, SelectError> {
    let to = to.min(now);
    let from = if from == i64::MIN { to.saturating_sub(DEFAULT_RANGE_MS) } else { from };
    let is = |name: &str, value: &str| Matcher::new(name, MatchOp::Equal, value);
    let matchers = [is(METRIC_NAME, "ALERTS"), is("alertstate", "firing")];
    let Ok(matchers) = matchers.into_iter().collect::<Result<Vec<_>, _>>() else { return Ok(Vec::new()) };
    // a moment before, so that what began earlier is not taken for something that begins here
    let start = from.saturating_sub(LOOK_BACK_MS);
    let (mut found, mut columns) = (Vec::new(), Columns::default());
    for series in store.select(&Selection { matchers: &matchers, start, end: to })?.iter().take(MOST_SERIES) {
        let labels = series.labels();
        if labels.get("severity") == Some("none") {
            continue;
        }
        columns.clear();
        series.read(&mut columns)?;
        let shown =
            labels.iter().filter(|(name, _)| ![METRIC_NAME, "alertname", "alertstate"].contains(name));
        let shown: Vec<String> = shown.map(|(name, value)| format!("{name}={value:?}")).collect();
        let spans = spans(&columns).into_iter().filter(|(_, end)| *end >= from);
        found.extend(spans.map(|(begin, end)| Firing {
            name: labels.get("alertname").unwrap_or_default().to_owned(),
            labels: shown.join(", "),
            from: begin,
            to: end,
        }));
    }
    Ok(found)
}

/// From when to when there are samples without a gap.
fn spans(columns: &Columns) -> Vec<(i64, i64)> {
    let mut spans: Vec<(i64, i64)> = Vec::new();
    let mut open = false;
    for (time, value) in columns.timestamps.iter().zip(&columns.values) {
        match spans.last_mut() {
            Some((_, end)) if open && time - *end <= LOOK_BACK_MS => *end = *time,
            _ if is_stale(*value) => {}
            _ => spans.push((*time, *time)),
        }
        open = !is_stale(*value);
    }
    spans
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidewatch_model::stale_nan;

    fn check(samples: &[(i64, f64)], expected: &[(i64, i64)]) {
        let mut columns = Columns::default();
        samples.iter().for_each(|(seconds, value)| columns.push(seconds * 1000, *value));
        let seconds: Vec<(i64, i64)> =
            spans(&columns).into_iter().map(|(a, b)| (a / 1000, b / 1000)).collect();
        assert_eq!(seconds, expected, "{samples:?}");
    }

    #[test]
    fn a_span_ends_with_a_marker_or_a_gap() {
        check(&[], &[]);
        check(&[(0, 1.0), (30, 1.0), (60, stale_nan())], &[(0, 60)]);
        check(&[(0, 1.0), (300, 1.0), (601, 1.0)], &[(0, 300), (601, 601)]);
        check(
            &[(0, stale_nan()), (30, 1.0), (60, stale_nan()), (90, stale_nan()), (120, 1.0)],
            &[(30, 60), (120, 120)],
        );
    }
}
