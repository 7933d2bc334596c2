//! The HTTP API of the sidecar: which request goes where, traced and counted.
//!
//! Input: requests of the application. Output: daprd's answers. Of Dapr only pub/sub is here; the other building blocks are refused by name.

use crate::api_error::ApiError;
use crate::bus::Bus;
use crate::cloud_event::Metadata;
use crate::measures::{Measures, elapsed_ms};
use crate::publish::{BulkError, Request as Publish};
use crate::resiliency::Policy;
use crate::spans::{Span, SpanKind, Spans};
use crate::subscription::Subscription;
use crate::topic_scopes::TopicScopes;
use crate::trace_context::{SpanContext, Tracing};
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Body;
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderValue};
use hyper::{Method, Request, Response};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Instant, SystemTime};
use tidewatch_model::percent_decoded_leniently;
use tokio::sync::watch;

/// What the API works on.
pub(crate) struct Api {
    pub(crate) app_id: String,
    pub(crate) api_token: Option<String>,
    pub(crate) max_body_bytes: usize,
    pub(crate) pubsubs: BTreeMap<String, PubSub>,
    pub(crate) tracing: Tracing,
    pub(crate) spans: Spans,
    pub(crate) measures: Arc<Measures>,
    /// Whether components are there.
    pub(crate) outbound_ready: AtomicBool,
    /// Whether the application is there too.
    pub(crate) ready: AtomicBool,
    /// What `PUT /v1.0/metadata/{key}` has set.
    pub(crate) attributes: Mutex<BTreeMap<String, String>>,
    pub(crate) subscriptions: Mutex<Vec<Subscription>>,
    pub(crate) app: AppFacts,
    /// Set by `POST /v1.0/shutdown`.
    pub(crate) shutdown: watch::Sender<bool>,
}

/// What the metadata API tells of the application.
#[derive(Clone, Debug, Default)]
pub(crate) struct AppFacts {
    pub(crate) port: Option<u16>,
    pub(crate) address: String,
    pub(crate) max_concurrency: Option<usize>,
    pub(crate) health: Option<crate::AppHealthOptions>,
}

/// A pub/sub component that runs.
pub(crate) struct PubSub {
    pub(crate) bus: Arc<dyn Bus>,
    pub(crate) scopes: TopicScopes,
    /// The outbound policy.
    pub(crate) policy: Policy,
    pub(crate) topic_prefix: String,
}

type Answer = Response<Full<Bytes>>;

/// daprd's text for publish answers, which are empty.
const EMPTY_TEXT: &str = "text/plain; charset=utf-8";

/// Building blocks that Dapr has and this sidecar does not.
const OTHER_BLOCKS: [&str; 15] = [
    "invoke",
    "state",
    "secrets",
    "bindings",
    "actors",
    "configuration",
    "lock",
    "unlock",
    "crypto",
    "subtlecrypto",
    "workflows",
    "jobs",
    "job",
    "query",
    "conversation",
];

pub(crate) fn answer(status: u16, content_type: Option<&'static str>, body: impl Into<Bytes>) -> Answer {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() =
        hyper::StatusCode::from_u16(status).expect("the program's own statuses are valid");
    if let Some(content_type) = content_type {
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    }
    response
}

impl From<ApiError> for Answer {
    fn from(error: ApiError) -> Self {
        answer(error.status, Some("application/json"), error.json())
    }
}

/// A request as the handlers see it.
struct Asked<'a> {
    method: &'a Method,
    path: &'a str,
    query: &'a str,
    headers: &'a HeaderMap,
    body: Bytes,
    span: Option<SpanContext>,
}

