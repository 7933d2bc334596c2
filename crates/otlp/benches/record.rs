//! What a span costs from the bytes of a request to the store, in parts: decoded, gathered, its call noted, and all of it with commit and
//! counting. Requests of 512 spans with ten attributes each, as an instrumented HTTP server sends them; 160 different ones in turn, so that
//! none is taken for one that was sent again.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use std::sync::Arc;
use tidewatch_otlp::{Recorder, RecorderOptions, decode_traces, json_to_protobuf};
use tidewatch_traces::{Both, Calls, StoreOptions, TraceStore};

const SPANS: usize = 512;
const REQUESTS: usize = 160;
const NOW: u64 = 1_795_374_310_000_000_000;

fn span(number: usize) -> String {
    let path = format!("/api/tasks/{:08x}-77aa-7c3d-9e11-5c8f0a1b2c3d", number / 4);
    let texts = [
        ("http.request.method", "GET"),
        ("url.path", path.as_str()),
        ("url.scheme", "http"),
        ("http.route", "/api/tasks/{id}"),
        ("server.address", "todo-backend.todo-app-prod"),
        ("network.peer.address", "127.10.0.7"),
        ("user_agent.original", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101"),
        ("network.protocol.version", "1.1"),
    ];
    let mut attributes: Vec<String> = texts
        .iter()
        .map(|(key, value)| format!(r#"{{"key":"{key}","value":{{"stringValue":"{value}"}}}}"#))
        .collect();
    for (key, value) in [("http.response.status_code", 200), ("server.port", 8000)] {
        attributes.push(format!(r#"{{"key":"{key}","value":{{"intValue":{value}}}}}"#));
    }
    let mixed = |number: usize| (number as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let parent = if number.is_multiple_of(4) { String::new() } else { format!("{:016x}", mixed(number - 1)) };
    let (start, kind) = (NOW + number as u64 * 1000, 2 + number % 2);
    format!(
        r#"{{"traceId":"{0:016x}{0:016x}","spanId":"{1:016x}","parentSpanId":"{parent}","name":"GET /api/tasks/{{id}}","kind":{kind},
            "startTimeUnixNano":"{start}","endTimeUnixNano":"{2}","flags":257,"status":{{}},"attributes":[{3}]}}"#,
        mixed(number / 4),
        mixed(number),
        start + 1_234_567,
        attributes.join(",")
    )
}

fn request(request: usize) -> Vec<u8> {
    let spans: Vec<String> = (request * SPANS..(request + 1) * SPANS).map(span).collect();
    let json = format!(
        r#"{{"resourceSpans":[{{"resource":{{"attributes":[{{"key":"service.name","value":{{"stringValue":"todo-backend"}}}}]}},
            "scopeSpans":[{{"scope":{{"name":"http"}},"spans":[{}]}}]}}]}}"#,
        spans.join(",")
    );
    json_to_protobuf(json.as_bytes()).expect("the request is well-formed")
}

fn record(criterion: &mut Criterion) {
    let requests: Vec<Vec<u8>> = (0..REQUESTS).map(request).collect();
    let mut turn = requests.iter().cycle();
    let mut next = move || turn.next().map(Vec::as_slice).unwrap_or_default();
    let store = || {
        let store = TraceStore::open(None, StoreOptions::default(), NOW).expect("an empty store");
        Arc::new(store)
    };
    let mut group = criterion.benchmark_group("record");
    group.throughput(Throughput::Elements(SPANS as u64));
    let (gathering, mut calls) = (store(), Calls::default());
    group.bench_function("gather", |bencher| {
        bencher.iter(|| decode_traces(black_box(next()), &mut gathering.writer(NOW)).expect("well-formed"));
    });
    group.bench_function("gather and note calls", |bencher| {
        bencher.iter(|| {
            calls.clear();
            let mut both = Both(gathering.writer(NOW), &mut calls);
            decode_traces(black_box(next()), &mut both).expect("well-formed")
        });
    });
    let committing = store();
    group.bench_function("gather and commit", |bencher| {
        bencher.iter(|| {
            let mut writer = committing.writer(NOW);
            decode_traces(black_box(next()), &mut writer).expect("well-formed");
            writer.finish().expect("an open store")
        });
    });
    let recorder = Recorder::new(store(), RecorderOptions::default());
    let mut now_ns = NOW;
    group.bench_function("all", |bencher| {
        bencher.iter(|| {
            now_ns += 10_000_000;
            if now_ns.is_multiple_of(1_000_000_000) {
                recorder.tick(now_ns).expect("an open store");
            }
            recorder.record(black_box(next()), now_ns).expect("well-formed")
        });
    });
    group.finish();
}

criterion_group!(benches, record);
criterion_main!(benches);
