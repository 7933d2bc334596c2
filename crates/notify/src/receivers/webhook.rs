//! The receiver `webhook`: the notification as JSON, version 4, or as a payload of one's own.
//!
//! Input: a [`Notification`]. Output: a POST. The URL may be a template. At most `max_alerts` alerts are sent, and how many were left
//! out is said in `truncatedAlerts`.

use super::http_client::{self, Reading, parse_url};
use super::rendered_value::rendered;
use super::secret::{self, Redactor};
use super::verdict::judge;
use super::{Defaults, Rendering, check_template, go_json, missing, secret_field, timed};
use crate::{Notification, NotifiedAlert, Receiver, SendError, Templates};
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use serde_json::Value;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tidewatch_manifest::reading::{self, Fields};
use tidewatch_manifest::{HttpSettings, SecretSource};
use tidewatch_model::Labels;

/// An entry of `webhook_configs`.
#[derive(Clone, Debug, PartialEq)]
pub struct WebhookConfig {
    /// Whether resolved alerts are sent; yes by default.
    pub send_resolved: bool,
    /// How the server is talked to.
    pub http: HttpSettings,
    /// The URL, a template.
    pub url: SecretSource,
    /// Alerts in a message at most; 0 is no limit.
    pub max_alerts: usize,
    /// Time a request may take; zero is no limit of its own.
    pub timeout: Duration,
    /// What is sent instead of the usual message.
    pub payload: Option<Value>,
}

impl WebhookConfig {
    pub(super) fn read(fields: &Fields<'_>, defaults: &Defaults, folder: &Path) -> Self {
        let url = secret_field(fields, "url", "url_file").unwrap_or_else(|| {
            missing(
                fields,
                ["url", "url_file"],
                "one of url or url_file must be configured",
                "name the server",
            );
            SecretSource::Inline(String::new())
        });
        match &url {
            SecretSource::Inline(url) if url.contains("{{") => check_template(fields, "url", url),
            SecretSource::Inline(url) if !url.is_empty() => {
                if let Err(reason) = parse_url(url) {
                    fields.wrong("url", format!("invalid URL: {reason}"), "write e.g. http://host:port/path");
                }
            }
            _ => {}
        }
        let payload = fields.raw("payload").map(|node| node.to_json());
        if let Some(payload) = &payload {
            super::check_templates_in(fields, "payload", payload);
        }
        Self {
            send_resolved: fields.flag("send_resolved").unwrap_or(true),
            http: defaults.http_of(fields, folder),
            url,
            max_alerts: fields.number("max_alerts", 0, i64::from(u32::MAX)).unwrap_or_default(),
            timeout: reading::duration(fields, "timeout").unwrap_or_default(),
            payload,
        }
    }
}

/// Posts to a webhook.
#[derive(Debug)]
pub(super) struct Webhook {
    pub(super) config: WebhookConfig,
    pub(super) templates: Arc<Templates>,
}

impl Receiver for Webhook {
    fn name(&self) -> &'static str {
        "webhook"
    }

    fn send_resolved(&self) -> bool {
        self.config.send_resolved
    }

    fn notify<'a>(&'a self, notification: &'a Notification) -> crate::BoxFuture<'a, Result<(), SendError>> {
        Box::pin(timed("webhook", self.config.timeout, self.send(notification)))
    }
}

impl Webhook {
    async fn send(&self, notification: &Notification) -> Result<(), SendError> {
        let notification = &truncated(notification, self.config.max_alerts);
        let rendering = Rendering { templates: &self.templates, notification };
        let body = request(&self.config, &rendering)?;
        let mut redactor = Redactor::default();
        let written = secret::read("url_file", &self.config.url).await?;
        let url = rendering.text("url", &written).map_err(|error| {
            redactor.hide_url(&written);
            redactor.redact_error(error)
        })?;
        if url.is_empty() {
            return Err(SendError::unrecoverable("webhook URL is empty after templating"));
        }
        let answer =
            http_client::post_json(&self.config.http, &url, body, Reading::Errors, &mut redactor).await?;
        judge(&answer, &[], None).map_err(|error| redactor.redact_error(error))
    }
}

/// The notification with `most` alerts; 0 is no limit.
fn truncated(notification: &Notification, most: usize) -> Notification {
    let mut notification = notification.clone();
    let all = notification.alerts.len();
    if most > 0 && all > most {
        notification.alerts.truncate(most);
        notification.truncated_alerts += (all - most) as u64;
    }
    notification
}

