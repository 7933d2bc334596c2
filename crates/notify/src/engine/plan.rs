//! What a group that is due tells, and to whom.
//!
//! Input: a group and the time. Output: a [`Delivery`] for each integration that has to be told. On the way alerts are left out that are
//! inhibited, outside of their route's times, or silenced, in this order; what is left is laid beside what was told last.

use super::{Busy, Effects, Engine, IntegrationSpec, OpenFlush, SHORTEST_FLUSH};
use crate::dispatcher::{FlushedAlert, GroupId, Handling};
use crate::fingerprint::{fingerprint, fingerprint_text};
use crate::notification_log::{LogKey, reason_to_notify};
use crate::route::Route;
use crate::time_interval::{TimeIntervals, containing};
use crate::{AlertStatus, Notification, NotificationReason, NotifiedAlert};
use std::collections::BTreeSet;
use std::sync::Arc;
use tidewatch_model::Labels;

/// A notification on its way to one integration.
#[derive(Clone, Debug)]
pub(crate) struct Delivery {
    /// Unlike that of any other of this engine.
    pub(crate) id: u64,
    pub(crate) integration: IntegrationSpec,
    /// Among all integrations of the receiver.
    pub(crate) integration_position: usize,
    pub(crate) notification: Notification,
    /// Until when it may be tried, in milliseconds since the Unix epoch.
    pub(crate) deadline: i64,
    pub(super) log_key: LogKey,
    pub(super) firing: BTreeSet<u64>,
    pub(super) resolved: BTreeSet<u64>,
    pub(super) repeat_interval: i64,
    /// The flush that waits for it.
    pub(super) flush: Option<u64>,
}

impl Engine {
    /// A group is due.
    pub(super) fn flush(&mut self, group: &GroupId, now: i64, effects: &mut Effects) {
        let alerts = self.dispatcher.alerts(group, now);
        if alerts.is_empty() {
            return;
        }
        let resolved = alerts.iter().filter(|alert| alert.resolved);
        let resolved = resolved.map(|alert| (alert.stored.alert.labels.clone(), alert.stored.updated_at));
        let resolved: Vec<_> = resolved.collect();
        let told = self.without_suppressed(group, alerts, now);
        let positions = 0..self.integrations_of(group).len();
        if told.is_empty() || positions.is_empty() {
            self.dispatcher.settle(group, &resolved);
            return;
        }
        let number = self.next_number();
        let waiting = positions.clone().collect();
        self.flushes.insert(number, OpenFlush { group: group.clone(), waiting, resolved });
        for position in positions {
            if let Some(busy) = self.lanes.get_mut(&(group.clone(), position)) {
                busy.missed = true;
                // it does not know of this flush, so what is over stays for the next
                self.flushes.remove(&number);
            } else {
                self.tell(group, position, &told, Some(number), now, effects);
            }
        }
    }

    /// An integration is free again and the group was due meanwhile.
    pub(super) fn flush_lane(&mut self, group: &GroupId, position: usize, now: i64, effects: &mut Effects) {
        if position >= self.integrations_of(group).len() {
            return;
        }
        let alerts = self.dispatcher.alerts(group, now);
        let told = self.without_suppressed(group, alerts, now);
        if !told.is_empty() {
            self.tell(group, position, &told, None, now, effects);
        }
    }

    fn next_number(&mut self) -> u64 {
        self.next_number += 1;
        self.next_number
    }

    fn integrations_of(&self, group: &GroupId) -> &[IntegrationSpec] {
        let receiver = &self.dispatcher.routes().get(group.0).receiver;
        self.receivers.get(receiver).map_or(&[], Vec::as_slice)
    }

    /// The alerts that are to be told of now.
    fn without_suppressed(
        &mut self,
        group: &GroupId,
        mut alerts: Vec<FlushedAlert>,
        now: i64,
    ) -> Vec<FlushedAlert> {
        let mut suppressed = Vec::new();
        let mut active = Vec::new();
        let before = alerts.len();
        alerts.retain(|alert| {
            let labels = &alert.stored.alert.labels;
            let told = self.inhibitor.inhibited_by(labels, now).is_none();
            (if told { &mut active } else { &mut suppressed }).push(labels.clone());
            told
        });
        self.counts.suppressed_by_inhibition += (before - alerts.len()) as u64;
        let route = self.dispatcher.routes().get(group.0);
        match muted_by(&self.time_intervals, route, now) {
            Some(Muted::Inactive(_)) => {
                self.counts.suppressed_by_active_time += alerts.len() as u64;
                alerts.clear();
            }
            Some(Muted::Muted(_)) => {
                self.counts.suppressed_by_mute_time += alerts.len() as u64;
                alerts.clear();
            }
            None => {}
        }
        let before = alerts.len();
        alerts.retain(|alert| {
            let labels = &alert.stored.alert.labels;
            let told = self.silences.silencing(labels, now).is_empty();
            if !told {
                suppressed.push(labels.clone());
            }
            told
        });
        self.counts.suppressed_by_silence += (before - alerts.len()) as u64;
        for labels in active {
            self.dispatcher.set_handling(group, &labels, Handling::Active);
        }
        for labels in suppressed {
            self.dispatcher.set_handling(group, &labels, Handling::Suppressed);
        }
        alerts
    }

