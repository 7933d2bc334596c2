//! Sends alerts to real Alertmanagers, as Prometheus 3.16 does it.
//!
//! Input: alerts of the rules, through [`AlertSink`]; the section `alerting` and the external labels; and, for Alertmanagers that are
//! listed in files, the groups of [`Sender::set_targets`]. Output: `POST …/api/v2/alerts` to each of them. Each has a queue of its own and
//! one request at a time, so one that is down or slow delays only itself. What a queue has no room for, and what an Alertmanager did
//! not take, is dropped and counted: rules send their alerts again before those end. Files are not watched here.

mod metrics;
mod payload;
mod queue;
mod target;

use queue::SendLoop;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use target::{Target, targets_of};
use tidewatch_manifest::{AlertingConfig, AlertmanagerConfig};
use tidewatch_model::{Alert, AlertSink, Labels, RelabelRule, TargetGroup, relabel};
use tokio::task::JoinHandle;

/// How much is queued and sent at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SenderOptions {
    /// Alerts that wait for one Alertmanager at most; the oldest are dropped. 10,000 by default.
    pub queue_capacity: usize,
    /// Alerts in a request at most; 256 by default.
    pub max_batch_size: usize,
    /// Time in which the queues are emptied at shutdown; 30 s by default.
    pub drain_timeout: Duration,
}

impl Default for SenderOptions {
    fn default() -> Self {
        Self { queue_capacity: 10_000, max_batch_size: 256, drain_timeout: Duration::from_secs(30) }
    }
}

/// The Alertmanagers that alerts go to, and those that relabeling dropped, as URLs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Alertmanagers {
    /// Those that get alerts.
    pub active: Vec<String>,
    /// Those that do not.
    pub dropped: Vec<String>,
}

/// Sends alerts to Alertmanagers.
pub struct Sender {
    options: SenderOptions,
    /// Who else is given every alert, labeled like those that are sent.
    local: Option<Arc<dyn AlertSink>>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    external_labels: Labels,
    alert_relabel_configs: Vec<RelabelRule>,
    sets: Vec<Set>,
    stopped: bool,
}

/// The Alertmanagers of one entry of `alertmanagers`.
struct Set {
    config: Arc<AlertmanagerConfig>,
    /// The groups of `file_sd_configs`.
    discovered: Vec<TargetGroup>,
    dropped: Vec<Target>,
    loops: BTreeMap<String, Running>,
}

struct Running {
    queue: Arc<SendLoop>,
    task: JoinHandle<()>,
}

impl Sender {
    /// Starts sending to the Alertmanagers that are written down; those in files follow with [`Self::set_targets`]. Needs a tokio
    /// runtime.
    pub fn start(config: &AlertingConfig, external_labels: Labels, options: SenderOptions) -> Arc<Self> {
        Self::start_with(None, config, external_labels, options)
    }

    /// The same, for a process that has an Alertmanager of its own: `local` is given every alert as `alert_relabel_configs` leave it.
    pub fn start_with(
        local: Option<Arc<dyn AlertSink>>,
        config: &AlertingConfig,
        external_labels: Labels,
        options: SenderOptions,
    ) -> Arc<Self> {
        let sender = Self { options, local, state: Mutex::default() };
        sender.reload(config, external_labels);
        Arc::new(sender)
    }

    /// Takes a new configuration. Alertmanagers of an entry that did not change keep their queues; what waits for others is dropped
    /// and counted.
    pub fn reload(&self, config: &AlertingConfig, external_labels: Labels) {
        let mut state = self.lock();
        if state.stopped {
            return;
        }
        state.external_labels = external_labels;
        state.alert_relabel_configs.clone_from(&config.alert_relabel_configs);
        let mut old = std::mem::take(&mut state.sets);
        for entry in &config.alertmanagers {
            let known = old.iter().position(|set| *set.config == *entry);
            let mut set = known.map_or_else(|| Set::new(entry), |at| old.remove(at));
            set.sync(&self.options);
            state.sets.push(set);
        }
        old.into_iter().flat_map(|set| set.loops.into_values()).for_each(|running| running.queue.stop());
    }

    /// The groups that the files of entry `index` of `alertmanagers` list now.
    pub fn set_targets(&self, index: usize, groups: Vec<TargetGroup>) {
        let mut state = self.lock();
        if state.stopped {
            return;
        }
        if let Some(set) = state.sets.get_mut(index) {
            set.discovered = groups;
            set.sync(&self.options);
        }
    }

    /// Where alerts go, and where not.
    pub fn alertmanagers(&self) -> Alertmanagers {
        let state = self.lock();
        let active = state.sets.iter().flat_map(|set| set.loops.keys().cloned());
        let dropped = state.sets.iter().flat_map(|set| set.dropped.iter().map(|target| target.url.clone()));
        Alertmanagers { active: active.collect(), dropped: dropped.collect() }
    }

