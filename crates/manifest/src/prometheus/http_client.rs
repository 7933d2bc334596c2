//! How a job, or what sends alerts, talks HTTP: authentication, headers, TLS, and everything that is not supported.
//!
//! Input: the fields that Prometheus inlines into every job, and Alertmanager's `http_config`. Output: [`HttpSettings`]. Proxies and
//! OAuth 2 are refused by name, and TLS for targets too: what is reached without them would be something else.

use super::http_settings::{HttpSettings, TlsConfig, TlsVersion};
use super::scrape_config::{HttpAuth, ScrapeConfig, SecretSource};
use super::values::text;
use crate::fields::Fields;
use std::collections::BTreeMap;
use std::path::Path;

/// Fields that would change who is talked to, and what to do without them.
const UNSUPPORTED: [(&str, &str); 6] = [
    ("oauth2", "use authorization with credentials_file"),
    ("proxy_url", "no proxy is used: it has to be reachable directly"),
    ("proxy_from_environment", "no proxy is used: it has to be reachable directly"),
    ("proxy_connect_header", "no proxy is used: it has to be reachable directly"),
    ("no_proxy", "remove it: no proxy is used"),
    ("bearer_token_secret", "use bearer_token_file"),
];

/// Reads the HTTP settings of a job; relative paths of secrets are below `folder`.
pub(super) fn read(fields: &Fields<'_>, folder: &Path, config: &mut ScrapeConfig) {
    if fields.raw("tls_config").is_some() {
        let hint = "https targets are not supported yet; scrape them over http";
        fields.wrong("tls_config", "not supported yet", hint);
    }
    let settings = read_all_but_tls(fields, folder);
    config.follow_redirects = settings.follow_redirects;
    config.auth = settings.auth;
    config.http_headers = settings.headers;
}

/// Reads the HTTP settings of what sends; relative paths of secrets and certificates are below `folder`.
pub fn read_settings(fields: &Fields<'_>, folder: &Path) -> HttpSettings {
    HttpSettings { tls: read_tls(fields, "tls_config", folder), ..read_all_but_tls(fields, folder) }
}

fn read_all_but_tls(fields: &Fields<'_>, folder: &Path) -> HttpSettings {
    fields.known(&["enable_http2"]);
    for (key, hint) in UNSUPPORTED {
        if fields.raw(key).is_some() {
            fields.wrong(key, "not supported yet", hint);
        }
    }
    HttpSettings {
        follow_redirects: fields.flag("follow_redirects").unwrap_or(true),
        auth: read_auth(fields, folder),
        headers: read_headers(fields, folder),
        tls: TlsConfig::default(),
    }
}

/// Reads a section of TLS settings.
pub fn read_tls(fields: &Fields<'_>, key: &'static str, folder: &Path) -> TlsConfig {
    let Some(section) = fields.section(key) else { return TlsConfig::default() };
    let config = TlsConfig {
        ca: secret(&section, "ca", "ca_file", folder),
        cert: secret(&section, "cert", "cert_file", folder),
        key: secret(&section, "key", "key_file", folder),
        server_name: text(&section, "server_name").filter(|name| !name.is_empty()),
        insecure_skip_verify: section.flag("insecure_skip_verify").unwrap_or(false),
        min_version: tls_version(&section, "min_version"),
        max_version: tls_version(&section, "max_version"),
    };
    refuse(&section, &["ca_ref", "cert_ref", "key_ref"]);
    match (&config.cert, &config.key) {
        (Some(_), None) => section.wrong("cert", "key or key_file is missing", "a certificate needs its key"),
        (None, Some(_)) => {
            section.wrong("key", "cert or cert_file is missing", "a key needs its certificate");
        }
        _ => {}
    }
    if let (Some(least), Some(most)) = (config.min_version, config.max_version)
        && most < least
    {
        section.wrong("max_version", "must not be less than min_version", "raise it or lower min_version");
    }
    section.finish();
    config
}

/// A version; one below those spoken is no lower bound, and cannot be an upper one.
fn tls_version(fields: &Fields<'_>, key: &'static str) -> Option<TlsVersion> {
    match text(fields, key)?.as_str() {
        "TLS12" => Some(TlsVersion::Tls12),
        "TLS13" => Some(TlsVersion::Tls13),
        "TLS10" | "TLS11" if key == "min_version" => None,
        old @ ("TLS10" | "TLS11") => {
            fields.wrong(key, format!("{old} is not spoken"), "use TLS12 or TLS13");
            None
        }
        other => {
            fields.wrong(key, format!("unknown TLS version: {other}"), "use TLS12 or TLS13");
            None
        }
    }
}

