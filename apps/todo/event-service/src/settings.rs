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
    /// What `GET /dapr/subscribe` answers, with `DAPR_SUBSCRIBE=true`; without it the subscription is left to a manifest.
    pub subscription: Option<Subscription>,
}

/// A subscription that the sidecar learns from the application itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    /// `PUBSUB_NAME`, by default `todo-pubsub`.
    pub pubsub: String,
    /// `PUBSUB_TOPIC`, by default `task-events`.
    pub topic: String,
    /// `PUBSUB_DEAD_LETTER_TOPIC`, by default `task-events-dead-letter`.
    pub dead_letter_topic: String,
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
            subscription: subscription(environment)?,
        })
    }
}

fn subscription(environment: &Environment) -> Result<Option<Subscription>> {
    match environment.text("DAPR_SUBSCRIBE") {
        None | Some("false") => Ok(None),
        Some("true") => {
            let text = |name, default: &str| environment.text(name).unwrap_or(default).to_owned();
            Ok(Some(Subscription {
                pubsub: text("PUBSUB_NAME", "todo-pubsub"),
                topic: text("PUBSUB_TOPIC", "task-events"),
                dead_letter_topic: text("PUBSUB_DEAD_LETTER_TOPIC", "task-events-dead-letter"),
            }))
        }
        Some(other) => Err(todo_telemetry::Error::Setting {
            name: "DAPR_SUBSCRIBE",
            value: other.chars().take(80).collect(),
            reason: "neither true nor false".to_owned(),
            hint: "set DAPR_SUBSCRIBE to true to subscribe without a Subscription manifest".to_owned(),
        }
        .into()),
    }
}
