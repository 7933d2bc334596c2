//! Rules as they run: every group in a task of its own, at its own moments.
//!
//! Input: loaded groups, the store, a clock. Output: samples in the store, alerts to an [`AlertSink`], and how everything is doing.
//! Evaluations run on the blocking threads, as many at once as is said; a reload lets every evaluation under way come to its end.
//! What a rule does is decided in [`crate::evaluate`].

use crate::context::EvaluationContext;
use crate::error::RuleErrors;
use crate::evaluate::GroupState;
use crate::group::RuleGroup;
use crate::group_task::{GroupTask, end_series_later};
use crate::lengths::Lengths;
use crate::load::check_identities;
use crate::restore::RestoreOptions;
use crate::status::{GroupStatus, View};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;
use tidewatch_model::{AlertSink, Append, Clock, Labels, Select};
use tidewatch_promql::{Cancel, Engine, EngineOptions};
use tokio::sync::{Mutex as AsyncMutex, Semaphore, watch};
use tokio::task::JoinSet;

/// What rules work with.
#[derive(Clone)]
pub struct RulesDeps {
    /// Where series are read.
    pub read: Arc<dyn Select>,
    /// Where samples are written; the same store.
    pub append: Arc<dyn Append>,
    /// How expressions are evaluated.
    pub engine: EngineOptions,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Who is told of alerts.
    pub sink: Arc<dyn AlertSink>,
    /// Labels for what leaves this server.
    pub external_labels: Labels,
    /// Under which address this server is reached, without a slash at the end; may be empty.
    pub external_url: String,
}

/// How rules run.
#[derive(Clone, Copy, Debug)]
pub struct RulesOptions {
    /// How often an alert that goes on is sent again.
    pub resend_delay: Duration,
    /// How alerts are restored after a restart.
    pub restore: RestoreOptions,
    /// How far back in time groups are evaluated that do not say it themselves.
    pub query_offset: Duration,
    /// How many groups are evaluated at once, at least one.
    pub concurrency: usize,
    /// How many queries of rules may run beside the one that each group runs, all groups together: rules of a group that do not
    /// read each other's series are then queried at once. 0 queries one rule of a group after the other.
    pub rule_concurrency: usize,
}

impl Default for RulesOptions {
    /// Prometheus's defaults: resend after one minute, no offset; as many groups at once as there are processors, the rules
    /// of each one after the other.
    fn default() -> Self {
        Self {
            resend_delay: Duration::from_secs(60),
            restore: RestoreOptions::default(),
            query_offset: Duration::ZERO,
            concurrency: std::thread::available_parallelism().map_or(1, usize::from),
            rule_concurrency: 0,
        }
    }
}

/// What a reload can change beside the groups.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    external_labels: Labels,
    query_offset: Duration,
}

/// What all groups share.
pub(crate) struct Shared {
    pub(crate) deps: RulesDeps,
    pub(crate) options: RulesOptions,
    settings: RwLock<Arc<Settings>>,
    pub(crate) engine: Engine,
    pub(crate) permits: Arc<Semaphore>,
    pub(crate) rule_permits: Semaphore,
    /// Raised when everything ends.
    pub(crate) cancel: Cancel,
    pub(crate) closing: watch::Sender<bool>,
    pub(crate) rule_lengths: Lengths,
    pub(crate) group_lengths: Lengths,
}

