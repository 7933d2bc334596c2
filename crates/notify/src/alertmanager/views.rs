//! What is known, as the API shows it.
//!
//! Input: filters. Output: alerts, groups, receivers, silences and the state of the program, in the order that Alertmanager lists them.
//! Whether an alert is suppressed is found out when somebody asks.

use super::filters::{AlertFilter, GroupFilter, SilenceFilter, matches};
use super::{Alertmanager, State};
use crate::alerts::StoredAlert;
use crate::dispatcher::GroupId;
use crate::engine::Engine;
use crate::fingerprint::{compare_alerts, compare_labels, fingerprint_text};
use crate::notification::{AlertStatus, Notification, NotifiedAlert};
use crate::silences::{Silence, SilenceState};
use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::Arc;
use tidewatch_model::{Alert, Labels, Matcher};

/// Whether an alert is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AlertViewState {
    /// It is.
    Active,
    /// It is silenced, inhibited, or its group is muted.
    Suppressed,
}

impl AlertViewState {
    /// As the API writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Suppressed => "suppressed",
        }
    }
}

/// An alert.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlertView {
    /// The alert; its end is the time after which it counts as over if nobody says that it still fires.
    pub alert: Alert,
    /// When somebody last said something of it, in milliseconds since the Unix epoch.
    pub updated_at: i64,
    /// Its name, 16 hexadecimal digits.
    pub fingerprint: String,
    /// Who is told.
    pub receivers: Vec<String>,
    /// Whether it is told.
    pub state: AlertViewState,
    /// The ids of the silences that hold for it.
    pub silenced_by: Vec<String>,
    /// The fingerprint of an alert that inhibits it.
    pub inhibited_by: Vec<String>,
    /// The time intervals by which its group is muted.
    pub muted_by: Vec<String>,
}

/// A group of alerts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupView {
    /// Who is told.
    pub receiver: String,
    /// The labels it is made by.
    pub labels: Labels,
    /// The rendered labels of its route.
    pub route_labels: Labels,
    /// Its alerts.
    pub alerts: Vec<AlertView>,
}

/// A receiver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceiverView {
    /// Its name.
    pub name: String,
    /// Labels to find it by, `name` included.
    pub labels: BTreeMap<String, String>,
}

/// A silence and whether it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SilenceView {
    /// The silence.
    pub silence: Silence,
    /// Whether it holds.
    pub state: SilenceState,
}

/// The state of the program.
#[derive(Clone, Debug, PartialEq)]
pub struct Status {
    /// The configuration, with `<secret>` in place of each secret.
    pub config: String,
    /// The file it is from.
    pub config_file: PathBuf,
    /// Since when it runs, in milliseconds since the Unix epoch.
    pub started_at: i64,
    /// Whether the last new configuration was right.
    pub last_reload_ok: bool,
    /// When the configuration in force was taken, in milliseconds since the Unix epoch.
    pub last_reload_at: i64,
    /// What somebody should look at: files that cannot be written, data that was lost.
    pub problems: Vec<String>,
}

impl Alertmanager {
    /// The alerts that are not over, by fingerprint.
    pub fn alerts(&self, filter: &AlertFilter) -> Vec<AlertView> {
        let state = self.lock();
        let now = self.now();
        let receivers = ReceiverFilter::new(&state.engine, filter);
        let views = state.engine.alerts.iter().filter_map(|alert| {
            let routes = state.engine.dispatcher.routes();
            let labels = &alert.alert.labels;
            let names = routes.matching(labels).into_iter().map(|index| routes.get(index).receiver.clone());
            let names: Vec<String> = names.collect();
            let wanted = names.iter().any(|name| receivers.is_named(name))
                && names.iter().any(|name| receivers.is_labeled(name));
            if !wanted {
                return None;
            }
            let mut view = view(&state.engine, alert, filter, now)?;
            view.receivers = names;
            Some(view)
        });
        let mut views: Vec<AlertView> = views.collect();
        views.sort_by(|a, b| a.fingerprint.cmp(&b.fingerprint));
        views
    }

    /// The groups that have alerts, by labels and receiver.
    pub fn groups(&self, filter: &GroupFilter) -> Vec<GroupView> {
        let state = self.lock();
        let now = self.now();
        let engine = &state.engine;
        let receivers = ReceiverFilter::new(engine, &filter.alerts);
        let of_route = |id: &&GroupId| {
            let receiver = &engine.dispatcher.routes().get(id.0).receiver;
            receivers.is_named(receiver) && receivers.is_labeled(receiver)
        };
        let groups =
            engine.dispatcher.ids().filter(of_route).map(|id| group(engine, id, &filter.alerts, now));
        let mut groups: Vec<GroupView> = groups.filter(|group| !group.alerts.is_empty()).collect();
        let mut names = HashMap::<Labels, Vec<String>>::new();
        for group in &groups {
            for alert in &group.alerts {
                names.entry(alert.alert.labels.clone()).or_default().push(group.receiver.clone());
            }
        }
        names.values_mut().for_each(|names| names.sort_unstable());
        for alert in groups.iter_mut().flat_map(|group| &mut group.alerts) {
            alert.receivers.clone_from(&names[&alert.alert.labels]);
        }
        groups.retain(|group| filter.muted || group.alerts[0].muted_by.is_empty());
        groups.sort_by(|a, b| compare_labels(&a.labels, &b.labels).then_with(|| a.receiver.cmp(&b.receiver)));
        groups
    }

