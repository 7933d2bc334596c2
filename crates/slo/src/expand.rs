//! A declaration as rule groups: one group an objective, so that each is whole at one instant and independent of the
//! others.
//!
//! Input: a [`Declaration`]. Output: [`GeneratedGroup`]s, in its order.

use crate::Declaration;
use crate::alerts::alerts;
use crate::recordings::recordings;
use std::collections::BTreeMap;
use std::time::Duration;

/// Rules that are evaluated together.
#[derive(Clone, Debug, PartialEq)]
pub struct GeneratedGroup {
    /// `slo-` and the objective's name.
    pub name: String,
    /// Time between evaluations.
    pub interval: Duration,
    /// The rules: recordings, then alerts.
    pub rules: Vec<GeneratedRule>,
}

/// One rule.
#[derive(Clone, Debug, PartialEq)]
pub struct GeneratedRule {
    /// What it records, or the alert it raises.
    pub name: RuleName,
    /// The expression, of one or several lines.
    pub expr: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Annotations of an alert: templates.
    pub annotations: BTreeMap<String, String>,
}

/// What a rule makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RuleName {
    /// A series of this name.
    Record(String),
    /// An alert of this name.
    Alert(String),
}

/// The rules of all objectives.
pub fn expand(declaration: &Declaration) -> Vec<GeneratedGroup> {
    let interval = declaration.interval;
    let group = |objective| {
        let mut rules = recordings(objective);
        rules.extend(alerts(objective, interval));
        GeneratedGroup { name: format!("slo-{}", objective.name), interval, rules }
    };
    declaration.objectives.iter().map(group).collect()
}
