//! Spans on their way to a collector.
//!
//! Input: finished spans. Output: OTLP over HTTP with protobuf, `POST http://{endpoint}/v1/traces`, in batches. The queue is bounded; what does
//! not fit, or cannot be delivered, is dropped and counted.

use crate::http_client::{self, HttpClient};
use crate::measures::Measures;
use crate::trace_context::SpanContext;
use bytes::Bytes;
use http_body_util::Full;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

const QUEUE: usize = 2_048;
const BATCH: usize = 512;
/// How long a span waits for others.
const DELAY: Duration = Duration::from_millis(500);
const SEND_TIMEOUT: Duration = Duration::from_secs(5);
/// Waits before the second and third attempt.
const RETRIES: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(2)];

/// daprd's kinds of spans, by their OTLP numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SpanKind {
    Client = 3,
    Producer = 4,
}

/// A finished span.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Span {
    pub(crate) context: SpanContext,
    pub(crate) parent: Option<SpanContext>,
    pub(crate) name: String,
    pub(crate) kind: SpanKind,
    pub(crate) start: SystemTime,
    pub(crate) end: SystemTime,
    /// Empty values are left out.
    pub(crate) attributes: Vec<(String, String)>,
    /// The HTTP status; from 400 on it is an error.
    pub(crate) status: u16,
}

/// Where finished spans go.
#[derive(Clone, Debug)]
pub(crate) struct Spans {
    queue: Option<mpsc::Sender<Span>>,
    measures: Arc<Measures>,
}

/// Who sends the spans.
#[derive(Clone, Debug)]
pub(crate) struct Resource {
    /// `service.name` first.
    pub(crate) attributes: Vec<(String, String)>,
}

impl Spans {
    /// Spans go nowhere.
    pub(crate) fn nowhere(measures: Arc<Measures>) -> Self {
        Self { queue: None, measures }
    }

    /// Spans go to a collector, `host:port`. The task ends when all handles are dropped and the queue is empty.
    pub(crate) fn to(endpoint: &str, resource: Resource, measures: Arc<Measures>) -> (Self, JoinHandle<()>) {
        let (queue, spans) = mpsc::channel(QUEUE);
        let exporter = Exporter {
            url: format!("http://{endpoint}/v1/traces"),
            client: http_client::client(),
            resource,
            measures: Arc::clone(&measures),
        };
        (Self { queue: Some(queue), measures }, tokio::spawn(exporter.run(spans)))
    }

    /// Hands a span over, if it is sampled.
    pub(crate) fn finish(&self, span: Span) {
        let Some(queue) = self.queue.as_ref().filter(|_| span.context.is_sampled()) else { return };
        if queue.try_send(span).is_err() {
            self.measures.spans_dropped(1, "queue_full");
        }
    }
}

struct Exporter {
    url: String,
    client: HttpClient,
    resource: Resource,
    measures: Arc<Measures>,
}

impl Exporter {
    async fn run(self, mut spans: mpsc::Receiver<Span>) {
        let mut batch = Vec::new();
        while spans.recv_many(&mut batch, BATCH).await > 0 {
            let until = tokio::time::Instant::now() + DELAY;
            while batch.len() < BATCH {
                match tokio::time::timeout_at(until, spans.recv()).await {
                    Ok(Some(span)) => batch.push(span),
                    Ok(None) | Err(_) => break,
                }
            }
            self.send(&batch).await;
            batch.clear();
        }
    }

    async fn send(&self, batch: &[Span]) {
        let body = Bytes::from(encode(&self.resource, batch));
        let mut waits = RETRIES.iter();
        loop {
            let error = match tokio::time::timeout(SEND_TIMEOUT, self.post(body.clone())).await {
                Ok(Ok(status)) if (200..300).contains(&status) => return,
                Ok(Ok(status)) => format!("status {status}"),
                Ok(Err(error)) => error,
                Err(_) => format!("no answer in {}s", SEND_TIMEOUT.as_secs()),
            };
            let Some(wait) = waits.next() else {
                tracing::debug!(url = self.url, error, spans = batch.len(), "spans were dropped");
                self.measures.spans_dropped(batch.len() as u64, "not_delivered");
                return;
            };
            tokio::time::sleep(*wait).await;
        }
    }

    async fn post(&self, body: Bytes) -> Result<u16, String> {
        let request = hyper::Request::post(&self.url)
            .header(hyper::header::CONTENT_TYPE, "application/x-protobuf")
            .body(Full::new(body))
            .map_err(|error| error.to_string())?;
        http_client::send(&self.client, request, 64 << 10).await.map(|answer| answer.status)
    }
}

