//! Requests through a recorder into a store.

use std::sync::{Arc, Mutex};
use tidewatch_model::{Append, AppendError, Appended, Batch, SeriesRef};
use tidewatch_otlp::{RecordError, Recorder, RecorderOptions, json_to_protobuf};
use tidewatch_traces::{Search, StoreOptions, TailPolicy, TraceId, TraceStore};

const SECOND: u64 = 1_000_000_000;
/// Early in 2026.
const NOW: u64 = 1_770_000_000 * SECOND;

/// A request with spans of a service: trace, id and parent as numbers, kind, duration in milliseconds, whether it failed.
fn request(service: &str, spans: &[(u8, u8, u8, u8, u64, bool)]) -> Vec<u8> {
    let spans: Vec<String> = spans
        .iter()
        .map(|(trace, id, parent, kind, ms, failed)| {
            let parent = if *parent == 0 { String::new() } else { format!("{parent:016x}") };
            let (end, code) = (NOW + ms * 1_000_000, if *failed { 2 } else { 0 });
            // no randomness in the trace id, so that no share has it
            format!(
                r#"{{"traceId":"{trace:02x}{:030x}","spanId":"{id:016x}","parentSpanId":"{parent}","name":"op","kind":{kind},
                "startTimeUnixNano":"{NOW}","endTimeUnixNano":"{end}","status":{{"code":{code}}}}}"#,
                0
            )
        })
        .collect();
    let json = format!(
        r#"{{"resourceSpans":[{{"resource":{{"attributes":[{{"key":"service.name","value":{{"stringValue":"{service}"}}}}]}},
        "scopeSpans":[{{"spans":[{}]}}]}}]}}"#,
        spans.join(",")
    );
    json_to_protobuf(json.as_bytes()).unwrap()
}

fn id(trace: u8) -> TraceId {
    let mut bytes = [0; 16];
    bytes[0] = trace;
    TraceId(bytes)
}

fn recorder(tail_sampling: Option<TailPolicy>, most_waiting_bytes: usize) -> Recorder {
    let store = Arc::new(TraceStore::open(None, StoreOptions::default(), NOW).unwrap());
    Recorder::new(store, RecorderOptions { tail_sampling, most_waiting_bytes, ..RecorderOptions::default() })
}

fn policy() -> TailPolicy {
    TailPolicy {
        slow_ns: Some(100_000_000),
        per_service_rate: 0.0,
        probability: 0.0,
        decision_wait_ns: 5 * SECOND,
        ..TailPolicy::default()
    }
}

/// How many spans of each trace are stored.
fn stored(recorder: &Recorder, traces: &[u8]) -> Vec<usize> {
    let spans = |trace: &u8| recorder.store().trace(id(*trace)).map_or(0, |trace| trace.spans.len());
    traces.iter().map(spans).collect()
}

/// Keeps the last value of each series.
#[derive(Default)]
struct Samples(Mutex<Vec<String>>);

impl Append for Samples {
    fn append(&self, batch: &mut Batch) -> Result<Appended, AppendError> {
        let mut kept = self.0.lock().unwrap();
        kept.clear();
        for (at, row) in batch.rows.iter_mut().enumerate() {
            row.series = SeriesRef(at as u64 + 1);
            kept.push(format!("{} {}", row.labels, row.value));
        }
        Ok(Appended { accepted: batch.rows.len(), ..Appended::default() })
    }
}

