//! What a drill found, for people and for programs.
//!
//! Input: outcomes. Output: a table, or JSON. Times are seconds after the cause began or ended, to a tenth.

use super::exercise::{Outcome, Verdict, labels_of};
use super::registry::Entry;
use serde_json::{Value, json};
use std::time::Duration;

/// The outcomes as a table.
pub(crate) fn table(outcomes: &[Outcome]) -> String {
    let head = ["ALERT", "FACTOR", "PENDING", "FIRED", "DELIVERED", "RESOLVED", "TOLD", "RESULT"];
    let mut rows = vec![head.map(str::to_owned)];
    rows.extend(outcomes.iter().map(row));
    aligned(&rows)
}

/// The entries, for who wants to know before.
pub(crate) fn list<'a>(entries: impl Iterator<Item = &'a Entry>) -> String {
    let mut rows = vec![["ALERT", "CAUSE", "TOUCHES"].map(str::to_owned)];
    let named = |entry: &Entry| format!("{}{}", entry.alert, labels_of(entry));
    rows.extend(
        entries.map(|entry| [named(entry), entry.cause.sentence.to_owned(), entry.cause.touches.join(", ")]),
    );
    aligned(&rows)
}

/// The outcomes as JSON.
pub(crate) fn json(outcomes: &[Outcome]) -> Value {
    let alerts: Vec<Value> = outcomes.iter().map(described).collect();
    json!({ "passed": passed(outcomes), "alerts": alerts })
}

/// Whether nothing failed.
pub(crate) fn passed(outcomes: &[Outcome]) -> bool {
    outcomes.iter().all(|outcome| !matches!(outcome.verdict, Verdict::Failed(_)))
}

fn row(outcome: &Outcome) -> [String; 8] {
    let times = &outcome.timeline;
    let time = |time: Option<Duration>| {
        time.map_or_else(|| "-".to_owned(), |time| format!("{:.1}", time.as_secs_f64()))
    };
    let result = match &outcome.verdict {
        Verdict::Passed => "passed".to_owned(),
        Verdict::Failed(reason) => format!("FAILED: {reason}"),
    };
    [
        format!("{}{}", outcome.entry.alert, labels_of(outcome.entry)),
        format!("{}", outcome.factor),
        time(times.pending),
        time(times.fired),
        time(times.delivered),
        time(times.resolved),
        time(times.resolution_delivered),
        result,
    ]
}

fn described(outcome: &Outcome) -> Value {
    let times = &outcome.timeline;
    let time = |time: Option<Duration>| time.map(|time| (time.as_secs_f64() * 10.0).round() / 10.0);
    let labels: serde_json::Map<String, Value> =
        outcome.entry.labels.iter().map(|(name, value)| (name.to_string(), json!(value))).collect();
    let (result, reason) = match &outcome.verdict {
        Verdict::Passed => ("passed", None),
        Verdict::Failed(reason) => ("failed", Some(reason.as_str())),
    };
    json!({
        "alert": outcome.entry.alert,
        "labels": labels,
        "cause": outcome.entry.cause.sentence,
        "factor": outcome.factor,
        "pendingSeconds": time(times.pending),
        "firedSeconds": time(times.fired),
        "deliveredSeconds": time(times.delivered),
        "resolvedSeconds": time(times.resolved),
        "resolutionDeliveredSeconds": time(times.resolution_delivered),
        "result": result,
        "reason": reason,
    })
}

fn aligned<const N: usize>(rows: &[[String; N]]) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; N] = std::array::from_fn(width);
    let line = |row: &[String; N]| {
        let cells: Vec<String> =
            row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        format!("{}\n", cells.join("  ").trim_end())
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drill::exercise::Timeline;
    use crate::drill::registry::ENTRIES;

    #[test]
    fn a_drill_is_a_table_or_json() {
        let entry = |alert: &str| ENTRIES.iter().find(|entry| entry.alert == alert).unwrap();
        let seconds = |seconds: f64| Some(Duration::from_secs_f64(seconds));
        let timeline = Timeline {
            pending: seconds(4.04),
            fired: seconds(34.0),
            delivered: seconds(37.0),
            ..Timeline::default()
        };
        let outcome =
            |alert: &str, verdict: Verdict| Outcome { entry: entry(alert), factor: 10.0, timeline, verdict };
        let mut outcomes =
            vec![outcome("Watchdog", Verdict::Passed), outcome("CertificateExpiring", Verdict::Passed)];
        assert!(passed(&outcomes));
        outcomes.push(outcome("HighErrorRate", Verdict::Failed("still active".to_owned())));
        assert!(!passed(&outcomes));
        let text = table(&outcomes);
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].starts_with("ALERT ") && lines[0].ends_with("RESULT"));
        assert!(
            lines[1].starts_with("Watchdog ")
                && lines[1].ends_with("4.0      34.0   37.0       -         -     passed"),
            "{text}"
        );
        assert!(
            lines[3].starts_with("HighErrorRate{job=\"todo-backend\"}  10 ")
                && lines[3].ends_with("FAILED: still active"),
            "{text}"
        );
        let written = json(&outcomes);
        assert_eq!((&written["passed"], &written["alerts"][2]["result"]), (&json!(false), &json!("failed")));
        assert_eq!(written["alerts"][0]["pendingSeconds"], json!(4.0));
        assert_eq!(written["alerts"][0]["resolvedSeconds"], Value::Null);
    }
}
