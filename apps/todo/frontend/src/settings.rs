//! The frontend's environment variables.
//!
//! Input: the environment. Output: checked settings, or the error that names the variable. Deliberately does not look up whether
//! the services are there: they may start later.

use std::time::Duration;

use todo_telemetry::{BaseUrl, Environment, ListenSettings};

use crate::Result;

/// What the frontend is started with.
#[derive(Clone, Debug)]
pub struct FrontendSettings {
    /// Where it listens (`PORT` is 8080 by default) and how it stops.
    pub listen: ListenSettings,
    /// `BACKEND_URL`; by default `http://127.0.0.1:8000`.
    pub backend: BaseUrl,
    /// `EVENT_SERVICE_URL`; by default `http://127.0.0.1:8001`.
    pub event_service: BaseUrl,
    /// `UPSTREAM_TIMEOUT_MS`: longest wait for the head of an answer.
    pub upstream_timeout: Duration,
}

impl FrontendSettings {
    /// Reads every variable.
    ///
    /// # Errors
    /// The first variable that cannot be used.
    pub fn from_environment(environment: &Environment) -> Result<Self> {
        let local = |port: u16| {
            format!("http://127.0.0.1:{port}").parse::<BaseUrl>().expect("a loopback address is a base URL")
        };
        Ok(Self {
            listen: ListenSettings::from_environment(environment, 8080)?,
            backend: environment.base_url("BACKEND_URL")?.unwrap_or_else(|| local(8000)),
            event_service: environment.base_url("EVENT_SERVICE_URL")?.unwrap_or_else(|| local(8001)),
            upstream_timeout: environment.milliseconds("UPSTREAM_TIMEOUT_MS", 10_000, 10..=600_000)?,
        })
    }
}
