//! Follows what changes: the endpoints of Services, and target files.
//!
//! Input: jobs that do not change, a channel of endpoints, files. Output: all jobs and their targets, anew only
//! when something changed, and what is wrong with target files. One task, which ends with its handle; where nothing can
//! change, it never wakes.

use crate::{FileTargets, Job, MonitorJob};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tidewatch_manifest::{Endpoints, ManifestError, ScrapeConfig};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Interval, MissedTickBehavior, interval_at};

/// Settings of [`follow`].
#[derive(Clone, Copy, Debug)]
pub struct FollowOptions {
    /// How often target files are looked at; 5 s unless set.
    pub file_poll: Duration,
}

impl Default for FollowOptions {
    fn default() -> Self {
        Self { file_poll: Duration::from_secs(5) }
    }
}

/// A running discovery. It ends when this is dropped.
#[derive(Debug)]
pub struct Discovery {
    jobs: watch::Receiver<Arc<Vec<Job>>>,
    problems: watch::Receiver<Arc<Vec<ManifestError>>>,
    task: JoinHandle<()>,
}

impl Discovery {
    /// Waits until there are other jobs or targets than at the last call, and gives all of them. At the first call it
    /// waits until all target files have been read once. `None` when nothing can come any more.
    pub async fn changed(&mut self) -> Option<Arc<Vec<Job>>> {
        self.jobs.changed().await.ok()?;
        Some(self.jobs.borrow_and_update().clone())
    }

    /// What is wrong with target files right now.
    pub fn problems(&self) -> Vec<ManifestError> {
        self.problems.borrow().to_vec()
    }
}

impl Drop for Discovery {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Starts following. `configs` are jobs of prometheus.yml, `monitors` those of ServiceMonitors. Needs a tokio runtime.
pub fn follow(
    configs: Vec<ScrapeConfig>,
    monitors: Vec<MonitorJob>,
    endpoints: Option<watch::Receiver<Arc<Vec<Endpoints>>>>,
    options: FollowOptions,
) -> Discovery {
    let files = configs.iter().map(|config| config.file_sd_configs.iter().map(FileTargets::new).collect());
    let state = State { files: Some(files.collect()), configs, monitors };
    let (jobs_sender, jobs) = watch::channel(Arc::default());
    let (problem_sender, problems) = watch::channel(Arc::default());
    let task = tokio::spawn(run(state, endpoints, jobs_sender, problem_sender, options));
    Discovery { jobs, problems, task }
}

struct State {
    configs: Vec<ScrapeConfig>,
    monitors: Vec<MonitorJob>,
    /// The files of each of `configs`; absent only while a blocking thread looks at them.
    files: Option<Vec<Vec<FileTargets>>>,
}

impl State {
    fn jobs(&self, endpoints: &[Endpoints]) -> Vec<Job> {
        let files = self.files.as_deref().unwrap_or_default();
        let configured = self.configs.iter().enumerate().map(|(at, config)| {
            let mut groups = config.static_configs.clone();
            groups.extend(files.get(at).into_iter().flatten().flat_map(FileTargets::groups).cloned());
            (config.clone(), groups)
        });
        configured.chain(self.monitors.iter().map(|monitor| monitor.with_targets(endpoints))).collect()
    }

    fn has_files(&self) -> bool {
        self.configs.iter().any(|config| !config.file_sd_configs.is_empty())
    }

    /// Looks at all files on a blocking thread; whether anything changed.
    async fn refresh_files(&mut self) -> bool {
        let Some(mut files) = self.files.take() else { return false };
        let looked = tokio::task::spawn_blocking(move || {
            let now = Instant::now();
            let mut changed = false;
            for file in files.iter_mut().flatten() {
                changed |= file.refresh(now);
            }
            (files, changed)
        });
        match looked.await {
            Ok((files, changed)) => {
                self.files = Some(files);
                changed
            }
            // only when the runtime ends
            Err(_) => false,
        }
    }

    fn problems(&self) -> Vec<ManifestError> {
        self.files.iter().flatten().flatten().flat_map(FileTargets::problems).cloned().collect()
    }
}

async fn run(
    mut state: State,
    mut endpoints: Option<watch::Receiver<Arc<Vec<Endpoints>>>>,
    jobs: watch::Sender<Arc<Vec<Job>>>,
    problems: watch::Sender<Arc<Vec<ManifestError>>>,
    options: FollowOptions,
) {
    // before anything is published: a set without the files' targets would end those that are scraped already
    let mut poll = None;
    if state.has_files() {
        state.refresh_files().await;
        let mut ticks = interval_at(tokio::time::Instant::now() + options.file_poll, options.file_poll);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        poll = Some(ticks);
    }
    let mut snapshot = endpoints.as_mut().map(|e| e.borrow_and_update().clone()).unwrap_or_default();
    let mut changed = true;
    loop {
        if changed {
            report(&problems, state.problems());
            let _ = jobs.send(Arc::new(state.jobs(&snapshot)));
        }
        changed = tokio::select! {
            () = tick(&mut poll) => state.refresh_files().await,
            received = next(&mut endpoints) => match received {
                Some(received) => {
                    snapshot = received;
                    true
                }
                // nobody will send any more; the last ones stay
                None => {
                    endpoints = None;
                    false
                }
            }
        };
    }
}

/// Waits until files are to be looked at, for ever when there are none.
async fn tick(poll: &mut Option<Interval>) {
    match poll {
        Some(ticks) => {
            ticks.tick().await;
        }
        None => std::future::pending().await,
    }
}

/// Waits for new endpoints, for ever when nobody sends any; `None` when the sender is gone.
async fn next(endpoints: &mut Option<watch::Receiver<Arc<Vec<Endpoints>>>>) -> Option<Arc<Vec<Endpoints>>> {
    match endpoints {
        Some(receiver) => {
            receiver.changed().await.ok()?;
            Some(receiver.borrow_and_update().clone())
        }
        None => std::future::pending().await,
    }
}

fn report(sender: &watch::Sender<Arc<Vec<ManifestError>>>, now: Vec<ManifestError>) {
    let before = sender.borrow().clone();
    for problem in now.iter().filter(|problem| !before.contains(problem)) {
        tracing::warn!("target file not used: {problem}");
    }
    let _ = sender.send(Arc::new(now));
}
