//! Targets come, stay, change and go.

use crate::server::{Reply, Server};
use crate::store::MemoryStore;
use crate::{Bench, hourly, job, quick, until};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tidewatch_model::{Labels, RelabelRule, SystemClock, TargetGroup, is_stale};
use tidewatch_scrape::{ScrapeOptions, Scraper};

#[tokio::test]
async fn a_reload_leaves_what_did_not_change_alone() {
    let (a, b) = (Server::start(Reply::text("a 1\n")).await, Server::start(Reply::text("b 1\n")).await);
    let bench = Bench::new();
    bench.scraper.apply(vec![job(hourly(), &[&a])]);
    let scraped = bench.first_scrape().await.last_scrape;
    // the same again, with one more target, and with another configuration
    bench.scraper.apply(vec![job(hourly(), &[&a])]);
    let mut config = hourly();
    config.limits.samples = 1000;
    bench.scraper.apply(vec![job(config, &[&a, &b])]);
    until("the new target", || bench.store.latest("b")).await;
    assert_eq!(a.requests().len(), 1, "only the new target is scraped at once");
    let targets = bench.scraper.targets();
    let kept = targets.iter().find(|target| target.scrape_url.contains(&a.address())).unwrap();
    assert_eq!(kept.last_scrape, scraped);
    assert_eq!(bench.scraper.stats().pool_reloads, 1);
}

#[tokio::test]
async fn a_second_job_of_the_same_name_is_refused_and_nothing_restarts() {
    let (a, b, c) = (
        Server::start(Reply::text("a 1\n")).await,
        Server::start(Reply::text("b 1\n")).await,
        Server::start(Reply::text("c 1\n")).await,
    );
    let bench = Bench::new();
    let (mut same_name, mut other) = (hourly(), hourly());
    same_name.limits.samples = 1000;
    other.job_name = "k".to_owned();
    let jobs = || vec![job(hourly(), &[&a]), job(same_name.clone(), &[&b]), job(other.clone(), &[&c])];
    let apply = || {
        let refused: Vec<String> = bench.scraper.apply(jobs()).iter().map(ToString::to_string).collect();
        assert_eq!(
            refused,
            [
                "job \"j\": another job has this name already, this one is left out; hint: give each job a name of its own"
            ]
        );
        let targets = bench.scraper.targets();
        targets.into_iter().map(|target| (target.scrape_url, target.last_scrape)).collect::<Vec<_>>()
    };
    apply();
    let scraped = until("both targets", || {
        let targets = apply();
        targets.iter().all(|(_, last_scrape)| last_scrape.is_some()).then_some(targets)
    })
    .await;
    for _ in 0..3 {
        // a new loop would begin without a last scrape
        assert_eq!(apply(), scraped);
    }
    bench.scraper.shutdown().await;
    assert_eq!([a.requests().len(), b.requests().len(), c.requests().len()], [1, 0, 1]);
    assert_eq!(bench.scraper.stats().pool_reloads, 0);
}

#[tokio::test]
async fn a_changed_configuration_takes_effect_without_a_gap() {
    let server = Server::start(Reply::text("a 1\n")).await;
    let bench = Bench::new();
    bench.scraper.apply(vec![job(quick(), &[&server])]);
    until("a sample", || bench.store.latest("a")).await;
    let mut config = quick();
    config.metric_relabel_configs = vec![RelabelRule::replace(&[], "(.*)", "__name__", "renamed").unwrap()];
    bench.scraper.apply(vec![job(config, &[&server])]);
    until("the new name", || bench.store.latest("renamed")).await;
    until("the old series to end", || bench.store.latest("a").filter(|value| is_stale(*value))).await;
    assert_eq!(bench.store.latest("renamed"), Some(1.0));
    assert_eq!(bench.store.latest("up"), Some(1.0));
}

#[tokio::test]
async fn a_target_that_is_gone_ends_its_series_after_two_intervals() {
    let server = Server::start(Reply::text("a 1\n")).await;
    let bench = Bench::new();
    bench.scraper.apply(vec![job(quick(), &[&server])]);
    until("a sample", || bench.store.latest("a")).await;
    bench.scraper.apply(vec![]);
    let gone = std::time::Instant::now();
    assert_eq!(bench.scraper.targets().len(), 0);
    for name in ["a", "up", "scrape_duration_seconds", "scrape_series_added"] {
        until(name, || bench.store.latest(name).filter(|value| is_stale(*value))).await;
    }
    // at least one interval and a tenth: the next scrape may have been due at once
    assert!(gone.elapsed() >= Duration::from_millis(110), "{:?}", gone.elapsed());
}

