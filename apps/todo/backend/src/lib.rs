//! The todo application's backend: tasks over HTTP, kept in SQLite or PostgreSQL, with an event for every change.
//!
//! Input: `/api/tasks` requests. Output: tasks as JSON, CloudEvents to the event service, metrics. Deliberately keeps nothing in
//! memory between requests except events on their way, so that replicas are interchangeable.

mod error;
mod settings;

mod task;

mod draft;
mod page;

mod schema;

mod store;

mod event;
mod event_queue;

mod metrics;

mod api;

mod app;

pub use app::{App, Instrumentation, run};
pub use error::{Error, Result};
pub use settings::BackendSettings;
