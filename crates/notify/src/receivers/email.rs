//! The receiver `email`: a mail with an HTML part and, if wanted, a text part.
//!
//! Input: a [`Notification`]. Output: a mail handed to the smarthost. Port 465 is TLS from the first byte, every other port STARTTLS;
//! a server that has neither is refused unless `require_tls` is off.

use super::defaults::smarthost;
use super::mime::{self, Part, addresses, canonical_header, rfc_1123};
use super::smtp::{self, Credentials, Server};
use super::{Defaults, Rendering, hash_of, secret, secret_field, template_field};
use crate::{Notification, Receiver, SendError, Templates};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use tidewatch_manifest::reading::{self, Fields};
use tidewatch_manifest::{SecretSource, TlsConfig};

/// An entry of `email_configs`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EmailConfig {
    /// Whether resolved alerts are sent; no by default.
    pub send_resolved: bool,
    /// Who is told: addresses, a template.
    pub to: String,
    /// Who tells: one address, a template.
    pub from: String,
    /// The mail server: host and port.
    pub smarthost: (String, u16),
    /// How we name ourselves to it.
    pub hello: String,
    /// The user, empty for none.
    pub auth_username: String,
    /// The password, for PLAIN and LOGIN.
    pub auth_password: Option<SecretSource>,
    /// The secret, for CRAM-MD5.
    pub auth_secret: Option<SecretSource>,
    /// On whose behalf, for PLAIN.
    pub auth_identity: String,
    /// Headers by their canonical names, templates; `Subject`, `To` and `From` are always there.
    pub headers: BTreeMap<String, String>,
    /// The HTML part, a template; empty for none.
    pub html: String,
    /// The text part, a template; empty for none.
    pub text: String,
    /// Whether nothing is sent unencrypted.
    pub require_tls: bool,
    /// Whether TLS begins with the first byte; by the port (465) if absent.
    pub force_implicit_tls: Option<bool>,
    /// How TLS is spoken.
    pub tls: TlsConfig,
    /// Whether mails of a group refer to each other, and how.
    pub threading: Option<Threading>,
}

/// How mails of a group are held together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Threading {
    /// All of a group.
    Group,
    /// Those of a group and a day.
    Daily,
}

