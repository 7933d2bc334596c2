//! The tree of routes: which of them an alert goes to.
//!
//! Input: the [`RouteConfig`] of a configuration, and labels. Output: the routes that take an alert with these labels, with what each
//! has from those above it. A function of the labels alone.

use crate::config::{GroupBy, RouteConfig};
use crate::matchers::Matchers;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tidewatch_model::Labels;

const GROUP_WAIT: Duration = Duration::from_secs(30);
const GROUP_INTERVAL: Duration = Duration::from_secs(5 * 60);
const REPEAT_INTERVAL: Duration = Duration::from_secs(4 * 60 * 60);

/// A tree of routes, the root first.
#[derive(Clone, Debug, PartialEq)]
pub struct Routes(Vec<Route>);

/// A route with all of its settings.
#[derive(Clone, Debug, PartialEq)]
pub struct Route {
    /// Who is told.
    pub receiver: String,
    /// By which labels alerts are grouped.
    pub group_by: GroupBy,
    /// How long a new group waits for more alerts, in milliseconds.
    pub group_wait: i64,
    /// How long a group waits before it tells of changes, in milliseconds.
    pub group_interval: i64,
    /// How long it waits before it tells the same again, in milliseconds.
    pub repeat_interval: i64,
    /// Time intervals in which nothing is told.
    pub mute_time_intervals: Vec<String>,
    /// Time intervals outside of which nothing is told.
    pub active_time_intervals: Vec<String>,
    /// Labels for templates.
    pub labels: BTreeMap<String, String>,
    /// The matchers of this route and those above it, as in the key of a group: `{}/{a="b"}`. Not unique.
    pub key: String,
    /// The same with the position of each route among its neighbours, which makes it unique.
    pub id: String,
    /// How many routes it is below the root.
    pub depth: usize,
    matchers: Matchers,
    continues: bool,
    children: Vec<usize>,
}

impl Routes {
    /// The tree of a configuration.
    pub fn new(root: &RouteConfig) -> Self {
        let mut routes = Self(Vec::new());
        let usual = Route {
            receiver: String::new(),
            group_by: GroupBy::Labels(BTreeSet::new()),
            group_wait: milliseconds(GROUP_WAIT),
            group_interval: milliseconds(GROUP_INTERVAL),
            repeat_interval: milliseconds(REPEAT_INTERVAL),
            mute_time_intervals: Vec::new(),
            active_time_intervals: Vec::new(),
            labels: BTreeMap::new(),
            key: String::new(),
            id: String::new(),
            depth: 0,
            matchers: Matchers::default(),
            continues: false,
            children: Vec::new(),
        };
        routes.add(root, &usual, None);
        routes
    }

    fn add(&mut self, config: &RouteConfig, above: &Route, position: Option<usize>) -> usize {
        let or = |own: Option<Duration>, inherited| own.map_or(inherited, milliseconds);
        let mut labels = above.labels.clone();
        labels.extend(config.labels.clone());
        let below = |above: &str| match position {
            None => config.matchers.to_string(),
            Some(_) => format!("{above}/{}", config.matchers),
        };
        let id = below(&above.id);
        let index = self.0.len();
        self.0.push(Route {
            receiver: config.receiver.clone().unwrap_or_else(|| above.receiver.clone()),
            group_by: config.group_by.clone().unwrap_or_else(|| above.group_by.clone()),
            group_wait: or(config.group_wait, above.group_wait),
            group_interval: or(config.group_interval, above.group_interval),
            repeat_interval: or(config.repeat_interval, above.repeat_interval),
            mute_time_intervals: config.mute_time_intervals.clone(),
            active_time_intervals: config.active_time_intervals.clone(),
            labels,
            key: below(&above.key),
            id: position.map_or(id.clone(), |position| format!("{id}/{position}")),
            depth: if position.is_some() { above.depth + 1 } else { 0 },
            matchers: config.matchers.clone(),
            continues: config.continues,
            children: Vec::new(),
        });
        let this = self.0[index].clone();
        for (position, child) in config.routes.iter().enumerate() {
            let child = self.add(child, &this, Some(position));
            self.0[index].children.push(child);
        }
        index
    }

    /// The route at an index.
    ///
    /// # Panics
    /// When there is none.
    pub fn get(&self, index: usize) -> &Route {
        &self.0[index]
    }

    /// All routes, each before those below it.
    pub fn iter(&self) -> std::slice::Iter<'_, Route> {
        self.0.iter()
    }

    /// The indexes of the routes that take an alert: of each branch that matches the deepest, and further branches only after one
    /// that continues. There is always one.
    pub fn matching(&self, labels: &Labels) -> Vec<usize> {
        let mut found = Vec::new();
        self.find(0, labels, &mut found);
        found
    }

    fn find(&self, index: usize, labels: &Labels, found: &mut Vec<usize>) -> bool {
        let route = &self.0[index];
        if !route.matchers.matches(labels) {
            return false;
        }
        let before = found.len();
        for child in &route.children {
            if self.find(*child, labels, found) && !self.0[*child].continues {
                break;
            }
        }
        if found.len() == before {
            found.push(index);
        }
        true
    }
}

