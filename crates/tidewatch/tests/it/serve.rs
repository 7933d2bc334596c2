//! `tidewatch serve`: scraping, storing and answering from a prometheus.yml, across kill -9 and a second start.

use crate::page::Page;
use crate::product::{ANY_FURTHER_PORTS, Product, command, eventually, get, run};
use rustix::process::Signal;
use serde_json::Value;
use std::path::Path;
use std::process::Stdio;
use std::sync::atomic::{AtomicU64, Ordering};

fn config(page: &Page, interval: &str) -> String {
    format!(
        "global: {{scrape_interval: {interval}, scrape_timeout: {interval}}}\n\
         scrape_configs:\n  - job_name: test\n    static_configs:\n      - targets: ['{}']\n",
        page.address()
    )
}

fn counting_page() -> Page {
    let count = AtomicU64::new(0);
    Page::dynamic(move || {
        let value = count.fetch_add(1, Ordering::Relaxed);
        let body = format!("# TYPE ticks_total counter\nticks_total{{kind=\"a\"}} {value}\nsteady 1\n");
        ("text/plain; version=0.0.4".to_owned(), body.into_bytes())
    })
}

/// All samples of a series as (seconds, value) text.
fn samples(product: &Product, series: &str) -> Vec<String> {
    let result = product.query(&format!("{series}[1h]"));
    let values = result.first().map(|e| e["values"].as_array().cloned().unwrap_or_default());
    values.unwrap_or_default().iter().map(Value::to_string).collect()
}

#[test]
fn a_target_is_scraped_stored_and_answered() {
    let folder = tempfile::tempdir().unwrap();
    let page = counting_page();
    let product = Product::serve(folder.path(), &config(&page, "200ms"));
    eventually("up", || (product.values("up{job=\"test\"}") == [1.0]).then_some(()));
    eventually("a rate", || product.values("rate(ticks_total[30s])").first().filter(|v| **v > 0.0).copied());

    let up = &product.query("up")[0]["metric"];
    assert_eq!(up["instance"], page.address());
    let targets = product.api("/api/v1/targets");
    assert_eq!(targets["data"]["activeTargets"][0]["health"], "up", "{targets}");
    let names = product.api("/api/v1/label/__name__/values");
    for name in
        ["ticks_total", "up", "scrape_duration_seconds", "scrape_samples_scraped", "scrape_series_added"]
    {
        assert!(names["data"].as_array().unwrap().contains(&name.into()), "{name}: {names}");
    }
    let base = product.address("/prometheus");
    assert_eq!(get(&format!("{base}/-/ready")).0, 200);
    assert_eq!(get(&format!("{base}/-/healthy")).0, 200);
    assert!(get(&format!("{base}/metrics")).1.contains("prometheus_tsdb_head_series "));
}

#[test]
fn a_kill_loses_no_sample() {
    let folder = tempfile::tempdir().unwrap();
    let page = counting_page();
    let before = {
        let mut product = Product::serve(folder.path(), &config(&page, "100ms"));
        let stored =
            eventually("20 samples", || Some(samples(&product, "ticks_total")).filter(|s| s.len() >= 20));
        product.signal(Signal::KILL);
        assert_eq!(product.wait().0, None);
        stored
    };
    let product = Product::serve(folder.path(), &config(&page, "100ms"));
    let after = eventually("the samples of before", || {
        Some(samples(&product, "ticks_total")).filter(|after| after.len() > before.len())
    });
    let lost: Vec<&String> = before.iter().filter(|sample| !after.contains(sample)).collect();
    assert!(lost.is_empty(), "lost {lost:?}");
}

#[test]
fn a_clean_stop_ends_with_success_and_keeps_everything() {
    let folder = tempfile::tempdir().unwrap();
    let page = counting_page();
    let mut product = Product::serve(folder.path(), &config(&page, "100ms"));
    let before = eventually("samples", || Some(samples(&product, "ticks_total")).filter(|s| s.len() >= 3));
    product.signal(Signal::TERM);
    let (code, said) = product.wait();
    assert_eq!(code, Some(0), "{said}");
    assert!(!product.data_dir().join("addresses.json").exists(), "a stopped product announces no addresses");
    let product = Product::serve(folder.path(), &config(&page, "100ms"));
    let after = samples(&product, "ticks_total");
    assert!(before.iter().all(|sample| after.contains(sample)), "{before:?} not all in {after:?}");
}

