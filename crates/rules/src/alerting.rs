//! An alerting rule: from results of its expression to alerts, their series, and those to be sent.
//!
//! Input: results at a time, the rule, its alerts so far. Output: the alerts as they stand, the samples of `ALERTS` and
//! `ALERTS_FOR_STATE`, and [`Alert`]s for whoever tells people. How one alert changes is in [`crate::alert`].

use crate::alert::{ActiveAlert, AlertState, Durations, Fate};
use crate::context::{EvaluationContext, milliseconds};
use crate::dependencies::{ALERT_NAME, ALERTS, ALERTS_FOR_STATE};
use crate::error::EvaluationError;
use crate::expansion::Expansion;
use crate::group::{AlertingRule, Rule};
use std::collections::{BTreeMap, HashSet};
use tidewatch_model::{Alert, Labels, LabelsBuilder, METRIC_NAME};
use tidewatch_promql::VectorElement;

/// The label of `ALERTS` with the state.
const ALERT_STATE: &str = "alertstate";

/// The alerts of a rule, by their labels.
#[derive(Clone, Debug, Default)]
pub(crate) struct Alerts {
    instances: BTreeMap<Labels, Instance>,
    /// What the labels of the last results became, in their order; only where no template depends on anything else.
    identities: Vec<(Labels, Labels)>,
}

/// An alert and the labels of its series, made when they are first needed.
#[derive(Clone, Debug)]
struct Instance {
    alert: ActiveAlert,
    holds: bool,
    alerts_series: Option<(AlertState, Labels)>,
    for_state_series: Option<Labels>,
}

/// A result on its way to an alert.
struct Found {
    labels: Labels,
    annotations: Labels,
    value: f64,
}

impl Alerts {
    /// Brings the alerts up to date with the results at `now`.
    ///
    /// # Errors
    /// When two results become the same alert, and nothing is changed; or when there are more alerts than `limit`, and all are
    /// forgotten.
    pub(crate) fn update(
        &mut self,
        rule: &Rule,
        results: &[VectorElement],
        now: i64,
        limit: usize,
        context: &EvaluationContext<'_>,
    ) -> Result<(), EvaluationError> {
        let Some(alerting) = rule.alerting() else { return Ok(()) };
        let found = self.find(rule, alerting, results, now, context)?;
        for instance in self.instances.values_mut() {
            instance.holds = false;
        }
        for one in found {
            self.hold(one, now);
        }
        let durations = Durations {
            hold_for: milliseconds(alerting.hold_for),
            keep_firing_for: milliseconds(alerting.keep_firing_for),
        };
        let mut active = 0;
        self.instances.retain(|_, instance| match instance.alert.advance(instance.holds, now, durations) {
            Fate::Active => {
                active += 1;
                true
            }
            Fate::Resolved => true,
            Fate::Forgotten => false,
        });
        if limit > 0 && active > limit {
            self.instances.clear();
            return Err(EvaluationError::TooManyAlerts { limit, found: active });
        }
        Ok(())
    }

    /// What the results are as alerts.
    fn find(
        &mut self,
        rule: &Rule,
        alerting: &AlertingRule,
        results: &[VectorElement],
        now: i64,
        context: &EvaluationContext<'_>,
    ) -> Result<Vec<Found>, EvaluationError> {
        let mut found = Vec::with_capacity(results.len());
        let fixed = alerting.label_templates.iter().all(|(_, template)| template.is_constant());
        let mut identities = Vec::with_capacity(if fixed { results.len() } else { 0 });
        let mut present = HashSet::with_capacity(results.len());
        for (at, element) in results.iter().enumerate() {
            let expansion = Expansion::new(&element.labels, element.sample.value, now, context);
            let known = self.identities.get(at).filter(|(input, _)| *input == element.labels);
            let labels = match known {
                Some((_, labels)) => labels.clone(),
                None => identity(rule, alerting, &element.labels, &expansion),
            };
            if fixed {
                identities.push((element.labels.clone(), labels.clone()));
            }
            if !present.insert(labels.clone()) {
                return Err(EvaluationError::SameAlerts);
            }
            let annotations = annotations(alerting, &expansion);
            found.push(Found { labels, annotations, value: element.sample.value });
        }
        self.identities = identities;
        Ok(found)
    }

    fn hold(&mut self, found: Found, now: i64) {
        let Found { labels, annotations, value } = found;
        match self.instances.get_mut(&labels) {
            Some(instance) if instance.alert.state != AlertState::Inactive => {
                instance.alert.value = value;
                instance.alert.annotations = annotations;
                instance.holds = true;
            }
            _ => {
                let alert = ActiveAlert::new(labels.clone(), annotations, value, now);
                let instance = Instance { alert, holds: true, alerts_series: None, for_state_series: None };
                self.instances.insert(labels, instance);
            }
        }
    }

