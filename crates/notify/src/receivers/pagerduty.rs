//! The receiver `pagerduty`: an event of PagerDuty's Events API v2 that opens or resolves an incident.
//!
//! Input: a [`Notification`]. Output: a POST to `url`. All notifications of a group are one incident, named by the hash of the group's
//! key. An event above 512 kB goes without its details. API v1 (`service_key`) is refused at load.

use super::http_client::{self, Answer, Reading, parse_url};
use super::rendered_value::rendered;
use super::secret::{self, Redactor};
use super::verdict::judge;
use super::{
    Defaults, Rendering, check_templates_in, go_json, missing, secret_field, status_of, template_field,
    timed, truncated_in_runes,
};
use crate::{Notification, Receiver, SendError, Templates};
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tidewatch_manifest::reading::{self, Fields};
use tidewatch_manifest::{HttpSettings, SecretSource};

/// Bytes of an event at most.
const MAX_EVENT: usize = 512_000;

/// Characters of a summary at most.
const MAX_SUMMARY: usize = 1024;

/// Details that every event has unless they are configured otherwise.
const DEFAULT_DETAILS: [(&str, &str); 4] = [
    ("firing", "{{ .Alerts.Firing | toJson }}"),
    ("resolved", "{{ .Alerts.Resolved | toJson }}"),
    ("num_firing", "{{ .Alerts.Firing | len }}"),
    ("num_resolved", "{{ .Alerts.Resolved | len }}"),
];

/// An entry of `pagerduty_configs`.
#[derive(Clone, Debug, PartialEq)]
pub struct PagerdutyConfig {
    /// Whether resolved alerts are sent; yes by default.
    pub send_resolved: bool,
    /// How PagerDuty is talked to.
    pub http: HttpSettings,
    /// The key of the integration, a template.
    pub routing_key: SecretSource,
    /// Where events are sent.
    pub url: SecretSource,
    /// Who monitors, a template.
    pub client: String,
    /// Where that is, a template.
    pub client_url: String,
    /// The summary, a template.
    pub description: String,
    /// Custom details: templates that may render into structure.
    pub details: Map<String, Value>,
    /// Pictures: source, alternative text, link.
    pub images: Vec<[String; 3]>,
    /// Links: address and text.
    pub links: Vec<[String; 2]>,
    /// What is affected, a template; the client by default.
    pub source: String,
    /// `critical`, `error`, `warning` or `info`, a template; `error` by default.
    pub severity: String,
    /// The class of the event, a template.
    pub class: String,
    /// The component that is affected, a template.
    pub component: String,
    /// A cluster or group of sources, a template.
    pub group: String,
    /// Time a request may take; zero is no limit of its own.
    pub timeout: Duration,
}

impl PagerdutyConfig {
    pub(super) fn read(fields: &Fields<'_>, defaults: &Defaults, folder: &Path) -> Self {
        for key in ["service_key", "service_key_file"] {
            if fields.raw(key).is_some() {
                fields.wrong(
                    key,
                    "not supported yet: PagerDuty's Events API v1",
                    "use routing_key (Events API v2)",
                );
            }
        }
        let routing_key = secret_field(fields, "routing_key", "routing_key_file").unwrap_or_else(|| {
            let hint = "copy it from the service's Events API v2 integration";
            let keys = ["routing_key", "routing_key_file", "service_key", "service_key_file"];
            missing(fields, keys, "missing service or routing key in PagerDuty config", hint);
            SecretSource::Inline(String::new())
        });
        let url = reading::text(fields, "url").unwrap_or_else(|| defaults.pagerduty_url.clone());
        if let Err(reason) = parse_url(&url) {
            fields.wrong("url", reason, "remove it to use PagerDuty's own");
        }
        let client = template_field(fields, "client", r#"{{ template "pagerduty.default.client" . }}"#);
        let source = template_field(fields, "source", "");
        Self {
            send_resolved: fields.flag("send_resolved").unwrap_or(true),
            http: defaults.http_of(fields, folder),
            routing_key,
            url: SecretSource::Inline(url),
            client_url: template_field(
                fields,
                "client_url",
                r#"{{ template "pagerduty.default.clientURL" . }}"#,
            ),
            description: template_field(
                fields,
                "description",
                r#"{{ template "pagerduty.default.description" .}}"#,
            ),
            details: details(fields),
            images: items(fields, "images", ["src", "alt", "href"]),
            links: items(fields, "links", ["href", "text"]),
            source: if source.is_empty() { client.clone() } else { source },
            client,
            severity: Some(template_field(fields, "severity", ""))
                .filter(|text| !text.is_empty())
                .unwrap_or("error".to_owned()),
            class: template_field(fields, "class", ""),
            component: template_field(fields, "component", ""),
            group: template_field(fields, "group", ""),
            timeout: reading::duration(fields, "timeout").unwrap_or_default(),
        }
    }
}

fn details(fields: &Fields<'_>) -> Map<String, Value> {
    let mut details = match fields.raw("details").map(|node| node.to_json()) {
        None => Map::new(),
        Some(Value::Object(details)) => details,
        Some(_) => {
            fields.wrong("details", "must be a map", "");
            Map::new()
        }
    };
    for (name, template) in DEFAULT_DETAILS {
        details.entry(name).or_insert_with(|| template.into());
    }
    check_templates_in(fields, "details", &Value::Object(details.clone()));
    details
}

fn items<const N: usize>(
    fields: &Fields<'_>,
    key: &'static str,
    parts: [&'static str; N],
) -> Vec<[String; N]> {
    let read = |item: Fields<'_>| {
        let texts = parts.map(|part| template_field(&item, part, ""));
        item.finish();
        texts
    };
    fields.list(key).into_iter().map(read).collect()
}

/// Sends events to PagerDuty.
#[derive(Debug)]
pub(super) struct Pagerduty {
    pub(super) config: PagerdutyConfig,
    pub(super) templates: Arc<Templates>,
}

impl Receiver for Pagerduty {
    fn name(&self) -> &'static str {
        "pagerduty"
    }

