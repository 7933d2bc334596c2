//! The form of answers and refusals.
//!
//! Input: JSON, or what is wrong. Output: responses. A refusal of the request as such has a code and a message; one of what it asks for is a
//! text, in quotes as JSON; one or the other is chosen as Alertmanager and the library under its API do.

use crate::json::{push_escaped_text, push_text};
use crate::reply::{EncodedBody, Encoding};
use axum::body::Body;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};

/// A call that is refused.
#[derive(Debug)]
pub(super) enum Refusal {
    /// Nothing is said but the status.
    Silent(StatusCode),
    /// A text.
    Said(StatusCode, String),
    /// A code, which is the status up to 599 and a kind of mistake (status 422) above, and a message.
    Coded(u16, String),
    /// Another method is needed, one of these.
    MethodNotAllowed(Method, &'static str),
}

impl Refusal {
    pub(super) fn bad(text: impl Into<String>) -> Self {
        Self::Said(StatusCode::BAD_REQUEST, text.into())
    }

    pub(super) fn coded(code: u16, message: impl Into<String>) -> Self {
        Self::Coded(code, message.into())
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        match self {
            Self::Silent(status) => empty(status),
            Self::Said(status, text) => {
                let mut body = Vec::with_capacity(text.len() + 8);
                push_text(&mut body, &text);
                body.push(b'\n');
                with_json(status, body)
            }
            Self::Coded(code, message) => {
                let status = StatusCode::from_u16(code).ok().filter(|_| code < 600);
                let mut body = format!("{{\"code\":{code},\"message\":").into_bytes();
                push_escaped_text(&mut body, &message);
                body.push(b'}');
                with_json(status.unwrap_or(StatusCode::UNPROCESSABLE_ENTITY), body)
            }
            Self::MethodNotAllowed(method, allow) => {
                let message = format!("method {method} is not allowed, but [{allow}] are");
                let mut response = Self::Coded(405, message).into_response();
                response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allow));
                response
            }
        }
    }
}

fn with_json(status: StatusCode, body: Vec<u8>) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// An answer without a body.
pub(super) fn empty(status: StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

/// An answer with JSON.
pub(super) fn json(mut body: Vec<u8>, accepted: Encoding) -> Response {
    body.push(b'\n');
    EncodedBody::new(body, accepted).into_response("application/json")
}
