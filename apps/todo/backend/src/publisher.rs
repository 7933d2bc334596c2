//! One attempt to publish an event through the Dapr sidecar.
//!
//! Input: an event of the outbox. Output: what the sidecar made of it, a PRODUCER span below the request that made the change, and the
//! metrics of the attempt. The task's id is the partition key: the broker keeps the events of a task in their order. Deliberately
//! never repeats an attempt.

use std::time::{Duration, Instant};

use axum::{
    body::Body,
    http::{HeaderName, Method, Request, StatusCode, header},
};
use http_body_util::{BodyExt, Limited};
use serde_json::Value;
use todo_telemetry::{Faults, HttpClient, Operation, SpanKind, TraceContext, Tracer, http_client};

use crate::{PublishSettings, event::TaskEvent, metrics::EventMetrics};

/// Longest wait for the sidecar's answer.
pub(crate) const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest answer that is read.
const MAX_ANSWER_BYTES: usize = 16 * 1024;
const API_TOKEN: HeaderName = HeaderName::from_static("dapr-api-token");

/// What an attempt came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Attempt {
    /// The broker has it.
    Taken,
    /// It will not be taken, however often it is offered.
    Refused(String),
    /// It may be taken later. It may also have been taken, and only the answer was lost.
    Failed(String),
}

/// The way to the sidecar.
#[derive(Debug)]
pub(crate) struct Publisher {
    client: HttpClient,
    settings: PublishSettings,
    tracer: Tracer,
    operation: Operation,
    metrics: Option<EventMetrics>,
    faults: Faults,
}

impl Publisher {
    pub(crate) fn new(
        settings: PublishSettings,
        tracer: Tracer,
        metrics: Option<EventMetrics>,
        faults: Faults,
    ) -> Self {
        let operation = tracer.operation(&format!("send {}", settings.topic), SpanKind::Producer);
        Self { client: http_client(Duration::from_secs(2)), settings, tracer, operation, metrics, faults }
    }

    /// Offers `event` once.
    pub(crate) async fn attempt(&self, event: &TaskEvent) -> Attempt {
        let mut span = self.tracer.begin(&self.operation, event.context().as_ref());
        if span.is_recording() {
            span.attribute("messaging.system", "kafka");
            span.attribute("messaging.operation.name", "send");
            span.attribute("messaging.operation.type", "send");
            span.attribute("messaging.destination.name", self.settings.topic.as_str());
            span.attribute("messaging.message.id", event.id.as_str());
            span.attribute("messaging.kafka.message.key", event.task_id.to_string().as_str());
            span.attribute("server.address", self.settings.sidecar.authority());
        }
        let started = Instant::now();
        let attempt = span.run(self.exchange(event, span.context())).await;
        match &attempt {
            Attempt::Taken => {}
            Attempt::Refused(reason) => span.error("refused", reason),
            Attempt::Failed(reason) => span.error("failed", reason),
        }
        if let Some(metrics) = &self.metrics {
            let taken = attempt == Attempt::Taken;
            metrics.attempted(event.event_type, taken, started.elapsed(), span.context());
        }
        attempt
    }

    async fn exchange(&self, event: &TaskEvent, context: Option<&TraceContext>) -> Attempt {
        let Some(request) = self.request(event, context) else {
            return Attempt::Failed("the sidecar's address makes no request".to_owned());
        };
        let answer = async {
            let response = self.client.request(request).await.map_err(|error| described(&error))?;
            let status = response.status();
            // Read to its end, so that the connection can be used again.
            let body = Limited::new(response.into_body(), MAX_ANSWER_BYTES).collect().await;
            // Only the status of a success matters; the words of a refusal are of use, but not needed.
            Ok::<_, String>((status, body.map(|body| body.to_bytes()).unwrap_or_default()))
        };
        match tokio::time::timeout(ATTEMPT_TIMEOUT, answer).await {
            Ok(Ok((status, body))) => judged(status, &body),
            Ok(Err(error)) => Attempt::Failed(error),
            Err(_) => Attempt::Failed(format!("no answer within {} s", ATTEMPT_TIMEOUT.as_secs())),
        }
    }

