//! Days in the life of a folder: chunks move to disk, the log stays short, old samples go.

use crate::fixture::{
    Contents, HOUR, MINUTE, START, contents, everything, labels, names, open, samples, scrape, value,
};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::time::Duration;
use tidewatch_model::{Append, Batch, Matcher, SeriesRef};
use tidewatch_tsdb::{Tsdb, TsdbOptions};

#[test]
fn a_week_stays_within_its_bounds() {
    let folder = tempfile::tempdir().unwrap();
    let options = TsdbOptions { retention: Duration::from_secs(2 * 24 * 3600), ..TsdbOptions::default() };
    let tsdb = Tsdb::open(folder.path(), options).unwrap();
    let mut batch = Batch::default();
    let (mut most_log, mut most_chunks) = (0, 0);
    for minute in 0..7 * 24 * 60 {
        let now = START + minute * MINUTE;
        assert_eq!(scrape(&tsdb, &mut batch, 0..10, now), 10);
        if minute % 10 == 0 {
            tsdb.maintain(now).unwrap();
            let stats = tsdb.stats();
            most_log = most_log.max(stats.wal_bytes);
            most_chunks = most_chunks.max(stats.chunk_bytes);
        }
    }
    let now = START + 7 * 24 * HOUR;
    tsdb.maintain(now).unwrap();
    let stats = tsdb.stats();
    assert!(most_log < 200_000, "{most_log} bytes of log");
    let held = everything(&tsdb);
    let a_series = held.values().next().unwrap().len() as i64;
    assert!((48 * 60..=50 * 60).contains(&a_series), "{a_series} samples of a series");
    assert!(most_chunks < 10 * 52 * 60 * 10, "{most_chunks} bytes of chunks");
    assert_eq!(stats.min_time.unwrap(), held.values().map(|s| s[0].0).min().unwrap());
    assert!(stats.checkpoints > 70);
    drop(tsdb);
    let again = open(folder.path());
    let recent = |tsdb: &Tsdb| contents(tsdb, &[], now - 48 * HOUR, now);
    assert_eq!(
        recent(&again),
        held.iter()
            .map(|(k, v)| { (k.clone(), v.iter().copied().filter(|s| s.0 >= now - 48 * HOUR).collect()) })
            .collect::<Contents>()
    );
    assert!(again.replayed_samples() < 10 * 4 * 60);
}

#[test]
fn a_series_that_ended_goes_with_its_last_chunk() {
    let folder = tempfile::tempdir().unwrap();
    let options = TsdbOptions { retention: Duration::from_secs(24 * 3600), ..TsdbOptions::default() };
    let tsdb = Tsdb::open(folder.path(), options.clone()).unwrap();
    let (mut batch, mut ended) = (Batch::default(), Batch::default());
    for i in 0..60 {
        scrape(&tsdb, &mut ended, 50..60, START + i * MINUTE);
    }
    let series = |tsdb: &Tsdb| contents(tsdb, &[Matcher::equal("series", "55")], i64::MIN, i64::MAX).len();
    for hour in 1..=25 {
        let now = START + hour * HOUR;
        scrape(&tsdb, &mut batch, 0..5, now);
        tsdb.maintain(now).unwrap();
        let gone = hour * 60 > 24 * 60 + 59;
        assert_eq!((series(&tsdb), tsdb.stats().series), if gone { (0, 5) } else { (1, 15) }, "hour {hour}");
    }
    assert_eq!(tsdb.stats().series_removed, 10);
    // The handles that the producer kept are void, the labels count: the series begin anew.
    let now = START + 25 * HOUR + 1;
    assert_eq!(scrape(&tsdb, &mut ended, 50..60, now), 10);
    assert_eq!((series(&tsdb), tsdb.stats().series), (1, 15));
    tsdb.maintain(now).unwrap();
    let before = everything(&tsdb);
    drop(tsdb);
    let again = Tsdb::open(folder.path(), options).unwrap();
    again.maintain(now).unwrap();
    assert_eq!(everything(&again), before);
}

