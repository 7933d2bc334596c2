//! The Prometheus HTTP API v1, as Prometheus 3.16 answers it: parameters, texts, status codes, order of fields.
//!
//! Input: calls of Grafana, promtool, the UI, scripts. Output: the JSON envelope. Each group of routes has its module.
//! Of Prometheus's routes these answer that they are not served: `read`, `scrape_pools/config`, `targets/relabel_steps`,
//! `status/self_metrics`, `features`, `notifications/live`; admin, remote-write, OTLP and search routes answer as a
//! Prometheus in which they are switched off.

mod metadata;
mod query;
mod rules;
mod selection;
mod series;
mod status;
mod switched_off;
mod targets;

use crate::Shared;
use crate::endpoint::Takes::{Get, GetOrPost};
use crate::endpoint::{endpoint, vary_by_origin, when_ready};
use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};

/// The routes below `/api/v1`.
pub(crate) fn routes(shared: &Shared) -> Router<Shared> {
    let always = Router::new()
        .route("/status/walreplay", endpoint(Get, status::walreplay))
        .route("/notifications", endpoint(Get, status::notifications));
    let queries = Router::new()
        .route("/query", endpoint(GetOrPost, query::instant))
        .route("/query_range", endpoint(GetOrPost, query::range))
        .route("/query_exemplars", endpoint(GetOrPost, query::exemplars))
        .route("/format_query", endpoint(GetOrPost, query::format))
        .route("/parse_query", endpoint(GetOrPost, query::parse))
        .route("/series", endpoint(GetOrPost, series::series))
        .route("/labels", endpoint(GetOrPost, series::label_names))
        .route("/label/{name}/values", endpoint(Get, series::label_values));
    let states = Router::new()
        .route("/targets", endpoint(Get, targets::targets))
        .route("/targets/metadata", endpoint(Get, metadata::of_targets))
        .route("/metadata", endpoint(Get, metadata::of_metrics))
        .route("/scrape_pools", endpoint(Get, targets::pools))
        .route("/rules", endpoint(Get, rules::rules))
        .route("/alerts", endpoint(Get, rules::alerts))
        .route("/alertmanagers", endpoint(Get, rules::alertmanagers))
        .route("/status/buildinfo", endpoint(Get, status::buildinfo))
        .route("/status/runtimeinfo", endpoint(Get, status::runtimeinfo))
        .route("/status/flags", endpoint(Get, status::flags))
        .route("/status/config", endpoint(Get, status::config))
        .route("/status/tsdb", endpoint(Get, status::tsdb))
        .route("/status/tsdb/blocks", endpoint(Get, status::blocks));
    queries
        .merge(states)
        .merge(switched_off::routes())
        .route_layer(from_fn_with_state(shared.clone(), when_ready))
        .merge(always)
        .route_layer(from_fn(vary_by_origin))
}
