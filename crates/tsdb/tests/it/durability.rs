//! What survives: restarts, kills, torn and damaged files.

use crate::fixture::{HOUR, MINUTE, START, as_if_killed, everything, files, names, open, samples, scrape};
use std::fs;
use tidewatch_model::{
    Append, Batch, Exemplar, LabelQuery, Labels, MatchOp, Matcher, Select, SeriesExemplars, SeriesRef,
    stale_nan,
};
use tidewatch_tsdb::{Tsdb, TsdbError, TsdbOptions};

/// Four hours of 20 series: full chunks, open chunks, and a series that came and went.
fn filled(folder: &std::path::Path) -> Tsdb {
    let tsdb = open(folder);
    let (mut batch, mut early) = (Batch::default(), Batch::default());
    for i in 0..4 * 120 {
        let time = START + i * MINUTE / 2;
        assert_eq!(scrape(&tsdb, &mut batch, 0..20, time), 20);
        if i < 50 {
            scrape(&tsdb, &mut early, 100..103, time);
        }
    }
    tsdb
}

#[test]
fn everything_is_there_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let tsdb = filled(folder.path());
    let before = everything(&tsdb);
    assert_eq!(samples(&before), 20 * 480 + 3 * 50);
    drop(tsdb);
    let tsdb = open(folder.path());
    assert_eq!(everything(&tsdb), before);
    assert_eq!(tsdb.notices(), [""; 0]);
    tsdb.maintain(START + 4 * HOUR).unwrap();
    assert_eq!(everything(&tsdb), before);
    drop(tsdb);
    assert_eq!(everything(&open(folder.path())), before);
}

#[test]
fn everything_is_there_after_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let tsdb = filled(folder.path());
    let before = everything(&tsdb);
    assert_eq!(everything(&open(as_if_killed(folder.path()).path())), before, "nothing moved to disk yet");
    tsdb.maintain(START + 4 * HOUR).unwrap();
    assert_eq!(everything(&open(as_if_killed(folder.path()).path())), before, "full chunks on disk");
    tsdb.maintain(START + 7 * HOUR).unwrap();
    assert_eq!(names(&folder.path().join("wal")), ["00000001", "checkpoint.00000000"]);
    let killed = as_if_killed(folder.path());
    assert_eq!(everything(&open(killed.path())), before, "after a checkpoint");
    // The copy goes on: ids, handles and order continue where they were.
    let again = open(killed.path());
    let mut batch = Batch::default();
    assert_eq!(scrape(&again, &mut batch, 0..30, START + 7 * HOUR), 30);
    assert_eq!(again.stats().series_created, 10);
}

#[test]
fn special_values_survive_bit_by_bit() {
    let folder = tempfile::tempdir().unwrap();
    let values = [
        f64::NAN,
        stale_nan(),
        f64::INFINITY,
        f64::NEG_INFINITY,
        -0.0,
        f64::from_bits(0x7ff8_0000_dead_beef),
    ];
    let tsdb = open(folder.path());
    for (at, value) in values.iter().enumerate() {
        let mut batch = Batch::default();
        batch.push(
            SeriesRef::UNKNOWN,
            Labels::from_pairs([("__name__", "special")]),
            START + at as i64,
            *value,
        );
        tsdb.append(&mut batch).unwrap();
    }
    let expected: Vec<_> = values.iter().enumerate().map(|(i, v)| (START + i as i64, v.to_bits())).collect();
    assert_eq!(everything(&tsdb)["special"], expected);
    drop(tsdb);
    assert_eq!(everything(&open(folder.path()))["special"], expected);
}

