//! Deployments: objects, rows, and their scale.
//!
//! Input: Deployments as the runtime knows them. Output: JSON objects, the row that `kubectl get deployments` prints, and
//! the `Scale` that an autoscaler reads. Their number of replicas is set by autoscalers, never through this API.

use super::age::age;
use super::identity::{time, uid};
use super::kind::{Column, Kind};
use super::list::{find, respond};
use super::pods::quantities;
use super::selector::{selector_object, selector_text};
use super::status::Status;
use super::{read, workloads};
use crate::Shared;
use crate::reply::on_blocking_thread;
use axum::Router;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use serde_json::{Value, json};
use tidewatch_manifest::Container;
use tidewatch_runtime::DeploymentStatus;

pub(super) static DEPLOYMENTS: Kind = Kind {
    group: "apps",
    version: "v1",
    name: "Deployment",
    plural: "deployments",
    singular: "deployment",
    short_names: &["deploy"],
    categories: &["all"],
    namespaced: true,
    subresources: &[("scale", "Scale")],
    fields: &[],
    columns: &[
        Column::text("Name"),
        Column::text("Ready"),
        Column::text("Up-to-date"),
        Column::text("Available"),
        Column::text("Age"),
        Column::wide("Containers"),
        Column::wide("Images"),
        Column::wide("Selector"),
    ],
    row,
    objects: |shared| Ok(workloads(shared)?.deployments().iter().map(deployment).collect()),
};

pub(super) fn routes() -> Router<Shared> {
    Router::new().route("/apis/apps/v1/namespaces/{namespace}/deployments/{name}/scale", read(scale))
}

fn deployment(deployment: &DeploymentStatus) -> Value {
    let DeploymentStatus { namespace, name, replicas, present, ready, .. } = deployment;
    let (available, reason, message) = if ready >= replicas {
        ("True", "MinimumReplicasAvailable", "Deployment has minimum availability.")
    } else {
        ("False", "MinimumReplicasUnavailable", "Deployment does not have minimum availability.")
    };
    json!({
        "metadata": {
            "name": name,
            "namespace": namespace,
            "uid": uid("Deployment", namespace, name),
            "labels": deployment.labels,
            "annotations": deployment.annotations,
            "creationTimestamp": time(deployment.created_ms),
            "generation": 1,
        },
        "spec": {
            "replicas": replicas,
            "selector": selector_object(&deployment.selector),
            "strategy": { "type": "RollingUpdate" },
            "template": {
                "metadata": { "labels": deployment.template_labels },
                "spec": { "containers": deployment.containers.iter().map(container).collect::<Vec<_>>() },
            },
        },
        "status": {
            "observedGeneration": 1,
            "replicas": present,
            "updatedReplicas": present,
            "readyReplicas": ready,
            "availableReplicas": ready,
            "unavailableReplicas": (*replicas.max(present)).saturating_sub(*ready),
            "conditions": [{
                "type": "Available",
                "status": available,
                "reason": reason,
                "message": message,
            }],
        },
    })
}

fn container(container: &Container) -> Value {
    json!({
        "name": container.name,
        "image": container.image,
        "resources": { "requests": quantities(&container.requests), "limits": quantities(&container.limits) },
    })
}

fn row(object: &Value, now: i64) -> Vec<Value> {
    let (spec, status) = (&object["spec"], &object["status"]);
    let containers = spec["template"]["spec"]["containers"].as_array().map_or(&[][..], Vec::as_slice);
    let joined = |field: &str| {
        let texts: Vec<&str> = containers.iter().filter_map(|container| container[field].as_str()).collect();
        texts.join(",")
    };
    vec![
        object["metadata"]["name"].clone(),
        format!("{}/{}", status["readyReplicas"], spec["replicas"]).into(),
        status["updatedReplicas"].clone(),
        status["availableReplicas"].clone(),
        age(&object["metadata"]["creationTimestamp"], now).into(),
        joined("name").into(),
        joined("image").into(),
        selector_text(&spec["selector"]).into(),
    ]
}

/// The scale of a Deployment.
async fn scale(
    State(shared): State<Shared>,
    headers: HeaderMap,
    Path((namespace, name)): Path<(String, String)>,
) -> Response {
    on_blocking_thread(move || {
        let object = find(&shared, &DEPLOYMENTS, Some(&namespace), &name)?;
        let metadata = &object["metadata"];
        let scale = json!({
            "kind": "Scale",
            "apiVersion": "autoscaling/v1",
            "metadata": {
                "name": name,
                "namespace": namespace,
                "uid": metadata["uid"],
                "creationTimestamp": metadata["creationTimestamp"],
            },
            "spec": { "replicas": object["spec"]["replicas"] },
            "status": {
                "replicas": object["status"]["replicas"],
                "selector": selector_text(&object["spec"]["selector"]),
            },
        });
        Ok::<_, Status>(respond(&headers, &scale))
    })
    .await
}
