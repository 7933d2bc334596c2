//! One event to the application, and what its answer means.
//!
//! Input: a message of a subscribed topic. Output: `POST` to the path of the first rule that matches; success, drop or dead letter, or an error
//! that makes the bus deliver it again. Without a retry policy there is one attempt before the dead-letter topic, as in daprd.

use crate::app_channel::{AppChannel, AppRequest};
use crate::bus::{Boxed, Bus, Deliver, Incoming, Outgoing, Stop, stopped};
use crate::cloud_event::{self, Envelope, Metadata};
use crate::http_client::Answer;
use crate::measures::{Delivered, Measures, elapsed_ms};
use crate::resiliency::Policy;
use crate::spans::{Span, SpanKind, Spans};
use crate::subscription::Subscription;
use crate::trace_context::{SpanContext, Tracing};
use bytes::Bytes;
use serde::Deserialize;
use std::sync::Arc;
use std::time::{Instant, SystemTime};
use time::OffsetDateTime;

/// What deliveries of all subscriptions share.
pub(crate) struct Delivery {
    pub(crate) app: Arc<AppChannel>,
    pub(crate) tracing: Tracing,
    pub(crate) spans: Spans,
    pub(crate) measures: Arc<Measures>,
}

/// Delivers the events of one subscription.
pub(crate) struct Subscriber {
    pub(crate) shared: Arc<Delivery>,
    pub(crate) bus: Arc<dyn Bus>,
    pub(crate) subscription: Subscription,
    pub(crate) policy: Policy,
    /// The prefix of topics on the bus; empty unless the component is scoped to a namespace.
    pub(crate) topic_prefix: String,
}

/// How one attempt ended.
enum Attempt {
    Done,
    /// The application said so.
    Dropped,
    Failed(String),
}

impl Deliver for Subscriber {
    fn deliver(&self, message: Arc<Incoming>, stop: Stop) -> Boxed<'_, Result<(), String>> {
        Box::pin(async move { self.deliver_one(&message, stop).await })
    }
}

/// An event as it goes to the application.
struct Event {
    envelope: Envelope,
    body: Bytes,
    path: String,
}

impl Subscriber {
    fn count(&self, delivered: Delivered, elapsed: f64) {
        let subscription = &self.subscription;
        self.shared.measures.ingress(&subscription.pubsub, &subscription.topic, delivered, elapsed);
    }

    async fn deliver_one(&self, message: &Incoming, stop: Stop) -> Result<(), String> {
        let metadata = metadata_of(message, &self.subscription.pubsub);
        match self.event(message) {
            Ok(Some(event)) => self.with_policy(message, &metadata, &event, stop).await,
            Ok(None) => {
                let _ = self.dead_letter(message, &metadata).await;
                Ok(())
            }
            Err(reason) => {
                tracing::error!(
                    topic = message.topic,
                    offset = message.offset,
                    reason,
                    "an event cannot be delivered"
                );
                if self.dead_letter(message, &metadata).await == Some(true) {
                    self.count(Delivered::Drop, 0.0);
                    return Ok(());
                }
                self.count(Delivered::Retry, 0.0);
                Err(reason)
            }
        }
    }

    /// The event of a message; `None` when it has expired or no rule wants it, which is counted.
    fn event(&self, message: &Incoming) -> Result<Option<Event>, String> {
        let subscription = &self.subscription;
        let (envelope, body) = if subscription.is_raw()? {
            let payload = message.payload.as_deref().unwrap_or(b"null");
            let envelope = cloud_event::of_raw_payload(payload, &subscription.topic, &subscription.pubsub);
            let body = cloud_event::to_json(&envelope).into();
            (envelope, body)
        } else {
            let body = message.payload.clone().unwrap_or(Bytes::from_static(b"null"));
            let envelope: Option<Envelope> =
                serde_json::from_slice(&body).map_err(|error| error.to_string())?;
            (envelope.unwrap_or_default(), body)
        };
        if cloud_event::has_expired(&envelope, OffsetDateTime::now_utc()) {
            tracing::warn!(topic = message.topic, offset = message.offset, "an expired event is dropped");
            self.count(Delivered::Drop, 0.0);
            return Ok(None);
        }
        match self.path(&body)? {
            Some(path) => Ok(Some(Event { envelope, body, path })),
            None => {
                self.count(Delivered::DropSuccess, 0.0);
                Ok(None)
            }
        }
    }

    /// The path of the first rule that matches.
    fn path(&self, body: &[u8]) -> Result<Option<String>, String> {
        let mut parsed = None;
        for rule in &self.subscription.rules {
            let Some(condition) = &rule.condition else { return Ok(Some(rule.path.clone())) };
            let event = match &parsed {
                Some(event) => event,
                None => parsed.insert(serde_json::from_slice(body).map_err(|error| error.to_string())?),
            };
            if condition.matches(event)? {
                return Ok(Some(rule.path.clone()));
            }
        }
        Ok(None)
    }

