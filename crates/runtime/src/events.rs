//! What happened, told like the events of Kubernetes.
//!
//! Input: reasons and messages from everywhere in the runtime. Output: a bounded list in which equal events are counted
//! instead of repeated. Nothing is written to disk, and no value of a Secret is ever in a message.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use tidewatch_model::{Clock, SystemClock};

/// As many are kept; the oldest go first.
const MOST: usize = 1000;

/// One thing that happened, once or several times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuntimeEvent {
    /// Whether something is wrong.
    pub warning: bool,
    /// Why, in one word: `Unhealthy`, `BackOff`, `Killing`, …
    pub reason: String,
    /// What, with the remedy where there is one.
    pub message: String,
    /// Kind of the object it happened to, e.g. `Pod`.
    pub kind: String,
    /// The object's namespace.
    pub namespace: String,
    /// The object's name.
    pub name: String,
    /// How often.
    pub count: u32,
    /// Milliseconds since the Unix epoch.
    pub first_ms: i64,
    /// Milliseconds since the Unix epoch.
    pub last_ms: i64,
}

/// The object an event is about.
#[derive(Clone, Copy, Debug)]
pub(crate) struct About<'a> {
    pub(crate) kind: &'a str,
    pub(crate) namespace: &'a str,
    pub(crate) name: &'a str,
}

#[derive(Debug, Default)]
pub(crate) struct Events {
    ring: Mutex<VecDeque<RuntimeEvent>>,
}

impl Events {
    pub(crate) fn normal(&self, about: About<'_>, reason: &str, message: impl Into<String>) {
        self.add(false, about, reason, message.into());
    }

    pub(crate) fn warning(&self, about: About<'_>, reason: &str, message: impl Into<String>) {
        self.add(true, about, reason, message.into());
    }

    fn add(&self, warning: bool, about: About<'_>, reason: &str, message: String) {
        let now = SystemClock.now();
        let mut ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        let same = |event: &RuntimeEvent| {
            event.reason == reason
                && event.name == about.name
                && event.namespace == about.namespace
                && event.kind == about.kind
                && event.message == message
        };
        if let Some(at) = ring.iter().rposition(same) {
            if let Some(mut event) = ring.remove(at) {
                event.count = event.count.saturating_add(1);
                event.last_ms = now;
                ring.push_back(event);
            }
            return;
        }
        if ring.len() == MOST {
            ring.pop_front();
        }
        ring.push_back(RuntimeEvent {
            warning,
            reason: reason.to_owned(),
            message,
            kind: about.kind.to_owned(),
            namespace: about.namespace.to_owned(),
            name: about.name.to_owned(),
            count: 1,
            first_ms: now,
            last_ms: now,
        });
    }

    /// All that are kept, the latest last.
    pub(crate) fn list(&self) -> Vec<RuntimeEvent> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_equal_events_and_stays_bounded() {
        let events = Events::default();
        let about = About { kind: "Pod", namespace: "shop", name: "web" };
        for number in 0..MOST + 10 {
            events.normal(about, "Started", format!("number {number}"));
            events.warning(about, "Unhealthy", "same");
        }
        let list = events.list();
        assert_eq!(list.len(), MOST);
        let last = list.last().unwrap();
        assert_eq!((last.reason.as_str(), last.count as usize, last.warning), ("Unhealthy", MOST + 10, true));
    }
}
