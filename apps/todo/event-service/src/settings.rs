//! The event service's environment variables.
//!
//! Input: the environment. Output: checked settings, or the error that names the variable. Deliberately has no address of another
//! service: it only listens.

use todo_telemetry::{Environment, ListenSettings};

use crate::Result;

/// What the event service is started with.
#[derive(Clone, Debug)]
pub struct EventServiceSettings {
    /// Where it listens (`PORT` is 8001 by default) and how it stops.
    pub listen: ListenSettings,
    /// `DATABASE_URL`; by default the SQLite file `activity.db` in the working directory.
    pub database_url: String,
    /// `ACTIVITY_LIMIT`: how many of the newest activities are kept.
    pub activity_limit: i64,
}

impl EventServiceSettings {
    /// Reads every variable.
    ///
    /// # Errors
    /// The first variable that cannot be used.
    pub fn from_environment(environment: &Environment) -> Result<Self> {
        Ok(Self {
            listen: ListenSettings::from_environment(environment, 8001)?,
            database_url: environment.text("DATABASE_URL").unwrap_or("sqlite:activity.db").to_owned(),
            activity_limit: i64::try_from(environment.number(
                "ACTIVITY_LIMIT",
                100_000,
                100..=100_000_000,
            )?)
            .expect("a hundred million fits"),
        })
    }
}
