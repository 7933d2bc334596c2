//! A configuration as it may be shown: all values, but no secrets.
//!
//! Input: the text of a prometheus.yml, or of Alertmanager's configuration, that parses. Output: the same settings as YAML in block
//! style, where the original's own API would print `<secret>` with that in place of the value. Comments are not kept, as they are not
//! there either.

use crate::node::{self, Node, NodeValue};

/// Printed in place of a secret, as in Prometheus.
const SECRET: &str = "<secret>";

/// Fields whose values are secrets wherever they stand, whatever section they are in.
const SECRET_FIELDS: [&str; 13] = [
    "password",
    "credentials",
    "bearer_token",
    "client_secret",
    "secret_key",
    "secret",
    "secrets",
    "token",
    "api_key",
    "routing_key",
    "service_key",
    "application_credential_secret",
    "proxy_connect_header",
];

/// The same in Alertmanager's configuration.
const ALERTMANAGER_SECRET_FIELDS: [&str; 12] = [
    "api_url",
    "app_token",
    "auth_password",
    "auth_secret",
    "key",
    "mattermost_webhook_url",
    "slack_api_url",
    "slack_app_token",
    "smtp_auth_password",
    "smtp_auth_secret",
    "user_key",
    "webhook_url",
];

/// Endings of the names of secrets in Alertmanager's section `global`.
const ALERTMANAGER_SECRET_ENDINGS: [&str; 4] = ["_api_key", "_api_secret", "_token", "_token_id"];

/// Whether a field below another is a secret.
type IsSecret = fn(parent: &str, name: &str) -> bool;

/// The text of a prometheus.yml without its secrets. What cannot be parsed is not shown at all.
pub fn shown_config(file: &str, text: &str) -> String {
    shown(file, text, |_, name| SECRET_FIELDS.contains(&name))
}

/// The text of Alertmanager's configuration without its secrets, the URLs of webhooks among them. What cannot be parsed is not shown
/// at all.
pub fn shown_alertmanager_config(file: &str, text: &str) -> String {
    shown(file, text, |parent, name| {
        SECRET_FIELDS.contains(&name)
            || ALERTMANAGER_SECRET_FIELDS.contains(&name)
            || ALERTMANAGER_SECRET_ENDINGS.iter().any(|ending| name.ends_with(ending))
            || (parent == "webhook_configs" && name == "url")
    })
}

fn shown(file: &str, text: &str, is_secret: IsSecret) -> String {
    let mut out = String::new();
    for (_, document) in node::documents(file, text) {
        match document {
            Ok(node) => print(&node, 0, "", false, is_secret, &mut out),
            Err(_) => out.push_str("# a part that cannot be read is not shown\n"),
        }
    }
    out
}

/// Prints a value in block style; the text so far ends where the value's first line begins.
fn print(node: &Node, depth: usize, parent: &str, secret: bool, is_secret: IsSecret, out: &mut String) {
    match &node.value {
        NodeValue::Map(entries) if !entries.is_empty() => {
            for (at, (key, value)) in entries.iter().enumerate() {
                if at > 0 {
                    indent(depth, out);
                }
                let name = key.text().map_or_else(|| key.describe(), str::to_owned);
                out.push_str(&scalar(&name));
                out.push(':');
                let secret = secret || is_secret(parent, &name);
                begin_below(value, depth + 1, out);
                print(value, depth + 1, &name, secret, is_secret, out);
            }
        }
        NodeValue::List(items) if !items.is_empty() => {
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    indent(depth, out);
                }
                out.push_str("- ");
                print(item, depth + 1, parent, secret, is_secret, out);
            }
        }
        NodeValue::Map(_) => out.push_str("{}\n"),
        NodeValue::List(_) => out.push_str("[]\n"),
        NodeValue::Null => out.push_str("null\n"),
        _ if secret => out.push_str(&format!("{SECRET}\n")),
        NodeValue::Text(text) => out.push_str(&format!("{}\n", scalar(&without_password(text)))),
        NodeValue::Bool(value) => out.push_str(&format!("{value}\n")),
        NodeValue::Integer(value) => out.push_str(&format!("{value}\n")),
        NodeValue::Float(value) => out.push_str(&format!("{value}\n")),
    }
}