/// The body of the request.
///
/// # Errors
/// When a template of the payload fails.
pub(super) fn request(config: &WebhookConfig, rendering: &Rendering<'_>) -> Result<Vec<u8>, SendError> {
    match &config.payload {
        Some(payload) => {
            let render = |template: &str| rendering.text("payload", template);
            Ok(go_json::encode(&rendered(payload, &render)?))
        }
        None => Ok(go_json::encode(&Message::of(rendering.notification))),
    }
}

/// The message; its fields stand in Alertmanager's order.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Message<'a> {
    receiver: String,
    status: &'static str,
    alerts: Vec<MessageAlert<'a>>,
    #[serde(rename = "notification_reason")]
    notification_reason: &'a str,
    group_labels: Map<'a>,
    common_labels: Map<'a>,
    common_annotations: Map<'a>,
    route_labels: Map<'a>,
    #[serde(rename = "externalURL")]
    external_url: &'a str,
    version: &'static str,
    group_key: &'a str,
    truncated_alerts: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct MessageAlert<'a> {
    status: &'static str,
    labels: Map<'a>,
    annotations: Map<'a>,
    starts_at: String,
    ends_at: String,
    #[serde(rename = "generatorURL")]
    generator_url: &'a str,
    fingerprint: String,
}

/// Labels as a JSON object; they are sorted already, as Go sorts the keys of a map.
struct Map<'a>(std::borrow::Cow<'a, Labels>);

impl Serialize for Map<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in self.0.iter() {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl<'a> Message<'a> {
    fn of(notification: &'a Notification) -> Self {
        let lent = |labels: &'a Labels| Map(std::borrow::Cow::Borrowed(labels));
        let owned = |labels: Labels| Map(std::borrow::Cow::Owned(labels));
        Self {
            receiver: quote_meta(&notification.receiver),
            status: super::status_of(notification),
            alerts: notification.alerts.iter().map(MessageAlert::of).collect(),
            notification_reason: notification.reason.as_str(),
            group_labels: lent(&notification.group_labels),
            common_labels: owned(common(&notification.alerts, |alert| &alert.labels)),
            common_annotations: owned(common(&notification.alerts, |alert| &alert.annotations)),
            route_labels: lent(&notification.route_labels),
            external_url: &notification.external_url,
            version: "4",
            group_key: &notification.group_key,
            truncated_alerts: notification.truncated_alerts,
        }
    }
}

impl<'a> MessageAlert<'a> {
    fn of(alert: &'a NotifiedAlert) -> Self {
        let time =
            |ms: i64| if ms == 0 { ZERO_TIME.to_owned() } else { tidewatch_model::format_timestamp(ms) };
        Self {
            status: alert.status.as_str(),
            labels: Map(std::borrow::Cow::Borrowed(&alert.labels)),
            annotations: Map(std::borrow::Cow::Borrowed(&alert.annotations)),
            starts_at: time(alert.starts_at),
            ends_at: time(alert.ends_at),
            generator_url: &alert.generator_url,
            fingerprint: alert.fingerprint.clone(),
        }
    }
}

/// Go's time of nothing, which stands in `endsAt` of a firing alert.
const ZERO_TIME: &str = "0001-01-01T00:00:00Z";

/// What all alerts have in common.
fn common<'a>(alerts: &'a [NotifiedAlert], of: impl Fn(&'a NotifiedAlert) -> &'a Labels) -> Labels {
    let Some((first, others)) = alerts.split_first() else { return Labels::empty() };
    let everywhere = |name: &str, value: &str| others.iter().all(|alert| of(alert).get(name) == Some(value));
    let shared = of(first).iter().filter(|(name, value)| everywhere(name, value));
    Labels::from_pairs(shared.map(|(name, value)| (name.to_owned(), value.to_owned())))
}

/// A name with everything that means something in a regular expression escaped, as Go's `QuoteMeta` does it.
fn quote_meta(name: &str) -> String {
    let mut quoted = String::with_capacity(name.len());
    for c in name.chars() {
        if r"\.+*?()|[]{}^$".contains(c) {
            quoted.push('\\');
        }
        quoted.push(c);
    }
    quoted
}
