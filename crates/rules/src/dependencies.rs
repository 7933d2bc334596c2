//! Which rules of a group read what earlier ones of it write.
//!
//! Input: the rules of a group. Output: for each rule the earlier rules whose series have to be in the store when it is evaluated.
//! A selector without a metric's name may read anything, and so may a template that queries. Series of other groups are not looked
//! at: groups have no order among each other.

use crate::group::{Rule, RuleGroup};
use std::collections::HashMap;
use tidewatch_model::{METRIC_NAME, MatchOp, Matcher};

/// What the alerts of a rule are written as.
pub(crate) const ALERTS: &str = "ALERTS";
/// Since when the alerts of a rule are active.
pub(crate) const ALERTS_FOR_STATE: &str = "ALERTS_FOR_STATE";
/// The label with an alert's name.
pub(crate) const ALERT_NAME: &str = "alertname";

/// The earlier rules a rule depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Needs {
    /// It cannot be told: all of them.
    All,
    /// The last of them, if any: when that one's series are in the store, so are the others'.
    UpTo(Option<usize>),
}

/// What each rule of a group needs.
pub(crate) fn needs(group: &RuleGroup) -> Vec<Needs> {
    let mut writers: HashMap<&str, usize> = HashMap::new();
    let mut needs = Vec::with_capacity(group.rules.len());
    for (at, rule) in group.rules.iter().enumerate() {
        needs.push(needs_of(rule, &group.rules[..at], &writers));
        match rule.alerting() {
            None => _ = writers.insert(&rule.name, at),
            Some(_) => {
                writers.insert(ALERTS, at);
                writers.insert(ALERTS_FOR_STATE, at);
            }
        }
    }
    needs
}

fn needs_of(rule: &Rule, earlier: &[Rule], writers: &HashMap<&str, usize>) -> Needs {
    let queries = rule.alerting().is_some_and(|alerting| {
        let mut texts = rule.labels.values().chain(alerting.annotations.values());
        texts.any(|text| text.contains("{{") && text.contains("query"))
    });
    if queries && !earlier.is_empty() {
        return Needs::All;
    }
    let mut last = None;
    for selector in rule.expression.selectors() {
        let Some(name) = selector.iter().find(|matcher| matcher.name() == METRIC_NAME) else {
            return if earlier.is_empty() { Needs::UpTo(None) } else { Needs::All };
        };
        last = last.max(last_writer(name, earlier, writers));
    }
    Needs::UpTo(last)
}

fn last_writer(name: &Matcher, earlier: &[Rule], writers: &HashMap<&str, usize>) -> Option<usize> {
    if name.op() == MatchOp::Equal {
        return writers.get(name.value()).copied();
    }
    earlier.iter().rposition(|rule| match rule.alerting() {
        None => name.matches(&rule.name),
        Some(_) => name.matches(ALERTS) || name.matches(ALERTS_FOR_STATE),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::{LoadOptions, load_rule_file};

    #[test]
    fn a_rule_needs_the_last_earlier_rule_whose_series_it_reads() {
        let check = |rules: &[&str], expected: &[Needs]| {
            let rules: String = rules.iter().map(|rule| format!("  - {{{rule}}}\n")).collect();
            let text = format!("groups:\n- name: g\n  rules:\n{rules}");
            let groups = load_rule_file("r.yml", &text, &LoadOptions::default()).unwrap();
            assert_eq!(needs(&groups[0]), expected, "{rules}");
        };
        let none = || Needs::UpTo(None);
        let up_to = |at| Needs::UpTo(Some(at));
        check(&["record: a, expr: x", "record: b, expr: y"], &[none(), none()]);
        check(
            &[
                "record: a, expr: x",
                "record: b, expr: y",
                "record: c, expr: b + a",
                "record: d, expr: 'rate(a[5m])'",
            ],
            &[none(), none(), up_to(1), up_to(0)],
        );
        // what comes later is read as it was written the time before
        check(&["record: a, expr: b", "record: b, expr: b"], &[none(), none()]);
        check(&["record: a, expr: x", "record: b, expr: '{__name__=~\"a|z\"}'"], &[none(), up_to(0)]);
        check(&["record: a, expr: '{job=\"x\"}'", "record: b, expr: '{job=\"x\"}'"], &[none(), Needs::All]);
        check(&["record: a, expr: vector(1)", "record: b, expr: time()"], &[none(), none()]);
        check(
            &[
                "alert: A, expr: x",
                "record: b, expr: 'count(ALERTS)'",
                "record: c, expr: 'ALERTS_FOR_STATE{alertname=\"Z\"}'",
            ],
            &[none(), up_to(0), up_to(0)],
        );
        check(
            &[
                "record: a, expr: x",
                "alert: B, expr: x, annotations: {s: '{{ query \"a\" }}'}",
                "alert: C, expr: x, annotations: {s: query}",
            ],
            &[none(), Needs::All, none()],
        );
    }
}
