//! The settings under `global` that receivers fall back on.
//!
//! Input: the section's fields. Output: [`Defaults`]. The settings of receiver kinds that are not supported are read over: they do
//! nothing without a receiver of that kind.

use super::http_client::parse_url;
use super::secret_field;
use std::path::Path;
use tidewatch_manifest::reading::{self, Fields};
use tidewatch_manifest::{HttpSettings, SecretSource, TlsConfig};

/// What receivers fall back on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Defaults {
    /// `http_config`
    pub http: HttpSettings,
    /// The settings `smtp_*`.
    pub smtp: SmtpDefaults,
    /// `slack_api_url`, `slack_api_url_file`
    pub slack_api_url: Option<SecretSource>,
    /// `slack_app_token`, `slack_app_token_file`
    pub slack_app_token: Option<SecretSource>,
    /// `slack_app_url`
    pub slack_app_url: String,
    /// `pagerduty_url`
    pub pagerduty_url: String,
}

/// What email receivers fall back on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SmtpDefaults {
    /// `smtp_from`
    pub from: String,
    /// `smtp_hello`, `localhost` by default.
    pub hello: String,
    /// `smtp_smarthost`: host and port.
    pub smarthost: Option<(String, u16)>,
    /// `smtp_auth_username`
    pub auth_username: String,
    /// `smtp_auth_password`, `smtp_auth_password_file`
    pub auth_password: Option<SecretSource>,
    /// `smtp_auth_secret`, `smtp_auth_secret_file`
    pub auth_secret: Option<SecretSource>,
    /// `smtp_auth_identity`
    pub auth_identity: String,
    /// `smtp_require_tls`, yes by default.
    pub require_tls: bool,
    /// `smtp_force_implicit_tls`
    pub force_implicit_tls: Option<bool>,
    /// `smtp_tls_config`
    pub tls: TlsConfig,
}

impl Default for Defaults {
    fn default() -> Self {
        Self {
            http: HttpSettings::default(),
            smtp: SmtpDefaults::default(),
            slack_api_url: None,
            slack_app_token: None,
            slack_app_url: "https://slack.com/api/chat.postMessage".to_owned(),
            pagerduty_url: "https://events.pagerduty.com/v2/enqueue".to_owned(),
        }
    }
}

impl Default for SmtpDefaults {
    fn default() -> Self {
        Self {
            from: String::new(),
            hello: "localhost".to_owned(),
            smarthost: None,
            auth_username: String::new(),
            auth_password: None,
            auth_secret: None,
            auth_identity: String::new(),
            require_tls: true,
            force_implicit_tls: None,
            tls: TlsConfig::default(),
        }
    }
}

/// Settings of kinds that are not supported.
const OTHERS: [&str; 22] = [
    "jira_api_url",
    "opsgenie_api_url",
    "opsgenie_api_key",
    "opsgenie_api_key_file",
    "wechat_api_url",
    "wechat_api_secret",
    "wechat_api_secret_file",
    "wechat_api_corp_id",
    "victorops_api_url",
    "victorops_api_key",
    "victorops_api_key_file",
    "telegram_api_url",
    "telegram_bot_token",
    "telegram_bot_token_file",
    "webex_api_url",
    "rocketchat_api_url",
    "rocketchat_token",
    "rocketchat_token_file",
    "rocketchat_token_id",
    "rocketchat_token_id_file",
    "mattermost_webhook_url",
    "mattermost_webhook_url_file",
];

impl Defaults {
    /// Reads the receivers' part of `global`; the rest of the section is read by others. Relative paths in `http_config` are below
    /// `folder`, all others below the working directory, as in Alertmanager.
    pub fn read(fields: &Fields<'_>, folder: &Path) -> Self {
        fields.known(&OTHERS);
        let mut defaults = Self { smtp: SmtpDefaults::read(fields), ..Self::default() };
        if let Some(section) = fields.section("http_config") {
            defaults.http = reading::read_http_settings(&section, folder);
            section.finish();
        }
        defaults.slack_api_url = secret_field(fields, "slack_api_url", "slack_api_url_file");
        defaults.slack_app_token = secret_field(fields, "slack_app_token", "slack_app_token_file");
        for (key, url) in
            [("slack_app_url", &mut defaults.slack_app_url), ("pagerduty_url", &mut defaults.pagerduty_url)]
        {
            if let Some(given) = reading::text(fields, key) {
                if let Err(reason) = parse_url(&given) {
                    fields.wrong(key, reason, "remove it to use the service's own");
                }
                *url = given;
            }
        }
        if let Some(SecretSource::Inline(url)) = &defaults.slack_api_url {
            if let Err(reason) = parse_url(url) {
                fields.wrong("slack_api_url", reason, "copy the URL of the incoming webhook");
            }
            if defaults.slack_app_token.is_some() && *url != defaults.slack_app_url {
                let message = "at most one of slack_app_token/slack_app_token_file & slack_api_url/slack_api_url_file must be configured";
                fields.wrong("slack_app_token", message, "keep one of them");
            }
        }
        defaults
    }

    /// The `http_config` of a receiver, or the global one.
    pub(super) fn http_of(&self, fields: &Fields<'_>, folder: &Path) -> HttpSettings {
        let Some(section) = fields.section("http_config") else { return self.http.clone() };
        let settings = reading::read_http_settings(&section, folder);
        section.finish();
        settings
    }
}

impl SmtpDefaults {
    fn read(fields: &Fields<'_>) -> Self {
        let text = |key| reading::text(fields, key).unwrap_or_default();
        Self {
            from: text("smtp_from"),
            hello: reading::text(fields, "smtp_hello").unwrap_or_else(|| "localhost".to_owned()),
            smarthost: smarthost(fields, "smtp_smarthost"),
            auth_username: text("smtp_auth_username"),
            auth_password: secret_field(fields, "smtp_auth_password", "smtp_auth_password_file"),
            auth_secret: secret_field(fields, "smtp_auth_secret", "smtp_auth_secret_file"),
            auth_identity: text("smtp_auth_identity"),
            require_tls: fields.flag("smtp_require_tls").unwrap_or(true),
            force_implicit_tls: fields.flag("smtp_force_implicit_tls"),
            tls: reading::read_tls(fields, "smtp_tls_config", Path::new("")),
        }
    }
}

/// A mail server: host and port.
pub(super) fn smarthost(fields: &Fields<'_>, key: &'static str) -> Option<(String, u16)> {
    let text = reading::text(fields, key).filter(|text| !text.is_empty())?;
    let parsed = text.rsplit_once(':').and_then(|(host, port)| {
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let is_one = bare.len() < host.len() || !host.contains(':');
        Some((bare.to_owned(), port.parse().ok()?)).filter(|_| is_one)
    });
    if parsed.is_none() {
        fields.wrong(key, format!("address {text:?} is not host:port"), "write e.g. smtp.example.org:587");
    }
    parsed
}
