//! The metrics of Deployments and their replica sets.
//!
//! Input: how many pods each wants and has. Output: `kube_deployment_*`, `kube_replicaset_*`. Generations are always 1:
//! nothing here changes a Deployment but its number of replicas.

use super::{Page, STATUSES, one_if, seconds, status_of};
use crate::pod::Workload;
use crate::status::PodStatus;
use std::sync::atomic::Ordering;

/// How many pods a Deployment wants, has, and has ready.
pub(super) struct Counts<'a> {
    workload: &'a Workload,
    pub(super) wanted: f64,
    pub(super) present: f64,
    ready: f64,
}

impl<'a> Counts<'a> {
    pub(super) fn of(workload: &'a Workload, statuses: &[PodStatus]) -> Self {
        let own = || {
            statuses.iter().filter(|status| {
                status.pod.namespace == workload.namespace
                    && status.deployment == workload.name
                    && status.deleted_ms.is_none()
            })
        };
        Self {
            workload,
            wanted: workload.replicas.load(Ordering::Relaxed).into(),
            present: own().count() as f64,
            ready: own().filter(|status| status.ready).count() as f64,
        }
    }
}

/// Name, help, value.
type Family = (&'static str, &'static str, fn(&Counts<'_>) -> f64);

const DEPLOYMENT: [Family; 10] = [
    ("kube_deployment_created", "Unix creation timestamp", |counts| seconds(counts.workload.created_ms)),
    (
        "kube_deployment_metadata_generation",
        "Sequence number representing a specific generation of the desired state.",
        |_| 1.0,
    ),
    (
        "kube_deployment_status_observed_generation",
        "The generation observed by the deployment controller.",
        |_| 1.0,
    ),
    ("kube_deployment_spec_replicas", "Number of desired pods for a deployment.", |counts| counts.wanted),
    (
        "kube_deployment_spec_paused",
        "Whether the deployment is paused and will not be processed by the deployment controller.",
        |_| 0.0,
    ),
    ("kube_deployment_status_replicas", "The number of replicas per deployment.", |counts| counts.present),
    ("kube_deployment_status_replicas_ready", "The number of ready replicas per deployment.", |counts| {
        counts.ready
    }),
    (
        "kube_deployment_status_replicas_available",
        "The number of available replicas per deployment.",
        |counts| counts.ready,
    ),
    (
        "kube_deployment_status_replicas_unavailable",
        "The number of unavailable replicas per deployment.",
        |counts| (counts.wanted.max(counts.present) - counts.ready).max(0.0),
    ),
    ("kube_deployment_status_replicas_updated", "The number of updated replicas per deployment.", |counts| {
        counts.present
    }),
];

const REPLICA_SET: [Family; 7] = [
    ("kube_replicaset_created", "Unix creation timestamp", |counts| seconds(counts.workload.created_ms)),
    (
        "kube_replicaset_metadata_generation",
        "Sequence number representing a specific generation of the desired state.",
        |_| 1.0,
    ),
    (
        "kube_replicaset_status_observed_generation",
        "The generation observed by the ReplicaSet controller.",
        |_| 1.0,
    ),
    ("kube_replicaset_spec_replicas", "Number of desired pods for a ReplicaSet.", |counts| counts.wanted),
    ("kube_replicaset_status_replicas", "The number of replicas per ReplicaSet.", |counts| counts.present),
    (
        "kube_replicaset_status_fully_labeled_replicas",
        "The number of fully labeled replicas per ReplicaSet.",
        |counts| counts.present,
    ),
    ("kube_replicaset_status_ready_replicas", "The number of ready replicas per ReplicaSet.", |counts| {
        counts.ready
    }),
];

pub(super) fn write(page: &mut Page<'_>) {
    let (cluster, statuses) = (page.cluster, page.statuses);
    let counts: Vec<Counts<'_>> =
        cluster.deployments().map(|workload| Counts::of(workload, statuses)).collect();
    for (name, help, value) in DEPLOYMENT {
        page.family(name, help, &counts, |writer, name, counts| {
            let workload = counts.workload;
            let labels = [("namespace", workload.namespace.as_str()), ("deployment", workload.name.as_str())];
            writer.sample(name, &labels, value(counts));
        });
    }
    conditions(page, &counts);
    for (name, help, value) in REPLICA_SET {
        page.family(name, help, &counts, |writer, name, counts| {
            let workload = counts.workload;
            let labels =
                [("namespace", workload.namespace.as_str()), ("replicaset", workload.controller.as_str())];
            writer.sample(name, &labels, value(counts));
        });
    }
    let help = "Information about the ReplicaSet's owner.";
    page.family("kube_replicaset_owner", help, cluster.deployments(), |writer, name, workload| {
        let labels = [
            ("namespace", workload.namespace.as_str()),
            ("replicaset", &workload.controller),
            ("owner_kind", "Deployment"),
            ("owner_name", &workload.name),
            ("owner_is_controller", "true"),
        ];
        writer.sample(name, &labels, 1.0);
    });
}

fn conditions(page: &mut Page<'_>, counts: &[Counts<'_>]) {
    let help = "The current status conditions of a deployment.";
    page.family("kube_deployment_status_condition", help, counts, |writer, name, counts| {
        let available = counts.ready >= counts.wanted;
        let reason = if available { "MinimumReplicasAvailable" } else { "MinimumReplicasUnavailable" };
        let conditions = [("Available", reason, available), ("Progressing", "NewReplicaSetAvailable", true)];
        for (condition, reason, holds) in conditions {
            for status in STATUSES {
                let labels = [
                    ("namespace", counts.workload.namespace.as_str()),
                    ("deployment", &counts.workload.name),
                    ("reason", reason),
                    ("condition", condition),
                    ("status", status),
                ];
                writer.sample(name, &labels, one_if(status == status_of(holds)));
            }
        }
    });
}