    async fn with_policy(
        &self,
        message: &Incoming,
        metadata: &Metadata,
        event: &Event,
        mut stop: Stop,
    ) -> Result<(), String> {
        let headers: Vec<(String, String)> = metadata.clone().into_iter().collect();
        let first = Instant::now();
        let mut number = 0;
        let error = loop {
            let attempt = self.attempt(event, &headers);
            let attempt = match self.policy.timeout {
                None => attempt.await,
                Some(timeout) => tokio::time::timeout(timeout, attempt)
                    .await
                    .unwrap_or_else(|_| Attempt::Failed("timeout: context deadline exceeded".to_owned())),
            };
            let error = match attempt {
                Attempt::Done => return Ok(()),
                // As below: what the application does not want must be in the dead-letter topic before it is done.
                Attempt::Dropped => {
                    return match self.dead_letter(message, metadata).await {
                        Some(false) => {
                            Err("a dropped event could not be published as a dead letter".to_owned())
                        }
                        _ => Ok(()),
                    };
                }
                Attempt::Failed(error) => error,
            };
            let wait =
                self.policy.retry.as_ref().and_then(|retry| retry.wait_before(number, first.elapsed()));
            let Some(wait) = wait else { break error };
            if number == 0 {
                tracing::warn!(
                    topic = message.topic,
                    offset = message.offset,
                    error,
                    "a delivery failed and is repeated"
                );
            }
            number = number.saturating_add(1);
            tokio::select! {
                // No dead letter: the event is neither taken nor refused, and comes again after the next start.
                () = stopped(&mut stop) => return Err(error),
                () = tokio::time::sleep(wait) => {}
            }
        };
        if self.subscription.dead_letter_topic.is_none() {
            return Err(error);
        }
        tracing::warn!(
            topic = message.topic,
            offset = message.offset,
            error,
            "an event goes to the dead-letter topic"
        );
        // daprd takes the event for delivered even when the dead letter could not be published. Losing an event is not worth
        // being alike: here it is delivered again.
        match self.dead_letter(message, metadata).await {
            Some(false) => Err(error),
            _ => Ok(()),
        }
    }

    async fn attempt(&self, event: &Event, headers: &[(String, String)]) -> Attempt {
        let topic = &self.subscription.topic;
        let parent_text = cloud_event::text(&event.envelope, "traceparent")
            .or_else(|| cloud_event::text(&event.envelope, "traceid"));
        let parent = parent_text.as_deref().and_then(SpanContext::parse);
        let context = parent_text.and_then(|_| self.shared.tracing.start(parent.clone()));
        let (start, started) = (SystemTime::now(), Instant::now());
        let request = AppRequest {
            method: hyper::Method::POST,
            path: &event.path,
            content_type: "application/cloudevents+json",
            headers,
            body: event.body.clone(),
            span: context.as_ref(),
        };
        let answer = self.shared.app.invoke(request).await;
        let elapsed = elapsed_ms(started);
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) => {
                self.count(Delivered::Retry, elapsed);
                return Attempt::Failed(format!(
                    "error returned from app channel while sending pub/sub event to app: {error}"
                ));
            }
        };
        if let Some(context) = context {
            self.shared.spans.finish(Span {
                context,
                parent,
                name: format!("pubsub/{topic}"),
                kind: SpanKind::Client,
                start,
                end: SystemTime::now(),
                attributes: vec![
                    ("messaging.system".to_owned(), "pubsub".to_owned()),
                    ("messaging.destination.name".to_owned(), topic.clone()),
                ],
                status: answer.status,
            });
        }
        self.judge(&answer, elapsed)
    }

    fn judge(&self, answer: &Answer, elapsed: f64) -> Attempt {
        let (delivered, attempt) = match (answer.status, said(&answer.body)) {
            (200..300, Said::Success) => (Delivered::Success, Attempt::Done),
            (200..300, Said::Drop) => (Delivered::DropSuccess, Attempt::Dropped),
            (200..300, Said::Retry) => (
                Delivered::Retry,
                Attempt::Failed("RETRY status returned from app while processing pub/sub event".to_owned()),
            ),
            (200..300, Said::Unknown(status)) => {
                let error = format!(
                    "unknown status returned from app while processing pub/sub event, status: {status}"
                );
                (Delivered::Retry, Attempt::Failed(error))
            }
            (404, _) => {
                tracing::error!(
                    topic = self.subscription.topic,
                    "the application has no such path (404): an event is dropped"
                );
                (Delivered::Drop, Attempt::Done)
            }
            (status, _) => {
                let error = format!(
                    "retriable error returned from app while processing pub/sub event, status code returned: {status}"
                );
                (Delivered::Retry, Attempt::Failed(error))
            }
        };
        self.count(delivered, elapsed);
        attempt
    }

    /// Publishes the message to the dead-letter topic: whether it is there; `None` when there is no such topic.
    async fn dead_letter(&self, message: &Incoming, metadata: &Metadata) -> Option<bool> {
        let topic = self.subscription.dead_letter_topic.as_ref()?;
        let outgoing = Outgoing {
            topic: format!("{}{topic}", self.topic_prefix),
            key: metadata.get("partitionKey").or_else(|| metadata.get("__key")).cloned(),
            payload: message.payload.clone().unwrap_or_default(),
            headers: metadata.clone().into_iter().collect(),
        };
        let published = self.bus.publish(vec![outgoing]).await;
        if let Some(Err(error)) = published.first() {
            tracing::error!(origin = message.topic, topic, error, "a dead letter could not be published");
            return Some(false);
        }
        Some(true)
    }
}

