//! `/healthz` and `/readyz`.
//!
//! Input: the phase of the process and a probe of what it depends on. Output: 200, or 503 with the reason. `/healthz` only says
//! that the process answers: a database that is down must not make an orchestrator restart every replica.

use std::{pin::Pin, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::Request,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
    routing::get,
};

use crate::{Lifecycle, Problem};

/// How long the probe may take, so that `/readyz` answers within the usual probe timeout of a second.
const PROBE_TIMEOUT: Duration = Duration::from_millis(800);

/// Asks whether what the process depends on is reachable; an error is the reason it is not.
pub type Probe = Arc<dyn Fn() -> Pin<Box<dyn Future<Output = Result<(), String>> + Send>> + Send + Sync>;

/// The two probe routes. They are not counted in the HTTP metrics.
pub fn health_routes<S: Clone + Send + Sync + 'static>(
    lifecycle: Lifecycle,
    probe: Option<Probe>,
) -> Router<S> {
    let readyz = async move |request: Request| match reason_not_ready(&lifecycle, probe.as_ref()).await {
        None => uncached("{\"status\":\"ready\"}"),
        Some(reason) => Problem::unavailable(reason).respond(Some(request.uri().path())),
    };
    Router::new()
        .route("/healthz", get(async || uncached("{\"status\":\"alive\"}")))
        .route("/readyz", get(readyz))
}

async fn reason_not_ready(lifecycle: &Lifecycle, probe: Option<&Probe>) -> Option<String> {
    if let Some(reason) = lifecycle.unready_reason() {
        return Some(reason.to_owned());
    }
    match tokio::time::timeout(PROBE_TIMEOUT, probe?()).await {
        Ok(outcome) => outcome.err(),
        Err(_) => Some(format!("the database did not answer within {} ms", PROBE_TIMEOUT.as_millis())),
    }
}

fn uncached(body: &'static str) -> Response {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    (headers, body).into_response()
}
