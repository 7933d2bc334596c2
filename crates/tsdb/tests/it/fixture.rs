//! Batches in and samples out, shared by the tests. Input: terse descriptions; output: what a database holds, in a
//! form that compares bit by bit.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use tidewatch_model::{Append, Batch, Columns, Labels, Matcher, Select, Selection, SeriesRef};
use tidewatch_tsdb::{Tsdb, TsdbOptions};

pub(crate) const MINUTE: i64 = 60 * 1000;
pub(crate) const HOUR: i64 = 60 * MINUTE;
/// A time that is a multiple of two hours.
pub(crate) const START: i64 = 236_000 * 2 * HOUR;

/// Everything a database holds: labels to times and bits of values.
pub(crate) type Contents = BTreeMap<String, Vec<(i64, u64)>>;

pub(crate) fn open(folder: &Path) -> Tsdb {
    Tsdb::open(folder, TsdbOptions::default()).expect("opens")
}

pub(crate) fn labels(series: usize) -> Labels {
    Labels::from_pairs([
        ("__name__", format!("metric_{}", series % 7)),
        ("instance", format!("127.0.0.{}:9464", series % 250)),
        ("series", series.to_string()),
    ])
}

/// A value that depends on series and time and compresses neither perfectly nor not at all.
pub(crate) fn value(series: usize, time: i64) -> f64 {
    let step = time / 1000 * (series as i64 + 1);
    if series.is_multiple_of(5) { step as f64 } else { (step % 977) as f64 * 0.37 }
}

/// Appends a sample to each of the series at a time and gives the number accepted.
pub(crate) fn scrape(tsdb: &Tsdb, batch: &mut Batch, series: std::ops::Range<usize>, time: i64) -> usize {
    let known: Vec<SeriesRef> = batch.rows.iter().map(|r| r.series).collect();
    batch.clear();
    for (at, series) in series.enumerate() {
        let handle = known.get(at).copied().unwrap_or(SeriesRef::UNKNOWN);
        batch.push(handle, labels(series), time, value(series, time));
    }
    tsdb.append(batch).expect("appends").accepted
}

/// What a database holds within a range.
pub(crate) fn contents(tsdb: &Tsdb, matchers: &[Matcher], start: i64, end: i64) -> Contents {
    let selected = tsdb.select(&Selection { matchers, start, end }).expect("selects");
    assert!(selected.is_sorted_by(|a, b| a.labels() < b.labels()), "in order of labels");
    let mut contents = Contents::new();
    for series in selected {
        let mut columns = Columns::default();
        series.read(&mut columns).expect("decodes");
        assert!(columns.len() <= series.sample_bound(), "the bound holds");
        assert!(columns.timestamps.is_sorted_by(|a, b| a < b), "times ascend");
        if !columns.is_empty() {
            let bits = columns.values.iter().map(|v| v.to_bits());
            contents
                .insert(series.labels().to_string(), columns.timestamps.iter().copied().zip(bits).collect());
        }
    }
    contents
}

pub(crate) fn everything(tsdb: &Tsdb) -> Contents {
    contents(tsdb, &[], i64::MIN, i64::MAX)
}

pub(crate) fn samples(contents: &Contents) -> usize {
    contents.values().map(Vec::len).sum()
}

/// The folder as a process leaves it that ends without warning: a copy made while the database is open.
pub(crate) fn as_if_killed(folder: &Path) -> tempfile::TempDir {
    let copy = tempfile::tempdir().expect("a folder");
    copy_folder(folder, copy.path());
    copy
}

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("lists") {
        let entry = entry.expect("lists");
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).expect("copies");
        }
    }
}

/// The names in a folder, in order.
pub(crate) fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).expect("lists");
    let mut names: Vec<_> =
        entries.map(|e| e.expect("lists").file_name().into_string().expect("UTF-8")).collect();
    names.sort();
    names
}

/// The files of a folder in order, without folders.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    names(folder).into_iter().map(|n| folder.join(n)).filter(|p| p.is_file()).collect()
}
