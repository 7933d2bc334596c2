//! Answers of both APIs around what they carry: envelopes, errors, compression, the gate.
//!
//! Input: bytes of data, or what went wrong. Output: responses with Jaeger's statuses and texts.

use crate::Shared;
use crate::error::ApiError;
use crate::gate::Work;
use crate::json::push_escaped_text;
use crate::reply::{EncodedBody, Encoding};
use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use std::sync::Arc;
use tidewatch_traces::TraceStore;

/// Which API answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Api {
    Legacy,
    V3,
}

/// A call that cannot be answered.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    pub(super) text: String,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, text: impl Into<String>) -> Self {
        Self { status, text: text.into() }
    }

    pub(super) fn bad(text: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, text)
    }

    /// The answer, in the API's own form.
    pub(super) fn answer(&self, api: Api) -> Response {
        let mut body = Vec::with_capacity(self.text.len() + 96);
        let code = self.status.as_u16();
        match api {
            Api::Legacy => {
                let front = "{\"data\":null,\"total\":0,\"limit\":0,\"offset\":0,\"errors\":[{\"code\":";
                body.extend_from_slice(format!("{front}{code},\"msg\":").as_bytes());
                push_escaped_text(&mut body, &self.text);
                body.extend_from_slice(b"}]}\n");
            }
            Api::V3 => {
                body.extend_from_slice(format!("{{\"error\":{{\"httpCode\":{code},\"message\":").as_bytes());
                push_escaped_text(&mut body, &self.text);
                body.extend_from_slice(b"}}\n");
            }
        }
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = self.status;
        let kind = HeaderValue::from_static("application/json");
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
        response
    }
}

/// `data` with what surrounds it in the legacy API. `errors` is JSON too.
pub(super) fn legacy(total: usize, errors: &[u8], push_data: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut body = b"{\"data\":".to_vec();
    push_data(&mut body);
    body.extend_from_slice(format!(",\"total\":{total},\"limit\":0,\"offset\":0,\"errors\":").as_bytes());
    body.extend_from_slice(errors);
    body.push(b'}');
    body
}

/// Answers from the store of spans, within the gate, on a thread that may block.
pub(super) async fn from_store(
    shared: Shared,
    headers: &HeaderMap,
    api: Api,
    make: impl FnOnce(&Arc<TraceStore>) -> Result<Vec<u8>, Refusal> + Send + 'static,
) -> Response {
    let Some(store) = shared.state.traces.clone() else {
        let text = "no traces are kept here; hint: ask the address of `tidewatch serve` or `tidewatch up`";
        return Refusal::new(StatusCode::SERVICE_UNAVAILABLE, text).answer(api);
    };
    within_gate(&shared, headers, api, move || make(&store)).await
}

/// Answers within the gate, on a thread that may block.
pub(super) async fn within_gate(
    shared: &Shared,
    headers: &HeaderMap,
    api: Api,
    make: impl FnOnce() -> Result<Vec<u8>, Refusal> + Send + 'static,
) -> Response {
    let accepted = Encoding::accepted_by(headers);
    let work = move |_: &_, _| Ok(make().map(|body| EncodedBody::new(body, accepted)));
    match shared.gate.run(Work::Lookup, None, work).await {
        Ok(Ok(body)) => body.into_response("application/json"),
        Ok(Err(refusal)) => refusal.answer(api),
        Err(error) => failed(error, api),
    }
}

/// A time-out or a defect, whose text is the gate's.
fn failed(error: ApiError, api: Api) -> Response {
    let text = error.to_string();
    let status = error.into_response().status();
    Refusal::new(status, text).answer(api)
}
