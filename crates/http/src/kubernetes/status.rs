//! Failures as the API server words them: `Status` objects.
//!
//! Input: what went wrong in a call of the Kubernetes API. Output: a response with the object that `kubectl` and client
//! libraries read. Every refusal of this API is one, so that they print its message and not their own guess.

use crate::json::to_go_json;
use crate::reply::{EncodedBody, Encoding};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

/// What a write is told.
const READ_ONLY: &str = "tidewatch's Kubernetes API only reads: nothing is created, changed or deleted through it; \
                         hint: change the manifests and start tidewatch again, or apply them to a cluster";

/// A failure, as the API server words it.
#[derive(Debug)]
pub(super) struct Status {
    code: StatusCode,
    reason: &'static str,
    message: String,
    details: Value,
}

impl Status {
    fn new(code: StatusCode, reason: &'static str, message: impl Into<String>) -> Self {
        Self { code, reason, message: message.into(), details: Value::Null }
    }

    pub(super) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "BadRequest", message)
    }

    /// No object of this name; `resource` is the plural, with `.group` unless it is of the core group.
    pub(super) fn not_found(resource: &str, name: &str) -> Self {
        let (kind, group) = resource.split_once('.').unwrap_or((resource, ""));
        let mut details = json!({ "name": name, "kind": kind });
        if !group.is_empty() {
            details["group"] = group.into();
        }
        let message = format!("{resource} {name:?} not found");
        Self { details, ..Self::new(StatusCode::NOT_FOUND, "NotFound", message) }
    }

    /// A whole API that is not served, with the reason.
    pub(super) fn absent(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "NotFound", message)
    }

    /// An address of the API that does not exist.
    pub(super) fn no_such_resource() -> Self {
        Self::absent("the server could not find the requested resource")
    }

    /// An API whose source is down: it may answer later.
    pub(super) fn unavailable(message: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable", message)
    }

    pub(super) fn not_acceptable() -> Self {
        let message =
            "only the following media types are accepted: application/json, also as Table of meta.k8s.io/v1";
        Self::new(StatusCode::NOT_ACCEPTABLE, "NotAcceptable", message)
    }

    pub(super) fn internal(message: String) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "InternalError", message)
    }

    /// Watching, which is a read but not offered.
    pub(super) fn no_watch() -> Self {
        let message =
            "watch is not supported by tidewatch's Kubernetes API; hint: list again, e.g. with watch(1)";
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", message)
    }

    pub(super) fn read_only() -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", READ_ONLY)
    }
}

impl IntoResponse for Status {
    fn into_response(self) -> Response {
        let mut status = json!({
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "reason": self.reason,
            "code": self.code.as_u16(),
        });
        if !self.details.is_null() {
            status["details"] = self.details;
        }
        let mut response =
            EncodedBody::new(to_go_json(&status), Encoding::Identity).into_response("application/json");
        *response.status_mut() = self.code;
        if self.code == StatusCode::METHOD_NOT_ALLOWED {
            response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET"));
        }
        response
    }
}
