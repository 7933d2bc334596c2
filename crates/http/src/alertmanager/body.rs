//! Bodies of changes: JSON of a bounded size, sent in bounded time.
//!
//! Input: a request. Output: an object of [`super::postable`], or a refusal. Like the library under Alertmanager's API it reads the first
//! value of a body and ignores what follows, and takes no word for the type of a body that is not there.

use super::reply::Refusal;
use axum::body::Body;
use axum::http::{HeaderMap, header};
use bytes::Bytes;
use serde::Deserialize;
use std::time::Duration;
use tokio::time::timeout;

/// The longest body, in bytes: Prometheus sends 256 alerts at once, and a silence takes 64 KiB at most.
const MAX_BODY_BYTES: usize = 4 << 20;
/// How long a client may take to send it.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// Reads a body; `what` is what it holds.
pub(super) async fn read(headers: &HeaderMap, body: Body, what: &str) -> Result<Bytes, Refusal> {
    let body = match timeout(BODY_TIMEOUT, axum::body::to_bytes(body, MAX_BODY_BYTES)).await {
        Ok(Ok(body)) => body,
        Ok(Err(_)) => {
            let text = format!("{what}: the body is larger than {MAX_BODY_BYTES} bytes, or was cut off");
            return Err(Refusal::coded(413, text));
        }
        Err(_) => {
            let text = format!("{what}: the body took longer than {} s", BODY_TIMEOUT.as_secs());
            return Err(Refusal::coded(408, text));
        }
    };
    if !body.is_empty() {
        check_type(headers)?;
    }
    Ok(body)
}

fn check_type(headers: &HeaderMap) -> Result<(), Refusal> {
    let said = headers.get(header::CONTENT_TYPE).map(|value| String::from_utf8_lossy(value.as_bytes()));
    let said = said.as_deref().filter(|said| !said.is_empty()).unwrap_or("application/octet-stream");
    let kind = said.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match kind.split_once('/') {
        _ if kind == "application/json" => Ok(()),
        Some((front, back)) if !front.is_empty() && !back.is_empty() => {
            let text = format!("unsupported media type {kind:?}, only [application/json] are allowed");
            Err(Refusal::coded(415, text))
        }
        _ => {
            let text =
                format!("parsing Content-Type header from {said:?} failed, because it is no media type");
            Err(Refusal::coded(400, text))
        }
    }
}

/// The first value of a body.
pub(super) fn decode<'a, T: Deserialize<'a>>(text: &'a str, what: &str) -> Result<T, Refusal> {
    if text.trim_matches([' ', '\t', '\r', '\n']).is_empty() {
        return Err(Refusal::coded(602, format!("{what} in body is required")));
    }
    let wrong = |error| Refusal::coded(400, format!("parsing {what} body from \"\" failed, because {error}"));
    T::deserialize(&mut serde_json::Deserializer::from_str(text)).map_err(wrong)
}
