//! An alert on its way from the rules that found it to whoever tells people.
//!
//! Input: evaluated rules, or a request to Alertmanager's API. Output: the same alert, to one or several [`AlertSink`]s. Grouping,
//! silencing and sending are not here.

use crate::Labels;

/// An alert as Prometheus sends it to Alertmanager.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Alert {
    /// What identifies the alert, `alertname` included.
    pub labels: Labels,
    /// What is said of it; not part of its identity.
    pub annotations: Labels,
    /// Since when it fires, in milliseconds since the Unix epoch.
    pub starts_at: i64,
    /// When it ended or, if nobody says that it still fires, will be taken as ended, in milliseconds since the Unix epoch; 0 if not said.
    pub ends_at: i64,
    /// Where its cause can be looked at; may be empty.
    pub generator_url: String,
}

impl Alert {
    /// Whether it has ended at `now`, in milliseconds since the Unix epoch.
    pub fn is_resolved_at(&self, now: i64) -> bool {
        self.ends_at != 0 && self.ends_at <= now
    }
}

/// Takes alerts and passes them on.
pub trait AlertSink: Send + Sync {
    /// Takes alerts, firing and resolved ones. Never waits: what does not fit into a bounded queue is dropped and counted.
    fn send(&self, alerts: &[Alert]);
}
