//! The scale subresource of a Deployment, and the pods it selects: what an autoscaler looks at before it decides.
//!
//! Input: the cluster's state at one moment. Output: [`ScaleState`]. Changing the number is [`crate::replicas`]' business.

use crate::cluster::Cluster;
use crate::pod::Workload;
use crate::status::{PodPhase, PodStatus};
use std::sync::atomic::Ordering;
use tidewatch_manifest::LabelSelector;

/// A Deployment's number of replicas and its pods at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct ScaleState {
    /// How many replicas it is to have.
    pub spec_replicas: u32,
    /// How many pods of its own there are that are not being ended.
    pub status_replicas: u32,
    /// What selects its pods.
    pub selector: LabelSelector,
    /// All pods of the namespace that the selector matches, those being ended included, by name.
    pub pods: Vec<PodStatus>,
}

impl ScaleState {
    pub(crate) fn of(cluster: &Cluster, workload: &Workload) -> Self {
        let deployment = cluster.manifests.deployment(&workload.namespace, &workload.name);
        let selector = deployment.map(|deployment| deployment.selector.clone()).unwrap_or_default();
        // An empty selector matches everything; the API server allows none in a Deployment.
        let matches = |status: &PodStatus| {
            status.pod.namespace == workload.namespace && selector.matches(&status.pod.labels)
        };
        let pods: Vec<PodStatus> =
            cluster.pods().iter().map(|pod| pod.status().clone()).filter(matches).collect();
        let active = |status: &&PodStatus| {
            status.deployment == workload.name
                && status.deleted_ms.is_none()
                && matches!(status.phase, PodPhase::Pending | PodPhase::Running)
        };
        Self {
            spec_replicas: workload.replicas.load(Ordering::Relaxed),
            status_replicas: pods.iter().filter(active).count() as u32,
            selector,
            pods,
        }
    }
}
