//! A ScaledObject at work: answers its autoscaler's external metrics, and polls its triggers.
//!
//! Input: the store, now, and the replicas there are. Output: quantities for the autoscaler, with the fallback once a trigger has
//! failed often enough; what a poll switches on or off. Who scales, and when to poll, is the caller's business.

use crate::activation::{Found, KedaCondition, KedaEvent, Known, decide};
use crate::trigger::{Reading, TriggerState};
use crate::{MetricsError, Queries};
use tidewatch_manifest::{
    Fallback, FallbackBehavior, MetricTarget, Quantity, QuantityFormat, ScaleTrigger, ScaledObject,
    TriggerKind,
};

/// How many replicas a target has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReplicaCounts {
    /// Replicas it is to have.
    pub wanted: u32,
    /// Pods that are running and ready.
    pub ready: u32,
}

/// What a poll found, and what follows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Poll {
    /// The number of replicas to set, if it is to be changed.
    pub scale_to: Option<u32>,
    /// What to tell once it has been changed.
    pub event: Option<KedaEvent>,
    /// How the ScaledObject is.
    pub conditions: Vec<KedaCondition>,
    /// What went wrong, by metric.
    pub failures: Vec<String>,
}

/// A ScaledObject and what is remembered of its triggers.
#[derive(Debug)]
pub struct Scaler {
    object: ScaledObject,
    queries: Queries,
    triggers: Vec<TriggerState>,
    created_ms: i64,
    last_active_ms: Option<i64>,
    next_poll_ms: i64,
}

/// What a trigger gives the autoscaler.
enum Given {
    Read(Reading),
    Fallback(Quantity),
    Failed(MetricsError),
}

impl Scaler {
    /// A ScaledObject that begins at a time, in milliseconds since the Unix epoch.
    pub fn new(object: ScaledObject, queries: Queries, now_ms: i64) -> Self {
        let triggers = object.triggers.iter().map(|_| TriggerState::default()).collect();
        Self { object, queries, triggers, created_ms: now_ms, last_active_ms: None, next_poll_ms: now_ms }
    }

    /// The ScaledObject.
    pub fn object(&self) -> &ScaledObject {
        &self.object
    }

    /// The value of an external metric of its autoscaler at a time, in milliseconds since the Unix epoch.
    ///
    /// # Errors
    /// When no trigger has this metric, or the trigger has no value and no fallback holds (yet).
    pub fn metric(
        &mut self,
        metric: &str,
        now_ms: i64,
        replicas: ReplicaCounts,
    ) -> Result<Quantity, MetricsError> {
        let trigger = self.object.trigger(metric).cloned().ok_or_else(|| MetricsError::NoTrigger {
            scaled_object: format!("{}/{}", self.object.meta.namespace, self.object.meta.name),
            metric: metric.to_owned(),
        })?;
        if let Some(state) = self.triggers.get(trigger.index).filter(|_| trigger.use_cached_metrics)
            && let Some(cached) = state.cached
        {
            return Ok(cached.value);
        }
        match self.give(&trigger, now_ms, replicas) {
            Some(Given::Read(reading)) => Ok(reading.value),
            Some(Given::Fallback(value)) => Ok(value),
            Some(Given::Failed(error)) => Err(error),
            None => Err(MetricsError::NoTrigger {
                scaled_object: self.object.meta.name.clone(),
                metric: metric.to_owned(),
            }),
        }
    }

    /// Whether the time of the next poll has come.
    pub fn is_due(&self, now_ms: i64) -> bool {
        now_ms >= self.next_poll_ms
    }

