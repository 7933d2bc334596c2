//! `metadata` and `targets/metadata`: what targets say of their metrics: type, help, unit.
//!
//! Input: what the scraper keeps of each target's last scrape. Output: metadata by metric, or by target. Types are as
//! the targets give them; differing ones stand side by side.

use crate::Shared;
use crate::error::ApiError;
use crate::parameters::Parameters;
use crate::reply::{Encoding, on_blocking_thread, success};
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Serialize;
use std::collections::BTreeMap;
use tidewatch_model::{Labels, Matcher};
use tidewatch_promql::parse_selector;
use tidewatch_scrape::MetricMetadata;

#[derive(PartialEq, Eq, Serialize)]
struct OfMetric {
    r#type: String,
    unit: String,
    help: String,
}

pub(crate) async fn of_metrics(
    State(shared): State<Shared>,
    headers: HeaderMap,
    parameters: Parameters,
) -> Result<Response, ApiError> {
    let limit = parameters.number("limit")?.and_then(|limit| usize::try_from(limit).ok());
    let each = parameters.number("limit_per_metric")?.and_then(|limit| usize::try_from(limit).ok());
    let encoding = Encoding::accepted_by(&headers);
    let make = move || success(&by_metric(&shared, parameters.get("metric"), limit, each), encoding);
    Ok(on_blocking_thread(make).await)
}

fn by_metric(
    shared: &Shared,
    wanted: &str,
    limit: Option<usize>,
    each: Option<usize>,
) -> BTreeMap<String, Vec<OfMetric>> {
    let mut found: BTreeMap<String, Vec<OfMetric>> = BTreeMap::new();
    for entry in entries(shared) {
        if !wanted.is_empty() && entry.metric != wanted {
            continue;
        }
        let known = found.entry(entry.metric).or_default();
        let of_metric =
            OfMetric { r#type: entry.kind.as_str().to_owned(), unit: entry.unit, help: entry.help };
        let room = each.is_none_or(|each| each == 0 || known.len() < each);
        if room && !known.contains(&of_metric) {
            known.push(of_metric);
        }
    }
    found.into_iter().take(limit.unwrap_or(usize::MAX)).collect()
}

#[derive(Serialize)]
struct OfTarget {
    target: Labels,
    #[serde(skip_serializing_if = "Option::is_none")]
    metric: Option<String>,
    r#type: String,
    help: String,
    unit: String,
}

pub(crate) async fn of_targets(
    State(shared): State<Shared>,
    headers: HeaderMap,
    parameters: Parameters,
) -> Result<Response, ApiError> {
    let limit = parameters.number("limit")?.and_then(|limit| usize::try_from(limit).ok());
    let matchers = match parameters.get("match_target") {
        "" => Vec::new(),
        selector => parse_selector(selector).map_err(|error| ApiError::parameter("match_target", error))?,
    };
    let encoding = Encoding::accepted_by(&headers);
    let make = move || success(&by_target(&shared, parameters.get("metric"), limit, &matchers), encoding);
    Ok(on_blocking_thread(make).await)
}

fn by_target(shared: &Shared, wanted: &str, limit: Option<usize>, matchers: &[Matcher]) -> Vec<OfTarget> {
    let mut found: Vec<OfTarget> = Vec::new();
    let mut last: Option<Labels> = None;
    for entry in entries(shared) {
        // As in Prometheus, the limit is looked at before each target, not each entry.
        let next_target = last.as_ref() != Some(&entry.target);
        if next_target && limit.is_some_and(|limit| found.len() >= limit) {
            break;
        }
        last = Some(entry.target.clone());
        let wrong_metric = !wanted.is_empty() && entry.metric != wanted;
        if wrong_metric || !matchers.iter().all(|matcher: &Matcher| matcher.matches_labels(&entry.target)) {
            continue;
        }
        found.push(OfTarget {
            target: entry.target,
            metric: wanted.is_empty().then_some(entry.metric),
            r#type: entry.kind.as_str().to_owned(),
            help: entry.help,
            unit: entry.unit,
        });
    }
    found
}

/// In the order of targets, and of names within a target.
fn entries(shared: &Shared) -> Vec<MetricMetadata> {
    let mut entries = shared.state.targets.as_ref().map(|source| source.metadata()).unwrap_or_default();
    entries.sort_by(|a, b| (&a.target, &a.metric).cmp(&(&b.target, &b.metric)));
    entries
}
