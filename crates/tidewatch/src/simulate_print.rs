//! Reports of simulations as text: tables and plots for a terminal, tables for a document, JSON.
//!
//! Input: reports. Output: text. It computes nothing that is not in the reports.

use crate::failure::Failure;
use crate::plot::{PlotSeries, PlotStyle, plot, short_number};
use crate::terminal;
use serde::Serialize;
use std::fmt::Write as _;
use tidewatch_simulate::{
    Calibration, Candidate, Change, Pace, Settings, SimulationReport, Spread, SweepReport, TimelinePoint,
    format_seconds,
};

/// Rows of a plot.
const PLOT_ROWS: usize = 10;
/// Rows of a long list; how many more there are is said.
const MOST_ROWS: usize = 24;
/// Combinations of a search that are listed.
const MOST_CANDIDATES: usize = 12;

/// All reports as one JSON array.
pub(crate) fn json<T: Serialize>(reports: &[T]) -> Result<String, Failure> {
    let text = serde_json::to_string_pretty(reports).map_err(|error| Failure::from_error(&error))?;
    Ok(text + "\n")
}

/// For a terminal.
pub(crate) fn pretty(reports: &[SimulationReport], calibration: Option<&Calibration>) -> String {
    let mut text = String::new();
    if let Some(found) = calibration {
        let _ = writeln!(
            text,
            "calibrated from {} samples: {:.4} core-seconds a request, {} idle, R² {:.3}; ready after {}\n",
            found.samples,
            found.cpu_seconds_per_request,
            found.idle_cpu_cores.map_or_else(|| "?".to_owned(), |cores| format!("{cores:.4} cores")),
            found.r_squared,
            found.ready_seconds.map_or_else(|| "?".to_owned(), format_seconds)
        );
    }
    for (at, report) in reports.iter().enumerate() {
        if at > 0 {
            text.push('\n');
        }
        one(&mut text, report);
    }
    text
}

fn one(text: &mut String, report: &SimulationReport) {
    heading(text, report);
    let style = PlotStyle { width: terminal::width(), height: PLOT_ROWS, colour: terminal::has_colour() };
    text.push_str(&plot(&replicas(report), style));
    let arrival = series("arriving, per second", report, |point| point.arrival_rate);
    text.push_str(&plot(&[arrival], PlotStyle { height: PLOT_ROWS / 2, ..style }));
    text.push('\n');
    table(text, &changes(&report.changes));
    over_phases(text, report);
    sums(text, report);
    let scalings: Vec<Vec<String>> = report
        .scalings
        .iter()
        .map(|s| vec![format_seconds(s.time_seconds), format!("{} → {}", s.from, s.to), s.sentence.clone()])
        .collect();
    table(text, &[vec![vec!["at".to_owned(), "scaled".to_owned(), "because".to_owned()]], scalings].concat());
    for check in &report.verdict.checks {
        let _ = writeln!(
            text,
            "{} {}: {}",
            match (check.passed, check.worst) {
                (true, _) => "met   ",
                (false, Some(_)) => "MISSED",
                (false, None) => "UNJUDGED",
            },
            check.target,
            check.text
        );
    }
    for warning in &report.warnings {
        let _ = writeln!(text, "note: {warning}");
    }
}

fn heading(text: &mut String, report: &SimulationReport) {
    let own = &report.autoscaler;
    let _ = writeln!(
        text,
        "{} {}/{} of {}, {} to {} replicas: {} of load, phases: {}",
        own.origin,
        own.namespace,
        own.name,
        own.target,
        own.min_replicas,
        own.max_replicas,
        format_seconds(report.duration_seconds),
        report.phases.count
    );
}

fn series(name: &str, report: &SimulationReport, value: impl Fn(&TimelinePoint) -> f64) -> PlotSeries {
    let points = report.timeline.iter().map(|point| ((point.time_seconds * 1000.0) as i64, value(point)));
    PlotSeries { name: name.to_owned(), points: points.collect() }
}

fn replicas(report: &SimulationReport) -> Vec<PlotSeries> {
    vec![
        series("needed", report, |point| f64::from(point.needed_replicas)),
        series("asked for", report, |point| f64::from(point.replicas)),
        series("ready", report, |point| f64::from(point.ready_replicas)),
    ]
}

/// The changes as rows, the first one says what is in which column.
fn changes(changes: &[Change]) -> Vec<Vec<String>> {
    let mut rows =
        vec![["at", "needs", "done after", "asked after", "first scaling after"].map(str::to_owned).to_vec()];
    let optional = |seconds: Option<f64>| seconds.map_or_else(|| "–".to_owned(), format_seconds);
    rows.extend(changes.iter().map(|change| {
        let done = match change.seconds {
            Some(seconds) => format_seconds(seconds),
            None => format!("not in {}", format_seconds(change.waited_seconds)),
        };
        vec![
            format_seconds(change.time_seconds),
            format!("{} → {}", change.from, change.to),
            done,
            optional(change.asked_seconds),
            optional(change.first_scaling_seconds),
        ]
    }));
    rows
}

