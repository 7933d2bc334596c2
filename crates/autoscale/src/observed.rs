//! What a sync sees of the world: the target's scale, its pods, and the metrics APIs' answers.
//!
//! Input: filled in by whoever watches (the local runtime, a simulation, a scenario). Output: read by a sync. Nothing here
//! decides; a caller may keep one value and change it from sync to sync, as names are shared (`Arc<str>`).

use std::sync::Arc;
use tidewatch_manifest::{LabelSelector, MetricSource, Quantity};

/// Everything a sync sees.
#[derive(Clone, Debug)]
pub struct Observed {
    /// The scale subresource of the target; an error's text as the API server gives it, e.g. `deployments.apps "web" not
    /// found`.
    pub scale: Result<ScaleView, String>,
    /// What is wrong with the target's pod selector, if anything.
    pub selector: SelectorState,
    /// All pods that the target's selector matches, whatever their phase.
    pub pods: Vec<PodView>,
    /// What the resource metrics API lists for these pods, or why it fails.
    pub resource: Result<Vec<PodUsage>, String>,
    /// What the custom metrics API gives for pods: the value of each pod, by its name.
    pub pods_metrics: Readings<Vec<(Arc<str>, Quantity)>>,
    /// What the custom metrics API gives for objects.
    pub object_metrics: Readings<Quantity>,
    /// What the external metrics API gives.
    pub external_metrics: Readings<Vec<Quantity>>,
}

/// The scale subresource.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ScaleView {
    /// Replicas wanted.
    pub spec_replicas: i32,
    /// Replicas there are.
    pub status_replicas: i32,
}

/// Whether the target's pods can be told from those of others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum SelectorState {
    /// They can.
    #[default]
    Unique,
    /// The target has no selector.
    Missing,
    /// Several autoscalers scale the same pods.
    Ambiguous {
        /// The selector, e.g. `app=web`.
        selector: String,
        /// The autoscalers, as `namespace/name`.
        autoscalers: Vec<String>,
    },
}

/// A pod. Times are milliseconds; Kubernetes has them in whole seconds.
#[derive(Clone, Debug, PartialEq)]
pub struct PodView {
    /// Its name, unique among the pods seen.
    pub name: Arc<str>,
    /// Where it is in its life.
    pub phase: PodPhase,
    /// The status of its Ready condition; `None` when it has none yet.
    pub ready: Option<bool>,
    /// When its Ready condition last changed; `None` for a time before everything.
    pub ready_transition_ms: Option<i64>,
    /// When it was started; `None` before a kubelet has seen it.
    pub start_ms: Option<i64>,
    /// Whether it is being deleted.
    pub deleted: bool,
    /// Requests of the whole pod (`spec.resources.requests`); empty when there are none.
    pub requests: Arc<[(Arc<str>, Quantity)]>,
    /// Its containers; pods of one template can share the list.
    pub containers: Arc<[ContainerView]>,
}

/// Where a pod is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PodPhase {
    /// Not all containers run yet.
    Pending,
    /// Running.
    Running,
    /// All containers have ended well.
    Succeeded,
    /// A container has failed for good.
    Failed,
}

/// A container of a pod.
#[derive(Clone, Debug, PartialEq)]
pub struct ContainerView {
    /// Its name.
    pub name: Arc<str>,
    /// Whether it is a restartable init container.
    pub sidecar: bool,
    /// Its requests by resource, e.g. `cpu`.
    pub requests: Vec<(Arc<str>, Quantity)>,
}

/// What the resource metrics API says of a pod.
#[derive(Clone, Debug, PartialEq)]
pub struct PodUsage {
    /// The pod's name.
    pub pod: Arc<str>,
    /// When its usage was taken, milliseconds.
    pub timestamp_ms: i64,
    /// Over which time it was averaged, milliseconds.
    pub window_ms: i64,
    /// The usage of each container.
    pub containers: Vec<ContainerUsage>,
}

/// What a container uses.
#[derive(Clone, Debug, PartialEq)]
pub struct ContainerUsage {
    /// The container's name.
    pub name: Arc<str>,
    /// Usage by resource, e.g. `cpu`.
    pub usage: Vec<(Arc<str>, Quantity)>,
}

/// Which metric is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetricKey {
    /// Its name.
    pub name: String,
    /// Narrows it down.
    pub selector: Option<LabelSelector>,
    /// Kind and name of the object it describes, for Object metrics.
    pub object: Option<(String, String)>,
}

impl MetricKey {
    /// What is asked for a metric of an autoscaler; `None` for resources, which are not asked for by name.
    pub fn of(source: &MetricSource) -> Option<Self> {
        match source {
            MetricSource::Resource { .. } | MetricSource::ContainerResource { .. } => None,
            MetricSource::Pods { name, selector } | MetricSource::External { name, selector } => {
                Some(Self { name: name.clone(), selector: selector.clone(), object: None })
            }
            MetricSource::Object { name, selector, object_kind, object_name } => Some(Self {
                name: name.clone(),
                selector: selector.clone(),
                object: Some((object_kind.clone(), object_name.clone())),
            }),
        }
    }
}

/// Answers of a metrics API by what was asked. What is not there was answered with no items.
#[derive(Clone, Debug)]
pub struct Readings<T> {
    entries: Vec<(MetricKey, Result<T, String>)>,
}

impl<T> Default for Readings<T> {
    fn default() -> Self {
        Self { entries: Vec::new() }
    }
}

impl<T> Readings<T> {
    /// Sets the answer for a metric: its value, or the API's error.
    pub fn set(&mut self, key: MetricKey, answer: Result<T, String>) {
        match self.entries.iter_mut().find(|(known, _)| *known == key) {
            Some((_, old)) => *old = answer,
            None => self.entries.push((key, answer)),
        }
    }

    /// The answer for a metric, if there is one.
    pub fn get(&self, key: &MetricKey) -> Option<&Result<T, String>> {
        self.entries.iter().find(|(known, _)| known == key).map(|(_, answer)| answer)
    }

    /// Forgets all answers.
    pub fn clear(&mut self) {
        self.entries.clear();
    }
}

impl Observed {
    /// A target with nothing but its scale: no pods, no metrics.
    pub fn of_scale(spec_replicas: i32, status_replicas: i32) -> Self {
        Self {
            scale: Ok(ScaleView { spec_replicas, status_replicas }),
            selector: SelectorState::Unique,
            pods: Vec::new(),
            resource: Ok(Vec::new()),
            pods_metrics: Readings::default(),
            object_metrics: Readings::default(),
            external_metrics: Readings::default(),
        }
    }
}
