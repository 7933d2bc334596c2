//! Groups of alerts, and when each is due.
//!
//! Input: alerts, the tree of routes, the time. Output: the groups that are due, and the alerts of a group at a time. A new group waits
//! `group_wait`, unless the alert that made it is older than that; then it is due every `group_interval` for as long as it has alerts. A
//! function of what it was given: it reads no clock and sends nothing.

use crate::StoredAlert;
use crate::fingerprint::compare_alerts;
use crate::route::Routes;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tidewatch_model::Labels;

/// What makes a group: the index of its route, and its labels.
pub(crate) type GroupId = (usize, Labels);

/// Where an alert stands in its group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Handling {
    /// The group was not due since the alert came.
    #[default]
    Unprocessed,
    /// It is told.
    Active,
    /// It is silenced or inhibited.
    Suppressed,
}

#[derive(Clone, Debug)]
struct Member {
    alert: Arc<StoredAlert>,
    handling: Handling,
}

#[derive(Clone, Debug)]
struct Group {
    next_flush: i64,
    members: BTreeMap<Labels, Member>,
}

/// An alert of a group at the time the group is due.
#[derive(Clone, Debug)]
pub(crate) struct FlushedAlert {
    pub(crate) stored: Arc<StoredAlert>,
    pub(crate) resolved: bool,
}

/// An alert that was over when its group was due, and when its source had last spoken of it.
pub(crate) type ResolvedAlert = (Labels, i64);

/// Holds the groups.
#[derive(Clone, Debug)]
pub(crate) struct Dispatcher {
    routes: Arc<Routes>,
    groups: BTreeMap<GroupId, Group>,
    due: BTreeSet<(i64, GroupId)>,
    most_groups: usize,
}

impl Dispatcher {
    /// No groups yet; `most_groups` at most, where 0 is no limit.
    pub(crate) fn new(routes: Arc<Routes>, most_groups: usize) -> Self {
        Self { routes, groups: BTreeMap::new(), due: BTreeSet::new(), most_groups }
    }

    pub(crate) fn routes(&self) -> &Routes {
        &self.routes
    }

    /// How many groups there are.
    pub(crate) fn len(&self) -> usize {
        self.groups.len()
    }

    /// Takes an alert, new or changed. Returns how many groups it is not in because there are too many.
    pub(crate) fn insert(&mut self, alert: &Arc<StoredAlert>, now: i64) -> usize {
        let routes = Arc::clone(&self.routes);
        let labels = &alert.alert.labels;
        let matching = routes.matching(labels);
        matching.iter().filter(|index| !self.insert_into(**index, alert, now)).count()
    }

    fn insert_into(&mut self, index: usize, alert: &Arc<StoredAlert>, now: i64) -> bool {
        let route = self.routes.get(index);
        let labels = &alert.alert.labels;
        let id = (index, route.group_labels(labels));
        if !self.groups.contains_key(&id) {
            if self.most_groups > 0 && self.groups.len() >= self.most_groups {
                return false;
            }
            let waited = alert.alert.starts_at.saturating_add(route.group_wait) < now;
            let next_flush = if waited { now } else { now.saturating_add(route.group_wait) };
            self.due.insert((next_flush, id.clone()));
            self.groups.insert(id.clone(), Group { next_flush, members: BTreeMap::new() });
        }
        let group = self.groups.get_mut(&id).expect("it was made above");
        let member = group.members.entry(labels.clone());
        let handling =
            member.or_insert_with(|| Member { alert: Arc::clone(alert), handling: Handling::default() });
        handling.alert = Arc::clone(alert);
        true
    }

    /// When the next group is due.
    pub(crate) fn next_due(&self) -> Option<i64> {
        self.due.first().map(|(due, _)| *due)
    }

    /// The groups that are due; each is due again after its `group_interval`.
    pub(crate) fn take_due(&mut self, now: i64) -> Vec<GroupId> {
        let mut taken = Vec::new();
        while self.due.first().is_some_and(|(due, _)| *due <= now) {
            let (_, id) = self.due.pop_first().expect("one was seen");
            let next = now.saturating_add(self.routes.get(id.0).group_interval);
            self.groups.get_mut(&id).expect("only groups are due").next_flush = next;
            self.due.insert((next, id.clone()));
            taken.push(id);
        }
        taken
    }

    /// The alerts of a group in the order of notifications.
    pub(crate) fn alerts(&self, id: &GroupId, now: i64) -> Vec<FlushedAlert> {
        let Some(group) = self.groups.get(id) else { return Vec::new() };
        let flushed = |member: &Member| FlushedAlert {
            stored: Arc::clone(&member.alert),
            resolved: member.alert.alert.is_resolved_at(now),
        };
        let mut alerts: Vec<FlushedAlert> = group.members.values().map(flushed).collect();
        alerts.sort_by(|a, b| compare_alerts(&a.stored.alert.labels, &b.stored.alert.labels));
        alerts
    }

