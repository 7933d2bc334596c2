//! Scraping over real loopback HTTP: targets that behave in every way, and a store in memory that sees what arrives.

#![allow(clippy::unwrap_used)] // a helper that panics fails its test, as it should

mod conformance;
mod failures;
mod ingestion;
mod lifecycle;
mod reload;
mod requests;
mod server;
mod store;

use server::Server;
use std::sync::Arc;
use std::time::Duration;
use store::MemoryStore;
use tidewatch_manifest::ScrapeConfig;
use tidewatch_model::{Labels, SystemClock, TargetGroup};
use tidewatch_scrape::{Job, ScrapeOptions, Scraper, TargetStatus};

/// A scraper and the store it writes to.
struct Bench {
    scraper: Scraper,
    store: Arc<MemoryStore>,
}

impl Bench {
    fn new() -> Self {
        Self::with(ScrapeOptions::default())
    }

    fn with(options: ScrapeOptions) -> Self {
        let store = Arc::new(MemoryStore::default());
        let scraper = Scraper::start(store.clone(), Arc::new(SystemClock), options);
        Self { scraper, store }
    }

    /// Waits until the only target has been scraped.
    async fn first_scrape(&self) -> TargetStatus {
        until("the first scrape", || {
            let targets = self.scraper.targets();
            targets.into_iter().next().filter(|target| target.last_scrape.is_some())
        })
        .await
    }
}

/// A job that scrapes every hour after the first time, so that a test sees exactly one scrape.
fn hourly() -> ScrapeConfig {
    let mut config = ScrapeConfig::new("j");
    config.scrape_interval = Duration::from_secs(3600);
    config.scrape_timeout = Duration::from_secs(5);
    config
}

/// A job that scrapes ten times a second.
fn quick() -> ScrapeConfig {
    let mut config = ScrapeConfig::new("j");
    config.scrape_interval = Duration::from_millis(100);
    config.scrape_timeout = Duration::from_millis(100);
    config
}

fn job(config: ScrapeConfig, servers: &[&Server]) -> Job {
    let targets =
        servers.iter().map(|server| Labels::from_pairs([("__address__", server.address())])).collect();
    (config, vec![TargetGroup { source: "test".into(), labels: Labels::empty(), targets }])
}

/// Asks again and again until there is an answer; fails after ten seconds.
async fn until<T>(what: &str, mut answer: impl FnMut() -> Option<T>) -> T {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
    loop {
        if let Some(found) = answer() {
            return found;
        }
        assert!(tokio::time::Instant::now() < deadline, "timed out waiting for {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
