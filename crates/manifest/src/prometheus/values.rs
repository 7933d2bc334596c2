//! Values as Prometheus's YAML writes them: durations, sizes, scalars that count as text.
//!
//! Input: a field of a section. Output: the plain value; a mistake goes to the report of the section, with a remedy.

use crate::fields::Fields;
use crate::node::{Node, NodeValue};
use std::collections::BTreeMap;
use std::time::Duration;
use tidewatch_model::{RelabelAction, RelabelRule, parse_duration};

const DURATION_HINT: &str = "write e.g. 30s, 5m, 1h30m (units y, w, d, h, m, s, ms, largest first)";

/// A duration such as `30s`.
pub fn duration(fields: &Fields<'_>, key: &'static str) -> Option<Duration> {
    let text = scalar(fields.raw(key)?);
    let parsed = text.as_deref().and_then(|text| parse_duration(text).ok());
    if parsed.is_none() {
        let shown = text.map_or_else(|| "not text".to_owned(), |text| format!("{text:?}"));
        fields.wrong(key, format!("invalid duration {shown}"), DURATION_HINT);
    }
    parsed
}

/// A number of bytes such as `10MB` or `512KiB`; units are powers of 1024, as in Prometheus.
pub(crate) fn bytes(fields: &Fields<'_>, key: &'static str) -> Option<u64> {
    let text = scalar(fields.raw(key)?).unwrap_or_default();
    let parsed = parse_bytes(&text);
    if parsed.is_none() {
        fields.wrong(key, format!("invalid size {text:?}"), "write e.g. 512KB, 10MB or 1GB");
    }
    parsed
}

/// A number of bytes such as `10MB` or `512KiB`, or `0`; units are powers of 1024, as in Prometheus. `None` when it is none.
pub fn parse_bytes(text: &str) -> Option<u64> {
    if text == "0" {
        return Some(0);
    }
    let at = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let power = match &text[at..] {
        "B" => 0,
        "KB" | "KiB" => 1,
        "MB" | "MiB" => 2,
        "GB" | "GiB" => 3,
        "TB" | "TiB" => 4,
        "PB" | "PiB" => 5,
        _ => return None,
    };
    let number: f64 = text[..at].parse().ok()?;
    Some((number * 1024f64.powi(power)) as u64)
}

/// A limit: a whole number from 0, which is no limit.
pub(crate) fn limit(fields: &Fields<'_>, key: &'static str) -> u64 {
    fields.number(key, 0, i64::MAX).unwrap_or_default()
}

/// Turns numbers and booleans that YAML would print in another way (`1.10`, `yes`, `0x10`) back into the text that is
/// written: in Prometheus labels and parameters are text as written, whatever YAML makes of them. What has to be a number
/// or a boolean must be written plainly (`true`, `10`).
pub(crate) fn keep_as_written(node: &mut Node, text: &str) {
    let lines: Vec<&str> = text.strip_prefix('\u{feff}').unwrap_or(text).lines().collect();
    restore(node, &lines);
}

fn restore(node: &mut Node, lines: &[&str]) {
    match &mut node.value {
        NodeValue::List(items) => items.iter_mut().for_each(|item| restore(item, lines)),
        NodeValue::Map(entries) => entries.iter_mut().for_each(|(_, value)| restore(value, lines)),
        NodeValue::Bool(_) | NodeValue::Integer(_) | NodeValue::Float(_) => {
            let index = |number: u64| usize::try_from(number).unwrap_or_default().saturating_sub(1);
            let line = lines.get(index(node.line)).copied().unwrap_or_default();
            let rest = line.chars().skip(index(node.column));
            let written: String = rest.take_while(|c| !c.is_whitespace() && !",]}".contains(*c)).collect();
            // JSON that is indented with tabs has no places; nothing is taken from there
            let plausible = written.starts_with(|c: char| c.is_alphanumeric() || "+-.".contains(c));
            if plausible && scalar(node).as_deref() != Some(&written) {
                node.value = NodeValue::Text(written);
            }
        }
        NodeValue::Null | NodeValue::Text(_) => {}
    }
}

/// A scalar as text: YAML's numbers and booleans are text where Prometheus wants text.
pub(crate) fn scalar(node: &Node) -> Option<String> {
    match &node.value {
        NodeValue::Text(text) => Some(text.clone()),
        NodeValue::Integer(number) => Some(number.to_string()),
        NodeValue::Float(number) => Some(number.to_string()),
        NodeValue::Bool(flag) => Some(flag.to_string()),
        NodeValue::Null => Some(String::new()),
        NodeValue::List(_) | NodeValue::Map(_) => None,
    }
}

/// A text field in which numbers count as text.
pub fn text(fields: &Fields<'_>, key: &'static str) -> Option<String> {
    let node = fields.raw(key)?;
    let text = scalar(node);
    if text.is_none() {
        fields.wrong(key, format!("must be text, is {}", node.describe()), "");
    }
    text
}

/// A list of text in which numbers count as text.
pub fn texts(fields: &Fields<'_>, key: &'static str) -> Vec<String> {
    let Some(node) = fields.raw(key) else { return Vec::new() };
    let items = match &node.value {
        NodeValue::List(items) => items.iter().map(scalar).collect::<Option<Vec<_>>>(),
        _ => None,
    };
    items.unwrap_or_else(|| {
        fields.wrong(key, format!("must be a list of text, is {}", node.describe()), "write e.g. [a, b]");
        Vec::new()
    })
}

