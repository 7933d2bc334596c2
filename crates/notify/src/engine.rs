//! Every decision of Alertmanager in one place, as a function of what it was given and the time.
//!
//! Input: a configuration, alerts, silences, what became of deliveries, and the time. Output: the deliveries to make now, and the entries
//! of the notification log to write. It reads no clock, does no IO, sends nothing and takes no lock, so that the live
//! [`crate::Alertmanager`] and the [`crate::Simulation`] decide alike.
//!
//! A group is told to each integration of its receiver on its own: one that is still busy with the group's last flush is passed over and
//! gets the group as it is then when it is done. Alerts that are over leave the group when a flush reached everybody.

mod integrations;
mod plan;

pub(crate) use integrations::{IntegrationSpec, integration_specs};
pub(crate) use plan::Delivery;

use crate::alerts::{AlertLimits, AlertProblem, Alerts, checked};
use crate::config::Config;
use crate::dispatcher::{Dispatcher, GroupId, ResolvedAlert};
use crate::inhibition::Inhibitor;
use crate::notification_log::{LogEntry, NotificationLog};
use crate::route::Routes;
use crate::silences::{SilenceLimits, Silences};
use crate::time_interval::TimeIntervals;
use crate::{ReceiverConfig, Templates};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;
use tidewatch_model::{Alert, Labels};

/// The shortest time that a flush has, in milliseconds, however short the interval of its group.
const SHORTEST_FLUSH: i64 = 10_000;

/// Limits and times of an engine. Times are in milliseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EngineOptions {
    pub(crate) retention: i64,
    pub(crate) alerts: AlertLimits,
    pub(crate) silences: SilenceLimits,
    pub(crate) most_groups: usize,
}

impl Default for EngineOptions {
    fn default() -> Self {
        Self {
            retention: 120 * 3_600_000,
            alerts: AlertLimits { per_name: 0, total: 100_000 },
            silences: SilenceLimits { count: 10_000, bytes: 64 << 10 },
            most_groups: 20_000,
        }
    }
}

/// What follows from a decision.
#[derive(Debug, Default)]
pub(crate) struct Effects {
    /// To be made, each on its own.
    pub(crate) deliveries: Vec<Arc<Delivery>>,
    /// To be written.
    pub(crate) entries: Vec<LogEntry>,
}

/// An integration and a group.
type Lane = (GroupId, usize);

/// A delivery under way.
#[derive(Clone, Debug)]
struct Busy {
    delivery: u64,
    /// Whether the group was due meanwhile.
    missed: bool,
}

/// A flush of a group that not everybody was told of yet.
#[derive(Clone, Debug)]
struct OpenFlush {
    group: GroupId,
    waiting: HashSet<usize>,
    resolved: Vec<ResolvedAlert>,
}

/// What was counted. All only rise.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct EngineCounts {
    pub(crate) received_firing: u64,
    pub(crate) received_resolved: u64,
    pub(crate) invalid: u64,
    pub(crate) limited: u64,
    pub(crate) groups_limited: u64,
    pub(crate) suppressed_by_silence: u64,
    pub(crate) suppressed_by_inhibition: u64,
    pub(crate) suppressed_by_mute_time: u64,
    pub(crate) suppressed_by_active_time: u64,
    pub(crate) log_queries: u64,
}

/// Decides.
#[derive(Debug)]
pub(crate) struct Engine {
    options: EngineOptions,
    resolve_timeout: i64,
    receivers: HashMap<String, Vec<IntegrationSpec>>,
    receiver_configs: Vec<ReceiverConfig>,
    time_intervals: TimeIntervals,
    templates: Option<Arc<Templates>>,
    external_url: String,
    pub(crate) alerts: Alerts,
    pub(crate) inhibitor: Inhibitor,
    pub(crate) silences: Silences,
    pub(crate) log: NotificationLog,
    pub(crate) dispatcher: Dispatcher,
    lanes: BTreeMap<Lane, Busy>,
    /// The lane of each delivery under way.
    lane_of: HashMap<u64, Lane>,
    flushes: HashMap<u64, OpenFlush>,
    next_number: u64,
    pub(crate) counts: EngineCounts,
}