#[test]
fn a_torn_log_is_cut_and_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let options = || TsdbOptions { wal_compression: false, ..TsdbOptions::default() };
    let tsdb = Tsdb::open(folder.path(), options()).unwrap();
    let mut batch = Batch::default();
    for i in 0..40 {
        scrape(&tsdb, &mut batch, 0..3, START + i * MINUTE);
    }
    let log = folder.path().join("wal/00000000");
    let whole = fs::read(&log).unwrap();
    let mut least = usize::MAX;
    for cut in (whole.len() - 300..whole.len()).rev().step_by(7).chain([500, 7, 3]) {
        let copy = as_if_killed(folder.path());
        let log = copy.path().join("wal/00000000");
        fs::write(&log, &whole[..cut]).unwrap();
        let tsdb = Tsdb::open(copy.path(), options()).unwrap();
        let count = samples(&everything(&tsdb));
        assert!(count.is_multiple_of(3) && count <= least, "a batch is whole or not there: {count} at {cut}");
        least = count;
        let removed = cut as u64 - log.metadata().unwrap().len();
        assert_eq!(removed > 0, !tsdb.notices().is_empty(), "cut at {cut}: {:?}", tsdb.notices());
        assert_eq!(tsdb.stats().repairs, u64::from(removed > 0));
        let mut batch = Batch::default();
        assert_eq!(scrape(&tsdb, &mut batch, 0..3, START + HOUR), 3);
        drop(tsdb);
        let again = Tsdb::open(copy.path(), options()).unwrap();
        assert_eq!((samples(&everything(&again)), again.notices().len()), (count + 3, 0));
    }
    assert_eq!(least, 0);
}

#[test]
fn a_flipped_bit_costs_what_is_behind_it_in_its_segment() {
    let folder = tempfile::tempdir().unwrap();
    let options = || TsdbOptions { wal_segment_bytes: 4096, ..TsdbOptions::default() };
    let tsdb = Tsdb::open(folder.path(), options()).unwrap();
    let mut batch = Batch::default();
    for i in 0..120 {
        scrape(&tsdb, &mut batch, 0..20, START + i * MINUTE / 4);
    }
    drop(tsdb);
    let segments = files(&folder.path().join("wal"));
    assert!(segments.len() > 3);
    let mut bytes = fs::read(&segments[1]).unwrap();
    bytes[1000] ^= 4;
    fs::write(&segments[1], &bytes).unwrap();
    let tsdb = Tsdb::open(folder.path(), options()).unwrap();
    assert!(tsdb.notices()[0].contains("00000001: the checksum of the record does not match at byte"));
    let held = everything(&tsdb);
    assert!(samples(&held) > 20 * 60, "{}", samples(&held));
    let last = START + 119 * MINUTE / 4;
    assert!(held.values().all(|s| s.last().unwrap().0 == last), "later segments are read");
}

#[test]
fn a_damaged_chunk_costs_that_chunk() {
    let folder = tempfile::tempdir().unwrap();
    let tsdb = filled(folder.path());
    tsdb.maintain(START + 4 * HOUR).unwrap();
    tsdb.maintain(START + 7 * HOUR).unwrap();
    let before = samples(&everything(&tsdb));
    drop(tsdb);
    let file = folder.path().join("chunks_head/000001");
    let mut bytes = fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 4;
    fs::write(&file, &bytes).unwrap();
    let tsdb = open(folder.path());
    assert!(tsdb.notices()[0].contains("1 damaged chunks"), "{:?}", tsdb.notices());
    assert_eq!(samples(&everything(&tsdb)), before - 120);
}

#[test]
fn a_damaged_checkpoint_is_refused_with_a_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let tsdb = filled(folder.path());
    tsdb.maintain(START).unwrap();
    tsdb.maintain(START + 4 * HOUR).unwrap();
    drop(tsdb);
    let file = folder.path().join("wal/checkpoint.00000000/00000000");
    let mut bytes = fs::read(&file).unwrap();
    bytes[100] ^= 1;
    fs::write(&file, &bytes).unwrap();
    let error = Tsdb::open(folder.path(), TsdbOptions::default()).unwrap_err().to_string();
    assert!(error.contains("checkpoint.00000000/00000000 is damaged") && error.contains("hint:"), "{error}");
}

#[test]
fn a_folder_is_opened_once() {
    let folder = tempfile::tempdir().unwrap();
    let _first = open(folder.path());
    let second = Tsdb::open(folder.path(), TsdbOptions::default());
    assert!(matches!(second, Err(TsdbError::Locked { .. })));
}