#[tokio::test]
async fn a_target_that_comes_back_in_time_does_not_end() {
    let server = Server::start(Reply::text("a 1\n")).await;
    let bench = Bench::new();
    bench.scraper.apply(vec![job(quick(), &[&server])]);
    until("a sample", || bench.store.latest("a")).await;
    bench.scraper.apply(vec![]);
    bench.scraper.apply(vec![job(quick(), &[&server])]);
    let scraped = server.requests().len();
    until("half a second of scrapes", || (server.requests().len() >= scraped + 6).then_some(())).await;
    let samples = bench.store.samples(&format!("a{{instance=\"{}\", job=\"j\"}}", server.address()));
    assert!(samples.iter().all(|(_, value)| !is_stale(*value)), "{samples:?}");
}

#[tokio::test]
async fn shutdown_ends_loops_and_no_series() {
    let server = Server::start(Reply::text("a 1\n")).await;
    let hanging = Server::start(Reply::Hang).await;
    let bench = Bench::new();
    bench.scraper.apply(vec![job(quick(), &[&server]), {
        let mut slow = hourly();
        slow.job_name = "slow".to_owned();
        job(slow, &[&hanging])
    }]);
    until("a sample", || bench.store.latest("a")).await;
    let begun = std::time::Instant::now();
    bench.scraper.shutdown().await;
    assert!(begun.elapsed() < Duration::from_secs(2), "a hanging target does not delay it");
    assert!(bench.store.latest("a").is_some_and(|value| !is_stale(value)));
    let Bench { scraper, store } = bench;
    drop(scraper);
    assert_eq!(Arc::strong_count(&store), 1, "no loop is left that could write");
}

#[tokio::test]
async fn shutdown_waits_for_markers_that_are_being_stored() {
    let server = Server::start(Reply::text("a 1\n")).await;
    let store = Arc::new(MemoryStore::slow(Duration::from_millis(200)));
    let scraper = Scraper::start(store.clone(), Arc::new(SystemClock), ScrapeOptions::default());
    scraper.apply(vec![job(quick(), &[&server])]);
    until("a sample", || store.latest("a")).await;
    scraper.apply(vec![]);
    until("the markers", || (store.ending.load(Ordering::SeqCst) > 0).then_some(())).await;
    scraper.shutdown().await;
    assert!(store.latest("a").is_some_and(is_stale), "the store may be closed after a shutdown");
}

#[tokio::test]
async fn dropped_targets_are_remembered_up_to_a_limit() {
    let bench = Bench::new();
    let mut config = hourly();
    config.relabel_configs = vec![RelabelRule::keep(&["x"], "y").unwrap()];
    let targets = (0..10).map(|n| Labels::from_pairs([("__address__", format!("127.0.0.1:{n}"))])).collect();
    let group = TargetGroup { source: "g".into(), labels: Labels::empty(), targets };
    bench.scraper.apply(vec![(config.clone(), vec![group.clone()])]);
    assert_eq!((bench.scraper.targets().len(), bench.scraper.dropped_targets().len()), (0, 10));
    config.keep_dropped_targets = 3;
    bench.scraper.apply(vec![(config, vec![group])]);
    let dropped = bench.scraper.dropped_targets();
    assert_eq!(dropped.len(), 3);
    assert_eq!(dropped[0].discovered_labels.get("__address__"), Some("127.0.0.1:0"));
}

/// This many targets that are the same server.
fn many(count: usize, server: &Server) -> TargetGroup {
    let target = |n: usize| {
        Labels::from_pairs([("__address__".to_owned(), server.address()), ("n".to_owned(), n.to_string())])
    };
    TargetGroup { source: "g".into(), labels: Labels::empty(), targets: (0..count).map(target).collect() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_more_pages_wait_for_a_slow_store_than_may_be_fetched() {
    let server = Server::start(Reply::text("a 1\n")).await;
    let store = Arc::new(MemoryStore::slow(Duration::from_millis(10)));
    let options = ScrapeOptions { concurrent_fetches: 4, concurrent_ingests: 1, ..ScrapeOptions::default() };
    let scraper = Scraper::start(store.clone(), Arc::new(SystemClock), options);
    scraper.apply(vec![(hourly(), vec![many(50, &server)])]);
    let mut most_waiting = 0;
    until("50 series", || {
        // in this order: what is stored in between does not count as waiting
        let (fetched, stored) = (server.requests().len(), store.series().len());
        most_waiting = most_waiting.max(fetched.saturating_sub(stored));
        (stored == 50).then_some(())
    })
    .await;
    assert!((1..=5).contains(&most_waiting), "{most_waiting} pages at once");
    scraper.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_targets_are_fetched_a_few_at_a_time() {
    let server = Server::start(Reply::text("a 1\n")).await;
    let store = Arc::new(MemoryStore::default());
    let options = ScrapeOptions { concurrent_fetches: 8, ..ScrapeOptions::default() };
    let scraper = Scraper::start(store.clone(), Arc::new(SystemClock), options);
    scraper.apply(vec![(hourly(), vec![many(500, &server)])]);
    until("500 series", || (store.series().len() == 500).then_some(())).await;
    assert!((1..=8).contains(&server.most_open()), "{} at once", server.most_open());
    assert_eq!(server.requests().len(), 500);
    scraper.shutdown().await;
}
