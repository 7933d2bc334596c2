//! The receiver `msteamsv2`: an adaptive card in Microsoft Teams, through a Power Automate workflow.
//!
//! Input: a [`Notification`]. Output: a POST to the workflow's URL.

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

/// An entry of `msteamsv2_configs`.
#[derive(Clone, Debug, PartialEq)]
pub struct MsTeamsV2Config {
    /// Whether resolved alerts are sent; yes by default.
    pub send_resolved: bool,
    /// How the workflow is talked to.
    pub http: HttpSettings,
    /// The workflow's URL.
    pub webhook_url: SecretSource,
    /// The card's heading, a template.
    pub title: String,
    /// The card's text, a template.
    pub text: String,
}

impl MsTeamsV2Config {
    pub(super) fn read(fields: &Fields<'_>, defaults: &Defaults, folder: &Path) -> Self {
        Self {
            send_resolved: fields.flag("send_resolved").unwrap_or(true),
            http: defaults.http_of(fields, folder),
            webhook_url: webhook_url(fields),
            title: template_field(fields, "title", r#"{{ template "msteamsv2.default.title" . }}"#),
            text: template_field(fields, "text", r#"{{ template "msteamsv2.default.text" . }}"#),
        }
    }
}

/// Posts to a Teams workflow.
#[derive(Debug)]
pub(super) struct MsTeamsV2 {
    pub(super) config: MsTeamsV2Config,
    pub(super) templates: Arc<Templates>,
}

impl Receiver for MsTeamsV2 {
    fn name(&self) -> &'static str {
        "msteamsv2"
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
pub(super) fn request(config: &MsTeamsV2Config, rendering: &Rendering<'_>) -> Result<Vec<u8>, SendError> {
    let firing = status_of(rendering.notification) == "firing";
    let heading = TextBlock {
        kind: "TextBlock",
        text: rendering.text("title", &config.title)?,
        weight: Some("Bolder"),
        size: Some("Medium"),
        wrap: true,
        style: Some("heading"),
        color: Some(if firing { "Attention" } else { "Good" }),
    };
    let text = TextBlock {
        text: rendering.text("text", &config.text)?,
        weight: None,
        size: None,
        style: None,
        color: None,
        ..heading
    };
    let card = Card {
        schema: "http://adaptivecards.io/schemas/adaptive-card.json",
        kind: "AdaptiveCard",
        version: "1.2",
        body: [heading, text],
        msteams: Width { width: "full" },
    };
    let content_type = "application/vnd.microsoft.card.adaptive";
    let attachment = Attachment { content_type, content_url: None, content: card };
    Ok(go_json::encode(&Message { kind: "message", attachments: [attachment] }))
}

#[derive(Serialize)]
struct Message {
    #[serde(rename = "type")]
    kind: &'static str,
    attachments: [Attachment; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Attachment {
    content_type: &'static str,
    content_url: Option<&'static str>,
    content: Card,
}

#[derive(Serialize)]
struct Card {
    #[serde(rename = "$schema")]
    schema: &'static str,
    #[serde(rename = "type")]
    kind: &'static str,
    version: &'static str,
    body: [TextBlock; 2],
    msteams: Width,
}

#[derive(Serialize)]
struct TextBlock {
    #[serde(rename = "type")]
    kind: &'static str,
    text: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    weight: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<&'static str>,
    wrap: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    style: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    color: Option<&'static str>,
}

#[derive(Serialize)]
struct Width {
    width: &'static str,
}