impl Api {
    /// Answers one request.
    pub(crate) async fn handle<B>(&self, request: Request<B>, peer: SocketAddr) -> Answer
    where
        B: Body<Data = Bytes> + Send,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let (start, started) = (SystemTime::now(), Instant::now());
        let (head, body) = request.into_parts();
        let path = decode(head.uri.path(), false);
        // Health checks are neither traced nor, as in daprd, authenticated. Only they: a topic may have any name.
        let is_health = matches!(path.as_str(), "/v1.0/healthz" | "/v1.0/healthz/outbound");
        let parent =
            header(&head.headers, "traceparent").and_then(SpanContext::parse).map(|parent| SpanContext {
                state: header(&head.headers, "tracestate").unwrap_or_default().to_owned(),
                ..parent
            });
        let span = if is_health { None } else { self.tracing.start(parent.clone()) };
        let announced =
            header(&head.headers, CONTENT_LENGTH.as_str()).and_then(|text| text.parse().ok()).unwrap_or(0);
        let mut response = match self.refused(&head.headers, is_health) {
            Some(refused) => refused,
            None => match Limited::new(body, self.max_body_bytes).collect().await {
                Ok(body) => {
                    let asked = Asked {
                        method: &head.method,
                        path: &path,
                        query: head.uri.query().unwrap_or_default(),
                        headers: &head.headers,
                        body: body.to_bytes(),
                        span: span.clone(),
                    };
                    self.route(asked).await
                }
                Err(_) => self.too_large(),
            },
        };
        let status = response.status().as_u16();
        if let Some(context) = span.filter(|_| !matches!(self.tracing, Tracing::Off)) {
            let value = HeaderValue::from_str(&context.to_string()).expect("hex is a header value");
            response.headers_mut().insert("traceparent", value);
            if let Ok(state) = HeaderValue::from_str(&context.state)
                && !context.state.is_empty()
            {
                response.headers_mut().insert("tracestate", state);
            }
            if !matches!(self.tracing, Tracing::PassOn) && context.is_sampled() {
                let attributes = attributes(&head, &path, status, peer);
                let (kind, end) = (SpanKind::Client, SystemTime::now());
                self.spans.finish(Span {
                    context,
                    parent,
                    name: path.clone(),
                    kind,
                    start,
                    end,
                    attributes,
                    status,
                });
            }
        }
        let size = response.body().size_hint().exact().unwrap_or(0);
        self.measures.server(head.method.as_str(), &path, status, (announced, size), elapsed_ms(started));
        response
    }

    fn refused(&self, headers: &HeaderMap, is_health: bool) -> Option<Answer> {
        let token = self.api_token.as_deref().filter(|_| !is_health)?;
        let given = header(headers, "dapr-api-token").unwrap_or_default();
        // Every byte is looked at, so that the time taken does not tell how many were right.
        let differ = given.len() ^ token.len()
            | given.bytes().zip(token.bytes()).fold(0, |all, (a, b)| all | usize::from(a ^ b));
        (differ != 0).then(|| answer(401, Some(EMPTY_TEXT), "invalid api token\n"))
    }

    fn too_large(&self) -> Answer {
        let message = format!(
            "the request body is larger than {} bytes; raise --max-body-size (annotation dapr.io/max-body-size)",
            self.max_body_bytes
        );
        ApiError::plain(413, "ERR_BODY_TOO_LARGE", message).into()
    }

    async fn route(&self, asked: Asked<'_>) -> Answer {
        // Double slashes are mended before a route is looked for.
        let segments: Vec<&str> = asked.path.split('/').filter(|segment| !segment.is_empty()).collect();
        let is_publish = matches!(*asked.method, Method::POST | Method::PUT);
        match segments.as_slice() {
            ["v1.0", "healthz"] if asked.method == Method::GET => self.health(asked.query),
            ["v1.0", "healthz", "outbound"] if asked.method == Method::GET => self.outbound_health(),
            ["v1.0", "metadata"] if asked.method == Method::GET => {
                answer(200, Some("application/json"), self.metadata_json())
            }
            ["v1.0", "metadata", key] if asked.method == Method::PUT => self.set_attribute(key, &asked.body),
            ["v1.0", "shutdown"] if asked.method == Method::POST => {
                tracing::info!("the application asks to shut down");
                self.shutdown.send_replace(true);
                answer(204, None, "")
            }
            ["v1.0-alpha1", "publish", "bulk", pubsub, topic @ ..] if is_publish && !topic.is_empty() => {
                self.answer_bulk(pubsub, &topic.join("/"), &asked).await
            }
            ["v1.0", "publish", pubsub, topic @ ..] if is_publish && !topic.is_empty() => {
                match self.publish(publish_request(pubsub, &topic.join("/"), &asked)).await {
                    Ok(()) => answer(204, Some(EMPTY_TEXT), ""),
                    Err(error) => error.into(),
                }
            }
            ["v1.0" | "v1.0-alpha1" | "v1.0-beta1", block, ..] if OTHER_BLOCKS.contains(block) => {
                let message = format!(
                    "{block} is not part of this sidecar: of Dapr's APIs only pub/sub is there; use Dapr's own sidecar for it"
                );
                ApiError::plain(501, "ERR_NOT_IMPLEMENTED", message).into()
            }
            _ => {
                let message = format!(
                    "{} {} is not part of this sidecar: of Dapr's APIs only pub/sub is there",
                    asked.method, asked.path
                );
                ApiError::plain(404, "ERR_DIRECT_INVOKE", message).into()
            }
        }
    }

    async fn answer_bulk(&self, pubsub: &str, topic: &str, asked: &Asked<'_>) -> Answer {
        match self.publish_bulk(publish_request(pubsub, topic, asked)).await {
            Ok(()) => answer(204, Some(EMPTY_TEXT), ""),
            Err(BulkError::Api(error)) => error.into(),
            Err(BulkError::Entries(body)) => answer(500, Some("application/json"), body),
        }
    }

    fn health(&self, query: &str) -> Answer {
        if !self.ready.load(Ordering::Acquire) {
            return ApiError::plain(500, "ERR_HEALTH_NOT_READY", "dapr is not ready").into();
        }
        if query_pairs(query).any(|(key, value)| key == "appid" && value != self.app_id) {
            return ApiError::plain(500, "ERR_HEALTH_APPID_NOT_MATCH", "dapr app-id does not match").into();
        }
        answer(204, None, "")
    }

    fn outbound_health(&self) -> Answer {
        if self.outbound_ready.load(Ordering::Acquire) {
            return answer(204, None, "");
        }
        ApiError::plain(500, "ERR_OUTBOUND_HEALTH_NOT_READY", "dapr outbound is not ready").into()
    }
}

