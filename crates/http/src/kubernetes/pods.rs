//! Pods: objects and rows.
//!
//! Input: pods as the runtime knows them. Output: JSON objects with the fields that `kubectl get` and `describe`,
//! dashboards, the page and scripts read, and the row that `kubectl get pods` prints. Containers that run beside the main
//! ones are always in `containers` here, never restartable init containers.

use super::age::age;
use super::identity::{time, uid};
use super::kind::{Column, Kind};
use super::workloads;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use tidewatch_manifest::{PodRef, Quantity};
use tidewatch_runtime::{ContainerState, ContainerStatus, PodStatus, Termination};

pub(super) static PODS: Kind = Kind {
    group: "",
    version: "v1",
    name: "Pod",
    plural: "pods",
    singular: "pod",
    short_names: &["po"],
    categories: &["all"],
    namespaced: true,
    subresources: &[("log", "Pod")],
    fields: &["spec.nodeName", "status.phase", "status.podIP"],
    columns: &[
        Column::text("Name"),
        Column::text("Ready"),
        Column::text("Status"),
        Column::text("Restarts"),
        Column::text("Age"),
        Column::wide("IP"),
        Column::wide("Node"),
        Column::wide("Nominated Node"),
        Column::wide("Readiness Gates"),
    ],
    row,
    objects: |shared| Ok(workloads(shared)?.pods().iter().map(pod).collect()),
};