impl EmailConfig {
    pub(super) fn read(fields: &Fields<'_>, defaults: &Defaults, _folder: &Path) -> Self {
        let global = &defaults.smtp;
        let or_global = |key, global: &str| {
            Some(template_field(fields, key, ""))
                .filter(|text| !text.is_empty())
                .unwrap_or_else(|| global.to_owned())
        };
        let (to, from) = (template_field(fields, "to", ""), or_global("from", &global.from));
        if to.is_empty() {
            fields.wrong("to", "missing to address in email config", "name who is told");
        }
        if from.is_empty() {
            fields.wrong("from", "no global SMTP from set", "set from here or smtp_from under global");
        }
        let host = smarthost(fields, "smarthost").or_else(|| global.smarthost.clone());
        if host.is_none() && !fields.has("smarthost") {
            let hint = "set smarthost here or smtp_smarthost under global";
            fields.wrong("smarthost", "no global SMTP smarthost set", hint);
        }
        let threading = read_threading(fields);
        Self {
            send_resolved: fields.flag("send_resolved").unwrap_or(false),
            headers: read_headers(fields, &to, &from, threading.is_some()),
            to,
            from,
            smarthost: host.unwrap_or_default(),
            hello: or_global("hello", &global.hello),
            auth_username: or_global("auth_username", &global.auth_username),
            auth_password: secret_field(fields, "auth_password", "auth_password_file")
                .or_else(|| global.auth_password.clone()),
            auth_secret: secret_field(fields, "auth_secret", "auth_secret_file")
                .or_else(|| global.auth_secret.clone()),
            auth_identity: or_global("auth_identity", &global.auth_identity),
            html: template_field(fields, "html", r#"{{ template "email.default.html" . }}"#),
            text: template_field(fields, "text", ""),
            require_tls: fields.flag("require_tls").unwrap_or(global.require_tls),
            force_implicit_tls: fields.flag("force_implicit_tls").or(global.force_implicit_tls),
            tls: match fields.has("tls_config") {
                true => reading::read_tls(fields, "tls_config", Path::new("")),
                false => global.tls.clone(),
            },
            threading,
        }
    }

    fn implicit_tls(&self) -> bool {
        self.force_implicit_tls.unwrap_or(self.smarthost.1 == 465)
    }
}

fn read_headers(fields: &Fields<'_>, to: &str, from: &str, threaded: bool) -> BTreeMap<String, String> {
    let mut headers = BTreeMap::new();
    for (name, template) in reading::text_map(fields, "headers") {
        super::check_template(fields, "headers", &template);
        let name = canonical_header(&name);
        if name.is_empty() || name.contains(|c: char| c.is_control() || c == ':' || c == ' ') {
            fields.wrong("headers", format!("{name:?} is no header name"), "");
        }
        if threaded && ["References", "In-Reply-To"].contains(&name.as_str()) {
            let message =
                format!("conflicting configuration: threading.enabled conflicts with custom {name} header");
            fields.wrong("headers", message, "keep one of them");
        }
        if headers.contains_key(&name) {
            fields.wrong("headers", format!("duplicate header {name:?} in email config"), "keep one of them");
        }
        headers.insert(name, template);
    }
    for (name, default) in
        [("Subject", r#"{{ template "email.default.subject" . }}"#), ("To", to), ("From", from)]
    {
        headers.entry(name.to_owned()).or_insert_with(|| default.to_owned());
    }
    headers
}

fn read_threading(fields: &Fields<'_>) -> Option<Threading> {
    let section = fields.section("threading")?;
    let enabled = section.flag("enabled").unwrap_or(false);
    let by_date = reading::text(&section, "thread_by_date").unwrap_or_default();
    let threading = match by_date.as_str() {
        "none" => Some(Threading::Group),
        "daily" => Some(Threading::Daily),
        _ => None,
    };
    if enabled && threading.is_none() {
        let message = "threading.thread_by_date must be either 'none' or 'daily'";
        section.wrong("thread_by_date", message, "");
    }
    section.finish();
    threading.filter(|_| enabled)
}

/// Sends mails.
#[derive(Debug)]
pub(super) struct Email {
    pub(super) config: EmailConfig,
    pub(super) templates: Arc<Templates>,
}

impl Receiver for Email {
    fn name(&self) -> &'static str {
        "email"
    }

    fn send_resolved(&self) -> bool {
        self.config.send_resolved
    }

    fn notify<'a>(&'a self, notification: &'a Notification) -> crate::BoxFuture<'a, Result<(), SendError>> {
        Box::pin(self.send(notification))
    }
}

impl Email {
    async fn send(&self, notification: &Notification) -> Result<(), SendError> {
        let config = &self.config;
        let rendering = Rendering { templates: &self.templates, notification };
        let mail = Mail::of(config, &rendering)?;
        let credentials = Credentials {
            identity: config.auth_identity.clone(),
            username: config.auth_username.clone(),
            password: read("auth_password_file", config.auth_password.as_ref()).await?,
            secret: read("auth_secret_file", config.auth_secret.as_ref()).await?,
        };
        let server = Server {
            host: &config.smarthost.0,
            port: config.smarthost.1,
            tls: &config.tls,
            implicit_tls: config.implicit_tls(),
            require_tls: config.require_tls,
            hello: &config.hello,
        };
        let mut connection = smtp::connect(&server).await?;
        connection.authenticate(&credentials).await?;
        let message = mail.bytes(&unique_id(), &unique_id());
        connection.deliver(&mail.from, &mail.to, &message).await?;
        connection.quit();
        Ok(())
    }
}

/// A secret that may be absent. A file that is being replaced is there a moment later.
async fn read(field: &str, source: Option<&SecretSource>) -> Result<String, SendError> {
    match source {
        Some(source) => secret::read(field, source).await.map_err(|error| SendError { retry: true, ..error }),
        None => Ok(String::new()),
    }
}

/// Names a mail, and the boundary of its parts.
fn unique_id() -> String {
    use std::hash::{BuildHasher, Hasher, RandomState};
    let half = || RandomState::new().build_hasher().finish();
    format!("{:016x}{:016x}", half(), half())
}

/// A rendered mail.
struct Mail {
    from: String,
    to: Vec<String>,
    headers: Vec<(String, String)>,
    parts: Vec<Part>,
    date: String,
    has_message_id: bool,
}

impl Mail {
    /// # Errors
    /// When a template fails or an address is none; neither is tried again.
    fn of(config: &EmailConfig, rendering: &Rendering<'_>) -> Result<Self, SendError> {
        let senders = addresses_of("from", &config.from, rendering)?;
        let [from] = senders.as_slice() else {
            let message = format!("must be exactly one 'from' address (got: {})", senders.len());
            return Err(SendError::unrecoverable(message));
        };
        let mut headers = Vec::new();
        for (name, template) in &config.headers {
            headers.push((name.clone(), rendering.text(name, template)?));
        }
        let now = rendering.notification.now_ms;
        if let Some(threading) = config.threading {
            let day = tidewatch_model::format_timestamp(now)[..10].to_owned();
            let day = if threading == Threading::Daily { day } else { String::new() };
            let root =
                format!("<alert-{}-{day}@alertmanager>", &hash_of(&rendering.notification.group_key)[..16]);
            headers.push(("References".to_owned(), root.clone()));
            headers.push(("In-Reply-To".to_owned(), root));
        }
        let mut parts = Vec::new();
        if !config.text.is_empty() {
            let content = rendering.text("text", &config.text)?;
            parts.push(Part { media_type: "text/plain; charset=UTF-8", content });
        }
        if !config.html.is_empty() {
            let content = rendering.html("html", &config.html)?;
            parts.push(Part { media_type: "text/html; charset=UTF-8", content });
        }
        Ok(Self {
            from: from.clone(),
            to: addresses_of("to", &config.to, rendering)?,
            headers,
            parts,
            date: rfc_1123(now),
            has_message_id: config.headers.contains_key("Message-Id"),
        })
    }

    /// The message, with an id of its own and a boundary that is in none of its parts.
    fn bytes(&self, id: &str, boundary: &str) -> Vec<u8> {
        let mut message = String::with_capacity(16 * 1024);
        for (name, value) in &self.headers {
            mime::push_header(&mut message, name, value);
        }
        if !self.has_message_id {
            message.push_str(&format!("Message-Id: <{id}@tidewatch>\r\n"));
        }
        message.push_str(&format!(
            "Date: {}\r\nContent-Type: multipart/alternative;  boundary={boundary}\r\nMIME-Version: 1.0\r\n\r\n",
            self.date
        ));
        mime::push_parts(&mut message, boundary, &self.parts);
        message.into_bytes()
    }
}

fn addresses_of(field: &str, template: &str, rendering: &Rendering<'_>) -> Result<Vec<String>, SendError> {
    let list = rendering.text(field, template)?;
    let parsed = addresses(&list);
    parsed.map_err(|reason| SendError::unrecoverable(format!("parse '{field}' addresses: {reason}")))
}
