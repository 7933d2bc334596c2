//! `POST /events/tasks`, `GET /dapr/subscribe` and `GET /api/activity`.
//!
//! Input: CloudEvents as a Dapr sidecar delivers them, and feed requests. Output: `SUCCESS` once an event is kept, `DROP` for what can
//! never be understood (the sidecar moves it to the dead letters), a status above 499 for what should be delivered again; and
//! the feed. Deliberately answers a repeated event like a new one: the sender need not know.

use std::sync::Arc;

use axum::{
    Json, Router,
    body::Body,
    extract::{Query, State},
    http::{HeaderMap, Method, StatusCode, Uri},
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
    settings::Subscription,
    store::{Activity, ActivityStore, Cursor, Feed},
};

const MAX_LIMIT: i64 = 200;

/// The route that takes events.
pub(crate) const EVENTS: &str = "/events/tasks";

/// What the handlers share.
pub(crate) struct Api {
    pub(crate) store: ActivityStore,
    pub(crate) metrics: EventMetrics,
    pub(crate) subscription: Option<Subscription>,
}

#[derive(Serialize)]
struct Page {
    items: Vec<Activity>,
    /// Value of `before` for the next page; `null` on the last.
    next_before: Option<String>,
}

/// Adds the event and feed routes, each with what it may answer.
pub(crate) fn activity_routes(routes: Routes<Arc<Api>>) -> Routes<Arc<Api>> {
    routes
        .route(EVENTS, post(consume), &[(Method::POST, &[200, 400, 408, 503])])
        .uncounted(Router::new().route("/dapr/subscribe", get(subscriptions)))
        .route("/api/activity", get(feed), &[(Method::GET, &[200, 400, 503])])
}

async fn consume(State(api): State<Arc<Api>>, headers: HeaderMap, body: Body) -> Result<Response, Problem> {
    let mut event_type = None;
    let outcome = api.keep(&headers, body, &mut event_type).await;
    api.metrics.consumed(event_type.as_deref(), outcome.is_ok());
    match outcome {
        Ok(()) => Ok(Json(json!({"status": "SUCCESS"})).into_response()),
        Err(problem) if can_never_be_understood(&problem) => {
            tracing::warn!(reason = problem.detail(), "an event was dropped: it cannot be understood");
            let answer = json!({"status": "DROP", "detail": problem.detail(), "errors": problem.errors()});
            Ok(Json(answer).into_response())
        }
        Err(problem) => Err(problem),
    }
}

/// Whether delivering the same again would end in the same way. A body that did not arrive in full is not that.
fn can_never_be_understood(problem: &Problem) -> bool {
    match problem.status() {
        StatusCode::BAD_REQUEST => problem.kind() == "malformed-json",
        status => [413, 415, 422].contains(&status.as_u16()),
    }
}

/// What a sidecar asks at its start. A declarative subscription makes this an empty list.
async fn subscriptions(State(api): State<Arc<Api>>) -> Json<Value> {
    let described = |subscription: &Subscription| {
        json!({
            "pubsubname": subscription.pubsub,
            "topic": subscription.topic,
            "route": "/events/tasks",
            "deadLetterTopic": subscription.dead_letter_topic,
        })
    };
    Json(api.subscription.iter().map(described).collect())
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
    let next_before = items.last().filter(|_| full).map(|oldest| Cursor::after(oldest).to_string());
    Ok(Json(Page { items, next_before }))
}

impl Feed {
    /// Reads decoded query parameters.
    fn of(parameters: Vec<(String, String)>) -> Result<Self, Problem> {
        let mut feed = Self { task_id: None, limit: 50, before: Cursor::START };
        let mut errors = Vec::new();
        for (name, value) in parameters {
            let outcome = match name.as_str() {
                "task_id" => number(&value, i64::MAX).map(|number| feed.task_id = Some(number)),
                "limit" => number(&value, MAX_LIMIT).map(|number| feed.limit = number),
                "before" => match value.parse() {
                    Ok(cursor) => {
                        feed.before = cursor;
                        Ok(())
                    }
                    Err(()) => Err("give the next_before of a page".to_owned()),
                },
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
        assert_eq!(read("before", "7-3").unwrap().before.to_string(), "7-3");
        assert_eq!(Feed::of(Vec::new()).unwrap(), Feed { task_id: None, limit: 50, before: Cursor::START });
        assert_eq!(read("task_id", "7").unwrap().task_id, Some(7));
        for (name, value) in [
            ("limit", "0"),
            ("limit", "201"),
            ("before", "x"),
            ("before", "7"),
            ("before", "1--2"),
            ("task_id", "-1"),
            ("task", "1"),
        ] {
            let text = format!("{:?}", read(name, value).unwrap_err());
            assert!(text.contains(&format!("field: \"{name}\"")), "{text}");
        }
    }
}