    /// Tells one integration if there is something to tell.
    fn tell(
        &mut self,
        group: &GroupId,
        position: usize,
        alerts: &[FlushedAlert],
        flush: Option<u64>,
        now: i64,
        effects: &mut Effects,
    ) {
        let spec = self.integrations_of(group)[position].clone();
        let hashes = |resolved: bool| -> BTreeSet<u64> {
            let some = alerts.iter().filter(|alert| alert.resolved == resolved);
            some.map(|alert| fingerprint(&alert.stored.alert.labels)).collect()
        };
        let (firing, resolved) = (hashes(false), hashes(true));
        let route = self.dispatcher.routes().get(group.0);
        let log_key = LogKey {
            group_key: route.group_key(&group.1),
            receiver: route.receiver.clone(),
            integration: spec.name.to_owned(),
            index: spec.index,
        };
        self.counts.log_queries += 1;
        let last = self.log.get(&log_key);
        let repeat = route.repeat_interval;
        let reason = reason_to_notify(last, &firing, &resolved, spec.send_resolved, repeat, now);
        let Some(reason) = reason else {
            if let Some(number) = flush {
                self.close(number, position, true);
            }
            return;
        };
        let silent = firing.is_empty() && !spec.send_resolved;
        let deadline = now.saturating_add(route.group_interval.max(SHORTEST_FLUSH));
        let notification = self.notification(group, &spec, alerts, reason, now);
        let id = self.next_number();
        let delivery = Arc::new(Delivery {
            id,
            integration: spec,
            integration_position: position,
            notification,
            deadline,
            log_key,
            firing,
            resolved,
            repeat_interval: repeat,
            flush,
        });
        if silent {
            // nobody is told, but the log forgets the alerts
            let done = self.finished(&delivery, true, now);
            effects.entries.extend(done.entries);
        } else {
            let lane = (group.clone(), position);
            self.lane_of.insert(id, lane.clone());
            self.lanes.insert(lane, Busy { delivery: id, missed: false });
            effects.deliveries.push(delivery);
        }
    }

    fn notification(
        &self,
        group: &GroupId,
        spec: &IntegrationSpec,
        alerts: &[FlushedAlert],
        reason: NotificationReason,
        now: i64,
    ) -> Notification {
        let route = self.dispatcher.routes().get(group.0);
        let all: Vec<NotifiedAlert> = alerts.iter().map(notified).collect();
        let mut notification = Notification {
            receiver: route.receiver.clone(),
            group_key: route.group_key(&group.1),
            group_labels: group.1.clone(),
            route_labels: Labels::empty(),
            reason,
            alerts: all,
            truncated_alerts: 0,
            external_url: self.external_url.clone(),
            now_ms: now,
        };
        notification.route_labels = self.route_labels(route, &notification);
        if !spec.send_resolved {
            notification.alerts.retain(|alert| alert.status == AlertStatus::Firing);
        }
        notification
    }

    /// The rendered labels of a route. One may name another, so they are rendered until nothing changes any more.
    pub(crate) fn route_labels(&self, route: &Route, notification: &Notification) -> Labels {
        let raw = Labels::from_pairs(route.labels.clone());
        let Some(templates) = self.templates.as_ref().filter(|_| !route.labels.is_empty()) else {
            return raw;
        };
        let mut told = Notification { reason: NotificationReason::Unknown, ..notification.clone() };
        told.route_labels = raw;
        for _ in 0..=route.labels.len() {
            let rendered =
                |(name, value): (&String, &String)| Some((name.clone(), templates.text(value, &told).ok()?));
            let labels = Labels::from_pairs(route.labels.iter().filter_map(rendered));
            if labels == told.route_labels {
                break;
            }
            told.route_labels = labels;
        }
        told.route_labels
    }

    /// The time intervals by which a route's groups are muted now.
    pub(crate) fn muted_by(&self, route: &Route, now: i64) -> Vec<String> {
        match muted_by(&self.time_intervals, route, now) {
            Some(Muted::Inactive(names) | Muted::Muted(names)) => names,
            None => Vec::new(),
        }
    }
}

/// Why a route is muted, by its time intervals.
enum Muted {
    /// The time is in none of these.
    Inactive(Vec<String>),
    /// The time is in all of these.
    Muted(Vec<String>),
}

fn muted_by(intervals: &TimeIntervals, route: &Route, now: i64) -> Option<Muted> {
    let active = &route.active_time_intervals;
    if !active.is_empty() && containing(intervals, active, now).is_empty() {
        return Some(Muted::Inactive(active.clone()));
    }
    let muting = containing(intervals, &route.mute_time_intervals, now);
    (!muting.is_empty()).then_some(Muted::Muted(muting))
}

fn notified(alert: &FlushedAlert) -> NotifiedAlert {
    let FlushedAlert { stored, resolved } = alert;
    let alert = &stored.alert;
    NotifiedAlert {
        status: if *resolved { AlertStatus::Resolved } else { AlertStatus::Firing },
        labels: alert.labels.clone(),
        annotations: alert.annotations.clone(),
        starts_at: alert.starts_at,
        ends_at: if *resolved { alert.ends_at } else { 0 },
        generator_url: alert.generator_url.clone(),
        fingerprint: fingerprint_text(&alert.labels),
    }
}
