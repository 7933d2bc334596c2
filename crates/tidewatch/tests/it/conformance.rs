//! The same scrapes and questions to tidewatch and to a real Prometheus: the answers must be equal.
//!
//! Runs when a `prometheus` binary is on the PATH; says so otherwise. The target's samples carry their own timestamps,
//! so that both stores hold exactly the same samples whenever each of them scraped.

use crate::page::Page;
use crate::peer::{Prometheus, ask, compare, peer_is_there, sorted};
use crate::product::{PATIENCE, Product, escape, eventually, get};
use crate::up;
use rustix::process::Signal;
use serde_json::{Value, json};
use std::time::{SystemTime, UNIX_EPOCH};

/// Milliseconds between two samples of the target.
const TICK: u64 = 1000;
/// Samples to wait for after both have started: the longest window asked for, and then the range that is compared.
const TICKS: u64 = 40;
/// Samples of the range that is compared.
const COMPARED: u64 = 15;

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

/// A page with exemplars, whose times are those of the samples.
fn exemplars(tick: u64) -> String {
    let exemplar =
        |value: f64| format!("# {{trace_id=\"{tick:032x}\",span_id=\"é{tick:x}\"}} {value} {tick}");
    let mut text = String::from("# TYPE ops counter\n");
    for kind in ["a", "b"] {
        text += &format!("ops_total{{kind=\"{kind}\"}} {tick} {tick} {}\n", exemplar(tick as f64 / 4.0));
    }
    text += "# TYPE seconds histogram\n";
    for (le, value) in [("0.1", 0.05), ("1", 0.5), ("+Inf", 5.0)] {
        text += &format!("seconds_bucket{{le=\"{le}\"}} {tick} {tick} {}\n", exemplar(value));
    }
    text += &format!("seconds_count {tick} {tick}\nseconds_sum {tick} {tick}\n# EOF\n");
    text
}

