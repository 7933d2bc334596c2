//! HorizontalPodAutoscalers: objects and rows.
//!
//! Input: the autoscalers with their latest decisions. Output: `autoscaling/v2` objects with the status that
//! kube-controller-manager would write, and the row that `kubectl get hpa` prints. An autoscaler that KEDA would make of a
//! ScaledObject is one of them.

use super::age::age;
use super::identity::{time, uid};
use super::kind::{Column, Kind};
use super::selector::selector_object;
use super::status::Status;
use crate::SharedState;
use crate::scaling_sources::Autoscaling;
use serde_json::{Map, Value, json};
use std::sync::Arc;
use tidewatch_autoscale::{
    AutoscalerView, Behavior, Condition, Hpa, MetricTarget, MetricValue, MetricView, PolicyKind,
    ScalingRules, SelectPolicy, TargetKind,
};
use tidewatch_manifest::{Autoscaler, LabelSelector, MetricSource};

pub(super) static AUTOSCALERS: Kind = Kind {
    group: "autoscaling",
    version: "v2",
    name: "HorizontalPodAutoscaler",
    plural: "horizontalpodautoscalers",
    singular: "horizontalpodautoscaler",
    short_names: &["hpa"],
    categories: &["all"],
    namespaced: true,
    subresources: &[("status", "HorizontalPodAutoscaler")],
    fields: &[],
    columns: &[
        Column::text("Name"),
        Column::text("Reference"),
        Column::text("Targets"),
        Column::text("MinPods"),
        Column::text("MaxPods"),
        Column::text("Replicas"),
        Column::text("Age"),
    ],
    row,
    objects,
};

/// What runs is told by the autoscalers; labels and behaviour are in what was written.
fn objects(shared: &SharedState) -> Result<Vec<Value>, Status> {
    let views = autoscaling(shared)?.autoscalers();
    let written =
        shared.state.workloads.as_ref().map(|workloads| workloads.autoscalers()).unwrap_or_default();
    let of = |view: &AutoscalerView| {
        let own = |one: &&Autoscaler| one.meta.namespace == view.namespace && one.meta.name == view.name;
        object(view, written.iter().find(own))
    };
    Ok(views.iter().map(of).collect())
}

fn autoscaling(shared: &SharedState) -> Result<Arc<dyn Autoscaling>, Status> {
    let none = || Status::absent("nothing is scaled here: this API exists with `tidewatch up` only");
    shared.state.autoscaling.clone().ok_or_else(none)
}

fn object(view: &AutoscalerView, written: Option<&Autoscaler>) -> Value {
    let AutoscalerView { namespace, name, .. } = view;
    let mut metadata = json!({
        "name": name,
        "namespace": namespace,
        "uid": uid(AUTOSCALERS.name, namespace, name),
        "creationTimestamp": time(view.created_ms),
    });
    if let Some(written) = written {
        metadata["labels"] = json!(written.meta.labels);
        metadata["annotations"] = json!(written.meta.annotations);
    }
    if let Some(made_of) = &view.scaled_object {
        metadata["ownerReferences"] = json!([{
            "apiVersion": "keda.sh/v1alpha1",
            "kind": "ScaledObject",
            "name": made_of.name,
            "uid": uid("ScaledObject", namespace, &made_of.name),
            "controller": true,
            "blockOwnerDeletion": true,
        }]);
    }
    let specs = view.metrics.iter().map(|one| metric(&one.spec.source, "target", target(&one.spec.target)));
    let mut spec = json!({
        "scaleTargetRef": {
            "kind": view.target_kind,
            "name": view.target_name,
            "apiVersion": api_version_of(&view.target_kind),
        },
        "minReplicas": view.min_replicas,
        "maxReplicas": view.max_replicas,
        "metrics": specs.collect::<Vec<_>>(),
    });
    let stored = written.and_then(|written| Hpa::from_manifest(written).ok());
    if let Some(rules) = stored.and_then(|hpa| hpa.behavior) {
        spec["behavior"] = behavior(&rules);
    }
    json!({ "metadata": metadata, "spec": spec, "status": status(view) })
}

fn api_version_of(kind: &str) -> &'static str {
    match kind {
        "Deployment" | "StatefulSet" | "ReplicaSet" => "apps/v1",
        _ => "v1",
    }
}

