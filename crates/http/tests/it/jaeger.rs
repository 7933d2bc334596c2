//! Jaeger's query APIs over a real store of spans. Expectations were observed on Jaeger 1.76 (v2.13); `conformance/jaeger` asks a real one.

use crate::client::{Reply, get, send};
use crate::served::{NOW, Served, example_state, serve};
use serde_json::{Value as Json, json};
use std::sync::Arc;
use tidewatch_http::ApiState;
use tidewatch_otlp::{decode_traces, json_to_protobuf};
use tidewatch_traces::{StoreOptions, TraceStore};

const NOW_NS: u64 = NOW.unsigned_abs() * 1_000_000;

fn attribute(key: &str, kind: &str, value: &str) -> Json {
    json!({ "key": key, "value": { kind: value } })
}

/// A span of the trace `trace` that begins `ms` before now and takes 1 ms.
fn span(trace: &str, id: u64, parent: u64, name: &str, kind: u8, ms: u64) -> Json {
    let start = NOW_NS - ms * 1_000_000;
    let parent = if parent == 0 { String::new() } else { format!("{parent:016x}") };
    json!({
        "traceId": format!("{trace:0>32}"), "spanId": format!("{id:016x}"), "parentSpanId": parent, "name": name, "kind": kind,
        "startTimeUnixNano": start.to_string(), "endTimeUnixNano": (start + 1_000_000).to_string(),
    })
}

fn request(service: &str, spans: &[Json]) -> Json {
    let resource = json!({ "attributes": [attribute("service.name", "stringValue", service)] });
    json!({ "resourceSpans": [{ "resource": resource, "scopeSpans": [{ "scope": { "name": "lib" }, "spans": spans }] }] })
}

/// A server over what the requests bring.
async fn over(requests: &[Json]) -> Served {
    let store = TraceStore::open(None, StoreOptions::default(), NOW_NS).unwrap();
    for request in requests {
        let bytes = json_to_protobuf(request.to_string().as_bytes()).unwrap();
        let mut writer = store.writer(NOW_NS);
        decode_traces(&bytes, &mut writer).unwrap();
        writer.finish().unwrap();
    }
    serve(ApiState { traces: Some(Arc::new(store)), ..example_state() }).await
}

/// Two traces: a call from one service to another that fails, and one that is older.
async fn example() -> Served {
    let mut failed = span("abc", 2, 1, "GET /tasks", 2, 900);
    failed["status"] = json!({ "code": 2, "message": "no such task" });
    failed["attributes"] =
        json!([attribute("n", "intValue", "9007199254740993"), attribute("task", "stringValue", "<7>"),]);
    failed["events"] = json!([{ "timeUnixNano": NOW_NS.to_string(), "name": "exception" }]);
    over(&[
        request("frontend", &[span("1111222233334444aaaabbbbccccdddd", 9, 0, "old", 1, 86_400_000)]),
        request("frontend", &[span("abc", 1, 0, "call", 3, 1000)]),
        request("backend", &[failed]),
    ])
    .await
}

#[tokio::test]
async fn services_and_operations_are_listed_with_their_number() {
    let served = example().await;
    let check = async |target: &str, expected: Json| {
        assert_eq!(get(served.address, target).await.json(), expected, "{target}");
    };
    let list = |data: Json| {
        let total = data.as_array().map_or(0, Vec::len);
        json!({ "data": data, "total": total, "limit": 0, "offset": 0, "errors": null })
    };
    check("/api/services", list(json!(["backend", "frontend"]))).await;
    check("/api/services/frontend/operations", list(json!(["call", "old"]))).await;
    check("/api/services/nobody/operations", list(json!(null))).await;
    let call = json!({ "name": "call", "spanKind": "client" });
    check("/api/operations?service=frontend&spanKind=client", list(json!([call]))).await;
    check("/api/v3/services", json!({ "services": ["backend", "frontend"] })).await;
    check("/api/v3/operations?service=frontend&span_kind=client", json!({ "operations": [call] })).await;
    let edges = json!([{ "parent": "frontend", "child": "backend", "callCount": 1 }]);
    let dependencies = json!({ "data": edges, "total": 0, "limit": 0, "offset": 0, "errors": null });
    check("/api/dependencies", dependencies).await;
    assert_eq!(send(served.address, "HEAD", "/api/services", &[], b"").await.status, 200);
    assert_eq!(send(served.address, "OPTIONS", "/api/traces", &[], b"").await.status, 204);
    assert_eq!(send(served.address, "POST", "/api/traces", &[], b"").await.status, 405);
}

