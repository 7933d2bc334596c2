//! The last notifications of the Alertmanager that runs here: who was told what, and whether it arrived.
//!
//! Input: its history, `limit`. Output: notifications, newest first. It holds no address and no secret of a receiver.

use super::{Refusal, answer, limit};
use crate::Shared;
use crate::parameters::Parameters;
use crate::reply::on_blocking_thread;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde_json::{Map, Value, json};
use tidewatch_model::{Labels, format_timestamp};
use tidewatch_notify::{AlertStatus, NotificationRecord};

/// How many are given when none is asked for, and at most.
const DEFAULT_LIMIT: usize = 200;
const MAX_LIMIT: usize = 1000;

pub(super) async fn list(
    State(shared): State<Shared>,
    headers: HeaderMap,
    parameters: Parameters,
) -> Response {
    on_blocking_thread(move || {
        let alertmanager = shared.state.alertmanager.as_ref().ok_or_else(|| {
            let text = "nobody is told of alerts here: no Alertmanager runs; hint: start tidewatch with \
                        --alertmanager.config.file=alertmanager.yml";
            Refusal::new(StatusCode::NOT_FOUND, text)
        })?;
        let limit = limit(&parameters, DEFAULT_LIMIT, MAX_LIMIT)?;
        let found: Vec<Value> =
            alertmanager.history(limit).iter().map(|record| notification(record)).collect();
        Ok::<_, Refusal>(answer(&headers, &json!({ "notifications": found })))
    })
    .await
}

fn notification(record: &NotificationRecord) -> Value {
    let alert = |(labels, status): &(Labels, AlertStatus)| json!({ "labels": object(labels), "status": status.as_str() });
    let mut object = json!({
        "time": format_timestamp(record.time),
        "receiver": record.receiver,
        "integration": record.integration,
        "groupKey": record.group_key,
        "groupLabels": object(&record.group_labels),
        "alerts": record.alerts.iter().map(alert).collect::<Vec<_>>(),
        "furtherAlerts": record.further_alerts,
        "attempts": record.attempts,
        "outcome": record.outcome.as_str(),
        "durationMs": record.duration_ms,
    });
    if let Some(error) = &record.error {
        object["error"] = error.clone().into();
    }
    object
}

fn object(labels: &Labels) -> Map<String, Value> {
    labels.iter().map(|(name, value)| (name.to_owned(), value.into())).collect()
}
