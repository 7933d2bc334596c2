//! A decision in one sentence.
//!
//! Input: the steps of a decision. Output: e.g. `CPU 143 % of 70 % asks for 5; the 100 %/30 s policy allows 4`. It
//! repeats what the steps say and finds out nothing of its own.

use crate::step::{Pods, Ratio};
use crate::{Decision, Step};
use std::fmt::Write as _;

/// The sentence of a decision.
pub(crate) fn of(decision: &Decision) -> String {
    let mut clauses = Vec::new();
    clauses.extend(metrics(&decision.steps));
    for step in &decision.steps {
        match step {
            Step::Stabilized { .. } | Step::Limited { .. } => clauses.push(step.clause()),
            Step::Disabled
            | Step::OutOfBounds { .. }
            | Step::ScaleUnreadable { .. }
            | Step::SelectorUnusable { .. }
            | Step::NotEnoughMetrics { .. }
            | Step::UpdateFailed { .. } => clauses.push(step.text()),
            _ => {}
        }
    }
    let mut sentence = clauses.join("; ");
    let failed = |step: &Step| {
        matches!(
            step,
            Step::ScaleUnreadable { .. } | Step::UpdateFailed { .. } | Step::NotEnoughMetrics { .. }
        )
    };
    let last = decision.steps.iter().rev().find_map(Step::replicas);
    let says_so = last == Some(decision.desired_replicas) && decision.scaled;
    if !says_so && !decision.steps.iter().any(failed) {
        let _ = write!(sentence, "; stays at {}", decision.current_replicas);
    }
    sentence
}

/// What the metric that counts asks for, and in brackets what the others do.
fn metrics(steps: &[Step]) -> Option<String> {
    let winner = steps.iter().find_map(|step| match step {
        Step::Highest { metric, .. } => Some(metric.index),
        _ => None,
    });
    let winner = winner.or_else(|| steps.iter().find_map(Step::metric).map(|metric| metric.index))?;
    let mut sentence = metric(steps, winner)?;
    let mut others: Vec<usize> = steps.iter().filter_map(Step::metric).map(|metric| metric.index).collect();
    others.dedup();
    let others: Vec<String> = others
        .into_iter()
        .filter(|index| *index != winner)
        .filter_map(|index| metric(steps, index))
        .collect();
    if !others.is_empty() {
        let _ = write!(sentence, " ({})", others.join(", "));
    }
    Some(sentence)
}

fn metric(steps: &[Step], index: usize) -> Option<String> {
    let own = || steps.iter().filter(|step| step.metric().is_some_and(|metric| metric.index == index));
    let mut text = own().find_map(|step| match step {
        Step::Measured { metric, current, target, .. } => Some(format!("{metric} {current} of {target}")),
        Step::Unavailable { metric, message } => Some(format!("{metric} cannot be computed: {message}")),
        _ => None,
    })?;
    if let Some((missing, unready, ratio)) = own().find_map(assumed) {
        let count = |count: usize, what: &str| (count > 0).then(|| format!("{} {what}", Pods(count)));
        let pods: Vec<String> =
            [count(missing, "without metrics"), count(unready, "not ready")].into_iter().flatten().collect();
        let _ = write!(text, ", ratio {} counting {},", Ratio(ratio), pods.join(" and "));
    }
    match own().rfind(|step| step.replicas().is_some()) {
        Some(Step::WithinTolerance { .. }) => text.push_str(" is within the tolerance"),
        Some(Step::DirectionTurned { .. }) => text.push_str(" would turn the other way"),
        Some(step) => {
            let _ = write!(text, " asks for {}", step.replicas().unwrap_or_default());
        }
        None => {}
    }
    Some(text)
}

/// How many pods without metrics and how many unready ones were counted after all, and the ratio then.
fn assumed(step: &Step) -> Option<(usize, usize, f64)> {
    match step {
        Step::PodsAssumed { missing, unready, ratio, .. } if missing + unready > 0 => {
            Some((*missing, *unready, *ratio))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Amount, Assumed, Direction, Limit, MetricLabel, PolicyKind, ScalingPolicy};

    fn label(index: usize, text: &str) -> MetricLabel {
        MetricLabel { index, text: text.into() }
    }

    fn measured(metric: MetricLabel, current: i32, target: i32) -> Step {
        let ratio = f64::from(current) / f64::from(target);
        Step::Measured { metric, current: Amount::Percent(current), target: Amount::Percent(target), ratio }
    }

    fn rounded(metric: MetricLabel, replicas: i32) -> Step {
        Step::Rounded { metric, ratio: 1.0, pods: 1, replicas }
    }

    fn check(steps: Vec<Step>, current: i32, desired: i32, sentence: &str) {
        let decision = Decision {
            time_ms: 0,
            current_replicas: current,
            desired_replicas: desired,
            scaled: current != desired,
            last_scale_ms: None,
            conditions: Vec::new(),
            current_metrics: Vec::new(),
            events: Vec::new(),
            steps,
        };
        assert_eq!(of(&decision), sentence);
    }

    #[test]
    fn sentences_read_well() {
        let cpu = || label(0, "CPU");
        let policy = ScalingPolicy { kind: PolicyKind::Percent, value: 100, period_seconds: 30 };
        let limit = Limit::Policy { policy, direction: Direction::Up };
        let up = || vec![measured(cpu(), 143, 70), rounded(cpu(), 5)];
        check(up(), 2, 5, "CPU 143 % of 70 % asks for 5");
        let limited = [up(), vec![Step::Limited { limit, replicas: 4 }]].concat();
        check(limited, 2, 4, "CPU 143 % of 70 % asks for 5; the 100 %/30 s policy allows 4");
        let within = Step::WithinTolerance { metric: cpu(), ratio: 1.0, low: 0.9, high: 1.1, replicas: 2 };
        check(
            vec![measured(cpu(), 71, 70), within.clone()],
            2,
            2,
            "CPU 71 % of 70 % is within the tolerance; stays at 2",
        );
        let assumed = Step::PodsAssumed {
            metric: cpu(),
            missing: 0,
            missing_use: Assumed::Unknown,
            unready: 1,
            ratio: 1.014,
        };
        check(
            vec![measured(cpu(), 143, 70), assumed, within],
            4,
            4,
            "CPU 143 % of 70 %, ratio 1.014 counting 1 pod not ready, is within the tolerance; stays at 4",
        );
        let memory = || label(1, "memory");
        let highest = Step::Highest { metric: memory(), metrics: 2, replicas: 3 };
        let held = Step::Stabilized { direction: Direction::Down, window_seconds: 300, replicas: 6 };
        let steps = vec![
            measured(cpu(), 20, 70),
            rounded(cpu(), 2),
            measured(memory(), 40, 80),
            rounded(memory(), 3),
            highest,
            held,
        ];
        check(
            steps,
            6,
            6,
            "memory 40 % of 80 % asks for 3 (CPU 20 % of 70 % asks for 2); the highest recommendation of the last 300 s \
             holds 6; stays at 6",
        );
        check(
            vec![Step::Disabled],
            0,
            0,
            "the target has 0 replicas, which switches the autoscaler off; stays at 0",
        );
        let gone = Step::Unavailable { metric: cpu(), message: "gone".into() };
        check(
            vec![gone, Step::NotEnoughMetrics { failed: 1, metrics: 1 }],
            3,
            3,
            "CPU cannot be computed: gone; no metric can be computed: nothing is changed",
        );
    }
}
