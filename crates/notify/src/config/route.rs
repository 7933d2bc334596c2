//! The tree of routes as it is written.
//!
//! Input: the section `route`. Output: a [`RouteConfig`] with the routes below it; what a route does not say it has from the one
//! above, see [`crate::Routes`]. Mistakes go to the report of the fields.

use super::matchers_field;
use crate::Templates;
use crate::matchers::{Matchers, is_label_name};
use crate::time_interval::TimeIntervals;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tidewatch_manifest::reading::{self, Fields};

/// A route as it is written.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RouteConfig {
    /// Who is told.
    pub receiver: Option<String>,
    /// By which labels alerts are grouped.
    pub group_by: Option<GroupBy>,
    /// Which alerts it takes.
    pub matchers: Matchers,
    /// Whether routes after it are tried too.
    pub continues: bool,
    /// How long a new group waits for more alerts.
    pub group_wait: Option<Duration>,
    /// How long a group waits before it tells of changes.
    pub group_interval: Option<Duration>,
    /// How long it waits before it tells the same again.
    pub repeat_interval: Option<Duration>,
    /// Time intervals in which nothing is told.
    pub mute_time_intervals: Vec<String>,
    /// Time intervals outside of which nothing is told.
    pub active_time_intervals: Vec<String>,
    /// Labels for templates, which may be templates themselves.
    pub labels: BTreeMap<String, String>,
    /// The routes below it.
    pub routes: Vec<Self>,
}

/// By which labels alerts are grouped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GroupBy {
    /// By all: each alert is a group of its own.
    All,
    /// By some.
    Labels(BTreeSet<String>),
}

/// What routes can name.
pub(super) struct Known<'a> {
    pub(super) receivers: &'a BTreeSet<&'a str>,
    pub(super) time_intervals: &'a TimeIntervals,
}

impl RouteConfig {
    pub(super) fn read(fields: &Fields<'_>, known: &Known<'_>) -> Self {
        let routes = fields.list("routes").into_iter().map(|entry| {
            let route = Self::read(&entry, known);
            entry.finish();
            route
        });
        Self {
            routes: routes.collect(),
            receiver: receiver(fields, known),
            group_by: group_by(fields),
            matchers: matchers_field::read(fields, ["match", "match_re", "matchers"]),
            continues: fields.flag("continue").unwrap_or_default(),
            group_wait: reading::duration(fields, "group_wait"),
            group_interval: interval(fields, "group_interval"),
            repeat_interval: interval(fields, "repeat_interval"),
            mute_time_intervals: time_intervals(fields, "mute_time_intervals", known),
            active_time_intervals: time_intervals(fields, "active_time_intervals", known),
            labels: labels(fields),
        }
    }
}

fn receiver(fields: &Fields<'_>, known: &Known<'_>) -> Option<String> {
    let name = reading::text(fields, "receiver").filter(|name| !name.is_empty())?;
    if !known.receivers.contains(name.as_str()) {
        let hint = "add it under receivers, or name one of those";
        fields.wrong("receiver", format!("undefined receiver {name:?} used in route"), hint);
    }
    Some(name)
}

fn interval(fields: &Fields<'_>, key: &'static str) -> Option<Duration> {
    let interval = reading::duration(fields, key)?;
    if interval.is_zero() {
        fields.wrong(key, format!("{key} cannot be zero"), "write e.g. 5m");
    }
    Some(interval)
}

fn group_by(fields: &Fields<'_>) -> Option<GroupBy> {
    if !fields.has("group_by") {
        fields.known(&["group_by"]);
        return None;
    }
    let names = reading::texts(fields, "group_by");
    let all = names.iter().any(|name| name == "...");
    let mut labels = BTreeSet::new();
    for (index, name) in names.into_iter().enumerate().filter(|(_, name)| name != "...") {
        if !is_label_name(&name) {
            fields.wrong_item("group_by", index, format!("invalid label name {name:?} in group_by list"), "");
        } else if labels.contains(&name) {
            fields.wrong_item(
                "group_by",
                index,
                format!("duplicated label {name:?} in group_by"),
                "remove one",
            );
        }
        labels.insert(name);
    }
    if all && !labels.is_empty() {
        let message = "cannot have wildcard group_by (`...`) and other labels at the same time";
        fields.wrong("group_by", message, "'...' alone groups by all labels");
    }
    Some(if all { GroupBy::All } else { GroupBy::Labels(labels) })
}

fn time_intervals(fields: &Fields<'_>, key: &'static str, known: &Known<'_>) -> Vec<String> {
    let names = reading::texts(fields, key);
    for (index, name) in
        names.iter().enumerate().filter(|(_, name)| !known.time_intervals.contains_key(*name))
    {
        let message = format!("undefined time interval {name:?} used in route");
        fields.wrong_item(key, index, message, "add it under time_intervals");
    }
    names
}

fn labels(fields: &Fields<'_>) -> BTreeMap<String, String> {
    let labels = reading::text_map(fields, "labels");
    for (name, value) in &labels {
        if !is_label_name(name) {
            fields.wrong("labels", format!("invalid label name {name:?} in route labels"), "");
        }
        if let Err(error) = Templates::check(value) {
            fields.wrong("labels", format!("invalid template: {error}"), "");
        }
    }
    labels
}
