//! Many writers and readers at once: nothing is lost, nothing is seen in part.

use crate::requests::{NOW, plain, send};
use std::sync::atomic::{AtomicBool, Ordering};
use tidewatch_traces::{Search, StoreOptions, TraceStore};

const WRITERS: u64 = 4;
const TRACES: u64 = 300;

#[test]
fn writers_and_readers() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = StoreOptions::default();
    options.segment_bytes = 64 << 10;
    let store = TraceStore::open(Some(folder.path().to_owned()), options, NOW).unwrap();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                let store = &store;
                scope.spawn(move || {
                    for trace in (0..TRACES).map(|at| at * WRITERS + writer) {
                        let mut request = store.writer(NOW);
                        send(&[plain(trace, 0), plain(trace, 1), plain(trace, 2)], &mut request);
                        request.finish().unwrap();
                        assert_eq!(store.trace(plain(trace, 0).trace).unwrap().spans.len(), 3);
                    }
                })
            })
            .collect();
        for _ in 0..2 {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    for trace in store.find(&Search { service: Some("front".into()), ..Search::default() }) {
                        assert_eq!(trace.spans.len(), 3);
                    }
                    store.dependencies(u64::MAX, std::time::Duration::MAX);
                    store.maintain(NOW).unwrap();
                }
            });
        }
        writers.into_iter().for_each(|writer| writer.join().unwrap());
        done.store(true, Ordering::Relaxed);
    });
    let stats = store.stats();
    assert!(stats.segments > 2, "{stats:?}");
    assert_eq!((stats.spans, stats.failed_writes), (WRITERS * TRACES * 3, 0));
    let edges = store.dependencies(u64::MAX, std::time::Duration::MAX);
    assert_eq!(edges.iter().map(|edge| edge.calls).sum::<u64>(), WRITERS * TRACES * 2);
}
