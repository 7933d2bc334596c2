//! What a group and a rule must be like, in Prometheus's words.
//!
//! Input: groups as `manifest` has read them. Output: mistakes with file, line and remedy, and the expressions. Templates are read by
//! the loader. Labels and names may be any text that is not empty, unless the classic syntax is asked for.

use crate::error::RuleError;
use tidewatch_manifest::{Rule, RuleGroup};
use tidewatch_model::{METRIC_NAME, is_valid_label_name, is_valid_metric_name};
use tidewatch_promql::{Expression, QueryError};

/// The group that is checked, and where mistakes go.
pub(crate) struct Place<'a> {
    pub(crate) file: &'a str,
    pub(crate) group: &'a RuleGroup,
    pub(crate) errors: &'a mut Vec<RuleError>,
    pub(crate) legacy_names: bool,
}

impl Place<'_> {
    /// Notes a mistake of a rule, at `position` or else where the rule begins.
    pub(crate) fn wrong(
        &mut self,
        number: usize,
        rule: &Rule,
        position: Option<(u64, u64)>,
        message: impl Into<String>,
        hint: &str,
    ) {
        let name = rule.alert.as_ref().or(rule.record.as_ref()).cloned().unwrap_or_default();
        let start = (rule.line > 0).then_some((rule.line, 1));
        self.errors.push(RuleError {
            file: self.file.to_owned(),
            position: position.or(rule.places.alert).or(rule.places.record).or(start),
            group: Some(self.group.name.clone()),
            rule: Some((number + 1, name)),
            message: message.into(),
            hint: Some(hint.to_owned()),
        });
    }

    fn wrong_group(&mut self, message: impl Into<String>, hint: &str) {
        self.errors.push(RuleError {
            file: self.file.to_owned(),
            position: Some(self.group.place).filter(|place| place.0 > 0),
            message: message.into(),
            hint: Some(hint.to_owned()),
            ..RuleError::default()
        });
    }

    fn is_label_name(&self, name: &str) -> bool {
        name != METRIC_NAME && if self.legacy_names { is_valid_label_name(name) } else { !name.is_empty() }
    }
}

const LABEL_HINT: &str = "a label has a name of its own, other than __name__";

/// Checks a group, but not its rules.
pub(crate) fn check_group(place: &mut Place<'_>, earlier: &[RuleGroup]) {
    let group = place.group;
    if group.name.is_empty() {
        place.wrong_group("Groupname must not be empty", "give the group a name that is unique in its file");
    } else if earlier.iter().any(|other| other.name == group.name) {
        let message = format!("groupname: {:?} is repeated in the same file", group.name);
        place.wrong_group(message, "rename one of the two groups");
    }
    for name in group.labels.keys() {
        if !place.is_label_name(name) {
            place.wrong_group(format!("invalid label name: {name}"), LABEL_HINT);
        }
    }
}

/// Checks a rule; its expression, if that can be read.
pub(crate) fn check_rule(
    place: &mut Place<'_>,
    number: usize,
    rule: &Rule,
    parse: impl Fn(&str) -> Result<Expression, QueryError>,
) -> Option<Expression> {
    match (&rule.record, &rule.alert) {
        (Some(_), Some(_)) => {
            let message = "only one of 'record' and 'alert' must be set";
            place.wrong(number, rule, rule.places.record, message, "make two rules of it");
        }
        (None, None) => {
            let message = "one of 'record' or 'alert' must be set";
            place.wrong(number, rule, None, message, "name the metric to record or the alert");
        }
        (Some(name), None) => check_recording(place, number, rule, name),
        (None, Some(_)) => {}
    }
    for name in rule.labels.keys() {
        if !place.is_label_name(name) {
            place.wrong(number, rule, None, format!("invalid label name: {name}"), LABEL_HINT);
        }
    }
    for name in rule.annotations.keys() {
        let valid = if place.legacy_names { is_valid_label_name(name) } else { !name.is_empty() };
        if !valid {
            let message = format!("invalid annotation name: {name}");
            place.wrong(number, rule, None, message, "name the annotation");
        }
    }
    check_expression(place, number, rule, parse)
}

fn check_expression(
    place: &mut Place<'_>,
    number: usize,
    rule: &Rule,
    parse: impl Fn(&str) -> Result<Expression, QueryError>,
) -> Option<Expression> {
    if rule.expr.is_empty() {
        let message = "field 'expr' must be set in rule";
        place.wrong(number, rule, rule.places.expr, message, "write a PromQL expression");
        return None;
    }
    match parse(&rule.expr) {
        Ok(expression) => Some(expression),
        Err(error) => {
            let message = format!("could not parse expression: {error}");
            let hint = "the numbers before \"parse error\" are line and column within the expression";
            place.wrong(number, rule, rule.places.expr, message, hint);
            None
        }
    }
}

fn check_recording(place: &mut Place<'_>, number: usize, rule: &Rule, name: &str) {
    let given = [
        ("annotations", !rule.annotations.is_empty()),
        ("for", !rule.hold_for.is_zero()),
        ("keep_firing_for", !rule.keep_firing_for.is_zero()),
    ];
    for (field, _) in given.iter().filter(|(_, given)| *given) {
        let message = format!("invalid field '{field}' in recording rule");
        place.wrong(number, rule, rule.places.record, message, "only alerting rules have it: remove it");
    }
    if place.legacy_names && !is_valid_metric_name(name) {
        let message = format!("invalid recording rule name: {name}");
        place.wrong(number, rule, rule.places.record, message, "use letters, digits, '_' and ':'");
    }
    if name.contains(['{', '}']) {
        let message = format!("braces present in the recording rule name; should it be in expr?: {name}");
        place.wrong(number, rule, rule.places.record, message, "labels of the result go to labels:");
    }
}
