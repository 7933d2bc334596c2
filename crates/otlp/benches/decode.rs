//! How long a span takes: a request of 512 spans with ten attributes each, as an instrumented HTTP server sends them.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use tidewatch_otlp::{decode_traces, json_to_protobuf};
use tidewatch_traces::{ResourceRef, ScopeRef, SpanRef, SpanSink};

const SPANS: usize = 512;

/// Touches what every sink touches.
#[derive(Default)]
struct Touch {
    attributes: usize,
}

impl SpanSink for Touch {
    fn resource(&mut self, resource: &ResourceRef<'_>) {
        self.attributes += resource.attributes.len();
    }

    fn scope(&mut self, scope: &ScopeRef<'_>) {
        self.attributes += scope.name.len();
    }

    fn span(&mut self, span: &SpanRef<'_>) {
        self.attributes += black_box(span).attributes.len();
    }
}

fn span(number: usize) -> String {
    let texts = [
        ("http.request.method", "GET"),
        ("url.path", "/api/tasks/0190a1b2-77aa-7c3d-9e11-5c8f0a1b2c3d"),
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
    let start = 1_795_374_310_124_000_000 + number;
    let end = start + 1_234_567;
    format!(
        r#"{{"traceId":"{number:032x}","spanId":"{number:016x}","parentSpanId":"00f067aa0ba902b7","name":"GET /api/tasks/{{id}}",
            "kind":2,"startTimeUnixNano":"{start}","endTimeUnixNano":"{end}","flags":257,"status":{{}},"attributes":[{}]}}"#,
        attributes.join(",")
    )
}

fn request() -> String {
    let spans: Vec<String> = (1..=SPANS).map(span).collect();
    format!(
        r#"{{"resourceSpans":[{{"resource":{{"attributes":[{{"key":"service.name","value":{{"stringValue":"todo-backend"}}}}]}},
            "scopeSpans":[{{"scope":{{"name":"http"}},"spans":[{}]}}]}}]}}"#,
        spans.join(",")
    )
}

fn decode(criterion: &mut Criterion) {
    let json = request();
    let protobuf = json_to_protobuf(json.as_bytes()).expect("the request is well-formed");
    let mut group = criterion.benchmark_group("otlp");
    group.throughput(Throughput::Elements(SPANS as u64));
    group.bench_function("protobuf", |bencher| {
        bencher.iter(|| {
            let mut sink = Touch::default();
            decode_traces(black_box(&protobuf), &mut sink).expect("the request is well-formed");
            sink.attributes
        });
    });
    group.bench_function("json", |bencher| {
        bencher.iter(|| json_to_protobuf(black_box(json.as_bytes())).expect("the request is well-formed"));
    });
    group.finish();
}

criterion_group!(benches, decode);
criterion_main!(benches);
