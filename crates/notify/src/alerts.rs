//! The alerts that are known, merged from what their sources say again and again.
//!
//! Input: alerts as sources send them, and the time. Output: what is known of each, and which could not be taken. Alerts are kept in
//! memory only: their sources send them again. A function of what it was given: it reads no clock.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use tidewatch_model::{Alert, Labels};

/// An alert as it is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoredAlert {
    /// The alert; its end is always set, and in the future while it fires.
    pub alert: Alert,
    /// When a source last spoke of it, in milliseconds since the Unix epoch.
    pub updated_at: i64,
    /// Whether its end is only the time after which nobody spoke of it.
    pub timed_out: bool,
}

/// An alert that was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlertProblem {
    /// Its position in the request, from 0.
    pub index: usize,
    /// Why, in Alertmanager's words where it has some.
    pub message: String,
    /// Whether the alert is none, as opposed to one too many.
    pub invalid: bool,
}

/// How many alerts are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AlertLimits {
    /// Of one `alertname`; 0 is no limit.
    pub(crate) per_name: usize,
    /// Of all; 0 is no limit.
    pub(crate) total: usize,
}

/// The alerts that are known.
#[derive(Clone, Debug)]
pub(crate) struct Alerts {
    limits: AlertLimits,
    alerts: BTreeMap<Labels, Arc<StoredAlert>>,
    of_name: HashMap<String, usize>,
}

impl Alerts {
    pub(crate) fn new(limits: AlertLimits) -> Self {
        Self { limits, alerts: BTreeMap::new(), of_name: HashMap::new() }
    }

    /// All of them, by labels.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<StoredAlert>> {
        self.alerts.values()
    }

    /// Takes an alert and returns what is known of it now.
    ///
    /// # Errors
    /// Which limit does not allow it.
    pub(crate) fn put(&mut self, alert: StoredAlert, now: i64) -> Result<Arc<StoredAlert>, String> {
        let labels = alert.alert.labels.clone();
        let merged = match self.alerts.get(&labels) {
            Some(old) if overlaps(&old.alert, &alert.alert) => merge(old, alert, now),
            Some(_) => alert,
            None => {
                self.make_room(&labels, now)?;
                *self.of_name.entry(name_of(&labels)).or_default() += 1;
                alert
            }
        };
        let merged = Arc::new(merged);
        self.alerts.insert(labels, Arc::clone(&merged));
        Ok(merged)
    }

    fn make_room(&mut self, labels: &Labels, now: i64) -> Result<(), String> {
        let name = name_of(labels);
        let too_many = |alerts: &Self| {
            let of_name = alerts.of_name.get(&name).copied().unwrap_or_default();
            let AlertLimits { per_name, total } = alerts.limits;
            if per_name > 0 && of_name >= per_name {
                return Some(format!(
                    "{per_name} alerts named {name:?} are known; hint: raise --alerts.per-alertname-limit"
                ));
            }
            (total > 0 && alerts.alerts.len() >= total)
                .then(|| format!("{total} alerts are known; hint: raise --alerts.limit"))
        };
        if too_many(self).is_some() {
            self.collect_garbage(now);
        }
        too_many(self).map_or(Ok(()), Err)
    }

    /// Forgets alerts that are over.
    pub(crate) fn collect_garbage(&mut self, now: i64) {
        let of_name = &mut self.of_name;
        self.alerts.retain(|labels, alert| {
            let keep = !alert.alert.is_resolved_at(now);
            if !keep && let Some(count) = of_name.get_mut(&name_of(labels)) {
                *count -= 1;
            }
            keep
        });
        of_name.retain(|_, count| *count > 0);
    }
}

fn name_of(labels: &Labels) -> String {
    labels.get("alertname").unwrap_or_default().to_owned()
}

/// The alert of a request with what it does not say filled in.
///
/// # Errors
/// Why it is none, as Alertmanager says it.
pub(crate) fn checked(alert: Alert, now: i64, resolve_timeout: i64) -> Result<StoredAlert, String> {
    let mut alert = alert;
    if alert.starts_at == 0 {
        alert.starts_at = if alert.ends_at == 0 { now } else { alert.ends_at };
    }
    let timed_out = alert.ends_at == 0;
    if timed_out {
        alert.ends_at = now.saturating_add(resolve_timeout);
    }
    if alert.ends_at < alert.starts_at {
        return Err("start time must be before end time".to_owned());
    }
    if alert.labels.is_empty() {
        return Err("at least one label pair required".to_owned());
    }
    for (labels, what) in [(&alert.labels, "label set"), (&alert.annotations, "annotations")] {
        if labels.get("").is_some() {
            return Err(format!("invalid {what}: invalid name \"\""));
        }
    }
    Ok(StoredAlert { alert, updated_at: now, timed_out })
}

fn overlaps(old: &Alert, new: &Alert) -> bool {
    let inside = |time: i64| time > old.starts_at && time < old.ends_at;
    inside(new.ends_at) || inside(new.starts_at)
}

