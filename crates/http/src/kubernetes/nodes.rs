//! The node, and the namespaces there are things in.
//!
//! Input: what the runtime says of the machine; the namespaces of pods and Deployments. Output: objects and rows, as far
//! as `kubectl get` and `kubectl top nodes` read them. Nothing is reserved for the system: all of the node can be used.

use super::age::age;
use super::identity::{time, uid};
use super::kind::{Column, Kind};
use super::status::Status;
use super::workloads;
use crate::SharedState;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use tidewatch_manifest::Quantity;
use tidewatch_runtime::NodeStatus;

pub(super) static NODES: Kind = Kind {
    group: "",
    version: "v1",
    name: "Node",
    plural: "nodes",
    singular: "node",
    short_names: &["no"],
    categories: &[],
    namespaced: false,
    subresources: &[],
    fields: &["spec.unschedulable"],
    columns: &[
        Column::text("Name"),
        Column::text("Status"),
        Column::text("Roles"),
        Column::text("Age"),
        Column::text("Version"),
        Column::wide("Internal-IP"),
        Column::wide("External-IP"),
        Column::wide("OS-Image"),
        Column::wide("Kernel-Version"),
        Column::wide("Container-Runtime"),
    ],
    row: node_row,
    objects: |shared| Ok(vec![node(&workloads(shared)?.node(), &shared.state.build.version)]),
};

pub(super) static NAMESPACES: Kind = Kind {
    group: "",
    version: "v1",
    name: "Namespace",
    plural: "namespaces",
    singular: "namespace",
    short_names: &["ns"],
    categories: &[],
    namespaced: false,
    subresources: &[],
    fields: &["status.phase"],
    columns: &[Column::text("Name"), Column::text("Status"), Column::text("Age")],
    row: |object, now| {
        let metadata = &object["metadata"];
        vec![
            metadata["name"].clone(),
            object["status"]["phase"].clone(),
            age(&metadata["creationTimestamp"], now).into(),
        ]
    },
    objects: namespaces,
};

fn node(node: &NodeStatus, version: &str) -> Value {
    let resources = json!({
        "cpu": node.cores.to_string(),
        "memory": Quantity::from_units(node.memory_bytes).to_string(),
        "pods": "500",
    });
    json!({
        "metadata": {
            "name": node.name,
            "uid": uid("Node", "", &node.name),
            "labels": labels(&node.name),
            "creationTimestamp": time(node.started_ms),
        },
        "spec": {},
        "status": {
            "capacity": resources,
            "allocatable": resources,
            "addresses": [
                { "type": "InternalIP", "address": node.ip },
                { "type": "Hostname", "address": node.name },
            ],
            "conditions": [{
                "type": "Ready",
                "status": "True",
                "reason": "KubeletReady",
                "message": "tidewatch runs pods",
                "lastHeartbeatTime": time(node.started_ms),
                "lastTransitionTime": time(node.started_ms),
            }],
            "nodeInfo": {
                "operatingSystem": "linux",
                "architecture": architecture(),
                "kubeletVersion": format!("tidewatch-{version}"),
                "containerRuntimeVersion": format!("tidewatch://{version}"),
                "osImage": "",
                "kernelVersion": "",
            },
        },
    })
}

/// The labels of a node.
pub(super) fn labels(name: &str) -> Value {
    json!({
        "kubernetes.io/hostname": name,
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": architecture(),
    })
}

/// In Go's words.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

fn node_row(node: &Value, now: i64) -> Vec<Value> {
    let info = &node["status"]["nodeInfo"];
    let known =
        |value: &Value| value.as_str().filter(|text| !text.is_empty()).unwrap_or("<unknown>").to_owned();
    vec![
        node["metadata"]["name"].clone(),
        "Ready".into(),
        "<none>".into(),
        age(&node["metadata"]["creationTimestamp"], now).into(),
        info["kubeletVersion"].clone(),
        node["status"]["addresses"][0]["address"].clone(),
        "<none>".into(),
        known(&info["osImage"]).into(),
        known(&info["kernelVersion"]).into(),
        known(&info["containerRuntimeVersion"]).into(),
    ]
}

fn namespaces(shared: &SharedState) -> Result<Vec<Value>, Status> {
    let workloads = workloads(shared)?;
    let of_pods = workloads.pods().into_iter().map(|pod| pod.pod.namespace.clone());
    let of_deployments = workloads.deployments().into_iter().map(|deployment| deployment.namespace);
    let names: BTreeSet<String> = of_pods.chain(of_deployments).collect();
    let object = |name: String| {
        json!({
            "metadata": {
                "name": name,
                "uid": uid("Namespace", "", &name),
                "labels": { "kubernetes.io/metadata.name": name },
                "creationTimestamp": time(shared.state.start_time),
            },
            "spec": {},
            "status": { "phase": "Active" },
        })
    };
    Ok(names.into_iter().map(object).collect())
}
