//! Sends batches of spans to an OTLP receiver (`http/protobuf`).
//!
//! Input: the queue. Output: POST requests; outcomes in metrics. What may pass is repeated with growing pauses, what will not is
//! dropped and counted; the log tells at powers of two, never per span. Deliberately one request at a time: order is of no use to a
//! receiver, but memory is bounded.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use axum::{
    body::{Body, Bytes},
    http::{HeaderMap, Method, Request, StatusCode, Uri, header},
};
use http_body_util::{BodyExt, Limited};
use tokio::sync::watch;

use crate::{
    HttpClient,
    export_metrics::{DropReason, ExportMetrics},
    random_ids,
    resource::Envelope,
    span_queue::{Batch, SpanQueue},
};

/// Longest answer that is read.
const MAX_ANSWER_BYTES: usize = 64 * 1024;
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// How batches are made and sent.
#[derive(Clone, Debug)]
pub(crate) struct ExportPolicy {
    /// How long the first span of a batch waits for others.
    pub(crate) schedule_delay: Duration,
    /// Longest wait for one answer.
    pub(crate) attempt_timeout: Duration,
    /// After this long no further attempt is begun.
    pub(crate) give_up_after: Duration,
}

/// The sending end of a queue.
pub(crate) struct Exporter {
    pub(crate) queue: Arc<SpanQueue>,
    pub(crate) client: HttpClient,
    pub(crate) address: Uri,
    pub(crate) headers: HeaderMap,
    pub(crate) envelope: Envelope,
    pub(crate) policy: ExportPolicy,
    pub(crate) metrics: ExportMetrics,
    /// Spans taken from the queue whose export is not over.
    pub(crate) under_way: Arc<AtomicUsize>,
}

/// What an attempt came to.
enum Attempt {
    /// All spans but so many were taken.
    Taken {
        rejected: u64,
        message: String,
    },
    Refused(String),
    Failed {
        reason: DropReason,
        text: String,
        retry_after: Option<Duration>,
    },
}

impl Exporter {
    /// Exports until `closing`, and then what is still waiting, each batch with one last attempt.
    pub(crate) async fn run(self, mut closing: watch::Receiver<bool>) {
        let mut failures: u64 = 0;
        loop {
            if self.queue.is_empty() {
                tokio::select! {
                    () = self.queue.first.notified() => {}
                    _ = closing.wait_for(|closing| *closing) => {}
                }
            }
            let only_full = tokio::select! {
                () = tokio::time::sleep(self.policy.schedule_delay) => false,
                () = self.queue.full.notified() => true,
                _ = closing.wait_for(|closing| *closing) => false,
            };
            while let Some(batch) = self.queue.take(only_full) {
                self.under_way.store(batch.spans, Ordering::Relaxed);
                self.export(batch, &mut failures, &mut closing).await;
                self.under_way.store(0, Ordering::Relaxed);
            }
            if *closing.borrow() {
                return;
            }
        }
    }

