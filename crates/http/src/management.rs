//! The management API (`/-/…`) and tidewatch's own metrics (`/metrics`).
//!
//! Input: probes, operators, scrapers. Output: plain texts as Prometheus gives them; reload and quit are requests to the
//! pipeline, taken only when it listens for them and never from a page of another origin.

use crate::Shared;
use crate::endpoint::{Takes, endpoint, not_ready};
use crate::guard::is_foreign_origin;
use crate::reply::{EncodedBody, Encoding, on_blocking_thread, text};
use crate::state::LifecycleRequest;
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::Response;
use axum::routing::any;
use tidewatch_telemetry::Exposition;
use tokio::sync::{mpsc, oneshot};

pub(crate) fn routes() -> Router<Shared> {
    Router::new()
        .route("/-/healthy", endpoint(Takes::GetOrHead, healthy))
        .route("/-/ready", endpoint(Takes::GetOrHead, ready))
        .route("/-/reload", any(reload))
        .route("/-/quit", any(quit))
        .route("/metrics", endpoint(Takes::GetOrHead, metrics))
        .route("/federate", endpoint(Takes::Get, federate))
}

async fn healthy() -> Response {
    text(StatusCode::OK, "Prometheus Server is Healthy.\n")
}

async fn ready(State(shared): State<Shared>) -> Response {
    let readiness = &shared.state.readiness;
    if readiness.is_ready() {
        text(StatusCode::OK, "Prometheus Server is Ready.\n")
    } else {
        not_ready(readiness.is_stopping())
    }
}

async fn metrics(State(shared): State<Shared>, headers: HeaderMap) -> Response {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
    let format = Exposition::accepted_by(accept);
    let encoding = Encoding::accepted_by(&headers);
    // Asks every stage: the store looks at all series and at its folder.
    on_blocking_thread(move || {
        let body = shared.state.registry.encode(format).into_bytes();
        let mut response = EncodedBody::new(body, encoding).into_response(format.content_type());
        response.headers_mut().append(header::VARY, header::HeaderValue::from_static("Accept"));
        response
    })
    .await
}

async fn federate() -> Response {
    text(
        StatusCode::NOT_FOUND,
        "federation is not supported by tidewatch; hint: read /api/v1/query instead\n",
    )
}

async fn reload(State(shared): State<Shared>, method: Method, headers: HeaderMap) -> Response {
    let requests = match lifecycle(&shared, &method, &headers) {
        Ok(requests) => requests,
        Err(refusal) => return refusal,
    };
    let (answer, answered) = oneshot::channel();
    if requests.send(LifecycleRequest::Reload(answer)).await.is_err() {
        return not_ready(true);
    }
    match answered.await {
        Ok(Ok(())) => text(StatusCode::OK, ""),
        Ok(Err(reason)) => failed_reload(&reason),
        Err(_) => failed_reload("the program is stopping"),
    }
}

fn failed_reload(reason: &str) -> Response {
    text(StatusCode::INTERNAL_SERVER_ERROR, format!("failed to reload config: {reason}\n"))
}

async fn quit(State(shared): State<Shared>, method: Method, headers: HeaderMap) -> Response {
    let requests = match lifecycle(&shared, &method, &headers) {
        Ok(requests) => requests,
        Err(refusal) => return refusal,
    };
    // A full or closed channel means that the program is stopping already.
    let _ = requests.try_send(LifecycleRequest::Quit);
    text(StatusCode::OK, "Requesting termination... Goodbye!")
}

/// Where such requests go, if this one may be made.
#[expect(clippy::result_large_err, reason = "the refusal is a finished response, made at most once a call")]
fn lifecycle<'a>(
    shared: &'a Shared,
    method: &Method,
    headers: &HeaderMap,
) -> Result<&'a mpsc::Sender<LifecycleRequest>, Response> {
    if !matches!(*method, Method::POST | Method::PUT) {
        return Err(text(StatusCode::METHOD_NOT_ALLOWED, "Only POST or PUT requests allowed"));
    }
    if is_foreign_origin(headers) {
        shared.metrics.rejected("origin");
        return Err(text(
            StatusCode::FORBIDDEN,
            "refused: the request comes from a page of another origin\n",
        ));
    }
    let disabled = || text(StatusCode::FORBIDDEN, "Lifecycle API is not enabled.");
    shared.state.lifecycle.as_ref().ok_or_else(disabled)
}