#[test]
fn without_tail_sampling_spans_are_stored_at_once_and_counted() {
    let recorder = recorder(None, 1 << 20);
    let web =
        recorder.record(&request("web", &[(1, 1, 0, 2, 9, false), (1, 2, 1, 3, 8, false)]), NOW).unwrap();
    assert_eq!((web.ingested.accepted, web.waiting), (2, 0));
    recorder.record(&request("shop", &[(1, 3, 2, 2, 7, true)]), NOW).unwrap();
    assert_eq!(stored(&recorder, &[1]), [3]);
    assert_eq!(recorder.store().find(&Search { service: Some("shop".into()), ..Search::default() }).len(), 1);
    let samples = Samples::default();
    recorder.write_samples(&samples, 1).unwrap();
    let has = |start: &str| {
        let kept = samples.0.lock().unwrap();
        assert!(kept.iter().any(|row| row.starts_with(start)), "{start} is not in {kept:#?}");
    };
    has(
        r#"traces_span_metrics_calls_total{service_name="shop", span_kind="SPAN_KIND_SERVER", span_name="op", status_code="STATUS_CODE_ERROR"} 1"#,
    );
    has(r#"traces_service_graph_request_total{client="web", server="shop"} 1"#);
    has(r#"traces_service_graph_request_failed_total{client="web", server="shop"} 1"#);
}

#[test]
fn a_malformed_request_leaves_nothing() {
    for tail in [None, Some(policy())] {
        let recorder = recorder(tail, 1 << 20);
        let mut broken = request("web", &[(1, 1, 0, 2, 900, true)]);
        broken.extend_from_slice(&[0x0a, 0xff]);
        assert!(matches!(recorder.record(&broken, NOW), Err(RecordError::Malformed(_))));
        assert_eq!((stored(&recorder, &[1]), recorder.stats().operations), (vec![0], 0));
    }
}

#[test]
fn traces_are_kept_or_dropped_whole() {
    let recorder = recorder(Some(policy()), 1 << 20);
    // trace 1 fails in its second request, 2 is slow there, 3 is neither
    let first = recorder.record(
        &request("a", &[(1, 1, 0, 2, 1, false), (2, 1, 0, 2, 1, false), (3, 1, 0, 2, 1, false)]),
        NOW,
    );
    assert_eq!(first.unwrap().waiting, 3);
    let later = NOW + SECOND;
    let second = recorder.record(
        &request("b", &[(1, 2, 1, 2, 1, true), (2, 2, 1, 2, 100, false), (3, 2, 1, 2, 1, false)]),
        later,
    );
    let second = second.unwrap();
    assert_eq!((second.ingested.accepted, second.waiting), (2, 1));
    assert_eq!(stored(&recorder, &[1, 2, 3]), [1, 1, 0], "what decided is there at once");
    recorder.tick(NOW + 5 * SECOND).unwrap();
    assert_eq!(stored(&recorder, &[1, 2, 3]), [2, 2, 0]);
    // the rest of a dropped trace is dropped, whatever it is
    let late = recorder
        .record(&request("c", &[(1, 3, 1, 2, 1, false), (3, 3, 1, 2, 900, true)]), NOW + 7 * SECOND)
        .unwrap();
    assert_eq!((late.ingested.accepted, late.sampled_out), (1, 1));
    recorder.finish(NOW + 7 * SECOND).unwrap();
    assert_eq!(stored(&recorder, &[1, 2, 3]), [3, 2, 0]);
    let stats = recorder.stats();
    assert_eq!(
        (stats.sampled_out, stats.waiting_bytes, stats.operations),
        (3, 0, 5),
        "all spans are counted"
    );
    let tail = stats.tail.unwrap();
    assert_eq!((tail.kept, tail.dropped, tail.waiting), ([1, 1, 0, 0], 1, 0));
}

#[test]
fn what_waits_is_bounded_and_decided_at_the_end() {
    let rate = TailPolicy { per_service_rate: 1.0, ..policy() };
    let recorder = recorder(Some(rate), 1000);
    for trace in 1..=9 {
        recorder.record(&request("a", &[(trace, 1, 0, 2, 1, false)]), NOW).unwrap();
        let waiting = recorder.stats().waiting_bytes;
        assert!((100..=1000).contains(&waiting), "{waiting}");
    }
    assert_eq!(stored(&recorder, &[1, 2]), [1, 0], "decided early, by the rate");
    recorder.finish(NOW + SECOND).unwrap();
    assert_eq!(recorder.stats().waiting_bytes, 0);
    assert_eq!(stored(&recorder, &[1, 2, 3, 4, 5, 6, 7, 8, 9]).iter().sum::<usize>(), 2);
}

#[test]
fn the_ids_of_what_waits_count_too() {
    let waiting = |traces: u8| {
        let recorder = recorder(Some(policy()), 1 << 20);
        let spans: Vec<_> = (0..200).map(|span| (span % traces + 1, span + 1, 0, 2, 1, false)).collect();
        let request = request("a", &spans);
        recorder.record(&request, NOW).unwrap();
        recorder.stats().waiting_bytes - request.len()
    };
    assert!(waiting(1) < 300, "{}", waiting(1));
    assert!((200 * 16..200 * 64).contains(&waiting(200)), "{}", waiting(200));
}

#[test]
fn what_a_closed_store_does_not_take_is_counted() {
    let recorder = recorder(Some(policy()), 1 << 20);
    let mixed = [(1, 1, 0, 2, 1, false), (1, 2, 1, 2, 1, false), (2, 1, 0, 2, 1, false)];
    for at in [0, 1] {
        recorder.record(&request("a", &mixed), NOW + at).unwrap();
    }
    // it decides about trace 1 and is stored itself
    recorder.record(&request("b", &[(1, 3, 1, 2, 1, true)]), NOW + 2).unwrap();
    recorder.store().close().unwrap();
    assert!(matches!(recorder.finish(NOW + SECOND), Err(RecordError::Store(_))));
    let stats = recorder.stats();
    assert_eq!((stats.lost, stats.sampled_out, stats.waiting_bytes), (4, 2, 0), "of both requests");
    recorder.finish(NOW + SECOND).unwrap();
    assert_eq!(recorder.stats(), stats);
}