fn publish_request<'a>(pubsub: &'a str, topic: &'a str, asked: &'a Asked<'_>) -> Publish<'a> {
    Publish {
        pubsub,
        topic,
        metadata: metadata_of(asked.query),
        content_type: header(asked.headers, CONTENT_TYPE.as_str()).unwrap_or_default(),
        body: asked.body.clone(),
        path: asked.path,
        span: asked.span.clone(),
    }
}

/// What daprd tells of a request: no destination, since its route has no parameter of that name.
fn attributes(
    head: &hyper::http::request::Parts,
    path: &str,
    status: u16,
    peer: SocketAddr,
) -> Vec<(String, String)> {
    let uri = head.uri.path_and_query().map_or(path, |both| both.as_str());
    let mut attributes: Vec<(String, String)> = [
        ("dapr.protocol", "http".to_owned()),
        ("dapr.api", format!("{} {path}", head.method)),
        ("dapr.status_code", status.to_string()),
        ("http.request.method", head.method.to_string()),
        ("url.full", uri.to_owned()),
        ("server.address", peer.ip().to_string()),
        ("server.port", peer.port().to_string()),
    ]
    .map(|(key, value)| (key.to_owned(), value))
    .into();
    let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    let is_publish = matches!(
        segments.as_slice(),
        ["v1.0", "publish", _, _, ..] | ["v1.0-alpha1", "publish", "bulk", _, _, ..]
    );
    if is_publish && matches!(head.method, Method::POST | Method::PUT) {
        attributes.push(("messaging.system".to_owned(), "pubsub".to_owned()));
    }
    for (name, value) in &head.headers {
        // The token must not leave this process.
        if name.as_str().starts_with("dapr-") && name.as_str() != "dapr-api-token" {
            attributes
                .push((name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned()));
        }
    }
    attributes
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// `%XX` decoded, in queries `+` too. What is no code stays.
fn decode(text: &str, plus: bool) -> String {
    let bytes = percent_decoded_leniently(text.as_bytes(), plus);
    String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

fn query_pairs(query: &str) -> impl Iterator<Item = (String, String)> {
    query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decode(key, true), decode(value, true))
    })
}

fn metadata_of(query: &str) -> Metadata {
    query_pairs(query)
        .filter_map(|(key, value)| Some((key.strip_prefix("metadata.")?.to_owned(), value)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_comes_out_of_the_query() {
        let check = |query: &str, expected: &[(&str, &str)]| {
            let got = metadata_of(query);
            let got: Vec<_> = got.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
            assert_eq!(got, expected, "{query}");
        };
        check("", &[]);
        check("metadata.partitionKey=a%2Fb&x=1&metadata.ttl=1+s", &[("partitionKey", "a/b"), ("ttl", "1 s")]);
        check("metadata.a=1&metadata.a=2&metadata.", &[("", ""), ("a", "2")]);
        check("metadata.a=%zz%", &[("a", "%zz%")]);
        check("metadata.a=%C3%A9%FF", &[("a", "é\u{fffd}")]);
    }
}
