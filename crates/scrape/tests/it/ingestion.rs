//! What is stored of good pages: labels, times, reports, staleness, duplicates.

use crate::server::{Reply, Server};
use crate::{Bench, hourly, job, quick, until};
use tidewatch_exposition::MetricKind;
use tidewatch_model::{RelabelRule, is_stale};
use tidewatch_scrape::TargetHealth;

#[tokio::test]
async fn a_page_becomes_series_with_the_targets_labels_and_reports() {
    let page = "# HELP a_total What it is.\n# TYPE a_total counter\na_total{job=\"own\"} 3\na_total{x=\"1\"} 4\nb NaN\ndropped 1\n";
    let server = Server::start(Reply::text(page)).await;
    let bench = Bench::new();
    let mut config = hourly();
    config.metric_relabel_configs = vec![RelabelRule::keep(&["__name__"], "a_total|b").unwrap()];
    config.extra_scrape_metrics = true;
    config.limits.samples = 100;
    bench.scraper.apply(vec![job(config, &[&server])]);
    let status = bench.first_scrape().await;
    let target = format!("instance=\"{}\", job=\"j\"", server.address());
    assert_eq!(
        bench.store.series(),
        [
            format!("a_total{{exported_job=\"own\", {target}}}"),
            format!("a_total{{{target}, x=\"1\"}}"),
            format!("b{{{target}}}")
        ]
    );
    for (name, expected) in [
        ("up", 1.0),
        ("scrape_samples_scraped", 4.0),
        ("scrape_samples_post_metric_relabeling", 3.0),
        ("scrape_series_added", 3.0),
        ("scrape_timeout_seconds", 5.0),
        ("scrape_sample_limit", 100.0),
        ("scrape_body_size_bytes", page.len() as f64),
    ] {
        assert_eq!(bench.store.latest(name), Some(expected), "{name}");
    }
    assert!(bench.store.latest("scrape_duration_seconds").unwrap() > 0.0);
    let up = bench.store.samples(&format!("up{{{target}}}"));
    assert_eq!(up[0].0, status.last_scrape.unwrap());
    assert_eq!(status.health, TargetHealth::Up);
    assert_eq!(status.labels.to_string(), format!("{{{target}}}"));
    assert_eq!(status.scrape_url, format!("http://{}/metrics", server.address()));
    assert_eq!(status.discovered_labels.get("__scrape_interval__"), Some("1h"));
    let metadata = bench.scraper.metadata();
    assert_eq!((metadata[0].metric.as_str(), metadata[0].kind), ("a_total", MetricKind::Counter));
    assert_eq!((metadata[0].help.as_str(), &metadata[0].target), ("What it is.", &status.labels));
}

#[tokio::test]
async fn series_that_vanish_end_and_steady_ones_do_not() {
    let server = Server::start(Reply::text("a 1\nb 1\n")).await;
    let bench = Bench::new();
    bench.scraper.apply(vec![job(quick(), &[&server])]);
    until("samples", || bench.store.latest("b")).await;
    server.answer(Reply::text("a 2\n"));
    until("b to end", || bench.store.latest("b").filter(|value| is_stale(*value))).await;
    let b = format!("b{{instance=\"{}\", job=\"j\"}}", server.address());
    let a = b.replacen('b', "a", 1);
    let ended = bench.store.samples(&b);
    let scraped = server.requests().len();
    until("two more scrapes", || (server.requests().len() >= scraped + 3).then_some(())).await;
    assert_eq!(bench.store.samples(&b).len(), ended.len(), "a series ends once");
    let samples = bench.store.samples(&a);
    assert!(samples.iter().all(|(_, value)| !is_stale(*value)));
    assert!(samples.iter().any(|(time, value)| *time == ended.last().unwrap().0 && *value == 2.0));
    // an empty page is a success, and ends everything
    server.answer(Reply::Page("", Vec::new()));
    until("a to end", || bench.store.latest("a").filter(|value| is_stale(*value))).await;
    assert_eq!(bench.store.latest("up"), Some(1.0));
}

#[tokio::test]
async fn labels_in_another_order_are_the_same_series() {
    let server = Server::start(Reply::text("a{x=\"1\",y=\"2\"} 1\nb 1\n")).await;
    let bench = Bench::new();
    bench.scraper.apply(vec![job(quick(), &[&server])]);
    until("a sample", || bench.store.latest("a")).await;
    server.answer(Reply::text("a{y=\"2\",x=\"1\"} 2\n"));
    until("the new value", || bench.store.latest("a").filter(|value| *value == 2.0)).await;
    until("b to end", || bench.store.latest("b").filter(|value| is_stale(*value))).await;
    let a = format!("a{{instance=\"{}\", job=\"j\", x=\"1\", y=\"2\"}}", server.address());
    assert!(bench.store.samples(&a).iter().all(|(_, value)| !is_stale(*value)));
}

#[tokio::test]
async fn timestamps_of_the_page_are_used_or_not() {
    let now = i64::try_from(std::time::UNIX_EPOCH.elapsed().unwrap().as_millis()).unwrap();
    let old = now - 60_000;
    let page = format!("a 1 {old}\nfar 1 {}\n", now + 3_600_000);
    for (honor, track) in [(true, false), (true, true), (false, false)] {
        let server = Server::start(Reply::text(&page)).await;
        let bench = Bench::new();
        let mut config = quick();
        config.honor_timestamps = honor;
        config.track_timestamps_staleness = track;
        bench.scraper.apply(vec![job(config, &[&server])]);
        until("a sample", || bench.store.latest("a")).await;
        let a = format!("a{{instance=\"{}\", job=\"j\"}}", server.address());
        assert_eq!(bench.store.samples(&a)[0].0 == old, honor);
        // ten minutes ahead is the most that is taken
        assert_eq!(bench.store.latest("far").is_some(), !honor);
        assert_eq!(bench.scraper.stats().sample_out_of_bounds > 0, honor);
        server.answer(Reply::text("b 1\n"));
        until("the next page", || bench.store.latest("b")).await;
        assert_eq!(
            bench.store.latest("a").is_some_and(is_stale),
            track || !honor,
            "honor {honor}, track {track}"
        );
    }
}

#[tokio::test]
async fn the_first_of_two_equal_series_counts() {
    let server = Server::start(Reply::text("a 1\na 2\nb{x=\"1\",y=\"1\"} 1\nb{y=\"1\",x=\"1\"} 2\n")).await;
    let bench = Bench::new();
    bench.scraper.apply(vec![job(hourly(), &[&server])]);
    assert_eq!(bench.first_scrape().await.last_error, "");
    assert_eq!((bench.store.latest("a"), bench.store.latest("b")), (Some(1.0), Some(1.0)));
    assert_eq!(bench.store.latest("scrape_samples_post_metric_relabeling"), Some(4.0));
    // one seen in the page's own text, the other by the store
    assert_eq!(bench.scraper.stats().sample_duplicate_timestamp, 2);
}
