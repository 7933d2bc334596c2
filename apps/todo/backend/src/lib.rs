//! The todo application's backend: tasks over HTTP, kept in SQLite or PostgreSQL, with an event for every change.
//!
//! Input: `/api/tasks` requests. Output: tasks as JSON, CloudEvents to a Dapr sidecar, metrics. Deliberately keeps nothing in
//! memory between requests that is not in the database, so that replicas are interchangeable and none of them is missed.

mod error;
mod settings;

mod task;

mod draft;
mod page;

mod schema;

mod event;

mod outbox;
mod outbox_metrics;

mod metrics;

mod back_off;
mod publisher;
mod relay;

mod store;

mod api;

mod app;

pub use app::{App, Instrumentation, run};
pub use error::{Error, Result};
pub use settings::{BackendSettings, PublishSettings};
