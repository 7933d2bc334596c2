//! A change of a task, as a CloudEvent 1.0.
//!
//! Input: the task after the change (before it, when deleted). Output: the structured JSON form. The id is unique, so that a
//! receiver can recognise an event it already has. Deliberately holds the task itself: a receiver need not ask back.

use serde_json::{Value, json};
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
}

/// An event on its way.
#[derive(Debug)]
pub(crate) struct TaskEvent {
    pub(crate) event_type: EventType,
    pub(crate) task_id: i64,
    /// Unique, and ascending in time.
    pub(crate) id: Uuid,
    time: Timestamp,
    task: Task,
    changed: Vec<&'static str>,
}

impl TaskEvent {
    /// An event about `task`, which happened at `time`; `changed` names the fields that were set.
    pub(crate) fn new(
        event_type: EventType,
        task: &Task,
        time: Timestamp,
        changed: Vec<&'static str>,
    ) -> Self {
        Self { event_type, task_id: task.id, id: Uuid::now_v7(), time, task: task.clone(), changed }
    }

    /// The structured JSON form.
    pub(crate) fn cloud_event(&self) -> Value {
        json!({
            "specversion": "1.0",
            "id": self.id.to_string(),
            "source": "/todo-backend",
            "type": self.event_type.name(),
            "subject": self.task_id.to_string(),
            "time": self.time,
            "datacontenttype": "application/json",
            "data": { "task_id": self.task_id, "changed": self.changed, "task": self.task },
        })
    }
}