/// What an application says of an event, in `{"status": "…"}`.
#[derive(Debug, PartialEq, Eq)]
enum Said {
    Success,
    Retry,
    Drop,
    Unknown(String),
}

fn said(body: &[u8]) -> Said {
    #[derive(Default, Deserialize)]
    struct AppResponse {
        #[serde(default)]
        status: Option<String>,
    }
    // A body that is no such object says nothing, and nothing is success. Only the first JSON value counts.
    let first = serde_json::Deserializer::from_slice(body).into_iter::<AppResponse>().next();
    let status = first.and_then(Result::ok).and_then(|response| response.status).unwrap_or_default();
    match status.as_str() {
        "" | "SUCCESS" => Said::Success,
        "RETRY" => Said::Retry,
        "DROP" => Said::Drop,
        _ => Said::Unknown(status),
    }
}

/// A message's headers and place, under the names the Kafka component gives them.
fn metadata_of(message: &Incoming, pubsub: &str) -> Metadata {
    let mut metadata = Metadata::new();
    metadata.extend(message.key.clone().map(|key| ("__key".to_owned(), key)));
    metadata.insert("__offset".to_owned(), message.offset.to_string());
    metadata.insert("__topic".to_owned(), message.topic.clone());
    metadata.insert("__timestamp".to_owned(), message.timestamp.to_string());
    metadata.insert("__partition".to_owned(), message.partition.to_string());
    metadata.extend(message.headers.iter().cloned());
    metadata.insert("pubsubName".to_owned(), pubsub.to_owned());
    metadata
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bus::double::MemoryBus;
    use crate::configuration::MetricSpec;
    use crate::expression::Expression;
    use crate::subscription::{Origin, Rule};

    #[test]
    fn an_answer_is_read_as_by_daprd() {
        let check = |body: &str, expected: Said| assert_eq!(said(body.as_bytes()), expected, "{body:?}");
        check("", Said::Success);
        check("{}", Said::Success);
        check("ok", Said::Success);
        check("[]", Said::Success);
        check(r#"{"status":""}"#, Said::Success);
        check(r#"{"status":"SUCCESS"} trailing"#, Said::Success);
        check(r#"{"status":"RETRY"}"#, Said::Retry);
        check(r#"{"status":"DROP"}"#, Said::Drop);
        check(r#"{"status":"drop"}"#, Said::Unknown("drop".to_owned()));
        check(r#"{"status":null}"#, Said::Success);
    }

    #[test]
    fn metadata_has_kafkas_names() {
        let message = Incoming {
            topic: "things".to_owned(),
            partition: 2,
            offset: 5,
            timestamp: 9,
            key: Some("k".to_owned()),
            payload: None,
            headers: vec![("partitionKey".to_owned(), "k".to_owned())],
        };
        let got: Vec<_> =
            metadata_of(&message, "bus").into_iter().map(|(name, value)| format!("{name}={value}")).collect();
        let expected = [
            "__key=k",
            "__offset=5",
            "__partition=2",
            "__timestamp=9",
            "__topic=things",
            "partitionKey=k",
            "pubsubName=bus",
        ];
        assert_eq!(got, expected);
    }

    /// Where no application listens.
    const NOBODY: std::net::SocketAddr =
        std::net::SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 1);

    /// A subscriber of an application at an address.
    fn subscriber(
        app: std::net::SocketAddr,
        bus: &Arc<MemoryBus>,
        dead_letter_topic: Option<&str>,
        body: &[u8],
    ) -> (Subscriber, Arc<Incoming>) {
        let measures = Arc::new(Measures::new("app", "ns", MetricSpec::default()));
        let (_, healthy) = tokio::sync::watch::channel(true);
        let options = crate::SidecarOptions::new("app");
        let shared = Arc::new(Delivery {
            app: Arc::new(AppChannel::new(app, &options, healthy, Arc::clone(&measures))),
            tracing: Tracing::Off,
            spans: Spans::nowhere(Arc::clone(&measures)),
            measures,
        });
        let condition = Some(Expression::parse("event.a == 1").expect("it is one"));
        let subscription = Subscription {
            pubsub: "bus".to_owned(),
            topic: "things".to_owned(),
            rules: vec![Rule { condition, path: "/x".to_owned() }],
            dead_letter_topic: dead_letter_topic.map(str::to_owned),
            metadata: Metadata::new(),
            origin: Origin::Declarative,
        };
        let bus: Arc<dyn Bus> = bus.clone();
        let subscriber =
            Subscriber { shared, bus, subscription, policy: Policy::default(), topic_prefix: String::new() };
        let payload = Some(Bytes::copy_from_slice(body));
        let message = Incoming { topic: "things".to_owned(), payload, ..Incoming::default() };
        (subscriber, Arc::new(message))
    }

    #[tokio::test]
    async fn an_event_is_done_only_when_it_is_somewhere() {
        let check =
            async |dead: Option<&str>, refusals: usize, body: &str, done: bool, dead_letters: usize| {
                let bus = MemoryBus::refusing(refusals);
                let (subscriber, message) = subscriber(NOBODY, &bus, dead, body.as_bytes());
                let (_keep, stop) = tokio::sync::watch::channel(false);
                let outcome = subscriber.deliver(message, stop).await;
                assert_eq!(
                    (outcome.is_ok(), bus.topics().len()),
                    (done, dead_letters),
                    "{dead:?} {refusals} {body}"
                );
            };
        // The application is away.
        check(None, 0, r#"{"a":1}"#, false, 0).await;
        check(Some("dead"), 0, r#"{"a":1}"#, true, 1).await;
        check(Some("dead"), 1, r#"{"a":1}"#, false, 0).await;
        // It is no event, or no rule can be tried on it.
        check(None, 0, "[", false, 0).await;
        check(Some("dead"), 0, "[", true, 1).await;
        check(Some("dead"), 1, "[", false, 0).await;
        check(Some("dead"), 0, r#"{"b":1}"#, true, 1).await;
        // No rule wants it, or it has expired.
        check(None, 0, r#"{"a":2}"#, true, 0).await;
        check(Some("dead"), 0, r#"{"a":2}"#, true, 1).await;
        check(None, 0, r#"{"a":1,"expiration":"2001-01-01T00:00:00Z"}"#, true, 0).await;
    }

    /// Answers every request with a body, until it is dropped.
    async fn application(answer: &'static str) -> (std::net::SocketAddr, tokio::task::JoinSet<()>) {
        use hyper_util::rt::TokioIo;
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a loopback port is free");
        let address = listener.local_addr().expect("it is bound");
        let mut tasks = tokio::task::JoinSet::new();
        tasks.spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let answer = hyper::service::service_fn(move |_| async move {
                    let body = http_body_util::Full::new(Bytes::from_static(answer.as_bytes()));
                    Ok::<_, std::convert::Infallible>(hyper::Response::new(body))
                });
                connections.spawn(async move {
                    let server = hyper::server::conn::http1::Builder::new();
                    let _ = server.serve_connection(TokioIo::new(stream), answer).await;
                });
            }
        });
        (address, tasks)
    }

    #[tokio::test]
    async fn a_dropped_event_is_done_only_when_its_dead_letter_is_there() {
        let check = async |answer, dead: Option<&str>, refusals, expected: (bool, usize)| {
            let (address, _running) = application(answer).await;
            let bus = MemoryBus::refusing(refusals);
            let (subscriber, message) = subscriber(address, &bus, dead, br#"{"a":1}"#);
            let (_keep, stop) = tokio::sync::watch::channel(false);
            let outcome = subscriber.deliver(Arc::clone(&message), stop.clone()).await;
            assert_eq!((outcome.is_ok(), bus.topics().len()), expected, "{answer} {dead:?} {refusals}");
            if outcome.is_err() {
                assert!(
                    subscriber.deliver(message, stop).await.is_ok(),
                    "the bus takes it at the second time"
                );
                assert_eq!(bus.topics(), ["dead"]);
            }
        };
        let drop = r#"{"status":"DROP"}"#;
        check(drop, Some("dead"), 0, (true, 1)).await;
        check(drop, Some("dead"), 1, (false, 0)).await;
        check(drop, None, 1, (true, 0)).await;
        check(r#"{"status":"SUCCESS"}"#, Some("dead"), 1, (true, 0)).await;
    }
}
