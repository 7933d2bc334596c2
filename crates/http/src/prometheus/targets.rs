//! `targets` and `scrape_pools`: what is scraped, and how the last scrape went.
//!
//! Input: snapshots of the scraper. Output: lists ordered by pool. Without a scraper the lists are empty.

use crate::Shared;
use crate::parameters::Parameters;
use crate::reply::{Encoding, on_blocking_thread, success};
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Serialize;
use std::collections::BTreeMap;
use tidewatch_model::{Labels, format_duration, format_timestamp};
use tidewatch_scrape::{DroppedTarget, TargetStatus};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Listing {
    active_targets: Vec<ActiveTarget>,
    dropped_targets: Vec<Dropped>,
    dropped_target_counts: Option<BTreeMap<String, usize>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ActiveTarget {
    discovered_labels: Labels,
    labels: Labels,
    scrape_pool: String,
    scrape_url: String,
    global_url: String,
    last_error: String,
    last_scrape: String,
    last_scrape_duration: f64,
    health: &'static str,
    scrape_interval: String,
    scrape_timeout: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Dropped {
    discovered_labels: Labels,
    scrape_pool: String,
}

impl From<TargetStatus> for ActiveTarget {
    fn from(target: TargetStatus) -> Self {
        let never = || "0001-01-01T00:00:00Z".to_owned();
        Self {
            discovered_labels: target.discovered_labels,
            labels: target.labels,
            scrape_pool: target.pool,
            scrape_url: target.scrape_url,
            global_url: target.global_url,
            last_error: target.last_error,
            last_scrape: target.last_scrape.map_or_else(never, format_timestamp),
            last_scrape_duration: target.last_scrape_duration.as_secs_f64(),
            health: target.health.as_str(),
            scrape_interval: format_duration(target.scrape_interval),
            scrape_timeout: format_duration(target.scrape_timeout),
        }
    }
}

impl From<DroppedTarget> for Dropped {
    fn from(target: DroppedTarget) -> Self {
        Self { discovered_labels: target.discovered_labels, scrape_pool: target.pool }
    }
}

pub(crate) async fn targets(
    State(shared): State<Shared>,
    headers: HeaderMap,
    parameters: Parameters,
) -> Response {
    let encoding = Encoding::accepted_by(&headers);
    on_blocking_thread(move || success(&listing(&shared, &parameters), encoding)).await
}

fn listing(shared: &Shared, parameters: &Parameters) -> Listing {
    let state = parameters.get("state").to_ascii_lowercase();
    let (any, pool) = (matches!(state.as_str(), "" | "any"), parameters.get("scrapePool"));
    let in_pool = |of: &str| pool.is_empty() || pool == of;
    let mut listing =
        Listing { active_targets: Vec::new(), dropped_targets: Vec::new(), dropped_target_counts: None };
    if let Some(source) = &shared.state.targets {
        if any || state == "active" {
            let mut found = source.active();
            found.retain(|target| in_pool(&target.pool));
            found.sort_by(|a, b| {
                (&a.pool, &a.labels, &a.scrape_url).cmp(&(&b.pool, &b.labels, &b.scrape_url))
            });
            listing.active_targets = found.into_iter().map(ActiveTarget::from).collect();
        }
        if any || state == "dropped" {
            let mut found = source.dropped();
            let mut counts: BTreeMap<String, usize> =
                source.pools().into_iter().map(|pool| (pool, 0)).collect();
            for target in &found {
                *counts.entry(target.pool.clone()).or_default() += 1;
            }
            found.retain(|target| in_pool(&target.pool));
            found.sort_by(|a, b| a.pool.cmp(&b.pool));
            listing.dropped_targets = found.into_iter().map(Dropped::from).collect();
            listing.dropped_target_counts = Some(counts);
        }
    }
    listing
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Pools {
    scrape_pools: Vec<String>,
}

pub(crate) async fn pools(State(shared): State<Shared>, headers: HeaderMap) -> Response {
    let encoding = Encoding::accepted_by(&headers);
    on_blocking_thread(move || {
        let mut scrape_pools = shared.state.targets.as_ref().map(|source| source.pools()).unwrap_or_default();
        scrape_pools.sort_unstable();
        success(&Pools { scrape_pools }, encoding)
    })
    .await
}
