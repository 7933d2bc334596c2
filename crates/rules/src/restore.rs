//! Since when alerts were active before a restart, read from `ALERTS_FOR_STATE`.
//!
//! Input: a group whose rules have been evaluated twice since the restart, the store, the time. Output: alerts that go on as if the
//! time of the outage had not passed. What was firing goes on firing; what was pending fires after the rest of its time, and not
//! before the grace period is over, so that there is time to see that the cause is gone.

use crate::alert::ActiveAlert;
use crate::context::milliseconds;
use crate::dependencies::{ALERT_NAME, ALERTS_FOR_STATE};
use crate::evaluate::GroupState;
use crate::group::Rule;
use std::collections::HashMap;
use std::time::Duration;
use tidewatch_model::{
    Columns, Labels, METRIC_NAME, Matcher, Sample, Select, SelectError, Selection, is_stale,
};

/// How alerts are restored.
#[derive(Clone, Copy, Debug)]
pub struct RestoreOptions {
    /// How long ago an alert may have been active at most.
    pub outage_tolerance: Duration,
    /// How long a restored alert waits before it fires, at least; alerts with a shorter `for` begin anew.
    pub grace_period: Duration,
}

impl Default for RestoreOptions {
    /// Prometheus's defaults: one hour, ten minutes.
    fn default() -> Self {
        Self { outage_tolerance: Duration::from_secs(3600), grace_period: Duration::from_secs(600) }
    }
}

impl GroupState {
    /// Restores since when alerts are active, at `now` in milliseconds since the Unix epoch; from then on samples of alerts are
    /// written. A rule whose series cannot be read begins anew.
    pub fn restore(&mut self, now: i64, read: &dyn Select, options: RestoreOptions) {
        let start = now.saturating_sub(milliseconds(options.outage_tolerance));
        let group = std::sync::Arc::clone(self.group());
        for (rule, state) in self.rule_states() {
            let Some(alerting) = rule.alerting() else { continue };
            let last = match last_samples(rule, read, start, now) {
                Ok(last) => last,
                Err(error) => {
                    tracing::error!(file = %group.file, group = %group.name, alert = %rule.name, %error,
                                    "since when alerts are active could not be restored");
                    continue;
                }
            };
            let hold_for = milliseconds(alerting.hold_for);
            for alert in state.alerts.iter_mut() {
                if let Some(sample) = last.get(&alert.labels) {
                    restore(alert, *sample, now, hold_for, milliseconds(options.grace_period));
                }
            }
        }
        self.restored = true;
    }
}

/// The last sample of each series of a rule's alerts, by the alerts' labels.
fn last_samples(
    rule: &Rule,
    read: &dyn Select,
    start: i64,
    end: i64,
) -> Result<HashMap<Labels, Sample>, SelectError> {
    // templates say nothing about what they became
    let fixed = rule
        .labels
        .iter()
        .filter(|(name, value)| !value.contains("{{") && *name != METRIC_NAME && *name != ALERT_NAME);
    let mut matchers: Vec<Matcher> = fixed.map(|(name, value)| Matcher::equal(name, value)).collect();
    matchers.push(Matcher::equal(METRIC_NAME, ALERTS_FOR_STATE));
    matchers.push(Matcher::equal(ALERT_NAME, &rule.name));
    let mut found = HashMap::new();
    let mut columns = Columns::default();
    for series in read.select(&Selection { matchers: &matchers, start, end })? {
        columns.clear();
        series.read(&mut columns)?;
        if let (Some(timestamp), Some(value)) = (columns.timestamps.last(), columns.values.last()) {
            let sample = Sample { timestamp: *timestamp, value: *value };
            found.insert(series.labels().without_name(), sample);
        }
    }
    Ok(found)
}

/// Restores an alert whose series ended with `last`.
fn restore(alert: &mut ActiveAlert, last: Sample, now: i64, hold_for: i64, grace_period: i64) {
    if is_stale(last.value) {
        return; // it was not active
    }
    // the value is in whole seconds, and so is the time of the outage
    let down_at = last.timestamp / 1000 * 1000;
    let active_at = (last.value as i64).saturating_mul(1000);
    let remaining = hold_for.saturating_sub(down_at.saturating_sub(active_at));
    alert.active_at = if remaining <= 0 {
        active_at
    } else if hold_for < grace_period {
        return;
    } else if remaining < grace_period {
        now.saturating_add(grace_period).saturating_sub(hold_for)
    } else {
        active_at.saturating_add(now.saturating_sub(down_at))
    };
}