/// Protobuf, field by field (`opentelemetry/proto/collector/trace/v1`): numbers as in the schema.
fn encode(resource: &Resource, spans: &[Span]) -> Vec<u8> {
    let mut out = Message::default();
    out.message(1, |resource_spans| {
        resource_spans.message(1, |one| {
            for (key, value) in &resource.attributes {
                one.attribute(1, key, value);
            }
        });
        resource_spans.message(2, |scope_spans| {
            scope_spans.message(1, |scope| scope.bytes(1, b"dapr-diagnostics"));
            for span in spans {
                scope_spans.message(2, |out| encode_span(out, span));
            }
        });
    });
    out.0
}

fn encode_span(out: &mut Message, span: &Span) {
    out.bytes(1, &span.context.trace_id);
    out.bytes(2, &span.context.span_id);
    if !span.context.state.is_empty() {
        out.bytes(3, span.context.state.as_bytes());
    }
    if let Some(parent) = &span.parent {
        out.bytes(4, &parent.span_id);
    }
    out.bytes(5, span.name.as_bytes());
    out.varint(6, span.kind as u64);
    out.fixed64(7, nanoseconds(span.start));
    out.fixed64(8, nanoseconds(span.end));
    for (key, value) in span.attributes.iter().filter(|(_, value)| !value.is_empty()) {
        out.attribute(9, key, value);
    }
    if span.status >= 400 {
        let text = hyper::StatusCode::from_u16(span.status).ok().and_then(|status| status.canonical_reason());
        let text = format!("Code({}): {}", span.status, text.unwrap_or("Unknown"));
        out.message(15, |status| {
            status.bytes(2, text.as_bytes());
            status.varint(3, 2);
        });
    }
}

fn nanoseconds(at: SystemTime) -> u64 {
    at.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64)
}

#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    fn raw_varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    fn varint(&mut self, field: u32, value: u64) {
        self.raw_varint(u64::from(field) << 3);
        self.raw_varint(value);
    }

    fn fixed64(&mut self, field: u32, value: u64) {
        self.raw_varint(u64::from(field) << 3 | 1);
        self.0.extend(value.to_le_bytes());
    }

    fn bytes(&mut self, field: u32, bytes: &[u8]) {
        self.raw_varint(u64::from(field) << 3 | 2);
        self.raw_varint(bytes.len() as u64);
        self.0.extend(bytes);
    }

    fn message(&mut self, field: u32, fill: impl FnOnce(&mut Self)) {
        let mut inner = Self::default();
        fill(&mut inner);
        self.bytes(field, &inner.0);
    }

    fn attribute(&mut self, field: u32, key: &str, value: &str) {
        self.message(field, |pair| {
            pair.bytes(1, key.as_bytes());
            pair.message(2, |any| any.bytes(1, value.as_bytes()));
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_the_protobuf_the_schema_says() {
        let context = SpanContext { trace_id: [1; 16], span_id: [2; 8], flags: 1, state: String::new() };
        let span = Span {
            parent: Some(SpanContext { span_id: [3; 8], ..context.clone() }),
            context,
            name: "n".to_owned(),
            kind: SpanKind::Client,
            start: SystemTime::UNIX_EPOCH + Duration::from_nanos(1),
            end: SystemTime::UNIX_EPOCH + Duration::from_nanos(2),
            attributes: vec![("k".to_owned(), "v".to_owned()), ("empty".to_owned(), String::new())],
            status: 500,
        };
        let mut out = Message::default();
        encode_span(&mut out, &span);
        let mut expected = vec![0x0a, 16];
        expected.extend([1; 16]);
        expected.extend([
            0x12, 8, 2, 2, 2, 2, 2, 2, 2, 2, 0x22, 8, 3, 3, 3, 3, 3, 3, 3, 3, 0x2a, 1, b'n', 0x30, 3,
        ]);
        expected.extend([0x39, 1, 0, 0, 0, 0, 0, 0, 0, 0x41, 2, 0, 0, 0, 0, 0, 0, 0]);
        expected.extend([0x4a, 8, 0x0a, 1, b'k', 0x12, 3, 0x0a, 1, b'v']);
        let text = b"Code(500): Internal Server Error";
        expected.extend([0x7a, text.len() as u8 + 4, 0x12, text.len() as u8]);
        expected.extend(text);
        expected.extend([0x18, 2]);
        assert_eq!(out.0, expected);
    }
}
