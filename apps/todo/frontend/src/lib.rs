//! The todo application's frontend: the page a person uses, and the way from there to the backend and the event service.
//!
//! Input: a browser's requests. Output: the embedded page, or whatever the service behind a path answers. Deliberately without
//! state: replicas are interchangeable.

mod error;
mod settings;

mod page;

mod proxy;

mod app;

pub use app::run;
pub use error::{Error, Result};
pub use settings::FrontendSettings;