impl Route {
    /// The labels that the group of an alert is made by.
    pub fn group_labels(&self, labels: &Labels) -> Labels {
        match &self.group_by {
            GroupBy::All => labels.clone(),
            GroupBy::Labels(names) => {
                Labels::from_sorted(labels.iter().filter(|(name, _)| names.contains(*name)))
            }
        }
    }

    /// Whether it tells the same people at the same times as another.
    pub(crate) fn tells_as(&self, other: &Self) -> bool {
        let settings = |route: &Self| {
            let intervals = (route.group_wait, route.group_interval, route.repeat_interval);
            let times = (route.mute_time_intervals.clone(), route.active_time_intervals.clone());
            (route.receiver.clone(), intervals, times, route.labels.clone())
        };
        settings(self) == settings(other)
    }

    /// The key of a group of this route.
    pub fn group_key(&self, group_labels: &Labels) -> String {
        format!("{}:{}", self.key, crate::fingerprint::shown(group_labels))
    }
}

fn milliseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Config;
    use std::path::Path;

    fn routes(text: &str) -> Routes {
        let text = format!("{text}\nreceivers: [{{name: r}}, {{name: a}}, {{name: b}}, {{name: c}}]");
        Routes::new(&Config::parse(Path::new("am.yml"), &text).unwrap().route)
    }

    #[test]
    fn alerts_go_to_the_deepest_routes() {
        let routes = routes(
            "route:\n  receiver: r\n  routes:\n  - matchers: [team=a]\n    receiver: a\n    routes:\n    \
             - {matchers: [env=test], receiver: b, continue: true}\n    - {matchers: [env=~\"t.*\"], receiver: c}\n  \
             - {matchers: [team=~\"a|b\"], receiver: b, continue: true}\n  - {matchers: [team=b], receiver: c}",
        );
        let check = |labels: &[(&str, &str)], expected: &[&str]| {
            let found = routes.matching(&Labels::from_pairs(labels.iter().copied()));
            let ids: Vec<&str> = found.iter().map(|index| routes.get(*index).id.as_str()).collect();
            assert_eq!(ids, expected, "{labels:?}");
        };
        check(&[], &["{}"]);
        check(&[("team", "a")], &["{}/{team=\"a\"}/0"]);
        check(
            &[("team", "a"), ("env", "test")],
            &["{}/{team=\"a\"}/0/{env=\"test\"}/0", "{}/{team=\"a\"}/0/{env=~\"t.*\"}/1"],
        );
        check(&[("team", "a"), ("env", "tst")], &["{}/{team=\"a\"}/0/{env=~\"t.*\"}/1"]);
        check(&[("team", "b")], &["{}/{team=~\"a|b\"}/1", "{}/{team=\"b\"}/2"]);
    }

    #[test]
    fn settings_come_from_above_but_not_time_intervals() {
        let routes = routes(
            "time_intervals: [{name: t, time_intervals: [{}]}]\nroute:\n  receiver: r\n  group_by: [x]\n  \
             group_wait: 1s\n  labels: {a: '1', b: '1'}\n  routes:\n  - matchers: [m=n]\n    group_interval: 2s\n    \
             mute_time_intervals: [t]\n    labels: {b: '2'}\n    routes:\n    - {group_by: [], repeat_interval: 3s}",
        );
        let deepest = routes.get(2);
        assert_eq!((deepest.group_wait, deepest.group_interval, deepest.repeat_interval), (1000, 2000, 3000));
        assert_eq!(deepest.receiver, "r");
        assert_eq!(deepest.labels, BTreeMap::from([("a".into(), "1".into()), ("b".into(), "2".into())]));
        assert!(deepest.mute_time_intervals.is_empty());
        assert_eq!(routes.get(1).mute_time_intervals, ["t"]);
        let labels = Labels::from_pairs([("x", "1"), ("y", "2")]);
        assert_eq!(routes.get(1).group_key(&routes.get(1).group_labels(&labels)), "{}/{m=\"n\"}:{x=\"1\"}");
        assert_eq!(deepest.group_key(&deepest.group_labels(&labels)), "{}/{m=\"n\"}/{}:{}");
        assert_eq!((deepest.depth, routes.get(0).repeat_interval), (2, 4 * 3_600_000));
    }

    #[test]
    fn three_dots_group_by_all_labels() {
        let routes = routes("route: {receiver: r, group_by: ['...']}");
        let labels = Labels::from_pairs([("x", "1"), ("y", "2")]);
        assert_eq!(routes.get(0).group_labels(&labels), labels);
    }
}
