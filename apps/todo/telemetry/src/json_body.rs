//! Reads a JSON request body within bounds.
//!
//! Input: headers and a streamed body. Output: a JSON value, or the problem that names what is wrong: content type (415), size
//! (413), slowness (408), syntax with its position (400). Deliberately does not look at the value's members.

use std::time::Duration;

use axum::{
    body::Body,
    http::{HeaderMap, StatusCode, header},
};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde_json::Value;

use crate::{MAX_BODY_BYTES, Problem};

/// Longest time a caller may take to send its body.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// Most bytes of a refused body that are read on.
const MAX_DISCARDED_BYTES: usize = 32 * 1024 * 1024;

/// Reads a body of type `application/json` or `application/<something>+json`.
///
/// # Errors
/// The [`Problem`] to answer with.
pub async fn read_json(headers: &HeaderMap, mut body: Body) -> Result<Value, Problem> {
    check_content_type(headers)?;
    if let Err(problem) = check_declared_length(headers) {
        discard(body);
        return Err(problem);
    }
    let read = tokio::time::timeout(BODY_TIMEOUT, Limited::new(&mut body, MAX_BODY_BYTES).collect());
    let bytes = match read.await {
        Ok(Ok(collected)) => collected.to_bytes(),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            discard(body);
            return Err(Problem::body_too_large());
        }
        Ok(Err(_)) => {
            let detail = "the connection ended before the announced body did";
            return Err(Problem::new(StatusCode::BAD_REQUEST, "incomplete-body", "Incomplete body", detail));
        }
        Err(_) => {
            let detail = format!("the body did not arrive within {} s", BODY_TIMEOUT.as_secs());
            return Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "slow-body", "Body too slow", detail));
        }
    };
    serde_json::from_slice(&bytes).map_err(|error| {
        let detail = if bytes.is_empty() {
            "the body is empty; hint: send a JSON object".to_owned()
        } else {
            format!("the body is not JSON: {error}")
        };
        Problem::new(StatusCode::BAD_REQUEST, "malformed-json", "Malformed JSON", detail)
    })
}

/// Reads on what was refused, within bounds and in the background: a caller who is still sending would otherwise meet a closed
/// connection, and never see the refusal.
pub fn discard(body: Body) {
    let reading = async {
        let mut rest = Limited::new(body, MAX_DISCARDED_BYTES);
        while let Some(Ok(_)) = rest.frame().await {}
    };
    tokio::spawn(tokio::time::timeout(BODY_TIMEOUT, reading));
}

/// Refuses a body that announces itself as larger than [`MAX_BODY_BYTES`].
///
/// # Errors
/// The [`Problem`] to answer with.
pub fn check_declared_length(headers: &HeaderMap) -> Result<(), Problem> {
    let declared: Option<u64> =
        headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    match declared {
        Some(length) if length > MAX_BODY_BYTES as u64 => Err(Problem::body_too_large()),
        _ => Ok(()),
    }
}

fn check_content_type(headers: &HeaderMap) -> Result<(), Problem> {
    let given = headers.get(header::CONTENT_TYPE).map(|value| String::from_utf8_lossy(value.as_bytes()));
    let kind = given
        .as_deref()
        .unwrap_or_default()
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    if kind == "application/json" || (kind.starts_with("application/") && kind.ends_with("+json")) {
        return Ok(());
    }
    let found =
        if kind.is_empty() { "no content type".to_owned() } else { format!("content type \"{kind}\"") };
    Err(Problem::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "unsupported-media-type",
        "Unsupported media type",
        format!("the body has {found}; hint: send content-type: application/json"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn check(content_type: &'static str, body: impl Into<Body>, expected: Result<Value, (u16, &str)>) {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, content_type.parse().unwrap());
        match (read_json(&headers, body.into()).await, expected) {
            (Ok(value), Ok(expected)) => assert_eq!(value, expected),
            (Err(problem), Err((status, text))) => {
                assert_eq!(problem.status(), status);
                assert!(format!("{problem:?}").contains(text), "{problem:?} lacks {text}");
            }
            (outcome, expected) => panic!("{outcome:?} instead of {expected:?}"),
        }
    }

    #[tokio::test]
    async fn bodies_are_read_or_refused_with_the_reason() {
        check("application/json; charset=utf-8", "{}", Ok(serde_json::json!({}))).await;
        check("application/cloudevents+json", "1", Ok(serde_json::json!(1))).await;
        check("text/plain", "{}", Err((415, "text/plain"))).await;
        check("", "{}", Err((415, "no content type"))).await;
        check("application/json", "", Err((400, "empty"))).await;
        check("application/json", "{\n \"a\": }", Err((400, "line 2 column 7"))).await;
        check("application/json", "9".repeat(MAX_BODY_BYTES + 1), Err((413, "65536 bytes"))).await;
    }
}
