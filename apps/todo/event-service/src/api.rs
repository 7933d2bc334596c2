//! `POST /events/tasks` and `GET /api/activity`.
//!
//! Input: CloudEvents and feed requests. Output: `{"status":"SUCCESS"}` once an event is kept (what a Dapr sidecar expects as
//! well), and the feed. Deliberately answers a repeated event like a new one: the sender need not know.

use std::sync::Arc;

use axum::{
    Json,
    body::Body,
    extract::{Query, State},
    http::{HeaderMap, Method, Uri},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde::Serialize;
use serde_json::{Value, json};
use todo_telemetry::{FieldError, Problem, Routes, read_json};

use crate::{
    Error,
    cloud_event::CloudEvent,
    metrics::EventMetrics,
    store::{Activity, ActivityStore, Feed},
};

const MAX_LIMIT: i64 = 200;

/// What the handlers share.
pub(crate) struct Api {
    pub(crate) store: ActivityStore,
    pub(crate) metrics: EventMetrics,
}

#[derive(Serialize)]
struct Page {
    items: Vec<Activity>,
    /// Value of `before` for the next page; `null` on the last.
    next_before: Option<i64>,
}

/// Adds the event and feed routes, each with what it may answer.
pub(crate) fn activity_routes(routes: Routes<Arc<Api>>) -> Routes<Arc<Api>> {
    routes
        .route("/events/tasks", post(consume), &[(Method::POST, &[200, 400, 408, 413, 415, 422, 503])])
        .route("/api/activity", get(feed), &[(Method::GET, &[200, 400, 503])])
}

async fn consume(State(api): State<Arc<Api>>, headers: HeaderMap, body: Body) -> Result<Response, Problem> {
    let mut event_type = None;
    let outcome = api.keep(&headers, body, &mut event_type).await;
    api.metrics.consumed(event_type.as_deref(), outcome.is_ok());
    outcome.map(|()| Json(json!({"status": "SUCCESS"})).into_response())
}

impl Api {
    /// `event_type` is known as soon as the body was read, even when the event is then refused.
    async fn keep(
        &self,
        headers: &HeaderMap,
        body: Body,
        event_type: &mut Option<String>,
    ) -> Result<(), Problem> {
        let body = read_json(headers, body).await?;
        *event_type = body["type"].as_str().map(str::to_owned);
        let event = CloudEvent::of(&body)?;
        self.store.add(&event).await.map(drop).map_err(problem)
    }
}

async fn feed(State(api): State<Arc<Api>>, uri: Uri) -> Result<Json<Page>, Problem> {
    let Query(parameters) = Query::<Vec<(String, String)>>::try_from_uri(&uri).map_err(|_| {
        let remedy = "write it as name=value pairs joined by &";
        Problem::invalid_parameters(vec![FieldError::new("", Value::from(uri.query()), remedy)])
    })?;
    let feed = Feed::of(parameters)?;
    let items = api.store.feed(&feed).await.map_err(problem)?;
    let full = items.len() as i64 == feed.limit;
    let next_before = items.last().filter(|_| full).map(|oldest| oldest.id);
    Ok(Json(Page { items, next_before }))
}

impl Feed {
    /// Reads decoded query parameters.
    fn of(parameters: Vec<(String, String)>) -> Result<Self, Problem> {
        let mut feed = Self { task_id: None, limit: 50, before: i64::MAX };
        let mut errors = Vec::new();
        for (name, value) in parameters {
            let outcome = match name.as_str() {
                "task_id" => number(&value, i64::MAX).map(|number| feed.task_id = Some(number)),
                "limit" => number(&value, MAX_LIMIT).map(|number| feed.limit = number),
                "before" => number(&value, i64::MAX).map(|number| feed.before = number),
                _ => Err("remove it; the parameters are task_id, limit, before".to_owned()),
            };
            if let Err(remedy) = outcome {
                errors.push(FieldError::new(&name, Value::String(value), remedy));
            }
        }
        if errors.is_empty() { Ok(feed) } else { Err(Problem::invalid_parameters(errors)) }
    }
}

fn number(value: &str, most: i64) -> Result<i64, String> {
    value
        .parse()
        .ok()
        .filter(|number| (1..=most).contains(number))
        .ok_or_else(|| format!("give a whole number from 1 to {most}"))
}

fn problem(error: Error) -> Problem {
    match error {
        Error::Shared(error) if error.is_transient() => {
            tracing::warn!(%error, "a request could not be served");
            Problem::unavailable("the database is not available; hint: try again")
        }
        error => {
            tracing::error!(%error, "a request failed");
            Problem::internal()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_feed_has_defaults_and_bounds() {
        let read = |name: &str, value: &str| Feed::of(vec![(name.to_owned(), value.to_owned())]);
        assert_eq!(Feed::of(Vec::new()).unwrap(), Feed { task_id: None, limit: 50, before: i64::MAX });
        assert_eq!(read("task_id", "7").unwrap().task_id, Some(7));
        for (name, value) in
            [("limit", "0"), ("limit", "201"), ("before", "x"), ("task_id", "-1"), ("task", "1")]
        {
            let text = format!("{:?}", read(name, value).unwrap_err());
            assert!(text.contains(&format!("field: \"{name}\"")), "{text}");
        }
    }
}
