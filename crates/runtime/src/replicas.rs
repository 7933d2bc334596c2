//! How many pods a Deployment has: makes them and chooses which go.
//!
//! Input: the wanted number. Output: pods' tasks started and pods told to end, as the controllers of Deployment and
//! ReplicaSet do it. Who wants that number is not its business.

use crate::RuntimeError;
use crate::cluster::Cluster;
use crate::events::About;
use crate::pod::{Pod, Workload, WorkloadKind};
use crate::status::{PodPhase, PodStatus};
use std::cmp::Reverse;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use tidewatch_manifest::{Deployment, Manifests};
use tokio::task::JoinSet;

/// More pods of one Deployment are not run on one machine.
pub(crate) const MOST_REPLICAS: u32 = 500;

/// The number a Deployment begins with: `spec.replicas` or 1, within the bounds of its autoscaler.
pub(crate) fn initial(manifests: &Manifests, deployment: &Deployment) -> u32 {
    let asked = deployment.replicas.unwrap_or(1);
    let (namespace, name) = (&deployment.meta.namespace, &deployment.meta.name);
    let scaled = manifests.scaled_objects.iter().find(|object| {
        object.target_kind == "Deployment"
            && object.meta.namespace == *namespace
            && object.target_name == *name
    });
    let bounds = match (manifests.autoscaler_of(deployment), scaled) {
        (Some(autoscaler), _) => (autoscaler.min_replicas, autoscaler.max_replicas),
        (None, Some(object)) => (object.min_replicas, object.max_replicas),
        (None, None) => return asked.min(MOST_REPLICAS),
    };
    // An autoscaler leaves a Deployment with zero replicas alone.
    if asked == 0 { 0 } else { asked.clamp(bounds.0, bounds.1.max(bounds.0)).min(MOST_REPLICAS) }
}

/// Keeps the tasks of pods; changes of one Deployment happen one after the other.
#[derive(Debug, Default)]
pub(crate) struct Replicas {
    tasks: Mutex<Option<Tasks>>,
}

/// The tasks of pods. Brokers end after all that may still use them.
#[derive(Debug, Default)]
struct Tasks {
    pods: JoinSet<()>,
    brokers: JoinSet<()>,
}

impl Replicas {
    pub(crate) fn new() -> Self {
        Self { tasks: Mutex::new(Some(Tasks::default())) }
    }

    /// Brings a Deployment to a number of pods; nothing happens once the runtime is being ended.
    pub(crate) fn scale(
        &self,
        cluster: &Arc<Cluster>,
        workload: &Arc<Workload>,
        replicas: u32,
    ) -> Result<(), RuntimeError> {
        if replicas > MOST_REPLICAS {
            let name = format!("{}/{}", workload.namespace, workload.name);
            return Err(RuntimeError::TooManyReplicas { name, replicas, most: MOST_REPLICAS });
        }
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(tasks) = tasks.as_mut() else { return Ok(()) };
        let tasks = match workload.kind {
            WorkloadKind::Deployment => &mut tasks.pods,
            WorkloadKind::StrimziPodSet => &mut tasks.brokers,
        };
        while tasks.try_join_next().is_some() {}
        workload.replicas.store(replicas, Ordering::Relaxed);
        let mut active: Vec<Arc<Pod>> = cluster.pods_of(workload);
        active.retain(|pod| pod.status().deleted_ms.is_none());
        let (now, wanted) = (active.len(), replicas as usize);
        if now == wanted {
            return Ok(());
        }
        let direction = if wanted > now { "up" } else { "down" };
        let about = About { kind: "Deployment", namespace: &workload.namespace, name: &workload.name };
        if workload.kind == WorkloadKind::Deployment {
            let message =
                format!("Scaled {direction} replica set {} from {now} to {wanted}", workload.controller);
            cluster.events.normal(about, "ScalingReplicaSet", message);
        }
        let about = About { kind: workload.kind.controller(), name: &workload.controller, ..about };
        for _ in now..wanted {
            let pod = Arc::new(Pod::new(cluster, workload));
            cluster.events.normal(about, "SuccessfulCreate", format!("Created pod: {}", pod.name));
            cluster.add_pod(&pod);
            tasks.spawn(pod.run(Arc::clone(cluster)));
        }
        if wanted < now {
            let ranked = |pod: Arc<Pod>| {
                let rank = DeletionRank::of(&pod.status());
                (rank, pod)
            };
            let mut ranked: Vec<(DeletionRank, Arc<Pod>)> = active.into_iter().map(ranked).collect();
            ranked.sort_by(|one, other| one.0.cmp(&other.0));
            for (_, pod) in ranked.into_iter().take(now - wanted) {
                cluster.events.normal(about, "SuccessfulDelete", format!("Deleted pod: {}", pod.name));
                pod.retire(cluster);
                tasks.spawn(pod.end_drained(Arc::clone(cluster)));
            }
        }
        Ok(())
    }

    /// Ends all pods and waits for them: applications first, then the brokers that they may still write to.
    pub(crate) async fn end_all(&self, cluster: &Cluster) {
        let tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(Tasks { mut pods, mut brokers }) = tasks else { return };
        for (kind, tasks) in
            [(WorkloadKind::Deployment, &mut pods), (WorkloadKind::StrimziPodSet, &mut brokers)]
        {
            cluster.pods().iter().filter(|pod| pod.workload.kind == kind).for_each(|pod| pod.end(cluster));
            while tasks.join_next().await.is_some() {}
        }
    }
}

/// The order in which pods go; the smallest first, as the ReplicaSet controller ranks them: not yet running, not ready,
/// lower `controller.kubernetes.io/pod-deletion-cost`, ready for a shorter time, restarted more often, younger.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct DeletionRank {
    running: bool,
    ready: bool,
    cost: i64,
    ready_since: Reverse<i64>,
    restarts: Reverse<u32>,
    created: Reverse<i64>,
}

impl DeletionRank {
    pub(crate) fn of(status: &PodStatus) -> Self {
        let cost = status.pod.annotations.get("controller.kubernetes.io/pod-deletion-cost");
        Self {
            running: status.phase == PodPhase::Running,
            ready: status.ready,
            cost: cost.and_then(|cost| cost.parse().ok()).unwrap_or(0),
            ready_since: Reverse(status.ready_since_ms.unwrap_or(0)),
            restarts: Reverse(
                status.containers.iter().map(|container| container.restarts).max().unwrap_or(0),
            ),
            created: Reverse(status.created_ms),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_useful_pod_goes_first() {
        let rank = |running, ready, cost, ready_since, restarts, created| DeletionRank {
            running,
            ready,
            cost,
            ready_since: Reverse(ready_since),
            restarts: Reverse(restarts),
            created: Reverse(created),
        };
        let in_order = [
            rank(false, false, 9, 0, 0, 1),
            rank(true, false, 0, 0, 5, 1),
            rank(true, false, 0, 0, 0, 1),
            rank(true, true, -1, 10, 0, 1),
            rank(true, true, 0, 20, 0, 9),
            rank(true, true, 0, 10, 3, 1),
            rank(true, true, 0, 10, 0, 2),
            rank(true, true, 0, 10, 0, 1),
        ];
        assert!(in_order.windows(2).all(|pair| pair[0] < pair[1]));
    }
}
