//! A reload, from the configuration over discovery to the loops.

use crate::server::{Reply, Server};
use crate::{Bench, until};
use std::fs;
use tidewatch_discovery::{FollowOptions, follow};
use tidewatch_manifest::PrometheusConfig;
use tidewatch_scrape::Scraper;

/// What `tidewatch serve` does with a configuration, at the start and at each reload.
async fn load(scraper: &Scraper, text: &str) {
    let configs = PrometheusConfig::parse("p.yml", text).unwrap().scrape_configs;
    let mut discovery = follow(configs, Vec::new(), None, FollowOptions::default());
    let jobs = discovery.changed().await.unwrap();
    assert_eq!(scraper.apply(jobs.to_vec()), []);
}

#[tokio::test]
async fn targets_of_files_are_left_alone() {
    let (kept, new) = (Server::start(Reply::text("a 1\n")).await, Server::start(Reply::text("b 1\n")).await);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("t.json");
    fs::write(&file, format!("[{{\"targets\": [\"{}\"]}}]", kept.address())).unwrap();
    let job = format!(
        "scrape_configs:\n- {{job_name: j, scrape_interval: 1h, file_sd_configs: [{{files: ['{}']}}]}}\n",
        file.display()
    );
    let bench = Bench::new();
    load(&bench.scraper, &job).await;
    let before = bench.first_scrape().await;

    let another = format!(
        "{job}- {{job_name: k, scrape_interval: 1h, static_configs: [{{targets: ['{}']}}]}}\n",
        new.address()
    );
    load(&bench.scraper, &another).await;
    until("the new job", || bench.store.latest("b")).await;
    let after = bench.scraper.targets().into_iter().find(|target| target.pool == "j").unwrap();
    // a new loop would begin without a scrape, and scrape at once
    assert_eq!(
        (after.last_scrape, after.last_scrape_duration),
        (before.last_scrape, before.last_scrape_duration)
    );
    assert_eq!(kept.requests().len(), 1);
    bench.scraper.shutdown().await;
}