    fn request(&self, event: &TaskEvent, context: Option<&TraceContext>) -> Option<Request<Body>> {
        let PublishSettings { sidecar, pubsub, topic, api_token } = &self.settings;
        let key = event.task_id;
        let mut path = format!("/v1.0/publish/{pubsub}/{topic}?metadata.partitionKey={key}");
        if self.faults.malforms_events() {
            // neither true nor false: a sidecar refuses it, while a body that it cannot read is a failure of its own
            path.push_str("&metadata.rawPayload=malformed");
        }
        let address = sidecar.join(&path)?;
        let mut request = Request::builder()
            .method(Method::POST)
            .uri(address)
            .header(header::CONTENT_TYPE, "application/cloudevents+json")
            .body(Body::from(event.body_in(context)))
            .ok()?;
        if let Some(context) = context {
            context.inject(request.headers_mut());
        }
        if let Some(token) = api_token {
            request.headers_mut().insert(API_TOKEN, token.clone());
        }
        Some(request)
    }
}

/// What an answer means. 403 and 404 say that the component is not there yet, and so do some 400s: only their code tells.
fn judged(status: StatusCode, body: &[u8]) -> Attempt {
    if status.is_success() {
        return Attempt::Taken;
    }
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let code = body["errorCode"].as_str().unwrap_or_default();
    let reason: String = format!("status {} {code}", status.as_u16()).trim_end().chars().take(200).collect();
    let is_about_the_event = match status.as_u16() {
        400 => {
            !(code.ends_with("_NOT_FOUND")
                || code.ends_with("_NOT_CONFIGURED")
                || code.ends_with("_FORBIDDEN"))
        }
        413 | 415 | 422 => true,
        _ => false,
    };
    if is_about_the_event { Attempt::Refused(reason) } else { Attempt::Failed(reason) }
}

/// An error with its causes: the client's own text names none.
fn described(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_about_the_event_itself_is_refused() {
        let check = |status: u16, code: &str, expected: Attempt| {
            let body = format!("{{\"errorCode\": \"{code}\", \"message\": \"text\"}}");
            assert_eq!(judged(StatusCode::from_u16(status).unwrap(), body.as_bytes()), expected);
        };
        let failed = |reason: &str| Attempt::Failed(reason.to_owned());
        let refused = |reason: &str| Attempt::Refused(reason.to_owned());
        check(204, "", Attempt::Taken);
        check(200, "", Attempt::Taken);
        check(400, "ERR_PUBSUB_EVENTS_SER", refused("status 400 ERR_PUBSUB_EVENTS_SER"));
        check(400, "", refused("status 400"));
        check(413, "", refused("status 413"));
        check(422, "", refused("status 422"));
        check(400, "ERR_PUBSUB_NOT_FOUND", failed("status 400 ERR_PUBSUB_NOT_FOUND"));
        check(400, "ERR_PUBSUB_NOT_CONFIGURED", failed("status 400 ERR_PUBSUB_NOT_CONFIGURED"));
        check(403, "ERR_PUBSUB_FORBIDDEN", failed("status 403 ERR_PUBSUB_FORBIDDEN"));
        check(404, "ERR_PUBSUB_NOT_FOUND", failed("status 404 ERR_PUBSUB_NOT_FOUND"));
        check(401, "", failed("status 401"));
        check(500, "ERR_PUBSUB_PUBLISH_MESSAGE", failed("status 500 ERR_PUBSUB_PUBLISH_MESSAGE"));
        check(302, "", failed("status 302"));
        assert_eq!(judged(StatusCode::BAD_GATEWAY, b"<html>"), failed("status 502"));
    }
}
