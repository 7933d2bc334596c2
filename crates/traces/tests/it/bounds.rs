//! Whatever comes, the bounds hold, and what is refused or leaves is counted.

use crate::requests::{NOW, SECOND, Sent, plain, send};
use std::fs;
use std::time::Duration;
use tidewatch_traces::*;

fn ingest(store: &TraceStore, sent: &[Sent]) -> Ingested {
    let mut writer = store.writer(NOW);
    send(sent, &mut writer);
    writer.finish().unwrap()
}

/// Spans of which nothing occurs twice.
fn hostile(number: u64) -> Sent {
    let mut sent = plain(number, number % 50);
    let text = |text: String| Value::Text(text);
    sent.resource.attributes = vec![("service.name".into(), text(format!("service-{number}")))];
    sent.span.name = format!("operation-{number}");
    sent.span.attributes = (0..5).map(|at| (format!("key-{number}-{at}"), text("x".repeat(100)))).collect();
    sent.span.start_ns = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    sent
}

fn check(folder: Option<&std::path::Path>, make: impl Fn(u64) -> Sent) {
    let mut options = StoreOptions::default();
    options.max_memory_bytes = 4 << 20;
    options.max_disk_bytes = 4 << 20;
    let store = TraceStore::open(folder.map(|folder| folder.to_owned()), options.clone(), NOW).unwrap();
    let mut number = 0;
    while number < 400_000 && store.stats().evicted_spans < 5 * store.stats().spans.max(5_000) {
        let request: Vec<_> = (number..number + 200).map(&make).collect();
        number += 200;
        ingest(&store, &request);
        let stats = store.stats();
        assert!(stats.memory_bytes <= options.max_memory_bytes, "{stats:?}");
        assert!(stats.disk_bytes <= options.max_disk_bytes, "{stats:?}");
    }
    let stats = store.stats();
    assert!(stats.evicted_spans > 4 * stats.spans, "{stats:?}");
    assert_eq!(stats.spans + stats.evicted_spans, number, "{stats:?}");
    assert!(
        store
            .trace(make(0).trace)
            .is_none_or(|trace| trace.spans.iter().all(|span| span.id != make(0).span.id))
    );
    assert!(store.trace(make(number - 1).trace).is_some());
    if let Some(folder) = folder {
        let sizes = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len());
        assert!(sizes.sum::<u64>() <= options.max_disk_bytes);
    }
}

#[test]
fn memory_is_bounded() {
    check(None, |number| plain(number / 5, number % 5));
    check(None, hostile);
}

#[test]
fn disk_is_bounded() {
    let folder = tempfile::tempdir().unwrap();
    check(Some(folder.path()), |number| plain(number / 5, number % 5));
    let folder = tempfile::tempdir().unwrap();
    check(Some(folder.path()), hostile);
}

#[test]
fn spans_leave_with_age() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = StoreOptions::default();
    options.retention = Duration::from_secs(60);
    let store = TraceStore::open(Some(folder.path().to_owned()), options, NOW).unwrap();
    ingest(&store, &[plain(1, 1)]);
    store.maintain(NOW + 59 * SECOND).unwrap();
    assert_eq!(store.stats().spans, 1);
    store.maintain(NOW + 61 * SECOND).unwrap();
    store.maintain(NOW + 62 * SECOND).unwrap();
    let stats = store.stats();
    assert_eq!((stats.spans, stats.expired_spans, stats.evicted_spans), (0, 1, 0));
    assert_eq!(store.services(), Vec::<String>::new());
    assert!(!folder.path().join("00000001.spans").exists());
}

#[test]
fn each_kind_is_counted() {
    let mut options = StoreOptions::default();
    options.max_span_bytes = 10_000;
    options.max_attributes = 20;
    let store = TraceStore::open(None, options, NOW).unwrap();
    let changed = |change: &dyn Fn(&mut Sent)| {
        let mut sent = plain(1, 1);
        change(&mut sent);
        sent
    };
    let check = |sent: Sent, expected: &dyn Fn(&mut Ingested)| {
        let mut all = Ingested::default();
        expected(&mut all);
        assert_eq!(ingest(&store, &[sent]), all);
    };
    check(plain(1, 1), &|ingested| ingested.accepted = 1);
    check(plain(1, 1), &|ingested| ingested.duplicates = 1);
    check(changed(&|sent| sent.trace = TraceId([0; 16])), &|ingested| ingested.rejected.invalid_trace_id = 1);
    check(changed(&|sent| sent.span.id = SpanId([0; 8])), &|ingested| ingested.rejected.invalid_span_id = 1);
    check(changed(&|sent| sent.span.name = "x".repeat(10_001)), &|ingested| ingested.rejected.oversized = 1);
    let many = changed(&|sent| sent.span.attributes = vec![("k".into(), Value::Bool(true)); 21]);
    check(many, &|ingested| ingested.rejected.too_many_attributes = 1);
    check(changed(&|sent| sent.span.start_ns = NOW - 49 * 3600 * SECOND), &|ingested| {
        (ingested.accepted, ingested.late) = (1, 1);
    });
    check(changed(&|sent| sent.span.start_ns = NOW + 601 * SECOND), &|ingested| {
        (ingested.accepted, ingested.skewed) = (1, 1);
    });
    let total = store.stats().ingested;
    assert_eq!((total.accepted, total.duplicates, total.rejected.total()), (3, 1, 4));
}
