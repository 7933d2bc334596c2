//! OTLP/gRPC through an HTTP/2 client, byte by byte.

use crate::receiving::{Receiving, gzipped, request};
use axum::http::{HeaderMap, Request};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tidewatch_http::{ConnectionLimits, OtlpLimits};
use tokio::io::AsyncReadExt;

const EXPORT: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";

type Sender = http2::SendRequest<Full<Bytes>>;

async fn connect(address: SocketAddr) -> Sender {
    let stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    sender
}

/// An answer: HTTP status, gRPC status and message, message bytes.
#[derive(Debug, PartialEq)]
struct Answer(u16, String, String, Vec<u8>);

async fn call(sender: &mut Sender, path: &str, headers: &[(&str, &str)], body: Vec<u8>) -> Answer {
    sender.ready().await.unwrap();
    let mut request = Request::post(format!("http://localhost{path}")).header("te", "trailers");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = sender.send_request(request.body(Full::from(body)).unwrap()).await.unwrap();
    let (head, body) = response.into_parts();
    let body = body.collect().await.unwrap();
    let trailers = body.trailers().cloned().unwrap_or_default();
    let value =
        |headers: &HeaderMap, name: &str| headers.get(name).map(|value| value.to_str().unwrap().to_owned());
    let either = |name| value(&head.headers, name).or(value(&trailers, name)).unwrap_or_default();
    let (status, message) = (either("grpc-status"), either("grpc-message"));
    Answer(head.status.as_u16(), status, message, body.to_bytes().to_vec())
}

fn framed(is_compressed: bool, message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).unwrap().to_be_bytes();
    [&[u8::from(is_compressed)], &length[..], message].concat()
}

fn status(code: u8, message: &str) -> Answer {
    Answer(200, code.to_string(), message.to_owned(), Vec::new())
}

const GRPC: (&str, &str) = ("content-type", "application/grpc");
const GZIP: (&str, &str) = ("grpc-encoding", "gzip");

#[tokio::test]
async fn calls_are_taken_compressed_or_not_many_on_one_connection() {
    let receiving = Receiving::start(OtlpLimits::default()).await;
    let mut sender = connect(receiving.grpc).await;
    let done = || Answer(200, "0".to_owned(), String::new(), vec![0; 5]);
    assert_eq!(call(&mut sender, EXPORT, &[GRPC], framed(false, &request(&["a"]))).await, done());
    let proto = ("content-type", "application/grpc+proto");
    let body = framed(true, &gzipped(&request(&["b"])));
    assert_eq!(call(&mut sender, EXPORT, &[proto, GZIP], body).await, done());
    assert_eq!(call(&mut sender, EXPORT, &[GRPC, GZIP], framed(false, &request(&["c"]))).await, done());
    // More than one frame and window of HTTP/2.
    let many = vec!["d"; 500_000];
    assert_eq!(call(&mut sender, EXPORT, &[GRPC], framed(false, &request(&many))).await, done());
    let mut at_once = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let mut sender = sender.clone();
        at_once
            .spawn(async move { call(&mut sender, EXPORT, &[GRPC], framed(false, &request(&["e"]))).await });
    }
    while let Some(answer) = at_once.join_next().await {
        assert_eq!(answer.unwrap(), done());
    }
    let taken = receiving.taken();
    assert_eq!((&taken[..3], taken.len()), (&["a", "b", "c"].map(str::to_owned)[..], 500_053));
    let accepted = r#"otelcol_receiver_accepted_spans_total{receiver="otlp",transport="grpc"}"#;
    assert_eq!(receiving.metric(accepted).await, "500053");
    drop(sender);
    receiving.stop().await;
}

