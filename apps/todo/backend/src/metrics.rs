//! The backend's own metrics: tasks and events.
//!
//! Input: finished changes and attempts to publish. Output: counters and histograms, held as handles and present at zero from
//! the start. Deliberately labels nothing with a task.

use std::time::Duration;

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family},
    registry::Registry,
};
use todo_telemetry::LatencyHistogram;

use crate::event::EventType;

/// `tasks_*_total`.
#[derive(Clone, Debug, Default)]
pub(crate) struct TaskMetrics {
    pub(crate) created: Counter,
    pub(crate) updated: Counter,
    pub(crate) completed: Counter,
    pub(crate) deleted: Counter,
}

impl TaskMetrics {
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        registry.register("tasks_created", "Tasks created", metrics.created.clone());
        registry.register("tasks_updated", "Tasks changed or reopened", metrics.updated.clone());
        registry.register("tasks_completed", "Tasks completed", metrics.completed.clone());
        registry.register("tasks_deleted", "Tasks deleted", metrics.deleted.clone());
        metrics
    }

    pub(crate) fn count(&self, event_type: EventType) {
        match event_type {
            EventType::Created => &self.created,
            EventType::Updated => &self.updated,
            EventType::Completed => &self.completed,
            EventType::Deleted => &self.deleted,
        }
        .inc();
    }
}

/// Why an event will never arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DropReason {
    /// Too many events were waiting.
    QueueFull,
    /// The receiver will never take it.
    Refused,
    /// It could not be delivered in time.
    Expired,
}

impl DropReason {
    const ALL: [Self; 3] = [Self::QueueFull, Self::Refused, Self::Expired];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::QueueFull => "queue_full",
            Self::Refused => "refused",
            Self::Expired => "expired",
        }
    }
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct PublishedLabels {
    event_type: &'static str,
    success: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct DurationLabels {
    event_type: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct DroppedLabels {
    event_type: &'static str,
    reason: &'static str,
}

/// `events_published_total`, `events_publish_duration_seconds`, `events_dropped_total`, by [`EventType`].
#[derive(Clone, Debug)]
pub(crate) struct EventMetrics([PerType; EventType::ALL.len()]);

#[derive(Clone, Debug)]
struct PerType {
    succeeded: Counter,
    failed: Counter,
    duration: LatencyHistogram,
    dropped: [Counter; DropReason::ALL.len()],
}

impl EventMetrics {
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let published = Family::<PublishedLabels, Counter>::default();
        let durations = Family::<DurationLabels, LatencyHistogram>::default();
        let dropped = Family::<DroppedLabels, Counter>::default();
        let help = "Attempts to publish an event; an event that is not even queued counts as a failed one";
        registry.register("events_published", help, published.clone());
        let help = "Seconds one attempt to publish an event took";
        registry.register("events_publish_duration_seconds", help, durations.clone());
        registry.register("events_dropped", "Events that will never be published", dropped.clone());
        Self(EventType::ALL.map(|event_type| {
            let event_type = event_type.name();
            let outcome = |success| published.get_or_create_owned(&PublishedLabels { event_type, success });
            PerType {
                succeeded: outcome("true"),
                failed: outcome("false"),
                duration: durations.get_or_create_owned(&DurationLabels { event_type }),
                dropped: DropReason::ALL.map(|reason| {
                    dropped.get_or_create_owned(&DroppedLabels { event_type, reason: reason.name() })
                }),
            }
        }))
    }

    pub(crate) fn attempted(&self, event_type: EventType, success: bool, duration: Duration) {
        let metrics = &self.0[event_type as usize];
        if success { &metrics.succeeded } else { &metrics.failed }.inc();
        metrics.duration.observe(duration);
    }

    pub(crate) fn dropped(&self, event_type: EventType, reason: DropReason) {
        let metrics = &self.0[event_type as usize];
        metrics.dropped[reason as usize].inc();
        if reason == DropReason::QueueFull {
            metrics.failed.inc();
        }
    }
}
