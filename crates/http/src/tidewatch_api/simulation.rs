//! Simulations of autoscaling, for the page's sliders and for scripts.
//!
//! Input: the JSON of a request, at most 1 MiB, from no page of another origin. Output: the JSON of the report, or what is
//! wrong with the request, by field. A few run at once, on threads of their own; more wait for their turn, and a client that
//! leaves before it has come costs nothing. What a simulation is, is not known here.

use super::Refusal;
use crate::Shared;
use crate::guard::is_foreign_origin;
use crate::reply::{EncodedBody, Encoding, on_blocking_thread};
use crate::scaling_sources::SimulationFailure;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// The longest request, in bytes.
const MAX_BODY_BYTES: usize = 1 << 20;
/// How long a client may take to send it.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);
/// How many run at once.
const MAX_CONCURRENCY: usize = 2;
/// How long one waits for its turn.
const QUEUE_TIMEOUT: Duration = Duration::from_secs(30);

/// The places for simulations.
pub(crate) struct Simulations(Arc<Semaphore>);

impl Default for Simulations {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(MAX_CONCURRENCY)))
    }
}

impl Simulations {
    async fn place(&self) -> Result<OwnedSemaphorePermit, Refusal> {
        let place = timeout(QUEUE_TIMEOUT, Arc::clone(&self.0).acquire_owned()).await;
        let busy = |_| {
            let text =
                format!("{MAX_CONCURRENCY} simulations run already; hint: ask again when they are done");
            Refusal::new(StatusCode::SERVICE_UNAVAILABLE, text)
        };
        Ok(place.map_err(busy)?.expect("the semaphore is never closed"))
    }
}

/// Runs a simulation.
pub(super) async fn simulate(State(shared): State<Shared>, request: Request) -> Response {
    match run(&shared, request).await {
        Ok(response) => response,
        Err(refusal) => refusal.into_response(),
    }
}

async fn run(shared: &Shared, request: Request) -> Result<Response, Refusal> {
    let (parts, body) = request.into_parts();
    if is_foreign_origin(&parts.headers) {
        shared.metrics.rejected("origin");
        let text = "refused: the request comes from a page of another origin";
        return Err(Refusal::new(StatusCode::FORBIDDEN, text));
    }
    if !is_json(&parts.headers) {
        let text = "the body must be JSON; hint: send Content-Type: application/json";
        return Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, text));
    }
    let simulate = shared.state.simulate.clone().ok_or_else(|| {
        Refusal::new(StatusCode::NOT_FOUND, "simulations are not run here; hint: use `tidewatch simulate`")
    })?;
    let body = read(body).await?;
    let place = shared.simulations.place().await?;
    let encoding = Encoding::accepted_by(&parts.headers);
    let response = on_blocking_thread(move || {
        let report = simulate(&body);
        drop(place);
        let report = report.map_err(failed)?;
        Ok::<_, Refusal>(EncodedBody::new(report, encoding).into_response("application/json"))
    });
    Ok(response.await)
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json")
}

async fn read(body: Body) -> Result<Bytes, Refusal> {
    match timeout(BODY_TIMEOUT, axum::body::to_bytes(body, MAX_BODY_BYTES)).await {
        Ok(Ok(body)) => Ok(body),
        Ok(Err(_)) => {
            let text = format!("the body is larger than {MAX_BODY_BYTES} bytes, or was cut off");
            Err(Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, text))
        }
        Err(_) => {
            let text = format!("the body took longer than {} s", BODY_TIMEOUT.as_secs());
            Err(Refusal::new(StatusCode::REQUEST_TIMEOUT, text))
        }
    }
}

fn failed(failure: SimulationFailure) -> Refusal {
    let SimulationFailure { message, field, is_request } = failure;
    let code = if is_request { StatusCode::BAD_REQUEST } else { StatusCode::INTERNAL_SERVER_ERROR };
    Refusal { field, ..Refusal::new(code, message) }
}