#[tokio::test]
async fn what_cannot_be_taken_has_its_status() {
    let limits = OtlpLimits { max_request_bytes: 1000, ..OtlpLimits::default() };
    let receiving = Receiving::start(limits).await;
    let mut sender = connect(receiving.grpc).await;
    let mut check = async |headers: &[(&str, &str)], body: Vec<u8>, expected: Answer| {
        assert_eq!(call(&mut sender, EXPORT, headers, body).await, expected);
    };
    let malformed = "malformed protobuf at byte 2: a field is longer than the message it is in";
    check(&[GRPC], framed(false, b"zzz"), status(3, malformed)).await;
    check(&[GRPC], Vec::new(), status(3, "the call has no message")).await;
    let undeclared = "a message is compressed, but grpc-encoding does not say how";
    check(&[GRPC], framed(true, b"zzz"), status(3, undeclared)).await;
    let unsupported = "unsupported grpc-encoding \"snappy\", supported: identity, gzip";
    check(&[GRPC, ("grpc-encoding", "snappy")], framed(true, b"zzz"), status(12, unsupported)).await;
    let too_large = "the request is larger than 1000 bytes%0Ahint: send smaller batches";
    check(&[GRPC, GZIP], framed(true, &gzipped(&[0; 100_000])), status(8, too_large)).await;
    let too_large = "the request is larger than 1005 bytes%0Ahint: send smaller batches";
    check(&[GRPC], framed(false, &[0; 1001]), status(8, too_large)).await;
    let partial = call(&mut sender, EXPORT, &[GRPC], framed(false, &request(&["late", "a"]))).await;
    let message = [&[10, 25, 8, 1, 18, 21], &b"spans refused: late 1"[..]].concat();
    assert_eq!(partial, Answer(200, "0".to_owned(), String::new(), framed(false, &message)));
    receiving.names.is_full.store(true, Ordering::SeqCst);
    let answer = call(&mut sender, EXPORT, &[GRPC], framed(false, b"")).await;
    assert_eq!(answer, status(14, "the span store is full"));
    let series = "tidewatch_otlp_rejected_requests_total";
    for (reason, count) in
        [("malformed", "3"), ("unsupported", "1"), ("too_large", "2"), ("unavailable", "1")]
    {
        let series = format!("{series}{{transport=\"grpc\",reason=\"{reason}\"}}");
        assert_eq!(receiving.metric(&series).await, count, "{reason}");
    }
    drop(sender);
    receiving.stop().await;
}

#[tokio::test]
async fn other_services_are_not_implemented() {
    let receiving = Receiving::start(OtlpLimits::default()).await;
    let mut sender = connect(receiving.grpc).await;
    let mut check = async |path: &str, expected: Answer| {
        assert_eq!(call(&mut sender, path, &[GRPC], framed(false, b"")).await, expected);
    };
    let only = "tidewatch takes traces only; metrics, logs and profiles are not taken over OTLP";
    check("/opentelemetry.proto.collector.metrics.v1.MetricsService/Export", status(12, only)).await;
    check("/opentelemetry.proto.collector.logs.v1.LogsService/Export", status(12, only)).await;
    let unknown = "unknown service or method /grpc.health.v1.Health/Check";
    check("/grpc.health.v1.Health/Check", status(12, unknown)).await;
    let answer = call(&mut sender, EXPORT, &[("content-type", "application/x-protobuf")], Vec::new()).await;
    assert_eq!((answer.0, answer.1.as_str()), (415, ""));
    drop(sender);
    receiving.stop().await;
}

#[tokio::test]
async fn stopping_ends_idle_connections() {
    let receiving = Receiving::start(OtlpLimits::default()).await;
    let mut sender = connect(receiving.grpc).await;
    call(&mut sender, EXPORT, &[GRPC], framed(false, &request(&["a"]))).await;
    let began = std::time::Instant::now();
    receiving.stop().await;
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    assert!(sender.ready().await.is_err());
}

#[tokio::test]
async fn a_client_that_never_begins_is_cut_off() {
    let limits = ConnectionLimits { head_timeout: Duration::from_millis(200), ..ConnectionLimits::default() };
    let receiving = Receiving::start_within(limits, OtlpLimits::default()).await;
    let mut silent = tokio::net::TcpStream::connect(receiving.grpc).await.unwrap();
    let mut answer = Vec::new();
    let ended = tokio::time::timeout(Duration::from_secs(10), silent.read_to_end(&mut answer)).await;
    assert_eq!((ended.unwrap().unwrap(), answer.len()), (0, 0));
    receiving.stop().await;
}
