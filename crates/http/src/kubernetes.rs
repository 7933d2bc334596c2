//! The Kubernetes API as far as looking goes: what `kubectl get`, `describe`, `top` and `logs` ask of a cluster.
//!
//! Input: snapshots of pods, Deployments, events, autoscalers and metrics. Output: objects, lists, tables and discovery as
//! an API server gives them, errors as `Status` objects. It only reads: whoever creates, changes, deletes or watches is
//! told so. Each kind of objects has its module; [`KINDS`] lists them.

mod age;
mod asked;
mod identity;
mod kind;
mod list;
mod selector;
mod status;

mod discovery;

mod autoscalers;
mod deployments;
mod events;
mod logs;
mod nodes;
mod pods;

mod custom_metrics;
mod external_metrics;
mod resource_metrics;

pub(crate) use autoscalers::{condition, target_kind};
pub(crate) use identity::number;

use crate::sources::Workloads;
use crate::{Shared, SharedState};
use axum::Router;
use axum::handler::Handler;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, any, get};
use kind::Kind;
use status::Status;
use std::sync::Arc;

/// The kinds of objects that are served.
static KINDS: [&Kind; 8] = [
    &nodes::NAMESPACES,
    &nodes::NODES,
    &pods::PODS,
    &events::EVENTS,
    &deployments::DEPLOYMENTS,
    &autoscalers::AUTOSCALERS,
    &resource_metrics::NODE_METRICS,
    &resource_metrics::POD_METRICS,
];

pub(crate) fn routes() -> Router<Shared> {
    let of_kinds = KINDS.iter().fold(Router::new(), |routes, kind| routes.merge(list::routes_of(kind)));
    of_kinds
        .merge(discovery::routes())
        .merge(logs::routes())
        .merge(deployments::routes())
        .merge(custom_metrics::routes())
        .merge(external_metrics::routes())
        .route("/apis/{group}/{version}/{*rest}", any(unknown))
        .route("/api/v1/namespaces/{namespace}/{*rest}", any(unknown))
}

/// The groups and versions that are served besides the core; metrics APIs only where there is something behind them.
fn groups(shared: &SharedState) -> Vec<(&'static str, &'static str)> {
    let state = &shared.state;
    let all = [
        ("apps", "v1", true),
        ("autoscaling", "v2", true),
        (resource_metrics::GROUP, resource_metrics::VERSION, state.resource_metrics.is_some()),
        (custom_metrics::GROUP, custom_metrics::VERSION, state.custom_metrics.is_some()),
        (external_metrics::GROUP, external_metrics::VERSION, state.external_metrics.is_some()),
    ];
    all.into_iter().filter(|(.., served)| *served).map(|(group, version, _)| (group, version)).collect()
}

/// A route that reads, and refuses everything else with the reason.
fn read<H, T>(handler: H) -> MethodRouter<Shared>
where
    H: Handler<T, Shared>,
    T: 'static,
{
    get(handler).fallback(async || Status::read_only())
}

/// An address that is none of this API's.
async fn unknown(method: axum::http::Method) -> Status {
    if method == axum::http::Method::GET { Status::no_such_resource() } else { Status::read_only() }
}

/// A refusal before anything was looked up.
fn refused(status: Status) -> Response {
    status.into_response()
}

fn workloads(shared: &SharedState) -> Result<Arc<dyn Workloads>, Status> {
    let none = || Status::absent("no pods are run here: this API exists with `tidewatch up` only");
    shared.state.workloads.clone().ok_or_else(none)
}