    fn send_resolved(&self) -> bool {
        self.config.send_resolved
    }

    fn notify<'a>(&'a self, notification: &'a Notification) -> crate::BoxFuture<'a, Result<(), SendError>> {
        Box::pin(timed("pagerduty", self.config.timeout, async move {
            let mut redactor = Redactor::default();
            let rendering = Rendering { templates: &self.templates, notification };
            let written = secret::read("routing_key_file", &self.config.routing_key).await?;
            redactor.hide(&written);
            let key =
                rendering.text("routing_key", &written).map_err(|error| redactor.redact_error(error))?;
            if key.is_empty() {
                return Err(SendError::unrecoverable("routing key cannot be empty"));
            }
            redactor.hide(&key);
            let body = request(&self.config, &key, &rendering)?;
            let url = secret::read("url", &self.config.url).await?;
            let answer =
                http_client::post_json(&self.config.http, &url, body, Reading::Errors, &mut redactor).await;
            let judged = answer.and_then(|answer| judge(&answer, &[], Some(details_of(&answer))));
            judged.map_err(|error| redactor.redact_error(error))
        }))
    }
}

/// What PagerDuty says about a malformed event.
fn details_of(answer: &Answer) -> String {
    let said: Value = serde_json::from_str(&answer.body).unwrap_or_default();
    match (answer.status, said.get("message").and_then(Value::as_str)) {
        (400, Some(message)) => {
            let errors = said.get("errors").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
            let errors: Vec<&str> = errors.iter().filter_map(Value::as_str).collect();
            format!("{message}: {}", errors.join(","))
        }
        _ => String::new(),
    }
}

/// The body of the request.
///
/// # Errors
/// When a template fails.
pub(super) fn request(
    config: &PagerdutyConfig,
    routing_key: &str,
    rendering: &Rendering<'_>,
) -> Result<Vec<u8>, SendError> {
    let render = |template: &str| rendering.text("details", template);
    let text = |field: &'static str, template: &str| rendering.text(field, template);
    let mut event = Event {
        routing_key,
        dedup_key: super::hash_of(&rendering.notification.group_key),
        event_action: if status_of(rendering.notification) == "resolved" { "resolve" } else { "trigger" },
        payload: Payload {
            summary: truncated_in_runes(text("description", &config.description)?, MAX_SUMMARY),
            source: text("source", &config.source)?,
            severity: text("severity", &config.severity)?,
            class: text("class", &config.class)?,
            component: text("component", &config.component)?,
            group: text("group", &config.group)?,
            custom_details: rendered(&Value::Object(config.details.clone()), &render)?,
        },
        client: text("client", &config.client)?,
        client_url: text("client_url", &config.client_url)?,
        images: Vec::new(),
        links: Vec::new(),
    };
    for [src, alt, href] in &config.images {
        let image =
            Image { src: text("images", src)?, alt: text("images", alt)?, href: text("images", href)? };
        event.images.extend(Some(image).filter(|image| !image.src.is_empty()));
    }
    for [href, label] in &config.links {
        let link = Link { href: text("links", href)?, text: text("links", label)? };
        event.links.extend(Some(link).filter(|link| !link.href.is_empty()));
    }
    let body = go_json::encode(&event);
    if body.len() <= MAX_EVENT {
        return Ok(body);
    }
    let error =
        "Custom details have been removed because the original event exceeds the maximum size of 512KB";
    event.payload.custom_details = json!({ "error": error });
    Ok(go_json::encode(&event))
}

#[derive(Serialize)]
struct Event<'a> {
    routing_key: &'a str,
    dedup_key: String,
    event_action: &'static str,
    payload: Payload,
    #[serde(skip_serializing_if = "String::is_empty")]
    client: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    client_url: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    images: Vec<Image>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    links: Vec<Link>,
}

#[derive(Serialize)]
struct Payload {
    summary: String,
    source: String,
    severity: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    class: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    component: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    group: String,
    custom_details: Value,
}

#[derive(Serialize)]
struct Image {
    src: String,
    alt: String,
    href: String,
}

#[derive(Serialize)]
struct Link {
    href: String,
    text: String,
}