/// One entry of `spec.metrics` or `status.currentMetrics`: only what stands under `place` differs.
fn metric(source: &MetricSource, place: &str, held_to: Value) -> Value {
    let identifier = |name: &str, selector: &Option<LabelSelector>| {
        let mut identifier = json!({ "name": name });
        if let Some(selector) = selector {
            identifier["selector"] = selector_object(selector);
        }
        identifier
    };
    let (kind, field, mut own) = match source {
        MetricSource::Resource { name } => ("Resource", "resource", json!({ "name": name })),
        MetricSource::ContainerResource { name, container } => {
            ("ContainerResource", "containerResource", json!({ "name": name, "container": container }))
        }
        MetricSource::Pods { name, selector } => {
            ("Pods", "pods", json!({ "metric": identifier(name, selector) }))
        }
        MetricSource::Object { name, selector, object_kind, object_name } => {
            let described = json!({ "kind": object_kind, "name": object_name });
            (
                "Object",
                "object",
                json!({ "metric": identifier(name, selector), "describedObject": described }),
            )
        }
        MetricSource::External { name, selector } => {
            ("External", "external", json!({ "metric": identifier(name, selector) }))
        }
    };
    own[place] = held_to;
    let mut entry = json!({ "type": kind });
    entry[field] = own;
    entry
}

fn target(target: &MetricTarget) -> Value {
    let MetricTarget { kind, average_utilization, value, average_value } = target;
    let mut object = json!({ "type": target_kind(*kind) });
    if let Some(percent) = average_utilization {
        object["averageUtilization"] = (*percent).into();
    }
    for (field, amount) in [("value", value), ("averageValue", average_value)] {
        if let Some(amount) = amount {
            object[field] = amount.to_string().into();
        }
    }
    object
}

/// The type of a target as the API writes it.
pub(crate) fn target_kind(kind: TargetKind) -> &'static str {
    match kind {
        TargetKind::Utilization => "Utilization",
        TargetKind::Value => "Value",
        TargetKind::AverageValue => "AverageValue",
    }
}

fn behavior(behavior: &Behavior) -> Value {
    json!({ "scaleUp": rules(&behavior.scale_up), "scaleDown": rules(&behavior.scale_down) })
}

fn rules(rules: &ScalingRules) -> Value {
    let select = match rules.select_policy {
        SelectPolicy::Max => "Max",
        SelectPolicy::Min => "Min",
        SelectPolicy::Disabled => "Disabled",
    };
    let policies = rules.policies.iter().map(|policy| {
        let kind = match policy.kind {
            PolicyKind::Pods => "Pods",
            PolicyKind::Percent => "Percent",
        };
        json!({ "type": kind, "value": policy.value, "periodSeconds": policy.period_seconds })
    });
    let mut object = json!({ "selectPolicy": select, "policies": policies.collect::<Vec<_>>() });
    if let Some(seconds) = rules.stabilization_window_seconds {
        object["stabilizationWindowSeconds"] = seconds.into();
    }
    if let Some(tolerance) = &rules.tolerance {
        object["tolerance"] = tolerance.to_string().into();
    }
    object
}

fn status(view: &AutoscalerView) -> Value {
    let current = |one: &MetricView| match &one.current {
        Some(value) => metric(&one.spec.source, "current", current(value)),
        // as upstream leaves the entry of a metric that it could not read
        None => json!({ "type": "" }),
    };
    let known = view.metrics.iter().any(|one| one.current.is_some());
    let metrics = known.then(|| view.metrics.iter().map(current).collect::<Vec<_>>());
    let mut status = json!({
        "currentReplicas": view.current_replicas,
        "desiredReplicas": view.desired_replicas,
        "currentMetrics": metrics,
        "conditions": view.conditions.iter().map(condition).collect::<Vec<_>>(),
    });
    if let Some(scaled) = view.last_scale_ms {
        status["lastScaleTime"] = time(scaled);
    }
    status
}

fn current(value: &MetricValue) -> Value {
    let mut object = Map::new();
    if let Some(percent) = value.average_utilization {
        object.insert("averageUtilization".to_owned(), percent.into());
    }
    for (field, amount) in [("averageValue", value.average_value), ("value", value.value)] {
        if let Some(amount) = amount {
            object.insert(field.to_owned(), amount.to_string().into());
        }
    }
    object.into()
}

/// A condition of a status.
pub(crate) fn condition(condition: &Condition) -> Value {
    json!({
        "type": condition.kind.name(),
        "status": condition.status_text(),
        "lastTransitionTime": time(condition.last_transition_ms),
        "reason": condition.reason,
        "message": condition.message,
    })
}

