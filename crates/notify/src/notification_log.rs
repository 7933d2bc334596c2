//! What was told to whom, so that nobody is told twice.
//!
//! Input: what is to be told now. Output: whether it is told, and why. For each group and integration the last notification is kept: the
//! alerts that fired and those that were over. A function of what it was given: it reads no clock and writes nothing.

use crate::NotificationReason;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Whom of a receiver a group was told to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LogKey {
    pub(crate) group_key: String,
    pub(crate) receiver: String,
    /// The kind, e.g. `slack`.
    pub(crate) integration: String,
    /// The position among those of its kind.
    pub(crate) index: usize,
}

/// The last notification. Alerts are named by their fingerprints; times are in milliseconds since the Unix epoch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LogEntry {
    #[serde(flatten)]
    pub(crate) key: LogKey,
    pub(crate) timestamp: i64,
    pub(crate) firing: BTreeSet<u64>,
    pub(crate) resolved: BTreeSet<u64>,
    pub(crate) expires_at: i64,
}

impl LogEntry {
    /// One line of JSON.
    pub(crate) fn write(&self) -> String {
        serde_json::to_string(self).expect("texts and numbers can be written")
    }

    /// The entry of a line.
    pub(crate) fn read(line: &str) -> Result<Self, String> {
        serde_json::from_str(line).map_err(|error| error.to_string())
    }
}

/// The last notifications.
#[derive(Clone, Debug, Default)]
pub(crate) struct NotificationLog {
    entries: BTreeMap<LogKey, LogEntry>,
}

impl NotificationLog {
    pub(crate) fn get(&self, key: &LogKey) -> Option<&LogEntry> {
        self.entries.get(key)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &LogEntry> {
        self.entries.values()
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Takes an entry, unless a younger one is known.
    pub(crate) fn apply(&mut self, entry: LogEntry) {
        if self.get(&entry.key).is_none_or(|known| known.timestamp <= entry.timestamp) {
            self.entries.insert(entry.key.clone(), entry);
        }
    }

    /// Forgets what is too old to matter; returns how many.
    pub(crate) fn collect_garbage(&mut self, now: i64) -> usize {
        let before = self.entries.len();
        self.entries.retain(|_, entry| entry.expires_at > now);
        before - self.entries.len()
    }
}

/// Why a group is told again, given what was told last; `None` when it is not. `repeat_interval` and `now` are in milliseconds.
pub(crate) fn reason_to_notify(
    last: Option<&LogEntry>,
    firing: &BTreeSet<u64>,
    resolved: &BTreeSet<u64>,
    send_resolved: bool,
    repeat_interval: i64,
    now: i64,
) -> Option<NotificationReason> {
    let Some(last) = last else {
        return (!firing.is_empty()).then_some(NotificationReason::First);
    };
    if !firing.is_subset(&last.firing) {
        let first = last.firing.is_empty();
        return Some(if first { NotificationReason::First } else { NotificationReason::NewAlerts });
    }
    if firing.is_empty() {
        // told even without send_resolved, which takes the alerts from the log
        return (!last.firing.is_empty()).then_some(NotificationReason::AllResolved);
    }
    if send_resolved && !resolved.is_subset(&last.resolved) {
        return Some(NotificationReason::SomeResolved);
    }
    (last.timestamp < now.saturating_sub(repeat_interval)).then_some(NotificationReason::Repeat)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(firing: &[u64], resolved: &[u64], timestamp: i64) -> LogEntry {
        LogEntry {
            key: LogKey {
                group_key: "{}:{}".into(),
                receiver: "r".into(),
                integration: "slack".into(),
                index: 0,
            },
            timestamp,
            firing: firing.iter().copied().collect(),
            resolved: resolved.iter().copied().collect(),
            expires_at: timestamp + 100,
        }
    }

    #[test]
    fn a_group_is_told_when_something_changed_or_long_passed() {
        use NotificationReason::*;
        let check = |last: Option<(&[u64], &[u64])>,
                     firing: &[u64],
                     resolved: &[u64],
                     send: bool,
                     age: i64,
                     expected| {
            let last = last.map(|(firing, resolved)| entry(firing, resolved, 1000));
            let (firing, resolved) = (firing.iter().copied().collect(), resolved.iter().copied().collect());
            let found = reason_to_notify(last.as_ref(), &firing, &resolved, send, 50, 1000 + age);
            assert_eq!(found, expected, "{last:?} {firing:?} {resolved:?} {send}");
        };
        check(None, &[1], &[], true, 0, Some(First));
        check(None, &[], &[1], true, 0, None);
        check(Some((&[1], &[])), &[1], &[], true, 0, None);
        check(Some((&[1], &[])), &[1], &[], true, 50, None);
        check(Some((&[1], &[])), &[1], &[], true, 51, Some(Repeat));
        check(Some((&[1], &[])), &[1, 2], &[], true, 0, Some(NewAlerts));
        check(Some((&[], &[1])), &[1], &[], true, 0, Some(First));
        check(Some((&[1, 2], &[])), &[1], &[2], true, 0, Some(SomeResolved));
        check(Some((&[1, 2], &[])), &[1], &[2], false, 0, None);
        check(Some((&[1, 2], &[2])), &[1], &[2], true, 0, None);
        check(Some((&[1, 2], &[])), &[1], &[], true, 0, None);
        check(Some((&[1], &[])), &[], &[1], true, 0, Some(AllResolved));
        check(Some((&[1], &[])), &[], &[1], false, 0, Some(AllResolved));
        check(Some((&[], &[1])), &[], &[2], true, 500, None);
    }

    #[test]
    fn entries_are_written_read_and_forgotten() {
        let old = entry(&[1, u64::MAX], &[3], 1000);
        assert_eq!(LogEntry::read(&old.write()).unwrap(), old);
        let mut log = NotificationLog::default();
        log.apply(old.clone());
        log.apply(entry(&[2], &[], 999));
        assert_eq!(log.get(&old.key), Some(&old));
        assert_eq!(log.collect_garbage(1099), 0);
        assert_eq!(log.collect_garbage(1100), 1);
        assert_eq!(log.len(), 0);
    }
}
