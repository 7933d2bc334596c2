//! How fast an autoscaler may move: the policies of `behavior`, and the fixed rule without one.
//!
//! Input: changes made so far, and the policies. Output: the number that a direction allows now, and what sets it. Slots of
//! outdated changes are reused just as kube-controller-manager reuses them.

use crate::float::to_i32;
use crate::{Direction, Limit, PolicyKind, ScalingPolicy, ScalingRules, SelectPolicy};

/// The changes made in one direction.
#[derive(Clone, Debug, Default)]
pub(crate) struct ScaleEvents {
    entries: Vec<ScaleEvent>,
}

#[derive(Clone, Copy, Debug)]
struct ScaleEvent {
    /// Pods added or removed.
    change: i32,
    time_ms: i64,
    outdated: bool,
}

impl ScaleEvents {
    /// Notes a change. What is older than all policies look back may be forgotten.
    pub(crate) fn store(&mut self, change: i32, rules: &ScalingRules, now_ms: i64) {
        let longest = rules.policies.iter().map(|policy| policy.period_seconds).max().unwrap_or(0).max(0);
        let cutoff_ms = now_ms - i64::from(longest) * 1000;
        let mut slot = None;
        for (index, event) in self.entries.iter_mut().enumerate() {
            event.outdated |= event.time_ms < cutoff_ms;
            if event.outdated {
                slot = Some(index);
            }
        }
        let event = ScaleEvent { change, time_ms: now_ms, outdated: false };
        match slot {
            Some(index) => self.entries[index] = event,
            None => self.entries.push(event),
        }
    }

    fn change_within(&self, period_seconds: i32, now_ms: i64) -> i32 {
        let cutoff_ms = now_ms - i64::from(period_seconds) * 1000;
        let recent = self.entries.iter().filter(|event| event.time_ms > cutoff_ms);
        recent.fold(0, |sum, event| sum.wrapping_add(event.change))
    }
}

/// The changes made in both directions.
#[derive(Clone, Debug, Default)]
pub(crate) struct ScaleHistory {
    pub(crate) added: ScaleEvents,
    pub(crate) removed: ScaleEvents,
}

impl ScaleHistory {
    fn replicas_at_start(&self, current: i32, policy: ScalingPolicy, now_ms: i64) -> i32 {
        let added = self.added.change_within(policy.period_seconds, now_ms);
        let removed = self.removed.change_within(policy.period_seconds, now_ms);
        current.wrapping_sub(added).wrapping_add(removed)
    }

    /// The number up to which the rules of a direction allow to go now, and what sets it; never on the other side of the
    /// current number.
    pub(crate) fn allowed(
        &self,
        direction: Direction,
        current: i32,
        rules: &ScalingRules,
        now_ms: i64,
    ) -> (i32, Limit) {
        if rules.select_policy == SelectPolicy::Disabled {
            return (current, Limit::Disabled(direction));
        }
        let largest_number = (direction == Direction::Up) == (rules.select_policy == SelectPolicy::Max);
        let mut selected: Option<(i32, ScalingPolicy)> = None;
        for policy in &rules.policies {
            let start = self.replicas_at_start(current, *policy, now_ms);
            let proposed = proposal(direction, start, *policy);
            let beats = |best: i32| if largest_number { proposed > best } else { proposed < best };
            if selected.is_none_or(|(best, _)| beats(best)) {
                selected = Some((proposed, *policy));
            }
        }
        let Some((allowed, policy)) = selected else { return (current, Limit::Disabled(direction)) };
        let allowed = match direction {
            Direction::Up => allowed.max(current),
            Direction::Down => allowed.min(current),
        };
        (allowed, Limit::Policy { policy, direction })
    }
}

fn proposal(direction: Direction, start: i32, policy: ScalingPolicy) -> i32 {
    match (policy.kind, direction) {
        (PolicyKind::Pods, Direction::Up) => start.wrapping_add(policy.value),
        (PolicyKind::Pods, Direction::Down) => start.wrapping_sub(policy.value),
        // rounded up, as otherwise a few pods would never become more
        (PolicyKind::Percent, Direction::Up) => {
            to_i32((f64::from(start) * (1.0 + f64::from(policy.value) / 100.0)).ceil())
        }
        (PolicyKind::Percent, Direction::Down) => {
            to_i32(f64::from(start) * (1.0 - f64::from(policy.value) / 100.0))
        }
    }
}

/// Without `behavior`: twice as many, and at least 4.
pub(crate) fn doubled(current: i32) -> i32 {
    to_i32((2.0 * f64::from(current)).max(4.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(select_policy: SelectPolicy, policies: &[(PolicyKind, i32, i32)]) -> ScalingRules {
        let policy = |&(kind, value, period_seconds): &(PolicyKind, i32, i32)| ScalingPolicy {
            kind,
            value,
            period_seconds,
        };
        ScalingRules {
            stabilization_window_seconds: None,
            select_policy,
            policies: policies.iter().map(policy).collect(),
            tolerance: None,
        }
    }

    #[test]
    fn policies_allow_changes_from_the_start_of_their_period() {
        use Direction::{Down, Up};
        use PolicyKind::{Percent, Pods};
        let both = [(Pods, 4, 15), (Percent, 100, 60)];
        // 3 added 10 s ago and 2 removed 20 s ago
        let mut history = ScaleHistory::default();
        history.removed.store(2, &rules(SelectPolicy::Max, &both), -20_000);
        history.added.store(3, &rules(SelectPolicy::Max, &both), -10_000);
        let check = |direction, select, current: i32, policies: &[(PolicyKind, i32, i32)], expected: i32| {
            let rules = rules(select, policies);
            assert_eq!(history.allowed(direction, current, &rules, 0).0, expected, "{rules:?}");
        };
        check(Up, SelectPolicy::Max, 10, &both, 18);
        check(Up, SelectPolicy::Min, 10, &both, 11);
        check(Up, SelectPolicy::Disabled, 10, &both, 10);
        check(Up, SelectPolicy::Max, 10, &[(Pods, 1, 15)], 10);
        check(Up, SelectPolicy::Max, 10, &[(Pods, 4, 10)], 14);
        check(Up, SelectPolicy::Max, 1, &[(Percent, 10, 5)], 2);
        check(Down, SelectPolicy::Max, 10, &both, 0);
        check(Down, SelectPolicy::Min, 10, &both, 3);
        check(Down, SelectPolicy::Max, 10, &[(Percent, 50, 15)], 3);
        check(Down, SelectPolicy::Disabled, 10, &both, 10);
        check(Down, SelectPolicy::Max, 3, &[(Pods, 1, 20)], -1);
    }

    #[test]
    fn events_are_forgotten_after_the_longest_period() {
        let rules = rules(SelectPolicy::Max, &[(PolicyKind::Pods, 1, 30), (PolicyKind::Pods, 1, 60)]);
        let mut events = ScaleEvents::default();
        for sync in 0..100 {
            events.store(1, &rules, sync * 15_000);
        }
        assert_eq!(events.entries.len(), 5);
        assert_eq!(events.change_within(60, 99 * 15_000), 4);
    }

    #[test]
    fn without_behavior_replicas_double() {
        for (current, expected) in [(1, 4), (2, 4), (3, 6), (0, 4), (i32::MAX, i32::MIN)] {
            assert_eq!(doubled(current), expected);
        }
    }
}
