//! The way to the application.
//!
//! Input: a method, a path, headers and a body. Output: the application's answer. It counts, limits requests at once, and refuses while
//! the application is unhealthy. As in daprd there is no limit of time: a Resiliency policy sets one.

use crate::http_client::{self, Answer, HttpClient};
use crate::measures::{Measures, elapsed_ms};
use crate::trace_context::SpanContext;
use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue, USER_AGENT};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{Semaphore, watch};

/// The connection to an application.
pub(crate) struct AppChannel {
    client: HttpClient,
    address: SocketAddr,
    token: Option<HeaderValue>,
    permits: Option<Semaphore>,
    /// Whether the application is healthy; always true where it is not probed.
    healthy: watch::Receiver<bool>,
    measures: Arc<Measures>,
    most_bytes: usize,
}

/// A request to the application.
#[derive(Debug)]
pub(crate) struct AppRequest<'a> {
    pub(crate) method: hyper::Method,
    pub(crate) path: &'a str,
    pub(crate) content_type: &'static str,
    /// Those that are no valid headers are left out.
    pub(crate) headers: &'a [(String, String)],
    pub(crate) body: Bytes,
    pub(crate) span: Option<&'a SpanContext>,
}

impl AppChannel {
    pub(crate) fn new(
        address: SocketAddr,
        options: &crate::SidecarOptions,
        healthy: watch::Receiver<bool>,
        measures: Arc<Measures>,
    ) -> Self {
        Self {
            client: http_client::client(),
            address,
            token: options.app_api_token.as_deref().and_then(|token| HeaderValue::from_str(token).ok()),
            permits: options.app_max_concurrency.map(Semaphore::new),
            healthy,
            measures,
            most_bytes: options.max_body_bytes,
        }
    }

    /// Sends a request to the application.
    ///
    /// # Errors
    /// When it is unhealthy, or does not answer.
    pub(crate) async fn invoke(&self, request: AppRequest<'_>) -> Result<Answer, String> {
        if !*self.healthy.borrow() {
            return Err("app is not in a healthy state".to_owned());
        }
        let (method, path) = (request.method.clone(), request.path);
        let http = self.http(request)?;
        let _permit = match &self.permits {
            Some(permits) => permits.acquire().await.ok(),
            None => None,
        };
        self.measures.client_started(method.as_str(), path);
        let start = Instant::now();
        let answer = http_client::send(&self.client, http, self.most_bytes).await;
        let (status, received) = answer.as_ref().map_or((500, 0), |answer| (answer.status, answer.announced));
        self.measures.client(method.as_str(), path, status, received, elapsed_ms(start));
        answer
    }

    fn http(&self, request: AppRequest<'_>) -> Result<hyper::Request<Full<Bytes>>, String> {
        let slash = if request.path.starts_with('/') { "" } else { "/" };
        let uri = format!("http://{}{slash}{}", self.address, request.path);
        let mut http = hyper::Request::builder()
            .method(request.method)
            .uri(&uri)
            .body(Full::new(request.body))
            .map_err(|error| format!("{uri}: {error}"))?;
        let headers = http.headers_mut();
        for (name, value) in request.headers {
            let Some((name, value)) = app_header(name, value) else { continue };
            headers.append(name, value);
        }
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(request.content_type));
        headers.insert(USER_AGENT, HeaderValue::from_static("tidewatch-sidecar"));
        if let Some(span) = request.span {
            headers.insert(
                "traceparent",
                HeaderValue::from_str(&span.to_string()).expect("hex is a header value"),
            );
            if let Ok(state) = HeaderValue::from_str(&span.state)
                && !span.state.is_empty()
            {
                headers.insert("tracestate", state);
            }
        }
        if let Some(token) = &self.token {
            headers.insert("dapr-api-token", token.clone());
        }
        Ok(http)
    }

    /// Whether the application answers a probe with success.
    pub(crate) async fn probe(&self, path: &str, timeout: Duration) -> bool {
        let uri = format!("http://{}/{}", self.address, path.trim_start_matches('/'));
        let Ok(request) = hyper::Request::get(uri).body(Full::default()) else { return false };
        let start = Instant::now();
        let answer =
            tokio::time::timeout(timeout, http_client::send(&self.client, request, self.most_bytes)).await;
        let status = answer.ok().and_then(Result::ok).map_or(500, |answer| answer.status);
        self.measures.health_probe(status, elapsed_ms(start));
        (200..300).contains(&status)
    }

    /// Waits until something listens at the application's port.
    pub(crate) async fn wait_until_listening(&self) {
        const ATTEMPT: Duration = Duration::from_millis(500);
        const PAUSE: Duration = Duration::from_millis(100);
        while !matches!(
            tokio::time::timeout(ATTEMPT, tokio::net::TcpStream::connect(self.address)).await,
            Ok(Ok(_))
        ) {
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// A message's metadata as a header of the request, the way daprd passes it on.
fn app_header(name: &str, value: &str) -> Option<(HeaderName, HeaderValue)> {
    const LEFT_OUT: [&str; 7] = [
        "traceparent",
        "tracestate",
        "grpc-trace-bin",
        "destination-app-id",
        "content-type",
        "content-length",
        "host",
    ];
    const CONNECTION: [&str; 3] = ["connection", "transfer-encoding", "upgrade"];
    let name = name.to_ascii_lowercase();
    if LEFT_OUT.contains(&name.as_str()) || CONNECTION.contains(&name.as_str()) || name.ends_with("-bin") {
        return None;
    }
    let name = if name.starts_with("grpc-") { format!("dapr-{name}") } else { name };
    Some((name.parse().ok()?, HeaderValue::from_bytes(value.as_bytes()).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_becomes_headers() {
        let check = |name: &str, value: &str, expected: Option<&str>| {
            let got = app_header(name, value).map(|(name, _)| name.as_str().to_owned());
            assert_eq!(got.as_deref(), expected, "{name}");
        };
        check("__key", "7", Some("__key"));
        check("pubsubName", "bus", Some("pubsubname"));
        check("grpc-timeout", "1S", Some("dapr-grpc-timeout"));
        check("Content-Type", "x", None);
        check("content-length", "3", None);
        check("traceparent", "00-", None);
        check("a-bin", "x", None);
        check("a b", "x", None);
        check("a", "line\nbreak", None);
        check("transfer-encoding", "chunked", None);
    }
}