    /// The receivers whose labels these matchers match, as they are configured.
    pub fn receivers(&self, matchers: &[Matcher]) -> Vec<ReceiverView> {
        let state = self.lock();
        let view = |name: &String, labels: &BTreeMap<String, String>| {
            let mut labels = labels.clone();
            labels.insert("name".to_owned(), name.clone());
            ReceiverView { name: name.clone(), labels }
        };
        let views = state.engine.receivers().iter().map(|receiver| view(&receiver.name, &receiver.labels));
        views.filter(|view| matches(matchers, |name| view.labels.get(name).map(String::as_str))).collect()
    }

    /// The silences: those that hold by their end, those that will by their start, those that are over by their end, the last first.
    pub fn silences(&self, filter: &SilenceFilter) -> Vec<SilenceView> {
        let state = self.lock();
        let now = self.now();
        let found = state.engine.silences.iter().filter(|silence| filter.has(silence, now));
        let mut views: Vec<SilenceView> = found
            .map(|silence| SilenceView { silence: silence.clone(), state: silence.state(now) })
            .collect();
        let time = |view: &SilenceView| match view.state {
            SilenceState::Active => view.silence.ends_at,
            SilenceState::Pending => view.silence.starts_at,
            SilenceState::Expired => view.silence.ends_at.saturating_neg(),
        };
        views.sort_by_key(|view| (view.state, time(view)));
        views
    }

    /// One silence.
    pub fn silence(&self, id: &str) -> Option<SilenceView> {
        let state = self.lock();
        let now = self.now();
        let silence = state.engine.silences.get(id)?;
        Some(SilenceView { silence: silence.clone(), state: silence.state(now) })
    }

    /// The state of the program.
    pub fn status(&self) -> Status {
        let state = self.lock();
        Status {
            config: state.config.shown(),
            config_file: state.config.file.clone(),
            started_at: self.started_at,
            last_reload_ok: state.last_reload_ok,
            last_reload_at: state.last_reload_at,
            problems: state.problems(),
        }
    }
}

impl State {
    fn problems(&self) -> Vec<String> {
        let behind = self.storage.as_ref().and_then(|storage| storage.behind()).map(str::to_owned);
        behind.into_iter().chain(self.losses.iter().cloned()).collect()
    }
}

/// Which receivers are asked for.
struct ReceiverFilter<'a> {
    filter: &'a AlertFilter,
    labels: HashMap<&'a str, &'a BTreeMap<String, String>>,
}

impl<'a> ReceiverFilter<'a> {
    fn new(engine: &'a Engine, filter: &'a AlertFilter) -> Self {
        let labels = engine.receivers().iter().map(|receiver| (receiver.name.as_str(), &receiver.labels));
        Self { filter, labels: labels.collect() }
    }

    fn is_named(&self, name: &str) -> bool {
        self.filter.receiver.as_ref().is_none_or(|regex| regex.is_match(name))
    }

    fn is_labeled(&self, name: &str) -> bool {
        self.filter.receiver_matchers.is_empty()
            || self.labels.get_key_value(name).is_some_and(|(name, labels)| {
                let value_of = |label: &str| match label {
                    "name" => Some(*name),
                    label => labels.get(label).map(String::as_str),
                };
                matches(&self.filter.receiver_matchers, value_of)
            })
    }
}

/// An alert, if it is asked for; without its receivers.
fn view(engine: &Engine, stored: &Arc<StoredAlert>, filter: &AlertFilter, now: i64) -> Option<AlertView> {
    let alert = &stored.alert;
    if alert.ends_at < now || !matches(&filter.matchers, |name| alert.labels.get(name)) {
        return None;
    }
    let (silenced_by, inhibited_by) = engine.suppressed_by(&alert.labels, now);
    let suppressed = !silenced_by.is_empty() || !inhibited_by.is_empty();
    let wanted = (filter.active || suppressed)
        && (filter.silenced || silenced_by.is_empty())
        && (filter.inhibited || inhibited_by.is_empty());
    wanted.then(|| AlertView {
        alert: alert.clone(),
        updated_at: stored.updated_at,
        fingerprint: fingerprint_text(&alert.labels),
        receivers: Vec::new(),
        state: if suppressed { AlertViewState::Suppressed } else { AlertViewState::Active },
        silenced_by,
        inhibited_by,
        muted_by: Vec::new(),
    })
}

fn group(engine: &Engine, id: &GroupId, filter: &AlertFilter, now: i64) -> GroupView {
    let route = engine.dispatcher.routes().get(id.0);
    let muted_by = engine.muted_by(route, now);
    let all = engine.dispatcher.alerts(id, now);
    let mut alerts: Vec<AlertView> =
        all.iter().filter_map(|flushed| view(engine, &flushed.stored, filter, now)).collect();
    alerts.sort_by(|a, b| compare_alerts(&a.alert.labels, &b.alert.labels));
    for alert in alerts.iter_mut().filter(|_| !muted_by.is_empty()) {
        alert.state = AlertViewState::Suppressed;
        alert.muted_by.clone_from(&muted_by);
    }
    let mut view = GroupView {
        receiver: route.receiver.clone(),
        labels: id.1.clone(),
        route_labels: Labels::empty(),
        alerts,
    };
    if !route.labels.is_empty() {
        let notified = |alert: &AlertView| NotifiedAlert {
            status: AlertStatus::Firing,
            labels: alert.alert.labels.clone(),
            annotations: alert.alert.annotations.clone(),
            starts_at: alert.alert.starts_at,
            ends_at: 0,
            generator_url: alert.alert.generator_url.clone(),
            fingerprint: alert.fingerprint.clone(),
        };
        let notification = Notification {
            receiver: view.receiver.clone(),
            group_labels: view.labels.clone(),
            alerts: view.alerts.iter().map(notified).collect(),
            now_ms: now,
            ..Notification::default()
        };
        view.route_labels = engine.route_labels(route, &notification);
    }
    view
}