#[test]
fn blocks_are_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let block = folder.path().join("01KAQ8M4C9YQ3T6V6Q4W1N2E3R");
    fs::create_dir(&block).unwrap();
    fs::write(block.join("meta.json"), "{}").unwrap();
    fs::write(block.join("index"), "").unwrap();
    let error = Tsdb::open(folder.path(), TsdbOptions::default()).unwrap_err().to_string();
    assert!(error.contains("01KAQ8M4C9YQ3T6V6Q4W1N2E3R holds a block"), "{error}");
}

#[test]
fn records_of_other_kinds_are_passed_over_with_a_notice() {
    let folder = tempfile::tempdir().unwrap();
    let tsdb =
        Tsdb::open(folder.path(), TsdbOptions { wal_compression: false, ..TsdbOptions::default() }).unwrap();
    scrape(&tsdb, &mut Batch::default(), 0..3, START);
    drop(tsdb);
    // A segment of a single tombstone record as another program would have written it.
    let record = [3u8, 0, 0, 0, 0, 0, 0, 0, 1, 2, 4];
    let mut segment = vec![1, 0, record.len() as u8];
    segment.extend(crc32c::crc32c(&record).to_be_bytes());
    segment.extend(record);
    fs::write(folder.path().join("wal/00000001"), segment).unwrap();
    let tsdb = open(folder.path());
    assert_eq!(tsdb.notices(), ["wal: 1 records of tombstones are not read"]);
    assert_eq!(samples(&everything(&tsdb)), 3);
}

#[test]
fn exemplars_survive_kills_and_checkpoints() {
    let folder = tempfile::tempdir().unwrap();
    let tsdb = open(folder.path());
    let labels = |name: &str| Labels::from_pairs([("__name__", name)]);
    let exemplar = |trace: &str, timestamp| Exemplar {
        labels: Labels::from_pairs([("trace_id", trace)]),
        timestamp,
        value: 0.25,
    };
    let mut batch = Batch::default();
    for (name, trace, time) in [("b", "1", START), ("a", "2", START + 1), ("b", "3", START + 2)] {
        batch.push(SeriesRef::UNKNOWN, labels(name), time, 1.0);
        batch.push_exemplar(exemplar(trace, time));
    }
    // its sample is refused, so it goes too
    batch.push(SeriesRef::UNKNOWN, labels("b"), START, 2.0);
    batch.push_exemplar(exemplar("4", START + 3));
    let appended = tsdb.append(&mut batch).unwrap();
    assert_eq!((appended.accepted, appended.rejected), (3, 1));
    let found = |tsdb: &Tsdb, start, end| {
        let sets = [vec![Matcher::new("__name__", MatchOp::Regex, "a|b").unwrap()], vec![]];
        let query = LabelQuery { matcher_sets: &sets[..1], start, end };
        tsdb.exemplars(&query).unwrap()
    };
    let all = vec![
        SeriesExemplars { labels: labels("a"), exemplars: vec![exemplar("2", START + 1)] },
        SeriesExemplars {
            labels: labels("b"),
            exemplars: vec![exemplar("1", START), exemplar("3", START + 2)],
        },
    ];
    assert_eq!(found(&tsdb, START, START + 9), all);
    assert_eq!(
        found(&tsdb, START + 2, START + 9),
        [SeriesExemplars { exemplars: all[1].exemplars[1..].into(), ..all[1].clone() }]
    );
    let stats = tsdb.stats();
    let counts = (stats.exemplars, stats.exemplar_series, stats.exemplars_appended, stats.exemplars_dropped);
    assert_eq!(counts, (3, 2, 3, 1));
    assert_eq!(found(&open(as_if_killed(folder.path()).path()), START, START + 9), all);
    tsdb.maintain(START).unwrap();
    tsdb.maintain(START + 3 * HOUR).unwrap();
    assert_eq!(names(&folder.path().join("wal")), ["00000001", "checkpoint.00000000"]);
    let again = open(as_if_killed(folder.path()).path());
    assert_eq!((found(&again, START, START + 9), again.notices().len()), (all, 0));
}
