//! What was decided lately, and from what.
//!
//! Input: each decision with everything it was taken from. Output: the latest ones, bounded by number and by bytes; the oldest
//! go first. Nothing is written to disk.

use super::cluster::ObjectRef;
use crate::{Decision, Observed};
use std::collections::VecDeque;
use std::sync::Arc;

/// As many decisions are kept of an autoscaler.
const MOST_DECISIONS: usize = 1_000;
/// What the decisions of an autoscaler and their inputs may take, about, in bytes.
const MOST_BYTES: usize = 2 << 20;
/// As many scalings are kept of all autoscalers.
const MOST_SCALINGS: usize = 10_000;

/// A decision, and what it was taken from.
#[derive(Clone, Debug)]
pub struct Decided {
    /// The decision.
    pub decision: Decision,
    /// What was seen.
    pub observed: Observed,
}

impl Decided {
    /// About how many bytes it takes.
    fn bytes(&self) -> usize {
        let Self { decision, observed } = self;
        let messages: usize = decision.conditions.iter().map(|condition| condition.message.len() + 64).sum();
        let events: usize = decision.events.iter().map(|event| event.message.len() + 64).sum();
        let steps = decision.steps.len() * 96;
        let usage: usize = match &observed.resource {
            Ok(usage) => usage.iter().map(|pod| 96 + pod.containers.len() * 192).sum(),
            Err(message) => message.len(),
        };
        let pods: usize = observed.pods.iter().map(pod_bytes).sum();
        512 + messages + events + steps + pods + usage
    }
}

/// About how many bytes a pod takes, its containers and their requests included.
fn pod_bytes(pod: &crate::PodView) -> usize {
    let request = size_of::<(Arc<str>, tidewatch_manifest::Quantity)>() + 32;
    let containers = pod.containers.iter().map(|container| {
        size_of::<crate::ContainerView>() + container.name.len() + 16 + container.requests.len() * request
    });
    size_of::<crate::PodView>() + pod.name.len() + 32 + containers.sum::<usize>()
}

/// The latest decisions of an autoscaler.
#[derive(Debug, Default)]
pub(crate) struct Decisions {
    ring: VecDeque<(Arc<Decided>, usize)>,
    bytes: usize,
}

impl Decisions {
    pub(crate) fn push(&mut self, decided: Decided) {
        let bytes = decided.bytes();
        self.bytes += bytes;
        self.ring.push_back((Arc::new(decided), bytes));
        while self.ring.len() > MOST_DECISIONS || self.bytes > MOST_BYTES && self.ring.len() > 1 {
            if let Some((_, bytes)) = self.ring.pop_front() {
                self.bytes -= bytes;
            }
        }
    }

    /// The latest, newest first.
    pub(crate) fn latest(&self, limit: usize) -> Vec<Arc<Decided>> {
        self.ring.iter().rev().take(limit).map(|(decided, _)| Arc::clone(decided)).collect()
    }
}

/// A change of the number of replicas.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scaling {
    /// When, in milliseconds since the Unix epoch.
    pub time_ms: i64,
    /// The autoscaler's name; its namespace is the target's.
    pub autoscaler: String,
    /// What was scaled.
    pub target: ObjectRef,
    /// Replicas before.
    pub from: i32,
    /// Replicas after.
    pub to: i32,
    /// Why, in a sentence.
    pub text: String,
}

/// The latest scalings, in order of time.
#[derive(Debug, Default)]
pub(crate) struct Scalings {
    ring: VecDeque<Scaling>,
}

impl Scalings {
    pub(crate) fn push(&mut self, scaling: Scaling) {
        if self.ring.len() == MOST_SCALINGS {
            self.ring.pop_front();
        }
        self.ring.push_back(scaling);
    }

    /// Those of a time, both ends included, in milliseconds since the Unix epoch.
    pub(crate) fn between(&self, from_ms: i64, to_ms: i64) -> Vec<Scaling> {
        self.ring.iter().filter(|scaling| (from_ms..=to_ms).contains(&scaling.time_ms)).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decided(time_ms: i64, error: &str) -> Decided {
        let mut observed = Observed::of_scale(1, 1);
        observed.resource = Err(error.to_owned());
        let decision = Decision {
            time_ms,
            current_replicas: 1,
            desired_replicas: 1,
            scaled: false,
            last_scale_ms: None,
            conditions: Vec::new(),
            current_metrics: Vec::new(),
            events: Vec::new(),
            steps: Vec::new(),
        };
        Decided { decision, observed }
    }

    #[test]
    fn the_containers_of_pods_count() {
        let alone = decided(0, "").bytes();
        let mut many = decided(0, "");
        let container = crate::ContainerView { name: "c".into(), sidecar: false, requests: Vec::new() };
        many.observed.pods = (0..100)
            .map(|number| crate::PodView {
                name: format!("pod-{number}").into(),
                phase: crate::PodPhase::Running,
                ready: Some(true),
                ready_transition_ms: None,
                start_ms: None,
                deleted: false,
                requests: [].into(),
                containers: vec![container.clone(); 3].into(),
            })
            .collect();
        let least = 100 * (size_of::<crate::PodView>() + 3 * size_of::<crate::ContainerView>());
        assert!(many.bytes() >= alone + least, "{} of {}", many.bytes(), alone + least);
    }

    #[test]
    fn decisions_are_bounded_by_number_and_by_bytes() {
        let mut decisions = Decisions::default();
        for time in 0..1_500 {
            decisions.push(decided(time, ""));
        }
        let latest = decisions.latest(usize::MAX);
        assert_eq!((latest.len(), latest[0].decision.time_ms), (MOST_DECISIONS, 1_499));
        assert_eq!(decisions.latest(2).len(), 2);
        let large = "x".repeat(MOST_BYTES / 4);
        for time in 2_000..2_010 {
            decisions.push(decided(time, &large));
        }
        let times: Vec<i64> = decisions.latest(usize::MAX).iter().map(|one| one.decision.time_ms).collect();
        assert_eq!(times, [2_009, 2_008, 2_007]);
        decisions.push(decided(3_000, &"x".repeat(2 * MOST_BYTES)));
        assert_eq!(decisions.latest(usize::MAX).len(), 1, "the latest is kept, however large");
    }
}
