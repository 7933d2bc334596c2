//! Faults over HTTP, on the port for metrics: `GET /faults`, `POST /faults/{kind}`, `DELETE /faults[/{kind}]`.
//!
//! Input: the name of a fault, and its parameters as JSON. Output: what is active, or a problem that says what is wrong. A page in
//! a browser cannot reach it: what changes something needs a content type or a method that browsers ask leave for first.
//! Deliberately not on the port for requests, which users reach.

use axum::{
    Json, Router,
    body::Body,
    extract::{Path, Request, State},
    http::HeaderMap,
    middleware::Next,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde_json::{Value, json};

use crate::{
    Faults, Problem,
    fault::{Fault, FaultKind, not_enabled},
    read_json,
};

/// The routes; without enabled faults all of them answer 403.
pub(crate) fn fault_routes(faults: &Faults) -> Router {
    Router::new()
        .route("/faults", get(list).delete(undo_all))
        .route("/faults/{kind}", post(cause).delete(undo))
        .with_state(faults.clone())
}

async fn list(State(faults): State<Faults>) -> Result<Json<Value>, Problem> {
    Ok(Json(json!({ "faults": faults.active()? })))
}

async fn cause(
    State(faults): State<Faults>,
    Path(kind): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Value>, Problem> {
    if !faults.enabled() {
        return Err(not_enabled());
    }
    let fault = Fault::of(FaultKind::of(&kind)?, &read_json(&headers, body).await?)?;
    faults.cause(fault).map(Json)
}

async fn undo(State(faults): State<Faults>, Path(kind): Path<String>) -> Result<Json<Value>, Problem> {
    if !faults.enabled() {
        return Err(not_enabled());
    }
    Ok(Json(json!({ "undone": faults.undo(Some(FaultKind::of(&kind)?))? })))
}

async fn undo_all(State(faults): State<Faults>) -> Result<Json<Value>, Problem> {
    Ok(Json(json!({ "undone": faults.undo(None)? })))
}

/// Lets a request meet the active faults before it is handled.
pub(crate) async fn meet(
    State((faults, endpoint)): State<(Faults, &'static str)>,
    request: Request,
    next: Next,
) -> Response {
    match faults.meet(endpoint).await {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}
