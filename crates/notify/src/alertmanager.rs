//! The live Alertmanager: takes alerts and silences at any time and tells receivers when it is due.
//!
//! Input: requests of the API, alerts of rules, a configuration. Output: notifications, and answers to what is known. Decisions are the
//! engine's; this holds it behind a lock, gives it the time, writes what has to outlive the process, and runs deliveries. No lock is held
//! while something is sent.

mod delivery;
mod filters;
mod integrations;
mod maintenance;
mod metrics;
mod options;
mod run;
mod views;

pub use filters::{AlertFilter, GroupFilter, SilenceFilter};
pub use options::AlertmanagerOptions;
pub use views::{AlertView, AlertViewState, GroupView, ReceiverView, SilenceView, Status};

use crate::Templates;
use crate::alerts::AlertProblem;
use crate::config::Config;
use crate::engine::{Delivery, Effects, Engine, milliseconds};
use crate::error::NotifyError;
use crate::history::{History, NotificationRecord};
use crate::silences::Silence;
use crate::storage::{Restored, Storage};
use integrations::Integrations;
use metrics::Metrics;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tidewatch_model::{Alert, AlertSink};
use tokio::sync::{Notify, watch};
use tokio::task::{AbortHandle, JoinHandle};

/// A running Alertmanager.
pub struct Alertmanager {
    options: AlertmanagerOptions,
    started_at: i64,
    state: Mutex<State>,
    history: Mutex<History>,
    metrics: Metrics,
    /// Something is to be done earlier than was thought.
    wake: Arc<Notify>,
    stopping: watch::Sender<bool>,
    task: Mutex<Option<JoinHandle<()>>>,
}

struct State {
    engine: Engine,
    storage: Option<Storage>,
    config: Arc<Config>,
    templates: Arc<Templates>,
    integrations: Arc<Integrations>,
    /// Deliveries that wait for the task that starts them.
    queued: Vec<Arc<Delivery>>,
    running: HashMap<u64, AbortHandle>,
    /// What was lost of the files at the start.
    losses: Vec<String>,
    last_reload_ok: bool,
    last_reload_at: i64,
    next_collection: i64,
    next_maintenance: i64,
    next_sync: i64,
    stopped: bool,
}

impl Alertmanager {
    /// Starts with what its data folder holds. Needs a tokio runtime.
    ///
    /// # Errors
    /// When a template file is wrong, or the data folder cannot be used.
    pub fn start(config: Config, options: AlertmanagerOptions) -> Result<Arc<Self>, NotifyError> {
        let now = options.clock.now();
        let templates = Arc::new(config.read_templates(&options.external_url)?);
        let (storage, restored) = match &options.data_dir {
            Some(folder) => {
                let (storage, restored) = Storage::open(folder)?;
                (Some(storage), restored)
            }
            None => (None, Restored::default()),
        };
        let labels = Some(Arc::clone(&templates));
        let mut engine = Engine::new(&config, labels, &options.external_url, options.engine());
        let losses = restore(&mut engine, restored, now);
        log_config(&config, options.engine().retention, &engine);
        let state = State {
            engine,
            storage,
            integrations: Arc::new(Integrations::new(&config, &templates)),
            config: Arc::new(config),
            templates,
            queued: Vec::new(),
            running: HashMap::new(),
            losses,
            last_reload_ok: true,
            last_reload_at: now,
            next_collection: now.saturating_add(milliseconds(options.alert_gc_interval)),
            next_maintenance: now.saturating_add(milliseconds(options.maintenance_interval)),
            next_sync: now,
            stopped: false,
        };
        let alertmanager = Arc::new(Self {
            started_at: now,
            history: Mutex::new(History::new(options.history)),
            metrics: Metrics::new(),
            wake: Arc::new(Notify::new()),
            stopping: watch::Sender::new(false),
            task: Mutex::new(None),
            state: Mutex::new(state),
            options,
        });
        let task = tokio::spawn(run::run(Arc::downgrade(&alertmanager)));
        *alertmanager.task.lock().unwrap_or_else(PoisonError::into_inner) = Some(task);
        Ok(alertmanager)
    }

    /// Takes a new configuration. Alerts, silences, the log and groups of routes that stay are kept; a delivery whose receiver changed is
    /// ended and made anew.
    ///
    /// # Errors
    /// When a template file is wrong. The old configuration is in force then.
    pub fn reload(&self, config: Config) -> Result<(), NotifyError> {
        let templates =
            config.read_templates(&self.options.external_url).inspect_err(|_| self.reload_failed())?;
        let templates = Arc::new(templates);
        let mut state = self.lock();
        let now = self.now();
        let ended = state.engine.reload(&config, Some(Arc::clone(&templates)), now);
        for id in ended {
            if let Some(handle) = state.running.remove(&id) {
                handle.abort();
                self.history_lock().end(id, "ended by a reload of the configuration");
            }
            state.queued.retain(|delivery| delivery.id != id);
        }
        state.integrations = Arc::new(Integrations::new(&config, &templates));
        log_config(&config, state.engine.options().retention, &state.engine);
        state.config = Arc::new(config);
        state.templates = templates;
        state.last_reload_ok = true;
        state.last_reload_at = now;
        drop(state);
        self.wake.notify_one();
        Ok(())
    }

