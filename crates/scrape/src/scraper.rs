//! The handle: takes jobs with their targets, keeps one loop per target, and says how they are.
//!
//! Input: all jobs, anew whenever something changed. Output: loops started for new targets, told to stop for those that
//! are gone, told the new configuration where it changed, and left alone otherwise: their caches, places in the interval
//! and connections stay.

use crate::fetch::Fetcher;
use crate::ingest::Scratch;
use crate::options::ScrapeOptions;
use crate::scrape_loop::{Command, ScrapeLoop, Shared};
use crate::stats::{Counters, PoolStats, ScrapeStats, add};
use crate::status::{DroppedTarget, MetricMetadata, TargetStatus};
use crate::target::{Resolved, Target, resolve};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard};
use tidewatch_manifest::ScrapeConfig;
use tidewatch_model::{Append, Clock, Labels, TargetGroup};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinSet;

/// A job and its discovered targets.
pub type Job = (ScrapeConfig, Vec<TargetGroup>);

/// A discovered target that relabeling turned into something that cannot be scraped, or a job that is left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetFailure {
    /// The job's name.
    pub pool: String,
    /// The group it is in; `None` when it is the job as a whole.
    pub group: Option<String>,
    /// What is wrong.
    pub reason: String,
}

impl std::fmt::Display for TargetFailure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.group {
            Some(group) => write!(f, "job {:?}: target in group {group:?}: {}", self.pool, self.reason),
            None => write!(f, "job {:?}: {}", self.pool, self.reason),
        }
    }
}

/// Scrapes the targets it is given until it is shut down.
pub struct Scraper {
    shared: Arc<Shared>,
    pools: Mutex<BTreeMap<String, Pool>>,
    tasks: Mutex<JoinSet<()>>,
    closing: watch::Sender<bool>,
}

struct Pool {
    config: Arc<ScrapeConfig>,
    targets: HashMap<(Labels, String), Running>,
    dropped: Vec<Labels>,
    syncs: u64,
    sync_failed: u64,
}

struct Running {
    target: Arc<Target>,
    commands: mpsc::UnboundedSender<Command>,
}

const SAME_NAME: &str =
    "another job has this name already, this one is left out; hint: give each job a name of its own";
const NO_PANIC: &str = "no code panics while it holds this lock";

impl Scraper {
    /// A scraper without targets that writes to `append` and takes the times of samples from `clock`.
    pub fn start(append: Arc<dyn Append>, clock: Arc<dyn Clock>, options: ScrapeOptions) -> Self {
        let shared = Shared {
            append,
            clock,
            counters: Counters::default(),
            fetcher: Fetcher::new(),
            fetches: Semaphore::new(options.concurrent_fetches.max(1)),
            ingests: Arc::new(Semaphore::new(options.concurrent_ingests.max(1))),
            pages: Mutex::default(),
            scratches: Mutex::<Vec<Scratch>>::default(),
            options,
        };
        Self {
            shared: Arc::new(shared),
            pools: Mutex::default(),
            tasks: Mutex::default(),
            closing: watch::channel(false).0,
        }
    }

    /// From now on exactly these jobs and targets are scraped. Must be called on a tokio runtime; returns at once.
    ///
    /// Gives the targets that relabeling made unusable, and the jobs that have the name of an earlier one; the others are
    /// scraped.
    pub fn apply(&self, jobs: Vec<Job>) -> Vec<TargetFailure> {
        let mut failures = Vec::new();
        let mut pools = self.pools();
        let mut before = std::mem::take(&mut *pools);
        for (config, groups) in jobs {
            let name = config.job_name.clone();
            if pools.contains_key(&name) {
                failures.push(TargetFailure { pool: name, group: None, reason: SAME_NAME.to_owned() });
                continue;
            }
            let known = before.remove(&name);
            let pool = self.sync(known, config, &groups, &mut failures);
            pools.insert(name, pool);
        }
        for (_, pool) in before {
            stop_all(pool.targets);
        }
        drop(pools);
        let mut tasks = self.tasks.lock().expect(NO_PANIC);
        while tasks.try_join_next().is_some() {}
        failures
    }