    /// The samples of the alerts that are pending or firing.
    pub(crate) fn samples(&mut self, rule: &Rule, into: &mut Vec<(Labels, f64)>) {
        for instance in self.instances.values_mut() {
            let alert = &instance.alert;
            if alert.state == AlertState::Inactive {
                continue;
            }
            let series = match &instance.alerts_series {
                Some((state, labels)) if *state == alert.state => labels.clone(),
                _ => {
                    let labels = series_of(rule, &alert.labels, ALERTS, Some(alert.state));
                    instance.alerts_series = Some((alert.state, labels.clone()));
                    labels
                }
            };
            into.push((series, 1.0));
            let make = || series_of(rule, &alert.labels, ALERTS_FOR_STATE, None);
            let since = alert.active_at.div_euclid(1000) as f64;
            into.push((instance.for_state_series.get_or_insert_with(make).clone(), since));
        }
    }

    /// The alerts to be sent at `now`, which counts as sent then. They say that they end unless they are said to go on within
    /// four times `interval` or the resend delay, whichever is longer, so that two of these messages may be lost.
    pub(crate) fn send(
        &mut self,
        generator: &str,
        interval: i64,
        now: i64,
        context: &EvaluationContext<'_>,
        into: &mut Vec<Alert>,
    ) {
        let resend_delay = milliseconds(context.resend_delay);
        for Instance { alert, .. } in self.instances.values_mut() {
            if !alert.needs_sending(now, resend_delay) {
                continue;
            }
            alert.last_sent_at = Some(now);
            let valid_until = now.saturating_add(interval.max(resend_delay).saturating_mul(4));
            into.push(Alert {
                labels: with_external(&alert.labels, context.external_labels),
                annotations: alert.annotations.clone(),
                starts_at: alert.fired_at.unwrap_or(alert.active_at),
                ends_at: alert.resolved_at.unwrap_or(valid_until),
                generator_url: format!("{}{generator}", context.external_url),
            });
        }
    }

    /// All alerts, resolved ones that are still kept included, in order of their labels.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &ActiveAlert> {
        self.instances.values().map(|instance| &instance.alert)
    }

    /// The same, to restore since when they are active.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut ActiveAlert> {
        self.instances.values_mut().map(|instance| &mut instance.alert)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.instances.is_empty()
    }

    /// The state of the most urgent one.
    pub(crate) fn state(&self) -> AlertState {
        self.iter().map(|alert| alert.state).max().unwrap_or(AlertState::Inactive)
    }

    /// The alerts of a rule that takes the place of this one.
    pub(crate) fn inherited(&self) -> Self {
        let mut instances = self.instances.clone();
        for instance in instances.values_mut() {
            (instance.alerts_series, instance.for_state_series) = (None, None);
        }
        Self { instances, identities: Vec::new() }
    }
}

/// The labels of a result's alert.
fn identity(rule: &Rule, alerting: &AlertingRule, result: &Labels, expansion: &Expansion<'_>) -> Labels {
    let mut builder = result.to_builder();
    builder.remove(METRIC_NAME);
    for (name, template) in &alerting.label_templates {
        builder.set(name, expansion.expand(template));
    }
    builder.set(ALERT_NAME, &rule.name);
    builder.build()
}

fn annotations(alerting: &AlertingRule, expansion: &Expansion<'_>) -> Labels {
    let expanded = alerting
        .annotation_templates
        .iter()
        .map(|(name, template)| (name.as_str(), expansion.expand(template)));
    Labels::from_pairs(expanded)
}

/// The labels of an alert's series. They begin with the rule's own labels as they are written: a label whose template expands to
/// nothing shows its template there.
fn series_of(rule: &Rule, alert: &Labels, metric: &str, state: Option<AlertState>) -> Labels {
    let mut builder = LabelsBuilder::default();
    for (name, value) in &rule.labels {
        builder.set(name, value);
    }
    for (name, value) in alert {
        builder.set(name, value);
    }
    builder.set(METRIC_NAME, metric).set(ALERT_NAME, &rule.name);
    if let Some(state) = state {
        builder.set(ALERT_STATE, state.name());
    }
    builder.build()
}

fn with_external(labels: &Labels, external: &Labels) -> Labels {
    if external.is_empty() {
        return labels.clone();
    }
    let mut builder = labels.to_builder();
    for (name, value) in external {
        if builder.get(name).is_none() {
            builder.set(name, value);
        }
    }
    builder.build()
}