    /// The groups by route and labels.
    pub(crate) fn ids(&self) -> impl Iterator<Item = &GroupId> {
        self.groups.keys()
    }

    /// Notes how an alert of a group was handled.
    pub(crate) fn set_handling(&mut self, id: &GroupId, labels: &Labels, handling: Handling) {
        if let Some(member) = self.groups.get_mut(id).and_then(|group| group.members.get_mut(labels)) {
            member.handling = handling;
        }
    }

    /// How each alert that fires is handled; where groups differ, suppressed is more than active, and that more than unprocessed.
    pub(crate) fn handling(&self, now: i64) -> BTreeMap<Labels, Handling> {
        let mut all = BTreeMap::new();
        for (labels, member) in self.groups.values().flat_map(|group| &group.members) {
            if !member.alert.alert.is_resolved_at(now) {
                let known: &mut Handling = all.entry(labels.clone()).or_default();
                *known = (*known).max(member.handling);
            }
        }
        all
    }

    /// Everybody knows that these alerts of a group are over: those that nobody spoke of since leave it, and the group ends with
    /// the last.
    pub(crate) fn settle(&mut self, id: &GroupId, resolved: &[ResolvedAlert]) {
        let Some(group) = self.groups.get_mut(id) else { return };
        for (labels, updated_at) in resolved {
            if group.members.get(labels).is_some_and(|member| member.alert.updated_at == *updated_at) {
                group.members.remove(labels);
            }
        }
        if group.members.is_empty() {
            self.due.remove(&(group.next_flush, id.clone()));
            self.groups.remove(id);
        }
    }

    /// Makes a group due at `now`.
    pub(crate) fn make_due(&mut self, id: &GroupId, now: i64) {
        if let Some(group) = self.groups.get_mut(id) {
            self.due.remove(&(group.next_flush, id.clone()));
            group.next_flush = now;
            self.due.insert((now, id.clone()));
        }
    }