fn pod(pod: &PodStatus) -> Value {
    json!({
        "metadata": metadata(pod),
        "spec": {
            "nodeName": pod.pod.node,
            "restartPolicy": "Always",
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

fn metadata(pod: &PodStatus) -> Value {
    let PodRef { namespace, name, labels, annotations, controller_kind, controller_name, .. } = &*pod.pod;
    let mut metadata = json!({
        "name": name,
        "namespace": namespace,
        "uid": pod.pod.uid,
        "creationTimestamp": time(pod.created_ms),
        "labels": labels,
        "annotations": annotations,
    });
    if let Some(deleted) = pod.deleted_ms {
        metadata["deletionTimestamp"] = time(deleted);
    }
    if !controller_kind.is_empty() {
        metadata["ownerReferences"] = json!([{
            "apiVersion": if controller_kind == "ReplicaSet" { "apps/v1" } else { "core.strimzi.io/v1beta2" },
            "kind": controller_kind,
            "name": controller_name,
            "uid": uid(controller_kind, namespace, controller_name),
            "controller": true,
        }]);
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

/// Amounts by resource.
pub(super) fn quantities(amounts: &BTreeMap<String, Quantity>) -> Value {
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
        "imageID": "",
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
        condition("Initialized", pod.initialized_ms.is_some(), pod.initialized_ms.or(Some(pod.created_ms))),
        condition("ContainersReady", pod.ready, Some(pod.ready_changed_ms)),
        condition("Ready", pod.ready, Some(pod.ready_changed_ms)),
    ])
}

fn row(pod: &Value, now: i64) -> Vec<Value> {
    let status = &pod["status"];
    let containers = statuses(pod, "containerStatuses");
    let ready = containers.iter().filter(|one| one["ready"] == true && one["state"]["running"].is_object());
    let address =
        |value: &Value| value.as_str().filter(|text| !text.is_empty()).unwrap_or("<none>").to_owned();
    vec![
        pod["metadata"]["name"].clone(),
        format!("{}/{}", ready.count(), pod["spec"]["containers"].as_array().map_or(0, Vec::len)).into(),
        state_in_a_word(pod).into(),
        restarts(pod, now).into(),
        age(&pod["metadata"]["creationTimestamp"], now).into(),
        address(&status["podIP"]).into(),
        address(&pod["spec"]["nodeName"]).into(),
        "<none>".into(),
        "<none>".into(),
    ]
}

fn statuses<'a>(pod: &'a Value, field: &str) -> &'a [Value] {
    pod["status"][field].as_array().map_or(&[], Vec::as_slice)
}

/// What the containers that count for the row are: the init containers until all have ended.
fn initializing(pod: &Value) -> Option<(usize, &Value)> {
    let init = statuses(pod, "initContainerStatuses").iter().enumerate();
    init.into_iter().find(|(_, status)| status["state"]["terminated"]["exitCode"] != 0)
}

/// The phase, unless a container says more.
fn state_in_a_word(pod: &Value) -> String {
    let phase = pod["status"]["phase"].as_str().unwrap_or_default();
    if pod["metadata"]["deletionTimestamp"].is_string() && !matches!(phase, "Succeeded" | "Failed") {
        return "Terminating".to_owned();
    }
    if let Some((at, status)) = initializing(pod) {
        return match why(status) {
            Some(reason) if reason != "PodInitializing" => format!("Init:{reason}"),
            _ => format!("Init:{at}/{}", statuses(pod, "initContainerStatuses").len()),
        };
    }
    let containers = statuses(pod, "containerStatuses");
    // the first container's reason counts, as kubectl reads them from the last to the first
    let reason = containers.iter().find_map(why).unwrap_or_else(|| phase.to_owned());
    let running = containers.iter().any(|one| one["ready"] == true && one["state"]["running"].is_object());
    if reason != "Completed" || !running {
        return reason;
    }
    let conditions = pod["status"]["conditions"].as_array().map_or(&[][..], Vec::as_slice);
    let ready = conditions.iter().any(|one| one["type"] == "Ready" && one["status"] == "True");
    if ready { "Running" } else { "NotReady" }.to_owned()
}

/// Why a container does not run.
fn why(status: &Value) -> Option<String> {
    let state = &status["state"];
    let text = |value: &Value| value.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    if let Some(reason) = text(&state["waiting"]["reason"]) {
        return Some(reason);
    }
    let ended = state["terminated"].as_object()?;
    text(&ended["reason"]).or_else(|| match &ended["signal"] {
        signal if signal.as_i64().unwrap_or_default() != 0 => Some(format!("Signal:{signal}")),
        _ => Some(format!("ExitCode:{}", ended["exitCode"])),
    })
}

fn restarts(pod: &Value, now: i64) -> String {
    let field = if initializing(pod).is_some() { "initContainerStatuses" } else { "containerStatuses" };
    let containers = statuses(pod, field);
    let count: u64 = containers.iter().filter_map(|one| one["restartCount"].as_u64()).sum();
    let ended = |one: &Value| one["lastState"]["terminated"]["finishedAt"].as_str().map(str::to_owned);
    // all times have the same length, so their texts are in their order
    match containers.iter().filter_map(ended).max() {
        Some(last) if count > 0 => format!("{count} ({} ago)", age(&last.into(), now)),
        _ => count.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_700_000_065_000;

    fn example(status: &Value) -> Value {
        let mut pod = json!({
            "metadata": { "name": "web-1", "creationTimestamp": "2023-11-14T22:13:20Z" },
            "spec": { "nodeName": "local", "containers": [{}, {}] },
            "status": { "phase": "Running", "podIP": "127.64.0.1", "conditions": [] },
        });
        let more = status.as_object().unwrap().clone();
        pod["status"].as_object_mut().unwrap().extend(more);
        pod
    }

    fn check(pod: &Value, ready: &str, status: &str, restarts: &str) {
        let cells = row(pod, NOW);
        assert_eq!(cells[..5], ["web-1", ready, status, restarts, "65s"].map(Value::from), "{pod}");
        assert_eq!(cells.len(), PODS.columns.len());
    }

    #[test]
    fn rows_say_what_containers_do() {
        let running = json!({ "ready": true, "state": { "running": {} } });
        let starting = json!({ "ready": false, "state": { "running": {} } });
        let back_off = json!({
            "ready": false, "restartCount": 3, "state": { "waiting": { "reason": "CrashLoopBackOff" } },
            "lastState": { "terminated": { "finishedAt": "2023-11-14T22:14:20Z" } },
        });
        let done = json!({ "state": { "terminated": { "exitCode": 0, "reason": "Completed" } } });
        let killed = json!({ "state": { "terminated": { "exitCode": 137, "signal": 9, "reason": "" } } });
        let with = |containers: &[&Value]| example(&json!({ "containerStatuses": containers }));
        check(&with(&[&running, &running]), "2/2", "Running", "0");
        check(&with(&[&running, &starting]), "1/2", "Running", "0");
        check(&with(&[&running, &back_off]), "1/2", "CrashLoopBackOff", "3 (5s ago)");
        check(&with(&[&done, &running]), "1/2", "NotReady", "0");
        check(&with(&[&killed, &running]), "1/2", "Signal:9", "0");
        let mut ending = with(&[&running, &running]);
        ending["metadata"]["deletionTimestamp"] = "2023-11-14T22:14:20Z".into();
        check(&ending, "2/2", "Terminating", "0");
    }

    #[test]
    fn rows_say_how_far_a_pod_is_made() {
        let done = json!({ "state": { "terminated": { "exitCode": 0, "reason": "Completed" } } });
        let waiting = json!({ "state": { "waiting": { "reason": "PodInitializing" } } });
        let failed =
            json!({ "restartCount": 2, "state": { "terminated": { "exitCode": 1, "reason": "Error" } } });
        let with = |init: &[&Value]| {
            example(
                &json!({ "phase": "Pending", "initContainerStatuses": init, "containerStatuses": [waiting] }),
            )
        };
        check(&with(&[&done, &waiting]), "0/2", "Init:1/2", "0");
        check(&with(&[&failed, &waiting]), "0/2", "Init:Error", "2");
        check(&with(&[&done, &done]), "0/2", "PodInitializing", "0");
    }
}
