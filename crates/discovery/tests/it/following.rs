//! Changes reach whoever waits for jobs.

use crate::{jobs, monitor, service};
use std::fs;
use std::sync::Arc;
use std::time::Duration;
use tidewatch_discovery::{Discovery, FollowOptions, Job, follow};
use tidewatch_manifest::PrometheusConfig;
use tokio::sync::watch;

fn count(jobs: &[Job]) -> Vec<usize> {
    jobs.iter().map(|(_, groups)| groups.iter().map(|group| group.targets.len()).sum()).collect()
}

/// Waits until the jobs have as many targets as expected, job by job.
async fn expect_targets(discovery: &mut Discovery, expected: &[usize]) {
    let mut last = None;
    let found = async {
        while let Some(jobs) = discovery.changed().await {
            if count(&jobs) == expected {
                return;
            }
            last = Some(count(&jobs));
        }
    };
    let found = tokio::time::timeout(Duration::from_secs(10), found).await;
    assert!(found.is_ok(), "expected {expected:?}, have {last:?}");
}

#[tokio::test]
async fn the_first_jobs_have_the_targets_of_files() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("t.yml");
    fs::write(&file, "- targets: ['f:1', 'f:2']\n").unwrap();
    let text =
        format!("scrape_configs: [{{job_name: a, file_sd_configs: [{{files: ['{}']}}]}}]", file.display());
    let configs = PrometheusConfig::parse("p.yml", &text).unwrap().scrape_configs;
    let mut discovery = follow(configs, Vec::new(), None, FollowOptions::default());
    assert_eq!(count(&discovery.changed().await.unwrap()), [2]);
}

#[tokio::test]
async fn endpoints_and_files_are_followed() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("t.yml");
    let text = format!(
        "scrape_configs: [{{job_name: a, static_configs: [{{targets: ['s:1']}}], file_sd_configs: [{{files: ['{}']}}]}}]",
        file.display()
    );
    let configs = PrometheusConfig::parse("p.yml", &text).unwrap().scrape_configs;
    let spec = "{selector: {matchLabels: {app: web}}, endpoints: [{port: metrics}]}";
    let monitors = jobs(&[monitor(spec)]);
    let (sender, receiver) = watch::channel(Arc::new(vec![]));
    let options = FollowOptions { file_poll: Duration::from_millis(10) };
    let mut discovery = follow(configs, monitors, Some(receiver), options);
    expect_targets(&mut discovery, &[1, 0]).await;
    sender.send(Arc::new(vec![service("shop", "web", &[("app", "web")], 2)])).unwrap();
    expect_targets(&mut discovery, &[1, 4]).await;
    fs::write(&file, "- targets: ['f:1', 'f:2']\n").unwrap();
    expect_targets(&mut discovery, &[3, 4]).await;
    // whoever sent the endpoints may end; what it sent last stays, and files go on
    drop(sender);
    fs::write(&file, "- targets: ['f:1']\n").unwrap();
    expect_targets(&mut discovery, &[2, 4]).await;
    fs::write(&file, "rubbish").unwrap();
    let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
    while discovery.problems().is_empty() {
        assert!(tokio::time::Instant::now() < deadline, "the broken file is not reported");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    expect_targets(&mut discovery, &[2, 4]).await;
}
