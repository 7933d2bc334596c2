//! What can go wrong: a listener that cannot be opened, and a call that cannot be answered.
//!
//! [`ServerError`] is for whoever starts the server and names the remedy; [`ApiError`] becomes the error envelope of the
//! Prometheus API, with its types, status codes and texts. Other APIs have their own envelopes in their modules.

use crate::json::push_escaped_text;
use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

/// A server that could not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
    /// Another socket has the address.
    #[error("{address} is in use{}; hint: stop it, or choose another address with {flag} (port 0 takes a free one)",
        .holder.as_ref().map(|holder| format!(" by {holder}")).unwrap_or_default())]
    AddressInUse {
        /// The address asked for.
        address: SocketAddr,
        /// The flag that changes it.
        flag: String,
        /// The process that has it, as `name (pid 123)`, where that can be found out.
        holder: Option<String>,
    },
    /// The address is reachable from other machines, which needs credentials.
    #[error(
        "{address} is reachable from other machines, and there are no credentials to protect it: a web configuration \
         file with users is not supported yet; hint: give {flag} a loopback address such as 127.0.0.1:{port}, and put a \
         proxy with authentication before it", port = .address.port()
    )]
    NotLoopback {
        /// The address asked for.
        address: SocketAddr,
        /// The flag that changes it.
        flag: String,
    },
    /// The address could not be bound for another reason.
    #[error("cannot listen on {address} (set by {flag})")]
    Bind {
        /// The address asked for.
        address: SocketAddr,
        /// The flag that changes it.
        flag: String,
        /// What the operating system says.
        source: io::Error,
    },
    /// A file of sampling strategies cannot be used.
    #[error("{file}: {problem}")]
    SamplingStrategies {
        /// The file.
        file: String,
        /// The field, its value and a remedy.
        problem: String,
    },
}

/// The types of error of the Prometheus API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ErrorType {
    BadData,
    Execution,
    Canceled,
    Timeout,
    Internal,
    Unavailable,
}

impl ErrorType {
    fn name(self) -> &'static str {
        match self {
            Self::BadData => "bad_data",
            Self::Execution => "execution",
            Self::Canceled => "canceled",
            Self::Timeout => "timeout",
            Self::Internal => "internal",
            Self::Unavailable => "unavailable",
        }
    }

    fn status(self) -> StatusCode {
        match self {
            Self::BadData => StatusCode::BAD_REQUEST,
            Self::Execution => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Canceled => StatusCode::from_u16(499).expect("499 is in range"),
            Self::Timeout => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal | Self::Unavailable => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

/// A call of the Prometheus API that failed.
#[derive(Debug)]
pub(crate) struct ApiError {
    kind: ErrorType,
    status: StatusCode,
    text: String,
}

impl ApiError {
    pub(crate) fn new(kind: ErrorType, text: impl fmt::Display) -> Self {
        Self { kind, status: kind.status(), text: text.to_string() }
    }

    pub(crate) fn bad_data(text: impl fmt::Display) -> Self {
        Self::new(ErrorType::BadData, text)
    }

    pub(crate) fn parameter(name: &str, error: impl fmt::Display) -> Self {
        Self::bad_data(format!("invalid parameter {name:?}: {error}"))
    }

    pub(crate) fn body_too_large(limit: usize) -> Self {
        let text = format!("error parsing form values: the request body is larger than {limit} bytes");
        Self { status: StatusCode::PAYLOAD_TOO_LARGE, ..Self::bad_data(text) }
    }

    pub(crate) fn body_too_slow(limit: Duration) -> Self {
        let text =
            format!("error parsing form values: the request body took longer than {}s", limit.as_secs());
        Self { status: StatusCode::REQUEST_TIMEOUT, ..Self::bad_data(text) }
    }

    /// A part of the API that Prometheus has and tidewatch does not.
    pub(crate) fn not_supported(what: &str) -> Self {
        let text = format!("{what} is not supported by tidewatch");
        Self { status: StatusCode::NOT_IMPLEMENTED, ..Self::new(ErrorType::Unavailable, text) }
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut body = Vec::with_capacity(64 + self.text.len());
        body.extend_from_slice(b"{\"status\":\"error\",\"errorType\":\"");
        body.extend_from_slice(self.kind.name().as_bytes());
        body.extend_from_slice(b"\",\"error\":");
        push_escaped_text(&mut body, &self.text);
        body.push(b'}');
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = self.status;
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_that_stop_the_start_name_address_flag_and_remedy() {
        let address: SocketAddr = "0.0.0.0:9090".parse().unwrap();
        let flag = "--web.listen-address".to_owned();
        let check = |error: ServerError, expected: &str| assert_eq!(error.to_string(), expected);
        check(
            ServerError::AddressInUse { address, flag: flag.clone(), holder: Some("nginx (pid 7)".into()) },
            "0.0.0.0:9090 is in use by nginx (pid 7); hint: stop it, or choose another address with \
             --web.listen-address (port 0 takes a free one)",
        );
        check(
            ServerError::NotLoopback { address, flag },
            "0.0.0.0:9090 is reachable from other machines, and there are no credentials to protect it: a web \
             configuration file with users is not supported yet; hint: give --web.listen-address a loopback address \
             such as 127.0.0.1:9090, and put a proxy with authentication before it",
        );
    }
}