#[test]
fn chunk_files_are_removed_from_the_front() {
    let folder = tempfile::tempdir().unwrap();
    let options = TsdbOptions { retention: Duration::from_secs(28 * 3600), ..TsdbOptions::default() };
    let tsdb = Tsdb::open(folder.path(), options).unwrap();
    let mut batch = Batch::default();
    for i in 0..60 * 60 {
        scrape(&tsdb, &mut batch, 0..2, START + i * MINUTE);
        if i % 30 == 0 {
            tsdb.maintain(START + i * MINUTE).unwrap();
        }
    }
    let files = names(&folder.path().join("chunks_head"));
    assert!(!files.contains(&"000001".to_owned()), "{files:?}");
    assert!((10..=18).contains(&files.len()), "{files:?}");
    assert!(samples(&everything(&tsdb)) >= 2 * 28 * 60);
}

#[test]
fn an_expired_file_that_cannot_be_removed_is_tried_again() {
    let folder = tempfile::tempdir().unwrap();
    let options = TsdbOptions { retention: Duration::from_secs(28 * 3600), ..TsdbOptions::default() };
    let tsdb = Tsdb::open(folder.path(), options).unwrap();
    let mut batch = Batch::default();
    let mut fill = |minutes: std::ops::Range<i64>| {
        let mut result = Ok(());
        for i in minutes {
            scrape(&tsdb, &mut batch, 0..2, START + i * MINUTE);
            if i % 30 == 0 {
                result = result.and(tsdb.maintain(START + i * MINUTE));
            }
        }
        result
    };
    fill(0..20 * 60).unwrap();
    // A folder in the place of the file: no permission is needed to make removing it fail, not even for root.
    let (first, aside) = (folder.path().join("chunks_head/000001"), folder.path().join("aside"));
    std::fs::rename(&first, &aside).unwrap();
    std::fs::create_dir(&first).unwrap();
    let error = fill(20 * 60..60 * 60).unwrap_err().to_string();
    assert!(error.contains("cannot remove") && error.contains("000001"), "{error}");
    let chunks = || names(&folder.path().join("chunks_head"));
    assert_eq!(chunks()[..2], ["000001", "000002"], "later files wait for the first: no gaps");
    std::fs::remove_dir(&first).unwrap();
    std::fs::rename(&aside, &first).unwrap();
    tsdb.maintain(START + 60 * HOUR).unwrap();
    assert!(chunks().len() < 18 && !chunks().contains(&"000001".to_owned()), "{:?}", chunks());
}

/// What happens to a database in the test below.
#[derive(Clone, Debug)]
enum Step {
    Scrape { series: std::ops::Range<usize>, after: i64 },
    Maintain,
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    let after = prop_oneof![Just(30_000i64), Just(1i64), 1i64..4_000_000];
    prop_oneof![
        30 => (0usize..6, 1usize..6, after)
            .prop_map(|(from, count, after)| Step::Scrape { series: from..from + count, after }),
        2 => Just(Step::Maintain),
        1 => Just(Step::Restart),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(30))]
    #[test]
    fn holds_what_a_plain_map_holds(steps in proptest::collection::vec(step(), 1..250)) {
        let folder = tempfile::tempdir().unwrap();
        let options = TsdbOptions {
            checkpoint_interval: Duration::from_secs(3600),
            wal_segment_bytes: 64 << 10,
            ..TsdbOptions::default()
        };
        let mut tsdb = Tsdb::open(folder.path(), options.clone()).unwrap();
        let mut expected: Contents = BTreeMap::new();
        let mut handles: BTreeMap<usize, SeriesRef> = BTreeMap::new();
        let mut now = START;
        for step in steps {
            match step {
                Step::Scrape { series, after } => {
                    now += after;
                    let mut batch = Batch::default();
                    for series in series.clone() {
                        let handle = handles.get(&series).copied().unwrap_or_default();
                        batch.push(handle, labels(series), now, value(series, now));
                        let sample = (now, value(series, now).to_bits());
                        expected.entry(labels(series).to_string()).or_default().push(sample);
                    }
                    prop_assert_eq!(tsdb.append(&mut batch).unwrap().accepted, series.len());
                    handles.extend(series.zip(batch.rows.iter().map(|r| r.series)));
                }
                Step::Maintain => tsdb.maintain(now).unwrap(),
                Step::Restart => {
                    handles.clear();
                    drop(tsdb);
                    tsdb = Tsdb::open(folder.path(), options.clone()).unwrap();
                    prop_assert_eq!(tsdb.notices(), [""; 0]);
                }
            }
        }
        prop_assert_eq!(everything(&tsdb), expected);
    }
}
