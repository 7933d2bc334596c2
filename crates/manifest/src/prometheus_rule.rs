//! Groups of recording and alerting rules: PrometheusRules (monitoring.coreos.com/v1) and Prometheus's own rule files.
//!
//! Input: documents of this kind, or the text of a rule file. Output: [`PrometheusRule`], or [`RuleGroup`]s. Expressions and
//! templates stay text: they are parsed by the crates that evaluate them, which also say what is wrong with a group or rule as
//! such, in Prometheus's words.

use crate::fields::Fields;
use crate::prometheus::values;
use crate::settings_file::read_settings_file;
use crate::{ManifestError, ObjectMeta, Source};
use std::collections::BTreeMap;
use std::time::Duration;
use tidewatch_model::parse_duration;

/// A PrometheusRule.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PrometheusRule {
    /// Name, namespace, labels and place.
    pub meta: ObjectMeta,
    /// The groups.
    pub groups: Vec<RuleGroup>,
}

/// Rules that are evaluated together, one after the other.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RuleGroup {
    /// The name, unique in its object.
    pub name: String,
    /// Time between evaluations, if it differs from the global one.
    pub interval: Option<Duration>,
    /// How far back in time the group is evaluated, if given.
    pub query_offset: Option<Duration>,
    /// Most alerts or series a rule may give; 0 is no limit.
    pub limit: u32,
    /// Labels for all of its rules.
    pub labels: BTreeMap<String, String>,
    /// The rules.
    pub rules: Vec<Rule>,
    /// The 1-based line and column it begins at; 0 if it was not read.
    pub place: (u64, u64),
}

/// A rule.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rule {
    /// The metric a recording rule writes.
    pub record: Option<String>,
    /// The name of an alerting rule.
    pub alert: Option<String>,
    /// The PromQL expression.
    pub expr: String,
    /// How long the expression must hold before the alert fires.
    pub hold_for: Duration,
    /// How long the alert keeps firing after the expression no longer holds.
    pub keep_firing_for: Duration,
    /// Labels to add; templates in alerts.
    pub labels: BTreeMap<String, String>,
    /// Annotations; templates.
    pub annotations: BTreeMap<String, String>,
    /// The 1-based line the rule begins at.
    pub line: u64,
    /// Where its parts stand.
    pub places: RulePlaces,
}

/// The 1-based lines and columns of the parts of a [`Rule`]; absent where a part is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RulePlaces {
    /// The name of a recording rule.
    pub record: Option<(u64, u64)>,
    /// The name of an alerting rule.
    pub alert: Option<(u64, u64)>,
    /// The expression.
    pub expr: Option<(u64, u64)>,
}

/// Reads one of Prometheus's rule files: `groups:` of rules. `lenient` passes over fields that are not known. The groups and rules
/// themselves are not checked.
///
/// # Errors
/// All mistakes of the file, by line.
pub fn parse_rule_file(file: &str, text: &str, lenient: bool) -> Result<Vec<RuleGroup>, Vec<ManifestError>> {
    let mut groups = Vec::new();
    let read = |fields: &Fields<'_>| {
        let read = |group: &Fields<'_>| RuleGroup::read_plain(group, lenient);
        groups = fields.list("groups").iter().map(read).collect();
    };
    match read_settings_file(file, text, false, read) {
        Ok(_) => Ok(groups),
        Err(errors) if lenient && errors.iter().all(|error| error.message == "unknown field") => Ok(groups),
        Err(errors) => Err(errors),
    }
}

impl PrometheusRule {
    pub(crate) fn read(object: &Fields<'_>, source: Source) -> Self {
        let mut rule = Self { meta: ObjectMeta::read(object, source, true), ..Self::default() };
        let Some(spec) = object.required_section("spec") else { return rule };
        for fields in spec.list("groups") {
            let group = RuleGroup::read(&fields);
            if rule.groups.iter().any(|other| other.name == group.name) {
                fields.wrong(
                    "name",
                    format!("a second group is named {:?}", group.name),
                    "rename one of the two",
                );
            }
            rule.groups.push(group);
        }
        spec.finish();
        rule
    }
}

impl RuleGroup {
    fn read(fields: &Fields<'_>) -> Self {
        let group = Self {
            name: fields.required_text("name"),
            interval: duration(fields, "interval"),
            query_offset: duration(fields, "query_offset"),
            limit: fields.number("limit", 0, i32::MAX.into()).unwrap_or(0),
            labels: fields.texts("labels"),
            rules: fields.list("rules").iter().map(Rule::read).collect(),
            place: fields.place(),
        };
        fields.known(&["partial_response_strategy"]);
        fields.finish_ref();
        group
    }

