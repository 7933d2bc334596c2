//! What the loop needs of the world, as traits: whoever puts the program together implements them.
//!
//! Input: names. Output: the state of a target, answers of the metrics APIs, changed scales, told events. All calls are
//! synchronous and made on blocking threads; they may take long or panic, which then concerns one autoscaler only.

use crate::{MetricKey, PodUsage, PodView, ScaleView, ScalingEvent};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tidewatch_manifest::{LabelSelector, Quantity};

use super::view::AutoscalerView;

/// An object of the cluster.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ObjectRef {
    /// Its kind, e.g. `Deployment`.
    pub kind: String,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// A target at one moment.
#[derive(Clone, Debug, Default)]
pub struct TargetState {
    /// The scale subresource.
    pub scale: ScaleView,
    /// What selects its pods; `None` when it has no selector.
    pub selector: Option<LabelSelector>,
    /// All pods of the namespace that the selector matches.
    pub pods: Vec<TargetPod>,
}

/// A pod that a target selects.
#[derive(Clone, Debug)]
pub struct TargetPod {
    /// What a decision needs of it.
    pub view: PodView,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
}

/// Where targets run.
pub trait ScaleTarget: Send + Sync + 'static {
    /// The target's scale and pods.
    ///
    /// # Errors
    /// In the API server's words, e.g. `deployments.apps "web" not found`.
    fn observe(&self, target: &ObjectRef) -> Result<TargetState, String>;

    /// Sets the number of replicas.
    ///
    /// # Errors
    /// In the API server's words.
    fn scale(&self, target: &ObjectRef, replicas: i32) -> Result<(), String>;
}

/// The metrics APIs.
pub trait MetricSource: Send + Sync + 'static {
    /// What the resource metrics API lists for these pods.
    ///
    /// # Errors
    /// Why the API cannot answer.
    fn resource(&self, namespace: &str, pods: &[PodView]) -> Result<Vec<PodUsage>, String>;

    /// What the custom metrics API gives for these pods, by their name.
    ///
    /// # Errors
    /// Why the API cannot answer.
    fn pods(
        &self,
        namespace: &str,
        metric: &MetricKey,
        pods: &[PodView],
    ) -> Result<Vec<(Arc<str>, Quantity)>, String>;

    /// What the custom metrics API gives for an object.
    ///
    /// # Errors
    /// Why the API cannot answer.
    fn object(&self, namespace: &str, metric: &MetricKey) -> Result<Quantity, String>;

    /// What the external metrics API gives.
    ///
    /// # Errors
    /// Why the API cannot answer.
    fn external(&self, namespace: &str, metric: &MetricKey) -> Result<Vec<Quantity>, String>;
}

/// How many replicas a target has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReplicaCounts {
    /// Replicas it is to have.
    pub wanted: i32,
    /// Pods that are running and ready.
    pub ready: i32,
}

/// Switches a target on from zero and off again, beside its autoscaler, as KEDA does for a ScaledObject.
pub trait Activator: Send + Sync + 'static {
    /// How often it wants to be asked.
    fn interval(&self) -> Duration;

    /// Whether nothing is to be scaled at all; its autoscaler then rests too.
    fn paused(&self) -> bool;

    /// What is to be done now, in milliseconds since the Unix epoch.
    fn poll(&self, now_ms: i64, replicas: ReplicaCounts) -> Activation;
}

/// What an [`Activator`] answers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Activation {
    /// The number of replicas to set.
    pub scale_to: Option<i32>,
    /// What to tell once that has been done.
    pub event: Option<ScalingEvent>,
    /// How its object is.
    pub conditions: Vec<ActivationCondition>,
    /// What went wrong, with the metric's name.
    pub failures: Vec<String>,
}

/// A condition of the object behind an [`Activator`].
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct ActivationCondition {
    /// `Ready`, `Active`, `Fallback` or `Paused`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// `True`, `False` or `Unknown`.
    pub status: &'static str,
    /// One word.
    pub reason: &'static str,
    /// A sentence.
    pub message: String,
}

/// Hears what happens, e.g. to show it as events and metrics.
pub trait Listener: Send + Sync + 'static {
    /// Something happened to an autoscaler or to the object it was made of.
    fn event(&self, about: &ObjectRef, event: &ScalingEvent);

    /// An autoscaler has synced.
    fn synced(&self, autoscaler: &AutoscalerView);
}