#[tokio::test]
async fn a_trace_is_shown_as_the_page_reads_it() {
    let served = example().await;
    let reply = get(served.address, "/api/traces/ABC").await;
    assert_eq!((reply.status, reply.header("content-type")), (200, "application/json"));
    let trace = &reply.json()["data"][0];
    assert_eq!(trace["traceID"], "0000000000000abc");
    let failed = &trace["spans"][1];
    let micros = NOW * 1000 - 900_000;
    assert_eq!((&failed["startTime"], &failed["duration"]), (&json!(micros), &json!(1000)));
    let parent =
        json!([{ "refType": "CHILD_OF", "traceID": "0000000000000abc", "spanID": "0000000000000001" }]);
    assert_eq!(failed["references"], parent);
    let tags: Vec<_> =
        failed["tags"].as_array().unwrap().iter().map(|tag| (&tag["key"], &tag["value"])).collect();
    let expected = json!([
        ["error", true],
        ["n", "9007199254740993"],
        ["otel.scope.name", "lib"],
        ["otel.status_code", "ERROR"],
        ["otel.status_description", "no such task"],
        ["span.kind", "server"],
        ["task", "<7>"],
    ]);
    assert_eq!(json!(tags), expected);
    assert_eq!(
        failed["logs"][0]["fields"],
        json!([{ "key": "event", "type": "string", "value": "exception" }])
    );
    let process = failed["processID"].as_str().unwrap();
    assert_eq!(trace["processes"][process], json!({ "serviceName": "backend", "tags": [] }));
    let long = get(served.address, "/api/traces/1111222233334444aaaabbbbccccdddd").await.json();
    assert_eq!(long["data"][0]["traceID"], "1111222233334444aaaabbbbccccdddd");
}

#[tokio::test]
async fn the_stable_api_answers_in_otlp() {
    let served = example().await;
    let result = get(served.address, "/api/v3/traces/abc").await.json();
    let spans = &result["result"]["resourceSpans"];
    assert_eq!(spans[0]["resource"]["attributes"][0]["value"]["stringValue"], "frontend");
    let failed = &spans[1]["scopeSpans"][0]["spans"][0];
    assert_eq!(failed["traceId"], format!("{:0>32}", "abc"));
    assert_eq!((&failed["kind"], &failed["status"]["code"]), (&json!(2), &json!(2)));
    assert_eq!(failed["startTimeUnixNano"], (NOW_NS - 900_000_000).to_string());
    assert_eq!(failed["attributes"][0]["value"]["intValue"], "9007199254740993");
}

#[tokio::test]
async fn searches_find_whole_traces_newest_first() {
    let served = example().await;
    let check = async |query: &str, expected: &[&str]| {
        let reply = get(served.address, &format!("/api/traces?{query}")).await;
        let json = reply.json();
        let found: Vec<&str> =
            json["data"].as_array().unwrap().iter().map(|trace| trace["traceID"].as_str().unwrap()).collect();
        assert_eq!(found, expected, "{query}");
    };
    let (new, old) = ("0000000000000abc", "1111222233334444aaaabbbbccccdddd");
    check("service=frontend", &[new, old]).await;
    check("service=frontend&limit=1", &[new]).await;
    check("service=frontend&operation=old", &[old]).await;
    check("service=frontend&lookback=1h", &[new, old]).await;
    check(&format!("service=frontend&start={}", (NOW - 5000) * 1000), &[new]).await;
    check("service=backend&tag=task:%3C7%3E", &[new]).await;
    check("service=backend&tags=%7B%22task%22:%22%3C7%3E%22,%22error%22:%22true%22%7D", &[new]).await;
    check("service=frontend&tags=%7B%22error%22:%22true%22%7D", &[]).await;
    check("service=backend&tag=span.kind:server", &[new]).await;
    check("service=backend&tag=span.kind:client", &[]).await;
    check("service=backend&minDuration=1ms&maxDuration=1ms", &[new]).await;
    check("service=backend&minDuration=1000001ns", &[]).await;
    check(&format!("traceID={old}&traceID=ABC"), &[old, new]).await;
    let missing = get(served.address, "/api/traces?traceID=abc&traceID=def").await.json();
    assert_eq!(missing["errors"], json!([{ "msg": "trace not found", "traceID": "0000000000000def" }]));
    let time = "query.start_time_min=2000-01-01T00:00:00Z&query.start_time_max=2100-01-01T00:00:00Z";
    let v3 = |query: &str| format!("/api/v3/traces?{time}&{query}");
    assert_eq!(get(served.address, &v3("query.service_name=backend")).await.status, 200);
    assert_eq!(get(served.address, &v3("query.duration_min=1h")).await.status, 404);
}

fn error(reply: &Reply) -> (u16, String) {
    let json = reply.json();
    let text = json["errors"][0]["msg"].as_str().or(json["error"]["message"].as_str());
    (reply.status, text.unwrap_or_default().to_owned())
}

