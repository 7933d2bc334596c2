//! Earlier recommendations, and how they hold back the latest one.
//!
//! Input: each sync's recommendation and its time. Output: the stabilised recommendation. Slots are reused just as
//! kube-controller-manager reuses them, as that decides which old recommendation is forgotten when.

/// Seconds of a window in milliseconds.
const SECOND_MS: i64 = 1000;

/// The recommendations of one autoscaler.
#[derive(Clone, Debug, Default)]
pub(crate) struct Recommendations {
    entries: Vec<Recommendation>,
}

#[derive(Clone, Copy, Debug)]
struct Recommendation {
    replicas: i32,
    time_ms: i64,
}

/// Seconds that are looked back at in each direction.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Windows {
    pub(crate) scale_up_seconds: i32,
    pub(crate) scale_down_seconds: i32,
}

impl Recommendations {
    /// Takes the number found at the first sync for a recommendation.
    pub(crate) fn start_with(&mut self, replicas: i32, now_ms: i64) {
        if self.entries.is_empty() {
            self.entries.push(Recommendation { replicas, time_ms: now_ms });
        }
    }

    /// Without `behavior`: the highest of the window, which includes its very beginning.
    pub(crate) fn highest(&mut self, latest: i32, window_ms: i64, now_ms: i64) -> i32 {
        let cutoff_ms = now_ms - window_ms;
        let mut highest = latest;
        let mut outdated = None;
        for (index, entry) in self.entries.iter().enumerate() {
            if entry.time_ms < cutoff_ms {
                outdated = Some(index);
            } else {
                highest = highest.max(entry.replicas);
            }
        }
        self.record(latest, now_ms, outdated);
        highest
    }

    /// With `behavior`: the current number, unless all recommendations of the upward window are above it, or all of the
    /// downward window below it. A window does not include its very beginning.
    pub(crate) fn stabilized(&mut self, current: i32, latest: i32, windows: Windows, now_ms: i64) -> i32 {
        let up_cutoff_ms = now_ms - i64::from(windows.scale_up_seconds) * SECOND_MS;
        let down_cutoff_ms = now_ms - i64::from(windows.scale_down_seconds) * SECOND_MS;
        let (mut lowest, mut highest) = (latest, latest);
        let mut outdated = None;
        for (index, entry) in self.entries.iter().enumerate() {
            if entry.time_ms > up_cutoff_ms {
                lowest = lowest.min(entry.replicas);
            }
            if entry.time_ms > down_cutoff_ms {
                highest = highest.max(entry.replicas);
            }
            if entry.time_ms < up_cutoff_ms && entry.time_ms < down_cutoff_ms {
                outdated = Some(index);
            }
        }
        self.record(latest, now_ms, outdated);
        current.max(lowest).min(highest)
    }

    fn record(&mut self, replicas: i32, time_ms: i64, outdated: Option<usize>) {
        let entry = Recommendation { replicas, time_ms };
        match outdated {
            Some(index) => self.entries[index] = entry,
            None => self.entries.push(entry),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_of_the_window_holds_including_its_beginning() {
        let mut recommendations = Recommendations::default();
        recommendations.start_with(2, 0);
        recommendations.start_with(99, 0);
        let mut check = |now_ms: i64, latest: i32, expected: i32| {
            assert_eq!(recommendations.highest(latest, 300_000, now_ms), expected, "at {now_ms}");
        };
        check(0, 6, 6);
        check(300_000, 3, 6);
        check(300_001, 1, 3);
        check(600_000, 1, 3);
        check(600_001, 1, 1);
    }

    #[test]
    fn windows_hold_in_both_directions_without_their_beginning() {
        let mut recommendations = Recommendations::default();
        recommendations.start_with(4, 0);
        let windows = Windows { scale_up_seconds: 30, scale_down_seconds: 60 };
        let mut check = |now_ms: i64, current: i32, latest: i32, expected: i32| {
            let found = recommendations.stabilized(current, latest, windows, now_ms);
            assert_eq!(found, expected, "at {now_ms}");
        };
        check(0, 4, 8, 4);
        check(29_999, 4, 8, 4);
        check(30_000, 4, 8, 8);
        check(45_000, 8, 2, 8);
        check(89_999, 8, 2, 8);
        check(90_000, 8, 2, 2);
    }

    #[test]
    fn slots_are_reused() {
        let mut recommendations = Recommendations::default();
        recommendations.start_with(1, 0);
        let windows = Windows { scale_up_seconds: 0, scale_down_seconds: 300 };
        for sync in 0..10_000 {
            recommendations.stabilized(1, 1, windows, sync * 15_000);
        }
        assert!(recommendations.entries.len() <= 23, "{}", recommendations.entries.len());
    }
}
