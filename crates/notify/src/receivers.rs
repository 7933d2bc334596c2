//! Receivers: who is told, and how. One file for each kind, with its settings, defaults, checks, request and sending.
//!
//! Input: an entry of `receivers` and the settings under `global`. Output: a checked [`ReceiverConfig`], and from it the
//! [`Receiver`]s that send. When to send, what to group and whether to try again is decided elsewhere; here one attempt is made and
//! judged. What is sent is what Alertmanager 0.34 sends.

mod defaults;
mod discord;
mod email;
pub(crate) mod go_json;
pub(crate) mod http_client;
mod mime;
mod msteams;
mod msteamsv2;
mod pagerduty;
mod rendered_value;
pub(crate) mod secret;
mod slack;
mod smtp;
mod tls;
pub(crate) mod verdict;
mod webhook;

pub use defaults::{Defaults, SmtpDefaults};
pub use discord::DiscordConfig;
pub use email::{EmailConfig, Threading};
pub use msteams::MsTeamsConfig;
pub use msteamsv2::MsTeamsV2Config;
pub use pagerduty::PagerdutyConfig;
pub use secret::variable_of;
pub use slack::{SlackAction, SlackAttachment, SlackConfig, SlackConfirmation, SlackField};
pub use webhook::WebhookConfig;

use crate::{Notification, Receiver, SendError, Templates};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tidewatch_manifest::SecretSource;
use tidewatch_manifest::reading::{self, Fields};

/// An entry of `receivers`.
#[derive(Clone, Debug, PartialEq)]
pub struct ReceiverConfig {
    /// Its name, unique in the file.
    pub name: String,
    /// Labels to find it by.
    pub labels: BTreeMap<String, String>,
    /// How it is told, in Alertmanager's order: by kind, then as written.
    pub integrations: Vec<IntegrationConfig>,
}

/// One way a receiver is told.
#[derive(Clone, Debug, PartialEq)]
pub enum IntegrationConfig {
    /// An entry of `webhook_configs`.
    Webhook(WebhookConfig),
    /// An entry of `email_configs`.
    Email(EmailConfig),
    /// An entry of `pagerduty_configs`.
    Pagerduty(PagerdutyConfig),
    /// An entry of `slack_configs`.
    Slack(SlackConfig),
    /// An entry of `discord_configs`.
    Discord(DiscordConfig),
    /// An entry of `msteams_configs`.
    MsTeams(MsTeamsConfig),
    /// An entry of `msteamsv2_configs`.
    MsTeamsV2(MsTeamsV2Config),
}

