//! Whether a target is switched on or off: KEDA's part of scaling, from and to zero (or the idle number).
//!
//! Input: what a poll of the triggers found, the replicas there are, and when the target was last active. Output: the number of
//! replicas to set, if any, with conditions and events in KEDA's words. Between one and the maximum the autoscaler decides;
//! with zero replicas it does nothing. Pure.

use tidewatch_manifest::ScaledObject;

/// A condition of a ScaledObject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KedaCondition {
    /// `Ready`, `Active`, `Fallback` or `Paused`.
    pub kind: &'static str,
    /// `True`, `False` or `Unknown`.
    pub status: &'static str,
    /// Why, in one word.
    pub reason: &'static str,
    /// Why, in a sentence.
    pub message: String,
}

/// Something that happened to a ScaledObject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KedaEvent {
    /// Whether something is wrong.
    pub warning: bool,
    /// What, in one word.
    pub reason: &'static str,
    /// What, in a sentence.
    pub message: String,
}

/// What a poll found.
#[derive(Clone, Debug, Default)]
pub(crate) struct Found {
    /// Whether any trigger is active.
    pub(crate) active: bool,
    /// Whether any trigger failed and has no fallback.
    pub(crate) failed: bool,
    /// The metrics of the triggers that are active.
    pub(crate) active_metrics: Vec<String>,
}

/// What is known of the target and its past.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Known {
    /// Now, in milliseconds since the Unix epoch.
    pub(crate) now_ms: i64,
    /// Replicas it is to have.
    pub(crate) replicas: u32,
    /// When the ScaledObject was first seen, in milliseconds since the Unix epoch.
    pub(crate) created_ms: i64,
    /// When the target was last active, in milliseconds since the Unix epoch.
    pub(crate) last_active_ms: Option<i64>,
}

/// What follows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Switch {
    /// The number of replicas to set.
    pub(crate) scale_to: Option<u32>,
    /// What to tell when that has been done.
    pub(crate) event: Option<KedaEvent>,
    /// Whether the target counts as active now, if it is set.
    pub(crate) was_active: bool,
    /// How things are.
    pub(crate) conditions: Vec<KedaCondition>,
}

impl Switch {
    fn condition(
        &mut self,
        kind: &'static str,
        status: &'static str,
        reason: &'static str,
        message: impl Into<String>,
    ) {
        self.conditions.retain(|condition| condition.kind != kind);
        self.conditions.push(KedaCondition { kind, status, reason, message: message.into() });
    }

    fn scale(&mut self, replicas: u32, reason: &'static str, message: String) {
        self.scale_to = Some(replicas);
        self.event = Some(KedaEvent { warning: false, reason, message });
    }
}

/// Decides.
pub(crate) fn decide(object: &ScaledObject, found: &Found, known: &Known) -> Switch {
    let mut switch = Switch::default();
    let message = "ScaledObject is defined correctly and is ready for scaling";
    switch.condition("Ready", "True", "ScaledObjectReady", message);
    if object.pause.paused {
        switch.condition("Paused", "True", "ScaledObjectPaused", "ScaledObject is paused");
        switch.scale_to = object.pause.replicas.filter(|replicas| *replicas != known.replicas);
        return switch;
    }
    if found.active || object.pause.force_activation {
        when_active(object, found, known, &mut switch);
    } else {
        when_inactive(object, found, known, &mut switch);
    }
    switch
}

fn when_active(object: &ScaledObject, found: &Found, known: &Known, switch: &mut Switch) {
    let forced = object.pause.force_activation;
    let message = if forced {
        "Scaling is performed because activation is being forced by annotation"
    } else {
        "Scaling is performed because triggers are active"
    };
    switch.condition("Active", "True", "ScalerActive", message);
    let idle = object.idle_replicas.is_some() && known.replicas < object.min_replicas;
    if idle || known.replicas == 0 {
        if object.pause.scale_out {
            return;
        }
        let replicas = object.min_replicas.max(1);
        let cause = if forced {
            "caused by forced activation annotation".to_owned()
        } else {
            format!("triggered by {}", found.active_metrics.join(";"))
        };
        let message = format!(
            "Scaled {} {}/{} from {} to {replicas}, {cause}",
            object.target_kind, object.meta.namespace, object.target_name, known.replicas
        );
        switch.scale(replicas, "KEDAScaleTargetActivated", message);
        switch.was_active = true;
    } else if found.failed {
        let message = "Some triggers defined in ScaledObject are not working correctly";
        switch.condition("Ready", "Unknown", "PartialTriggerError", message);
    } else {
        switch.was_active = true;
    }
}

