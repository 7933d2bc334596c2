//! Objects of the Kubernetes API, made of the runtime's snapshots.
//!
//! Input: pods, containers and events as the runtime knows them. Output: JSON objects with the fields that dashboards,
//! the page and scripts read. Times are cut to seconds, as the API server writes them.

use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use tidewatch_manifest::{PodRef, Quantity};
use tidewatch_model::format_timestamp;
use tidewatch_runtime::{ContainerState, ContainerStatus, PodStatus, RuntimeEvent, Termination};

/// A pod as an item of a list.
pub(super) fn pod(pod: &PodStatus) -> Value {
    json!({
        "metadata": pod_metadata(pod),
        "spec": {
            "nodeName": pod.pod.node,
            "initContainers": pod.init_containers.iter().map(container_spec).collect::<Vec<_>>(),
            "containers": pod.containers.iter().map(container_spec).collect::<Vec<_>>(),
        },
        "status": {
            "phase": pod.phase.as_str(),
            "podIP": pod.ip,
            "podIPs": [{ "ip": pod.ip }],
            "hostIP": pod.pod.host_ip,
            "startTime": time(pod.created_ms),
            "conditions": conditions(pod),
            "initContainerStatuses": pod.init_containers.iter().map(container_status).collect::<Vec<_>>(),
            "containerStatuses": pod.containers.iter().map(container_status).collect::<Vec<_>>(),
        },
    })
}

fn pod_metadata(pod: &PodStatus) -> Value {
    let PodRef { namespace, name, uid, labels, annotations, controller_kind, controller_name, .. } =
        &*pod.pod;
    let mut metadata = json!({
        "name": name,
        "namespace": namespace,
        "uid": uid,
        "creationTimestamp": time(pod.created_ms),
        "labels": labels,
        "annotations": annotations,
    });
    if let Some(deleted) = pod.deleted_ms {
        metadata["deletionTimestamp"] = time(deleted);
    }
    if !controller_kind.is_empty() {
        let owner = json!([{ "kind": controller_kind, "name": controller_name, "controller": true }]);
        metadata["ownerReferences"] = owner;
    }
    metadata
}

fn container_spec(container: &ContainerStatus) -> Value {
    let ports = container
        .ports
        .iter()
        .map(|port| json!({ "name": port.name, "containerPort": port.port, "protocol": port.protocol }));
    json!({
        "name": container.name,
        "image": container.image,
        "ports": ports.collect::<Vec<_>>(),
        "resources": { "requests": quantities(&container.requests), "limits": quantities(&container.limits) },
    })
}

fn quantities(amounts: &BTreeMap<String, Quantity>) -> Value {
    amounts
        .iter()
        .map(|(name, amount)| (name.clone(), amount.to_string().into()))
        .collect::<Map<_, _>>()
        .into()
}

fn container_status(container: &ContainerStatus) -> Value {
    let last = container.last_termination.as_ref().map(|last| json!({ "terminated": termination(last) }));
    json!({
        "name": container.name,
        "image": container.image,
        "containerID": container.container_id,
        "ready": container.ready,
        "started": container.started,
        "restartCount": container.restarts,
        "state": state(&container.state),
        "lastState": last.unwrap_or_else(|| json!({})),
    })
}

fn state(state: &ContainerState) -> Value {
    match state {
        ContainerState::Waiting { reason, message } => {
            json!({ "waiting": { "reason": reason, "message": message } })
        }
        ContainerState::Running { started_ms } => json!({ "running": { "startedAt": time(*started_ms) } }),
        ContainerState::Terminated(ended) => json!({ "terminated": termination(ended) }),
    }
}

fn termination(ended: &Termination) -> Value {
    json!({
        "exitCode": ended.exit_code,
        "signal": ended.signal.unwrap_or_default(),
        "reason": ended.reason,
        "message": ended.message,
        "startedAt": time(ended.started_ms),
        "finishedAt": time(ended.finished_ms),
    })
}

fn conditions(pod: &PodStatus) -> Value {
    let condition = |kind: &str, holds: bool, since: Option<i64>| {
        let status = if holds { "True" } else { "False" };
        json!({ "type": kind, "status": status, "lastTransitionTime": since.map_or(Value::Null, time) })
    };
    json!([
        condition("PodScheduled", true, Some(pod.created_ms)),
        condition("Initialized", pod.initialized_ms.is_some(), pod.initialized_ms),
        condition("ContainersReady", pod.ready, pod.ready_since_ms),
        condition("Ready", pod.ready, pod.ready_since_ms),
    ])
}

/// An event as an item of a list; `number` tells events of one object apart.
pub(super) fn event(number: usize, event: &RuntimeEvent) -> Value {
    json!({
        "metadata": {
            "name": format!("{}.{number:x}", event.name),
            "namespace": event.namespace,
            "creationTimestamp": time(event.first_ms),
        },
        "involvedObject": { "kind": event.kind, "namespace": event.namespace, "name": event.name },
        "type": if event.warning { "Warning" } else { "Normal" },
        "reason": event.reason,
        "message": event.message,
        "count": event.count,
        "firstTimestamp": time(event.first_ms),
        "lastTimestamp": time(event.last_ms),
        "source": { "component": "tidewatch" },
    })
}

/// The Deployments that pods belong to, by name; one that runs no pod is not known here.
pub(super) fn deployments<'a>(pods: impl Iterator<Item = &'a PodStatus>) -> Vec<Value> {
    let mut by_name: BTreeMap<(&str, &str), (u32, u32)> = BTreeMap::new();
    for pod in pods.filter(|pod| pod.deleted_ms.is_none() && !pod.deployment.is_empty()) {
        let (replicas, ready) = by_name.entry((&pod.pod.namespace, &pod.deployment)).or_default();
        *replicas += 1;
        *ready += u32::from(pod.ready);
    }
    let object = |((namespace, name), (replicas, ready)): ((&str, &str), (u32, u32))| {
        json!({
            "metadata": { "name": name, "namespace": namespace },
            "spec": { "replicas": replicas },
            "status": {
                "replicas": replicas,
                "updatedReplicas": replicas,
                "readyReplicas": ready,
                "availableReplicas": ready,
                "unavailableReplicas": replicas - ready,
            },
        })
    };
    by_name.into_iter().map(object).collect()
}

/// RFC 3339 in whole seconds.
fn time(milliseconds: i64) -> Value {
    format_timestamp(milliseconds.div_euclid(1000) * 1000).into()
}