    fn pools(&self) -> MutexGuard<'_, BTreeMap<String, Pool>> {
        self.pools.lock().expect(NO_PANIC)
    }

    fn sync(
        &self,
        known: Option<Pool>,
        config: ScrapeConfig,
        groups: &[TargetGroup],
        failures: &mut Vec<TargetFailure>,
    ) -> Pool {
        let mut pool = known.unwrap_or_else(|| Pool {
            config: Arc::new(config.clone()),
            targets: HashMap::new(),
            dropped: Vec::new(),
            syncs: 0,
            sync_failed: 0,
        });
        if *pool.config != config {
            add(&self.shared.counters.pool_reloads, 1);
            pool.config = Arc::new(config);
            for running in pool.targets.values() {
                let _ = running.commands.send(Command::Reconfigure(pool.config.clone()));
            }
        }
        let mut before = std::mem::take(&mut pool.targets);
        pool.dropped.clear();
        pool.syncs += 1;
        for resolved in self.resolve_all(&mut pool, groups, failures) {
            let key = (resolved.labels.clone(), resolved.url.clone());
            if pool.targets.contains_key(&key) {
                continue;
            }
            let running = match before.remove(&key) {
                Some(running) => {
                    running.target.set_discovered(resolved.discovered);
                    running
                }
                None => self.start_loop(&pool.config, &resolved),
            };
            pool.targets.insert(key, running);
        }
        stop_all(before);
        self.check_target_limit(&pool);
        pool
    }

    fn resolve_all(
        &self,
        pool: &mut Pool,
        groups: &[TargetGroup],
        failures: &mut Vec<TargetFailure>,
    ) -> Vec<Resolved> {
        let keep = match pool.config.keep_dropped_targets {
            0 => usize::MAX,
            limit => usize::try_from(limit).unwrap_or(usize::MAX),
        };
        let mut all = Vec::new();
        for group in groups {
            for target in &group.targets {
                match resolve(&pool.config, &group.labels, target) {
                    Ok(Ok(resolved)) => all.push(resolved),
                    Ok(Err(discovered)) if pool.dropped.len() < keep => pool.dropped.push(discovered),
                    Ok(Err(_)) => {}
                    Err(reason) => {
                        pool.sync_failed += 1;
                        let (pool, group) = (pool.config.job_name.clone(), Some(group.source.clone()));
                        failures.push(TargetFailure { pool, group, reason });
                    }
                }
            }
        }
        all
    }

    fn start_loop(&self, config: &Arc<ScrapeConfig>, resolved: &Resolved) -> Running {
        let target = Arc::new(Target::new(&config.job_name, resolved));
        let (commands, receiver) = mpsc::unbounded_channel();
        let scrape_loop = ScrapeLoop::new(self.shared.clone(), target.clone(), config.clone());
        let mut tasks = self.tasks.lock().expect(NO_PANIC);
        tasks.spawn(scrape_loop.run(receiver, self.closing.subscribe()));
        Running { target, commands }
    }

    /// With more targets than allowed all of the job's scrapes fail, so that nobody mistakes some for all.
    fn check_target_limit(&self, pool: &Pool) {
        let (targets, limit) = (pool.targets.len() as u64, pool.config.limits.targets);
        let exceeded = (limit > 0 && targets > limit).then_some((targets, limit));
        if exceeded.is_some() {
            add(&self.shared.counters.exceeded_target_limit, 1);
        }
        for running in pool.targets.values() {
            running.target.set_target_limit_exceeded(exceeded);
        }
    }

    /// All targets that are scraped, by job and address.
    pub fn targets(&self) -> Vec<TargetStatus> {
        let pools = self.pools();
        let mut targets: Vec<TargetStatus> = pools
            .values()
            .flat_map(|pool| pool.targets.values())
            .map(|running| running.target.status())
            .collect();
        drop(pools);
        targets.sort_by(|a, b| (&a.pool, &a.scrape_url, &a.labels).cmp(&(&b.pool, &b.scrape_url, &b.labels)));
        targets
    }

    /// The targets that relabeling dropped, as many as `keep_dropped_targets` allows.
    pub fn dropped_targets(&self) -> Vec<DroppedTarget> {
        let pools = self.pools();
        let dropped = pools.iter().flat_map(|(name, pool)| {
            pool.dropped
                .iter()
                .map(|labels| DroppedTarget { pool: name.clone(), discovered_labels: labels.clone() })
        });
        dropped.collect()
    }

    /// What the targets say of their metric families, each target for itself.
    pub fn metadata(&self) -> Vec<MetricMetadata> {
        let mut list = Vec::new();
        let targets: Vec<Arc<Target>> = {
            let pools = self.pools();
            pools
                .values()
                .flat_map(|pool| pool.targets.values())
                .map(|running| running.target.clone())
                .collect()
        };
        for target in targets {
            target.list_metadata(&mut list);
        }
        list
    }

    /// Counts since the start.
    pub fn stats(&self) -> ScrapeStats {
        let mut stats = self.shared.counters.snapshot();
        stats.pools = self
            .pools()
            .iter()
            .map(|(name, pool)| PoolStats {
                pool: name.clone(),
                syncs: pool.syncs,
                targets: pool.targets.len() as u64,
                target_limit: pool.config.limits.targets,
                sync_failed: pool.sync_failed,
            })
            .collect();
        stats
    }

    /// Ends all loops and waits for them: scrapes under way are given up, what is being stored is stored. As in
    /// Prometheus no staleness markers are written, since the same targets are scraped after a restart.
    pub async fn shutdown(&self) {
        let _ = self.closing.send(true);
        self.pools().clear();
        let mut tasks = std::mem::take(&mut *self.tasks.lock().expect(NO_PANIC));
        while tasks.join_next().await.is_some() {}
        // a page on a blocking thread finishes storing; its permit is free only then
        let permits = u32::try_from(self.shared.options.concurrent_ingests.max(1)).unwrap_or(u32::MAX);
        let _ = self.shared.ingests.acquire_many(permits).await;
    }
}

impl Drop for Scraper {
    fn drop(&mut self) {
        let _ = self.closing.send(true);
    }
}

fn stop_all(targets: HashMap<(Labels, String), Running>) {
    for running in targets.into_values() {
        let _ = running.commands.send(Command::Stop);
    }
}