#[test]
fn one_data_directory_has_one_user() {
    let folder = tempfile::tempdir().unwrap();
    let first = Product::serve(folder.path(), &config(&Page::text("a 1\n"), "1s"));
    let file = folder.path().join("prometheus.yml").display().to_string();
    let path = folder.path().display().to_string();
    let mut arguments = vec!["serve", "--config.file", &file, "--storage.tsdb.path", &path];
    arguments.extend(["--web.listen-address", "127.0.0.1:0"]);
    arguments.extend(ANY_FURTHER_PORTS);
    let (code, _, said) = run(&arguments);
    assert_eq!(code, Some(1));
    assert!(
        said.contains(&path) && said.contains(&first.pid().to_string()) && said.contains("hint:"),
        "{said}"
    );
}

#[test]
fn a_query_from_the_command_line_finds_the_server_by_its_data_directory() {
    let folder = tempfile::tempdir().unwrap();
    let product = Product::serve(folder.path(), &config(&counting_page(), "200ms"));
    eventually("two samples", || (samples(&product, "ticks_total").len() > 2).then_some(()));
    let ask = |further: &[&str]| {
        let path = path_text(folder.path());
        let mut arguments = vec!["query", "--data-dir", &path];
        arguments.extend(further);
        run(&arguments)
    };
    let (code, out, said) = ask(&["up"]);
    assert_eq!((code, said.as_str()), (Some(0), ""));
    assert!(out.starts_with("up{instance=") && out.trim_end().ends_with("  1"), "{out}");
    let (_, out, _) = ask(&["ticks_total", "--range", "1m"]);
    assert!(out.contains('┤') && out.contains("━ ticks_total"), "{out}");
    let (_, out, _) = ask(&["1 + 1", "-o", "json"]);
    assert!(out.contains(r#""resultType":"scalar""#), "{out}");
    let (code, _, said) = ask(&["sum(("]);
    assert_eq!(code, Some(1));
    assert!(said.contains("bad_data") && said.contains("parse error"), "{said}");
    let (code, _, said) = ask(&["up", "--server", "127.0.0.1:1"]);
    assert_eq!(code, Some(1));
    assert!(said.contains("no answer from http://127.0.0.1:1") && said.contains("hint:"), "{said}");
}

#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    let folder = tempfile::tempdir().unwrap();
    let product = Product::serve(folder.path(), &config(&counting_page(), "200ms"));
    eventually("up", || (product.values("up") == [1.0]).then_some(()));
    let path = path_text(folder.path());
    let mut child = command(&["query", "--data-dir", &path, "vector(1)"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_new_configuration_is_taken_on_sighup_and_a_wrong_one_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (counting_page(), counting_page());
    let mut product = Product::serve(folder.path(), &config(&first, "200ms"));
    eventually("up", || (product.values("up") == [1.0]).then_some(()));
    let file = folder.path().join("prometheus.yml");

    std::fs::write(&file, "scrape_configs: [\n").unwrap();
    product.signal(Signal::HUP);
    eventually("the refusal", || product.said().contains("the previous one stays in force").then_some(()));
    let metrics = get(&format!("{}/metrics", product.address("/prometheus"))).1;
    assert!(metrics.contains("prometheus_config_last_reload_successful 0"), "{metrics}");
    assert_eq!(
        product.api("/api/v1/targets")["data"]["activeTargets"][0]["labels"]["instance"],
        first.address()
    );

    let both = config(&first, "200ms").replace("']", &format!("', '{}']", second.address()));
    let secret = "\n    basic_auth: {username: u, password: hunter2}\n";
    std::fs::write(&file, both + secret).unwrap();
    product.signal(Signal::HUP);
    eventually("both targets", || (product.values("up").iter().sum::<f64>() == 2.0).then_some(()));
    let shown = product.api("/api/v1/status/config")["data"]["yaml"].as_str().unwrap().to_owned();
    assert!(shown.contains("password: <secret>") && !shown.contains("hunter2"), "{shown}");
}

fn path_text(path: &Path) -> String {
    path.display().to_string()
}
