//! The real backend over loopback: what it answers, stores, announces, counts and how it stops.
//!
//! Input: the built program. Output: assertions. Deliberately nothing inside the process is replaced: the only stand-in is the
//! Dapr sidecar, which delivers to a real event service where that matters.

// The lint knows test functions, not what they call.
#![allow(clippy::unwrap_used)]

mod chaos;
mod crud;
mod drain;
mod events;
mod faults;
mod measured;
mod refusals;
mod replicas;
mod sidecar;
mod starting;

use std::ops::{Deref, DerefMut};

use tempfile::TempDir;
use todo_telemetry::testing::Running;

/// A backend with a database of its own.
struct Backend {
    running: Running,
    folder: TempDir,
}

impl Backend {
    async fn start(variables: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let running = start_on(&database_in(&folder), variables).await;
        Self { running, folder }
    }
}

impl Deref for Backend {
    type Target = Running;

    fn deref(&self) -> &Running {
        &self.running
    }
}

impl DerefMut for Backend {
    fn deref_mut(&mut self) -> &mut Running {
        &mut self.running
    }
}

fn database_in(folder: &TempDir) -> String {
    format!("sqlite:{}/todo.db", folder.path().display())
}

async fn start_on(database_url: &str, variables: &[(&str, &str)]) -> Running {
    let variables = [&[("DATABASE_URL", database_url)], variables].concat();
    Running::start(env!("CARGO_BIN_EXE_todo-backend"), &variables).await.ready().await
}
