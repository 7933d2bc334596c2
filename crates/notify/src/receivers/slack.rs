//! The receiver `slack`: a message with one attachment, through an incoming webhook or a bot's token.
//!
//! Input: a [`Notification`]. Output: a POST to the webhook or to Slack's API. Slack says what is wrong in the body of an answer 200
//! too. Replacing an earlier message (`update_message`) is refused at load.

use super::http_client::{self, Answer, Reading, parse_url};
use super::secret::{self, Redactor};
use super::verdict::{judge, shortened};
use super::{Defaults, Rendering, go_json, missing, secret_field, template_field, timed, truncated_in_runes};
use crate::{Notification, Receiver, SendError, Templates};
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tidewatch_manifest::reading::{self, Fields};
use tidewatch_manifest::{HttpAuth, HttpSettings, SecretSource};

/// Characters of a title at most.
const MAX_TITLE: usize = 1024;

/// An entry of `slack_configs`.
#[derive(Clone, Debug, PartialEq)]
pub struct SlackConfig {
    /// Whether resolved alerts are sent; no by default.
    pub send_resolved: bool,
    /// How Slack is talked to; holds the app's token, if there is one.
    pub http: HttpSettings,
    /// The incoming webhook, or Slack's API for an app.
    pub api_url: SecretSource,
    /// The channel or user, a template.
    pub channel: String,
    /// The name shown, a template.
    pub username: String,
    /// The picture shown, as an emoji or a URL; templates.
    pub icon_emoji: String,
    /// See `icon_emoji`.
    pub icon_url: String,
    /// Whether names are made links.
    pub link_names: bool,
    /// The message above the attachment, a template.
    pub message_text: String,
    /// The attachment's texts, templates.
    pub attachment: SlackAttachment,
    /// Fields of the attachment.
    pub fields: Vec<SlackField>,
    /// Buttons of the attachment.
    pub actions: Vec<SlackAction>,
    /// Parts of the attachment in which Slack's markup counts.
    pub mrkdwn_in: Vec<String>,
    /// Time a request may take; zero is no limit of its own.
    pub timeout: Duration,
}

/// Texts of an attachment, each a template.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SlackAttachment {
    /// The title, and where it leads.
    pub title: String,
    /// See `title`.
    pub title_link: String,
    /// What stands above the attachment.
    pub pretext: String,
    /// The text.
    pub text: String,
    /// What is shown where attachments are not.
    pub fallback: String,
    /// Names the attachment to an app.
    pub callback_id: String,
    /// A picture, and a small one.
    pub image_url: String,
    /// See `image_url`.
    pub thumb_url: String,
    /// The last line.
    pub footer: String,
    /// The bar's colour.
    pub color: String,
}

/// A field: title and value are templates.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SlackField {
    /// Its title.
    pub title: String,
    /// Its value.
    pub value: String,
    /// Whether another may stand beside it.
    pub short: bool,
}

/// A button; all texts are templates.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SlackAction {
    /// What it is, e.g. `button`.
    #[serde(rename = "type")]
    pub kind: String,
    /// What stands on it.
    pub text: String,
    /// Where it leads.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub url: String,
    /// How it looks.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub style: String,
    /// Names it to an app, and what it says to it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// See `name`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub value: String,
    /// The question asked before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub confirm: Option<SlackConfirmation>,
}

/// A question before a button does something; all texts are templates.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SlackConfirmation {
    /// The question.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub text: String,
    /// What stands above it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub title: String,
    /// The answer that goes on.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub ok_text: String,
    /// The answer that does not.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub dismiss_text: String,
}

