//! How a load reads for people: a line while it runs, tables and plots at its end.
//!
//! Input: progress and reports. Output: text. It measures nothing.

use crate::plot::{PlotSeries, PlotStyle, plot, short_number};
use crate::terminal;
use std::fmt::Write;
use tidewatch_load::{LoadReport, Progress, Quantiles, Second};

const PLOT_HEIGHT: usize = 8;

/// The line that stays current.
pub(crate) fn progress(progress: &Progress) -> String {
    let planned = progress.planned.as_secs();
    let elapsed = progress.elapsed.as_secs();
    let mut line = if elapsed > planned {
        "waiting for answers".to_owned()
    } else {
        format!("{elapsed}/{planned} s  {}/s due", short_number(progress.rate))
    };
    let _ = write!(
        line,
        "  {} ok  {} errors  p50 {}  p99 {}  {} under way",
        progress.ok,
        progress.errors,
        milliseconds(progress.latency.p50),
        milliseconds(progress.latency.p99),
        progress.in_flight,
    );
    if progress.missed > 0 {
        let _ = write!(line, "  {} missed", progress.missed);
    }
    line.truncate(terminal::width().saturating_sub(1));
    line
}

/// The report.
pub(crate) fn pretty(report: &LoadReport) -> String {
    let style = PlotStyle { width: terminal::width(), height: PLOT_HEIGHT, colour: terminal::has_colour() };
    let mut out = String::new();
    for (title, lines) in [
        ("requests per second, by the second in which they were due", rates(report)),
        ("latency in ms, from the moment when due", latencies(report)),
    ] {
        let _ = write!(out, "{title}\n{}\n", plot(&lines, style));
    }
    write_totals(report, &mut out);
    write_quantiles(report, &mut out);
    write_operations(report, &mut out);
    for check in &report.checks {
        let word = if check.failed { "CROSSED" } else { "kept" };
        let _ = writeln!(out, "limit {:<20} {word} ({})", check.fail_if, short_number(check.value));
    }
    out
}

fn line(report: &LoadReport, name: &str, value: impl Fn(&Second) -> f64) -> PlotSeries {
    let at = |second: &Second| report.start_ms + i64::from(second.second) * 1000;
    let points = report.timeline.iter().map(|second| (at(second), value(second))).collect();
    PlotSeries { name: name.to_owned(), points }
}

fn rates(report: &LoadReport) -> Vec<PlotSeries> {
    let mut lines = vec![line(report, "due", |s| s.scheduled as f64), line(report, "ok", |s| s.ok as f64)];
    if report.totals.errors > 0 {
        lines.push(line(report, "errors", |s| s.errors.values().sum::<u64>() as f64));
    }
    if report.totals.missed > 0 {
        lines.push(line(report, "missed", |s| s.missed as f64));
    }
    lines
}

fn latencies(report: &LoadReport) -> Vec<PlotSeries> {
    // a second without an answer has no latency, which is not a latency of 0
    let of = |value: fn(&Quantiles) -> f64| {
        move |s: &Second| if s.latency.count == 0 { f64::NAN } else { value(&s.latency) }
    };
    vec![
        line(report, "p50", of(|q| q.p50)),
        line(report, "p95", of(|q| q.p95)),
        line(report, "p99", of(|q| q.p99)),
    ]
}

fn write_totals(report: &LoadReport, out: &mut String) {
    let totals = &report.totals;
    let early = if report.ended_early { ", ended early" } else { "" };
    let _ = writeln!(
        out,
        "{} due in {:.1} s{early} ({:.1}/s): {} ok ({:.1}/s), {} errors, {} missed",
        totals.scheduled,
        report.sending_seconds,
        totals.scheduled_rate,
        totals.ok,
        totals.ok_rate,
        totals.errors,
        totals.missed,
    );
    for (kind, count) in &totals.errors_by_kind {
        let what = if kind.starts_with(|c: char| c.is_ascii_digit()) { "status " } else { "" };
        let _ = writeln!(out, "  {count} x {what}{kind}");
    }
    if totals.missed > 0 {
        let _ =
            writeln!(out, "  missed: --max-in-flight was reached; the server, or this machine, is too slow");
    }
    let _ = writeln!(
        out,
        "{} connection(s), {}B received; this program was late by {} (p99)",
        totals.connections,
        short_number(totals.received_bytes as f64),
        milliseconds(report.lateness.p99),
    );
    if let Some(tasks) = &report.tasks {
        let _ = write!(out, "{} tasks made, {} deleted", tasks.created, tasks.deleted);
        let left = tasks.left_behind;
        let _ = writeln!(out, "{}", if left > 0 { format!(", {left} LEFT BEHIND") } else { String::new() });
    }
}