#[tokio::test]
async fn mistakes_are_answered_with_jaegers_texts() {
    let served = example().await;
    let check = async |target: &str, status: u16, text: &str| {
        let found = error(&get(served.address, target).await);
        assert_eq!(found, (status, text.to_owned()), "{target}");
    };
    check("/api/traces", 400, "parameter 'service' is required").await;
    check("/api/operations", 400, "parameter 'service' is required").await;
    check("/api/traces/def", 404, "trace not found").await;
    check("/api/traces/xyz", 400, "strconv.ParseUint: parsing \"xyz\": invalid syntax").await;
    let duration = "unable to parse param 'minDuration': time: missing unit in duration \"5\"";
    check("/api/traces?service=a&minDuration=5", 400, duration).await;
    let order = "'maxDuration' should be greater than 'minDuration'";
    check("/api/traces?service=a&minDuration=2s&maxDuration=1s", 400, order).await;
    let tag = "malformed 'tag' parameter, expecting key:value, received: x";
    check("/api/traces?service=a&tag=x", 400, tag).await;
    check("/api/v3/traces/def", 404, "No traces found").await;
    check("/api/v3/traces", 400, "query.start_time_min and query.start_time_max are required").await;
    let malformed = "malformed parameter trace_id: strconv.ParseUint: parsing \"xyz\": invalid syntax";
    check("/api/v3/traces/xyz", 400, malformed).await;
    check("/api/quality-metrics", 501, "the quality of traces is not supported by tidewatch").await;
    let archive = send(served.address, "POST", "/api/archive/abc", &[], b"").await;
    assert_eq!(error(&archive), (500, "archive span storage was not configured".to_owned()));
    for limit in ["0", "-1", "10001"] {
        let found = get(served.address, &format!("/api/traces?service=a&limit={limit}")).await;
        assert_eq!(found.status, 400, "{limit}");
    }
}

#[tokio::test]
async fn without_a_store_the_refusal_says_so() {
    let served = serve(example_state()).await;
    for target in ["/api/services", "/api/traces/abc", "/api/v3/services", "/api/dependencies"] {
        let (status, text) = error(&get(served.address, target).await);
        assert!(status == 503 && text.starts_with("no traces are kept here"), "{target}: {status} {text}");
    }
}

#[tokio::test]
async fn a_file_of_spans_is_transformed_for_the_page() {
    let served = serve(example_state()).await;
    let file = request("frontend", &[span("abc", 1, 0, "call", 3, 0), span("def", 1, 0, "other", 1, 0)]);
    let reply = send(served.address, "POST", "/api/transform", &[], file.to_string().as_bytes()).await;
    let json = reply.json();
    let names: Vec<&Json> =
        json["data"].as_array().unwrap().iter().map(|trace| &trace["spans"][0]["operationName"]).collect();
    assert_eq!(names, [&json!("call"), &json!("other")]);
    let (status, text) = error(&send(served.address, "POST", "/api/transform", &[], b"{x").await);
    assert!(status == 400 && text.starts_with("cannot unmarshal OTLP"), "{status} {text}");
    let large = vec![b' '; 3 << 20];
    assert_eq!(send(served.address, "POST", "/api/transform", &[], &large).await.status, 413);
}

#[tokio::test]
async fn large_answers_are_compressed_for_whoever_takes_it() {
    let spans: Vec<Json> = (1..=4000).map(|id| span("abc", id, u64::from(id > 1), "step", 1, 10)).collect();
    let served = over(&[request("frontend", &spans)]).await;
    let accepts = [("Accept-Encoding", "gzip")];
    let reply = send(served.address, "GET", "/api/traces/abc", &accepts, b"").await;
    assert_eq!((reply.status, reply.header("content-encoding")), (200, "gzip"));
    let plain = get(served.address, "/api/traces/abc").await;
    assert!(plain.header("content-encoding").is_empty() && plain.bytes.len() > 4 * reply.bytes.len());
}

#[tokio::test]
async fn rates_come_from_the_samples_of_spans() {
    let served = serve(example_state()).await;
    let reply = get(served.address, "/api/metrics/calls?service=a&groupByOperation=true").await;
    let expected = json!({
        "name": "service_operation_call_rate", "type": "GAUGE", "help": "calls/sec, grouped by service & operation", "metrics": [],
    });
    assert_eq!((reply.status, reply.json()), (200, expected));
    for target in ["/api/metrics/errors?service=a", "/api/metrics/latencies?service=a&quantile=0.95"] {
        assert_eq!(get(served.address, target).await.status, 200, "{target}");
    }
    let check = async |target: &str| assert_eq!(get(served.address, target).await.status, 400, "{target}");
    check("/api/metrics/calls").await;
    check("/api/metrics/latencies?service=a&quantile=x").await;
    check("/api/metrics/calls?service=a&spanKind=nonsense").await;
    check("/api/metrics/calls?service=a&step=1&lookback=100000000").await;
}