    /// Notes that a new configuration could not be read, for `status` and metrics. The one before stays in force.
    pub fn reload_failed(&self) {
        self.lock().last_reload_ok = false;
    }

    /// Takes alerts; all that are right, whatever the others are. Does no IO.
    pub fn put_alerts(&self, alerts: Vec<Alert>) -> Vec<AlertProblem> {
        let mut state = self.lock();
        let now = self.now();
        let problems = state.engine.put(alerts, now);
        drop(state);
        self.wake.notify_one();
        problems
    }

    /// Sets a silence, or changes the one with its id; returns the id, which is a new one where the old silence is ended and replaced. It
    /// is on the disk when this returns, for which a thread that may wait is needed.
    ///
    /// # Errors
    /// When it is wrong or cannot be written; nothing changed then.
    pub fn set_silence(&self, silence: Silence) -> Result<String, NotifyError> {
        let mut state = self.lock();
        let now = self.now();
        let (id, changed) = state.engine.silences.set(silence, now, || uuid::Uuid::now_v7().to_string())?;
        state.apply_silences(changed)?;
        Ok(id)
    }

    /// Ends a silence; one that is over stays as it is. See [`Self::set_silence`] about the disk.
    ///
    /// # Errors
    /// When there is none with this id, or the change cannot be written.
    pub fn expire_silence(&self, id: &str) -> Result<(), NotifyError> {
        let mut state = self.lock();
        let now = self.now();
        let changed = state.engine.silences.expire(id, now)?;
        state.apply_silences(changed.into_iter().collect())
    }

    /// The last notifications, newest first.
    pub fn history(&self, limit: usize) -> Vec<Arc<NotificationRecord>> {
        self.history_lock().last(limit)
    }

    /// Takes nothing more, gives deliveries under way a moment, writes what is not written, and ends.
    pub async fn shutdown(&self) {
        self.stopping.send_replace(true);
        self.wake.notify_one();
        let task = self.task.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(task) = task
            && let Err(error) = task.await
            && error.is_panic()
        {
            tracing::error!("the task of notifications panicked: {error}");
        }
        let mut state = self.lock();
        state.stopped = true;
        state.settle();
        // the folder is free for another process
        state.storage = None;
    }

    fn now(&self) -> i64 {
        self.options.clock.now()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn history_lock(&self) -> MutexGuard<'_, History> {
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AlertSink for Alertmanager {
    /// Alerts that are wrong or too many are counted and left out.
    fn send(&self, alerts: &[Alert]) {
        for problem in self.put_alerts(alerts.to_vec()) {
            let labels = &alerts[problem.index].labels;
            tracing::warn!(alert = %labels, "an alert is not taken: {}", problem.message);
        }
    }
}

impl Drop for Alertmanager {
    fn drop(&mut self) {
        // its task sees that nobody is left
        self.wake.notify_one();
        if let Some(task) = self.task.get_mut().unwrap_or_else(PoisonError::into_inner).take() {
            task.abort();
        }
    }
}

impl std::fmt::Debug for Alertmanager {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Alertmanager").field("data_dir", &self.options.data_dir).finish_non_exhaustive()
    }
}

impl State {
    /// Writes silences and lets them hold.
    fn apply_silences(&mut self, changed: Vec<Silence>) -> Result<(), NotifyError> {
        if let Some(storage) = &mut self.storage {
            storage.write_silences(&changed)?;
        }
        changed.into_iter().for_each(|silence| self.engine.silences.apply(silence));
        Ok(())
    }

    /// Writes entries of the log and queues deliveries.
    fn take(&mut self, effects: Effects) {
        if let Some(storage) = &mut self.storage {
            effects.entries.iter().for_each(|entry| {
                storage.write_entry(entry);
            });
        }
        self.queued.extend(effects.deliveries);
    }

    fn settle(&mut self) {
        if let Some(storage) = &mut self.storage {
            storage.settle_log(&self.engine.log);
        }
    }
}

/// Gives the engine what was on the disk. Returns what was lost of it.
fn restore(engine: &mut Engine, restored: Restored, now: i64) -> Vec<String> {
    let Restored { silences, entries, losses } = restored;
    for loss in &losses {
        tracing::warn!("data of notifications lost: {loss}");
    }
    silences.into_iter().for_each(|silence| engine.silences.apply(silence));
    entries.into_iter().for_each(|entry| engine.log.apply(entry));
    engine.silences.collect_garbage(now);
    engine.log.collect_garbage(now);
    losses
}

fn log_config(config: &Config, retention: i64, engine: &Engine) {
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    for route in engine.dispatcher.routes().iter() {
        if route.repeat_interval > retention {
            tracing::warn!(
                route = route.key,
                "repeat_interval is longer than data is kept, so that notifications are repeated earlier; hint: raise --data.retention"
            );
        }
        if route.repeat_interval < route.group_interval {
            tracing::warn!(
                route = route.key,
                "repeat_interval is less than group_interval, so that notifications repeat only after the next group_interval"
            );
        }
    }
}
