//! Events: what happened to pods, Deployments and autoscalers.
//!
//! Input: the runtime's events, to which autoscalers add theirs. Output: `Event` objects of the core API with the id of
//! the object they are about where it still exists, and the rows of `kubectl get events`.

use super::age::age;
use super::identity::{suffix, time, uid};
use super::kind::{Column, Kind};
use super::status::Status;
use super::workloads;
use crate::SharedState;
use serde_json::{Value, json};
use std::collections::HashMap;
use tidewatch_runtime::RuntimeEvent;

pub(super) static EVENTS: Kind = Kind {
    group: "",
    version: "v1",
    name: "Event",
    plural: "events",
    singular: "event",
    short_names: &["ev"],
    categories: &[],
    namespaced: true,
    subresources: &[],
    fields: &[
        "involvedObject.kind",
        "involvedObject.namespace",
        "involvedObject.name",
        "involvedObject.uid",
        "involvedObject.apiVersion",
        "involvedObject.resourceVersion",
        "involvedObject.fieldPath",
        "reason",
        "reportingComponent",
        "source",
        "type",
    ],
    columns: &[
        Column::text("Last Seen"),
        Column::text("Type"),
        Column::text("Reason"),
        Column::text("Object"),
        Column::wide("Subobject"),
        Column::wide("Source"),
        Column::text("Message"),
        Column::wide("First Seen"),
        Column::wide("Count"),
        Column::wide("Name"),
    ],
    row,
    objects,
};

fn objects(shared: &SharedState) -> Result<Vec<Value>, Status> {
    let workloads = workloads(shared)?;
    let pods = workloads.pods();
    let ids: HashMap<(&str, &str), &str> = pods
        .iter()
        .map(|pod| ((pod.pod.namespace.as_str(), pod.pod.name.as_str()), pod.pod.uid.as_str()))
        .collect();
    let id = |event: &RuntimeEvent| match event.kind.as_str() {
        "Pod" => ids.get(&(event.namespace.as_str(), event.name.as_str())).map(|id| (*id).to_owned()),
        kind => Some(uid(kind, &event.namespace, &event.name)),
    };
    Ok(workloads.events().iter().map(|event| object(event, id(event))).collect())
}

fn object(event: &RuntimeEvent, id: Option<String>) -> Value {
    let RuntimeEvent { kind, namespace, name, reason, message, .. } = event;
    let api_version = match kind.as_str() {
        "Deployment" => "apps/v1",
        "HorizontalPodAutoscaler" => "autoscaling/v2",
        "ScaledObject" => "keda.sh/v1alpha1",
        _ => "v1",
    };
    let component = match kind.as_str() {
        "HorizontalPodAutoscaler" => "horizontal-pod-autoscaler",
        _ => "tidewatch",
    };
    let own = suffix(&[kind, namespace, name, reason, message, &event.first_ms.to_string()]);
    let mut about = json!({ "kind": kind, "apiVersion": api_version, "namespace": namespace, "name": name });
    if let Some(id) = id {
        about["uid"] = id.into();
    }
    json!({
        "metadata": {
            "name": format!("{name}.{own}"),
            "namespace": namespace,
            "uid": uid("Event", namespace, &own),
            "creationTimestamp": time(event.first_ms),
        },
        "involvedObject": about,
        "type": if event.warning { "Warning" } else { "Normal" },
        "reason": reason,
        "message": message,
        "count": event.count,
        "firstTimestamp": time(event.first_ms),
        "lastTimestamp": time(event.last_ms),
        "source": { "component": component },
        "reportingComponent": component,
        "reportingInstance": "",
    })
}

fn row(event: &Value, now: i64) -> Vec<Value> {
    let about = &event["involvedObject"];
    let kind = about["kind"].as_str().unwrap_or_default().to_lowercase();
    let target = format!("{kind}/{}", about["name"].as_str().unwrap_or_default());
    vec![
        age(&event["lastTimestamp"], now).into(),
        event["type"].clone(),
        event["reason"].clone(),
        target.into(),
        "".into(),
        event["source"]["component"].clone(),
        event["message"].as_str().unwrap_or_default().trim().into(),
        age(&event["firstTimestamp"], now).into(),
        event["count"].clone(),
        event["metadata"]["name"].clone(),
    ]
}
