//! `POST /v1.0/publish/{pubsub}/{topic}` and its bulk form: from a request to messages on the bus.
//!
//! Input: the request's metadata, content type and body. Output: messages, or daprd's error for what is wrong. Retries and timeouts follow
//! the component's outbound policy.

use crate::api::{Api, PubSub};
use crate::api_error::ApiError;
use crate::bus::Outgoing;
use crate::cloud_event::{self, Draft, Metadata};
use crate::content_type::Kind;
use crate::go_text;
use crate::measures::elapsed_ms;
use crate::spans::{Span, SpanKind};
use crate::trace_context::SpanContext;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::collections::HashSet;
use std::time::{Instant, SystemTime};
use time::OffsetDateTime;

/// A request to publish.
#[derive(Debug)]
pub(crate) struct Request<'a> {
    pub(crate) pubsub: &'a str,
    pub(crate) topic: &'a str,
    pub(crate) metadata: Metadata,
    pub(crate) content_type: &'a str,
    pub(crate) body: Bytes,
    /// The request's own path, which names the spans of entries.
    pub(crate) path: &'a str,
    pub(crate) span: Option<SpanContext>,
}

impl Request<'_> {
    fn is_raw(&self) -> Result<bool, ApiError> {
        let Some(text) = self.metadata.get("rawPayload").filter(|text| !text.is_empty()) else {
            return Ok(false);
        };
        go_text::boolean(text).ok_or_else(|| {
            let reason = format!("rawPayload value must be a valid boolean: actual is '{text}'");
            ApiError::metadata(self.pubsub, &self.metadata, &reason)
        })
    }

    fn draft<'b>(
        &'b self,
        app_id: &'b str,
        content_type: &'b str,
        body: &'b [u8],
        span: Option<&SpanContext>,
    ) -> Draft<'b> {
        Draft {
            app_id,
            pubsub: self.pubsub,
            topic: self.topic,
            content_type,
            body,
            trace_parent: span.map(ToString::to_string).unwrap_or_default(),
            trace_state: span.map(|span| span.state.clone()).unwrap_or_default(),
        }
    }
}

fn outgoing(pubsub: &PubSub, topic: &str, payload: Bytes, metadata: Metadata) -> Outgoing {
    Outgoing {
        topic: format!("{}{topic}", pubsub.topic_prefix),
        key: metadata.get("partitionKey").or_else(|| metadata.get("__key")).cloned(),
        payload,
        headers: metadata.into_iter().collect(),
    }
}

impl Api {
    fn pubsub(&self, request: &Request<'_>) -> Result<&PubSub, ApiError> {
        self.pubsubs.get(request.pubsub).ok_or_else(|| ApiError::not_found(request.pubsub, &request.metadata))
    }

    /// Publishes one event.
    ///
    /// # Errors
    /// As daprd answers.
    pub(crate) async fn publish(&self, request: Request<'_>) -> Result<(), ApiError> {
        let pubsub = self.pubsub(&request)?;
        let payload = if request.is_raw()? {
            request.body.clone()
        } else {
            let draft =
                request.draft(&self.app_id, request.content_type, &request.body, request.span.as_ref());
            let envelope = cloud_event::envelope(&draft, &request.metadata, OffsetDateTime::now_utc())
                .map_err(|reason| ApiError::cloud_event(request.pubsub, &self.app_id, &reason))?;
            cloud_event::to_json(&envelope).into()
        };
        let start = Instant::now();
        let published = if pubsub.scopes.may_publish(request.topic) {
            let message = outgoing(pubsub, request.topic, payload, request.metadata.clone());
            let failed = with_policy(pubsub, vec![message]).await;
            failed
                .into_iter()
                .next()
                .map_or(Ok(()), |(_, reason)| Err(ApiError::publish(request.pubsub, request.topic, &reason)))
        } else {
            Err(ApiError::forbidden(request.pubsub, request.topic, &self.app_id))
        };
        self.measures.egress(request.pubsub, request.topic, published.is_ok(), elapsed_ms(start));
        published
    }

