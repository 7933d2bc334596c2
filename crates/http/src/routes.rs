//! All APIs in one router: what the page's port and Prometheus's port both serve.
//!
//! Input: the routes of each API's module. Output: one service with the guard around it. The APIs share an origin, as
//! their paths do not collide, so the page needs no configuration.

use crate::endpoint::note_route;
use crate::guard::guard;
use crate::{Shared, alertmanager, grafana, jaeger, kubernetes, management, prometheus, tidewatch_api, ui};
use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};

/// The page and every API.
pub(crate) fn everything(shared: &Shared) -> Router {
    let routes = Router::new()
        .nest("/api/v1", prometheus::routes(shared))
        .merge(management::routes())
        .merge(grafana::routes(shared))
        .merge(jaeger::routes(shared))
        .merge(kubernetes::routes())
        .merge(alertmanager::routes())
        .merge(tidewatch_api::routes());
    guarded(routes, shared)
}

/// Routes with what every request passes; what no route takes is the page's, or 404.
pub(crate) fn guarded(routes: Router<Shared>, shared: &Shared) -> Router {
    guarded_alone(routes.fallback(ui::serve), shared)
}

/// Routes with what every request passes, and an answer of their own to what none takes.
pub(crate) fn guarded_alone(routes: Router<Shared>, shared: &Shared) -> Router {
    routes
        .route_layer(from_fn(note_route))
        .layer(from_fn_with_state(shared.clone(), guard))
        .with_state(shared.clone())
}
