//! The last notifications: who was told what, and whether it arrived.
//!
//! Input: attempts to tell. Output: the last so many notifications, newest first. Kept in memory only, and bounded. It holds no secret.

use crate::{AlertStatus, Notification};
use std::collections::VecDeque;
use std::sync::Arc;
use tidewatch_model::Labels;

/// What became of a notification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was taken.
    Delivered,
    /// It was not taken; if it still holds, the group's next turn tries again.
    Failed,
    /// It was not taken so far and is tried again.
    Retrying,
}

impl Outcome {
    /// As the API writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Failed => "failed",
            Self::Retrying => "retrying",
        }
    }
}

/// A notification of the past.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotificationRecord {
    /// When it was first tried, in milliseconds since the Unix epoch.
    pub time: i64,
    /// Who was told.
    pub receiver: String,
    /// How, with the position among those of its kind, e.g. `slack[0]`.
    pub integration: String,
    /// The group's key.
    pub group_key: String,
    /// The labels the group is made by.
    pub group_labels: Labels,
    /// The labels and states of its first alerts, [`NotificationRecord::MOST_ALERTS`] at most.
    pub alerts: Vec<(Labels, AlertStatus)>,
    /// How many alerts it had besides.
    pub further_alerts: usize,
    /// How often it was tried.
    pub attempts: u32,
    /// What became of it.
    pub outcome: Outcome,
    /// Why the last attempt failed.
    pub error: Option<String>,
    /// How long it took from the first attempt to the end of the last, in milliseconds.
    pub duration_ms: i64,
}

impl NotificationRecord {
    /// How many alerts of a notification are remembered.
    pub const MOST_ALERTS: usize = 100;

    pub(crate) fn new(notification: &Notification, integration: String, time: i64) -> Self {
        let alerts = notification.alerts.iter().take(Self::MOST_ALERTS);
        Self {
            time,
            receiver: notification.receiver.clone(),
            integration,
            group_key: notification.group_key.clone(),
            group_labels: notification.group_labels.clone(),
            alerts: alerts.map(|alert| (alert.labels.clone(), alert.status)).collect(),
            further_alerts: notification.alerts.len().saturating_sub(Self::MOST_ALERTS),
            attempts: 0,
            outcome: Outcome::Retrying,
            error: None,
            duration_ms: 0,
        }
    }
}

/// The last notifications.
#[derive(Debug)]
pub(crate) struct History {
    most: usize,
    records: VecDeque<(u64, Arc<NotificationRecord>)>,
}

impl History {
    pub(crate) fn new(most: usize) -> Self {
        Self { most, records: VecDeque::new() }
    }

    /// Takes what is known of the notification `id` now.
    pub(crate) fn put(&mut self, id: u64, record: NotificationRecord) {
        let record = Arc::new(record);
        match self.records.iter_mut().rev().find(|(known, _)| *known == id) {
            Some((_, known)) => *known = record,
            None => {
                self.records.push_back((id, record));
                if self.records.len() > self.most {
                    self.records.pop_front();
                }
            }
        }
    }

    /// The notification `id`, if it is still tried, is no longer.
    pub(crate) fn end(&mut self, id: u64, why: &str) {
        let known = self
            .records
            .iter_mut()
            .find(|(known, record)| *known == id && record.outcome == Outcome::Retrying);
        if let Some((_, record)) = known {
            let record = Arc::make_mut(record);
            record.outcome = Outcome::Failed;
            record.error = Some(why.to_owned());
        }
    }

    /// The last ones, newest first.
    pub(crate) fn last(&self, limit: usize) -> Vec<Arc<NotificationRecord>> {
        self.records.iter().rev().take(limit).map(|(_, record)| Arc::clone(record)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::NotifiedAlert;

    #[test]
    fn the_last_are_kept_and_updated() {
        let mut history = History::new(2);
        let alerts = vec![NotifiedAlert::default(); NotificationRecord::MOST_ALERTS + 3];
        let notification = Notification { alerts, ..Notification::default() };
        for id in 0..3 {
            history.put(id, NotificationRecord::new(&notification, format!("slack[{id}]"), 5));
        }
        let mut done = NotificationRecord::new(&notification, "slack[1]".to_owned(), 5);
        done.outcome = Outcome::Delivered;
        history.put(1, done);
        let shown: Vec<_> = history.last(10).iter().map(|r| (r.integration.clone(), r.outcome)).collect();
        assert_eq!(shown, [("slack[2]".into(), Outcome::Retrying), ("slack[1]".into(), Outcome::Delivered)]);
        assert_eq!((history.last(1).len(), history.last(1)[0].further_alerts), (1, 3));
    }
}