impl Shared {
    fn settings(&self) -> Arc<Settings> {
        Arc::clone(&self.settings.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Runs something with what an evaluation is given now.
    pub(crate) fn with_context<T>(&self, run: impl FnOnce(&EvaluationContext<'_>) -> T) -> T {
        let settings = self.settings();
        run(&EvaluationContext {
            engine: &self.engine,
            read: &*self.deps.read,
            append: &*self.deps.append,
            external_labels: &settings.external_labels,
            external_url: &self.deps.external_url,
            query_offset: settings.query_offset,
            resend_delay: self.options.resend_delay,
            cancel: &self.cancel,
        })
    }
}

/// The rules that are in force.
pub struct Rules {
    shared: Arc<Shared>,
    /// The tasks, by the group's key; held while they are exchanged.
    tasks: AsyncMutex<BTreeMap<String, GroupTask>>,
    /// How the groups in force are doing, in order of file and name.
    views: Mutex<Vec<Arc<View>>>,
    /// Series of removed groups that are to be ended.
    endings: AsyncMutex<JoinSet<()>>,
}

impl Rules {
    /// Starts groups; since when alerts were active is restored from the store. Must be called on a tokio runtime.
    ///
    /// # Errors
    /// When two groups have the same file and name.
    pub fn start(
        groups: Vec<RuleGroup>,
        deps: RulesDeps,
        options: RulesOptions,
    ) -> Result<Arc<Self>, RuleErrors> {
        check_identities(&groups)?;
        let settings =
            Settings { external_labels: deps.external_labels.clone(), query_offset: options.query_offset };
        let shared = Arc::new(Shared {
            engine: Engine::new(deps.engine),
            permits: Arc::new(Semaphore::new(options.concurrency.max(1))),
            rule_permits: Semaphore::new(options.rule_concurrency),
            deps,
            options,
            settings: RwLock::new(Arc::new(settings)),
            cancel: Cancel::new(),
            closing: watch::Sender::new(false),
            rule_lengths: Lengths::default(),
            group_lengths: Lengths::default(),
        });
        let start = |group: RuleGroup| {
            let state = GroupState::awaiting_restore(Arc::new(group));
            (state.group().key(), GroupTask::start(state, None, Arc::clone(&shared)))
        };
        let tasks: BTreeMap<_, _> = groups.into_iter().map(start).collect();
        let rules = Self {
            views: Mutex::new(views_of(&tasks)),
            tasks: AsyncMutex::new(tasks),
            endings: AsyncMutex::default(),
            shared,
        };
        Ok(Arc::new(rules))
    }

    /// Puts other groups in force. Groups that are the same go on undisturbed; rules of the same name and labels in a group that
    /// changed keep their alerts; series of rules that are gone end. Waits for evaluations of changed groups that are under way.
    ///
    /// # Errors
    /// When two groups have the same file and name; nothing is changed then.
    pub async fn reload(&self, groups: Vec<RuleGroup>) -> Result<(), RuleErrors> {
        let settings = self.shared.settings();
        self.reload_with(groups, settings.external_labels.clone(), settings.query_offset).await
    }

    /// The same with other external labels and another offset for groups that say none.
    ///
    /// # Errors
    /// See [`Rules::reload`].
    pub async fn reload_with(
        &self,
        groups: Vec<RuleGroup>,
        external_labels: Labels,
        query_offset: Duration,
    ) -> Result<(), RuleErrors> {
        check_identities(&groups)?;
        let mut tasks = self.tasks.lock().await;
        if *self.shared.closing.borrow() {
            return Ok(());
        }
        let settings = Arc::new(Settings { external_labels, query_offset });
        *self.shared.settings.write().unwrap_or_else(PoisonError::into_inner) = settings;
        let mut former = std::mem::take(&mut *tasks);
        let mut changed = Vec::new();
        for group in groups {
            let key = group.key();
            match former.remove(&key) {
                Some(task) if task.view.group().is_same(&group) => _ = tasks.insert(key, task),
                before => changed.push((key, group, before)),
            }
        }
        let gone: Vec<_> = former.into_values().collect();
        let leaving = changed.iter().filter_map(|(_, _, before)| before.as_ref()).chain(&gone);
        leaving.for_each(GroupTask::ask_to_stop);
        for (key, group, before) in changed {
            let group = Arc::new(group);
            let (state, view) = match before {
                Some(before) => {
                    let (state, view) = before.stopped().await;
                    (GroupState::succeeding(group, state), Some(view))
                }
                None => (GroupState::new(group), None),
            };
            tasks.insert(key, GroupTask::start(state, view, Arc::clone(&self.shared)));
        }
        let mut endings = self.endings.lock().await;
        for task in gone {
            let (state, _) = task.stopped().await;
            endings.spawn(end_series_later(state, Arc::clone(&self.shared)));
        }
        while endings.try_join_next().is_some() {}
        *self.views() = views_of(&tasks);
        Ok(())
    }

    /// How all groups are doing, in order of file and name.
    pub fn groups(&self) -> Vec<GroupStatus> {
        let query_offset = self.shared.settings().query_offset;
        let views = self.views().clone();
        views.iter().map(|view| view.status(query_offset)).collect()
    }

    /// Stops all groups and waits for evaluations under way, whose queries are canceled.
    pub async fn shutdown(&self) {
        let mut tasks = self.tasks.lock().await;
        self.shared.closing.send_replace(true);
        self.shared.cancel.cancel();
        let stopping = std::mem::take(&mut *tasks);
        stopping.values().for_each(GroupTask::ask_to_stop);
        for task in stopping.into_values() {
            task.stopped().await;
        }
        let mut endings = self.endings.lock().await;
        while endings.join_next().await.is_some() {}
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.shared
    }

    pub(crate) fn views(&self) -> MutexGuard<'_, Vec<Arc<View>>> {
        self.views.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn views_of(tasks: &BTreeMap<String, GroupTask>) -> Vec<Arc<View>> {
    let mut views: Vec<_> = tasks.values().map(|task| Arc::clone(&task.view)).collect();
    views.sort_by(|a, b| {
        let of = |view: &View| (view.group().file.clone(), view.group().name.clone());
        of(a).cmp(&of(b))
    });
    views
}
