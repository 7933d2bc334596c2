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
use todo_telemetry::{LatencyHistogram, TraceContext};

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

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct PublishedLabels {
    event_type: &'static str,
    success: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct TypeLabels {
    event_type: &'static str,
}

/// `events_published_total`, `events_publish_duration_seconds`, `events_refused_total`, by [`EventType`].
#[derive(Clone, Debug)]
pub(crate) struct EventMetrics([PerType; EventType::ALL.len()]);

#[derive(Clone, Debug)]
struct PerType {
    succeeded: Counter,
    failed: Counter,
    duration: LatencyHistogram,
    refused: Counter,
}

impl EventMetrics {
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let published = Family::<PublishedLabels, Counter>::default();
        let durations = Family::<TypeLabels, LatencyHistogram>::default();
        let refused = Family::<TypeLabels, Counter>::default();
        registry.register("events_published", "Attempts to publish an event", published.clone());
        let help = "Seconds one attempt to publish an event took";
        registry.register("events_publish_duration_seconds", help, durations.clone());
        let help = "Events that the sidecar will not take, and that are kept aside";
        registry.register("events_refused", help, refused.clone());
        Self(EventType::ALL.map(|event_type| {
            let event_type = event_type.name();
            let outcome = |success| published.get_or_create_owned(&PublishedLabels { event_type, success });
            PerType {
                succeeded: outcome("true"),
                failed: outcome("false"),
                duration: durations.get_or_create_owned(&TypeLabels { event_type }),
                refused: refused.get_or_create_owned(&TypeLabels { event_type }),
            }
        }))
    }

    /// Counts an attempt; `span` is the one that made it.
    pub(crate) fn attempted(
        &self,
        event_type: EventType,
        success: bool,
        duration: Duration,
        span: Option<&TraceContext>,
    ) {
        let metrics = &self.0[event_type as usize];
        if success { &metrics.succeeded } else { &metrics.failed }.inc();
        metrics.duration.observe_of(duration, span);
    }

    pub(crate) fn refused(&self, event_type: EventType) {
        self.0[event_type as usize].refused.inc();
    }
}