type ReadIntegration = fn(&Fields<'_>, &Defaults, &Path) -> IntegrationConfig;

/// The kinds, in the order in which Alertmanager tells them.
const KINDS: [(&str, ReadIntegration); 7] = [
    ("webhook_configs", |f, d, p| IntegrationConfig::Webhook(WebhookConfig::read(f, d, p))),
    ("email_configs", |f, d, p| IntegrationConfig::Email(EmailConfig::read(f, d, p))),
    ("pagerduty_configs", |f, d, p| IntegrationConfig::Pagerduty(PagerdutyConfig::read(f, d, p))),
    ("slack_configs", |f, d, p| IntegrationConfig::Slack(SlackConfig::read(f, d, p))),
    ("discord_configs", |f, d, p| IntegrationConfig::Discord(DiscordConfig::read(f, d, p))),
    ("msteams_configs", |f, d, p| IntegrationConfig::MsTeams(MsTeamsConfig::read(f, d, p))),
    ("msteamsv2_configs", |f, d, p| IntegrationConfig::MsTeamsV2(MsTeamsV2Config::read(f, d, p))),
];

/// Kinds that Alertmanager has besides.
const OTHER_KINDS: [&str; 11] = [
    "incidentio_configs",
    "jira_configs",
    "mattermost_configs",
    "opsgenie_configs",
    "pushover_configs",
    "rocketchat_configs",
    "sns_configs",
    "telegram_configs",
    "victorops_configs",
    "webex_configs",
    "wechat_configs",
];

impl ReceiverConfig {
    /// Reads an entry of `receivers`; relative paths in its `http_config` are below `folder`. Mistakes go to the report of `fields`.
    pub fn read(fields: &Fields<'_>, defaults: &Defaults, folder: &Path) -> Self {
        let mut integrations = Vec::new();
        for (key, read) in KINDS {
            for entry in fields.list(key) {
                integrations.push(read(&entry, defaults, folder));
                entry.finish();
            }
        }
        for key in OTHER_KINDS {
            if fields.raw(key).is_some() {
                let kind = key.trim_end_matches("_configs");
                let hint = "use webhook, email, pagerduty, slack, discord, msteams or msteamsv2; a webhook reaches the rest";
                fields.wrong(key, format!("not supported yet: receiver kind {kind}"), hint);
            }
        }
        let name = reading::text(fields, "name").unwrap_or_default();
        if name.is_empty() {
            fields.wrong("name", "missing name in receiver", "routes name their receiver by it");
        }
        Self { name, labels: reading::text_map(fields, "labels"), integrations }
    }
}

/// What sends for a receiver, in the order of its integrations.
pub fn build(config: &ReceiverConfig, templates: &Arc<Templates>) -> Vec<Box<dyn Receiver>> {
    config.integrations.iter().map(|integration| integration.build(templates)).collect()
}

impl IntegrationConfig {
    fn build(&self, templates: &Arc<Templates>) -> Box<dyn Receiver> {
        let templates = Arc::clone(templates);
        match self {
            Self::Webhook(config) => Box::new(webhook::Webhook { config: config.clone(), templates }),
            Self::Email(config) => Box::new(email::Email { config: config.clone(), templates }),
            Self::Pagerduty(config) => Box::new(pagerduty::Pagerduty { config: config.clone(), templates }),
            Self::Slack(config) => Box::new(slack::Slack { config: config.clone(), templates }),
            Self::Discord(config) => Box::new(discord::Discord { config: config.clone(), templates }),
            Self::MsTeams(config) => Box::new(msteams::MsTeams { config: config.clone(), templates }),
            Self::MsTeamsV2(config) => Box::new(msteamsv2::MsTeamsV2 { config: config.clone(), templates }),
        }
    }
}

/// A notification and what renders it.
#[derive(Clone, Copy)]
pub(crate) struct Rendering<'a> {
    pub(crate) templates: &'a Templates,
    pub(crate) notification: &'a Notification,
}

impl Rendering<'_> {
    /// The text of a template.
    ///
    /// # Errors
    /// When it fails; it would fail again, so that is not tried.
    pub(crate) fn text(&self, field: &str, template: &str) -> Result<String, SendError> {
        let rendered = self.templates.text(template, self.notification);
        rendered.map_err(|error| SendError::unrecoverable(format!("execute {field:?} template: {error}")))
    }

    /// The HTML of a template.
    ///
    /// # Errors
    /// When it fails; it would fail again, so that is not tried.
    pub(crate) fn html(&self, field: &str, template: &str) -> Result<String, SendError> {
        let rendered = self.templates.html(template, self.notification);
        rendered.map_err(|error| SendError::unrecoverable(format!("execute {field:?} template: {error}")))
    }
}

/// `firing` while any alert fires, `resolved` otherwise.
pub(crate) fn status_of(notification: &Notification) -> &'static str {
    let fires = notification.alerts.iter().any(|alert| alert.status.as_str() == "firing");
    if fires { "firing" } else { "resolved" }
}

