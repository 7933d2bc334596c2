//! Service level objectives, and the runbooks of alerts.
//!
//! Input: the rules in force, the pages of the manifests. Output: objectives with the expressions that tell how they stand; pages as plain
//! text below `/user/`, where Prometheus serves its `--web.user-assets`.

use super::answer;
use crate::Shared;
use crate::reply::{on_blocking_thread, text};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde_json::json;
use std::collections::BTreeMap;
use tidewatch_rules::{GroupStatus, Rule};
use tidewatch_slo::{RuleView, slos_of};

/// All objectives that the rules keep.
pub(super) async fn list(State(shared): State<Shared>, headers: HeaderMap) -> Response {
    on_blocking_thread(move || {
        let groups = shared.state.rules.as_ref().map(|rules| rules.groups()).unwrap_or_default();
        let none = BTreeMap::new();
        let rules = groups.iter().flat_map(GroupStatus::rules);
        let views: Vec<RuleView<'_>> = rules.map(|(rule, _)| view(rule, &none)).collect();
        answer(&headers, &json!({ "slos": slos_of(&views, &shared.state.external_url) }))
    })
    .await
}

fn view<'a>(rule: &'a Rule, none: &'a BTreeMap<String, String>) -> RuleView<'a> {
    let alerting = rule.alerting();
    RuleView {
        record: alerting.is_none().then_some(&rule.name),
        alert: alerting.map(|_| rule.name.as_str()),
        labels: &rule.labels,
        annotations: alerting.map_or(none, |alerting| &alerting.annotations),
    }
}

/// A page of the manifests, e.g. a runbook.
pub(super) async fn page(State(shared): State<Shared>, Path(name): Path<String>) -> Response {
    match shared.state.user_pages.get(&name) {
        Some(page) => text(StatusCode::OK, page.clone()),
        None => text(
            StatusCode::NOT_FOUND,
            format!(
                "no page {name:?}; hint: pages come from ConfigMaps whose keys all end in .md, or from --web.user-assets\n"
            ),
        ),
    }
}
