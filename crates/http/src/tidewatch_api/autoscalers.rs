//! Autoscalers as the page shows them, and what each decided and why.
//!
//! Input: the autoscalers with their decisions. Output: plain lists. Amounts are given twice: as Kubernetes writes them and
//! as a number of base units (cores, bytes, percent), so that no client has to read quantities.

use super::{Refusal, answer, limit};
use crate::Shared;
use crate::kubernetes::{condition, target_kind};
use crate::parameters::Parameters;
use crate::reply::on_blocking_thread;
use crate::scaling_sources::Autoscaling;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde_json::{Value, json};
use std::sync::Arc;
use tidewatch_autoscale::{AutoscalerView, Decision, MetricTarget, MetricValue, MetricView, TargetKind};
use tidewatch_manifest::{MetricSource, Quantity};
use tidewatch_model::format_timestamp;

/// How many decisions are given when none is asked for, and at most.
const DEFAULT_LIMIT: usize = 100;
const MAX_LIMIT: usize = 10_000;

fn source(shared: &Shared) -> Result<Arc<dyn Autoscaling>, Refusal> {
    let none = || {
        Refusal::new(
            StatusCode::NOT_FOUND,
            "nothing is scaled here: autoscalers run with `tidewatch up` only",
        )
    };
    shared.state.autoscaling.clone().ok_or_else(none)
}

fn unknown(namespace: &str, name: &str) -> Refusal {
    let text = format!(
        "no autoscaler {name:?} in namespace {namespace:?}; hint: /api/tidewatch/v1/autoscalers lists them"
    );
    Refusal::new(StatusCode::NOT_FOUND, text)
}

/// All autoscalers, by namespace and name.
pub(super) async fn list(State(shared): State<Shared>, headers: HeaderMap) -> Response {
    on_blocking_thread(move || {
        let mut views = source(&shared)?.autoscalers();
        views.sort_by(|a, b| (&a.namespace, &a.name).cmp(&(&b.namespace, &b.name)));
        let views: Vec<Value> = views.iter().map(autoscaler).collect();
        Ok::<_, Refusal>(answer(&headers, &json!({ "autoscalers": views })))
    })
    .await
}

/// One autoscaler.
pub(super) async fn one(
    State(shared): State<Shared>,
    headers: HeaderMap,
    Path((namespace, name)): Path<(String, String)>,
) -> Response {
    on_blocking_thread(move || {
        let views = source(&shared)?.autoscalers();
        let found = views.iter().find(|view| view.namespace == namespace && view.name == name);
        let found = found.ok_or_else(|| unknown(&namespace, &name))?;
        Ok::<_, Refusal>(answer(&headers, &autoscaler(found)))
    })
    .await
}

/// What an autoscaler decided, the latest first.
pub(super) async fn decisions(
    State(shared): State<Shared>,
    headers: HeaderMap,
    Path((namespace, name)): Path<(String, String)>,
    parameters: Parameters,
) -> Response {
    on_blocking_thread(move || {
        let limit = limit(&parameters, DEFAULT_LIMIT, MAX_LIMIT)?;
        let found = source(&shared)?.decisions(&namespace, &name, limit);
        let found = found.ok_or_else(|| unknown(&namespace, &name))?;
        let decisions: Vec<Value> = found.iter().map(|decided| as_json(&decided.decision)).collect();
        Ok::<_, Refusal>(answer(&headers, &json!({ "decisions": decisions })))
    })
    .await
}

fn autoscaler(view: &AutoscalerView) -> Value {
    let mut object = json!({
        "namespace": view.namespace,
        "name": view.name,
        "origin": view.origin,
        "target": { "kind": view.target_kind, "name": view.target_name },
        "minReplicas": view.min_replicas,
        "maxReplicas": view.max_replicas,
        "currentReplicas": view.current_replicas,
        "desiredReplicas": view.desired_replicas,
        "lastSyncTime": view.last_sync_ms.map(format_timestamp),
        "lastScaleTime": view.last_scale_ms.map(format_timestamp),
        "conditions": view.conditions.iter().map(condition).collect::<Vec<_>>(),
        "metrics": view.metrics.iter().map(metric).collect::<Vec<_>>(),
    });
    if let Some(made_of) = &view.scaled_object {
        let (name, conditions, failures) = (&made_of.name, &made_of.conditions, &made_of.failures);
        object["scaledObject"] = json!({ "name": name, "conditions": conditions, "failures": failures });
    }
    object
}

fn metric(view: &MetricView) -> Value {
    let MetricView { spec, current } = view;
    let kind = match &spec.source {
        MetricSource::Resource { .. } => "Resource",
        MetricSource::ContainerResource { .. } => "ContainerResource",
        MetricSource::Pods { .. } => "Pods",
        MetricSource::Object { .. } => "Object",
        MetricSource::External { .. } => "External",
    };
    let MetricTarget { average_utilization, value, average_value, .. } = spec.target;
    let held_to = compared(&spec.target);
    let mut target = held_to.of(average_utilization, value, average_value);
    target["type"] = target_kind(held_to.0).into();
    let current = current.as_ref().map(|current| {
        let MetricValue { average_utilization, average_value, value } = *current;
        let mut object = held_to.of(average_utilization, value, average_value);
        if let Some(percent) = average_utilization {
            object["averageUtilization"] = percent.into();
        }
        if let Some(amount) = average_value {
            object["averageValue"] = amount.to_string().into();
        }
        object
    });
    let mut object = json!({ "type": kind, "name": spec.name(), "target": target, "current": current });
    if let MetricSource::ContainerResource { container, .. } = &spec.source {
        object["container"] = container.clone().into();
    }
    object
}

/// The kind of amount that a metric is compared by.
#[derive(Clone, Copy)]
struct Compared(TargetKind);

/// By the field that is there: for some metrics the API does not mind what type a target says it is.
fn compared(target: &MetricTarget) -> Compared {
    Compared(match target {
        MetricTarget { kind: TargetKind::Utilization, average_utilization: Some(_), .. } => {
            TargetKind::Utilization
        }
        MetricTarget { kind: TargetKind::Value, value: Some(_), .. } => TargetKind::Value,
        MetricTarget { average_value: Some(_), .. } => TargetKind::AverageValue,
        MetricTarget { value: Some(_), .. } => TargetKind::Value,
        _ => TargetKind::Utilization,
    })
}

impl Compared {
    /// The amount that counts, as Kubernetes writes it (percent as a number) and as a number.
    fn of(self, percent: Option<i32>, value: Option<Quantity>, average: Option<Quantity>) -> Value {
        let quantity = |amount: Option<Quantity>| {
            json!({
                "value": amount.map(|amount| amount.to_string()),
                "number": amount.map(Quantity::approximate_f64),
            })
        };
        match self.0 {
            TargetKind::Utilization => json!({ "value": percent, "number": percent }),
            TargetKind::Value => quantity(value),
            TargetKind::AverageValue => quantity(average),
        }
    }
}

fn as_json(decision: &Decision) -> Value {
    json!({
        "time": format_timestamp(decision.time_ms),
        "currentReplicas": decision.current_replicas,
        "desiredReplicas": decision.desired_replicas,
        "scaled": decision.scaled,
        "lastScaleTime": decision.last_scale_ms.map(format_timestamp),
        "sentence": decision.sentence(),
        "steps": decision.steps,
        "conditions": decision.conditions.iter().map(condition).collect::<Vec<_>>(),
        "currentMetrics": decision.current_metrics,
        "events": decision.events,
    })
}