    async fn export(&self, batch: Batch, failures: &mut u64, closing: &mut watch::Receiver<bool>) {
        let spans = batch.spans as u64;
        let body = Bytes::from(self.envelope.around(&batch.bytes));
        drop(batch);
        let started = Instant::now();
        let mut pause = FIRST_PAUSE;
        loop {
            let last_attempt = *closing.borrow();
            let (reason, text, retry_after) = match self.attempt(body.clone()).await {
                Attempt::Taken { rejected, message } => {
                    let rejected = rejected.min(spans);
                    self.metrics.exported.inc_by(spans - rejected);
                    self.metrics.dropped(DropReason::Refused, rejected);
                    if rejected > 0 {
                        tell(failures, "the receiver took only a part of a batch of spans", &message);
                    } else {
                        *failures = 0;
                    }
                    return;
                }
                Attempt::Refused(text) => {
                    self.metrics.dropped(DropReason::Refused, spans);
                    return tell(failures, "a batch of spans was refused", &text);
                }
                Attempt::Failed { reason, text, retry_after } => (reason, text, retry_after),
            };
            let pause_now = retry_after.unwrap_or_else(|| jittered(pause));
            if last_attempt || started.elapsed().saturating_add(pause_now) >= self.policy.give_up_after {
                self.metrics.dropped(reason, spans);
                return tell(failures, "a batch of spans could not be exported", &text);
            }
            tell(failures, "a batch of spans could not be exported yet", &text);
            tokio::select! {
                () = tokio::time::sleep(pause_now) => {}
                _ = closing.wait_for(|closing| *closing) => {}
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    async fn attempt(&self, body: Bytes) -> Attempt {
        let mut request = Request::new(Body::from(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.address.clone();
        *request.headers_mut() = self.headers.clone();
        let answer = async {
            let response = self.client.request(request).await.map_err(|error| cause(&error))?;
            let (parts, body) = response.into_parts();
            // Read to its end, so that the connection can be used again.
            let body =
                Limited::new(body, MAX_ANSWER_BYTES).collect().await.map_err(|error| error.to_string())?;
            Ok::<_, String>((parts, body.to_bytes()))
        };
        let unavailable =
            |text, retry_after| Attempt::Failed { reason: DropReason::Unavailable, text, retry_after };
        match tokio::time::timeout(self.policy.attempt_timeout, answer).await {
            Err(_) => {
                let text = format!("no answer within {} ms", self.policy.attempt_timeout.as_millis());
                Attempt::Failed { reason: DropReason::Timeout, text, retry_after: None }
            }
            Ok(Err(text)) => unavailable(text, None),
            Ok(Ok((parts, body))) if parts.status.is_success() => {
                let (rejected, message) = partial_success(&body).unwrap_or_default();
                Attempt::Taken { rejected, message }
            }
            Ok(Ok((parts, _))) if may_pass(parts.status) => {
                unavailable(format!("status {}", parts.status), retry_after(&parts.headers))
            }
            Ok(Ok((parts, _))) => Attempt::Refused(format!("status {}", parts.status)),
        }
    }
}

/// The statuses that OTLP lets a client repeat.
fn may_pass(status: StatusCode) -> bool {
    matches!(status.as_u16(), 408 | 429 | 502 | 503 | 504)
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

/// The innermost cause: "connection refused" instead of "client error".
fn cause(error: &dyn std::error::Error) -> String {
    std::iter::successors(Some(error), |error| error.source())
        .last()
        .map(ToString::to_string)
        .unwrap_or_default()
}

/// `pause` minus up to a quarter, so that replicas do not knock in step.
fn jittered(pause: Duration) -> Duration {
    let dice = u32::try_from(random_ids::span_id().0 % 256).expect("less than 256");
    pause - pause / 4 * dice / 256
}

fn tell(failures: &mut u64, what: &str, reason: &str) {
    *failures += 1;
    if failures.is_power_of_two() {
        tracing::warn!(reason, failures = *failures, "{what}");
    }
}

/// Rejected spans and message of an `ExportTraceServiceResponse`; `None` when there is nothing to say.
fn partial_success(mut response: &[u8]) -> Option<(u64, String)> {
    let mut partial = loop {
        if let (1, Field::Bytes(partial)) = field(&mut response)? {
            break partial;
        }
    };
    let (mut rejected, mut message) = (0, String::new());
    while let Some(found) = field(&mut partial) {
        match found {
            (1, Field::Number(number)) => rejected = number,
            (2, Field::Bytes(text)) => {
                message = crate::span_encoding::cut(&String::from_utf8_lossy(text)).to_owned();
            }
            _ => {}
        }
    }
    Some((rejected, message))
}

enum Field<'a> {
    Number(u64),
    Bytes(&'a [u8]),
    Other,
}

/// The next field of a protobuf message; `None` at its end, or where it is damaged.
fn field<'a>(message: &mut &'a [u8]) -> Option<(u64, Field<'a>)> {
    let tag = number(message)?;
    let value = match tag & 7 {
        0 => Field::Number(number(message)?),
        1 => {
            *message = message.get(8..)?;
            Field::Other
        }
        2 => {
            let length = usize::try_from(number(message)?).ok()?;
            let (bytes, rest) = message.split_at_checked(length)?;
            *message = rest;
            Field::Bytes(bytes)
        }
        5 => {
            *message = message.get(4..)?;
            Field::Other
        }
        _ => return None,
    };
    Some((tag >> 3, value))
}

fn number(message: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = message.split_first()?;
        *message = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use prometheus_client::{encoding::text, registry::Registry};

    use super::*;
    use crate::{
        Environment, SpanKind, TracePipeline, TraceSettings,
        testing::{Collector, Reply, until},
    };

    struct Bench {
        collector: Collector,
        pipeline: TracePipeline,
        registry: Registry,
    }

    impl Bench {
        async fn start(variables: &[(&str, &str)]) -> Self {
            let collector = Collector::start().await;
            let mut all = vec![("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint.as_str())];
            all.extend([("OTEL_BSP_SCHEDULE_DELAY", "1"), ("OTEL_TRACES_SAMPLER", "always_on")]);
            all.extend(variables);
            let settings = TraceSettings::from_environment(&Environment::from_iter(all)).unwrap();
            let mut registry = Registry::default();
            let pipeline = TracePipeline::start(&settings, "bench", "1.2.3", &mut registry).unwrap();
            Self { collector, pipeline, registry }
        }

        fn spans(&self, count: usize) {
            let operation = self.pipeline.tracer().operation("work", SpanKind::Internal);
            for _ in 0..count {
                self.pipeline.tracer().begin(&operation, None);
            }
        }

        fn value(&self, series: &str) -> u64 {
            let mut page = String::new();
            text::encode(&mut page, &self.registry).unwrap();
            let line = page.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
            line.unwrap_or_else(|| panic!("{series} is missing in {page}")).parse().unwrap()
        }

        async fn reaches(&self, series: &str, expected: u64) {
            until(series, async || (self.value(series) == expected).then_some(())).await;
        }

        async fn drops(&self, reason: &str, expected: u64) {
            self.reaches(&format!(r#"otel_exporter_spans_dropped_total{{reason="{reason}"}}"#), expected)
                .await;
        }
    }

    const EXPORTED: &str = "otel_exporter_spans_exported_total";

    #[tokio::test]
    async fn batches_are_bounded_and_say_who_sends_them() {
        let variables = [
            ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "4"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "x-tenant=a%20b"),
            ("OTEL_RESOURCE_ATTRIBUTES", "service.version=9"),
            ("POD_NAME", "todo-backend-x1"),
            ("POD_NAMESPACE", "todo-app-prod"),
        ];
        let bench = Bench::start(&variables).await;
        bench.spans(10);
        bench.reaches(EXPORTED, 10).await;
        let exports = bench.collector.exports();
        assert!(exports.len() >= 3 && exports.iter().all(|export| export.spans.len() <= 4), "{exports:?}");
        assert_eq!(exports[0].headers["content-type"], "application/x-protobuf");
        assert_eq!(exports[0].headers["x-tenant"], "a b");
        let span = &exports[0].spans[0];
        for (key, value) in [
            ("service.name", "bench"),
            ("service.version", "9"),
            ("service.instance.id", "todo-backend-x1"),
            ("k8s.pod.name", "todo-backend-x1"),
            ("k8s.namespace.name", "todo-app-prod"),
            ("telemetry.sdk.language", "rust"),
        ] {
            assert_eq!(span.resource[key], value, "{key}");
        }
        assert_eq!((span.name.as_str(), span.kind, span.parent_id.as_str()), ("work", 1, ""));
        assert!(span.start > 1_600_000_000_000_000_000 && span.end >= span.start);
        assert_eq!(bench.value("otel_exporter_queue_spans"), 0);
    }

    #[tokio::test]
    async fn what_may_pass_is_repeated_and_what_will_not_is_counted() {
        let bench = Bench::start(&[("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "2")]).await;
        bench.collector.reply([503, 429, 502].map(Reply::Status));
        bench.spans(2);
        bench.reaches(EXPORTED, 2).await;
        assert_eq!(bench.collector.exports().len(), 4);
        let ids: Vec<_> = bench.collector.spans().into_iter().map(|span| span.span_id).collect();
        assert_eq!(ids[..2], ids[6..], "the same spans are sent again");
        bench.collector.reply([Reply::Status(400)]);
        bench.spans(2);
        bench.drops("refused", 2).await;
        bench.collector.reply([Reply::Partial(1)]);
        bench.spans(2);
        bench.drops("refused", 3).await;
        bench.reaches(EXPORTED, 3).await;
    }

    #[tokio::test]
    async fn a_receiver_that_is_away_or_silent_costs_spans_and_nothing_else() {
        let silent = [("OTEL_EXPORTER_OTLP_TIMEOUT", "20"), ("OTEL_BSP_EXPORT_TIMEOUT", "30")];
        let bench = Bench::start(&silent).await;
        bench.collector.reply_always(Reply::Silence);
        bench.spans(1);
        bench.drops("timeout", 1).await;

        let away = [("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9"), ("OTEL_BSP_EXPORT_TIMEOUT", "30")];
        let bench = Bench::start(&away).await;
        bench.spans(1);
        bench.drops("unavailable", 1).await;

        let small = [("OTEL_BSP_MAX_QUEUE_SIZE", "4"), ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "4")];
        let bench = Bench::start(&small).await;
        bench.collector.reply_always(Reply::Silence);
        bench.spans(4);
        until("the batch is under way", async || (bench.collector.exports().len() == 1).then_some(())).await;
        bench.spans(10);
        bench.drops("queue_full", 6).await;
    }

    #[tokio::test]
    async fn the_end_flushes_within_its_time() {
        let bench = Bench::start(&[("OTEL_BSP_SCHEDULE_DELAY", "600000")]).await;
        bench.spans(3);
        bench.pipeline.close(Duration::from_secs(30)).await;
        assert_eq!((bench.collector.spans().len(), bench.value(EXPORTED)), (3, 3));
        bench.spans(1);
        bench.drops("shutdown", 1).await;

        let bench = Bench::start(&[("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "2")]).await;
        bench.collector.reply_always(Reply::Silence);
        bench.spans(5);
        let started = Instant::now();
        bench.pipeline.close(Duration::from_millis(50)).await;
        assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
        bench.drops("shutdown", 5).await;
    }

    #[test]
    fn a_damaged_answer_is_no_refusal() {
        let check = |answer: &[u8], expected: Option<(u64, &str)>| {
            let read = partial_success(answer);
            assert_eq!(
                read.as_ref().map(|(rejected, text)| (*rejected, text.as_str())),
                expected,
                "{answer:?}"
            );
        };
        check(b"", None);
        check(b"\x0a\x00", Some((0, "")));
        check(b"\x0a\x06\x08\x05\x12\x02no", Some((5, "no")));
        check(b"\x0a\x7f\x08", None);
        check(b"<html>", None);
        check(&[0xff; 20], None);
    }
}
