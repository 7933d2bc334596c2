//! Alerts that are not told because another one says more.
//!
//! Input: the rules under `inhibit_rules` and every alert. Output: which alert inhibits a label set at a time. An alert that matches
//! both sides of a rule is not inhibited by one that does so too. Which of several inhibits is the first by its labels.

use crate::fingerprint::fingerprint_text;
use crate::{InhibitRule, StoredAlert};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use tidewatch_model::Labels;

/// Knows the alerts that inhibit.
#[derive(Clone, Debug, Default)]
pub(crate) struct Inhibitor {
    rules: Vec<Sources>,
}

/// The alerts on the source side of a rule.
#[derive(Clone, Debug)]
struct Sources {
    rule: InhibitRule,
    /// By the values of the labels that have to be equal.
    alerts: HashMap<Vec<String>, BTreeMap<Labels, Arc<StoredAlert>>>,
}

impl Inhibitor {
    pub(crate) fn new(rules: &[InhibitRule]) -> Self {
        Self {
            rules: rules.iter().map(|rule| Sources { rule: rule.clone(), alerts: HashMap::new() }).collect(),
        }
    }

    /// Takes an alert, new or changed.
    pub(crate) fn insert(&mut self, alert: &Arc<StoredAlert>) {
        let labels = &alert.alert.labels;
        for sources in self.rules.iter_mut().filter(|sources| sources.rule.source_matchers.matches(labels)) {
            let key = equal_values(&sources.rule, labels);
            sources.alerts.entry(key).or_default().insert(labels.clone(), Arc::clone(alert));
        }
    }

    /// The fingerprint of an alert that inhibits these labels.
    pub(crate) fn inhibited_by(&self, labels: &Labels, now: i64) -> Option<String> {
        self.rules.iter().find_map(|sources| sources.inhibiting(labels, now)).map(fingerprint_text)
    }

    /// Forgets alerts that are over.
    pub(crate) fn collect_garbage(&mut self, now: i64) {
        for sources in &mut self.rules {
            sources.alerts.retain(|_, alerts| {
                alerts.retain(|_, alert| !alert.alert.is_resolved_at(now));
                !alerts.is_empty()
            });
        }
    }
}

impl Sources {
    fn inhibiting(&self, labels: &Labels, now: i64) -> Option<&Labels> {
        let rule = &self.rule;
        if !rule.target_matchers.matches(labels) {
            return None;
        }
        let is_source_too = rule.source_matchers.matches(labels);
        let candidates = self.alerts.get(&equal_values(rule, labels))?;
        let inhibits = |alert: &&Arc<StoredAlert>| {
            let on_both_sides = is_source_too && rule.target_matchers.matches(&alert.alert.labels);
            !on_both_sides && !alert.alert.is_resolved_at(now)
        };
        candidates.values().find(inhibits).map(|alert| &alert.alert.labels)
    }
}

fn equal_values(rule: &InhibitRule, labels: &Labels) -> Vec<String> {
    rule.equal.iter().map(|name| labels.get(name).unwrap_or_default().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Matchers;
    use crate::matchers::parse_matchers;
    use tidewatch_model::Alert;

    fn rule(source: &str, target: &str, equal: &[&str]) -> InhibitRule {
        let matchers = |text: &str| Matchers::new(parse_matchers(text).unwrap());
        InhibitRule {
            name: String::new(),
            source_matchers: matchers(source),
            target_matchers: matchers(target),
            equal: equal.iter().map(|name| (*name).to_owned()).collect(),
        }
    }

    fn alert(pairs: &[(&str, &str)], ends_at: i64) -> Arc<StoredAlert> {
        let labels = Labels::from_pairs(pairs.iter().copied());
        let alert = Alert { labels, starts_at: 1, ends_at, ..Alert::default() };
        Arc::new(StoredAlert { alert, updated_at: 1, timed_out: false })
    }

    fn check(
        rule: &InhibitRule,
        sources: &[Arc<StoredAlert>],
        target: &[(&str, &str)],
        now: i64,
        expected: bool,
    ) {
        let mut inhibitor = Inhibitor::new(std::slice::from_ref(rule));
        sources.iter().for_each(|source| inhibitor.insert(source));
        let labels = Labels::from_pairs(target.iter().copied());
        assert_eq!(
            inhibitor.inhibited_by(&labels, now).is_some(),
            expected,
            "{rule:?} {sources:?} {target:?}"
        );
        inhibitor.collect_garbage(now);
        assert_eq!(inhibitor.inhibited_by(&labels, now).is_some(), expected, "after forgetting");
    }

    #[test]
    fn sources_inhibit_targets_with_equal_labels() {
        let by_severity = rule("severity=critical", "severity=warning", &["job"]);
        let source = alert(&[("severity", "critical"), ("job", "a")], 100);
        let target = [("severity", "warning"), ("job", "a")];
        check(&by_severity, std::slice::from_ref(&source), &target, 50, true);
        check(&by_severity, std::slice::from_ref(&source), &target, 100, false);
        check(
            &by_severity,
            std::slice::from_ref(&source),
            &[("severity", "warning"), ("job", "b")],
            50,
            false,
        );
        check(&by_severity, std::slice::from_ref(&source), &[("severity", "warning")], 50, false);
        check(&by_severity, &[source], &[("severity", "info"), ("job", "a")], 50, false);
        // a label that both lack is equal
        let bare = alert(&[("severity", "critical")], 100);
        check(&by_severity, &[bare], &[("severity", "warning")], 50, true);
    }

    #[test]
    fn who_is_on_both_sides_is_not_inhibited_by_another_such() {
        let both = rule("a=~\"1|2\"", "a=~\"2|3\"", &[]);
        let on_both_sides = alert(&[("a", "2"), ("x", "1")], 100);
        check(&both, std::slice::from_ref(&on_both_sides), &[("a", "2"), ("x", "2")], 50, false);
        check(&both, &[on_both_sides], &[("a", "3")], 50, true);
        let source_only = alert(&[("a", "1")], 100);
        check(&both, &[source_only], &[("a", "2"), ("x", "2")], 50, true);
    }
}