fn read_auth(fields: &Fields<'_>, folder: &Path) -> Option<HttpAuth> {
    let mut found = Vec::new();
    found.extend(basic_auth(fields, folder));
    found.extend(authorization(fields, folder));
    found.extend(bearer_token(fields, folder));
    if found.len() > 1 {
        let key = if fields.has("authorization") { "authorization" } else { "basic_auth" };
        fields.wrong(
            key,
            "at most one of basic_auth, authorization, bearer_token and bearer_token_file may be given",
            "keep one of them",
        );
    }
    found.pop()
}

fn basic_auth(fields: &Fields<'_>, folder: &Path) -> Option<HttpAuth> {
    let section = fields.section("basic_auth")?;
    let username = secret(&section, "username", "username_file", folder);
    let password = secret(&section, "password", "password_file", folder);
    refuse(&section, &["username_ref", "password_ref"]);
    section.finish();
    let empty = SecretSource::Inline(String::new());
    Some(HttpAuth::Basic {
        username: username.unwrap_or_else(|| empty.clone()),
        password: password.unwrap_or(empty),
    })
}

fn authorization(fields: &Fields<'_>, folder: &Path) -> Option<HttpAuth> {
    let section = fields.section("authorization")?;
    let kind = text(&section, "type").map(|kind| kind.trim().to_owned()).filter(|kind| !kind.is_empty());
    let kind = kind.unwrap_or_else(|| "Bearer".to_owned());
    if kind.eq_ignore_ascii_case("basic") {
        section.wrong("type", "must not be \"basic\"", "use basic_auth");
    }
    let credentials = secret(&section, "credentials", "credentials_file", folder);
    refuse(&section, &["credentials_ref"]);
    section.finish();
    let credentials = credentials.unwrap_or_else(|| SecretSource::Inline(String::new()));
    Some(HttpAuth::Header { kind, credentials })
}

fn bearer_token(fields: &Fields<'_>, folder: &Path) -> Option<HttpAuth> {
    let credentials = secret(fields, "bearer_token", "bearer_token_file", folder)?;
    Some(HttpAuth::Header { kind: "Bearer".to_owned(), credentials })
}

fn secret(
    fields: &Fields<'_>,
    inline: &'static str,
    file: &'static str,
    folder: &Path,
) -> Option<SecretSource> {
    let (value, path) = (text(fields, inline), text(fields, file));
    if value.is_some() && path.is_some() {
        fields.wrong(file, format!("only one of {inline} and {file} may be given"), "keep one of them");
    }
    match (value, path) {
        (Some(value), _) => Some(SecretSource::Inline(value)),
        (None, Some(path)) => Some(SecretSource::File(folder.join(path))),
        (None, None) => None,
    }
}

fn refuse(fields: &Fields<'_>, keys: &[&'static str]) {
    for key in keys {
        if fields.raw(key).is_some() {
            fields.wrong(key, "not supported yet", "use the value itself or a file");
        }
    }
}

/// Headers that the client sets itself.
const RESERVED: [&str; 7] = [
    "accept",
    "accept-encoding",
    "authorization",
    "connection",
    "content-length",
    "host",
    "x-prometheus-scrape-timeout-seconds",
];

fn read_headers(fields: &Fields<'_>, folder: &Path) -> BTreeMap<String, Vec<SecretSource>> {
    let mut found = BTreeMap::new();
    let Some(node) = fields.raw("http_headers") else { return found };
    let serde_json::Value::Object(headers) = node.to_json() else {
        fields.wrong("http_headers", "must be a map of header names", "");
        return found;
    };
    for (name, sources) in headers {
        if RESERVED.contains(&name.to_ascii_lowercase().as_str()) {
            fields.wrong("http_headers", format!("header {name:?} is set by the client itself"), "remove it");
        }
        match header_values(&sources, folder) {
            Some(values) => {
                found.insert(name, values);
            }
            None => fields.wrong(
                "http_headers",
                format!("header {name:?} must have lists of text named values, secrets or files"),
                "write e.g. {X-Scope: {values: [a]}}",
            ),
        }
    }
    found
}

fn header_values(sources: &serde_json::Value, folder: &Path) -> Option<Vec<SecretSource>> {
    let mut values = Vec::new();
    for (source, items) in sources.as_object()? {
        for item in items.as_array()? {
            let text = item.as_str()?;
            values.push(match source.as_str() {
                "values" | "secrets" => SecretSource::Inline(text.to_owned()),
                "files" => SecretSource::File(folder.join(text)),
                _ => return None,
            });
        }
    }
    Some(values)
}
