//! Which pods count for a metric: those that run and, for CPU, are past their start.
//!
//! Input: the pods seen and their samples. Output: the group of each pod. What the groups mean for the number of replicas
//! is the calculator's business.

use crate::samples::{Sample, Samples};
use crate::{ControllerOptions, PodCounts, PodPhase, PodView};

/// How a pod counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PodGroup {
    /// With its sample.
    Ready,
    /// Pending, or its CPU does not count yet: without its sample.
    Unready,
    /// It has no sample.
    Missing,
    /// Failed or being deleted: not at all.
    Ignored,
}

/// The group of each pod; `resource` is empty for metrics that are none.
pub(crate) fn group(
    pods: &[PodView],
    samples: &Samples,
    resource: &str,
    options: &ControllerOptions,
    now_ms: i64,
) -> (Vec<PodGroup>, PodCounts) {
    let mut counts = PodCounts::default();
    let groups = pods
        .iter()
        .enumerate()
        .map(|(index, pod)| {
            let group = group_of(pod, samples.get(index), resource, options, now_ms);
            *match group {
                PodGroup::Ready => &mut counts.ready,
                PodGroup::Unready => &mut counts.unready,
                PodGroup::Missing => &mut counts.missing,
                PodGroup::Ignored => &mut counts.ignored,
            } += 1;
            group
        })
        .collect();
    (groups, counts)
}

fn group_of(
    pod: &PodView,
    sample: Option<Sample>,
    resource: &str,
    options: &ControllerOptions,
    now_ms: i64,
) -> PodGroup {
    if pod.deleted || pod.phase == PodPhase::Failed {
        return PodGroup::Ignored;
    }
    if pod.phase == PodPhase::Pending {
        return PodGroup::Unready;
    }
    let Some(sample) = sample else { return PodGroup::Missing };
    if resource == "cpu" && !cpu_counts(pod, sample, options, now_ms) {
        return PodGroup::Unready;
    }
    PodGroup::Ready
}

fn cpu_counts(pod: &PodView, sample: Sample, options: &ControllerOptions, now_ms: i64) -> bool {
    let (Some(ready), Some(start_ms)) = (pod.ready, pod.start_ms) else { return false };
    if start_ms + options.cpu_initialization_period_ms > now_ms {
        // it must be ready, and one whole window of it must have been measured since
        let measured = pod
            .ready_transition_ms
            .is_none_or(|transition_ms| sample.timestamp_ms >= transition_ms + sample.window_ms);
        return ready && measured;
    }
    // unready, and not ready before: it has not been since its very start
    let never_was_ready = pod
        .ready_transition_ms
        .is_none_or(|transition_ms| start_ms + options.initial_readiness_delay_ms > transition_ms);
    ready || !never_was_ready
}

/// How many pods run and are ready, as Object and External metrics count them.
pub(crate) fn ready_pods(pods: &[PodView]) -> usize {
    pods.iter().filter(|pod| pod.phase == PodPhase::Running && pod.ready == Some(true)).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PodUsage;
    use tidewatch_manifest::Quantity;

    const NOW: i64 = 1_000_000;

    fn pod() -> PodView {
        PodView {
            name: "a".into(),
            phase: PodPhase::Running,
            ready: Some(true),
            ready_transition_ms: Some(0),
            start_ms: Some(0),
            deleted: false,
            requests: [].into(),
            containers: [].into(),
        }
    }

    fn check(what: &str, resource: &str, sampled: bool, pod: PodView, expected: PodGroup) {
        let usage = vec![("cpu".into(), Quantity::default()), ("memory".into(), Quantity::default())];
        let containers = vec![crate::ContainerUsage { name: "c".into(), usage }];
        let usage = PodUsage { pod: "a".into(), timestamp_ms: NOW - 5_000, window_ms: 15_000, containers };
        let pods = [pod];
        let name = if resource.is_empty() { "cpu" } else { resource };
        let samples =
            Samples::of_resource(&pods, if sampled { std::slice::from_ref(&usage) } else { &[] }, name, None);
        let (groups, _) = group(&pods, &samples, resource, &ControllerOptions::default(), NOW);
        assert_eq!(groups, [expected], "{what}");
    }

    #[test]
    fn pods_count_by_phase_and_for_cpu_by_readiness() {
        use PodGroup::{Ignored, Missing, Ready, Unready};
        let young = |ready, since| PodView {
            ready,
            ready_transition_ms: since,
            start_ms: Some(NOW - 299_999),
            ..pod()
        };
        check("an old ready pod", "cpu", true, pod(), Ready);
        check("without a sample", "cpu", false, pod(), Missing);
        check("deleted", "cpu", false, PodView { deleted: true, ..pod() }, Ignored);
        check("failed", "memory", true, PodView { phase: PodPhase::Failed, ..pod() }, Ignored);
        check("pending", "", true, PodView { phase: PodPhase::Pending, ..pod() }, Unready);
        check("succeeded", "", true, PodView { phase: PodPhase::Succeeded, ..pod() }, Ready);
        check("no Ready condition", "cpu", true, PodView { ready: None, ..pod() }, Unready);
        check("not started", "cpu", true, PodView { start_ms: None, ..pod() }, Unready);
        check("not started, memory", "memory", true, PodView { start_ms: None, ..pod() }, Ready);
        check("young, a window since ready", "cpu", true, young(Some(true), Some(NOW - 20_000)), Ready);
        check("young, less than a window", "cpu", true, young(Some(true), Some(NOW - 19_999)), Unready);
        check("young, unready", "cpu", true, young(Some(false), Some(NOW - 60_000)), Unready);
        check("young, ready since ever", "cpu", true, young(Some(true), None), Ready);
        let grown = |ready, since| PodView { ready, ready_transition_ms: since, ..pod() };
        check("grown, never ready", "cpu", true, grown(Some(false), Some(29_999)), Unready);
        check("grown, was ready once", "cpu", true, grown(Some(false), Some(30_000)), Ready);
        check("grown, unready since ever", "cpu", true, grown(Some(false), None), Unready);
        let exactly = PodView { start_ms: Some(NOW - 300_000), ..young(Some(true), Some(NOW)) };
        check("just grown", "cpu", true, exactly, Ready);
    }
}
