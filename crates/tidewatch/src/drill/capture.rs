//! The receiver of a drill: remembers what was delivered when.
//!
//! Input: `POST` requests with Alertmanager's webhook payload (version 4). Output: which alert came with which status at which moment. It
//! answers every request with 200, keeps only labels and status, and knows nothing of routes.

use crate::failure::Failure;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// Largest payload that is read.
const MOST_BYTES: usize = 16 * 1024 * 1024;
/// Deliveries that are remembered: more than any drill has.
const MOST_DELIVERIES: usize = 100_000;

/// An alert in a notification.
#[derive(Clone, Debug)]
pub(crate) struct Delivery {
    pub(crate) at: Instant,
    pub(crate) resolved: bool,
    pub(crate) labels: BTreeMap<String, String>,
}

/// A receiver that listens until it is dropped.
#[derive(Debug)]
pub(crate) struct Capture {
    address: SocketAddr,
    deliveries: Arc<Mutex<Vec<Delivery>>>,
    serving: JoinHandle<()>,
}

/// What is posted.
#[derive(Deserialize)]
struct Payload {
    alerts: Vec<PayloadAlert>,
}

#[derive(Deserialize)]
struct PayloadAlert {
    /// `firing` or `resolved`.
    status: String,
    #[serde(default)]
    labels: BTreeMap<String, String>,
}

impl Capture {
    /// Begins to listen on any free port of this machine.
    ///
    /// # Errors
    /// When no port can be had.
    pub(crate) async fn start() -> Result<Self, Failure> {
        let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await;
        let listener =
            listener.map_err(|error| Failure::new(format!("no port for the drill's receiver: {error}")))?;
        let address = listener.local_addr().map_err(|error| Failure::from_error(&error))?;
        let deliveries = Arc::<Mutex<Vec<Delivery>>>::default();
        let serving = tokio::spawn(serve(listener, Arc::clone(&deliveries)));
        Ok(Self { address, deliveries, serving })
    }

    /// Where notifications are to be sent.
    pub(crate) fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// When an alert for which `matches` holds was first delivered with this status at or after `since`.
    pub(crate) fn first(
        &self,
        since: Instant,
        resolved: bool,
        matches: impl Fn(&BTreeMap<String, String>) -> bool,
    ) -> Option<Instant> {
        let all = locked(&self.deliveries);
        let wanted = |one: &&Delivery| one.at >= since && one.resolved == resolved && matches(&one.labels);
        all.iter().find(wanted).map(|one| one.at)
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

fn locked(deliveries: &Mutex<Vec<Delivery>>) -> MutexGuard<'_, Vec<Delivery>> {
    deliveries.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn serve(listener: TcpListener, deliveries: Arc<Mutex<Vec<Delivery>>>) {
    while let Ok((stream, _)) = listener.accept().await {
        let deliveries = Arc::clone(&deliveries);
        tokio::spawn(async move {
            let service = service_fn(move |request| take(request, Arc::clone(&deliveries)));
            // a sender that breaks off sends again
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn take(
    request: Request<Incoming>,
    deliveries: Arc<Mutex<Vec<Delivery>>>,
) -> Result<Response<Empty<Bytes>>, hyper::Error> {
    let body = Limited::new(request.into_body(), MOST_BYTES).collect().await;
    let payload = body.ok().and_then(|body| serde_json::from_slice::<Payload>(&body.to_bytes()).ok());
    let mut response = Response::new(Empty::new());
    match payload {
        Some(payload) => {
            let at = Instant::now();
            let mut all = locked(&deliveries);
            let room = MOST_DELIVERIES.saturating_sub(all.len());
            all.extend(payload.alerts.into_iter().take(room).map(|alert| Delivery {
                at,
                resolved: alert.status == "resolved",
                labels: alert.labels,
            }));
        }
        None => *response.status_mut() = StatusCode::BAD_REQUEST,
    }
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[tokio::test]
    async fn what_is_delivered_is_remembered_with_its_status() {
        let capture = Capture::start().await.unwrap();
        let before = Instant::now();
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let send = async |body: serde_json::Value| {
            client.post(capture.url()).json(&body).send().await.unwrap().status().as_u16()
        };
        let alert = |status: &str, job: &str| json!({"status": status, "labels": {"alertname": "A", "job": job}, "startsAt": ""});
        assert_eq!(
            send(json!({"version": "4", "alerts": [alert("firing", "a"), alert("firing", "b")]})).await,
            200
        );
        let of = |job: &'static str| move |labels: &BTreeMap<String, String>| labels["job"] == job;
        assert!(capture.first(before, false, of("b")).is_some());
        assert!(capture.first(before, true, of("b")).is_none());
        let between = Instant::now();
        assert_eq!(send(json!({"alerts": [alert("resolved", "b")]})).await, 200);
        assert!(capture.first(between, true, of("b")).is_some());
        assert!(capture.first(between, false, of("b")).is_none(), "that was before");
        assert_eq!(send(json!([1])).await, 400);
    }
}
