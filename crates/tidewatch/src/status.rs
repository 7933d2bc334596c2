//! What a person sees in the terminal while `up` runs: a table of addresses, then one line that stays current.
//!
//! Input: a [`Snapshot`] taken from the stages. Output: text for standard output. Where the output is no terminal, the
//! line is printed only when what it counts has changed, so that a log stays short.

use std::io::{IsTerminal, Write};
use std::time::Duration;
use tidewatch_model::format_duration;

/// What the line tells.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Snapshot {
    /// Pods that are ready, and all of them.
    pub(crate) pods: (usize, usize),
    /// Targets whose last scrape worked, and all of them.
    pub(crate) targets: (usize, usize),
    /// Series in the head.
    pub(crate) series: usize,
    /// Resident memory of this process, bytes.
    pub(crate) resident_bytes: u64,
    /// Processor time of this process since the last snapshot, in percent of one core.
    pub(crate) cpu_percent: f64,
    /// Since the program's start.
    pub(crate) uptime: Duration,
}

impl Snapshot {
    /// Whether every pod is ready and every target up, and there are some.
    pub(crate) fn is_settled(&self) -> bool {
        let (all_pods, all_targets) = (self.pods.0 == self.pods.1, self.targets.0 == self.targets.1);
        self.targets.1 > 0 && all_pods && all_targets
    }

    fn counts(&self) -> ((usize, usize), (usize, usize)) {
        (self.pods, self.targets)
    }
}

/// The line for a snapshot.
pub(crate) fn line(snapshot: &Snapshot) -> String {
    let mark = if snapshot.is_settled() { "●" } else { "○" };
    let uptime = format_duration(Duration::from_secs(snapshot.uptime.as_secs()));
    format!(
        "{mark} {}/{} pods ready · {}/{} targets up · {} series · {} MB · {:.1} % CPU · {uptime}",
        snapshot.pods.0,
        snapshot.pods.1,
        snapshot.targets.0,
        snapshot.targets.1,
        snapshot.series,
        snapshot.resident_bytes / 1_000_000,
        snapshot.cpu_percent,
    )
}

/// A table of names and addresses.
pub(crate) fn table(title: &str, rows: &[(String, String)]) -> String {
    let width = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    let mut text = format!("{title}\n");
    for (name, address) in rows {
        text.push_str(&format!("  {name:<width$}  {address}\n"));
    }
    text
}

/// Prints lines over each other on a terminal, one below the other elsewhere.
pub(crate) struct StatusLine {
    live: bool,
    last: Option<Snapshot>,
}

impl StatusLine {
    /// For standard output as it is.
    pub(crate) fn new() -> Self {
        Self { live: std::io::stdout().is_terminal(), last: None }
    }

    /// Shows a snapshot.
    pub(crate) fn show(&mut self, snapshot: &Snapshot) {
        let changed = self.last.is_none_or(|last| last.counts() != snapshot.counts());
        let mut out = std::io::stdout().lock();
        // a closed standard output (a pipe that ended) must not stop the monitoring
        let _ = match (self.live, changed) {
            (true, _) => write!(out, "\r\x1b[2K{}", line(snapshot)).and_then(|()| out.flush()),
            (false, true) => writeln!(out, "{}", line(snapshot)),
            (false, false) => Ok(()),
        };
        self.last = Some(*snapshot);
    }

    /// Prints a message above the line.
    pub(crate) fn message(&mut self, text: &str) {
        let mut out = std::io::stdout().lock();
        let clear = if self.live { "\r\x1b[2K" } else { "" };
        let _ = writeln!(out, "{clear}{text}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_says_how_things_stand() {
        let mut snapshot = Snapshot {
            pods: (4, 5),
            targets: (9, 9),
            series: 4321,
            resident_bytes: 38_500_000,
            cpu_percent: 0.64,
            uptime: Duration::from_millis(133_700),
        };
        assert_eq!(
            line(&snapshot),
            "○ 4/5 pods ready · 9/9 targets up · 4321 series · 38 MB · 0.6 % CPU · 2m13s"
        );
        snapshot.pods = (5, 5);
        assert!(line(&snapshot).starts_with('●'));
    }

    #[test]
    fn addresses_stand_in_columns() {
        let rows =
            [("Page".to_owned(), "http://a".to_owned()), ("todo-backend".to_owned(), "http://b".to_owned())];
        assert_eq!(table("up:", &rows), "up:\n  Page          http://a\n  todo-backend  http://b\n");
    }
}
