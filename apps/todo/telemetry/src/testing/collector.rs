//! A receiver of spans in a test, which is also a server of sampling strategies.
//!
//! Input: OTLP over HTTP as protobuf, decoded with a library so that the application's own writing is not judged by itself; answers that
//! the test sets. Output: the spans received, and the requests they came in. Deliberately keeps everything: tests are short.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode, Uri, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use prost::Message;

use super::until;

/// A span as it was received.
#[derive(Clone, Debug, Default)]
pub struct ReceivedSpan {
    /// Attributes of its resource.
    pub resource: BTreeMap<String, String>,
    /// 32 hexadecimal digits.
    pub trace_id: String,
    /// 16 hexadecimal digits.
    pub span_id: String,
    /// 16 hexadecimal digits; empty for a root.
    pub parent_id: String,
    /// W3C `tracestate`.
    pub trace_state: String,
    /// W3C flags and the protocol's own.
    pub flags: u32,
    /// The operation.
    pub name: String,
    /// The number of its kind.
    pub kind: i32,
    /// Nanoseconds since the Unix epoch.
    pub start: u64,
    /// Nanoseconds since the Unix epoch.
    pub end: u64,
    /// Attributes; numbers and booleans as text.
    pub attributes: BTreeMap<String, String>,
    /// Attributes left out.
    pub dropped_attributes: u32,
    /// Names of events.
    pub events: Vec<String>,
    /// Span ids of links.
    pub links: Vec<String>,
    /// The number of its status: 2 is an error.
    pub status: i32,
    /// What the status says.
    pub message: String,
}

/// One request that brought spans.
#[derive(Clone, Debug)]
pub struct Export {
    /// Its headers.
    pub headers: HeaderMap,
    /// The spans in it.
    pub spans: Vec<ReceivedSpan>,
}

/// How a request is answered instead of with 200.
#[derive(Clone, Debug)]
pub enum Reply {
    /// With this status and `Retry-After: 0`.
    Status(u16),
    /// Never.
    Silence,
    /// With 200, refusing so many spans.
    Partial(i64),
}

#[derive(Debug, Default)]
struct Received {
    exports: Vec<Export>,
    replies: VecDeque<Reply>,
    /// Every further request is answered so.
    always: Option<Reply>,
    sampling: Option<String>,
    asked: Vec<String>,
}

/// A running receiver; it ends with the test's runtime.
#[derive(Clone, Debug)]
pub struct Collector {
    /// `http://127.0.0.1:<port>`, a value for `OTEL_EXPORTER_OTLP_ENDPOINT`.
    pub endpoint: String,
    received: Arc<Mutex<Received>>,
}

impl Collector {
    /// Listens on a port of its own.
    pub async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let endpoint = format!("http://{}", listener.local_addr().expect("a bound socket has an address"));
        let received = Arc::new(Mutex::new(Received::default()));
        let router = Router::new()
            .route("/v1/traces", post(receive))
            .route("/sampling", get(sampling))
            .with_state(Arc::clone(&received));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { endpoint, received }
    }

    /// Answers the next requests so, one after the other.
    pub fn reply(&self, replies: impl IntoIterator<Item = Reply>) {
        self.received.lock().expect("no holder panics").replies.extend(replies);
    }

    /// Answers every further request so.
    pub fn reply_always(&self, reply: Reply) {
        self.received.lock().expect("no holder panics").always = Some(reply);
    }

    /// Sets the answer of `/sampling`, which is 404 until then.
    pub fn sample(&self, answer: &str) {
        self.received.lock().expect("no holder panics").sampling = Some(answer.to_owned());
    }

    /// Queries that came to `/sampling`.
    pub fn asked(&self) -> Vec<String> {
        self.received.lock().expect("no holder panics").asked.clone()
    }

    /// Every request so far, however it was answered.
    pub fn exports(&self) -> Vec<Export> {
        self.received.lock().expect("no holder panics").exports.clone()
    }

    /// Every span so far.
    pub fn spans(&self) -> Vec<ReceivedSpan> {
        self.exports().into_iter().flat_map(|export| export.spans).collect()
    }

    /// Waits until `count` spans have come, and returns all there are.
    pub async fn wait_for(&self, count: usize) -> Vec<ReceivedSpan> {
        until("enough spans", async || Some(self.spans()).filter(|spans| spans.len() >= count)).await
    }
}

async fn receive(State(state): State<Arc<Mutex<Received>>>, headers: HeaderMap, body: Bytes) -> Response {
    let request = ExportRequest::decode(body).expect("the request is protobuf");
    let reply = {
        let mut received = state.lock().expect("no holder panics");
        received.exports.push(Export { headers, spans: spans(request) });
        received.replies.pop_front().or_else(|| received.always.clone())
    };
    match reply {
        None => StatusCode::OK.into_response(),
        Some(Reply::Status(status)) => {
            let status = StatusCode::from_u16(status).expect("a status");
            (status, [(header::RETRY_AFTER, "0")]).into_response()
        }
        Some(Reply::Silence) => std::future::pending().await,
        Some(Reply::Partial(rejected)) => {
            let partial_success = Some(PartialSuccess { rejected, message: "too old".to_owned() });
            ExportResponse { partial_success }.encode_to_vec().into_response()
        }
    }
}

