//! How a job talks HTTP: authentication, headers, and everything about it that is not supported.
//!
//! Input: the fields that Prometheus inlines into every job. Output: [`HttpAuth`] and headers. TLS, proxies and OAuth 2
//! are refused by name: a target scraped without them would be another target.

use super::scrape_config::{HttpAuth, ScrapeConfig, SecretSource};
use super::values::text;
use crate::fields::Fields;
use std::path::Path;

/// Fields that would change what is scraped, and what to do without them.
const UNSUPPORTED: [(&str, &str); 7] = [
    ("tls_config", "https targets are not supported yet; scrape them over http"),
    ("oauth2", "use authorization with credentials_file"),
    ("proxy_url", "scrape the target directly"),
    ("proxy_from_environment", "scrape the target directly"),
    ("proxy_connect_header", "scrape the target directly"),
    ("no_proxy", "remove it: no proxy is used"),
    ("bearer_token_secret", "use bearer_token_file"),
];

/// Reads the HTTP settings of a job; relative paths of secrets are below `folder`.
pub(super) fn read(fields: &Fields<'_>, folder: &Path, config: &mut ScrapeConfig) {
    config.follow_redirects = fields.flag("follow_redirects").unwrap_or(true);
    fields.known(&["enable_http2"]);
    for (key, hint) in UNSUPPORTED {
        if fields.raw(key).is_some() {
            fields.wrong(key, "not supported yet", hint);
        }
    }
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
    config.auth = found.pop();
    read_headers(fields, folder, config);
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

/// Headers that the scraper sets itself.
const RESERVED: [&str; 7] = [
    "accept",
    "accept-encoding",
    "authorization",
    "connection",
    "content-length",
    "host",
    "x-prometheus-scrape-timeout-seconds",
];

fn read_headers(fields: &Fields<'_>, folder: &Path, config: &mut ScrapeConfig) {
    let Some(node) = fields.raw("http_headers") else { return };
    let serde_json::Value::Object(headers) = node.to_json() else {
        fields.wrong("http_headers", "must be a map of header names", "");
        return;
    };
    for (name, sources) in headers {
        if RESERVED.contains(&name.to_ascii_lowercase().as_str()) {
            fields.wrong("http_headers", format!("header {name:?} is set by the scraper"), "remove it");
        }
        match header_values(&sources, folder) {
            Some(values) => {
                config.http_headers.insert(name, values);
            }
            None => fields.wrong(
                "http_headers",
                format!("header {name:?} must have lists of text named values, secrets or files"),
                "write e.g. {X-Scope: {values: [a]}}",
            ),
        }
    }
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
