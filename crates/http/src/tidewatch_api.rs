//! tidewatch's own API, `/api/tidewatch/v1`: what no other system has one for.
//!
//! Input: calls of the page and of the command line. Output: autoscalers, their decisions with every step, simulations,
//! objectives and notifications, as JSON in camelCase with times in RFC 3339. A refusal is `{"error": text}`, with the `field` of a request's body where
//! one is wrong. Everything that has an API elsewhere is served as that one, not here.

mod autoscalers;
mod notifications;
mod objectives;
mod simulation;

pub(crate) use simulation::Simulations;

use crate::Shared;
use crate::endpoint::Takes::{Get, Post};
use crate::endpoint::endpoint;
use crate::json::to_go_json;
use crate::parameters::Parameters;
use crate::reply::{EncodedBody, Encoding};
use axum::Router;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

pub(crate) fn routes() -> Router<Shared> {
    const AUTOSCALERS: &str = "/api/tidewatch/v1/autoscalers";
    Router::new()
        .route(AUTOSCALERS, endpoint(Get, autoscalers::list))
        .route(&format!("{AUTOSCALERS}/{{namespace}}/{{name}}"), endpoint(Get, autoscalers::one))
        .route(
            &format!("{AUTOSCALERS}/{{namespace}}/{{name}}/decisions"),
            endpoint(Get, autoscalers::decisions),
        )
        .route("/api/tidewatch/v1/notifications", endpoint(Get, notifications::list))
        .route("/api/tidewatch/v1/slos", endpoint(Get, objectives::list))
        .route("/user/{name}", endpoint(Get, objectives::page))
        .route("/api/tidewatch/v1/simulation", endpoint(Post, simulation::simulate))
}

/// A call that is refused.
struct Refusal {
    code: StatusCode,
    error: String,
    field: Option<String>,
}

impl Refusal {
    fn new(code: StatusCode, error: impl Into<String>) -> Self {
        Self { code, error: error.into(), field: None }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut body = json!({ "error": self.error });
        if let Some(field) = self.field {
            body["field"] = field.into();
        }
        let mut response =
            EncodedBody::new(to_go_json(&body), Encoding::Identity).into_response("application/json");
        *response.status_mut() = self.code;
        response
    }
}

/// How many are asked for: `limit`, or `default` where it is not said.
fn limit(parameters: &Parameters, default: usize, most: usize) -> Result<usize, Refusal> {
    let text = match parameters.get("limit") {
        "" => return Ok(default),
        text => text,
    };
    text.parse().ok().filter(|limit| (1..=most).contains(limit)).ok_or_else(|| {
        let error = format!("limit: {text:?} is not a number from 1 to {most}");
        Refusal { field: Some("limit".to_owned()), ..Refusal::new(StatusCode::BAD_REQUEST, error) }
    })
}

fn answer(headers: &HeaderMap, body: &Value) -> Response {
    EncodedBody::new(to_go_json(body), Encoding::accepted_by(headers)).into_response("application/json")
}
