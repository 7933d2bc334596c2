//! The HTTP client for the application and the collector.
//!
//! Input: a request with a whole body. Output: status and a body within bounds. HTTP/1.1, no TLS, no redirects.

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use std::time::Duration;

/// The client; clones share its connections.
pub(crate) type HttpClient = Client<HttpConnector, Full<Bytes>>;

/// What was answered.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// The length that was announced; 0 where none was.
    pub(crate) announced: u64,
    pub(crate) body: Bytes,
}

/// A client that keeps few idle connections, for a short time.
pub(crate) fn client() -> HttpClient {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    connector.set_connect_timeout(Some(Duration::from_secs(5)));
    Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(Duration::from_secs(30))
        .pool_max_idle_per_host(16)
        .build(connector)
}

/// Sends a request and reads the whole answer, of at most `most` bytes.
///
/// # Errors
/// When nobody answers, or with too much.
pub(crate) async fn send(
    client: &HttpClient,
    request: hyper::Request<Full<Bytes>>,
    most: usize,
) -> Result<Answer, String> {
    let response = client.request(request).await.map_err(|error| causes(&error))?;
    let status = response.status().as_u16();
    let announced = response
        .headers()
        .get(hyper::header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse().ok());
    let body =
        Limited::new(response.into_body(), most).collect().await.map_err(|error| causes(error.as_ref()))?;
    Ok(Answer { status, announced: announced.unwrap_or(0), body: body.to_bytes() })
}

/// An error with what caused it, in one line.
fn causes(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}
