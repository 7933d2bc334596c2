//! The backend's environment variables.
//!
//! Input: the environment. Output: checked settings, or the error that names the variable. Deliberately has no variable that
//! turns instrumentation off.

use axum::http::HeaderValue;
use todo_telemetry::{BaseUrl, Environment, ListenSettings};

use crate::Result;

/// What the backend is started with.
#[derive(Clone, Debug)]
pub struct BackendSettings {
    /// Where it listens (`PORT` is 8000 by default) and how it stops.
    pub listen: ListenSettings,
    /// `DATABASE_URL`; by default the SQLite file `todo.db` in the working directory.
    pub database_url: String,
    /// Where events are published; `None` when `PUBSUB_NAME` is unset: then they stay in the outbox.
    pub publishing: Option<PublishSettings>,
}

/// Where events are published.
#[derive(Clone, Debug)]
pub struct PublishSettings {
    /// `DAPR_HTTP_ENDPOINT`, or `127.0.0.1` with `DAPR_HTTP_PORT` (3500 by default): the sidecar.
    pub sidecar: BaseUrl,
    /// `PUBSUB_NAME`: the name of the Dapr component.
    pub pubsub: String,
    /// `PUBSUB_TOPIC`, by default `task-events`.
    pub topic: String,
    /// `DAPR_API_TOKEN`: what the sidecar wants to see, if anything.
    pub api_token: Option<HeaderValue>,
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
            publishing: publishing(environment)?,
        })
    }
}

fn publishing(environment: &Environment) -> Result<Option<PublishSettings>> {
    let Some(pubsub) = name(environment, "PUBSUB_NAME")? else { return Ok(None) };
    let sidecar = match environment.base_url("DAPR_HTTP_ENDPOINT")? {
        Some(sidecar) => sidecar,
        None => {
            let port = environment.port("DAPR_HTTP_PORT", 3500)?;
            format!("http://127.0.0.1:{port}").parse().expect("an address and a port make a URL")
        }
    };
    let topic = name(environment, "PUBSUB_TOPIC")?.unwrap_or_else(|| "task-events".to_owned());
    let api_token = environment.text("DAPR_API_TOKEN").map(HeaderValue::from_str).transpose();
    let mut api_token = api_token.map_err(|_| todo_telemetry::Error::Setting {
        name: "DAPR_API_TOKEN",
        value: "…".to_owned(),
        reason: "it cannot be the value of a header".to_owned(),
        hint: "set DAPR_API_TOKEN to the token that the sidecar was given".to_owned(),
    })?;
    if let Some(token) = &mut api_token {
        token.set_sensitive(true);
    }
    Ok(Some(PublishSettings { sidecar, pubsub, topic, api_token }))
}

/// A name that can be part of a path as it is.
fn name(environment: &Environment, variable: &'static str) -> Result<Option<String>> {
    let Some(text) = environment.text(variable) else { return Ok(None) };
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if text.len() <= 249 && text.bytes().all(is_plain) {
        return Ok(Some(text.to_owned()));
    }
    Err(todo_telemetry::Error::Setting {
        name: variable,
        value: text.chars().take(80).collect(),
        reason: "not a name".to_owned(),
        hint: format!("set {variable} to at most 249 letters, digits, '-', '_' and '.'"),
    }
    .into())
}
