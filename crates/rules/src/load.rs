//! Rule files and PrometheusRules to groups that can be evaluated, or all that is wrong with them.
//!
//! Input: the text of rule files, PrometheusRules that `manifest` has read. Output: [`RuleGroup`]s with expressions and templates
//! read, or [`RuleErrors`]. One mistake refuses everything it was loaded with: what was in force before stays so.

use crate::check::{Place, check_group, check_rule};
use crate::error::{RuleError, RuleErrors};
use crate::expansion::RuleTemplate;
use crate::group::{AlertingRule, Rule, RuleGroup, RuleKind};
use std::collections::BTreeMap;
use std::time::Duration;
use tidewatch_manifest::{PrometheusRule, parse_rule_file};
use tidewatch_promql::{Engine, EngineOptions, Expression};

/// How rules are read.
#[derive(Clone, Copy, Debug)]
pub struct LoadOptions {
    /// The interval of groups that name none, more than 0.
    pub default_interval: Duration,
    /// Whether fields that nobody knows are passed over; they are refused otherwise.
    pub ignore_unknown_fields: bool,
    /// Whether names must be of the classic syntax (`metric_name_validation_scheme: legacy`).
    pub legacy_names: bool,
    /// Whether functions that Prometheus calls experimental may be used; the engine that evaluates has to allow them too.
    pub experimental_functions: bool,
}

impl Default for LoadOptions {
    /// One minute, strict, any name, no experimental functions.
    fn default() -> Self {
        Self {
            default_interval: Duration::from_secs(60),
            ignore_unknown_fields: false,
            legacy_names: false,
            experimental_functions: false,
        }
    }
}

/// Reads the text of a rule file. `file` is how it is named in messages, and part of each group's identity.
///
/// # Errors
/// All mistakes of the file.
pub fn load_rule_file(file: &str, text: &str, options: &LoadOptions) -> Result<Vec<RuleGroup>, RuleErrors> {
    let groups = parse_rule_file(file, text, options.ignore_unknown_fields)
        .map_err(|errors| RuleErrors(errors.into_iter().map(RuleError::from).collect()))?;
    load(file, file, &groups, options)
}

/// The groups of a PrometheusRule. Their file is named `<namespace>-<name>.yaml`, as the Prometheus operator would write it (which
/// adds the object's uid, as the names of two objects may run together).
///
/// # Errors
/// All mistakes of the object.
pub fn groups_of(object: &PrometheusRule, options: &LoadOptions) -> Result<Vec<RuleGroup>, RuleErrors> {
    let file = format!("{}-{}.yaml", object.meta.namespace, object.meta.name);
    load(&file, &object.meta.source.file, &object.groups, options)
}

/// Checks that no two groups have the same file and name.
///
/// # Errors
/// When two have; all of them.
pub fn check_identities<'a>(groups: impl IntoIterator<Item = &'a RuleGroup>) -> Result<(), RuleErrors> {
    let mut seen = BTreeMap::new();
    let mut errors = Vec::new();
    for group in groups {
        if seen.insert((&group.file, &group.name), ()).is_some() {
            errors.push(RuleError {
                file: group.file.clone(),
                message: format!("groupname: {:?} is repeated in the same file", group.name),
                hint: Some("rename one of the two groups or objects".to_owned()),
                ..RuleError::default()
            });
        }
    }
    if errors.is_empty() { Ok(()) } else { Err(RuleErrors(errors)) }
}

/// Checks groups and reads their expressions and templates. `file` identifies them, `shown` is named in messages.
fn load(
    file: &str,
    shown: &str,
    groups: &[tidewatch_manifest::RuleGroup],
    options: &LoadOptions,
) -> Result<Vec<RuleGroup>, RuleErrors> {
    let mut errors = Vec::new();
    let mut loaded = Vec::with_capacity(groups.len());
    for (at, group) in groups.iter().enumerate() {
        let mut place = Place { file: shown, group, errors: &mut errors, legacy_names: options.legacy_names };
        check_group(&mut place, &groups[..at]);
        let mut rules = Vec::with_capacity(group.rules.len());
        for (number, rule) in group.rules.iter().enumerate() {
            rules.extend(load_rule(&mut place, number, rule, options));
        }
        let interval = group.interval.filter(|interval| !interval.is_zero());
        loaded.push(RuleGroup {
            name: group.name.clone(),
            file: file.to_owned(),
            interval: interval.unwrap_or(options.default_interval),
            query_offset: group.query_offset,
            limit: group.limit as usize,
            labels: group.labels.clone(),
            rules,
        });
    }
    if errors.is_empty() { Ok(loaded) } else { Err(RuleErrors(errors)) }
}

/// A rule, unless something is wrong with it.
fn load_rule(
    place: &mut Place<'_>,
    number: usize,
    rule: &tidewatch_manifest::Rule,
    options: &LoadOptions,
) -> Option<Rule> {
    let before = place.errors.len();
    let expression = check_rule(place, number, rule, |query| parse(query, options));
    let (label_templates, annotation_templates) = match &rule.alert {
        Some(name) => (
            templates(place, number, rule, "label", name, &rule.labels),
            templates(place, number, rule, "annotation", name, &rule.annotations),
        ),
        None => (Vec::new(), Vec::new()),
    };
    let expression = expression.filter(|_| place.errors.len() == before)?;
    let mut labels = place.group.labels.clone();
    labels.extend(rule.labels.clone());
    let (name, kind) = match &rule.alert {
        None => (rule.record.clone().unwrap_or_default(), RuleKind::Recording),
        Some(alert) => {
            // the group's labels are templates of its alerts too, though Prometheus does not check them when it loads
            let of_group = place.group.labels.iter().filter(|(name, _)| !rule.labels.contains_key(*name));
            let of_group: BTreeMap<_, _> = of_group.map(|(n, v)| (n.clone(), v.clone())).collect();
            let mut label_templates = label_templates;
            label_templates.extend(templates(place, number, rule, "label", alert, &of_group));
            label_templates.sort_by(|(a, _), (b, _)| a.cmp(b));
            let kind = RuleKind::Alerting(Box::new(AlertingRule {
                hold_for: rule.hold_for,
                keep_firing_for: rule.keep_firing_for,
                annotations: rule.annotations.clone(),
                label_templates,
                annotation_templates,
            }));
            (alert.clone(), kind)
        }
    };
    Some(Rule { name, query: expression.to_string(), expression, labels, kind, line: rule.line })
}

fn parse(query: &str, options: &LoadOptions) -> Result<Expression, tidewatch_promql::QueryError> {
    let experimental_functions = options.experimental_functions;
    Engine::new(EngineOptions { experimental_functions, ..EngineOptions::default() }).parse(query)
}

/// The templates of an alert's labels or annotations.
fn templates(
    place: &mut Place<'_>,
    number: usize,
    rule: &tidewatch_manifest::Rule,
    what: &str,
    alert: &str,
    texts: &BTreeMap<String, String>,
) -> Vec<(String, RuleTemplate)> {
    let mut read = Vec::with_capacity(texts.len());
    for (name, text) in texts {
        match RuleTemplate::parse(alert, text) {
            Ok(template) => read.push((name.clone(), template)),
            Err(error) => {
                let message = format!("{what} {name:?}: {error}");
                let hint = "templates have the variables $labels, $value, $externalLabels and $externalURL and the functions of \
                            Prometheus's template reference";
                place.wrong(number, rule, None, message, hint);
            }
        }
    }
    read
}
