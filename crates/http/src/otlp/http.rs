//! OTLP/HTTP: `POST /v1/traces`, protobuf or JSON, on a listener of its own.
//!
//! Input: requests as OpenTelemetry's SDKs send them. Output: an `ExportTraceServiceResponse`, or a `google.rpc.Status` with
//! the status codes of the protocol: 400 for what will never be taken, 413 for what is too large, 415 for another type or
//! compression, 503 with `Retry-After` for later. `/v1/metrics` and `/v1/logs` say that only traces are taken.

use super::compression::Compression;
use super::{Received, Receiver, Refused, Transport, body};
use crate::Shared;
use crate::reply::text;
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use axum::routing::any;
use std::sync::Arc;
use tidewatch_otlp::{Code, Notation, export_response, status};

pub(crate) fn routes() -> Router<Shared> {
    Router::new()
        .route("/v1/traces", any(traces))
        .route("/v1/metrics", any(async || not_taken("metrics")))
        .route("/v1/logs", any(async || not_taken("logs")))
        .fallback(async || crate::reply::not_found())
}

fn not_taken(what: &str) -> Response {
    let why = format!("tidewatch takes traces only, at /v1/traces; {what} are not taken over OTLP\n");
    text(StatusCode::NOT_FOUND, why)
}

async fn traces(State(shared): State<Shared>, request: Request) -> Response {
    let Some(receiver) = &shared.receiver else {
        return text(StatusCode::SERVICE_UNAVAILABLE, "no traces are kept here\n");
    };
    if request.method() != Method::POST {
        let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "405 method not allowed, supported: [POST]");
        response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("POST"));
        return response;
    }
    let Some(notation) = notation_of(request.headers()) else {
        let why = "415 unsupported media type, supported: [application/json, application/x-protobuf]";
        receiver.metrics.refused(Transport::Http, "unsupported");
        return text(StatusCode::UNSUPPORTED_MEDIA_TYPE, why);
    };
    match take(receiver, notation, request).await {
        Ok((rejected, message)) => {
            answer(notation, StatusCode::OK, export_response(notation, rejected, &message))
        }
        Err(refused) => {
            receiver.count_refused(Transport::Http, &refused);
            refusal(notation, &refused)
        }
    }
}

async fn take(
    receiver: &Arc<Receiver>,
    notation: Notation,
    request: Request,
) -> Result<(u64, String), Refused> {
    let compression = compression_of(request.headers())?;
    let limit = receiver.limits.max_request_bytes;
    let (bytes, reserved) = body::receive(request.into_body(), limit, &receiver.budget).await?;
    receiver.take(Transport::Http, Received { bytes, reserved, compression, notation }).await
}

fn notation_of(headers: &HeaderMap) -> Option<Notation> {
    let kind = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if kind.eq_ignore_ascii_case("application/x-protobuf") {
        Some(Notation::Protobuf)
    } else if kind.eq_ignore_ascii_case("application/json") {
        Some(Notation::Json)
    } else {
        None
    }
}

fn compression_of(headers: &HeaderMap) -> Result<Compression, Refused> {
    let Some(value) = headers.get(header::CONTENT_ENCODING) else {
        return Ok(Compression::None);
    };
    let name = value.to_str().unwrap_or("?");
    Compression::named(name).ok_or_else(|| {
        let why =
            format!("unsupported Content-Encoding {name:?}\nhint: send gzip, deflate, or no compression");
        Refused::new("unsupported", Code::InvalidArgument, why)
    })
}

fn refusal(notation: Notation, refused: &Refused) -> Response {
    let code = match (refused.reason, refused.code) {
        ("unsupported", _) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        (_, Code::ResourceExhausted) => StatusCode::PAYLOAD_TOO_LARGE,
        (_, Code::Unavailable) => StatusCode::SERVICE_UNAVAILABLE,
        (_, Code::Internal) => StatusCode::INTERNAL_SERVER_ERROR,
        _ => StatusCode::BAD_REQUEST,
    };
    let mut response = answer(notation, code, status(notation, refused.code, &refused.text));
    if code == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}

fn answer(notation: Notation, code: StatusCode, body: Vec<u8>) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = code;
    let kind = match notation {
        Notation::Protobuf => "application/x-protobuf",
        Notation::Json => "application/json",
    };
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}
