//! The Kubernetes API as far as looking at pods needs it: pods, logs, events, Deployments.
//!
//! Input: the runtime's snapshots. Output: lists and texts as an API server gives them, errors as `Status` objects. It
//! only reads: nothing is created, watched or changed here, and `kubectl` is not expected to work.

mod objects;

use crate::Shared;
use crate::endpoint::Takes::Get;
use crate::endpoint::endpoint;
use crate::json::to_go_json;
use crate::parameters::Parameters;
use crate::reply::{EncodedBody, Encoding, on_blocking_thread};
use crate::sources::Workloads;
use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use std::sync::Arc;
use tidewatch_runtime::RuntimeError;

pub(crate) fn routes() -> Router<Shared> {
    Router::new()
        .route("/api/v1/pods", endpoint(Get, all_pods))
        .route("/api/v1/namespaces/{namespace}/pods", endpoint(Get, pods))
        .route("/api/v1/namespaces/{namespace}/pods/{pod}", endpoint(Get, pod))
        .route("/api/v1/namespaces/{namespace}/pods/{pod}/log", endpoint(Get, log))
        .route("/api/v1/namespaces/{namespace}/events", endpoint(Get, events))
        .route("/apis/apps/v1/namespaces/{namespace}/deployments", endpoint(Get, deployments))
}

/// A failure, as the API server words it.
struct Status {
    code: StatusCode,
    reason: &'static str,
    message: String,
    details: Value,
}

impl Status {
    fn bad_request(message: impl Into<String>) -> Self {
        Self {
            code: StatusCode::BAD_REQUEST,
            reason: "BadRequest",
            message: message.into(),
            details: Value::Null,
        }
    }

    fn not_found(kind: &str, name: &str) -> Self {
        Self {
            code: StatusCode::NOT_FOUND,
            reason: "NotFound",
            message: format!("{kind} {name:?} not found"),
            details: json!({ "name": name, "kind": kind }),
        }
    }

    fn internal(message: String) -> Self {
        let code = StatusCode::INTERNAL_SERVER_ERROR;
        Self { code, reason: "InternalError", message, details: Value::Null }
    }
}

impl IntoResponse for Status {
    fn into_response(self) -> Response {
        let mut status = json!({
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "reason": self.reason,
            "code": self.code.as_u16(),
        });
        if !self.details.is_null() {
            status["details"] = self.details;
        }
        let mut response =
            EncodedBody::new(to_go_json(&status), Encoding::Identity).into_response("application/json");
        *response.status_mut() = self.code;
        response
    }
}

fn workloads(shared: &Shared) -> Result<Arc<dyn Workloads>, Status> {
    let none = || Status {
        code: StatusCode::NOT_FOUND,
        reason: "NotFound",
        message: "no pods are run here: this API exists with `tidewatch up` only".to_owned(),
        details: Value::Null,
    };
    shared.state.workloads.clone().ok_or_else(none)
}

fn list(headers: &HeaderMap, kind: &str, version: &str, items: &[Value]) -> Response {
    let list = json!({
        "kind": kind,
        "apiVersion": version,
        "metadata": { "resourceVersion": "" },
        "items": items,
    });
    EncodedBody::new(to_go_json(&list), Encoding::accepted_by(headers)).into_response("application/json")
}

async fn all_pods(State(shared): State<Shared>, headers: HeaderMap) -> Result<Response, Status> {
    let workloads = workloads(&shared)?;
    let make = move || {
        let items = workloads.pods().iter().map(objects::pod).collect::<Vec<_>>();
        list(&headers, "PodList", "v1", &items)
    };
    Ok(on_blocking_thread(make).await)
}

async fn pods(
    State(shared): State<Shared>,
    headers: HeaderMap,
    Path(namespace): Path<String>,
) -> Result<Response, Status> {
    let workloads = workloads(&shared)?;
    let make = move || {
        let pods = workloads.pods();
        let items = pods.iter().filter(|pod| pod.pod.namespace == namespace).map(objects::pod);
        list(&headers, "PodList", "v1", &items.collect::<Vec<_>>())
    };
    Ok(on_blocking_thread(make).await)
}

async fn pod(
    State(shared): State<Shared>,
    headers: HeaderMap,
    Path((namespace, name)): Path<(String, String)>,
) -> Result<Response, Status> {
    let workloads = workloads(&shared)?;
    let make = move || {
        let pods = workloads.pods();
        let found = pods.iter().find(|pod| pod.pod.namespace == namespace && pod.pod.name == name);
        let mut object = objects::pod(found.ok_or_else(|| Status::not_found("pods", &name))?);
        object["kind"] = "Pod".into();
        object["apiVersion"] = "v1".into();
        let body = EncodedBody::new(to_go_json(&object), Encoding::accepted_by(&headers));
        Ok::<_, Status>(body.into_response("application/json"))
    };
    Ok(on_blocking_thread(make).await)
}

async fn events(
    State(shared): State<Shared>,
    headers: HeaderMap,
    Path(namespace): Path<String>,
) -> Result<Response, Status> {
    let workloads = workloads(&shared)?;
    let make = move || {
        let events = workloads.events();
        let items = events.iter().filter(|event| event.namespace == namespace).enumerate();
        let items: Vec<Value> = items.map(|(number, event)| objects::event(number, event)).collect();
        list(&headers, "EventList", "v1", &items)
    };
    Ok(on_blocking_thread(make).await)
}

async fn deployments(
    State(shared): State<Shared>,
    headers: HeaderMap,
    Path(namespace): Path<String>,
) -> Result<Response, Status> {
    let workloads = workloads(&shared)?;
    let make = move || {
        let pods = workloads.pods();
        let items = objects::deployments(pods.iter().filter(|pod| pod.pod.namespace == namespace));
        list(&headers, "DeploymentList", "apps/v1", &items)
    };
    Ok(on_blocking_thread(make).await)
}

async fn log(
    State(shared): State<Shared>,
    headers: HeaderMap,
    Path((namespace, pod)): Path<(String, String)>,
    parameters: Parameters,
) -> Result<Response, Status> {
    let workloads = workloads(&shared)?;
    for name in ["follow", "previous", "timestamps", "sinceSeconds", "sinceTime", "limitBytes"] {
        if !matches!(parameters.get(name), "" | "false" | "0") {
            return Err(Status::bad_request(format!(
                "{name} is not supported by tidewatch; hint: use tailLines"
            )));
        }
    }
    let tail_lines = match parameters.get("tailLines") {
        "" => None,
        text => match text.parse() {
            Ok(lines) => Some(lines),
            Err(_) => {
                return Err(Status::bad_request(format!("tailLines: {text:?} is not a number of lines")));
            }
        },
    };
    let container = Some(parameters.get("container").to_owned()).filter(|name| !name.is_empty());
    let encoding = Encoding::accepted_by(&headers);
    let make = move || {
        let log = workloads.log(&namespace, &pod, container.as_deref(), tail_lines);
        let body = log.map(|log| EncodedBody::new(log, encoding).into_response("text/plain"));
        body.map_err(|error| log_error(&error, &pod))
    };
    Ok(on_blocking_thread(make).await)
}

fn log_error(error: &RuntimeError, pod: &str) -> Status {
    match error {
        RuntimeError::NoSuchPod { .. } => Status::not_found("pods", pod),
        RuntimeError::NoSuchContainer { .. } => Status::bad_request(error.to_string()),
        _ => Status::internal(error.to_string()),
    }
}
