//! The external metrics API (`external.metrics.k8s.io/v1beta1`), as KEDA and prometheus-adapter serve it.
//!
//! Input: `…/namespaces/{namespace}/{metric}?labelSelector=`. Output: an `ExternalMetricValueList`; its items have no labels, as
//! with KEDA. What a metric is made of is its source's business.

use super::custom_metrics::failed;
use super::identity::time;
use super::list::respond;
use super::read;
use super::selector::label_selector;
use super::status::Status;
use crate::parameters::Parameters;
use crate::reply::on_blocking_thread;
use crate::{Shared, SharedState};
use axum::Router;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use tidewatch_manifest::{LabelSelector, MetricSource, Quantity};

pub(super) const GROUP: &str = "external.metrics.k8s.io";
pub(super) const VERSION: &str = "v1beta1";

pub(super) fn routes() -> Router<Shared> {
    let address = format!("/apis/{GROUP}/{VERSION}/namespaces/{{namespace}}/{{metric}}");
    Router::new().route(&address, read(values))
}

/// The metrics that the autoscalers here look at, for discovery; others can be asked for nevertheless.
pub(super) fn resources(shared: &SharedState) -> Vec<Value> {
    let views = shared.state.autoscaling.iter().flat_map(|source| source.autoscalers());
    let metrics = views.flat_map(|view| view.metrics).filter_map(|metric| match metric.spec.source {
        MetricSource::External { name, .. } => Some(name),
        _ => None,
    });
    let names: BTreeSet<String> = metrics.collect();
    let resource = |name: String| {
        json!({
            "name": name,
            "singularName": "",
            "namespaced": true,
            "kind": "ExternalMetricValueList",
            "verbs": ["get"],
        })
    };
    names.into_iter().map(resource).collect()
}

async fn values(
    State(shared): State<Shared>,
    headers: HeaderMap,
    Path((namespace, metric)): Path<(String, String)>,
    parameters: Parameters,
) -> Response {
    on_blocking_thread(move || {
        let source = shared.state.external_metrics.clone().ok_or_else(Status::no_such_resource)?;
        let selector = label_selector(parameters.get("labelSelector")).map_err(Status::bad_request)?;
        let selector = Some(selector).filter(|selector| *selector != LabelSelector::default());
        let values = source.values(&namespace, &metric, selector.as_ref()).map_err(failed)?;
        let now = shared.state.clock.now();
        let item = |value: &Quantity| {
            json!({
                "metricName": metric,
                "metricLabels": null,
                "timestamp": time(now),
                "value": value.to_string(),
            })
        };
        let list = json!({
            "kind": "ExternalMetricValueList",
            "apiVersion": format!("{GROUP}/{VERSION}"),
            "metadata": {},
            "items": values.iter().map(item).collect::<Vec<_>>(),
        });
        Ok::<_, Status>(respond(&headers, &list))
    })
    .await
}
