//! What the database costs: time per sample in and out, bytes per sample and per series.
//!
//! Input: made-up series like those of an application (counters that step, gauges that wander, constants), 10,000 of
//! them scraped every 30 s. Output: a table on standard output. `cargo bench -p tidewatch-tsdb`; it asserts nothing.

use std::path::Path;
use std::time::{Duration, Instant};
use tidewatch_model::{
    Append, Batch, Columns, LabelQuery, Labels, MatchOp, Matcher, Select, Selection, SeriesRef,
};
use tidewatch_tsdb::{Tsdb, TsdbOptions};

const SERIES: usize = 10_000;
const INTERVAL: i64 = 30_000;
const HOUR: i64 = 3_600_000;
const START: i64 = 236_000 * 2 * HOUR;

fn main() {
    if std::env::args().any(|a| a == "--test") {
        return;
    }
    for compression in [false, true] {
        append_day(compression);
    }
    replay();
    memory();
}

fn labels(series: usize) -> Labels {
    Labels::from_pairs([
        ("__name__", format!("http_requests_total_{}", series / 500)),
        ("container", "backend".to_owned()),
        ("endpoint", format!("/api/tasks/{}", series % 25)),
        ("instance", format!("127.1.0.{}:9464", series / 25 % 20)),
        ("job", "todo-backend".to_owned()),
        ("namespace", "todo-app-prod".to_owned()),
        ("pod", format!("todo-backend-5d4f8c7b9-{}", series / 25 % 20)),
        ("service", "todo-backend".to_owned()),
    ])
}

/// A small generator: the same samples in every run.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

/// Half counters (a third of them idle), a quarter gauges with decimals, a quarter constants.
fn step(batch: &mut Batch, time: i64, noise: &mut Noise) {
    for (at, row) in batch.rows.iter_mut().enumerate() {
        row.timestamp = time;
        row.value = match at % 4 {
            0 => row.value + (noise.next() % 50) as f64,
            1 if at % 3 == 0 => row.value,
            1 => row.value + 0.003 * (noise.next() % 1000) as f64,
            2 => (noise.next() % 10_000) as f64 / 100.0,
            _ => 1.0,
        };
    }
}

fn new_batch(series: usize) -> Batch {
    let mut batch = Batch::default();
    (0..series).for_each(|s| batch.push(SeriesRef::UNKNOWN, labels(s), START, 0.0));
    batch
}

fn options(wal_compression: bool) -> TsdbOptions {
    TsdbOptions { wal_compression, ..TsdbOptions::default() }
}

fn report(what: &str, figure: f64, unit: &str) {
    println!("{what:<58} {figure:>12.2} {unit}");
}

/// Processor time of this process.
fn cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/schedstat").unwrap_or_default();
    let nanos = stat.split(' ').next().and_then(|n| n.parse().ok()).unwrap_or(0);
    Duration::from_nanos(nanos)
}

fn resident(kind: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|l| l.starts_with(kind)).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|n| n.parse::<f64>().ok()).unwrap_or(0.0) * 1024.0
}

fn fill(tsdb: &Tsdb, batch: &mut Batch, hours: i64, maintain: bool) -> (usize, Duration, Duration) {
    let mut noise = Noise(42);
    let (mut samples, mut wall, mut busy) = (0, Duration::ZERO, Duration::ZERO);
    for i in 0..hours * HOUR / INTERVAL {
        let now = START + i * INTERVAL;
        step(batch, now, &mut noise);
        let (from, cpu_from) = (Instant::now(), cpu());
        samples += tsdb.append(batch).expect("appends").accepted;
        wall += from.elapsed();
        busy += cpu() - cpu_from;
        if maintain && i % 2 == 0 {
            tsdb.maintain(now).expect("maintains");
        }
    }
    (samples, wall, busy)
}

fn append_day(compression: bool) {
    println!(
        "\n24 h of {SERIES} series every 30 s, log {}",
        if compression { "compressed" } else { "plain" }
    );
    let folder = tempfile::tempdir().expect("a folder");
    let before = resident("RssAnon:");
    let mut batch = new_batch(SERIES);
    let with_labels = resident("RssAnon:");
    let tsdb = Tsdb::open(folder.path(), options(compression)).expect("opens");
    let from = Instant::now();
    tsdb.append(&mut batch).expect("appends");
    report("  creating series", SERIES as f64 / from.elapsed().as_secs_f64(), "series/s");
    let (samples, wall, busy) = fill(&tsdb, &mut batch, 24, true);
    report("  append, known handles", samples as f64 / wall.as_secs_f64() / 1e6, "M samples/s");
    report("  append, processor", busy.as_nanos() as f64 / samples as f64, "ns/sample");
    let stats = tsdb.stats();
    let on_disk = stats.chunk_bytes as f64 / (samples as f64 - SERIES as f64 * 60.0);
    report("  chunk files", on_disk, "bytes/sample (about)");
    report("  log after checkpoints", stats.wal_bytes as f64 / 1e6, "MB");
    report("  index", stats.index_bytes as f64 / SERIES as f64, "bytes/series");
    report(
        "  series, open chunk, references to 24 h",
        stats.series_bytes as f64 / SERIES as f64,
        "bytes/series",
    );
    report(
        "  heap of the process, labels aside",
        (resident("RssAnon:") - with_labels) / SERIES as f64,
        "bytes/series",
    );
    report("  labels as the scraper holds them", (with_labels - before) / SERIES as f64, "bytes/series");
    if compression {
        query(&tsdb);
        drop(tsdb);
        reopen(folder.path());
    }
}