    /// The groups under other routes. A group of a route that is still there keeps its alerts, and its time if nothing about the
    /// route changed; groups of routes that are new or changed are due at once if their alerts are old enough. Returns which groups
    /// are still there, by their old and new ids.
    pub(crate) fn reload<'a>(
        &mut self,
        routes: &Arc<Routes>,
        alerts: impl Iterator<Item = &'a Arc<StoredAlert>>,
        now: i64,
    ) -> BTreeMap<GroupId, GroupId> {
        let mut new = Self::new(Arc::clone(routes), self.most_groups);
        let mut kept = BTreeMap::new();
        let mut homeless = Vec::new();
        for (id, mut group) in std::mem::take(&mut self.groups) {
            let old = self.routes.get(id.0);
            let same = routes.iter().position(|route| route.id == old.id && route.group_by == old.group_by);
            let stays = |labels: &Labels| same.is_some_and(|index| routes.matching(labels).contains(&index));
            let leaving = group.members.extract_if(.., |labels, _| !stays(labels));
            homeless.extend(leaving.map(|(_, member)| member.alert));
            let Some(index) = same.filter(|_| !group.members.is_empty()) else { continue };
            if !routes.get(index).tells_as(old) {
                group.next_flush = now;
            }
            let new_id = (index, id.1.clone());
            new.due.insert((group.next_flush, new_id.clone()));
            new.groups.insert(new_id.clone(), group);
            kept.insert(id, new_id);
        }
        // of those that are over only the ones that nobody was told of
        homeless.extend(alerts.filter(|alert| !alert.alert.is_resolved_at(now)).cloned());
        homeless.iter().for_each(|alert| {
            new.insert(alert, now);
        });
        *self = new;
        kept
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Config;
    use std::path::Path;
    use tidewatch_model::Alert;

    fn routes(route: &str) -> Arc<Routes> {
        let text = format!("route: {route}\nreceivers: [{{name: r}}, {{name: q}}]");
        Arc::new(Routes::new(&Config::parse(Path::new("am.yml"), &text).unwrap().route))
    }

    fn dispatcher() -> Dispatcher {
        Dispatcher::new(routes("{receiver: r, group_by: [g], group_wait: 30s, group_interval: 5m}"), 2)
    }

    fn alert(pairs: &[(&str, &str)], starts_at: i64, ends_at: i64, updated_at: i64) -> Arc<StoredAlert> {
        let alert = Alert {
            labels: Labels::from_pairs(pairs.iter().copied()),
            starts_at,
            ends_at,
            ..Alert::default()
        };
        Arc::new(StoredAlert { alert, updated_at, timed_out: false })
    }

    const NOW: i64 = 10_000_000;
    const FAR: i64 = i64::MAX;

    #[test]
    fn groups_are_due_after_their_wait_and_then_at_intervals() {
        let mut groups = dispatcher();
        groups.insert(&alert(&[("g", "1"), ("x", "1")], NOW, FAR, NOW), NOW);
        groups.insert(&alert(&[("g", "1"), ("x", "2")], NOW, FAR, NOW), NOW + 10_000);
        assert_eq!(groups.next_due(), Some(NOW + 30_000));
        assert!(groups.take_due(NOW + 29_999).is_empty());
        let due = groups.take_due(NOW + 30_000);
        assert_eq!(due.len(), 1);
        assert_eq!(groups.alerts(&due[0], NOW).len(), 2);
        assert_eq!(groups.next_due(), Some(NOW + 330_000));
        // late is late: the interval counts from then
        groups.take_due(NOW + 1_000_000);
        assert_eq!(groups.next_due(), Some(NOW + 1_300_000));
    }

    #[test]
    fn an_alert_older_than_the_wait_makes_a_group_that_is_due_at_once() {
        let check = |age: i64, expected: i64| {
            let mut groups = dispatcher();
            groups.insert(&alert(&[("g", "1")], NOW - age, FAR, NOW), NOW);
            assert_eq!(groups.next_due(), Some(NOW + expected), "{age}");
        };
        check(30_001, 0);
        check(30_000, 30_000);
        check(0, 30_000);
        // it only makes it so, it does not change one that waits
        let mut groups = dispatcher();
        groups.insert(&alert(&[("g", "1"), ("x", "1")], NOW, FAR, NOW), NOW);
        groups.insert(&alert(&[("g", "1"), ("x", "2")], NOW - 60_000, FAR, NOW), NOW);
        assert_eq!(groups.next_due(), Some(NOW + 30_000));
    }

    #[test]
    fn resolved_alerts_leave_unless_they_were_spoken_of_since() {
        let mut groups = dispatcher();
        groups.insert(&alert(&[("g", "1")], NOW - 5, NOW, NOW), NOW);
        let id = groups.take_due(NOW + 30_000).remove(0);
        let labels = Labels::from_pairs([("g", "1")]);
        groups.insert(&alert(&[("g", "1")], NOW, FAR, NOW + 7), NOW + 7);
        groups.settle(&id, &[(labels.clone(), NOW)]);
        assert_eq!(groups.len(), 1);
        groups.settle(&id, &[(labels, NOW + 7)]);
        assert_eq!((groups.len(), groups.next_due()), (0, None));
    }

    #[test]
    fn there_is_a_most_of_groups() {
        let mut groups = dispatcher();
        let refused: Vec<usize> =
            (0..3).map(|g: u8| groups.insert(&alert(&[("g", &g.to_string())], NOW, FAR, NOW), NOW)).collect();
        assert_eq!(refused, [0, 0, 1]);
    }

    #[test]
    fn a_reload_keeps_groups_of_routes_that_stay() {
        let tree = |second: &str| {
            routes(&format!(
                "{{receiver: r, routes: [{{matchers: [g=a], group_by: [g]}}, {{matchers: [g=b], {second}}}]}}"
            ))
        };
        let mut groups = Dispatcher::new(tree("group_by: [g]"), 0);
        let alerts = [
            alert(&[("g", "a")], NOW - 40_000, FAR, NOW),
            alert(&[("g", "b")], NOW - 40_000, FAR, NOW),
            alert(&[("g", "c")], NOW - 40_000, FAR, NOW),
        ];
        alerts.iter().for_each(|alert| assert_eq!(groups.insert(alert, NOW), 0));
        groups.take_due(NOW);
        let mut check = |second: &str, expected_kept: usize, expected_due: &[i64]| {
            let kept = groups.reload(&tree(second), alerts.iter(), NOW + 1000);
            assert_eq!(kept.len(), expected_kept, "{second}");
            let due: Vec<i64> = groups.due.iter().map(|(due, _)| due - NOW).collect();
            assert_eq!(due, expected_due, "{second}");
        };
        check("group_by: [g]", 3, &[300_000, 300_000, 300_000]);
        check("group_by: [g], receiver: q", 3, &[1000, 300_000, 300_000]);
        check("group_by: [g, x], receiver: q", 2, &[1000, 300_000, 300_000]);
        // the second takes nothing of c, the root still does
        let kept = groups.reload(&routes("{receiver: r, group_by: [g]}"), alerts.iter(), NOW + 2000);
        assert!(kept.is_empty());
        assert_eq!(groups.len(), 3);
    }
}
