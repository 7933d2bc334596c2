//! The custom metrics API (`custom.metrics.k8s.io/v1beta2`), as prometheus-adapter serves it.
//!
//! Input: `…/namespaces/{namespace}/{resource}/{name or *}/{metric}`, `…/namespaces/{namespace}/metrics/{metric}` for the
//! namespace itself, `…/{resource}/{name or *}/{metric}` for objects without one; `labelSelector` chooses objects,
//! `metricLabelSelector` series. Output: a `MetricValueList`. What a metric is made of is its source's business.

use super::identity::time;
use super::list::respond;
use super::selector::{label_selector, selector_object};
use super::status::Status;
use super::{read, workloads};
use crate::parameters::Parameters;
use crate::reply::on_blocking_thread;
use crate::scaling_sources::{CustomMetrics, MetricFailure};
use crate::{Shared, SharedState};
use axum::Router;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use tidewatch_manifest::{LabelSelector, MetricSource, Quantity};

pub(super) const GROUP: &str = "custom.metrics.k8s.io";
pub(super) const VERSION: &str = "v1beta2";

/// The objects that metrics may be asked of: in addresses, and as kinds with their versions.
const OBJECTS: [(&str, &str, &str); 8] = [
    ("pods", "Pod", "/v1"),
    ("services", "Service", "/v1"),
    ("namespaces", "Namespace", "/v1"),
    ("nodes", "Node", "/v1"),
    ("deployments.apps", "Deployment", "apps/v1"),
    ("statefulsets.apps", "StatefulSet", "apps/v1"),
    ("replicasets.apps", "ReplicaSet", "apps/v1"),
    ("ingresses.networking.k8s.io", "Ingress", "networking.k8s.io/v1"),
];

pub(super) fn routes() -> Router<Shared> {
    let base = format!("/apis/{GROUP}/{VERSION}");
    Router::new()
        .route(&format!("{base}/namespaces/{{namespace}}/metrics/{{metric}}"), read(of_namespace))
        .route(&format!("{base}/namespaces/{{namespace}}/{{resource}}/{{name}}/{{metric}}"), read(of_objects))
        .route(&format!("{base}/{{resource}}/{{name}}/{{metric}}"), read(of_cluster_objects))
}

/// The metrics that the autoscalers here look at, for discovery; others can be asked for nevertheless.
pub(super) fn resources(shared: &SharedState) -> Vec<Value> {
    let views = shared.state.autoscaling.iter().flat_map(|source| source.autoscalers());
    let metrics = views.flat_map(|view| view.metrics).filter_map(|metric| match metric.spec.source {
        MetricSource::Pods { name, .. } => Some(("pods", name)),
        MetricSource::Object { name, object_kind, .. } => {
            let (plural, ..) = OBJECTS.iter().find(|(_, kind, _)| *kind == object_kind)?;
            Some((*plural, name))
        }
        _ => None,
    });
    let names: BTreeSet<(&str, String)> = metrics.collect();
    let resource = |(plural, name): (&str, String)| {
        json!({
            "name": format!("{plural}/{name}"),
            "singularName": "",
            "namespaced": !matches!(plural, "namespaces" | "nodes"),
            "kind": "MetricValueList",
            "verbs": ["get"],
        })
    };
    names.into_iter().map(resource).collect()
}

async fn of_namespace(
    state: State<Shared>,
    headers: HeaderMap,
    Path((namespace, metric)): Path<(String, String)>,
    parameters: Parameters,
) -> Response {
    let place = Place { name: namespace.clone(), namespace, resource: "namespaces".to_owned(), metric };
    answer(state, headers, place, parameters).await
}

async fn of_objects(
    state: State<Shared>,
    headers: HeaderMap,
    Path((namespace, resource, name, metric)): Path<(String, String, String, String)>,
    parameters: Parameters,
) -> Response {
    answer(state, headers, Place { namespace, resource, name, metric }, parameters).await
}

