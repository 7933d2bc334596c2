//! PrometheusRules (monitoring.coreos.com/v1): groups of recording and alerting rules.
//!
//! Input: documents of this kind. Output: [`PrometheusRule`]. Expressions and templates stay text: they are parsed by
//! the crates that evaluate them.

use crate::fields::Fields;
use crate::{ObjectMeta, Source};
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
        };
        fields.known(&["partial_response_strategy"]);
        fields.finish_ref();
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
        };
        if rule.record.is_some() == rule.alert.is_some() {
            fields.wrong("expr", "a rule needs either record or alert", "set one of the two");
        }
        fields.finish_ref();
        rule
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
