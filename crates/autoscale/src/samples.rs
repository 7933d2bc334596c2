//! The metrics APIs' answers as one sample for each pod.
//!
//! Input: lists as the APIs give them. Output: [`Samples`], in thousandths. It does not judge whether a sample counts.

use crate::{PodUsage, PodView};
use std::sync::Arc;
use tidewatch_manifest::Quantity;

/// A sample of a pod.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sample {
    /// Thousandths.
    pub(crate) value: i64,
    pub(crate) timestamp_ms: i64,
    pub(crate) window_ms: i64,
}

/// Samples by pod.
#[derive(Clone, Debug, Default)]
pub(crate) struct Samples {
    /// One entry for each pod seen.
    known: Vec<Option<Sample>>,
    /// Of pods that are not among them.
    strangers: Vec<(Arc<str>, i64)>,
}

impl Samples {
    fn new(pods: &[PodView]) -> Self {
        Self { known: vec![None; pods.len()], strangers: Vec::new() }
    }

    /// The usage of a resource: of one container, or of all when none is named. A pod of which a container lacks the
    /// resource has no sample.
    pub(crate) fn of_resource(
        pods: &[PodView],
        usages: &[PodUsage],
        resource: &str,
        container: Option<&str>,
    ) -> Self {
        let mut samples = Self::new(pods);
        for (position, usage) in usages.iter().enumerate() {
            let value = match container {
                Some(name) => usage
                    .containers
                    .iter()
                    .find(|container| *container.name == *name)
                    .and_then(|container| amount(&container.usage, resource)),
                None => whole_pod(usage, resource),
            };
            if let Some(value) = value {
                let (timestamp_ms, window_ms) = (usage.timestamp_ms, usage.window_ms);
                samples.insert(pods, &usage.pod, position, Sample { value, timestamp_ms, window_ms });
            }
        }
        samples
    }

    /// A custom metric of pods.
    pub(crate) fn of_pods(pods: &[PodView], values: &[(Arc<str>, Quantity)]) -> Self {
        let mut samples = Self::new(pods);
        for (position, (pod, value)) in values.iter().enumerate() {
            let value = value.milli_value();
            samples.insert(pods, pod, position, Sample { value, ..Sample::default() });
        }
        samples
    }

    fn insert(&mut self, pods: &[PodView], name: &Arc<str>, position: usize, sample: Sample) {
        let is_it = |pod: &PodView| Arc::ptr_eq(&pod.name, name) || pod.name == *name;
        let at_same_place = pods.get(position).is_some_and(is_it).then_some(position);
        if let Some(index) = at_same_place.or_else(|| pods.iter().position(is_it)) {
            self.known[index] = Some(sample);
        } else if let Some((_, value)) = self.strangers.iter_mut().find(|(known, _)| known == name) {
            *value = sample.value;
        } else {
            self.strangers.push((Arc::clone(name), sample.value));
        }
    }

    /// The sample of a pod seen.
    pub(crate) fn get(&self, pod: usize) -> Option<Sample> {
        self.known[pod]
    }

    pub(crate) fn remove(&mut self, pod: usize) {
        self.known[pod] = None;
    }

    pub(crate) fn set(&mut self, pod: usize, value: i64) {
        self.known[pod] = Some(Sample { value, ..Sample::default() });
    }

    /// The values of pods seen, with each pod's place.
    pub(crate) fn known(&self) -> impl Iterator<Item = (usize, i64)> {
        self.known.iter().enumerate().filter_map(|(pod, sample)| Some((pod, (*sample)?.value)))
    }

    /// All values, also those of pods not seen.
    pub(crate) fn values(&self) -> impl Iterator<Item = i64> {
        self.known().map(|(_, value)| value).chain(self.strangers.iter().map(|(_, value)| *value))
    }

    pub(crate) fn len(&self) -> usize {
        self.values().count()
    }
}

fn whole_pod(usage: &PodUsage, resource: &str) -> Option<i64> {
    if usage.containers.is_empty() {
        return None;
    }
    let of_container = |container: &crate::ContainerUsage| amount(&container.usage, resource);
    usage.containers.iter().try_fold(0_i64, |sum, container| Some(sum.wrapping_add(of_container(container)?)))
}

fn amount(amounts: &[(Arc<str>, Quantity)], resource: &str) -> Option<i64> {
    amounts.iter().find(|(name, _)| **name == *resource).map(|(_, amount)| amount.milli_value())
}