/// A name for a group that is short enough for everybody: SHA-256 in hexadecimal.
pub(crate) fn hash_of(group_key: &str) -> String {
    Sha256::digest(group_key.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A text of at most `most` characters; what is cut off leaves an ellipsis.
pub(crate) fn truncated_in_runes(text: String, most: usize) -> String {
    match text.char_indices().nth(most) {
        None => text,
        Some(_) => {
            let kept = text.char_indices().nth(most - 1).map_or(0, |(at, _)| at);
            format!("{}…", &text[..kept])
        }
    }
}

/// An attempt within the receiver's own `timeout`; zero is none.
pub(crate) async fn timed(
    kind: &str,
    timeout: Duration,
    attempt: impl Future<Output = Result<(), SendError>>,
) -> Result<(), SendError> {
    if timeout.is_zero() {
        return attempt.await;
    }
    match tokio::time::timeout(timeout, attempt).await {
        Ok(outcome) => outcome,
        Err(_) => Err(SendError::recoverable(format!("configured {kind} timeout reached ({timeout:?})"))),
    }
}

/// A secret that is written, or in a file, but not both. As in Alertmanager, a relative path is below the working directory.
pub(crate) fn secret_field(
    fields: &Fields<'_>,
    inline: &'static str,
    file: &'static str,
) -> Option<SecretSource> {
    let given = |key| reading::text(fields, key).filter(|text| !text.is_empty());
    match (given(inline), given(file)) {
        (Some(value), None) => Some(SecretSource::Inline(value)),
        (None, Some(path)) => Some(SecretSource::File(path.into())),
        (None, None) => None,
        (Some(value), Some(_)) => {
            let message = format!("at most one of {inline} & {file} must be configured");
            fields.wrong(file, message, "keep one of them");
            Some(SecretSource::Inline(value))
        }
    }
}

/// Says that none of some fields is there, at the first of them; one that is there and wrong has been spoken of.
fn missing<const N: usize>(fields: &Fields<'_>, keys: [&str; N], message: &str, hint: &str) {
    if !keys.iter().any(|key| fields.has(key)) {
        fields.wrong(keys[0], message, hint);
    }
}

/// `webhook_url` or `webhook_url_file`, one of which must be there.
fn webhook_url(fields: &Fields<'_>) -> SecretSource {
    let url = secret_field(fields, "webhook_url", "webhook_url_file").unwrap_or_else(|| {
        let hint = "copy it from the channel's settings";
        let message = "one of webhook_url or webhook_url_file must be configured";
        missing(fields, ["webhook_url", "webhook_url_file"], message, hint);
        SecretSource::Inline(String::new())
    });
    if let SecretSource::Inline(text) = &url
        && !text.is_empty()
        && let Err(reason) = http_client::parse_url(text)
    {
        fields.wrong("webhook_url", reason, "copy it from the channel's settings");
    }
    url
}

/// A field that is a template, checked.
fn template_field(fields: &Fields<'_>, key: &'static str, default: &str) -> String {
    match reading::text(fields, key) {
        Some(template) => {
            check_template(fields, key, &template);
            template
        }
        None => default.to_owned(),
    }
}

fn check_template(fields: &Fields<'_>, key: &str, template: &str) {
    if let Err(error) = Templates::check(template) {
        fields.wrong(key, format!("invalid template: {error}"), "");
    }
}

/// Checks every text inside of a value.
fn check_templates_in(fields: &Fields<'_>, key: &str, value: &Value) {
    match value {
        Value::String(template) => check_template(fields, key, template),
        Value::Array(items) => items.iter().for_each(|item| check_templates_in(fields, key, item)),
        Value::Object(entries) => {
            for (name, value) in entries {
                check_template(fields, key, name);
                check_templates_in(fields, key, value);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_end_with_an_ellipsis() {
        let check = |text: &str, most: usize, expected: &str| {
            assert_eq!(truncated_in_runes(text.to_owned(), most), expected);
        };
        check("héllo", 5, "héllo");
        check("héllo!", 5, "héll…");
        check("", 5, "");
    }

    #[test]
    fn groups_are_named_by_their_hash() {
        assert_eq!(hash_of(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    }
}
