//! What else than pods a cluster's API would list: Deployments and the node.
//!
//! Input: the workloads, their manifests, the pods' states. Output: snapshots, made anew whenever they are asked for. A
//! Deployment that runs no pod is among them; the node pools of a Kafka cluster are not.

use crate::cluster::Cluster;
use crate::pod::Workload;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tidewatch_manifest::{Container, LabelSelector};

/// A Deployment as it is now.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DeploymentStatus {
    /// The namespace.
    pub namespace: String,
    /// The name.
    pub name: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its annotations.
    pub annotations: BTreeMap<String, String>,
    /// Which pods are its own.
    pub selector: LabelSelector,
    /// The labels of its pods' template.
    pub template_labels: BTreeMap<String, String>,
    /// The containers of its pods: those that run side by side, injected ones included.
    pub containers: Vec<Container>,
    /// When it was made, in milliseconds since the Unix epoch.
    pub created_ms: i64,
    /// How many pods it is to have.
    pub replicas: u32,
    /// How many it has, without those that are being ended.
    pub present: u32,
    /// How many of these are ready.
    pub ready: u32,
}

/// The machine as a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeStatus {
    /// The name.
    pub name: String,
    /// The address that pods know it by.
    pub ip: IpAddr,
    /// Processor cores.
    pub cores: u64,
    /// Bytes of memory.
    pub memory_bytes: u64,
    /// When this instance was started, in milliseconds since the Unix epoch.
    pub started_ms: i64,
}

/// All Deployments, in the order of the manifests.
pub(crate) fn deployments(cluster: &Cluster) -> Vec<DeploymentStatus> {
    cluster.deployments().map(|workload| deployment(cluster, workload)).collect()
}

fn deployment(cluster: &Cluster, workload: &Arc<Workload>) -> DeploymentStatus {
    let manifest = cluster.manifests.deployment(&workload.namespace, &workload.name);
    let meta = manifest.map(|deployment| &deployment.meta);
    let (mut present, mut ready) = (0, 0);
    for pod in cluster.pods_of(workload) {
        let status = pod.status();
        if status.deleted_ms.is_none() {
            present += 1;
            ready += u32::from(status.ready);
        }
    }
    DeploymentStatus {
        namespace: workload.namespace.clone(),
        name: workload.name.clone(),
        labels: meta.map(|meta| meta.labels.clone()).unwrap_or_default(),
        annotations: meta.map(|meta| meta.annotations.clone()).unwrap_or_default(),
        selector: manifest.map(|deployment| deployment.selector.clone()).unwrap_or_default(),
        template_labels: workload.template.labels.clone(),
        containers: workload.containers.clone(),
        created_ms: workload.created_ms,
        replicas: workload.replicas.load(Ordering::Relaxed),
        present,
        ready,
    }
}

/// The node of the instance.
pub(crate) fn node(cluster: &Cluster) -> NodeStatus {
    let node = &cluster.node;
    NodeStatus {
        name: node.name.clone(),
        ip: node.ip,
        cores: node.cores,
        memory_bytes: node.memory_bytes,
        started_ms: cluster.started_ms,
    }
}
