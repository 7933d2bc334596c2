//! The receiver `msteams`: a message card in a Microsoft Teams channel, through an incoming webhook.
//!
//! Input: a [`Notification`]. Output: a POST to the channel's webhook. The workflows that succeeded these webhooks are `msteamsv2`.

use super::http_client::{self, Reading};
use super::secret::{self, Redactor};
use super::verdict::judge;
use super::{Defaults, Rendering, go_json, status_of, template_field, webhook_url};
use crate::{Notification, Receiver, SendError, Templates};
use serde::Serialize;
use std::path::Path;
use std::sync::Arc;
use tidewatch_manifest::reading::Fields;
use tidewatch_manifest::{HttpSettings, SecretSource};

/// An entry of `msteams_configs`.
#[derive(Clone, Debug, PartialEq)]
pub struct MsTeamsConfig {
    /// Whether resolved alerts are sent; yes by default.
    pub send_resolved: bool,
    /// How Teams is talked to.
    pub http: HttpSettings,
    /// The channel's webhook.
    pub webhook_url: SecretSource,
    /// The card's title, a template.
    pub title: String,
    /// What a notification of the card says, a template.
    pub summary: String,
    /// The card's text, a template.
    pub text: String,
}

impl MsTeamsConfig {
    pub(super) fn read(fields: &Fields<'_>, defaults: &Defaults, folder: &Path) -> Self {
        Self {
            send_resolved: fields.flag("send_resolved").unwrap_or(true),
            http: defaults.http_of(fields, folder),
            webhook_url: webhook_url(fields),
            title: template_field(fields, "title", r#"{{ template "msteams.default.title" . }}"#),
            summary: template_field(fields, "summary", r#"{{ template "msteams.default.summary" . }}"#),
            text: template_field(fields, "text", r#"{{ template "msteams.default.text" . }}"#),
        }
    }
}

/// Posts to a Teams channel.
#[derive(Debug)]
pub(super) struct MsTeams {
    pub(super) config: MsTeamsConfig,
    pub(super) templates: Arc<Templates>,
}

impl Receiver for MsTeams {
    fn name(&self) -> &'static str {
        "msteams"
    }

    fn send_resolved(&self) -> bool {
        self.config.send_resolved
    }

    fn notify<'a>(&'a self, notification: &'a Notification) -> crate::BoxFuture<'a, Result<(), SendError>> {
        Box::pin(async move {
            let body = request(&self.config, &Rendering { templates: &self.templates, notification })?;
            let url = secret::read("webhook_url_file", &self.config.webhook_url).await?;
            let mut redactor = Redactor::default();
            let answer =
                http_client::post_json(&self.config.http, &url, body, Reading::Errors, &mut redactor).await?;
            judge(&answer, &[], None).map_err(|error| redactor.redact_error(error))
        })
    }
}

/// The body of the request.
///
/// # Errors
/// When a template fails.
pub(super) fn request(config: &MsTeamsConfig, rendering: &Rendering<'_>) -> Result<Vec<u8>, SendError> {
    Ok(go_json::encode(&Card {
        context: "http://schema.org/extensions",
        kind: "MessageCard",
        title: rendering.text("title", &config.title)?,
        summary: rendering.text("summary", &config.summary)?,
        text: rendering.text("text", &config.text)?,
        theme_color: if status_of(rendering.notification) == "firing" { "8C1A1A" } else { "2DC72D" },
    }))
}

#[derive(Serialize)]
struct Card {
    #[serde(rename = "@context")]
    context: &'static str,
    #[serde(rename = "type")]
    kind: &'static str,
    title: String,
    summary: String,
    text: String,
    #[serde(rename = "themeColor")]
    theme_color: &'static str,
}
