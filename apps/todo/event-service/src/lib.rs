//! The todo application's event service: the activity feed of every task.
//!
//! Input: CloudEvents about tasks. Output: the feed over HTTP, newest first, and metrics. An event that arrives twice is kept once.
//! Deliberately knows of tasks only what their events say.

mod error;
mod settings;

mod cloud_event;

mod schema;

mod store;

mod metrics;

mod api;

mod app;

pub use app::run;
pub use error::{Error, Result};
pub use settings::{EventServiceSettings, Subscription};