    /// Publishes the entries of a bulk request.
    ///
    /// # Errors
    /// As daprd answers; for entries that the bus did not take, a status and a body that names them.
    pub(crate) async fn publish_bulk(&self, request: Request<'_>) -> Result<(), BulkError> {
        let pubsub = self.pubsub(&request)?;
        let is_raw = request.is_raw()?;
        let entries = self.entries(&request)?;
        let spans: Vec<_> =
            entries.iter().filter(|_| !is_raw).map(|_| self.tracing.start(request.span.clone())).collect();
        let started = SystemTime::now();
        let result = self.publish_entries(pubsub, &request, &entries, is_raw, &spans).await;
        let status = match &result {
            Ok(()) => 204,
            Err(BulkError::Api(error)) => error.status,
            Err(BulkError::Entries(_)) => 500,
        };
        for context in spans.into_iter().flatten() {
            self.spans.finish(Span {
                context,
                parent: request.span.clone(),
                name: request.path.to_owned(),
                kind: SpanKind::Producer,
                start: started,
                end: SystemTime::now(),
                attributes: Vec::new(),
                status,
            });
        }
        result
    }

    async fn publish_entries(
        &self,
        pubsub: &PubSub,
        request: &Request<'_>,
        entries: &[Entry],
        is_raw: bool,
        spans: &[Option<SpanContext>],
    ) -> Result<(), BulkError> {
        let mut messages = Vec::with_capacity(entries.len());
        for (index, entry) in entries.iter().enumerate() {
            let payload = if is_raw {
                entry.event.clone()
            } else {
                let span = spans.get(index).and_then(Option::as_ref);
                let draft = request.draft(&self.app_id, &entry.content_type, &entry.event, span);
                let envelope = cloud_event::envelope(&draft, &entry.metadata, OffsetDateTime::now_utc())
                    .map_err(|reason| ApiError::cloud_event(request.pubsub, &self.app_id, &reason))?;
                cloud_event::to_json(&envelope).into()
            };
            let mut metadata = entry.metadata.clone();
            // The component lets the request's metadata win over an entry's.
            metadata.extend(request.metadata.clone());
            messages.push(outgoing(pubsub, request.topic, payload, metadata));
        }
        let start = Instant::now();
        let result = if pubsub.scopes.may_publish(request.topic) {
            let failed = with_policy(pubsub, messages).await;
            if failed.is_empty() { Ok(()) } else { Err(BulkError::Entries(failed_body(entries, &failed))) }
        } else {
            Err(ApiError::forbidden(request.pubsub, request.topic, &self.app_id).into())
        };
        self.measures.bulk_egress(request.pubsub, request.topic, result.is_ok(), elapsed_ms(start));
        result
    }

    fn entries(&self, request: &Request<'_>) -> Result<Vec<Entry>, ApiError> {
        let (pubsub, topic, app_id) = (request.pubsub, request.topic, self.app_id.as_str());
        let given: Vec<GivenEntry> = serde_json::from_slice(&request.body)
            .map_err(|error| ApiError::unmarshal_events(pubsub, topic, app_id, &error.to_string()))?;
        let mut ids = HashSet::new();
        let mut entries = Vec::with_capacity(given.len());
        for one in given {
            let event = event_bytes(one.event.as_deref(), &one.content_type)
                .map_err(|reason| ApiError::marshal_envelope(pubsub, topic, app_id, reason))?;
            if one.entry_id.is_empty() || !ids.insert(one.entry_id.clone()) {
                let reason = "entryId is duplicated or not present for entry";
                return Err(ApiError::marshal_events(pubsub, topic, app_id, reason));
            }
            // An entry without metadata has none: only then is the request's not added before the envelope is built.
            let metadata = one.metadata.map(|own| request.metadata.clone().into_iter().chain(own).collect());
            entries.push(Entry {
                id: one.entry_id,
                event,
                content_type: one.content_type,
                metadata: metadata.unwrap_or_default(),
            });
        }
        Ok(entries)
    }
}

/// A bulk request that was not taken.
#[derive(Debug)]
pub(crate) enum BulkError {
    /// As a whole.
    Api(ApiError),
    /// In parts: the body, status 500.
    Entries(Vec<u8>),
}

impl From<ApiError> for BulkError {
    fn from(error: ApiError) -> Self {
        Self::Api(error)
    }
}

struct Entry {
    id: String,
    event: Bytes,
    content_type: String,
    metadata: Metadata,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct GivenEntry {
    #[serde(default)]
    entry_id: String,
    #[serde(default)]
    event: Option<Box<RawValue>>,
    #[serde(default)]
    content_type: String,
    #[serde(default)]
    metadata: Option<Metadata>,
}

fn event_bytes(event: Option<&RawValue>, content_type: &str) -> Result<Bytes, &'static str> {
    const MISMATCH: &str = "error: mismatch between contentType and event";
    let json = event.map_or("null", RawValue::get);
    let text = || serde_json::from_str::<String>(json).map_err(|_| MISMATCH);
    match Kind::of(content_type) {
        Kind::Binary if !content_type.to_ascii_lowercase().starts_with("application/octet-stream") => {
            Err(MISMATCH)
        }
        Kind::Binary => STANDARD
            .decode(text()?)
            .map(Bytes::from)
            .map_err(|_| "error: unable to decode base64 application/octect-stream data"),
        Kind::Text => text().map(Bytes::from),
        Kind::Json | Kind::CloudEvent => Ok(Bytes::copy_from_slice(json.as_bytes())),
        Kind::Other => Err(MISMATCH),
    }
}

