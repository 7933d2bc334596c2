//! `events_consumed_total`.
//!
//! Input: the outcome of each received event. Output: one counter per known type and outcome, at zero from the start. Deliberately
//! gives every unknown type one shared value: a sender must not create series.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family},
    registry::Registry,
};

/// Values of the label `event_type`; unknown types, and bodies that are no event, share the last.
const TYPES: [&str; 5] = ["task.created", "task.updated", "task.completed", "task.deleted", "other"];

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ConsumedLabels {
    event_type: &'static str,
    success: &'static str,
}

/// The counters, as pairs of failed and succeeded.
#[derive(Clone, Debug)]
pub(crate) struct EventMetrics([(Counter, Counter); TYPES.len()]);

impl EventMetrics {
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let consumed = Family::<ConsumedLabels, Counter>::default();
        let help = "Events received; repeated ones count as success, refused and failed ones do not";
        registry.register("events_consumed", help, consumed.clone());
        let counter =
            |event_type, success| consumed.get_or_create_owned(&ConsumedLabels { event_type, success });
        Self(TYPES.map(|event_type| (counter(event_type, "false"), counter(event_type, "true"))))
    }

    pub(crate) fn consumed(&self, event_type: Option<&str>, success: bool) {
        let known = TYPES.iter().position(|known| Some(*known) == event_type).unwrap_or(TYPES.len() - 1);
        let (failed, succeeded) = &self.0[known];
        if success { succeeded } else { failed }.inc();
    }
}
