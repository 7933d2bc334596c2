//! The same scrapes and questions to tidewatch and to a real Prometheus: the answers must be equal.
//!
//! Runs when a `prometheus` binary is on the PATH; says so otherwise. The target's samples carry their own timestamps,
//! so that both stores hold exactly the same samples whenever each of them scraped.

use crate::page::Page;
use crate::product::{PATIENCE, Product, escape, eventually, get};
use rustix::process::Signal;
use serde_json::Value;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

/// Milliseconds between two samples of the target.
const TICK: u64 = 1000;
/// Samples to wait for after both have started: the longest window asked for, and then the range that is compared.
const TICKS: u64 = 40;
/// Samples of the range that is compared.
const COMPARED: u64 = 15;

struct Prometheus {
    child: Child,
    url: String,
}

impl Prometheus {
    fn start(config: &Path, data: &Path) -> Self {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let child = Command::new("prometheus")
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.tsdb.path={}", data.display()))
            .arg(format!("--web.listen-address={free}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let prometheus = Self { child, url: format!("http://{free}") };
        eventually("a ready Prometheus", || {
            std::net::TcpStream::connect(free).ok()?;
            (get(&format!("{}/-/ready", prometheus.url)).0 == 200).then_some(())
        });
        prometheus
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn peer_is_there() -> bool {
    let there = Command::new("prometheus")
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok();
    if !there {
        eprintln!("skipped: no prometheus on the PATH (make conformance tells how to get one)");
    }
    there
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64
}

/// Counters with a reset, a histogram, gauges with NaN and infinities, a series that comes and goes.
fn metrics(tick: u64, time: u64) -> String {
    let mut text = String::from("# TYPE requests_total counter\n# HELP requests_total Requests.\n");
    for (pod, speed) in [("a", 3), ("b", 7), ("c", 11)] {
        for status in ["200", "404", "500"] {
            let value = (tick % 13) * speed * (status.len() as u64 + tick % 2);
            text += &format!("requests_total{{pod=\"{pod}\",status=\"{status}\"}} {value} {time}\n");
        }
    }
    text += "# TYPE latency_seconds histogram\n";
    for pod in ["a", "b"] {
        let mut total = 0;
        for (le, share) in [("0.005", 1), ("0.05", 5), ("0.5", 2), ("5", 1), ("+Inf", 0)] {
            total += share * tick;
            text += &format!("latency_seconds_bucket{{pod=\"{pod}\",le=\"{le}\"}} {total} {time}\n");
        }
        text += &format!("latency_seconds_sum{{pod=\"{pod}\"}} {} {time}\n", tick as f64 * 0.37);
        text += &format!("latency_seconds_count{{pod=\"{pod}\"}} {total} {time}\n");
    }
    text += "# TYPE depth gauge\n";
    for (queue, value) in [("x", "17.25"), ("y", "-3"), ("z", "NaN"), ("w", "+Inf")] {
        text += &format!("depth{{queue=\"{queue}\"}} {value} {time}\n");
    }
    text += &format!("wave {} {time}\n", ((tick as f64) / 3.0).sin());
    if tick % 8 < 4 {
        text += &format!("flapping{{side=\"left\"}} {tick} {time}\n");
    }
    text
}

const INSTANT: &[&str] = &[
    "requests_total",
    "{__name__=~\"depth|wave\"}",
    "requests_total{status!~\"2..\"}",
    "depth > 0",
    "depth > bool 0",
    "-depth",
    "sum by (pod) (requests_total)",
    "sum without (status) (requests_total) / ignoring(status) group_left count by (pod) (requests_total)",
    "topk(2, requests_total)",
    "bottomk(1, requests_total) by (pod)",
    "quantile(0.9, requests_total)",
    "count_values(\"v\", requests_total)",
    "stddev by (status) (requests_total)",
    "histogram_quantile(0.95, sum by (le) (rate(latency_seconds_bucket[10s])))",
    "absent(nothing{a=\"b\"})",
    "label_replace(depth, \"q\", \"$1-x\", \"queue\", \"(.*)\")",
    "label_join(requests_total, \"j\", \"/\", \"pod\", \"status\")",
    "vector(1) + scalar(wave)",
    "sort_desc(depth)",
    "requests_total and on(pod) latency_seconds_count",
    "requests_total unless on(pod) latency_seconds_count",
    "requests_total or depth",
    "round(wave, 0.25)",
    "clamp(depth, -1, 10)",
    "time() - timestamp(wave)",
    "day_of_week()",
    "\"text\"",
    "1 / 0",
    "requests_total / 0",
    "wave[5s]",
    "group(requests_total) by (status)",
];

const RANGE: &[&str] = &[
    "rate(requests_total[5s])",
    "irate(requests_total[5s])",
    "increase(requests_total[10s])",
    "delta(wave[5s])",
    "deriv(wave[8s])",
    "predict_linear(wave[8s], 60)",
    "avg_over_time(wave[6s])",
    "max_over_time(depth[4s])",
    "quantile_over_time(0.3, wave[9s])",
    "stddev_over_time(wave[9s])",
    "changes(requests_total[9s])",
    "resets(requests_total[20s])",
    "last_over_time(flapping[3s])",
    "present_over_time(flapping[2s])",
    "flapping",
    "flapping offset 3s",
    "sum by (status) (rate(requests_total[7s]))",
    "histogram_quantile(0.5, rate(latency_seconds_bucket[9s]))",
    "sum(rate(requests_total{status=~\"5..\"}[5s])) / sum(rate(requests_total[5s]))",
    "max_over_time(rate(requests_total[4s])[8s:2s])",
    "avg(wave) by (nothing) > 0",
    "wave > 0 or wave < -0.5",
    "avg without (queue) (depth)",
    "count(requests_total > 20) by (pod)",
    "sum_over_time(wave[5s]) @ end()",
    "rate(latency_seconds_sum[9s]) / rate(latency_seconds_count[9s])",
    "absent_over_time(flapping[2s])",
    "scalar(wave) * 2",
];

fn ask(base: &str, path: &str) -> Value {
    let (_, body) = get(&format!("{base}{path}"));
    serde_json::from_str(&body).unwrap_or_else(|e| panic!("{base}{path}: {e}: {body}"))
}

/// Differences between two answers; the order of series is not specified, so both are sorted.
fn compare(path: &str, ours: &str, theirs: &str) -> Option<String> {
    let normal = |base: &str| {
        let mut answer = ask(base, path);
        for list in ["/data", "/data/result"] {
            if let Some(result) = answer.pointer_mut(list).and_then(Value::as_array_mut) {
                result.sort_by_key(Value::to_string);
            }
        }
        answer
    };
    let (ours, theirs) = (normal(ours), normal(theirs));
    (ours != theirs).then(|| format!("{path}\n  tidewatch  {ours}\n  prometheus {theirs}"))
}

fn compare_all(ours: &str, theirs: &str, end: u64) -> (usize, Vec<String>) {
    let seconds = |ms: u64| format!("{}.{:03}", ms / 1000, ms % 1000);
    let start = end - COMPARED * TICK;
    let mut paths: Vec<String> = Vec::new();
    for expression in INSTANT.iter().chain(RANGE) {
        paths.push(format!("/api/v1/query?query={}&time={}", escape(expression), seconds(end)));
    }
    for expression in RANGE.iter().chain(INSTANT.iter().filter(|e| **e != "\"text\"" && !e.ends_with(']'))) {
        let query = escape(expression);
        let (from, to) = (seconds(start), seconds(end));
        paths.push(format!("/api/v1/query_range?query={query}&start={from}&end={to}&step=1.5"));
    }
    let selector = escape("{job=\"conformance\"}");
    paths.push(format!("/api/v1/series?match[]={selector}"));
    paths.push(format!("/api/v1/labels?match[]={selector}"));
    paths.push(format!("/api/v1/label/pod/values?match[]={selector}"));
    for wrong in ["sum(", "rate(wave)", "wave[5m] + 1", "nothing_like_it(wave)", "sum(wave) by"] {
        paths.push(format!("/api/v1/query?query={}", escape(wrong)));
    }
    let differences = paths.iter().filter_map(|path| compare(path, ours, theirs)).collect();
    (paths.len(), differences)
}

#[test]
fn the_same_target_gives_the_same_answers_and_prometheus_reads_our_data() {
    if !peer_is_there() {
        return;
    }
    let first = now() / TICK;
    let page = Page::dynamic(move || {
        let tick = now() / TICK;
        ("text/plain; version=0.0.4".to_owned(), metrics(tick - first, tick * TICK).into_bytes())
    });
    let config = format!(
        "global: {{scrape_interval: 300ms, scrape_timeout: 300ms}}\nscrape_configs:\n  - job_name: conformance\n    \
         static_configs: [{{targets: ['{}']}}]\n",
        page.address()
    );
    let (our_folder, their_folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut product = Product::serve(our_folder.path(), &config);
    let file = our_folder.path().join("prometheus.yml");
    let peer = Prometheus::start(&file, &their_folder.path().join("data"));
    let start = now().next_multiple_of(TICK) + TICK;
    let end = start + TICKS * TICK;
    assert!(PATIENCE.as_millis() as u64 > TICKS * TICK);
    eventually("enough samples", || (now() > end + 1500).then_some(()));

    let (asked, differences) = compare_all(&product.address("/prometheus"), &peer.url, end);
    eprintln!("{asked} questions, {} answers differ", differences.len());
    assert!(differences.is_empty(), "{} of {asked} differ:\n{}", differences.len(), differences.join("\n"));

    // the data directory itself: a real Prometheus opens what a killed tidewatch left
    let ours = format!("/api/v1/query?query={}&time={}", escape("{job=\"conformance\"}[1h]"), end / 1000);
    let kept = ask(&product.address("/prometheus"), &ours);
    product.signal(Signal::KILL);
    product.wait();
    let empty = our_folder.path().join("empty.yml");
    std::fs::write(&empty, "global: {}\n").unwrap();
    let reader = Prometheus::start(&empty, our_folder.path());
    let read = ask(&reader.url, &ours);
    let sorted = |answer: &Value| {
        let mut series: Vec<String> =
            answer["data"]["result"].as_array().unwrap().iter().map(Value::to_string).collect();
        series.sort();
        series
    };
    assert!(sorted(&kept).len() > 20);
    assert_eq!(sorted(&kept), sorted(&read));
}