    /// Asks all triggers and decides whether the target is switched on or off. The caller scales as the answer says.
    pub fn poll(&mut self, now_ms: i64, replicas: ReplicaCounts) -> Poll {
        let interval = i64::try_from(self.object.polling_interval.as_millis()).unwrap_or(i64::MAX);
        self.next_poll_ms = now_ms.saturating_add(interval);
        let (mut found, mut failures, mut fallen_back) = (Found::default(), Vec::new(), false);
        for trigger in self.object.triggers.clone() {
            let given = self.give(&trigger, now_ms, replicas);
            let name = trigger.metric_name();
            let (cached, active) = match given {
                None => continue,
                Some(Given::Read(reading)) => (Some(reading), reading.active),
                Some(Given::Fallback(value)) => {
                    fallen_back = true;
                    (Some(Reading { value, active: true }), true)
                }
                Some(Given::Failed(error)) => {
                    failures.push(format!("{name}: {error}"));
                    found.failed = true;
                    (None, false)
                }
            };
            if let Some(state) = self.triggers.get_mut(trigger.index) {
                state.cached = cached;
            }
            if active {
                found.active = true;
                found.active_metrics.push(name);
            }
        }
        if self.object.only_resources() && !found.failed {
            found.active = true;
        }
        let known = Known {
            now_ms,
            replicas: replicas.wanted,
            created_ms: self.created_ms,
            last_active_ms: self.last_active_ms,
        };
        let switch = decide(&self.object, &found, &known);
        if switch.was_active {
            self.last_active_ms = Some(now_ms);
        }
        let mut conditions = switch.conditions;
        if self.object.fallback.is_some() {
            conditions.push(fallback_condition(fallen_back));
        }
        Poll { scale_to: switch.scale_to, event: switch.event, conditions, failures }
    }

    /// Reads a trigger, counts failures, and falls back after enough of them.
    fn give(&mut self, trigger: &ScaleTrigger, now_ms: i64, replicas: ReplicaCounts) -> Option<Given> {
        let state = self.triggers.get_mut(trigger.index)?;
        let error = match state.read(trigger, &self.queries, now_ms)? {
            Ok(reading) => {
                state.failures = 0;
                return Some(Given::Read(reading));
            }
            Err(error) => error,
        };
        state.failures = state.failures.saturating_add(1);
        let fallback = self.object.fallback.filter(|fallback| state.failures > fallback.failure_threshold);
        let value = fallback.and_then(|fallback| fallback_value(&fallback, trigger, replicas));
        Some(value.map_or(Given::Failed(error), Given::Fallback))
    }
}

fn fallback_condition(fallen_back: bool) -> KedaCondition {
    let (status, reason, message) = if fallen_back {
        ("True", "FallbackExists", "At least one trigger is falling back on this scaled object")
    } else {
        ("False", "NoFallbackFound", "No fallbacks are active on this scaled object")
    };
    KedaCondition { kind: "Fallback", status, reason, message: message.to_owned() }
}

/// The value of a metric that makes the autoscaler ask for the fallback's number; none when it cannot be told.
fn fallback_value(fallback: &Fallback, trigger: &ScaleTrigger, replicas: ReplicaCounts) -> Option<Quantity> {
    let current = replicas.wanted;
    let wanted = match fallback.behavior {
        FallbackBehavior::Static => fallback.replicas,
        FallbackBehavior::CurrentReplicas => current,
        FallbackBehavior::CurrentReplicasIfHigher => current.max(fallback.replicas),
        FallbackBehavior::CurrentReplicasIfLower => current.min(fallback.replicas),
    };
    if matches!(trigger.kind, TriggerKind::Resource { .. }) {
        return None;
    }
    let (target, share) = match trigger.target() {
        MetricTarget::AverageValue(target) => (target, f64::from(wanted)),
        // The autoscaler multiplies with the pods that are ready.
        MetricTarget::Value(target) if replicas.ready > 0 => {
            (target, f64::from(wanted) / f64::from(replicas.ready))
        }
        MetricTarget::Value(_) | MetricTarget::Utilization(_) => return None,
    };
    Some(Quantity::from_milli((target.as_f64() * 1000.0 * share) as i64, QuantityFormat::DecimalSi))
}
