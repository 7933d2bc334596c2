//! A decision in one sentence.
//!
//! Input: the steps of a decision. Output: e.g. `CPU 143 % of 70 % asks for 5; the 100 %/30 s policy allows 4`. It
//! repeats what the steps say and finds out nothing of its own.

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
    let others: Vec<String> =
        others.into_iter().filter(|index| *index != winner).filter_map(|index| metric(steps, index)).collect();
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
    match own().filter(|step| step.replicas().is_some()).last() {
        Some(Step::WithinTolerance { .. }) => text.push_str(" is within the tolerance"),
        Some(Step::DirectionTurned { .. }) => text.push_str(" is not sure enough, as pods have no metrics yet"),
        Some(step) => {
            let _ = write!(text, " asks for {}", step.replicas().unwrap_or_default());
        }
        None => {}
    }
    Some(text)
}