    /// Sends what waits, for as long as the options allow, and ends. What is left is counted as dropped.
    pub async fn shutdown(&self) {
        let loops: Vec<Running> = {
            let mut state = self.lock();
            state.stopped = true;
            state.sets.iter_mut().flat_map(|set| std::mem::take(&mut set.loops).into_values()).collect()
        };
        for running in &loops {
            running.queue.drain();
        }
        let deadline = tokio::time::Instant::now() + self.options.drain_timeout;
        for mut running in loops {
            if tokio::time::timeout_at(deadline, &mut running.task).await.is_err() {
                running.task.abort();
                running.queue.drop_rest();
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AlertSink for Sender {
    fn send(&self, alerts: &[Alert]) {
        let state = self.lock();
        let alerts = relabeled(alerts.iter(), &state.external_labels, &state.alert_relabel_configs);
        if alerts.is_empty() {
            return;
        }
        if let Some(local) = &self.local {
            local.send(&alerts.iter().map(|alert| Alert::clone(alert)).collect::<Vec<_>>());
        }
        for set in &state.sets {
            let rules = &set.config.alert_relabel_configs;
            let own = match rules.is_empty() {
                true => alerts.clone(),
                false => relabeled(alerts.iter().map(AsRef::as_ref), &Labels::empty(), rules),
            };
            for running in set.loops.values() {
                running.queue.add(&own);
            }
        }
    }
}

/// The alerts with the external labels that they lack, as the rules leave them.
fn relabeled<'a>(
    alerts: impl Iterator<Item = &'a Alert>,
    external_labels: &Labels,
    rules: &[RelabelRule],
) -> Vec<Arc<Alert>> {
    let mut kept = Vec::new();
    for alert in alerts {
        let mut labels = alert.labels.to_builder();
        for (name, value) in external_labels.iter() {
            if alert.labels.get(name).unwrap_or_default().is_empty() {
                labels.set(name, value);
            }
        }
        if relabel(&mut labels, rules) {
            kept.push(Arc::new(Alert { labels: labels.build(), ..alert.clone() }));
        }
    }
    kept
}

impl Set {
    fn new(config: &AlertmanagerConfig) -> Self {
        Self {
            config: Arc::new(config.clone()),
            discovered: Vec::new(),
            dropped: Vec::new(),
            loops: BTreeMap::new(),
        }
    }

    /// Starts queues for Alertmanagers that are new and stops those of the ones that are gone.
    fn sync(&mut self, options: &SenderOptions) {
        let groups = self.config.static_configs.iter().chain(&self.discovered);
        let (active, dropped) = targets_of(groups, &self.config);
        self.dropped = dropped;
        let gone = |url: &String| !active.iter().any(|target| target.url == *url);
        let urls: Vec<String> = self.loops.keys().filter(|url| gone(url)).cloned().collect();
        for url in urls {
            if let Some(running) = self.loops.remove(&url) {
                running.queue.stop();
            }
        }
        for Target { url } in active {
            self.loops.entry(url).or_insert_with_key(|url| {
                let queue = Arc::new(SendLoop::new(url, Arc::clone(&self.config), options));
                let task = tokio::spawn(Arc::clone(&queue).run());
                Running { queue, task }
            });
        }
    }
}

impl std::fmt::Debug for Sender {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sender").field("alertmanagers", &self.alertmanagers()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidewatch_manifest::PrometheusConfig;

    fn alert(labels: &[(&str, &str)]) -> Alert {
        Alert { labels: Labels::from_pairs(labels.iter().copied()), ..Alert::default() }
    }

    #[derive(Default)]
    struct Taken(Mutex<Vec<Alert>>);

    impl AlertSink for Taken {
        fn send(&self, alerts: &[Alert]) {
            self.0.lock().unwrap().extend(alerts.iter().cloned());
        }
    }

    #[tokio::test]
    async fn the_local_alertmanager_is_given_what_others_are() {
        let text = "alerting: {alert_relabel_configs: [{action: drop, source_labels: [a], regex: no}]}";
        let config = PrometheusConfig::parse("p", text).unwrap().alerting;
        let taken = Arc::new(Taken::default());
        let external = Labels::from_pairs([("zone", "eu")]);
        let local: Option<Arc<dyn AlertSink>> = Some(Arc::clone(&taken) as _);
        let sender = Sender::start_with(local, &config, external, SenderOptions::default());
        sender.send(&[alert(&[("a", "yes")]), alert(&[("a", "no")])]);
        assert_eq!(*taken.0.lock().unwrap(), [alert(&[("a", "yes"), ("zone", "eu")])]);
    }

    #[test]
    fn external_labels_fill_gaps_before_relabeling() {
        let check = |labels: &[(&str, &str)], rules: &str, expected: Option<&[(&str, &str)]>| {
            let text = format!("alerting: {{alert_relabel_configs: {rules}}}");
            let rules = PrometheusConfig::parse("p", &text).unwrap().alerting.alert_relabel_configs;
            let external = Labels::from_pairs([("zone", "eu"), ("replica", "a")]);
            let found = relabeled([alert(labels)].iter(), &external, &rules);
            let expected = expected.map(|labels| Arc::new(alert(labels)));
            assert_eq!(found, expected.into_iter().collect::<Vec<_>>());
        };
        let drop = "[{action: labeldrop, regex: replica}]";
        check(&[("alertname", "A")], drop, Some(&[("alertname", "A"), ("zone", "eu")]));
        check(&[("zone", "us")], drop, Some(&[("zone", "us")]));
        check(&[("a", "b")], "[{action: drop, source_labels: [zone], regex: eu}]", None);
    }
}