/// Two spans of one alert as one. The younger has the last word on annotations and, unless it only guesses, on the end.
fn merge(old: &Arc<StoredAlert>, new: StoredAlert, now: i64) -> StoredAlert {
    let (elder, younger) = if new.updated_at < old.updated_at {
        (new, StoredAlert::clone(old))
    } else {
        (StoredAlert::clone(old), new)
    };
    let mut merged = younger;
    merged.alert.starts_at = merged.alert.starts_at.min(elder.alert.starts_at);
    let ends_later = elder.alert.ends_at > merged.alert.ends_at;
    let elder_counts =
        if merged.alert.is_resolved_at(now) { elder.alert.is_resolved_at(now) } else { !elder.timed_out };
    if ends_later && elder_counts {
        merged.alert.ends_at = elder.alert.ends_at;
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_000_000;
    const TIMEOUT: i64 = 300_000;

    fn alert(starts_at: i64, ends_at: i64) -> Alert {
        let labels = Labels::from_pairs([("alertname", "A")]);
        Alert { labels, starts_at, ends_at, ..Alert::default() }
    }

    #[test]
    fn what_an_alert_does_not_say_is_filled_in() {
        let check = |starts: i64, ends: i64, expected: Result<(i64, i64, bool), &str>| {
            let found = checked(alert(starts, ends), NOW, TIMEOUT);
            let found = found.as_ref().map(|a| (a.alert.starts_at, a.alert.ends_at, a.timed_out));
            assert_eq!(found.map_err(String::as_str), expected);
        };
        check(0, 0, Ok((NOW, NOW + TIMEOUT, true)));
        check(5, 0, Ok((5, NOW + TIMEOUT, true)));
        check(0, 7, Ok((7, 7, false)));
        check(5, 7, Ok((5, 7, false)));
        check(7, 5, Err("start time must be before end time"));
        let none = checked(Alert::default(), NOW, TIMEOUT).unwrap_err();
        assert_eq!(none, "at least one label pair required");
        let nameless = Alert { labels: Labels::from_pairs([("", "x")]), ..Alert::default() };
        assert_eq!(checked(nameless, NOW, TIMEOUT).unwrap_err(), "invalid label set: invalid name \"\"");
    }

    /// The spans that Alertmanager 0.34.2 answered when the two alerts were posted one after the other; it does not list those that are over.
    #[test]
    fn spans_that_overlap_are_merged() {
        let check = |first: (i64, i64), second: (i64, i64), expected: (i64, i64)| {
            let mut alerts = Alerts::new(AlertLimits { per_name: 0, total: 0 });
            for (at, (starts, ends)) in [(NOW, first), (NOW + 1000, second)] {
                alerts.put(checked(alert(starts, ends), at, TIMEOUT).unwrap(), at).unwrap();
            }
            let known = alerts.iter().next().unwrap();
            assert_eq!((known.alert.starts_at, known.alert.ends_at), expected, "{first:?} {second:?}");
        };
        let (before, later, much_later) = (NOW - 50_000, NOW + 60_000, NOW + 120_000);
        // the same again: the end moves on
        check((before, later), (before, much_later), (before, much_later));
        // an end that was said holds against an earlier one that was said later, while the alert fires
        check((before, much_later), (before, later), (before, much_later));
        // an end that was guessed does not
        check((before, 0), (before, later), (before, later));
        // it is over
        check((before, later), (before, NOW - 1), (before, NOW - 1));
        check((before, 0), (before, NOW - 1), (before, NOW - 1));
        // a later start is an earlier one
        check((before, later), (NOW - 10, much_later), (before, much_later));
        // a new span that does not touch the old one
        check((before, NOW - 40_000), (NOW - 10_000, later), (NOW - 10_000, later));
    }

    #[test]
    fn annotations_are_those_said_last() {
        let mut alerts = Alerts::new(AlertLimits { per_name: 0, total: 0 });
        for (at, text) in [(NOW, "first"), (NOW + 1, "second")] {
            let annotations = Labels::from_pairs([("summary", text)]);
            let alert = Alert { annotations, ..alert(NOW - 5, 0) };
            alerts.put(checked(alert, at, TIMEOUT).unwrap(), at).unwrap();
        }
        let known: Vec<_> = alerts.iter().collect();
        assert_eq!(known.len(), 1);
        assert_eq!(known[0].alert.annotations.get("summary"), Some("second"));
    }

    #[test]
    fn limits_make_room_first_and_name_themselves() {
        let named = |name: &str, instance: &str, ends_at| Alert {
            labels: Labels::from_pairs([("alertname", name), ("instance", instance)]),
            ..alert(5, ends_at)
        };
        let put = |alerts: &mut Alerts, alert, now| {
            alerts.put(checked(alert, now, TIMEOUT).unwrap(), now).map(|_| ())
        };
        let mut alerts = Alerts::new(AlertLimits { per_name: 1, total: 2 });
        put(&mut alerts, named("A", "1", NOW + 10), NOW).unwrap();
        put(&mut alerts, named("A", "1", NOW + 10), NOW).unwrap();
        let error = put(&mut alerts, named("A", "2", 0), NOW).unwrap_err();
        assert!(error.contains("--alerts.per-alertname-limit"), "{error}");
        put(&mut alerts, named("B", "1", 0), NOW).unwrap();
        let error = put(&mut alerts, named("C", "1", 0), NOW).unwrap_err();
        assert!(error.contains("--alerts.limit"), "{error}");
        // the first is over
        put(&mut alerts, named("A", "2", 0), NOW + 20).unwrap();
        assert_eq!(alerts.iter().count(), 2);
    }
}