async fn sampling(State(state): State<Arc<Mutex<Received>>>, uri: Uri) -> Response {
    let mut received = state.lock().expect("no holder panics");
    received.asked.push(uri.query().unwrap_or_default().to_owned());
    received
        .sampling
        .clone()
        .map_or_else(|| StatusCode::NOT_FOUND.into_response(), IntoResponse::into_response)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn texts(attributes: Vec<KeyValue>) -> BTreeMap<String, String> {
    let text = |value: AnyValue| match value {
        AnyValue { text: Some(text), .. } => text,
        AnyValue { number: Some(number), .. } => number.to_string(),
        AnyValue { yes: Some(yes), .. } => yes.to_string(),
        _ => panic!("a value of a kind that the application does not send"),
    };
    attributes.into_iter().map(|pair| (pair.key, text(pair.value.expect("a value")))).collect()
}

fn spans(request: ExportRequest) -> Vec<ReceivedSpan> {
    let mut spans = Vec::new();
    for of_resource in request.resource_spans {
        assert!(of_resource.schema_url.starts_with("https://opentelemetry.io/schemas/"));
        let resource = texts(of_resource.resource.expect("a resource").attributes);
        for of_scope in of_resource.scope_spans {
            assert_eq!(of_scope.scope.expect("a scope").name, "todo-telemetry");
            for span in of_scope.spans {
                let status = span.status.unwrap_or_default();
                spans.push(ReceivedSpan {
                    resource: resource.clone(),
                    trace_id: hex(&span.trace_id),
                    span_id: hex(&span.span_id),
                    parent_id: hex(&span.parent_span_id),
                    trace_state: span.trace_state,
                    flags: span.flags,
                    name: span.name,
                    kind: span.kind,
                    start: span.start,
                    end: span.end,
                    attributes: texts(span.attributes),
                    dropped_attributes: span.dropped_attributes,
                    events: span.events.into_iter().map(|event| event.name).collect(),
                    links: span.links.into_iter().map(|link| hex(&link.span_id)).collect(),
                    status: status.code,
                    message: status.message,
                });
            }
        }
    }
    spans
}

// The messages of OTLP, as far as the application sends them.

#[derive(Clone, PartialEq, Message)]
struct ExportRequest {
    #[prost(message, repeated, tag = "1")]
    resource_spans: Vec<ResourceSpans>,
}

#[derive(Clone, PartialEq, Message)]
struct ResourceSpans {
    #[prost(message, optional, tag = "1")]
    resource: Option<Resource>,
    #[prost(message, repeated, tag = "2")]
    scope_spans: Vec<ScopeSpans>,
    #[prost(string, tag = "3")]
    schema_url: String,
}

#[derive(Clone, PartialEq, Message)]
struct Resource {
    #[prost(message, repeated, tag = "1")]
    attributes: Vec<KeyValue>,
}

#[derive(Clone, PartialEq, Message)]
struct ScopeSpans {
    #[prost(message, optional, tag = "1")]
    scope: Option<Scope>,
    #[prost(message, repeated, tag = "2")]
    spans: Vec<ProtoSpan>,
}

#[derive(Clone, PartialEq, Message)]
struct Scope {
    #[prost(string, tag = "1")]
    name: String,
}

#[derive(Clone, PartialEq, Message)]
struct ProtoSpan {
    #[prost(bytes = "vec", tag = "1")]
    trace_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    span_id: Vec<u8>,
    #[prost(string, tag = "3")]
    trace_state: String,
    #[prost(bytes = "vec", tag = "4")]
    parent_span_id: Vec<u8>,
    #[prost(string, tag = "5")]
    name: String,
    #[prost(int32, tag = "6")]
    kind: i32,
    #[prost(fixed64, tag = "7")]
    start: u64,
    #[prost(fixed64, tag = "8")]
    end: u64,
    #[prost(message, repeated, tag = "9")]
    attributes: Vec<KeyValue>,
    #[prost(uint32, tag = "10")]
    dropped_attributes: u32,
    #[prost(message, repeated, tag = "11")]
    events: Vec<Event>,
    #[prost(message, repeated, tag = "13")]
    links: Vec<Link>,
    #[prost(message, optional, tag = "15")]
    status: Option<Status>,
    #[prost(fixed32, tag = "16")]
    flags: u32,
}

#[derive(Clone, PartialEq, Message)]
struct Event {
    #[prost(fixed64, tag = "1")]
    time: u64,
    #[prost(string, tag = "2")]
    name: String,
}

#[derive(Clone, PartialEq, Message)]
struct Link {
    #[prost(bytes = "vec", tag = "1")]
    trace_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    span_id: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
struct Status {
    #[prost(string, tag = "2")]
    message: String,
    #[prost(int32, tag = "3")]
    code: i32,
}

#[derive(Clone, PartialEq, Message)]
struct KeyValue {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(message, optional, tag = "2")]
    value: Option<AnyValue>,
}

#[derive(Clone, PartialEq, Message)]
struct AnyValue {
    #[prost(string, optional, tag = "1")]
    text: Option<String>,
    #[prost(bool, optional, tag = "2")]
    yes: Option<bool>,
    #[prost(int64, optional, tag = "3")]
    number: Option<i64>,
}

#[derive(Clone, PartialEq, Message)]
struct ExportResponse {
    #[prost(message, optional, tag = "1")]
    partial_success: Option<PartialSuccess>,
}

#[derive(Clone, PartialEq, Message)]
struct PartialSuccess {
    #[prost(int64, tag = "1")]
    rejected: i64,
    #[prost(string, tag = "2")]
    message: String,
}
