//! Everything OTLP carries comes back unchanged, from the open segment, from a sealed one and from disk.

use crate::requests::{NOW, Sent, request, send};
use proptest::prelude::*;
use tidewatch_traces::{SpanBatch, StoreOptions, TraceBuilder, TraceStore};

fn options() -> StoreOptions {
    let mut options = StoreOptions::default();
    options.drop_duplicates = false;
    options
}

/// What a store answers must be what was put in.
fn check(store: &TraceStore, requests: &[Vec<Sent>]) {
    let mut expected = TraceBuilder::default();
    requests.iter().for_each(|request| send(request, &mut expected));
    for trace in expected.finish() {
        assert_eq!(store.trace(trace.id).as_ref(), Some(&trace));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn everything_comes_back(requests in prop::collection::vec(request(6), 1..4)) {
        let folder = tempfile::tempdir().unwrap();
        for place in [None, Some(folder.path().to_owned())] {
            let store = TraceStore::open(place.clone(), options(), NOW).unwrap();
            for (at, request) in requests.iter().enumerate() {
                if at == 1 {
                    // seals what came so far, so that traces are spread over segments
                    store.maintain(NOW + 3601 * 1_000_000_000).unwrap();
                }
                let mut writer = store.writer(NOW);
                send(request, &mut writer);
                let ingested = writer.finish().unwrap();
                prop_assert_eq!(ingested.accepted, request.len() as u64);
            }
            check(&store, &requests);
            drop(store);
            if place.is_some() {
                let store = TraceStore::open(place, options(), NOW).unwrap();
                check(&store, &requests);
            }
        }
    }

    #[test]
    fn held_spans_come_back(request in request(8)) {
        let mut batch = SpanBatch::new();
        send(&request, &mut batch);
        let mut copied = SpanBatch::new();
        (0..batch.len()).for_each(|place| copied.push_from(&batch, place));
        prop_assert!(batch.spans().eq(copied.spans()));
        for (held, sent) in batch.spans().zip(&request) {
            prop_assert_eq!((held.trace_id, held.span_id, held.name), (sent.trace, sent.span.id, &sent.span.name[..]));
            prop_assert_eq!((held.kind, held.status), (sent.span.kind, sent.span.status));
            prop_assert_eq!((held.service, held.duration_ns), (sent.resource.service(), sent.span.duration_ns()));
        }
        let store = TraceStore::open(None, options(), NOW).unwrap();
        store.commit(&copied, NOW).unwrap();
        check(&store, &[request]);
    }
}

#[test]
fn an_unfinished_request_leaves_nothing() {
    let store = TraceStore::open(None, options(), NOW).unwrap();
    let mut writer = store.writer(NOW);
    send(&[crate::requests::plain(1, 1)], &mut writer);
    drop(writer);
    assert_eq!((store.stats().spans, store.services()), (0, Vec::new()));
}