impl SlackConfig {
    pub(super) fn read(fields: &Fields<'_>, defaults: &Defaults, folder: &Path) -> Self {
        if fields.flag("update_message") == Some(true) {
            fields.wrong(
                "update_message",
                "not supported yet: updating messages",
                "remove it: each notification is a message",
            );
        }
        let mut http = defaults.http_of(fields, folder);
        let api_url = address(fields, defaults, &mut http);
        let text = |key, default| template_field(fields, key, default);
        Self {
            send_resolved: fields.flag("send_resolved").unwrap_or(false),
            http,
            api_url,
            channel: text("channel", ""),
            username: text("username", r#"{{ template "slack.default.username" . }}"#),
            icon_emoji: text("icon_emoji", r#"{{ template "slack.default.iconemoji" . }}"#),
            icon_url: text("icon_url", r#"{{ template "slack.default.iconurl" . }}"#),
            link_names: fields.flag("link_names").unwrap_or(false),
            message_text: text("message_text", ""),
            attachment: SlackAttachment {
                title: text("title", r#"{{ template "slack.default.title" . }}"#),
                title_link: text("title_link", r#"{{ template "slack.default.titlelink" . }}"#),
                pretext: text("pretext", r#"{{ template "slack.default.pretext" . }}"#),
                text: text("text", r#"{{ template "slack.default.text" . }}"#),
                fallback: text("fallback", r#"{{ template "slack.default.fallback" . }}"#),
                callback_id: text("callback_id", r#"{{ template "slack.default.callbackid" . }}"#),
                image_url: text("image_url", ""),
                thumb_url: text("thumb_url", ""),
                footer: text("footer", r#"{{ template "slack.default.footer" . }}"#),
                color: text("color", r#"{{ template "slack.default.color" . }}"#),
            },
            fields: read_fields(fields),
            actions: fields.list("actions").into_iter().map(read_action).collect(),
            mrkdwn_in: Some(reading::texts(fields, "mrkdwn_in"))
                .filter(|parts| !parts.is_empty())
                .unwrap_or_else(|| ["fallback", "pretext", "text"].map(str::to_owned).to_vec()),
            timeout: reading::duration(fields, "timeout").unwrap_or_default(),
        }
    }
}

/// Where messages go: the own webhook or app, or the global ones. A token goes into the HTTP settings.
fn address(fields: &Fields<'_>, defaults: &Defaults, http: &mut HttpSettings) -> SecretSource {
    let own_url = secret_field(fields, "api_url", "api_url_file");
    let own_token = secret_field(fields, "app_token", "app_token_file");
    if own_url.is_some() && own_token.is_some() {
        fields.wrong(
            "app_token",
            "at most one of api_url/api_url_file & app_token/app_token_file must be configured",
            "keep one of them",
        );
    }
    if let Some(SecretSource::Inline(url)) = &own_url
        && let Err(reason) = parse_url(url)
    {
        fields.wrong("api_url", reason, "copy the URL of the incoming webhook");
    }
    let app_url = reading::text(fields, "app_url").unwrap_or_else(|| defaults.slack_app_url.clone());
    let own_authorization = fields.has("http_config") && http.auth.is_some();
    let inline_url = matches!(own_url, Some(SecretSource::Inline(_)));
    let token =
        own_token.or_else(|| defaults.slack_app_token.clone().filter(|_| !own_authorization && !inline_url));
    if let Some(credentials) = token {
        if http.auth.is_some() {
            let hint = "remove authorization from http_config";
            fields.wrong("http_config", "http authorization can't be set when using Slack App tokens", hint);
        }
        http.auth = Some(HttpAuth::Header { kind: "Bearer".to_owned(), credentials });
        return SecretSource::Inline(app_url);
    }
    own_url.or_else(|| defaults.slack_api_url.clone()).unwrap_or_else(|| {
        let hint = "set api_url, api_url_file or app_token here, or slack_api_url under global";
        let message = "no Slack API URL nor App token set either inline or in a file";
        missing(fields, ["api_url", "api_url_file", "app_token", "app_token_file"], message, hint);
        SecretSource::Inline(String::new())
    })
}

fn read_fields(fields: &Fields<'_>) -> Vec<SlackField> {
    let short_fields = fields.flag("short_fields").unwrap_or(false);
    let read = |field: Fields<'_>| {
        for key in ["title", "value"] {
            if !field.has(key) {
                field.wrong(key, format!("missing {key} in Slack field configuration"), "");
            }
        }
        let made = SlackField {
            title: template_field(&field, "title", ""),
            value: template_field(&field, "value", ""),
            short: field.flag("short").unwrap_or(short_fields),
        };
        field.finish();
        made
    };
    fields.list("fields").into_iter().map(read).collect()
}

fn read_action(fields: Fields<'_>) -> SlackAction {
    for key in ["type", "text"] {
        if !fields.has(key) {
            fields.wrong(key, format!("missing {key} in Slack action configuration"), "");
        }
    }
    let text = |key| template_field(&fields, key, "");
    let mut action = SlackAction {
        kind: text("type"),
        text: text("text"),
        url: text("url"),
        style: text("style"),
        name: text("name"),
        value: text("value"),
        confirm: fields.section("confirm").map(|section| {
            let part = |key| template_field(&section, key, "");
            let confirmation = SlackConfirmation {
                text: part("text"),
                title: part("title"),
                ok_text: part("ok_text"),
                dismiss_text: part("dismiss_text"),
            };
            if confirmation.text.is_empty() {
                section.wrong("text", "missing text in Slack confirmation configuration", "");
            }
            section.finish();
            confirmation
        }),
    };
    if !action.url.is_empty() {
        action = SlackAction { name: String::new(), value: String::new(), confirm: None, ..action };
    } else if action.name.is_empty() {
        fields.wrong("name", "missing name or url in Slack action configuration", "set one of them");
    }
    fields.finish();
    action
}

/// Posts to Slack.
#[derive(Debug)]
pub(super) struct Slack {
    pub(super) config: SlackConfig,
    pub(super) templates: Arc<Templates>,
}

impl Receiver for Slack {
    fn name(&self) -> &'static str {
        "slack"
    }

    fn send_resolved(&self) -> bool {
        self.config.send_resolved
    }

    fn notify<'a>(&'a self, notification: &'a Notification) -> crate::BoxFuture<'a, Result<(), SendError>> {
        Box::pin(timed("slack", self.config.timeout, async move {
            let rendering = Rendering { templates: &self.templates, notification };
            let channel = rendering.text("channel", &self.config.channel)?;
            let body = request(&self.config, &rendering)?;
            let url = secret::read("api_url_file", &self.config.api_url).await?;
            let mut redactor = Redactor::default();
            let answer =
                http_client::post_json(&self.config.http, &url, body, Reading::Everything, &mut redactor)
                    .await?;
            judge(&answer, &[], None).and_then(|()| judge_body(&answer)).map_err(|mut error| {
                error.message = format!("channel {channel:?}: {}", error.message);
                redactor.redact_error(error)
            })
        }))
    }
}

/// Judges the body of an answer 2xx: a webhook says `ok`, the API says so in JSON.
fn judge_body(answer: &Answer) -> Result<(), SendError> {
    if let Some(reason) = &answer.cut_off {
        return Err(SendError::recoverable(reason.clone()));
    }
    let body = shortened(&answer.body);
    if !answer.content_type.starts_with("application/json") {
        return match answer.body.as_str() {
            "ok" => Ok(()),
            _ => Err(SendError::unrecoverable(format!("received an error response from Slack: {body}"))),
        };
    }
    match serde_json::from_str(&answer.body) {
        Ok(Said { ok: true, .. }) => Ok(()),
        Ok(Said { error, .. }) => {
            Err(SendError::unrecoverable(format!("error response from Slack: {}", shortened(&error))))
        }
        Err(error) => {
            Err(SendError::recoverable(format!("could not unmarshal JSON response {body:?}: {error}")))
        }
    }
}

#[derive(Deserialize)]
struct Said {
    #[serde(default)]
    ok: bool,
    #[serde(default)]
    error: String,
}

/// The body of the request.
///
/// # Errors
/// When a template fails.
pub(super) fn request(config: &SlackConfig, rendering: &Rendering<'_>) -> Result<Vec<u8>, SendError> {
    let text = |field: &'static str, template: &str| rendering.text(field, template);
    let attachment = &config.attachment;
    let mut fields = config.fields.clone();
    for field in &mut fields {
        field.title = text("fields", &field.title)?;
        field.value = text("fields", &field.value)?;
    }
    let mut actions = config.actions.clone();
    for action in &mut actions {
        let SlackAction { kind, text: label, url, style, name, value, confirm } = action;
        let asked =
            confirm.as_mut().map(|c| [&mut c.text, &mut c.title, &mut c.ok_text, &mut c.dismiss_text]);
        for template in [kind, label, url, style, name, value].into_iter().chain(asked.into_iter().flatten())
        {
            *template = text("actions", template)?;
        }
    }
    Ok(go_json::encode(&Message {
        channel: text("channel", &config.channel)?,
        username: text("username", &config.username)?,
        icon_emoji: text("icon_emoji", &config.icon_emoji)?,
        icon_url: text("icon_url", &config.icon_url)?,
        link_names: config.link_names,
        text: text("message_text", &config.message_text)?,
        attachments: [Attachment {
            title: truncated_in_runes(text("title", &attachment.title)?, MAX_TITLE),
            title_link: text("title_link", &attachment.title_link)?,
            pretext: text("pretext", &attachment.pretext)?,
            text: text("text", &attachment.text)?,
            fallback: text("fallback", &attachment.fallback)?,
            callback_id: text("callback_id", &attachment.callback_id)?,
            fields,
            actions,
            image_url: text("image_url", &attachment.image_url)?,
            thumb_url: text("thumb_url", &attachment.thumb_url)?,
            footer: text("footer", &attachment.footer)?,
            color: text("color", &attachment.color)?,
            mrkdwn_in: &config.mrkdwn_in,
        }],
    }))
}

#[derive(Serialize)]
struct Message<'a> {
    #[serde(skip_serializing_if = "String::is_empty")]
    channel: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    username: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    icon_emoji: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    icon_url: String,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    link_names: bool,
    #[serde(skip_serializing_if = "String::is_empty")]
    text: String,
    attachments: [Attachment<'a>; 1],
}

#[derive(Serialize)]
struct Attachment<'a> {
    #[serde(skip_serializing_if = "String::is_empty")]
    title: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    title_link: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pretext: String,
    text: String,
    fallback: String,
    callback_id: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    fields: Vec<SlackField>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    actions: Vec<SlackAction>,
    #[serde(skip_serializing_if = "String::is_empty")]
    image_url: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    thumb_url: String,
    footer: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    color: String,
    mrkdwn_in: &'a [String],
}