fn failed_body(entries: &[Entry], failed: &[(usize, String)]) -> Vec<u8> {
    let failed: Vec<Value> = failed
        .iter()
        .map(|(index, reason)| json!({"entryId": entries[*index].id, "error": reason}))
        .collect();
    json!({"failedEntries": failed, "errorCode": "ERR_PUBSUB_PUBLISH_MESSAGE"}).to_string().into_bytes()
}

/// Publishes by the outbound policy; what failed in the end, by its place.
async fn with_policy(pubsub: &PubSub, messages: Vec<Outgoing>) -> Vec<(usize, String)> {
    let mut left: Vec<(usize, Outgoing)> = messages.into_iter().enumerate().collect();
    let first = Instant::now();
    let mut number = 0;
    while !left.is_empty() {
        let publishing = pubsub.bus.publish(left.iter().map(|(_, message)| message.clone()).collect());
        let results = match pubsub.policy.timeout {
            None => publishing.await,
            Some(timeout) => tokio::time::timeout(timeout, publishing)
                .await
                .unwrap_or_else(|_| vec![Err("timeout: context deadline exceeded".to_owned()); left.len()]),
        };
        let failed: Vec<(usize, Outgoing, String)> = left
            .into_iter()
            .zip(results)
            .filter_map(|((index, message), result)| result.err().map(|reason| (index, message, reason)))
            .collect();
        if failed.is_empty() {
            return Vec::new();
        }
        match pubsub.policy.retry.as_ref().and_then(|retry| retry.wait_before(number, first.elapsed())) {
            None => return failed.into_iter().map(|(index, _, reason)| (index, reason)).collect(),
            Some(wait) => tokio::time::sleep(wait).await,
        }
        number = number.saturating_add(1);
        left = failed.into_iter().map(|(index, message, _)| (index, message)).collect();
    }
    Vec::new()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bus::double::MemoryBus;
    use crate::resiliency::{Policy, Retry};
    use crate::topic_scopes::TopicScopes;
    use std::time::Duration;

    #[test]
    fn entries_fit_their_content_type() {
        let check = |event: &str, content_type: &str, expected: Option<&str>| {
            let raw = RawValue::from_string(event.to_owned()).expect("it is JSON");
            let got = event_bytes(Some(&raw), content_type).ok();
            assert_eq!(got.as_deref(), expected.map(str::as_bytes), "{event} {content_type}");
        };
        check("\"a\"", "text/plain", Some("a"));
        check("{}", "text/plain", None);
        check("{\"n\":1.50}", "application/json", Some("{\"n\":1.50}"));
        check("\"YWJj\"", "application/octet-stream", Some("abc"));
        check("\"?\"", "application/octet-stream", None);
        check("1", "", None);
        assert_eq!(event_bytes(None, "application/json").as_deref(), Ok(b"null".as_slice()));
    }

    #[tokio::test]
    async fn only_what_failed_is_published_again() {
        let check = async |limit: Option<u32>, refusals: usize, failed: usize| {
            let bus = MemoryBus::refusing(refusals);
            let wait = Duration::from_millis(1);
            let retry = limit.map(|limit| Retry { limit: Some(limit), wait, ..Retry::default() });
            let policy = Policy { timeout: None, retry };
            let pubsub = PubSub {
                bus: bus.clone(),
                scopes: TopicScopes::default(),
                policy,
                topic_prefix: "ns".to_owned(),
            };
            let messages =
                ["a", "b", "c"].map(|topic| outgoing(&pubsub, topic, Bytes::new(), Metadata::new()));
            assert_eq!(with_policy(&pubsub, messages.into()).await.len(), failed, "{limit:?} {refusals}");
            let mut topics = bus.topics();
            topics.sort();
            topics.dedup();
            assert_eq!((topics.len(), topics.len()), (bus.topics().len(), 3 - failed), "none is there twice");
        };
        check(None, 0, 0).await;
        check(None, 2, 2).await;
        check(Some(1), 2, 0).await;
        check(Some(1), 5, 2).await;
        check(Some(2), 6, 0).await;
    }
}
