//! The logs of pods.
//!
//! Input: calls of `kubectl logs`, the page, scripts. Output: the last lines a container wrote, as plain text. Logs are
//! not followed, and only the current run's are served.

use super::status::Status;
use super::{read, workloads};
use crate::Shared;
use crate::parameters::Parameters;
use crate::reply::{EncodedBody, Encoding, on_blocking_thread};
use axum::Router;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use tidewatch_runtime::RuntimeError;

pub(super) fn routes() -> Router<Shared> {
    Router::new().route("/api/v1/namespaces/{namespace}/pods/{name}/log", read(log))
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
