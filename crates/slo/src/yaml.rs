//! The text of a PrometheusRule.
//!
//! Input: a declaration. Output: YAML that a cluster takes and a person can read: expressions as blocks, everything else in
//! quotes. Only what the generator makes can be written; it is no general writer.

use crate::Declaration;
use crate::expand::{GeneratedRule, RuleName, expand};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use tidewatch_model::format_duration;

/// The PrometheusRule of a declaration that was read from `file`.
pub fn prometheus_rule(file: &str, declaration: &Declaration) -> String {
    let mut out = format!(
        "# Made from {file}: change that, then run `tidewatch slo generate {file}`. docs/slo.md explains the rules.\n\
         apiVersion: monitoring.coreos.com/v1\nkind: PrometheusRule\nmetadata:\n  name: {}\n",
        quoted(&declaration.name)
    );
    if !declaration.namespace.is_empty() {
        line(&mut out, 2, "namespace", &declaration.namespace);
    }
    map(&mut out, 2, "labels", &declaration.labels);
    out.push_str("spec:\n  groups:\n");
    for group in expand(declaration) {
        let interval = format_duration(group.interval);
        let _ =
            write!(out, "    - name: {}\n      interval: {interval}\n      rules:\n", quoted(&group.name));
        group.rules.iter().for_each(|one| rule(&mut out, one));
    }
    out
}

fn rule(out: &mut String, rule: &GeneratedRule) {
    let (key, name) = match &rule.name {
        RuleName::Record(name) => ("record", name),
        RuleName::Alert(name) => ("alert", name),
    };
    let _ = writeln!(out, "        - {key}: {}", quoted(name));
    out.push_str("          expr: |\n");
    for text in rule.expr.lines() {
        let _ = writeln!(out, "            {text}");
    }
    map(out, 10, "labels", &rule.labels);
    map(out, 10, "annotations", &rule.annotations);
}

fn map(out: &mut String, indent: usize, key: &str, entries: &BTreeMap<String, String>) {
    if entries.is_empty() {
        return;
    }
    let _ = writeln!(out, "{:indent$}{key}:", "");
    for (name, value) in entries {
        line(out, indent + 2, name, value);
    }
}

fn line(out: &mut String, indent: usize, key: &str, value: &str) {
    let _ = writeln!(out, "{:indent$}{key}: {}", "", quoted(value));
}

/// A YAML scalar in double quotes, or plain where nothing can be mistaken for anything else.
fn quoted(text: &str) -> String {
    let first = text.starts_with(|c: char| c.is_ascii_alphabetic());
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_:/".contains(c);
    let word =
        ["true", "false", "yes", "no", "on", "off", "null", "y", "n"].contains(&text.to_lowercase().as_str());
    if first && !word && text.chars().all(plain) && !text.ends_with(':') {
        return text.to_owned();
    }
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scalars_survive() {
        let check = |text: &str, expected: &str| assert_eq!(quoted(text), expected);
        check("slo:info", "slo:info");
        check("todo-app", "todo-app");
        check("99.5", "\"99.5\"");
        check("no", "\"no\"");
        check("a: b", "\"a: b\"");
        check("say \"hi\"\n\\", "\"say \\\"hi\\\"\\n\\\\\"");
        check("\u{7}", "\"\\u0007\"");
        check("", "\"\"");
        check("app.kubernetes.io/name", "\"app.kubernetes.io/name\"");
    }
}