fn when_inactive(object: &ScaledObject, found: &Found, known: &Known, switch: &mut Switch) {
    let message = "Scaling is not performed because triggers are not active";
    switch.condition("Active", "False", "ScalerNotActive", message);
    if found.failed && object.fallback.is_some_and(|fallback| fallback.replicas != 0) {
        // Zero would take the autoscaler's means to reach the fallback's number.
        return;
    }
    if found.failed && object.fallback.is_none() {
        let message = "Triggers defined in ScaledObject are not working correctly";
        switch.condition("Ready", "False", "TriggerError", message);
        return;
    }
    let above_idle = object.idle_replicas.is_some_and(|idle| known.replicas > idle);
    if above_idle || known.replicas > 0 && object.min_replicas == 0 {
        switch_off(object, known, switch);
    } else if object.idle_replicas.is_none() && known.replicas < object.min_replicas {
        switch.scale_to = Some(object.min_replicas);
    }
}

/// Switches off once the cool-down is over.
fn switch_off(object: &ScaledObject, known: &Known, switch: &mut Switch) {
    if object.pause.scale_in {
        return;
    }
    let over = |since_ms: i64, period: std::time::Duration| {
        let period = i64::try_from(period.as_millis()).unwrap_or(i64::MAX);
        since_ms.saturating_add(period) < known.now_ms
    };
    let cooled = match known.last_active_ms {
        Some(active_ms) => over(active_ms, object.cooldown_period),
        None => over(known.created_ms, object.initial_cooldown_period),
    };
    if !cooled {
        let message = "Scaler cooling down because triggers are not active";
        switch.condition("Active", "False", "ScalerCooldown", message);
        return;
    }
    let replicas = object.idle_replicas.unwrap_or(object.min_replicas);
    let message = format!(
        "Deactivated {} {}/{} from {} to {replicas}",
        object.target_kind, object.meta.namespace, object.target_name, known.replicas
    );
    switch.scale(replicas, "KEDAScaleTargetDeactivated", message);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tidewatch_manifest::{Fallback, FallbackBehavior};

    fn object(change: impl FnOnce(&mut ScaledObject)) -> ScaledObject {
        let mut object = ScaledObject { target_name: "worker".to_owned(), ..ScaledObject::default() };
        "shop".clone_into(&mut object.meta.namespace);
        object.cooldown_period = Duration::from_secs(300);
        change(&mut object);
        object
    }

    fn found(active: bool, failed: bool) -> Found {
        let active_metrics = if active { vec!["s0-kafka-t".to_owned()] } else { Vec::new() };
        Found { active, failed, active_metrics }
    }

    /// Now is 1000 s, and the object was made at 0.
    fn check(
        change: impl FnOnce(&mut ScaledObject),
        (active, failed): (bool, bool),
        replicas: u32,
        last_active_s: Option<i64>,
        scale_to: Option<u32>,
        conditions: &[(&str, &str)],
    ) -> Switch {
        let object = object(change);
        let known = Known {
            now_ms: 1_000_000,
            replicas,
            created_ms: 0,
            last_active_ms: last_active_s.map(|seconds| seconds * 1000),
        };
        let switch = decide(&object, &found(active, failed), &known);
        assert_eq!(switch.scale_to, scale_to, "{switch:?}");
        let told: Vec<(&str, &str)> =
            switch.conditions.iter().map(|condition| (condition.kind, condition.reason)).collect();
        assert_eq!(told, conditions, "{switch:?}");
        switch
    }

    const READY: (&str, &str) = ("Ready", "ScaledObjectReady");
    const ACTIVE: (&str, &str) = ("Active", "ScalerActive");
    const NOT_ACTIVE: (&str, &str) = ("Active", "ScalerNotActive");
    const COOLDOWN: (&str, &str) = ("Active", "ScalerCooldown");

    #[test]
    fn work_switches_on() {
        let switch = check(|_| {}, (true, false), 0, None, Some(1), &[READY, ACTIVE]);
        assert_eq!(
            switch.event.unwrap().message,
            "Scaled Deployment shop/worker from 0 to 1, triggered by s0-kafka-t"
        );
        assert!(switch.was_active);
        check(|one| one.min_replicas = 2, (true, false), 0, None, Some(2), &[READY, ACTIVE]);
        check(|_| {}, (true, false), 3, None, None, &[READY, ACTIVE]);
        let idle = |one: &mut ScaledObject| (one.idle_replicas, one.min_replicas) = (Some(0), 2);
        check(idle, (true, false), 1, None, Some(2), &[READY, ACTIVE]);
        check(idle, (true, false), 2, None, None, &[READY, ACTIVE]);
        check(|one| one.pause.scale_out = true, (true, false), 0, None, None, &[READY, ACTIVE]);
        check(|one| one.pause.force_activation = true, (false, false), 0, None, Some(1), &[READY, ACTIVE]);
        check(|_| {}, (true, true), 3, None, None, &[ACTIVE, ("Ready", "PartialTriggerError")]);
    }

    #[test]
    fn rest_switches_off_after_the_cooldown() {
        check(|_| {}, (false, false), 3, Some(701), None, &[READY, COOLDOWN]);
        check(|_| {}, (false, false), 3, Some(700), None, &[READY, COOLDOWN]);
        let switch = check(|_| {}, (false, false), 3, Some(699), Some(0), &[READY, NOT_ACTIVE]);
        assert_eq!(switch.event.unwrap().message, "Deactivated Deployment shop/worker from 3 to 0");
        // Never active: only the initial cool-down counts.
        check(|_| {}, (false, false), 3, None, Some(0), &[READY, NOT_ACTIVE]);
        let initial = |one: &mut ScaledObject| one.initial_cooldown_period = Duration::from_secs(1000);
        check(initial, (false, false), 3, None, None, &[READY, COOLDOWN]);
        // With a minimum the autoscaler does the rest.
        check(|one| one.min_replicas = 1, (false, false), 3, Some(0), None, &[READY, NOT_ACTIVE]);
        check(|one| one.min_replicas = 1, (false, false), 0, Some(0), Some(1), &[READY, NOT_ACTIVE]);
        let idle = |one: &mut ScaledObject| (one.idle_replicas, one.min_replicas) = (Some(1), 2);
        check(idle, (false, false), 3, Some(0), Some(1), &[READY, NOT_ACTIVE]);
        check(idle, (false, false), 1, Some(0), None, &[READY, NOT_ACTIVE]);
        check(|one| one.pause.scale_in = true, (false, false), 3, Some(0), None, &[READY, NOT_ACTIVE]);
        check(|_| {}, (false, false), 0, Some(0), None, &[READY, NOT_ACTIVE]);
    }

    #[test]
    fn failures_never_switch_off() {
        check(|_| {}, (false, true), 3, Some(0), None, &[NOT_ACTIVE, ("Ready", "TriggerError")]);
        let with_fallback = |replicas| {
            move |one: &mut ScaledObject| {
                let behavior = FallbackBehavior::Static;
                one.fallback = Some(Fallback { failure_threshold: 3, replicas, behavior });
            }
        };
        check(with_fallback(2), (false, true), 3, Some(0), None, &[READY, NOT_ACTIVE]);
        // As KEDA has it: a fallback of 0 replicas is no reason to stay.
        check(with_fallback(0), (false, true), 3, Some(0), Some(0), &[READY, NOT_ACTIVE]);
    }

    #[test]
    fn a_paused_object_does_nothing() {
        let paused = &[READY, ("Paused", "ScaledObjectPaused")];
        check(|one| one.pause.paused = true, (true, false), 0, None, None, paused);
        let at = |one: &mut ScaledObject| (one.pause.paused, one.pause.replicas) = (true, Some(4));
        check(at, (true, false), 0, None, Some(4), paused);
        check(at, (true, false), 4, None, None, paused);
    }
}
