//! Range queries over a day of 10,000 series in memory: what the columns cost, without a store.
//!
//! Run with `cargo bench -p tidewatch-promql`. Output: the time of each query, and samples per second. The store hands
//! out plain columns, so decoding is not part of it.

use std::time::Instant;
use tidewatch_model::{Columns, Labels};
use tidewatch_promql::{Cancel, Engine, EngineOptions, Value};
use tidewatch_testkit::Memory;

const SERIES: usize = 10_000;
/// A day, in milliseconds.
const DAY: i64 = 86_400_000;
/// Between scrapes.
const INTERVAL: i64 = 30_000;

/// 500 pods; 20 counters each, as 2 paths with 10 buckets.
fn store() -> Memory {
    let mut memory = Memory::default();
    let bounds = ["0.01", "0.05", "0.1", "0.25", "0.5", "1", "2.5", "5", "10", "+Inf"];
    for n in 0..SERIES {
        let (pod, path, bucket) = (n / 20, n % 20 / 10, n % 10);
        let labels = Labels::from_pairs([
            ("__name__", "x_bucket".to_owned()),
            ("pod", format!("pod-{pod}")),
            ("path", format!("/{path}")),
            ("le", bounds[bucket].to_owned()),
        ]);
        let mut columns = Columns::default();
        let mut value = 0.0;
        for at in 0..DAY / INTERVAL {
            value = if (at + n as i64) % 2000 == 1999 { 0.0 } else { value + (bucket + 1) as f64 };
            columns.push(at * INTERVAL, value);
        }
        memory.add(labels, columns);
    }
    memory
}

fn main() {
    let store = store();
    let engine = Engine::new(EngineOptions::default());
    for (query, step) in [
        ("sum by (pod) (rate(x_bucket[5m]))", 60_000),
        ("histogram_quantile(0.99, sum by (le) (rate(x_bucket[5m])))", 60_000),
        ("histogram_quantile(0.99, sum by (le, path) (rate(x_bucket[5m])))", 300_000),
        ("sum by (pod) (x_bucket)", 60_000),
        ("max by (path) (max_over_time(x_bucket[1h]))", 300_000),
        ("sum(avg_over_time(x_bucket[5m]))", 60_000),
        ("topk(5, rate(x_bucket{le=\"+Inf\"}[5m]))", 300_000),
    ] {
        let mut best = f64::INFINITY;
        let (mut samples, mut series) = (0, 0);
        for _ in 0..3 {
            let begin = Instant::now();
            let answer =
                engine.range(&store, query, 0, DAY - 1, step, &Cancel::new()).expect("a valid query");
            best = best.min(begin.elapsed().as_secs_f64());
            samples = answer.samples_read;
            series = if let Value::Matrix(matrix) = answer.value { matrix.len() } else { 0 };
        }
        let rate = samples as f64 / best / 1e6;
        println!(
            "{:8.1} ms  {rate:6.0} M samples/s  {series:5} series  step {:4} s  {query}",
            best * 1e3,
            step / 1000
        );
    }
}
