//! Annotations of dashboards: every scaling and every time an alert fired, as Grafana's API lists them.
//!
//! Input: what the autoscalers scaled, the series of alerts; `from` and `to` in milliseconds, `tags`, `limit`. Output: every change of a
//! number of replicas with its reason, and every alert from when to when, the latest first. Annotations cannot be made or changed here.

use super::alert_annotations::{Firing, firing};
use super::answer;
use crate::Shared;
use crate::kubernetes::number;
use crate::parameters::Parameters;
use crate::reply::on_blocking_thread;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::Serialize;
use serde_json::json;
use std::cmp::Reverse;
use tidewatch_autoscale::Scaling;

/// How many are given when none is asked for, and at most.
const DEFAULT_LIMIT: usize = 100;
const MAX_LIMIT: usize = 10_000;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Annotation {
    id: u64,
    alert_id: u64,
    panel_id: u64,
    time: i64,
    time_end: i64,
    text: String,
    tags: [String; 3],
}

/// `from` and `to` are both inside; without them all that are known are meant.
pub(super) async fn annotations(
    State(shared): State<Shared>,
    headers: HeaderMap,
    parameters: Parameters,
) -> Response {
    let range = match (bound(&parameters, "from", i64::MIN), bound(&parameters, "to", i64::MAX)) {
        (Ok(from), Ok(to)) => (from, to),
        (Err(why), _) | (_, Err(why)) => {
            return answer(StatusCode::BAD_REQUEST, &headers, &json!({ "message": why }));
        }
    };
    let limit = parameters.get("limit").parse().unwrap_or(DEFAULT_LIMIT).min(MAX_LIMIT);
    let wanted: Vec<String> = parameters.all("tags").map(str::to_owned).collect();
    let any = parameters.get("matchAny") == "true";
    on_blocking_thread(move || {
        let scalings = shared.state.autoscaling.iter().flat_map(|source| source.scalings(range.0, range.1));
        let mut found: Vec<Annotation> = scalings.map(|scaling| annotation(&scaling)).collect();
        let state = &shared.state;
        match firing(&*state.store, range.0, range.1, state.clock.now()) {
            Ok(alerts) => found.extend(alerts.into_iter().map(of_alert)),
            Err(error) => {
                let why = json!({ "message": format!("the series of alerts cannot be read: {error}") });
                return answer(StatusCode::INTERNAL_SERVER_ERROR, &headers, &why);
            }
        }
        found.retain(|annotation| {
            let has = |tag: &String| annotation.tags.contains(tag);
            let tagged = if any { wanted.iter().any(has) } else { wanted.iter().all(has) };
            tagged || wanted.is_empty()
        });
        found.sort_by_key(|one| Reverse((one.time, one.id)));
        found.truncate(limit);
        answer(StatusCode::OK, &headers, &found)
    })
    .await
}

/// A bound in milliseconds since the Unix epoch.
fn bound(parameters: &Parameters, name: &str, default: i64) -> Result<i64, String> {
    match parameters.get(name) {
        "" | "0" => Ok(default),
        text => text.parse().map_err(|_| format!("{name}: {text:?} is not a number of milliseconds")),
    }
}

fn annotation(scaling: &Scaling) -> Annotation {
    let Scaling { time_ms, autoscaler, target, from, to, text } = scaling;
    Annotation {
        id: number(&[&target.namespace, autoscaler, &time_ms.to_string()]),
        alert_id: 0,
        panel_id: 0,
        time: *time_ms,
        time_end: *time_ms,
        text: format!("{}: {from} → {to} replicas: {text}", target.name),
        tags: ["scaling".to_owned(), target.namespace.clone(), target.name.clone()],
    }
}

fn of_alert(alert: Firing) -> Annotation {
    let Firing { name, labels, from, to } = alert;
    Annotation {
        id: number(&["alert", &name, &labels, &from.to_string()]),
        alert_id: 0,
        panel_id: 0,
        time: from,
        time_end: to,
        text: format!("{name} fires: {labels}"),
        tags: ["alert".to_owned(), name, "firing".to_owned()],
    }
}