fn over_phases(text: &mut String, report: &SimulationReport) {
    let times = &report.phases;
    for (name, times) in [("up", times.up_seconds), ("down", times.down_seconds)] {
        if let Some(times) = times {
            let _ = writeln!(text, "{name}: {} over {} phases", spread(times), report.phases.count);
        }
    }
}

fn spread(times: Spread) -> String {
    format!(
        "{} to {}, median {}",
        format_seconds(times.min),
        format_seconds(times.max),
        format_seconds(times.median)
    )
}

fn sums(text: &mut String, report: &SimulationReport) {
    let sums = &report.summary;
    let _ = writeln!(
        text,
        "pod-minutes: {:.0}, missing {:.1}, too many {:.1}; scaled up {}, down {}, flaps {}; at most {} replicas",
        sums.pod_minutes,
        sums.under_provisioned_pod_minutes,
        sums.over_provisioned_pod_minutes,
        sums.scale_ups,
        sums.scale_downs,
        sums.flaps,
        sums.most_replicas
    );
    let _ = writeln!(
        text,
        "latency: mean {}, worst p99 {}; {} of {} failed, at most {} waited\n",
        format_seconds(sums.latency_mean_seconds),
        format_seconds(sums.latency_p99_worst_seconds),
        short_number(sums.failed),
        short_number(sums.arrived),
        short_number(sums.most_waiting)
    );
}

/// Rows as columns of the same width, but the last one.
fn table(text: &mut String, rows: &[Vec<String>]) {
    let columns = rows.first().map_or(0, Vec::len);
    let shown = &rows[..rows.len().min(MOST_ROWS + 1)];
    let width = |column: usize| shown.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    for row in shown {
        let cells = row.iter().zip(&widths).map(|(cell, width)| {
            let gap = width - cell.chars().count();
            format!("{cell}{:gap$}", "")
        });
        let _ = writeln!(text, "{}", cells.collect::<Vec<_>>().join("  ").trim_end());
    }
    if rows.len() > shown.len() {
        let _ = writeln!(text, "… and {} more", rows.len() - shown.len());
    }
    text.push('\n');
}

/// For a document: a table over all reports and one of each report's scalings.
pub(crate) fn markdown(reports: &[SimulationReport]) -> String {
    let mut text = String::from(
        "| autoscaler | replicas | phases | up (min / median / max) | down (min / median / max) | pod-minutes | missing | too many | flaps | worst p99 | targets |\n\
         |---|---|---|---|---|---|---|---|---|---|---|\n",
    );
    let times = |times: Option<Spread>| {
        times.map_or_else(
            || "–".to_owned(),
            |t| {
                format!(
                    "{} / {} / {}",
                    format_seconds(t.min),
                    format_seconds(t.median),
                    format_seconds(t.max)
                )
            },
        )
    };
    for report in reports {
        let (own, sums) = (&report.autoscaler, &report.summary);
        let verdict = if report.verdict.checks.is_empty() {
            "–"
        } else if report.verdict.passed {
            "met"
        } else {
            "**missed**"
        };
        let _ = writeln!(
            text,
            "| {} | {}–{} | {} | {} | {} | {:.0} | {:.1} | {:.1} | {} | {} | {verdict} |",
            own.name,
            own.min_replicas,
            own.max_replicas,
            report.phases.count,
            times(report.phases.up_seconds),
            times(report.phases.down_seconds),
            report.phases.pod_minutes.median,
            sums.under_provisioned_pod_minutes,
            sums.over_provisioned_pod_minutes,
            report.phases.flaps.max,
            format_seconds(sums.latency_p99_worst_seconds)
        );
    }
    for report in reports {
        let _ = writeln!(
            text,
            "\n{}, first phase:\n\n| at | replicas | because |\n|---|---|---|",
            report.autoscaler.name
        );
        for scaling in &report.scalings {
            let at = format_seconds(scaling.time_seconds);
            let _ = writeln!(text, "| {at} | {} → {} | {} |", scaling.from, scaling.to, scaling.sentence);
        }
    }
    text
}

/// The result of searches, for a terminal.
pub(crate) fn sweep_pretty(reports: &[SweepReport]) -> String {
    let mut text = String::new();
    for report in reports {
        let _ = writeln!(
            text,
            "{}: {} of {} combinations meet the targets\n",
            report.name,
            report.met,
            report.candidates.len()
        );
        table(&mut text, &candidate_rows(report));
        match &report.manifest {
            Some(manifest) => {
                let _ = writeln!(text, "the cheapest, for the manifest's spec:\n\n{manifest}");
            }
            None => text.push_str("none meets the targets\n"),
        }
    }
    text
}

