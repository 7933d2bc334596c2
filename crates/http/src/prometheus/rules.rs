//! `rules`, `alerts` and `alertmanagers`.
//!
//! Input: nothing yet: rules are read and checked with the manifests but not evaluated, and nobody is notified. Output:
//! empty lists, which is what is true of a server that evaluates no rules.

use crate::error::ApiError;
use crate::parameters::Parameters;
use crate::reply::{Encoding, success};
use axum::http::HeaderMap;
use axum::response::Response;
use serde_json::json;

pub(crate) async fn rules(headers: HeaderMap, parameters: Parameters) -> Result<Response, ApiError> {
    let kind = parameters.get("type");
    if !matches!(kind.to_ascii_lowercase().as_str(), "" | "alert" | "record") {
        return Err(ApiError::parameter("type", format!("not supported value {kind:?}")));
    }
    Ok(success(&json!({ "groups": [] }), Encoding::accepted_by(&headers)))
}

pub(crate) async fn alerts(headers: HeaderMap) -> Response {
    success(&json!({ "alerts": [] }), Encoding::accepted_by(&headers))
}

pub(crate) async fn alertmanagers(headers: HeaderMap) -> Response {
    let none = json!({ "activeAlertmanagers": [], "droppedAlertmanagers": [] });
    success(&none, Encoding::accepted_by(&headers))
}