impl Engine {
    /// An engine that knows no alerts; labels of routes are rendered only with `templates`.
    pub(crate) fn new(
        config: &Config,
        templates: Option<Arc<Templates>>,
        external_url: &str,
        options: EngineOptions,
    ) -> Self {
        let routes = Arc::new(Routes::new(&config.route));
        let mut engine = Self {
            options,
            resolve_timeout: 0,
            receivers: HashMap::new(),
            receiver_configs: Vec::new(),
            time_intervals: TimeIntervals::new(),
            templates: None,
            external_url: external_url.to_owned(),
            alerts: Alerts::new(options.alerts),
            inhibitor: Inhibitor::default(),
            silences: Silences::new(options.silences, options.retention),
            log: NotificationLog::default(),
            dispatcher: Dispatcher::new(routes, options.most_groups),
            lanes: BTreeMap::new(),
            lane_of: HashMap::new(),
            flushes: HashMap::new(),
            next_number: 0,
            counts: EngineCounts::default(),
        };
        engine.configure(config, templates);
        engine
    }

    fn configure(&mut self, config: &Config, templates: Option<Arc<Templates>>) {
        self.resolve_timeout = milliseconds(config.resolve_timeout);
        self.time_intervals.clone_from(&config.time_intervals);
        self.receiver_configs.clone_from(&config.receivers);
        let specs = |receiver: &ReceiverConfig| (receiver.name.clone(), integration_specs(receiver));
        self.receivers = config.receivers.iter().map(specs).collect();
        self.templates = templates;
        self.inhibitor = Inhibitor::new(&config.inhibit_rules);
        self.alerts.iter().for_each(|alert| self.inhibitor.insert(alert));
    }

    /// Takes a new configuration. Alerts, silences and the log stay, and groups of routes that stay. Returns the deliveries that are to
    /// be ended, since their group or receiver is gone or another; such a group is due at once.
    pub(crate) fn reload(
        &mut self,
        config: &Config,
        templates: Option<Arc<Templates>>,
        now: i64,
    ) -> Vec<u64> {
        let old_receivers = std::mem::take(&mut self.receiver_configs);
        let old_routes = self.dispatcher.routes().clone();
        self.configure(config, templates);
        let routes = Arc::new(Routes::new(&config.route));
        let kept = self.dispatcher.reload(&routes, self.alerts.iter(), now);
        let mut ended = Vec::new();
        for ((group, integration), busy) in std::mem::take(&mut self.lanes) {
            let receiver = &old_routes.get(group.0).receiver;
            let find = |all: &[ReceiverConfig]| all.iter().find(|config| config.name == *receiver).cloned();
            let same_receiver = find(&old_receivers) == find(&self.receiver_configs);
            let new_id = kept.get(&group);
            match new_id
                .filter(|id| same_receiver && self.dispatcher.routes().get(id.0).receiver == *receiver)
            {
                Some(id) => {
                    let lane = (id.clone(), integration);
                    self.lane_of.insert(busy.delivery, lane.clone());
                    self.lanes.insert(lane, busy);
                }
                None => {
                    ended.push(busy.delivery);
                    self.lane_of.remove(&busy.delivery);
                    if let Some(id) = new_id {
                        self.dispatcher.make_due(id, now);
                    }
                }
            }
        }
        // who is told of a flush may have changed: the next one settles what is over
        self.flushes.clear();
        ended
    }

    /// Takes alerts. Those that are wrong or too many do not keep the others out.
    pub(crate) fn put(&mut self, alerts: impl IntoIterator<Item = Alert>, now: i64) -> Vec<AlertProblem> {
        let mut problems = Vec::new();
        for (index, alert) in alerts.into_iter().enumerate() {
            if let Err((message, invalid)) = self.put_one(alert, now) {
                problems.push(AlertProblem { index, message, invalid });
            }
        }
        problems
    }

