//! Fetches a page: connects, follows redirects, reads the body into reused memory, within the job's time and size.
//!
//! Input: a [`PageRequest`]. Output: the bytes, uncompressed, and their `Content-Type`; or why there is no page. Connections
//! are kept between scrapes.

use crate::ScrapeError;
use crate::request::{PageRequest, redirect};
use bytes::Bytes;
use flate2::bufread::MultiGzDecoder;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::header::{CONTENT_ENCODING, CONTENT_TYPE, LOCATION};
use hyper::{Response, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use std::error::Error;
use std::io::Read;
use std::time::Duration;

/// Redirects followed at most, as in Go's client.
const MAX_REDIRECTS: usize = 10;

/// What came back besides the body.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    pub(crate) content_type: String,
    /// Whether the body is compressed still.
    pub(crate) gzip: bool,
}

/// The client of all targets.
#[derive(Clone, Debug)]
pub(crate) struct Fetcher(Client<HttpConnector, Empty<Bytes>>);

impl Fetcher {
    pub(crate) fn new() -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(Duration::from_secs(300))
            .pool_max_idle_per_host(1)
            .build(connector);
        Self(client)
    }

    /// Reads a page into `body`, which is emptied before. At most `limit` bytes, compressed or not.
    ///
    /// # Errors
    /// When there is no complete answer 200 in time and size.
    pub(crate) async fn fetch(
        &self,
        request: &PageRequest,
        limit: u64,
        body: &mut Vec<u8>,
    ) -> Result<Answer, ScrapeError> {
        body.clear();
        match tokio::time::timeout(request.timeout, self.fetch_untimed(request, limit, body)).await {
            Ok(answer) => answer,
            Err(_) => Err(ScrapeError::Timeout { url: request.url.clone(), timeout: request.timeout }),
        }
    }

    async fn fetch_untimed(
        &self,
        request: &PageRequest,
        limit: u64,
        body: &mut Vec<u8>,
    ) -> Result<Answer, ScrapeError> {
        let response = self.follow(request).await?;
        if response.status() != StatusCode::OK {
            return Err(ScrapeError::Status(response.status().to_string()));
        }
        let header =
            |name| response.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let answer = Answer {
            content_type: header(CONTENT_TYPE).to_owned(),
            gzip: header(CONTENT_ENCODING) == "gzip",
        };
        let mut incoming = response.into_body();
        while let Some(frame) = incoming.frame().await {
            let frame = frame.map_err(|error| http_error(request, &error))?;
            let Ok(data) = frame.into_data() else { continue };
            if (body.len() + data.len()) as u64 >= limit {
                return Err(ScrapeError::BodySize);
            }
            body.extend_from_slice(&data);
        }
        Ok(answer)
    }

    async fn follow(&self, request: &PageRequest) -> Result<Response<Incoming>, ScrapeError> {
        let mut uri = request.uri();
        for _ in 0..=MAX_REDIRECTS {
            let response = self.0.request(request.build(&uri).await?).await;
            let response = response.map_err(|error| http_error(request, &error))?;
            let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
            match (response.status().as_u16(), location) {
                (301 | 302 | 303 | 307 | 308, Some(location)) if request.follow_redirects => {
                    uri = redirect(&uri, location)?;
                }
                _ => return Ok(response),
            }
        }
        let reason = format!("stopped after {MAX_REDIRECTS} redirects");
        Err(ScrapeError::Http { url: request.url.clone(), reason })
    }
}

/// The innermost cause says most: `Connection refused (os error 111)` rather than `client error (Connect)`.
fn http_error(request: &PageRequest, error: &(dyn Error + 'static)) -> ScrapeError {
    let mut reason = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        reason = inner.to_string();
        cause = inner.source();
    }
    ScrapeError::Http { url: request.url.clone(), reason }
}

/// Uncompresses a page into `into`, which is emptied before.
///
/// # Errors
/// When it is no gzip, or reaches `limit` bytes.
pub(crate) fn gunzip(compressed: &[u8], limit: u64, into: &mut Vec<u8>) -> Result<(), ScrapeError> {
    into.clear();
    let decoder = MultiGzDecoder::new(compressed);
    let read = decoder.take(limit).read_to_end(into).map_err(|error| ScrapeError::Gzip(error.to_string()))?;
    if read as u64 >= limit { Err(ScrapeError::BodySize) } else { Ok(()) }
}
