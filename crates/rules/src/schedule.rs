//! When a group is evaluated: at its own moment within each interval, so that groups spread out and keep their moments over restarts.
//!
//! Input: a group's file and name, its interval, the time. Output: moments in milliseconds since the Unix epoch, the same as
//! Prometheus chooses for that file and name.

use crate::group::RuleGroup;
use tidewatch_model::Labels;
use tidewatch_promql::prometheus_hash;

/// The moments of a group.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Schedule {
    /// Nanoseconds, more than 0.
    interval: i64,
    /// Nanoseconds, less than the interval.
    offset: i64,
}

const NANOSECONDS: i64 = 1_000_000;

impl Schedule {
    pub(crate) fn new(group: &RuleGroup) -> Self {
        let interval = i64::try_from(group.interval.as_nanos()).unwrap_or(i64::MAX).max(1);
        let hash = prometheus_hash(&Labels::from_pairs([
            ("name", group.name.as_str()),
            ("file", group.file.as_str()),
        ]));
        let offset = i64::try_from(hash % interval.unsigned_abs()).unwrap_or_default();
        Self { interval, offset }
    }

    /// The last moment before or at `now`, in nanoseconds; `now` in milliseconds.
    pub(crate) fn slot(&self, now: i64) -> i64 {
        let since = now.saturating_mul(NANOSECONDS).saturating_sub(self.offset);
        since - since % self.interval + self.offset
    }

    /// The next moment after one, in nanoseconds.
    pub(crate) fn after(&self, slot: i64) -> i64 {
        slot.saturating_add(self.interval)
    }

    /// How many moments after `slot` have passed unused at `now` milliseconds, when the group wakes up for the first of them.
    pub(crate) fn missed(&self, slot: i64, now: i64) -> i64 {
        (now.saturating_mul(NANOSECONDS).saturating_sub(slot) / self.interval - 1).max(0)
    }

    /// The moment that is due after `missed` others.
    pub(crate) fn due(&self, slot: i64, missed: i64) -> i64 {
        slot.saturating_add(self.interval.saturating_mul(missed + 1))
    }
}

/// A moment in milliseconds.
pub(crate) fn in_milliseconds(slot: i64) -> i64 {
    slot.div_euclid(NANOSECONDS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::{LoadOptions, load_rule_file};

    fn schedule(interval: i64, offset: i64) -> Schedule {
        Schedule { interval: interval * NANOSECONDS, offset: offset * NANOSECONDS }
    }

    #[test]
    fn a_group_keeps_its_moment_within_the_interval() {
        let check = |interval, offset, now, expected| {
            let slot = schedule(interval, offset).slot(now);
            assert_eq!(in_milliseconds(slot), expected, "{interval} {offset} {now}");
        };
        check(60_000, 7_000, 120_000, 67_000);
        check(60_000, 7_000, 127_000, 127_000);
        check(60_000, 7_000, 126_999, 67_000);
        check(1, 0, 5, 5);
    }

    #[test]
    fn moments_are_those_prometheus_chooses() {
        // seen on Prometheus 3.16 with a rule file of this name
        let check = |name: &str, seconds: u64, seen: i64| {
            let text = format!("groups: [{{name: {name}, interval: {seconds}s, rules: []}}]");
            let groups = load_rule_file("rules.yml", &text, &LoadOptions::default()).unwrap();
            let schedule = Schedule::new(&groups[0]);
            assert_eq!(in_milliseconds(schedule.slot(seen + 1)), seen, "{name}");
        };
        check("svc-001", 10, 1_795_413_144_239);
        check("other", 10, 1_795_413_147_658);
        check("third", 7, 1_795_413_143_748);
    }

    #[test]
    fn moments_that_passed_while_the_group_was_busy_are_counted() {
        let schedule = schedule(1000, 0);
        let check = |now, missed| assert_eq!(schedule.missed(0, now), missed, "{now}");
        check(999, 0);
        check(1000, 0);
        check(1999, 0);
        check(2000, 1);
        check(5500, 4);
        assert_eq!(in_milliseconds(schedule.due(0, 4)), 5000);
    }
}