/// Questions for exemplars from `start` to `end`, in milliseconds.
fn exemplar_questions(start: u64, end: u64) -> Vec<String> {
    let expressions = [
        "ops_total",
        "rate(ops_total{kind=\"a\"}[5s])",
        "histogram_quantile(0.9, sum by (le) (rate(seconds_bucket[5s]))) + ignoring(x) ops_total",
        "{__name__=~\"seconds_bucket|wave\",le!=\"1\"}",
        "nothing",
        "sum(",
    ];
    let (start, end) = (start / 1000, end / 1000);
    let path = |e: &&str| format!("/api/v1/query_exemplars?query={}&start={start}&end={end}", escape(e));
    expressions.iter().map(path).collect()
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
    let open_metrics = Page::dynamic(|| {
        let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
        (kind.to_owned(), exemplars(now() / TICK).into_bytes())
    });
    let config = format!(
        "global: {{scrape_interval: 300ms, scrape_timeout: 300ms}}\nscrape_configs:\n  - job_name: conformance\n    \
         static_configs: [{{targets: ['{}']}}]\n  - job_name: exemplars\n    static_configs: [{{targets: ['{}']}}]\n",
        page.address(),
        open_metrics.address()
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

    let asked = exemplar_questions(end - COMPARED * TICK, end);
    let differences: Vec<String> =
        asked.iter().filter_map(|path| compare(path, &product.address("/prometheus"), &peer.url)).collect();
    eprintln!("{} questions for exemplars, {} answers differ", asked.len(), differences.len());
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    let exemplars = ask(&product.address("/prometheus"), &asked[0]);
    let found = exemplars["data"][0]["exemplars"].as_array().map_or(0, Vec::len) as u64;
    assert!(found > COMPARED / 2, "{exemplars}");

    // the data directory itself: a real Prometheus opens what a killed tidewatch left
    let ours = format!("/api/v1/query?query={}&time={}", escape("{job=\"conformance\"}[1h]"), end / 1000);
    let kept = ask(&product.address("/prometheus"), &ours);
    product.signal(Signal::KILL);
    product.wait();
    let empty = our_folder.path().join("empty.yml");
    std::fs::write(&empty, "global: {}\n").unwrap();
    let reader = Prometheus::start(&empty, our_folder.path());
    let read = ask(&reader.url, &ours);
    let listed = |answer: &Value| {
        let mut series: Vec<String> =
            answer["data"]["result"].as_array().unwrap().iter().map(Value::to_string).collect();
        series.sort();
        series
    };
    assert!(listed(&kept).len() > 20);
    assert_eq!(listed(&kept), listed(&read));
    assert_eq!(sorted(exemplars), sorted(ask(&reader.url, &asked[0])));
}

/// The pods' own pages and labels: the targets of `up`, scraped by both.
#[test]
fn the_todo_application_looks_the_same_to_prometheus() {
    if !peer_is_there() {
        return;
    }
    let (folder, their_folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let product = up::todo(folder.path());
    up::all_targets_up(&product);
    let frontend = product.address("/services/todo-frontend");
    for title in ["one", "two", "three"] {
        up::post(&format!("{frontend}/api/tasks"), &json!({"title": title}));
    }
    let activity = format!("{frontend}/api/activity");
    eventually("the three events", || (get(&activity).1.matches("task.created").count() == 3).then_some(()));
    // each pod is scraped at a moment of its own: all of them after the last request
    let quiet_since = now() as f64 / 1000.0;
    let oldest = "min(timestamp(up{pod!=\"\"}))";
    eventually("a later scrape of every pod", || (product.values(oldest) > vec![quiet_since]).then_some(()));

    let file = their_folder.path().join("prometheus.yml");
    let targets = static_targets(&product.api("/api/v1/targets"));
    std::fs::write(&file, &targets).unwrap();
    let peer = Prometheus::start(&file, &their_folder.path().join("data"));
    let (ours, theirs) = (product.address("/prometheus"), peer.url.as_str());
    let ours = ours.as_str();
    let pods = "{namespace=\"todo-app-prod\",job=~\"todo-backend|todo-frontend|event-service\",pod!=\"\"}";
    // sidecars and the broker too: some questions are about them
    let expected = targets.matches("job_name").count().to_string();
    let up_there = format!("/api/v1/query?query={}", escape("sum(up)"));
    eventually("all targets up in Prometheus", || {
        (ask(theirs, &up_there)["data"]["result"][0]["value"][1] == expected.as_str()).then_some(())
    });

    // values that nothing changes while nobody calls: what both scraped last is the same
    let quiet = [
        "sum by (job, pod, method, endpoint, status) (http_requests_total)",
        "sum by (job, pod, endpoint, le) (http_request_duration_seconds_bucket)",
        "tasks_created_total",
        "events_consumed_total",
        "events_published_total",
        "process_start_time_seconds{container!=\"\"}",
        "count by (__name__, job, container, endpoint, service) ({__name__=~\"http_.*|tasks_.*|events_.*|process_.*\",container!=\"\"})",
    ];
    let quiet: Vec<String> =
        quiet.iter().map(|q| q.replacen("_total)", &format!("_total{pods})"), 1)).collect();
    let asked = quiet.iter().map(|q| format!("/api/v1/query?query={}", escape(q)));
    let series = format!("/api/v1/series?match[]={}", escape(pods));
    let mut paths: Vec<String> = asked.collect();
    paths.push(series);
    let names = ask(ours, &paths[paths.len() - 1])["data"].as_array().map_or(0, Vec::len);
    let differences: Vec<String> =
        paths.iter().filter_map(|path| differs_but_for_time(path, ours, theirs)).collect();
    eprintln!("{names} series of 5 pods, {} questions, {} answers differ", paths.len(), differences.len());
    assert!(names > 1000, "{names} series");
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

/// The active targets of the pods as a prometheus.yml with the same labels.
fn static_targets(targets: &Value) -> String {
    let mut config = String::from("global: {scrape_interval: 2s, scrape_timeout: 2s}\nscrape_configs:\n");
    let active = targets["data"]["activeTargets"].as_array().unwrap();
    let pods = active.iter().filter(|target| target["labels"]["pod"].is_string());
    for (at, target) in pods.enumerate() {
        let address = &target["discoveredLabels"]["__address__"];
        let labels = &target["labels"];
        config += &format!(
            "- {{job_name: pod-{at}, honor_labels: true, static_configs: [{{targets: [{address}], labels: {labels}}}]}}\n"
        );
    }
    config
}

/// As [`compare`], with each sample's time left out.
fn differs_but_for_time(path: &str, ours: &str, theirs: &str) -> Option<String> {
    let timeless = |base: &str| {
        let mut answer = ask(base, path);
        for element in answer.pointer_mut("/data/result").and_then(Value::as_array_mut).into_iter().flatten()
        {
            element["value"][0] = Value::Null;
        }
        sorted(answer)
    };
    let (ours, theirs) = (timeless(ours), timeless(theirs));
    (ours != theirs).then(|| format!("{path}\n  tidewatch  {ours}\n  prometheus {theirs}"))
}
