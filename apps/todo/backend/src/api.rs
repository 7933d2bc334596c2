//! `/api/tasks`: the routes, and how failures become problems.
//!
//! Input: HTTP requests. Output: tasks as JSON, problems, and one count per committed change. A change is carried to its end
//! even when the caller leaves in the middle of it. Deliberately decides nothing about storage or delivery.

use std::sync::Arc;

use axum::{
    Json,
    body::Body,
    extract::{FromRequestParts, Path, Query, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header, request::Parts},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde::Serialize;
use serde_json::Value;
use todo_telemetry::{FieldError, Problem, Routes, in_current_context, read_json};

use crate::{
    Error, Result,
    draft::Draft,
    event::EventType,
    metrics::TaskMetrics,
    page::Page,
    store::{TaskStore, Transition},
    task::{Task, Timestamp},
};

/// What the handlers share.
pub(crate) struct Api {
    pub(crate) store: TaskStore,
    pub(crate) metrics: Option<TaskMetrics>,
}

/// The `{id}` of a path.
struct TaskId(i64);

impl<S: Send + Sync> FromRequestParts<S> for TaskId {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> std::result::Result<Self, Problem> {
        let text =
            Path::<String>::from_request_parts(parts, state).await.map(|Path(text)| text).unwrap_or_default();
        text.parse().ok().filter(|id| *id > 0).map(Self).ok_or_else(|| {
            let remedy = "give the id of a task, a whole number above 0";
            Problem::invalid_parameters(vec![FieldError::new("id", text.into(), remedy)])
        })
    }
}

type Answer = std::result::Result<Response, Problem>;
type Shared = State<Arc<Api>>;

#[derive(Serialize)]
struct TaskList {
    items: Vec<Task>,
    total: i64,
    limit: i64,
    offset: i64,
}

/// Adds the task routes, each with what it may answer.
pub(crate) fn task_routes(routes: Routes<Arc<Api>>) -> Routes<Arc<Api>> {
    const READ: &[u16] = &[200, 400, 404, 503];
    const WRITE: &[u16] = &[200, 400, 404, 408, 413, 415, 422, 503];
    routes
        .route(
            "/api/tasks",
            get(list).post(create),
            &[(Method::GET, &[200, 400, 503]), (Method::POST, &[201, 400, 408, 413, 415, 422, 503])],
        )
        .route(
            "/api/tasks/{id}",
            get(read).put(replace).patch(change).delete(remove),
            &[
                (Method::GET, READ),
                (Method::PUT, WRITE),
                (Method::PATCH, WRITE),
                (Method::DELETE, &[204, 400, 404, 503]),
            ],
        )
        .route("/api/tasks/{id}/complete", post(complete), &[(Method::POST, READ)])
        .route("/api/tasks/{id}/reopen", post(reopen), &[(Method::POST, READ)])
}

async fn list(State(api): Shared, uri: Uri) -> Answer {
    let Query(parameters) = Query::<Vec<(String, String)>>::try_from_uri(&uri).map_err(|_| {
        let remedy = "write it as name=value pairs joined by &";
        Problem::invalid_parameters(vec![FieldError::new("", Value::from(uri.query()), remedy)])
    })?;
    let page = Page::of(parameters)?;
    let (items, total) = api.store.list(&page).await.map_err(problem)?;
    Ok(Json(TaskList { items, total, limit: page.limit, offset: page.offset }).into_response())
}

async fn create(State(api): Shared, headers: HeaderMap, body: Body) -> Answer {
    let draft = Draft::whole(read_json(&headers, body).await?)?;
    let task = to_its_end(async move {
        let task = api.store.insert(&draft, Timestamp::now()).await?;
        api.changed(EventType::Created);
        Ok(task)
    })
    .await?;
    let location = HeaderValue::from_str(&format!("/api/tasks/{}", task.id)).expect("digits make a header");
    Ok((StatusCode::CREATED, [(header::LOCATION, location)], Json(task)).into_response())
}

async fn read(State(api): Shared, TaskId(id): TaskId) -> Answer {
    let task = api.store.get(id).await.map_err(problem)?;
    task.map(|task| Json(task).into_response()).ok_or_else(|| missing(id))
}

async fn replace(State(api): Shared, TaskId(id): TaskId, headers: HeaderMap, body: Body) -> Answer {
    let draft = Draft::whole(read_json(&headers, body).await?)?;
    api.update(id, draft).await
}

async fn change(State(api): Shared, TaskId(id): TaskId, headers: HeaderMap, body: Body) -> Answer {
    let draft = Draft::partial(read_json(&headers, body).await?)?;
    api.update(id, draft).await
}

async fn complete(State(api): Shared, TaskId(id): TaskId) -> Answer {
    let transition = to_its_end(async move {
        let transition = api.store.complete(id, Timestamp::now()).await?;
        if let Transition::Made(_) = &transition {
            api.changed(EventType::Completed);
        }
        Ok(transition)
    });
    answer_transition(id, transition.await?)
}

async fn reopen(State(api): Shared, TaskId(id): TaskId) -> Answer {
    let transition = to_its_end(async move {
        let transition = api.store.reopen(id, Timestamp::now()).await?;
        if let Transition::Made(_) = &transition {
            api.changed(EventType::Updated);
        }
        Ok(transition)
    });
    answer_transition(id, transition.await?)
}

async fn remove(State(api): Shared, TaskId(id): TaskId) -> Answer {
    let removed = to_its_end(async move {
        let removed = api.store.delete(id, Timestamp::now()).await?;
        if removed.is_some() {
            api.changed(EventType::Deleted);
        }
        Ok(removed)
    });
    removed.await?.map(|_| StatusCode::NO_CONTENT.into_response()).ok_or_else(|| missing(id))
}

impl Api {
    async fn update(self: Arc<Self>, id: i64, draft: Draft) -> Answer {
        let updated = to_its_end(async move {
            let updated = self.store.update(id, &draft, Timestamp::now()).await?;
            if updated.is_some() {
                self.changed(EventType::Updated);
            }
            Ok(updated)
        });
        updated.await?.map(|task| Json(task).into_response()).ok_or_else(|| missing(id))
    }

    /// Counts a committed change.
    fn changed(&self, event_type: EventType) {
        if let Some(metrics) = &self.metrics {
            metrics.count(event_type);
        }
    }
}

/// Runs a change in a task of its own: a caller who leaves cancels the handler, but must not separate a commit from
/// its count, nor from the relay that sends its event.
async fn to_its_end<T: Send + 'static>(
    change: impl Future<Output = Result<T>> + Send + 'static,
) -> std::result::Result<T, Problem> {
    match tokio::spawn(in_current_context(change)).await {
        Ok(outcome) => outcome.map_err(problem),
        Err(_) => Err(Problem::internal()),
    }
}

fn answer_transition(id: i64, transition: Transition) -> Answer {
    match transition {
        Transition::Made(task) | Transition::Unneeded(task) => Ok(Json(task).into_response()),
        Transition::Missing => Err(missing(id)),
    }
}

fn missing(id: i64) -> Problem {
    Problem::not_found(format!("there is no task {id}; it may have been deleted"))
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
