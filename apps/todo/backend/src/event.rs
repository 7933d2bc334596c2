//! A change of a task, as a CloudEvent 1.0.
//!
//! Input: the task after the change (before it, when deleted). Output: the structured JSON form. The id is unique, so that a
//! receiver can recognise an event it already has; `sequence` ascends with the changes of one task. Deliberately holds the task
//! itself: a receiver need not ask back.

use serde_json::json;
use todo_telemetry::TraceContext;
use uuid::Uuid;

use crate::task::{Task, Timestamp};

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EventType {
    Created,
    Updated,
    Completed,
    Deleted,
}

impl EventType {
    pub(crate) const ALL: [Self; 4] = [Self::Created, Self::Updated, Self::Completed, Self::Deleted];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Created => "task.created",
            Self::Updated => "task.updated",
            Self::Completed => "task.completed",
            Self::Deleted => "task.deleted",
        }
    }

    pub(crate) fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|event_type| event_type.name() == name)
    }
}

/// An event as it waits in the outbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TaskEvent {
    pub(crate) event_type: EventType,
    pub(crate) task_id: i64,
    /// A UUID of version 7: unique, and about ascending in time.
    pub(crate) id: String,
    /// The structured JSON form, without trace context.
    pub(crate) body: String,
    /// The span of the request that made the change.
    pub(crate) traceparent: Option<String>,
    pub(crate) tracestate: Option<String>,
}

impl TaskEvent {
    /// An event about `task`, made by the current span; `changed` names the fields that were set. It happened when `task` says that
    /// it was updated, and a deletion at `now`.
    pub(crate) fn new(event_type: EventType, task: &Task, now: Timestamp, changed: &[&'static str]) -> Self {
        // A deletion is a change as well, but leaves no row that could say so.
        let (time, sequence) = match event_type {
            EventType::Deleted => (Timestamp(now.0.max(task.updated_at.0)), task.version + 1),
            _ => (task.updated_at, task.version),
        };
        let id = Uuid::now_v7().to_string();
        let body = json!({
            "specversion": "1.0",
            "id": id,
            "source": "/todo-backend",
            "type": event_type.name(),
            "subject": task.id.to_string(),
            "time": time,
            "sequence": format!("{sequence:010}"),
            "datacontenttype": "application/json",
            "data": { "task_id": task.id, "changed": changed, "task": task },
        })
        .to_string();
        let context = TraceContext::current();
        Self {
            event_type,
            task_id: task.id,
            id,
            body,
            traceparent: context.as_ref().map(TraceContext::traceparent),
            tracestate: context.as_ref().and_then(TraceContext::tracestate).map(str::to_owned),
        }
    }

    /// The span of the request that made the change, if the request had one.
    pub(crate) fn context(&self) -> Option<TraceContext> {
        TraceContext::parse(self.traceparent.as_deref()?, self.tracestate.as_deref())
    }

    /// The structured JSON form with the extensions `traceparent` and `tracestate` of `context`.
    pub(crate) fn body_in(&self, context: Option<&TraceContext>) -> String {
        let Some((context, members)) = context.zip(self.body.strip_prefix('{')) else {
            return self.body.clone();
        };
        let state = context.tracestate().map(|state| format!("\"tracestate\":{},", json!(state)));
        format!("{{\"traceparent\":\"{}\",{}{members}", context.traceparent(), state.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::task::Priority;

    fn event(event_type: EventType) -> TaskEvent {
        let task = Task {
            id: 7,
            title: "Buy \"milk\"".to_owned(),
            description: String::new(),
            priority: Priority::Low,
            due_date: None,
            completed: false,
            completed_at: None,
            created_at: Timestamp(1000),
            updated_at: Timestamp(5000),
            version: 3,
        };
        TaskEvent::new(event_type, &task, Timestamp(4000), &["title"])
    }

    #[test]
    fn sequence_and_time_ascend_even_when_a_clock_does_not() {
        let check = |event_type, sequence: &str| {
            let body: Value = serde_json::from_str(&event(event_type).body).unwrap();
            assert_eq!(body["sequence"], sequence);
            assert_eq!(body["time"], "1970-01-01T00:00:05Z");
            assert_eq!((&body["type"], &body["subject"]), (&json!(event_type.name()), &json!("7")));
        };
        check(EventType::Updated, "0000000003");
        check(EventType::Deleted, "0000000004");
    }

    #[test]
    fn the_span_that_sends_is_written_into_the_envelope() {
        let event = event(EventType::Created);
        assert_eq!((event.context().is_none(), event.body_in(None)), (true, event.body.clone()));
        let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";
        let context = TraceContext::parse(parent, Some("vendor=\"x\"")).unwrap();
        let body: Value = serde_json::from_str(&event.body_in(Some(&context))).unwrap();
        assert_eq!((&body["traceparent"], &body["data"]["task_id"]), (&json!(parent), &json!(7)));
        let plain = TraceContext::parse(parent, None).unwrap();
        let body: Value = serde_json::from_str(&event.body_in(Some(&plain))).unwrap();
        assert_eq!(body.get("tracestate"), None);
    }
}
