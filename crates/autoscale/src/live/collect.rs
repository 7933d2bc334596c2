//! Looks at everything a decision is taken from.
//!
//! Input: an autoscaler and the traits. Output: [`Observed`]. What panics counts as an API that cannot answer: the autoscaler keeps
//! its replicas and says why.

use super::ambiguity::Selectors;
use super::cluster::{MetricSource, ObjectRef, ScaleTarget, TargetState};
use crate::{Hpa, MetricKey, Observed, PodPhase, PodUsage, PodView};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};
use tidewatch_manifest::MetricSource as Source;

/// What was seen, and how long each metric took to be read.
pub(crate) struct Collected {
    pub(crate) observed: Observed,
    /// By the metric's place among the autoscaler's.
    pub(crate) durations: Vec<Duration>,
}

/// What an autoscaler scales.
pub(crate) fn target_of(hpa: &Hpa) -> ObjectRef {
    ObjectRef {
        kind: hpa.target_kind.clone(),
        namespace: hpa.namespace.clone(),
        name: hpa.target_name.clone(),
    }
}

/// The state of a target.
pub(crate) fn state_of(target: &dyn ScaleTarget, object: &ObjectRef) -> Result<TargetState, String> {
    guarded("the target", || target.observe(object))
}

pub(crate) fn collect(
    hpa: &Hpa,
    target: &dyn ScaleTarget,
    metrics: &dyn MetricSource,
    selectors: &Selectors,
) -> Collected {
    let state = state_of(target, &target_of(hpa));
    let selector = match &state {
        Ok(state) => selectors.check(&hpa.namespace, &hpa.name, state),
        Err(_) => Default::default(),
    };
    let scale = state.as_ref().map(|state| state.scale).map_err(Clone::clone);
    let pods: Vec<PodView> = state.into_iter().flat_map(|state| state.pods).map(|pod| pod.view).collect();
    let mut collected = Collected {
        observed: Observed { scale, selector, pods, ..Observed::of_scale(0, 0) },
        durations: Vec::with_capacity(hpa.metrics.len()),
    };
    let mut resources: Option<Duration> = None;
    for metric in &hpa.metrics {
        let begin = Instant::now();
        match MetricKey::of(&metric.source) {
            Some(key) => collected.read(hpa, &metric.source, key, metrics),
            None if resources.is_none() => {
                collected.read_resources(hpa, metrics);
                resources = Some(begin.elapsed());
            }
            None => {}
        }
        collected.durations.push(begin.elapsed());
    }
    collected
}

impl Collected {
    fn read_resources(&mut self, hpa: &Hpa, metrics: &dyn MetricSource) {
        let pods = &self.observed.pods;
        let usage = guarded("resource metrics", || metrics.resource(&hpa.namespace, pods));
        // metrics-server lists running pods only, and only those there are.
        let listed =
            |usage: &PodUsage| pods.iter().any(|pod| pod.phase == PodPhase::Running && pod.name == usage.pod);
        self.observed.resource = usage.map(|usage| usage.into_iter().filter(listed).collect());
    }

    fn read(&mut self, hpa: &Hpa, source: &Source, key: MetricKey, metrics: &dyn MetricSource) {
        let (namespace, observed) = (hpa.namespace.as_str(), &mut self.observed);
        match source {
            Source::Pods { .. } => {
                let answer = guarded(&key.name, || metrics.pods(namespace, &key, &observed.pods));
                observed.pods_metrics.set(key, answer);
            }
            Source::Object { .. } => {
                let answer = guarded(&key.name, || metrics.object(namespace, &key));
                observed.object_metrics.set(key, answer);
            }
            _ => {
                let answer = guarded(&key.name, || metrics.external(namespace, &key));
                observed.external_metrics.set(key, answer);
            }
        }
    }
}

/// Calls what may panic.
pub(crate) fn guarded<T>(what: &str, call: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(answer) => answer,
        Err(panic) => Err(format!("reading {what} panicked: {}", text_of(&*panic))),
    }
}

/// What a panic says.
pub(crate) fn text_of(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".to_owned())
}
