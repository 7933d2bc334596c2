//! Fills a data directory with made-up history, for benchmarks of queries and dashboards.
//!
//! Input: `fill DIR [SERIES] [HOURS]`. Output: counters `bench_NN_total{panel,pod,endpoint,status}` in twelve metrics, sampled
//! every 30 s until now. No part of the product.

use std::time::Instant;
use tidewatch_model::{Append, Batch, Clock, Labels, SeriesRef, SystemClock};
use tidewatch_tsdb::{Tsdb, TsdbOptions};

const METRICS: usize = 12;
const INTERVAL_MS: i64 = 30_000;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let folder = arguments.first().ok_or("usage: fill DIR [SERIES] [HOURS]")?;
    let number = |at: usize, default: i64| arguments.get(at).map_or(Ok(default), |text| text.parse());
    let (series, hours) = (number(1, 10_000)?, number(2, 24)?);
    let store = Tsdb::open(folder, TsdbOptions::default())?;
    let (started, end) = (Instant::now(), SystemClock.now());
    let mut batch = Batch::default();
    for at in 0..series {
        batch.push(SeriesRef::UNKNOWN, labels(at as usize, series as usize), 0, 0.0);
    }
    let rounds = hours * 3_600_000 / INTERVAL_MS;
    for round in 0..rounds {
        let time = end - (rounds - round) * INTERVAL_MS;
        for (at, row) in batch.rows.iter_mut().enumerate() {
            row.timestamp = time;
            row.value += ((at as i64 * 7 + round) % 13) as f64;
        }
        store.append(&mut batch)?;
        if round % 120 == 0 {
            store.maintain(time)?;
        }
    }
    store.close()?;
    let seconds = started.elapsed().as_secs_f64();
    println!("{} samples of {series} series in {seconds:.1} s", rounds * series);
    Ok(())
}

/// Series of one metric differ in pod, route and status.
fn labels(at: usize, series: usize) -> Labels {
    let (metric, within) = (at % METRICS, at / METRICS);
    let pods = (series / METRICS / 40).max(1);
    Labels::from_pairs([
        ("__name__", format!("bench_{metric:02}_total")),
        ("job", "bench".to_owned()),
        ("pod", format!("bench-{:03}", within % pods)),
        ("endpoint", format!("/api/{}", within / pods % 10)),
        ("status", (200 + within / pods / 10 * 100).to_string()),
    ])
}
