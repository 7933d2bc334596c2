//! One writer, maintenance and many readers at the same time.

use crate::fixture::{HOUR, MINUTE, START, contents, open, scrape};
use std::sync::atomic::{AtomicBool, Ordering};
use tidewatch_model::Batch;

#[test]
fn readers_see_whole_batches_while_everything_moves() {
    let folder = tempfile::tempdir().unwrap();
    let tsdb = open(folder.path());
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let readers: Vec<_> = (0..3)
            .map(|_| {
                scope.spawn(|| {
                    let mut rounds = 0;
                    while !done.load(Ordering::Acquire) {
                        let held = contents(&tsdb, &[], i64::MIN, i64::MAX);
                        let lengths: Vec<_> = held.values().map(Vec::len).collect();
                        assert!(lengths.windows(2).all(|w| w[0] == w[1]), "{lengths:?}");
                        rounds += 1;
                    }
                    rounds
                })
            })
            .collect();
        let mut batch = Batch::default();
        for i in 0..20 * 60 {
            let now = START + i * MINUTE;
            scrape(&tsdb, &mut batch, 0..40, now);
            if i % 20 == 0 {
                tsdb.maintain(now).unwrap();
            }
        }
        done.store(true, Ordering::Release);
        assert!(readers.into_iter().all(|r| r.join().unwrap() > 0));
    });
    let stats = tsdb.stats();
    assert!(stats.checkpoints >= 8 && stats.chunk_bytes > 0, "{stats:?}");
    assert_eq!(stats.max_time, Some(START + 20 * HOUR - MINUTE));
}