    /// Reads a group of a rule file, where numbers count as text and a negative limit is none.
    fn read_plain(fields: &Fields<'_>, lenient: bool) -> Self {
        let limit = fields.number("limit", i64::MIN, i64::MAX).unwrap_or(0i64);
        let group = Self {
            name: values::text(fields, "name").unwrap_or_default(),
            interval: values::duration(fields, "interval"),
            query_offset: values::duration(fields, "query_offset"),
            limit: u32::try_from(limit.max(0)).unwrap_or(u32::MAX),
            labels: values::text_map(fields, "labels"),
            rules: fields.list("rules").iter().map(|rule| Rule::read_plain(rule, lenient)).collect(),
            place: fields.place(),
        };
        if !lenient {
            fields.finish_ref();
        }
        group
    }
}

impl Rule {
    fn read(fields: &Fields<'_>) -> Self {
        let rule = Self {
            record: fields.text("record"),
            alert: fields.text("alert"),
            // An expression may be written as a bare number.
            expr: match fields.raw("expr").map(|node| node.to_json()) {
                Some(serde_json::Value::Number(number)) => number.to_string(),
                _ => fields.required_text("expr"),
            },
            hold_for: duration(fields, "for").unwrap_or_default(),
            keep_firing_for: duration(fields, "keep_firing_for").unwrap_or_default(),
            labels: fields.texts("labels"),
            annotations: fields.texts("annotations"),
            line: fields.line(),
            places: RulePlaces::read(fields),
        };
        if rule.record.is_some() == rule.alert.is_some() {
            fields.wrong("expr", "a rule needs either record or alert", "set one of the two");
        }
        fields.finish_ref();
        rule
    }

    /// Reads a rule of a rule file, where numbers count as text and empty text counts as absent.
    fn read_plain(fields: &Fields<'_>, lenient: bool) -> Self {
        let given = |key| values::text(fields, key).filter(|text| !text.is_empty());
        let rule = Self {
            record: given("record"),
            alert: given("alert"),
            expr: given("expr").unwrap_or_default(),
            hold_for: values::duration(fields, "for").unwrap_or_default(),
            keep_firing_for: values::duration(fields, "keep_firing_for").unwrap_or_default(),
            labels: values::text_map(fields, "labels"),
            annotations: values::text_map(fields, "annotations"),
            line: fields.line(),
            places: RulePlaces::read(fields),
        };
        if !lenient {
            fields.finish_ref();
        }
        rule
    }
}

impl RulePlaces {
    fn read(fields: &Fields<'_>) -> Self {
        let place = |key| fields.raw(key).map(|node| (node.line, node.column));
        Self { record: place("record"), alert: place("alert"), expr: place("expr") }
    }
}

fn duration(fields: &Fields<'_>, key: &'static str) -> Option<Duration> {
    let text = fields.text(key)?;
    match parse_duration(&text) {
        Ok(duration) => Some(duration),
        Err(_) => {
            fields.wrong(key, format!("invalid duration {text:?}"), "write e.g. 30s, 5m, 1h30m");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_file_is_read_as_it_is_written() {
        let text = "groups:\n- name: 1\n  interval: 30s\n  limit: -2\n  query_offset: 0\n  labels: {zone: 010}\n  rules:\n\
                    \x20 - {record: a:b, expr: 1.50}\n  - alert: A\n    expr: up == 0\n    for: 1m30s\n    keep_firing_for: 5s\n\
                    \x20   annotations: {summary: yes}\n";
        let groups = parse_rule_file("r.yml", text, false).unwrap();
        let [group] = groups.as_slice() else { panic!("{groups:?}") };
        assert_eq!((group.name.as_str(), group.limit, group.place), ("1", 0, (2, 3)));
        assert_eq!(
            (group.interval, group.query_offset),
            (Some(Duration::from_secs(30)), Some(Duration::ZERO))
        );
        assert_eq!(group.labels["zone"], "010");
        let [record, alert] = group.rules.as_slice() else { panic!("{group:?}") };
        assert_eq!((record.record.as_deref(), record.expr.as_str()), (Some("a:b"), "1.50"));
        assert_eq!(
            (alert.hold_for, alert.keep_firing_for),
            (Duration::from_secs(90), Duration::from_secs(5))
        );
        assert_eq!((alert.annotations["summary"].as_str(), alert.places.expr), ("yes", Some((10, 11))));
    }

    #[test]
    fn fields_that_nobody_knows_are_refused_unless_they_are_to_be_passed_over() {
        let text = "groups:\n- name: g\n  rules:\n  - {record: a, expr: b, hold: 5m}\nmore: 1\n";
        let errors = parse_rule_file("r.yml", text, false).unwrap_err();
        let found: Vec<_> = errors.iter().map(|e| (e.position, e.field.as_deref())).collect();
        assert_eq!(found, [(Some((4, 26)), Some("groups[0].rules[0].hold")), (Some((5, 1)), Some("more"))]);
        assert_eq!(parse_rule_file("r.yml", text, true).unwrap()[0].rules.len(), 1);
        assert!(parse_rule_file("r.yml", "groups: [{name: g, interval: x}]", true).is_err());
        assert_eq!(parse_rule_file("r.yml", "", false).unwrap(), []);
    }
}
