//! The receiver `discord`: an embed with title and description in a channel.
//!
//! Input: a [`Notification`]. Output: a POST to the channel's webhook. Title, description and content are cut to Discord's limits. A
//! 429 is tried again after the time that Discord names.

use super::http_client::{self, Reading};
use super::secret::{self, Redactor};
use super::verdict::judge;
use super::{Defaults, Rendering, go_json, status_of, template_field, truncated_in_runes, webhook_url};
use crate::{Notification, Receiver, SendError, Templates};
use serde::Serialize;
use std::path::Path;
use std::sync::Arc;
use tidewatch_manifest::reading::{self, Fields};
use tidewatch_manifest::{HttpSettings, SecretSource};

/// Characters of an embed's title, of its description and of a message, at most.
const MAX_TITLE: usize = 256;
const MAX_DESCRIPTION: usize = 4096;
const MAX_CONTENT: usize = 2000;

/// An entry of `discord_configs`.
#[derive(Clone, Debug, PartialEq)]
pub struct DiscordConfig {
    /// Whether resolved alerts are sent; yes by default.
    pub send_resolved: bool,
    /// How Discord is talked to.
    pub http: HttpSettings,
    /// The channel's webhook.
    pub webhook_url: SecretSource,
    /// The message above the embed, a template.
    pub content: String,
    /// The embed's title, a template.
    pub title: String,
    /// The embed's description, a template.
    pub message: String,
    /// The name shown instead of the webhook's own.
    pub username: String,
    /// The picture shown instead of the webhook's own.
    pub avatar_url: String,
}

impl DiscordConfig {
    pub(super) fn read(fields: &Fields<'_>, defaults: &Defaults, folder: &Path) -> Self {
        Self {
            send_resolved: fields.flag("send_resolved").unwrap_or(true),
            http: defaults.http_of(fields, folder),
            webhook_url: webhook_url(fields),
            content: template_field(fields, "content", ""),
            title: template_field(fields, "title", r#"{{ template "discord.default.title" . }}"#),
            message: template_field(fields, "message", r#"{{ template "discord.default.message" . }}"#),
            username: reading::text(fields, "username").unwrap_or_default(),
            avatar_url: reading::text(fields, "avatar_url").unwrap_or_default(),
        }
    }
}

/// Posts to a Discord channel.
#[derive(Debug)]
pub(super) struct Discord {
    pub(super) config: DiscordConfig,
    pub(super) templates: Arc<Templates>,
}

impl Receiver for Discord {
    fn name(&self) -> &'static str {
        "discord"
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
pub(super) fn request(config: &DiscordConfig, rendering: &Rendering<'_>) -> Result<Vec<u8>, SendError> {
    let title = truncated_in_runes(rendering.text("title", &config.title)?, MAX_TITLE);
    let description = truncated_in_runes(rendering.text("message", &config.message)?, MAX_DESCRIPTION);
    let content = truncated_in_runes(rendering.text("content", &config.content)?, MAX_CONTENT);
    let color = match status_of(rendering.notification) {
        "firing" => 0x99_2D22,
        _ => 0x2E_CC71,
    };
    Ok(go_json::encode(&Message {
        content,
        embeds: [Embed { title, description, color }],
        username: &config.username,
        avatar_url: &config.avatar_url,
    }))
}

#[derive(Serialize)]
struct Message<'a> {
    content: String,
    embeds: [Embed; 1],
    #[serde(skip_serializing_if = "str::is_empty")]
    username: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    avatar_url: &'a str,
}

#[derive(Serialize)]
struct Embed {
    title: String,
    description: String,
    color: u32,
}