/// A map of text in which numbers count as text.
pub fn text_map(fields: &Fields<'_>, key: &'static str) -> BTreeMap<String, String> {
    map(fields, key, "text", scalar)
}

/// A map of lists of text.
pub(crate) fn list_map(fields: &Fields<'_>, key: &'static str) -> BTreeMap<String, Vec<String>> {
    map(fields, key, "lists of text", |node| match &node.value {
        NodeValue::List(items) => items.iter().map(scalar).collect(),
        _ => None,
    })
}

fn map<T>(
    fields: &Fields<'_>,
    key: &'static str,
    wanted: &str,
    read: impl Fn(&Node) -> Option<T>,
) -> BTreeMap<String, T> {
    let Some(node) = fields.raw(key) else { return BTreeMap::new() };
    let entries = match &node.value {
        NodeValue::Map(entries) => {
            entries.iter().map(|(name, value)| Some((scalar(name)?, read(value)?))).collect::<Option<_>>()
        }
        _ => None,
    };
    entries.unwrap_or_else(|| {
        fields.wrong(key, format!("must be a map of names to {wanted}"), "");
        BTreeMap::new()
    })
}

/// How the two dialects name the fields of a relabel rule.
pub(crate) struct RelabelKeys {
    source_labels: &'static str,
    target_label: &'static str,
}

impl RelabelKeys {
    /// `source_labels`, as in prometheus.yml.
    pub(crate) const PROMETHEUS: Self = Self { source_labels: "source_labels", target_label: "target_label" };
    /// `sourceLabels`, as in a ServiceMonitor.
    pub(crate) const OPERATOR: Self = Self { source_labels: "sourceLabels", target_label: "targetLabel" };
}

/// A list of relabel rules.
pub(crate) fn relabel_rules(fields: &Fields<'_>, key: &'static str, keys: &RelabelKeys) -> Vec<RelabelRule> {
    fields.list(key).into_iter().filter_map(|rule| relabel_rule(rule, keys)).collect()
}

fn relabel_rule(rule: Fields<'_>, keys: &RelabelKeys) -> Option<RelabelRule> {
    let action_name = text(&rule, "action").unwrap_or_else(|| "replace".to_owned());
    let action = RelabelAction::from_name(&action_name);
    let source_labels = texts(&rule, keys.source_labels);
    let separator = text(&rule, "separator");
    let regex = text(&rule, "regex");
    let modulus = rule.number("modulus", 0, i64::MAX);
    let target_label = text(&rule, keys.target_label);
    let replacement = text(&rule, "replacement");
    let given = [
        ("source_labels", rule.has(keys.source_labels)),
        ("target_label", target_label.is_some()),
        ("separator", separator.as_deref().is_some_and(|text| text != ";")),
        ("modulus", modulus.is_some_and(|number: u64| number != 0)),
        ("replacement", replacement.as_deref().is_some_and(|text| text != "$1")),
        ("regex", regex.as_deref().is_some_and(|text| text != "(.*)")),
    ];
    if let Some((allowed, field)) = action.and_then(|action| superfluous(action, &given)) {
        let message = format!("{field} must not be set for action {action_name}");
        rule.wrong("action", message, &format!("it takes {allowed} only"));
    }
    let made = match action {
        None => {
            rule.wrong(
                "action",
                format!("unknown relabel action {action_name:?}"),
                "use replace, keep, drop, keepequal, dropequal, hashmod, labelmap, labeldrop, labelkeep, lowercase or uppercase",
            );
            None
        }
        Some(action) => {
            match RelabelRule::new(
                action,
                source_labels,
                separator,
                regex.as_deref(),
                modulus,
                target_label,
                replacement,
            ) {
                Ok(made) => Some(made),
                Err(error) => {
                    rule.wrong(if regex.is_some() { "regex" } else { "action" }, error, "");
                    None
                }
            }
        }
    };
    rule.finish();
    made
}

/// A field that the action does not take, and what it takes, as Prometheus refuses it.
fn superfluous(
    action: RelabelAction,
    given: &[(&'static str, bool)],
) -> Option<(&'static str, &'static str)> {
    use RelabelAction::{DropEqual, KeepEqual, LabelDrop, LabelKeep, Lowercase, Uppercase};
    let (allowed, refused): (_, &[&str]) = match action {
        LabelDrop | LabelKeep => {
            ("regex", &["source_labels", "target_label", "separator", "modulus", "replacement"])
        }
        KeepEqual | DropEqual => {
            ("source_labels and target_label", &["separator", "modulus", "replacement", "regex"])
        }
        Lowercase | Uppercase => ("source_labels, separator and target_label", &["replacement"]),
        _ => return None,
    };
    let found = given.iter().find(|(name, is_given)| *is_given && refused.contains(name))?;
    Some((allowed, found.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_powers_of_1024() {
        let check = |text: &str, expected: Option<u64>| assert_eq!(parse_bytes(text), expected, "{text}");
        check("0", Some(0));
        check("100B", Some(100));
        check("1.5KB", Some(1536));
        check("10MB", Some(10 << 20));
        check("1GiB", Some(1 << 30));
        check("10", None);
        check("MB", None);
        check("1mb", None);
    }
}
