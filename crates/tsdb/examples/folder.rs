//! Fills, prints and compares data folders, for the conformance script in `conformance/tsdb`.
//!
//! Input: a folder, and for `compare` the output of `promtool tsdb dump` on standard input. Output: a folder as a
//! program leaves it that is killed (`fill` waits for that), or a verdict. It is no tool for users.

use std::collections::BTreeMap;
use std::io::{BufRead, Write};
use tidewatch_model::{Append, Batch, Columns, Labels, Select, Selection, SeriesRef, stale_nan};
use tidewatch_tsdb::{Tsdb, TsdbOptions};

type Failure = Box<dyn std::error::Error>;

const INTERVAL: i64 = 30_000;

fn main() -> Result<(), Failure> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args[..] {
        ["fill", folder, series, hours, compression] => {
            fill(folder, series.parse()?, hours.parse()?, compression == "snappy")
        }
        ["compare", folder] => compare(folder),
        _ => {
            Err("usage: folder fill <folder> <series> <hours> plain|snappy | folder compare <folder>".into())
        }
    }
}

/// Writes samples up to now as a scraper would, with maintenance, then waits to be killed.
fn fill(folder: &str, series: usize, hours: i64, wal_compression: bool) -> Result<(), Failure> {
    let tsdb = Tsdb::open(folder, TsdbOptions { wal_compression, ..TsdbOptions::default() })?;
    let since_epoch = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?;
    let end = i64::try_from(since_epoch.as_millis())?;
    let steps = hours * 3_600_000 / INTERVAL;
    let mut batch = Batch::default();
    for s in 0..series {
        let pairs = [("__name__", format!("conformance_{}", s % 10)), ("series", s.to_string())];
        batch.push(SeriesRef::UNKNOWN, Labels::from_pairs(pairs), 0, 0.0);
    }
    for step in 1..=steps {
        let now = end - (steps - step) * INTERVAL;
        for (s, row) in batch.rows.iter_mut().enumerate() {
            // A jitter, as real scrapes have it.
            row.timestamp = now + (step * 31 + s as i64 * 7) % 13;
            row.value = value(s, step);
        }
        let appended = tsdb.append(&mut batch)?;
        if appended.accepted != batch.rows.len() {
            return Err(format!("{appended:?}: {:?}", batch.rows.iter().find_map(|r| r.rejected)).into());
        }
        if step % 2 == 0 {
            tsdb.maintain(now)?;
        }
    }
    writeln!(std::io::stdout(), "filled {:?}", tsdb.stats())?;
    loop {
        std::thread::park();
    }
}

fn value(series: usize, step: i64) -> f64 {
    match series % 6 {
        0 => step as f64 * series as f64,
        1 => (step * 7919 % 1009) as f64 / 3.0,
        2 if step % 50 == 0 => stale_nan(),
        3 if step % 40 == 0 => f64::NAN,
        4 if step % 30 == 0 => f64::NEG_INFINITY,
        5 => -0.0,
        _ => series as f64,
    }
}

/// Lays the folder beside the samples on standard input: `{labels} value time` per line.
fn compare(folder: &str) -> Result<(), Failure> {
    let tsdb = Tsdb::open(folder, TsdbOptions::default())?;
    tsdb.notices().iter().for_each(|notice| println!("notice: {notice}"));
    let mut ours: BTreeMap<(String, i64), f64> = BTreeMap::new();
    let mut columns = Columns::default();
    let everything = Selection { matchers: &[], start: i64::MIN, end: i64::MAX };
    for series in tsdb.select(&everything)? {
        columns.clear();
        series.read(&mut columns)?;
        let pairs: Vec<_> = series.labels().iter().map(|(n, v)| format!("{n}={v:?}")).collect();
        let labels = format!("{{{}}}", pairs.join(", "));
        for (time, value) in columns.timestamps.iter().zip(&columns.values) {
            ours.insert((labels.clone(), *time), *value);
        }
    }
    let (mut same, mut different) = (0, 0);
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let mut fields = line.rsplitn(3, ' ');
        let (Some(time), Some(value), Some(labels)) = (fields.next(), fields.next(), fields.next()) else {
            return Err(format!("not a sample: {line}").into());
        };
        let theirs: f64 = value.parse()?;
        match ours.remove(&(labels.to_owned(), time.parse()?)) {
            Some(held) if held == theirs || (held.is_nan() && theirs.is_nan()) => same += 1,
            held => {
                different += 1;
                println!("different: {line}: here {held:?}");
            }
        }
    }
    ours.iter().take(5).for_each(|(key, value)| println!("only here: {key:?} {value}"));
    println!("{same} samples equal, {different} different, {} only here", ours.len());
    if different > 0 || !ours.is_empty() || same == 0 { Err("the folders differ".into()) } else { Ok(()) }
}
