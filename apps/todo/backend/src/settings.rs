//! The backend's environment variables.
//!
//! Input: the environment. Output: checked settings, or the error that names the variable. Deliberately has no variable that
//! turns instrumentation off.

use todo_telemetry::{BaseUrl, Environment, ListenSettings};

use crate::Result;

/// What the backend is started with.
#[derive(Clone, Debug)]
pub struct BackendSettings {
    /// Where it listens (`PORT` is 8000 by default) and how it stops.
    pub listen: ListenSettings,
    /// `DATABASE_URL`; by default the SQLite file `todo.db` in the working directory.
    pub database_url: String,
    /// `EVENT_SERVICE_URL`; events are not sent when it is unset.
    pub event_service: Option<BaseUrl>,
    /// `EVENT_QUEUE_SIZE`: most events waiting to be sent.
    pub event_queue_size: usize,
}

impl BackendSettings {
    /// Reads every variable.
    ///
    /// # Errors
    /// The first variable that cannot be used.
    pub fn from_environment(environment: &Environment) -> Result<Self> {
        Ok(Self {
            listen: ListenSettings::from_environment(environment, 8000)?,
            database_url: environment.text("DATABASE_URL").unwrap_or("sqlite:todo.db").to_owned(),
            event_service: environment.base_url("EVENT_SERVICE_URL")?,
            event_queue_size: usize::try_from(environment.number("EVENT_QUEUE_SIZE", 4096, 4..=1_000_000)?)
                .expect("a million fits"),
        })
    }
}