/// The result of searches, for a document.
pub(crate) fn sweep_markdown(reports: &[SweepReport]) -> String {
    let mut text = String::new();
    for report in reports {
        let _ = writeln!(
            text,
            "{}: {} of {} combinations meet the targets.\n",
            report.name,
            report.met,
            report.candidates.len()
        );
        for (at, row) in candidate_rows(report).iter().enumerate() {
            let _ = writeln!(text, "| {} |", row.join(" | "));
            if at == 0 {
                let _ = writeln!(text, "|{}", "---|".repeat(row.len()));
            }
        }
        text.push('\n');
    }
    text
}

fn candidate_rows(report: &SweepReport) -> Vec<Vec<String>> {
    let heads =
        ["settings", "targets", "cost", "pod-minutes", "missing", "flaps", "slowest up", "slowest down"];
    let mut rows = vec![heads.map(str::to_owned).to_vec(), candidate("as it is", &report.as_is)];
    let listed = report.candidates.iter().take(MOST_CANDIDATES);
    rows.extend(listed.map(|one| candidate(&settings(&one.settings), one)));
    rows
}

fn candidate(name: &str, candidate: &Candidate) -> Vec<String> {
    let optional = |seconds: Option<f64>| seconds.map_or_else(|| "–".to_owned(), format_seconds);
    vec![
        name.to_owned(),
        if candidate.verdict.passed { "met" } else { "missed" }.to_owned(),
        format!("{:.1}", candidate.cost),
        format!("{:.1}", candidate.pod_minutes),
        format!("{:.1}", candidate.under_provisioned_pod_minutes),
        format!("{}", candidate.flaps),
        optional(candidate.slowest_up_seconds),
        optional(candidate.slowest_down_seconds),
    ]
}

fn settings(settings: &Settings) -> String {
    let window =
        |name: &str, seconds: Option<u32>| seconds.map(|seconds| format!("{name} window {seconds} s"));
    let parts = [
        window("up", settings.scale_up_window),
        settings.scale_up_pace.map(|pace| format!("up {}", shown_pace(pace))),
        window("down", settings.scale_down_window),
        settings.scale_down_pace.map(|pace| format!("down {}", shown_pace(pace))),
        settings.cpu_target.map(|percent| format!("CPU {percent} %")),
        settings.min_replicas.map(|min| format!("min {min}")),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

fn shown_pace(pace: Pace) -> String {
    let pods = if pace.pods == 1 { " pod" } else { " pods" };
    let amounts = [(pace.percent, " %"), (pace.pods, pods)];
    let amounts: Vec<String> = amounts
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, unit)| format!("{count}{unit}"))
        .collect();
    format!("{}/{} s", amounts.join(" or "), pace.period_seconds)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidewatch_simulate::{Load, SimulationRequest, SweepGrid, SweepRequest, Targets, run, sweep};

    const HPA: &str = "apiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {name: web, namespace: shop}\nspec:\n  maxReplicas: 10\n  minReplicas: 2\n  scaleTargetRef: {kind: Deployment, name: web}\n";

    fn request() -> SimulationRequest {
        let targets = Targets { up_seconds: Some(120.0), down_seconds: Some(300.0), ..Targets::default() };
        let load = Load::parse("30 for 1m, 300 for 5m, 30 for 10m").unwrap();
        SimulationRequest { hpa: HPA.into(), load, targets, ..SimulationRequest::default() }
    }

    #[test]
    fn a_report_reads_well() {
        let report = run(&request()).unwrap();
        let text = pretty(std::slice::from_ref(&report), None);
        for expected in [
            "HorizontalPodAutoscaler shop/web of Deployment/web, 2 to 10 replicas: 16m of load, phases: 1",
            "━ needed  2",
            "done after",
            "met    up within 2m: ",
            "MISSED down within 5m: ",
            "CPU ",
        ] {
            assert!(text.contains(expected), "{expected} is not in\n{text}");
        }
        let document = markdown(&[report]);
        assert!(document.contains("| web | 2–10 | 1 | ") && document.contains("**missed** |"), "{document}");
    }

    #[test]
    fn a_search_shows_what_to_write() {
        let grid = SweepGrid {
            scale_down_windows: vec![60],
            scale_up_paces: vec![],
            scale_up_windows: vec![],
            ..SweepGrid::default()
        };
        let report = sweep(&SweepRequest { simulation: request(), grid, ..SweepRequest::default() }).unwrap();
        let text = sweep_pretty(std::slice::from_ref(&report));
        assert!(text.contains("web: 2 of 3 combinations meet the targets"), "{text}");
        assert!(
            text.contains("down window 60 s, down 100 %/15 s")
                && text.contains("stabilizationWindowSeconds: 60"),
            "{text}"
        );
        assert!(sweep_markdown(&[report]).contains("| as it is | missed |"));
    }
}