fn write_quantiles(report: &LoadReport, out: &mut String) {
    let _ = writeln!(
        out,
        "\n{:<24} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9}",
        "", "mean", "p50", "p90", "p95", "p99", "p99.9", "max"
    );
    for (name, q) in [("latency, from when due", report.latency), ("service, from when sent", report.service)]
    {
        let cells = [q.mean, q.p50, q.p90, q.p95, q.p99, q.p999, q.max].map(milliseconds);
        let _ = write!(out, "{name:<24}");
        for cell in cells {
            let _ = write!(out, " {cell:>9}");
        }
        out.push('\n');
    }
}

fn write_operations(report: &LoadReport, out: &mut String) {
    let used: Vec<_> = report.operations.iter().filter(|o| o.ok + o.errors > 0).collect();
    let width = used.iter().map(|o| o.name.chars().count()).max().unwrap_or(0).clamp(24, 60);
    let _ = writeln!(out, "\n{:<width$} {:>9} {:>9} {:>9} {:>9}", "", "ok", "errors", "p50", "p99");
    for operation in used {
        let (p50, p99) = (milliseconds(operation.latency.p50), milliseconds(operation.latency.p99));
        let (ok, errors) = (operation.ok, operation.errors);
        let _ = writeln!(out, "{:<width$} {ok:>9} {errors:>9} {p50:>9} {p99:>9}", operation.name);
    }
    out.push('\n');
}

fn milliseconds(value: f64) -> String {
    match value {
        v if v >= 10_000.0 => format!("{:.1} s", v / 1000.0),
        v if v >= 100.0 => format!("{v:.0} ms"),
        v if v >= 1.0 => format!("{v:.1} ms"),
        v => format!("{:.0} µs", v * 1000.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use std::time::Duration;
    use tidewatch_load::{Check, Operation, TaskTotals, Totals};

    fn report() -> LoadReport {
        let latency = Quantiles { count: 3, p50: 0.5, p99: 1500.0, max: 12_000.0, ..Quantiles::default() };
        let second = |second| Second {
            second,
            scheduled: 4,
            sent: 3,
            missed: 1,
            ok: 2,
            errors: BTreeMap::from([("503".to_owned(), 1)]),
            latency,
            service: latency,
        };
        LoadReport {
            start_time: "2026-01-31T12:00:00.000Z".into(),
            start_ms: 1_769_860_800_000,
            planned_seconds: 2.0,
            sending_seconds: 2.0,
            ended_early: true,
            seed: 1,
            totals: Totals {
                scheduled: 8,
                sent: 6,
                missed: 2,
                ok: 4,
                errors: 2,
                errors_by_kind: BTreeMap::from([("503".to_owned(), 1), ("timeout".to_owned(), 1)]),
                scheduled_rate: 4.0,
                ..Totals::default()
            },
            latency,
            service: latency,
            lateness: Quantiles::default(),
            operations: vec![Operation { name: "list".into(), ok: 4, errors: 2, latency }],
            tasks: Some(TaskTotals { created: 5, deleted: 4, left_behind: 1 }),
            checks: vec![Check { fail_if: "errors>0".into(), value: 2.0, failed: true }],
            timeline: vec![second(0), second(1)],
        }
    }

    #[test]
    fn everything_that_went_wrong_is_said() {
        let text = pretty(&report());
        for expected in [
            "8 due in 2.0 s, ended early (4.0/s): 4 ok (0.0/s), 2 errors, 2 missed",
            "1 x status 503",
            "1 x timeout",
            "missed: --max-in-flight was reached",
            "5 tasks made, 4 deleted, 1 LEFT BEHIND",
            "limit errors>0             CROSSED (2)",
            "12:00:00",
            "1500 ms",
            "12.0 s",
            "500 µs",
        ] {
            assert!(text.contains(expected), "{expected} is not in\n{text}");
        }
    }

    #[test]
    fn a_line_says_how_far_it_is() {
        let at = |elapsed| Progress {
            elapsed: Duration::from_secs(elapsed),
            planned: Duration::from_secs(60),
            rate: 200.0,
            scheduled: 200,
            ok: 199,
            errors: 1,
            missed: 0,
            in_flight: 3,
            latency: Quantiles::default(),
        };
        assert!(progress(&at(5)).starts_with("5/60 s  200/s due  199 ok  1 errors"));
        assert!(progress(&at(61)).starts_with("waiting for answers  199 ok"));
    }
}
