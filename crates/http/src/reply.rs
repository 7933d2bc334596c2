//! Bodies of answers: the success envelope of the Prometheus API, and compression.
//!
//! Input: a writer of `data`, warnings, what encodings the client takes. Output: finished responses. Compression is the
//! fastest gzip, for bodies that are worth it. A body that may be large, or that is made of what other stages hold behind
//! locks and in files, is made and compressed on a blocking thread: see [`on_blocking_thread`].

use crate::json::{push_escaped_text, push_list, to_go_json};
use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde::Serialize;
use std::io::Write;

/// Bodies up to this many bytes are sent as they are. Clients are on the same machine, where copying costs less processor
/// time than compressing; only very large answers, which may be on their way through a tunnel, are worth it.
const COMPRESS_FROM: usize = 1 << 20;

/// Which encodings of a body a client takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    Identity,
    Gzip,
}

impl Encoding {
    /// The best encoding that the request's `Accept-Encoding` allows.
    pub(crate) fn accepted_by(headers: &HeaderMap) -> Self {
        let accepts = |value: &HeaderValue| {
            value.to_str().unwrap_or_default().split(',').any(|part| {
                let (coding, weight) = part.split_once(';').unwrap_or((part, ""));
                let refused = weight.trim().strip_prefix("q=").is_some_and(|q| q.parse() == Ok(0.0));
                matches!(coding.trim(), "gzip" | "*") && !refused
            })
        };
        let gzip = headers.get_all(header::ACCEPT_ENCODING).iter().any(accepts);
        if gzip { Self::Gzip } else { Self::Identity }
    }
}

/// A body with what has been done to it.
#[derive(Debug)]
pub(crate) struct EncodedBody {
    bytes: Vec<u8>,
    encoding: Encoding,
}

impl EncodedBody {
    /// Compresses a body if the client takes it and it is large enough to gain.
    pub(crate) fn new(plain: Vec<u8>, accepted: Encoding) -> Self {
        if accepted == Encoding::Identity || plain.len() < COMPRESS_FROM {
            return Self { bytes: plain, encoding: Encoding::Identity };
        }
        let room = Vec::with_capacity(plain.len() / 6);
        let mut encoder = GzEncoder::new(room, Compression::fast());
        let compressed = encoder.write_all(&plain).and_then(|()| encoder.finish());
        let bytes = compressed.expect("writing into a Vec does not fail");
        Self { bytes, encoding: Encoding::Gzip }
    }

    /// A response with status 200.
    pub(crate) fn into_response(self, content_type: &'static str) -> Response {
        let mut response = Response::new(Body::from(self.bytes));
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        headers.append(header::VARY, HeaderValue::from_static("Accept-Encoding"));
        if self.encoding == Encoding::Gzip {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        response
    }
}

/// The success envelope, with `data` written by `push_data`.
pub(crate) fn success_body(
    room: usize,
    warnings: &[String],
    infos: &[String],
    push_data: impl FnOnce(&mut Vec<u8>),
) -> Vec<u8> {
    let mut body = Vec::with_capacity(room + 64);
    body.extend_from_slice(b"{\"status\":\"success\",\"data\":");
    push_data(&mut body);
    for (name, notes) in [("warnings", warnings), ("infos", infos)] {
        if !notes.is_empty() {
            body.extend_from_slice(format!(",\"{name}\":").as_bytes());
            push_list(&mut body, notes, |out, note| push_escaped_text(out, note));
        }
    }
    body.push(b'}');
    body
}

/// Makes an answer on a thread that may block, while the event loop goes on.
pub(crate) async fn on_blocking_thread<R: IntoResponse>(
    make: impl FnOnce() -> R + Send + 'static,
) -> Response {
    match tokio::task::spawn_blocking(|| make().into_response()).await {
        Ok(response) => response,
        Err(failure) => {
            tracing::error!(%failure, "an answer ended in a panic");
            let refusal = "the answer ended in a defect of tidewatch, see its log\n";
            text(StatusCode::INTERNAL_SERVER_ERROR, refusal)
        }
    }
}

/// A successful answer made of a plain struct; on a blocking thread if it may be large.
pub(crate) fn success<T: Serialize + ?Sized>(data: &T, accepted: Encoding) -> Response {
    let body = success_body(256, &[], &[], |out| out.extend_from_slice(&to_go_json(data)));
    EncodedBody::new(body, accepted).into_response("application/json")
}

/// A plain text, as Go's `http.Error` and Prometheus's management API answer.
pub(crate) fn text(status: StatusCode, text: impl Into<String>) -> Response {
    let mut response = Response::new(Body::from(text.into()));
    *response.status_mut() = status;
    let kind = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

/// What an address nobody serves answers.
pub(crate) fn not_found() -> Response {
    text(StatusCode::NOT_FOUND, "404 page not found\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gzip_is_used_where_it_is_taken_and_gains() {
        let check = |accept: Option<&str>, expected: Encoding| {
            let mut headers = HeaderMap::new();
            if let Some(accept) = accept {
                headers.insert(header::ACCEPT_ENCODING, accept.parse().unwrap());
            }
            assert_eq!(Encoding::accepted_by(&headers), expected, "{accept:?}");
        };
        check(None, Encoding::Identity);
        check(Some("gzip, deflate, br"), Encoding::Gzip);
        check(Some("br;q=1.0, gzip;q=0.8"), Encoding::Gzip);
        check(Some("gzip;q=0"), Encoding::Identity);
        check(Some("identity"), Encoding::Identity);
        check(Some("*"), Encoding::Gzip);
        assert_eq!(EncodedBody::new(vec![b'a'; 100], Encoding::Gzip).encoding, Encoding::Identity);
        let large = EncodedBody::new(vec![b'a'; 2 << 20], Encoding::Gzip);
        assert!(large.encoding == Encoding::Gzip && large.bytes.len() < 20_000);
    }

    #[test]
    fn notes_follow_the_data() {
        let notes = ["a \"b\" <c>".to_owned()];
        let body = success_body(0, &notes, &notes, |out| out.extend_from_slice(b"[]"));
        assert_eq!(
            String::from_utf8(body).unwrap(),
            r#"{"status":"success","data":[],"warnings":["a \"b\" \u003cc\u003e"],"infos":["a \"b\" \u003cc\u003e"]}"#
        );
    }
}
