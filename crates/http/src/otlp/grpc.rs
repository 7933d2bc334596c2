//! OTLP/gRPC: `TraceService/Export` over HTTP/2 without TLS, on a listener of its own.
//!
//! ```text
//! message = flag (1 byte: 1 when compressed) length (4 bytes, big endian) bytes
//! ```
//!
//! Input: unary calls. Output: an `ExportTraceServiceResponse` and trailers, or trailers only with a gRPC status. One message
//! each way is all that OTLP has, so there is no streaming here, no reflection and no health service.

use super::compression::Compression;
use super::{Received, Receiver, Refused, Transport, body};
use crate::Shared;
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use axum::routing::any;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use std::sync::Arc;
use tidewatch_model::push_percent_encoded;
use tidewatch_otlp::{Code, Notation, export_response};

const EXPORT: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
/// Services of the same protocol that senders may expect here.
const OTHER_SERVICES: [&str; 3] = [
    "/opentelemetry.proto.collector.metrics.v1.MetricsService/",
    "/opentelemetry.proto.collector.logs.v1.LogsService/",
    "/opentelemetry.proto.collector.profiles.v1development.ProfilesService/",
];
/// Bytes before a message.
const PREFIX: usize = 5;

const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
const GRPC_ENCODING: HeaderName = HeaderName::from_static("grpc-encoding");
const GRPC_ACCEPT_ENCODING: HeaderName = HeaderName::from_static("grpc-accept-encoding");

pub(crate) fn routes() -> Router<Shared> {
    Router::new().route(EXPORT, any(export)).fallback(unknown)
}

async fn export(State(shared): State<Shared>, request: Request) -> Response {
    if let Some(refusal) = not_grpc(&request) {
        return refusal;
    }
    let Some(receiver) = &shared.receiver else {
        return failed(Code::Unimplemented, "no traces are kept here");
    };
    match take(receiver, request).await {
        Ok((rejected, message)) => succeeded(&export_response(Notation::Protobuf, rejected, &message)),
        Err(refused) => {
            receiver.count_refused(Transport::Grpc, &refused);
            failed(refused.code, &refused.text)
        }
    }
}

async fn unknown(request: Request) -> Response {
    if let Some(refusal) = not_grpc(&request) {
        return refusal;
    }
    let path = request.uri().path();
    if OTHER_SERVICES.iter().any(|service| path.starts_with(service)) {
        return failed(
            Code::Unimplemented,
            "tidewatch takes traces only; metrics, logs and profiles are not taken over OTLP",
        );
    }
    failed(Code::Unimplemented, &format!("unknown service or method {path}"))
}

/// The answer to a request that is no gRPC call.
fn not_grpc(request: &Request) -> Option<Response> {
    let kind = request.headers().get(header::CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
    let is_grpc = matches!(
        kind.strip_prefix(b"application/grpc"),
        Some([] | [b';', ..] | b"+proto" | [b'+', b'p', b'r', b'o', b't', b'o', b';', ..])
    );
    if request.method() == Method::POST && is_grpc {
        return None;
    }
    let mut response = crate::reply::text(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "this port speaks gRPC; OTLP/HTTP is on another, usually 4318\n",
    );
    if request.method() != Method::POST {
        *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
        response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("POST"));
    }
    Some(response)
}

async fn take(receiver: &Arc<Receiver>, request: Request) -> Result<(u64, String), Refused> {
    let encoding = request.headers().get(GRPC_ENCODING).map(|value| value.to_str().unwrap_or("?"));
    let encoding = encoding.unwrap_or("identity");
    let Some(compression) = Compression::named(encoding) else {
        let why = format!("unsupported grpc-encoding {encoding:?}, supported: identity, gzip");
        return Err(Refused::new("unsupported", Code::Unimplemented, why));
    };
    let limit = receiver.limits.max_request_bytes;
    let framed = body::receive(request.into_body(), limit.saturating_add(PREFIX), &receiver.budget).await;
    let (framed, reserved) = framed?;
    let (is_compressed, bytes) = message(&framed)?;
    let compression = if is_compressed { compression } else { Compression::None };
    if is_compressed && compression == Compression::None {
        return Err(Refused::malformed("a message is compressed, but grpc-encoding does not say how"));
    }
    let received = Received { bytes, reserved, compression, notation: Notation::Protobuf };
    receiver.take(Transport::Grpc, received).await
}

/// The one message of a call, and whether it is compressed.
fn message(framed: &Bytes) -> Result<(bool, Bytes), Refused> {
    let Some(([flag, length @ ..], rest)) = framed.split_first_chunk::<PREFIX>() else {
        return Err(Refused::malformed("the call has no message"));
    };
    let length = u32::from_be_bytes(*length) as usize;
    if length != rest.len() {
        let why = format!("the message should have {length} bytes, but {} came", rest.len());
        return Err(Refused::malformed(why));
    }
    match flag {
        0 | 1 => Ok((*flag == 1, framed.slice(PREFIX..))),
        _ => Err(Refused::malformed(format!("the message has the unknown flag {flag}"))),
    }
}

fn succeeded(message: &[u8]) -> Response {
    let mut framed = Vec::with_capacity(PREFIX + message.len());
    framed.push(0);
    framed.extend_from_slice(&u32::try_from(message.len()).unwrap_or(0).to_be_bytes());
    framed.extend_from_slice(message);
    let trailers = async { Some(Ok(HeaderMap::from_iter([(GRPC_STATUS, HeaderValue::from_static("0"))]))) };
    grpc(Body::new(Full::from(framed).with_trailers(trailers)))
}

fn failed(code: Code, why: &str) -> Response {
    let mut response = grpc(Body::empty());
    let headers = response.headers_mut();
    headers.insert(GRPC_STATUS, HeaderValue::from(code as u16));
    if let Ok(message) = HeaderValue::try_from(percent_encoded(why)) {
        headers.insert(GRPC_MESSAGE, message);
    }
    response
}

fn grpc(body: Body) -> Response {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert(GRPC_ACCEPT_ENCODING, HeaderValue::from_static("identity,gzip"));
    response
}

/// As `grpc-message` is written: visible ASCII but `%`, everything else as `%XX`.
fn percent_encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    push_percent_encoded(&mut out, text, |byte| matches!(byte, b' '..=b'~') && byte != b'%');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_has_one_whole_message() {
        let check = |framed: &'static [u8], expected: Result<(bool, &[u8]), &str>| {
            let read = message(&Bytes::from_static(framed));
            let read =
                read.as_ref().map(|(flag, bytes)| (*flag, &bytes[..])).map_err(|refused| &*refused.text);
            assert_eq!(read, expected);
        };
        check(b"\0\0\0\0\0", Ok((false, b"")));
        check(b"\x01\0\0\0\x02ab", Ok((true, b"ab")));
        check(b"", Err("the call has no message"));
        check(b"\0\0\0\0", Err("the call has no message"));
        check(b"\0\0\0\0\x03ab", Err("the message should have 3 bytes, but 2 came"));
        check(b"\0\0\0\0\x01ab", Err("the message should have 1 bytes, but 2 came"));
        check(b"\x02\0\0\0\0", Err("the message has the unknown flag 2"));
    }

    #[test]
    fn messages_of_errors_are_escaped() {
        assert_eq!(percent_encoded("100% ä\n"), "100%25 %C3%A4%0A");
    }
}
