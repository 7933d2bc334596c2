//! A configuration as it may be shown: all values, but no secrets.
//!
//! Input: the text of a prometheus.yml that parses. Output: the same settings as YAML in block style, where Prometheus's
//! own API would print `<secret>` with that in place of the value. Comments are not kept, as they are not there either.

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

/// The text of a configuration without its secrets. What cannot be parsed is not shown at all.
pub fn shown_config(file: &str, text: &str) -> String {
    let mut out = String::new();
    for (_, document) in node::documents(file, text) {
        match document {
            Ok(node) => print(&node, 0, false, &mut out),
            Err(_) => out.push_str("# a part that cannot be read is not shown\n"),
        }
    }
    out
}

/// Prints a value in block style; the text so far ends where the value's first line begins.
fn print(node: &Node, depth: usize, secret: bool, out: &mut String) {
    match &node.value {
        NodeValue::Map(entries) if !entries.is_empty() => {
            for (at, (key, value)) in entries.iter().enumerate() {
                if at > 0 {
                    indent(depth, out);
                }
                let name = key.text().map_or_else(|| key.describe(), str::to_owned);
                out.push_str(&scalar(&name));
                out.push(':');
                let secret = secret || SECRET_FIELDS.contains(&name.as_str());
                print_below(value, depth + 1, secret, out);
            }
        }
        NodeValue::List(items) if !items.is_empty() => {
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    indent(depth, out);
                }
                out.push_str("- ");
                print(item, depth + 1, secret, out);
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

/// Prints a value after its key: on the same line, or on lines of its own.
fn print_below(node: &Node, depth: usize, secret: bool, out: &mut String) {
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
    print(node, depth, secret, out);
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
}