async fn of_cluster_objects(
    state: State<Shared>,
    headers: HeaderMap,
    Path((resource, name, metric)): Path<(String, String, String)>,
    parameters: Parameters,
) -> Response {
    answer(state, headers, Place { namespace: String::new(), resource, name, metric }, parameters).await
}

/// What the address names.
struct Place {
    namespace: String,
    resource: String,
    name: String,
    metric: String,
}

async fn answer(
    State(shared): State<Shared>,
    headers: HeaderMap,
    place: Place,
    parameters: Parameters,
) -> Response {
    on_blocking_thread(move || {
        let source = shared.state.custom_metrics.clone().ok_or_else(Status::no_such_resource)?;
        let chosen = label_selector(parameters.get("labelSelector")).map_err(Status::bad_request)?;
        let series = label_selector(parameters.get("metricLabelSelector")).map_err(Status::bad_request)?;
        let series = Some(series).filter(|selector| *selector != LabelSelector::default());
        let names = place.names(&shared, &chosen)?;
        let values = place.values(&*source, series.as_ref(), &names).map_err(failed)?;
        let now = shared.state.clock.now();
        let item = |(name, value): &(String, Quantity)| {
            json!({
                "describedObject": place.described(name),
                "metric": { "name": place.metric, "selector": series.as_ref().map(selector_object) },
                "timestamp": time(now),
                "value": value.to_string(),
            })
        };
        let list = json!({
            "kind": "MetricValueList",
            "apiVersion": format!("{GROUP}/{VERSION}"),
            "metadata": {},
            "items": values.iter().map(item).collect::<Vec<_>>(),
        });
        Ok::<_, Status>(respond(&headers, &list))
    })
    .await
}

/// How a metric that cannot be given is told.
pub(super) fn failed(failure: MetricFailure) -> Status {
    match failure {
        MetricFailure::NotFound(why) => Status::absent(why),
        MetricFailure::Unavailable(why) => Status::unavailable(why),
    }
}

impl Place {
    /// The objects that are asked for: one, or those that a selector chooses.
    fn names(&self, shared: &SharedState, selector: &LabelSelector) -> Result<Vec<String>, Status> {
        if self.name != "*" {
            return Ok(vec![self.name.clone()]);
        }
        match self.resource.as_str() {
            "pods" => {
                let pods = workloads(shared)?.pods().into_iter().map(|status| status.pod);
                let own = pods.filter(|pod| pod.namespace == self.namespace && selector.matches(&pod.labels));
                Ok(own.map(|pod| pod.name.clone()).collect())
            }
            "deployments.apps" => {
                let all = workloads(shared)?.deployments().into_iter();
                let own = all.filter(|one| one.namespace == self.namespace && selector.matches(&one.labels));
                Ok(own.map(|one| one.name).collect())
            }
            other => Err(Status::bad_request(format!(
                "tidewatch cannot list {other}; hint: ask for one object by its name instead of \"*\""
            ))),
        }
    }

    fn values(
        &self,
        source: &dyn CustomMetrics,
        series: Option<&LabelSelector>,
        names: &[String],
    ) -> Result<Vec<(String, Quantity)>, MetricFailure> {
        let Self { namespace, resource, metric, .. } = self;
        if resource == "pods" {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            return source.pods(namespace, metric, series, &names);
        }
        let (kind, _) = self.kind();
        let value = |name: &String| Ok((name.clone(), source.object(namespace, kind, name, metric, series)?));
        names.iter().map(value).collect()
    }

    /// The kind and version of the objects; of such that are not known, their own name.
    fn kind(&self) -> (&str, &str) {
        let known = OBJECTS.iter().find(|(plural, ..)| *plural == self.resource);
        known.map_or((&self.resource, ""), |(_, kind, version)| (kind, version))
    }

    fn described(&self, name: &str) -> Value {
        let (kind, version) = self.kind();
        let mut described = json!({ "kind": kind, "name": name, "apiVersion": version });
        if !self.namespace.is_empty() && kind != "Namespace" {
            described["namespace"] = self.namespace.clone().into();
        }
        described
    }
}
