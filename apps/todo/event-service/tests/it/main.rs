//! The real event service over loopback: what it keeps, shows, refuses and counts.
//!
//! Input: the built program. Output: assertions. Deliberately nothing inside the process is replaced.

// The lint knows test functions, not what they call.
#![allow(clippy::unwrap_used)]

mod faults;
mod feed;
mod received;
mod starting;

use std::ops::{Deref, DerefMut};

use serde_json::{Value, json};
use tempfile::TempDir;
use todo_telemetry::testing::Running;

/// An event service with a database of its own.
struct EventService {
    running: Running,
    folder: TempDir,
}

impl EventService {
    async fn start(variables: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let running = start_on(&database_in(&folder), variables).await;
        Self { running, folder }
    }
}

impl Deref for EventService {
    type Target = Running;

    fn deref(&self) -> &Running {
        &self.running
    }
}

impl DerefMut for EventService {
    fn deref_mut(&mut self) -> &mut Running {
        &mut self.running
    }
}

fn database_in(folder: &TempDir) -> String {
    format!("sqlite:{}/activity.db", folder.path().display())
}

async fn start_on(database_url: &str, variables: &[(&str, &str)]) -> Running {
    let variables = [&[("DATABASE_URL", database_url)], variables].concat();
    Running::start(env!("CARGO_BIN_EXE_todo-event-service"), &variables).await.ready().await
}

fn event(id: &str, event_type: &str, task_id: i64) -> Value {
    json!({
        "specversion": "1.0", "id": id, "source": "/todo-backend", "type": event_type,
        "subject": task_id.to_string(), "time": "2026-01-01T10:00:00Z", "datacontenttype": "application/json",
        "data": {"task_id": task_id, "changed": ["title"], "task": {"title": "Buy milk"}},
    })
}