    fn put_one(&mut self, alert: Alert, now: i64) -> Result<(), (String, bool)> {
        let stored = checked(alert, now, self.resolve_timeout).inspect_err(|_| self.counts.invalid += 1);
        let stored = stored.map_err(|message| (message, true))?;
        match stored.alert.ends_at > now {
            true => self.counts.received_firing += 1,
            false => self.counts.received_resolved += 1,
        }
        let known = self.alerts.put(stored, now).inspect_err(|_| self.counts.limited += 1);
        let known = known.map_err(|message| (message, false))?;
        self.inhibitor.insert(&known);
        let refused = self.dispatcher.insert(&known, now);
        self.counts.groups_limited += refused as u64;
        match refused {
            0 => Ok(()),
            _ => Err((
                format!("{} groups are known; hint: raise --dispatch.max-groups", self.dispatcher.len()),
                false,
            )),
        }
    }

    /// When something is to be done next.
    pub(crate) fn next_due(&self) -> Option<i64> {
        self.dispatcher.next_due()
    }

    /// What is to be done now.
    pub(crate) fn due(&mut self, now: i64) -> Effects {
        let mut effects = Effects::default();
        for group in self.dispatcher.take_due(now) {
            self.flush(&group, now, &mut effects);
        }
        effects
    }

    /// A delivery ended. One that was made is written down even if nobody waits for it any more.
    pub(crate) fn finished(&mut self, delivery: &Delivery, delivered: bool, now: i64) -> Effects {
        let mut effects = Effects::default();
        if delivered {
            let entry = self.entry(delivery, now);
            self.log.apply(entry.clone());
            effects.entries.push(entry);
        }
        let position = delivery.integration_position;
        if let Some(flush) = delivery.flush {
            self.close(flush, position, delivered);
        }
        if let Some(lane) = self.lane_of.remove(&delivery.id)
            && self.lanes.remove(&lane).is_some_and(|busy| busy.missed)
        {
            self.flush_lane(&lane.0, position, now, &mut effects);
        }
        effects
    }

    fn entry(&self, delivery: &Delivery, now: i64) -> LogEntry {
        let lifetime = self.options.retention.min(delivery.repeat_interval.saturating_mul(2));
        LogEntry {
            key: delivery.log_key.clone(),
            timestamp: now,
            firing: delivery.firing.clone(),
            resolved: delivery.resolved.clone(),
            expires_at: now.saturating_add(lifetime),
        }
    }

    /// An integration is done with a flush.
    fn close(&mut self, number: u64, position: usize, delivered: bool) {
        let Some(flush) = self.flushes.get_mut(&number) else { return };
        flush.waiting.remove(&position);
        if !delivered {
            self.flushes.remove(&number);
        } else if flush.waiting.is_empty()
            && let Some(flush) = self.flushes.remove(&number)
        {
            self.dispatcher.settle(&flush.group, &flush.resolved);
        }
    }

    /// Forgets alerts that are over.
    pub(crate) fn collect_alerts(&mut self, now: i64) {
        self.alerts.collect_garbage(now);
        self.inhibitor.collect_garbage(now);
    }

    /// Whether a label set is told of now: by what it is silenced and inhibited.
    pub(crate) fn suppressed_by(&self, labels: &Labels, now: i64) -> (Vec<String>, Vec<String>) {
        let inhibited_by = self.inhibitor.inhibited_by(labels, now).into_iter().collect();
        (self.silences.silencing(labels, now), inhibited_by)
    }

    pub(crate) fn receivers(&self) -> &[ReceiverConfig] {
        &self.receiver_configs
    }

    pub(crate) fn options(&self) -> &EngineOptions {
        &self.options
    }
}

pub(crate) fn milliseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
