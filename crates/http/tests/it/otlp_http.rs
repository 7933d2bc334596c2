//! OTLP/HTTP. Status codes and texts without a hint of ours were observed on Jaeger 2 (collector 0.140).

use crate::client::{Reply, send, start};
use crate::receiving::{Receiving, gzipped, request};
use crate::served::eventually;
use std::sync::atomic::Ordering;
use tidewatch_http::OtlpLimits;
use tokio::io::AsyncReadExt;

const PROTOBUF: (&str, &str) = ("Content-Type", "application/x-protobuf");
const JSON: (&str, &str) = ("Content-Type", "application/json; charset=utf-8");

async fn post(receiving: &Receiving, headers: &[(&str, &str)], body: &[u8]) -> Reply {
    send(receiving.http, "POST", "/v1/traces", headers, body).await
}

#[tokio::test]
async fn spans_come_in_in_both_notations_compressed_or_not() {
    let receiving = Receiving::start(OtlpLimits::default()).await;
    let check = async |headers: &[(&str, &str)], body: &[u8], kind: &str, expected: &[u8]| {
        let reply = post(&receiving, headers, body).await;
        assert_eq!((reply.status, reply.header("content-type")), (200, kind), "{}", reply.text());
        assert_eq!(reply.bytes, expected);
    };
    let json = |name: &str| {
        format!("{{\"resourceSpans\":[{{\"scopeSpans\":[{{\"spans\":[{{\"name\":\"{name}\"}}]}}]}}]}}")
    };
    let (protobuf, as_json) = ("application/x-protobuf", "application/json");
    check(&[PROTOBUF], &request(&["a"]), protobuf, b"").await;
    check(&[PROTOBUF, ("Content-Encoding", "gzip")], &gzipped(&request(&["b"])), protobuf, b"").await;
    check(&[JSON], json("c").as_bytes(), as_json, br#"{"partialSuccess":{}}"#).await;
    check(
        &[JSON, ("Content-Encoding", "GZIP")],
        &gzipped(json("d").as_bytes()),
        as_json,
        br#"{"partialSuccess":{}}"#,
    )
    .await;
    check(&[PROTOBUF], b"", protobuf, b"").await;
    check(&[JSON], b"{}", as_json, br#"{"partialSuccess":{}}"#).await;
    // Larger than what is read where it arrives.
    let many = vec!["e"; 50_000];
    check(&[PROTOBUF], &request(&many), protobuf, b"").await;
    let taken = receiving.taken();
    assert_eq!((&taken[..4], taken.len()), (&["a", "b", "c", "d"].map(str::to_owned)[..], 50_004));
    let accepted = r#"otelcol_receiver_accepted_spans_total{receiver="otlp",transport="http"}"#;
    assert_eq!(receiving.metric(accepted).await, "50004");
    receiving.stop().await;
}

#[tokio::test]
async fn refused_spans_are_told_and_counted() {
    let receiving = Receiving::start(OtlpLimits::default()).await;
    let reply = post(&receiving, &[PROTOBUF], &request(&["a", "late", "late"])).await;
    let message = "spans refused: late 2";
    let partial = [&[8, 2, 18, message.len() as u8], message.as_bytes()].concat();
    assert_eq!((reply.status, reply.bytes), (200, [&[10, partial.len() as u8], &partial[..]].concat()));
    let bad =
        br#"{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"00"},{"name":"late"},{"name":"b"}]}]}]}"#;
    let reply = post(&receiving, &[JSON], bad).await;
    let expected =
        r#"{"partialSuccess":{"rejectedSpans":"2","errorMessage":"spans refused: late 1, id_length 1"}}"#;
    assert_eq!((reply.status, reply.text().as_str()), (200, expected));
    assert_eq!(receiving.taken(), ["a", "b"]);
    let refused = r#"otelcol_receiver_refused_spans_total{receiver="otlp",transport="http"}"#;
    assert_eq!(receiving.metric(refused).await, "4");
    assert_eq!(receiving.metric(r#"tidewatch_otlp_rejected_spans_total{reason="late"}"#).await, "3");
    assert_eq!(receiving.metric(r#"tidewatch_otlp_rejected_spans_total{reason="id_length"}"#).await, "1");
    receiving.stop().await;
}

#[tokio::test]
async fn what_is_no_request_is_refused() {
    let limits = OtlpLimits { max_request_bytes: 1000, ..OtlpLimits::default() };
    let receiving = Receiving::start(limits).await;
    let check = async |headers: &[(&str, &str)], body: &[u8], status: u16, text: &str| {
        let reply = post(&receiving, headers, body).await;
        assert_eq!((reply.status, reply.text().as_str()), (status, text));
    };
    let json = |code: u8, text: &str| format!("{{\"code\":{code},\"message\":\"{text}\"}}");
    let supported = "415 unsupported media type, supported: [application/json, application/x-protobuf]";
    check(&[("Content-Type", "text/plain")], b"x", 415, supported).await;
    check(&[], b"x", 415, supported).await;
    let why = "\x08\x03\x12Imalformed protobuf at byte 2: a field is longer than the message it is in";
    check(&[PROTOBUF], b"zzz", 400, why).await;
    let why = "malformed JSON: resourceSpans: 3 instead of a list at line 1 column 18";
    check(&[JSON], br#"{"resourceSpans":3}"#, 400, &json(3, why)).await;
    let why = r#"unsupported Content-Encoding \"zstd\"\nhint: send gzip, deflate, or no compression"#;
    check(&[JSON, ("Content-Encoding", "zstd")], b"{}", 415, &json(3, why)).await;
    let why = "the compressed body is damaged: invalid gzip header";
    check(&[JSON, ("Content-Encoding", "gzip")], b"zzzzzzzzzzzzzzzzzzzz", 400, &json(3, why)).await;
    let why = r"the request is larger than 1000 bytes\nhint: send smaller batches";
    check(&[JSON], &[b' '; 1001], 413, &json(8, why)).await;
    let bomb = gzipped(&[b' '; 100_000]);
    assert!(bomb.len() < 1000);
    check(&[JSON, ("Content-Encoding", "gzip")], &bomb, 413, &json(8, why)).await;
    let counted = async |reason: &str| {
        let series = "tidewatch_otlp_rejected_requests_total";
        receiving.metric(&format!("{series}{{transport=\"http\",reason=\"{reason}\"}}")).await
    };
    assert_eq!(counted("malformed").await, "3");
    assert_eq!(counted("too_large").await, "2");
    assert_eq!(counted("unsupported").await, "3");
    assert_eq!(receiving.taken(), [""; 0]);
    receiving.stop().await;
}

#[tokio::test]
async fn other_addresses_say_what_is_taken() {
    let receiving = Receiving::start(OtlpLimits::default()).await;
    let check = async |method: &str, path: &str, status: u16, text: &str| {
        let reply = send(receiving.http, method, path, &[PROTOBUF], b"").await;
        assert_eq!((reply.status, reply.text().as_str()), (status, text), "{method} {path}");
    };
    check("GET", "/v1/traces", 405, "405 method not allowed, supported: [POST]").await;
    check("POST", "/v1/traces/", 404, "404 page not found\n").await;
    check("GET", "/", 404, "404 page not found\n").await;
    let metrics = "tidewatch takes traces only, at /v1/traces; metrics are not taken over OTLP\n";
    check("POST", "/v1/metrics", 404, metrics).await;
    check("POST", "/v1/logs", 404, &metrics.replace("metrics", "logs")).await;
    // Spans are not taken on the page's port.
    assert_eq!(send(receiving.everything, "POST", "/v1/traces", &[PROTOBUF], b"").await.status, 404);
    receiving.stop().await;
}

#[tokio::test]
async fn senders_are_told_to_try_again_when_there_is_no_room() {
    let limits = OtlpLimits { max_request_bytes: 200_000, max_bytes_in_flight: 300_000 };
    let receiving = Receiving::start(limits).await;
    receiving.names.is_full.store(true, Ordering::SeqCst);
    let reply = post(&receiving, &[PROTOBUF], &request(&["a"])).await;
    assert_eq!((reply.status, reply.header("retry-after")), (503, "1"));
    assert!(reply.text().ends_with("the span store is full"), "{}", reply.text());
    receiving.names.is_full.store(false, Ordering::SeqCst);
    // One large request is held up in the store; there is no room for a second, but for a small one.
    let (release, held) = std::sync::mpsc::channel();
    *receiving.names.hold_next.lock().unwrap() = Some(held);
    let many = vec!["b"; 30_000];
    let mut first = start(receiving.http, "POST", "/v1/traces", &[PROTOBUF], &request(&many)).await;
    eventually("the first is with the store", async || receiving.names.calls.load(Ordering::SeqCst) == 2)
        .await;
    let reply = post(&receiving, &[PROTOBUF], &request(&many)).await;
    assert_eq!((reply.status, reply.header("retry-after")), (503, "1"), "{}", reply.text());
    assert_eq!(post(&receiving, &[PROTOBUF], &request(&["c"])).await.status, 200);
    assert_eq!(receiving.taken(), ["c"]);
    drop(release);
    let mut answer = String::new();
    first.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert_eq!(receiving.taken().len(), many.len() + 1);
    let series = r#"tidewatch_otlp_rejected_requests_total{transport="http",reason="overloaded"}"#;
    assert_eq!(receiving.metric(series).await, "1");
    receiving.stop().await;
}
