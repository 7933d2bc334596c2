//! Refusals as `application/problem+json` (RFC 9457).
//!
//! Input: what went wrong, from handlers and from the layers around them. Output: a response whose body names type, title,
//! status, detail, instance and, for input, each wrong field with its value and a remedy. `instance` (the path) is filled in by
//! the layer around the route. Deliberately holds no cause of a 5xx: that goes to the log.

use axum::{
    body::Body,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;

/// Largest accepted request body, in bytes.
pub const MAX_BODY_BYTES: usize = 64 * 1024;

/// Longest part of a refused value that is repeated in an answer, in characters.
const MAX_VALUE_CHARS: usize = 80;

/// One refused field, parameter or attribute.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FieldError {
    /// Name of the field as the caller wrote it.
    pub field: String,
    /// The refused value, shortened; `null` when it is missing.
    pub value: serde_json::Value,
    /// What is wrong and what would be right.
    pub remedy: String,
}

impl FieldError {
    /// Refuses `value` of `field`; long values are shortened in the answer.
    pub fn new(field: &str, value: serde_json::Value, remedy: impl Into<String>) -> Self {
        Self { field: shortened(field), value: shortened_value(value), remedy: remedy.into() }
    }
}

/// A refusal, on its way to the caller.
#[derive(Clone, Debug)]
pub struct Problem {
    kind: &'static str,
    title: &'static str,
    status: StatusCode,
    detail: String,
    errors: Vec<FieldError>,
    retry_after_seconds: Option<u32>,
}

#[derive(Serialize)]
struct Document<'a> {
    r#type: String,
    title: &'a str,
    status: u16,
    detail: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    instance: Option<&'a str>,
    #[serde(skip_serializing_if = "<[FieldError]>::is_empty")]
    errors: &'a [FieldError],
}

impl Problem {
    /// A problem of any kind; `kind` becomes `urn:todo:problem:<kind>`.
    pub fn new(
        status: StatusCode,
        kind: &'static str,
        title: &'static str,
        detail: impl Into<String>,
    ) -> Self {
        Self { kind, title, status, detail: detail.into(), errors: Vec::new(), retry_after_seconds: None }
    }

    /// 404: nothing is there.
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", "Not found", detail)
    }

    /// 400: the query or the path cannot be used.
    pub fn invalid_parameters(errors: Vec<FieldError>) -> Self {
        let detail = counted(errors.len(), "parameter");
        Self {
            errors,
            ..Self::new(StatusCode::BAD_REQUEST, "invalid-parameters", "Invalid parameters", detail)
        }
    }

    /// 413: the body is larger than [`MAX_BODY_BYTES`].
    pub fn body_too_large() -> Self {
        let detail = format!("the body is larger than {MAX_BODY_BYTES} bytes");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "body-too-large", "Body too large", detail)
    }

    /// 422: the body is JSON, but not one that is accepted.
    pub fn invalid_fields(errors: Vec<FieldError>) -> Self {
        let detail = counted(errors.len(), "field");
        Self {
            errors,
            ..Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid-fields", "Invalid fields", detail)
        }
    }

    /// 500: a defect or damage on this side. The cause belongs in the log.
    pub fn internal() -> Self {
        let detail = "the service failed to answer; the cause is in its log";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal-error", "Internal error", detail)
    }

    /// 503: something this service needs is not there; the same request may succeed later.
    pub fn unavailable(detail: impl Into<String>) -> Self {
        let problem =
            Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "Temporarily unavailable", detail);
        Self { retry_after_seconds: Some(1), ..problem }
    }

    /// The status it is answered with.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// What kind of problem it is: `invalid-fields`, `body-too-large`, ...
    pub fn kind(&self) -> &'static str {
        self.kind
    }

    /// What went wrong, in words.
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// Each wrong field.
    pub fn errors(&self) -> &[FieldError] {
        &self.errors
    }

    /// The response, with the path of the request as `instance`.
    pub(crate) fn respond(&self, instance: Option<&str>) -> Response {
        let document = Document {
            r#type: format!("urn:todo:problem:{}", self.kind),
            title: self.title,
            status: self.status.as_u16(),
            detail: &self.detail,
            instance,
            errors: &self.errors,
        };
        let body = serde_json::to_vec(&document).expect("strings and numbers always serialise");
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(seconds) = self.retry_after_seconds {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.respond(None);
        response.extensions_mut().insert(self);
        response
    }
}

fn counted(number: usize, what: &str) -> String {
    match number {
        1 => format!("1 {what} is refused"),
        _ => format!("{number} {what}s are refused"),
    }
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(MAX_VALUE_CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

fn shortened_value(value: serde_json::Value) -> serde_json::Value {
    match value {
        serde_json::Value::String(text) => shortened(&text).into(),
        serde_json::Value::Array(_) | serde_json::Value::Object(_) => shortened(&value.to_string()).into(),
        scalar => scalar,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn long_values_are_repeated_shortened() {
        let check = |value: serde_json::Value, expected: serde_json::Value| {
            assert_eq!(FieldError::new("f", value, "r").value, expected);
        };
        check(json!("ä".repeat(300)), json!(format!("{}…", "ä".repeat(80))));
        check(json!(null), json!(null));
        check(json!({"a": [1, 2]}), json!("{\"a\":[1,2]}"));
        check(json!(12), json!(12));
    }

    #[tokio::test]
    async fn the_body_has_every_member_of_the_standard() {
        let problem = Problem::invalid_fields(vec![FieldError::new("title", json!(""), "give it a title")]);
        let response = problem.respond(Some("/api/tasks"));
        assert_eq!(response.headers()[header::CONTENT_TYPE], "application/problem+json");
        let body = axum::body::to_bytes(response.into_body(), 4096).await.unwrap();
        assert_eq!(
            serde_json::from_slice::<serde_json::Value>(&body).unwrap(),
            json!({
                "type": "urn:todo:problem:invalid-fields",
                "title": "Invalid fields",
                "status": 422,
                "detail": "1 field is refused",
                "instance": "/api/tasks",
                "errors": [{"field": "title", "value": "", "remedy": "give it a title"}],
            })
        );
    }
}
