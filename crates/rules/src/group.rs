//! Rule groups as they are evaluated: loaded, checked, with expressions and templates read.
//!
//! Input: the loader. Output: [`RuleGroup`]s for [`crate::GroupState`]. What a rule has done so far is not here.

use crate::expansion::RuleTemplate;
use std::collections::BTreeMap;
use std::time::Duration;
use tidewatch_promql::Expression;

/// Rules that are evaluated together, one after the other.
#[derive(Clone, Debug)]
pub struct RuleGroup {
    /// The name, unique in its file.
    pub name: String,
    /// The file's name as the API shows it; with the group's name it identifies the group.
    pub file: String,
    /// Time between evaluations.
    pub interval: Duration,
    /// How far back in time the group is evaluated, if it says so itself.
    pub query_offset: Option<Duration>,
    /// Most alerts or series a rule may give; 0 is no limit.
    pub limit: usize,
    /// Labels for all of its rules; each rule's own come on top.
    pub labels: BTreeMap<String, String>,
    /// The rules, in the order of their evaluation.
    pub rules: Vec<Rule>,
}

/// A checked rule.
#[derive(Clone, Debug)]
pub struct Rule {
    /// The metric a recording rule writes, or the alert's name.
    pub name: String,
    /// The canonical text of the expression.
    pub query: String,
    /// The expression.
    pub expression: Expression,
    /// The labels of group and rule as they are written, templates included; an empty value removes a label from the result.
    pub labels: BTreeMap<String, String>,
    /// What becomes of the result.
    pub kind: RuleKind,
    /// The 1-based line the rule begins at; 0 if unknown.
    pub line: u64,
}

/// What a rule is for.
#[derive(Clone, Debug)]
pub enum RuleKind {
    /// Its results become samples of a metric.
    Recording,
    /// Its results become alerts.
    Alerting(Box<AlertingRule>),
}

/// What an alerting rule has beyond other rules.
#[derive(Clone, Debug)]
pub struct AlertingRule {
    /// How long the expression must hold before the alert fires.
    pub hold_for: Duration,
    /// How long the alert keeps firing after the expression no longer holds.
    pub keep_firing_for: Duration,
    /// Annotations as they are written, templates included.
    pub annotations: BTreeMap<String, String>,
    /// The labels' templates.
    pub(crate) label_templates: Vec<(String, RuleTemplate)>,
    /// The annotations' templates.
    pub(crate) annotation_templates: Vec<(String, RuleTemplate)>,
}

impl RuleGroup {
    /// What identifies it among all groups: `file;name`, as in the label `rule_group` of Prometheus's metrics.
    pub fn key(&self) -> String {
        format!("{};{}", self.file, self.name)
    }

    /// Whether it is evaluated in the same way, so that a reload need not touch it.
    pub fn is_same(&self, other: &Self) -> bool {
        (&self.name, &self.file) == (&other.name, &other.file)
            && (self.interval, self.query_offset, self.limit)
                == (other.interval, other.query_offset, other.limit)
            && self.rules.len() == other.rules.len()
            && self.rules.iter().zip(&other.rules).all(|(a, b)| a.is_same(b))
    }
}

impl Rule {
    /// What it has beyond other rules, if it is an alerting rule.
    pub fn alerting(&self) -> Option<&AlertingRule> {
        match &self.kind {
            RuleKind::Recording => None,
            RuleKind::Alerting(alerting) => Some(alerting),
        }
    }

    fn is_same(&self, other: &Self) -> bool {
        let details = |rule: &Self| {
            rule.alerting().map(|alert| (alert.hold_for, alert.keep_firing_for, alert.annotations.clone()))
        };
        (&self.name, &self.query, &self.labels) == (&other.name, &other.query, &other.labels)
            && details(self) == details(other)
    }
}