fn query(tsdb: &Tsdb) {
    let end = START + 24 * HOUR;
    let mut columns = Columns::default();
    let mut ask = |what: &str, matchers: &[Matcher], start: i64| {
        for _ in 0..3 {
            let (from, busy) = (Instant::now(), cpu());
            let selected = tsdb.select(&Selection { matchers, start, end }).expect("selects");
            let after_select = from.elapsed();
            let mut samples = 0;
            for series in &selected {
                columns.clear();
                series.read(&mut columns).expect("decodes");
                samples += columns.len();
            }
            let all = from.elapsed();
            let busy = cpu() - busy;
            println!(
                "  {what:<26} {:>6} series {samples:>9} samples: select {:>6.2} ms, all {:>7.2} ms; processor {:>7.2} ms, {:.2} ns/sample",
                selected.len(),
                after_select.as_secs_f64() * 1e3,
                all.as_secs_f64() * 1e3,
                busy.as_secs_f64() * 1e3,
                busy.as_nanos() as f64 / samples as f64
            );
        }
    };
    ask("everything, 24 h", &[], START);
    ask("everything, last 5 min", &[], end - 300_000);
    let name = Matcher::equal("__name__", "http_requests_total_3");
    ask("one metric, 24 h", std::slice::from_ref(&name), START);
    let pod = Matcher::new("pod", MatchOp::Regex, "todo-backend-5d4f.*-1.").expect("compiles");
    ask("one metric, a regex, 1 h", &[name, pod], end - HOUR);
    let from = Instant::now();
    let names = LabelQuery { matcher_sets: &[], start: end - HOUR, end };
    let count = tsdb.label_names(&names).expect("names").len();
    report(&format!("  {count} label names"), from.elapsed().as_secs_f64() * 1e6, "µs");
}

fn reopen(folder: &Path) {
    let from = Instant::now();
    let tsdb = Tsdb::open(folder, options(true)).expect("opens");
    report("  opening again after 24 h", from.elapsed().as_secs_f64() * 1e3, "ms");
    report("  … resident then, mapped files and program", resident("RssFile:") / 1e6, "MB");
    report("  … of which samples of the log", tsdb.replayed_samples() as f64, "samples");
}

fn replay() {
    println!("\nreading a log without checkpoint, 8 h of {SERIES} series");
    for compression in [false, true] {
        let folder = tempfile::tempdir().expect("a folder");
        let tsdb = Tsdb::open(folder.path(), options(compression)).expect("opens");
        let (samples, _, _) = fill(&tsdb, &mut new_batch(SERIES), 8, false);
        let bytes = tsdb.stats().wal_bytes as f64;
        drop(tsdb);
        let chunks = folder.path().join("chunks_head");
        std::fs::remove_dir_all(&chunks).expect("removes");
        let from = Instant::now();
        let tsdb = Tsdb::open(folder.path(), options(compression)).expect("opens");
        let rate = samples as f64 / from.elapsed().as_secs_f64() / 1e6;
        let what = if compression { "compressed" } else { "plain" };
        report(&format!("  {what} log"), bytes / samples as f64, "bytes/sample");
        report(&format!("  {what} log, read and encoded anew"), rate, "M samples/s");
        assert_eq!(tsdb.replayed_samples(), samples as u64);
    }
}

fn memory() {
    let (series, targets) = (200_000, 200);
    println!("\n{series} series of {targets} targets, one hour of samples every 5 min");
    let folder = tempfile::tempdir().expect("a folder");
    let mut batches: Vec<Batch> = (0..targets).map(|_| Batch::default()).collect();
    for s in 0..series {
        batches[s % targets].push(SeriesRef::UNKNOWN, labels(s), START, 0.0);
    }
    let before = resident("RssAnon:");
    let tsdb = Tsdb::open(folder.path(), options(true)).expect("opens");
    let mut noise = Noise(7);
    for i in 0..12 {
        for batch in &mut batches {
            step(batch, START + i * 300_000, &mut noise);
            tsdb.append(batch).expect("appends");
        }
    }
    let stats = tsdb.stats();
    report(
        "  heap of the process, labels aside",
        (resident("RssAnon:") - before) / series as f64,
        "bytes/series",
    );
    report("  … index", stats.index_bytes as f64 / series as f64, "bytes/series");
    report("  … series and open chunks", stats.series_bytes as f64 / series as f64, "bytes/series");
}
