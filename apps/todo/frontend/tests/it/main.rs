//! The real frontend over loopback: the page it serves and what it passes on.
//!
//! Input: the built program, and stand-ins for the services behind it. Output: assertions.

// The lint knows test functions, not what they call.
#![allow(clippy::unwrap_used)]

mod page;
mod proxy;
mod traced;

use todo_telemetry::testing::Running;

const PROGRAM: &str = env!("CARGO_BIN_EXE_todo-frontend");

/// A frontend in front of `backend` and `event_service`.
async fn start(backend: &str, event_service: &str, variables: &[(&str, &str)]) -> Running {
    let services = [("BACKEND_URL", backend), ("EVENT_SERVICE_URL", event_service)];
    Running::start(PROGRAM, &[&services, variables].concat()).await.ready().await
}
