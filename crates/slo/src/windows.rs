//! The windows of indicators, and which rates of burning alert: the Site Reliability Workbook's table, chapter
//! "Alerting on SLOs".
//!
//! Output: constants. A factor says how many times faster than allowed the budget burns.

use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);

/// The window of the rates that all others are made of.
pub(crate) const BASE_WINDOW: Duration = Duration::from_secs(300);

/// The windows over which the share of failures is recorded, beside the objective's own.
pub const INDICATOR_WINDOWS: [Duration; 7] = [
    BASE_WINDOW,
    Duration::from_secs(30 * MINUTE.as_secs()),
    HOUR,
    Duration::from_secs(2 * HOUR.as_secs()),
    Duration::from_secs(6 * HOUR.as_secs()),
    DAY,
    Duration::from_secs(3 * DAY.as_secs()),
];

/// A rate of burning that alerts: above `factor` in both windows. The long one makes sure that it matters, the short one that it
/// is still so, and lets the alert end soon after the cause has.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Burn {
    /// How many times faster than allowed.
    pub(crate) factor: f64,
    /// The window that makes sure that enough of the budget is gone.
    pub(crate) long: Duration,
    /// The window that makes sure that it still burns.
    pub(crate) short: Duration,
    /// Whether somebody is woken.
    pub(crate) pages: bool,
}

/// The four rates, from the fastest.
pub(crate) const BURNS: [Burn; 4] = [
    Burn { factor: 14.4, long: HOUR, short: BASE_WINDOW, pages: true },
    Burn { factor: 6.0, long: INDICATOR_WINDOWS[4], short: INDICATOR_WINDOWS[1], pages: true },
    Burn { factor: 3.0, long: DAY, short: INDICATOR_WINDOWS[3], pages: false },
    Burn { factor: 1.0, long: INDICATOR_WINDOWS[6], short: INDICATOR_WINDOWS[4], pages: false },
];

/// A window in its largest unit that leaves nothing over: `7d`, not `1w`, as people write windows.
pub(crate) fn window_text(window: Duration) -> String {
    let seconds = window.as_secs();
    let units = [(DAY, 'd'), (HOUR, 'h'), (MINUTE, 'm')];
    let whole =
        units.iter().find(|(unit, _)| seconds >= unit.as_secs() && seconds.is_multiple_of(unit.as_secs()));
    whole.map_or(format!("{seconds}s"), |(unit, name)| format!("{}{name}", seconds / unit.as_secs()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_told_as_people_write_them() {
        let check = |seconds: u64, expected: &str| {
            assert_eq!(window_text(Duration::from_secs(seconds)), expected);
        };
        check(7 * 86_400, "7d");
        check(86_400, "1d");
        check(6 * 3600, "6h");
        check(36 * 3600, "36h");
        check(1800, "30m");
        check(90, "90s");
        check(0, "0s");
    }
}