fn row(object: &Value, now: i64) -> Vec<Value> {
    let (spec, status) = (&object["spec"], &object["status"]);
    let target = &spec["scaleTargetRef"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    vec![
        object["metadata"]["name"].clone(),
        format!("{}/{}", text(&target["kind"]), text(&target["name"])).into(),
        targets(&spec["metrics"], &status["currentMetrics"]).into(),
        spec["minReplicas"].to_string().into(),
        spec["maxReplicas"].clone(),
        status["currentReplicas"].clone(),
        age(&object["metadata"]["creationTimestamp"], now).into(),
    ]
}

/// Two metrics with what they are and should be, and how many more there are.
fn targets(specs: &Value, statuses: &Value) -> String {
    let specs = specs.as_array().map_or(&[][..], Vec::as_slice);
    if specs.is_empty() {
        return "<none>".to_owned();
    }
    let shown: Vec<String> =
        specs.iter().enumerate().take(2).map(|(at, spec)| held_to(spec, &statuses[at])).collect();
    let shown = shown.join(", ");
    match specs.len() - specs.len().min(2) {
        0 => shown,
        more => format!("{shown} + {more} more..."),
    }
}

/// One metric: `cpu: 42%/70%`, `1200m/1`, `30/10 (avg)`.
fn held_to(spec: &Value, status: &Value) -> String {
    let kind = spec["type"].as_str().unwrap_or_default();
    let mut field = kind.to_owned();
    field[..1.min(kind.len())].make_ascii_lowercase();
    let (target, current) = (&spec[&field]["target"], &status[&field]["current"]);
    let text = |value: &Value| value.as_str().unwrap_or("<unknown>").to_owned();
    let of_pods = matches!(kind, "Resource" | "ContainerResource");
    let name = if of_pods { format!("{}: ", text(&spec[&field]["name"])) } else { String::new() };
    if target["averageValue"].is_string() {
        let average = if matches!(kind, "External" | "Object") { " (avg)" } else { "" };
        return format!(
            "{name}{}/{}{average}",
            text(&current["averageValue"]),
            text(&target["averageValue"])
        );
    }
    if of_pods {
        let percent = |value: &Value, unknown: &str| {
            value.as_i64().map_or_else(|| unknown.to_owned(), |percent| format!("{percent}%"))
        };
        let (current, target) = (&current["averageUtilization"], &target["averageUtilization"]);
        return format!("{name}{}/{}", percent(current, "<unknown>"), percent(target, "<auto>"));
    }
    format!("{}/{}", text(&current["value"]), text(&target["value"]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_shown_as_kubectl_shows_them() {
        let cpu = json!({ "type": "Resource", "resource": {
            "name": "cpu", "target": { "type": "Utilization", "averageUtilization": 70 } } });
        let cpu_now = json!({ "type": "Resource", "resource": {
            "name": "cpu", "current": { "averageUtilization": 42, "averageValue": "105m" } } });
        let memory = json!({ "type": "ContainerResource", "containerResource": {
            "name": "memory", "container": "app", "target": { "type": "AverageValue", "averageValue": "64Mi" } } });
        let memory_now = json!({ "type": "ContainerResource", "containerResource": {
            "name": "memory", "container": "app", "current": { "averageValue": "50Mi" } } });
        let lag = json!({ "type": "External", "external": {
            "metric": { "name": "lag" }, "target": { "type": "AverageValue", "averageValue": "10" } } });
        let lag_now = json!({ "type": "External", "external": {
            "metric": { "name": "lag" }, "current": { "averageValue": "30" } } });
        let depth = json!({ "type": "Object", "object": {
            "metric": { "name": "depth" }, "target": { "type": "Value", "value": "1k" } } });
        let pods = json!({ "type": "Pods", "pods": {
            "metric": { "name": "rps" }, "target": { "type": "AverageValue", "averageValue": "1" } } });
        let pods_now = json!({ "type": "Pods", "pods": { "current": { "averageValue": "1200m" } } });
        let check = |specs: &[&Value], statuses: &[&Value], expected: &str| {
            assert_eq!(targets(&json!(specs), &json!(statuses)), expected);
        };
        check(&[], &[], "<none>");
        check(&[&cpu], &[&cpu_now], "cpu: 42%/70%");
        check(&[&cpu], &[], "cpu: <unknown>/70%");
        check(
            &[&cpu, &memory],
            &[&json!({ "type": "" }), &memory_now],
            "cpu: <unknown>/70%, memory: 50Mi/64Mi",
        );
        check(&[&lag], &[&lag_now], "30/10 (avg)");
        check(&[&depth, &pods, &cpu], &[&json!({}), &pods_now], "<unknown>/1k, 1200m/1 + 1 more...");
    }
}