/// What stands between a key and its value: a blank, or a line end and the indentation.
fn begin_below(node: &Node, depth: usize, out: &mut String) {
    let is_block = match &node.value {
        NodeValue::Map(entries) => !entries.is_empty(),
        NodeValue::List(items) => !items.is_empty(),
        _ => false,
    };
    if is_block {
        out.push('\n');
        indent(depth, out);
    } else {
        out.push(' ');
    }
}

fn indent(depth: usize, out: &mut String) {
    out.push_str(&"  ".repeat(depth));
}

/// A text as a YAML scalar: plain where that can mean nothing else, otherwise quoted as in JSON.
fn scalar(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./$".contains(c);
    let starts_as_text = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_' || c == '/');
    let is_word = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"]
        .contains(&text.to_ascii_lowercase().as_str());
    if starts_as_text && text.chars().all(plain) && !is_word {
        text.to_owned()
    } else {
        serde_json::Value::from(text).to_string()
    }
}

/// A URL's password is a secret too: `http://user:password@host`.
fn without_password(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else { return text.to_owned() };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    match authority.rsplit_once('@').and_then(|(user_info, _)| user_info.split_once(':')) {
        Some((user, password)) => {
            let kept = &rest[user.len() + 1 + password.len()..];
            format!("{scheme}://{user}:{SECRET}{kept}")
        }
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_blanked_out_in_every_notation() {
        let text = "scrape_configs:\n- job_name: a\n  basic_auth: {username: u, password: 'hunter2'}\n  params: {q: ['1', x y]}\n\
                    - job_name: b\n  authorization:\n    credentials: |\n      hunter2\n- job_name: c\n  bearer_token: hunter2\n  \
                    http_headers:\n    X-Key: {secrets: [hunter2, \"hunter2\"]}\nremote_write:\n- url: https://u:hunter2@h/p\n  \
                    oauth2: {\"client_secret\": hunter2}\n";
        let shown = shown_config("p.yml", text);
        assert!(!shown.contains("hunter2"), "{shown}");
        assert_eq!(shown.matches(SECRET).count(), 7, "{shown}");
        assert!(
            shown.contains("- job_name: a\n    basic_auth:\n      username: u\n      password: <secret>\n"),
            "{shown}"
        );
        assert!(shown.contains("url: \"https://u:<secret>@h/p\""), "{shown}");
    }

    #[test]
    fn what_is_shown_says_the_same() {
        let text = "global: {scrape_interval: 15s, external_labels: {a: \"yes\", b: '1.10', c: ''}}\nscrape_configs:\n\
                    - job_name: 'x: y'\n  honor_labels: true\n  sample_limit: 5\n  static_configs:\n  - targets: ['h:1', \"[::1]:2\"]\n    \
                    labels: {}\n  relabel_configs: []\n";
        let again = shown_config("p.yml", text);
        let json = |text: &str| match node::documents("p.yml", text).remove(0).1 {
            Ok(node) => node.to_json(),
            Err(error) => panic!("{error}: {text}"),
        };
        assert_eq!(json(&again), json(text), "{again}");
    }

    #[test]
    fn alertmanagers_secrets_are_hidden_too() {
        let text = "global: {smtp_auth_password: hush, slack_api_url: 'http://hush', opsgenie_api_key: hush, smtp_from: a@b}\n\
                    receivers:\n- name: a\n  webhook_configs: [{url: 'http://hush', url_file: f, http_config: {tls_config: {key: hush}}}]\n  \
                    slack_configs: [{app_token: hush, actions: [{url: 'http://seen'}]}]\n  \
                    discord_configs: [{webhook_url: 'http://hush'}]\n  pagerduty_configs: [{routing_key: hush, url: 'http://seen'}]\n";
        let shown = shown_alertmanager_config("am.yml", text);
        assert!(!shown.contains("hush"), "{shown}");
        assert_eq!(shown.matches("<secret>").count(), 8, "{shown}");
        assert_eq!(shown.matches("http://seen").count(), 2, "{shown}");
        assert!(shown.contains("url_file: f") && shown.contains("smtp_from"), "{shown}");
    }
}
