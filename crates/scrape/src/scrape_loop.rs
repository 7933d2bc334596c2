//! The loop of one target: wait, fetch, ingest, store, report; and when the target goes, end its series.
//!
//! When a scrape happens: the first at once, all others at a point within the interval that depends on the target only, so
//! that targets spread over it and stay where they are over restarts and reloads. The time of a sample is that point, as long
//! as the scrape starts within 2 ms of it, which keeps intervals regular and compresses better.
//!
//! A target that has never answered, such as a pod that is starting, is tried again after half a second, one, two, four, …
//! besides its regular scrapes, until it answers or the pause reaches half its interval. Prometheus would wait a whole
//! interval; each try is a sample of `up` all the same.
//!
//! When a target goes, it may be about to come back, e.g. under a reloaded configuration. As in Prometheus its series end
//! only two intervals and a tenth later, with the time of the scrape that would have been next; the store refuses the
//! markers of series that went on. At shutdown nothing ends.

use crate::ScrapeError;
use crate::fetch::Fetcher;
use crate::ingest::{Ingest, Scratch};
use crate::options::ScrapeOptions;
use crate::processing::{Processing, Work};
use crate::report::Report;
use crate::request::PageRequest;
use crate::schedule::Schedule;
use crate::stats::{Counters, add};
use crate::target::Target;
use std::any::Any;
use std::sync::{Arc, Mutex};
use tidewatch_manifest::ScrapeConfig;
use tidewatch_model::{Append, Clock};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::task::JoinError;
use tokio::time::{Instant, sleep_until};

/// What all loops use.
pub(crate) struct Shared {
    pub(crate) append: Arc<dyn Append>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) options: ScrapeOptions,
    pub(crate) counters: Counters,
    pub(crate) fetcher: Fetcher,
    pub(crate) fetches: Semaphore,
    pub(crate) ingests: Arc<Semaphore>,
    /// Memory of pages and batches between scrapes.
    pub(crate) pages: Mutex<Vec<Vec<u8>>>,
    pub(crate) scratches: Mutex<Vec<Scratch>>,
}

pub(crate) const NO_PANIC: &str = "no code panics while it holds this lock";

impl Shared {
    pub(crate) fn take_page(&self) -> Vec<u8> {
        self.pages.lock().expect(NO_PANIC).pop().unwrap_or_default()
    }

    /// Keeps the memory of a few pages that are not huge.
    pub(crate) fn give_page(&self, page: Vec<u8>) {
        let mut pages = self.pages.lock().expect(NO_PANIC);
        if pages.len() < 8 && page.capacity() <= 4 << 20 {
            pages.push(page);
        }
    }
}

/// What a loop is told.
#[derive(Debug)]
pub(crate) enum Command {
    /// Go on with another configuration.
    Reconfigure(Arc<ScrapeConfig>),
    /// The target is gone.
    Stop,
}

/// What a loop owns.
pub(crate) struct ScrapeLoop {
    shared: Arc<Shared>,
    target: Arc<Target>,
    config: Arc<ScrapeConfig>,
    request: Result<PageRequest, String>,
    work: Option<Work>,
    last_start: Option<Instant>,
}

impl ScrapeLoop {
    pub(crate) fn new(shared: Arc<Shared>, target: Arc<Target>, config: Arc<ScrapeConfig>) -> Self {
        let request = request(&shared, &target, &config);
        let work = Some(Work::new(Report::new(&target.labels, &config)));
        Self { shared, target, config, request, work, last_start: None }
    }

    /// Scrapes until told to stop, or until `closing` says so.
    pub(crate) async fn run(
        mut self,
        mut commands: mpsc::UnboundedReceiver<Command>,
        mut closing: watch::Receiver<bool>,
    ) {
        let interval = self.target.interval;
        let mut schedule = Schedule::new(interval, Instant::now());
        let seed = self.target.labels.hash64() ^ foldhash_of(&self.target.url);
        loop {
            tokio::select! {
                biased;
                () = closed(&mut closing) => return,
                command = commands.recv() => match command {
                    Some(Command::Reconfigure(config)) => self.reconfigure(config, &closing),
                    Some(Command::Stop) => break,
                    None => return,
                },
                () = sleep_until(schedule.wake()) => {
                    let now = self.shared.clock.now();
                    let regular = schedule.is_regular();
                    let time = if regular { schedule.scrape_time(now) } else { now };
                    tokio::select! {
                        biased;
                        () = closed(&mut closing) => return,
                        () = self.scrape(time) => {}
                    }
                    if regular {
                        schedule.advance(self.shared.clock.now(), Instant::now(), seed);
                    }
                    let answered = self.work.as_ref().is_none_or(|work| work.answered);
                    schedule.retry_unless(answered, Instant::now());
                }
            }
        }
        if self.last_start.is_some() {
            tokio::select! {
                () = closed(&mut closing) => {}
                () = self.end_of_run(schedule.next) => {}
            }
        }
    }

    fn reconfigure(&mut self, config: Arc<ScrapeConfig>, closing: &watch::Receiver<bool>) {
        if !self.config.makes_the_same_labels_as(&config) {
            // the series of the old configuration end unless the new one goes on with them
            let old = Self::new(self.shared.clone(), self.target.clone(), self.config.clone());
            let mut old = std::mem::replace(self, old);
            let mut closing = closing.clone();
            let next = Instant::now() + self.target.interval;
            if old.last_start.is_some() {
                tokio::spawn(async move {
                    tokio::select! {
                        () = closed(&mut closing) => {}
                        () = old.end_series(next) => {}
                    }
                });
            }
        }
        if let Some(work) = &mut self.work {
            work.report = Report::new(&self.target.labels, &config);
        }
        self.request = request(&self.shared, &self.target, &config);
        self.config = config;
    }

    /// One scrape, at `time`.
    async fn scrape(&mut self, time: i64) {
        let Ok(fetch_permit) = self.shared.fetches.acquire().await else { return };
        let start = Instant::now();
        if let Some(last) = self.last_start.replace(start) {
            self.shared.counters.observe_interval(self.target.interval, start - last);
        }
        let mut page = self.shared.take_page();
        let fetched = match (self.target.forced_error(), &self.request) {
            (Some(error), _) => Err(error),
            (None, Err(reason)) => {
                Err(ScrapeError::Request { url: self.target.url.clone(), reason: reason.clone() })
            }
            (None, Ok(request)) => self.shared.fetcher.fetch(request, self.body_limit(), &mut page).await,
        };
        // not given up before: no more pages wait in memory than may be fetched at the same time
        let Ok(permit) = self.shared.ingests.clone().acquire_owned().await else { return };
        drop(fetch_permit);
        let Some(work) = self.work.take() else { return };
        let job = self.processing(time, start, permit);
        match tokio::task::spawn_blocking(move || job.run(work, page, fetched)).await {
            Ok(work) => self.work = Some(work),
            Err(error) => self.after_defect(error, time, start).await,
        }
    }

    fn processing(&self, time: i64, start: Instant, permit: OwnedSemaphorePermit) -> Processing {
        Processing {
            shared: self.shared.clone(),
            target: self.target.clone(),
            config: self.config.clone(),
            body_limit: self.body_limit(),
            time,
            start,
            _permit: permit,
        }
    }

    /// Ingesting or storing panicked: the cache is lost, its series end by the lookback; the target is down, and goes on.
    async fn after_defect(&mut self, error: JoinError, time: i64, start: Instant) {
        // cancelled: the runtime ends, and with it this loop
        let Ok(panic) = error.try_into_panic() else { return };
        let defect = ScrapeError::Defect(panic_text(&*panic));
        tracing::error!(target = %self.target.url, "{defect}");
        // it did answer: there is no need to try soon again
        let fresh = || {
            let report = Report::new(&self.target.labels, &self.config);
            Work { answered: true, ..Work::new(report) }
        };
        let work = fresh();
        self.work = Some(fresh());
        self.target.report(time, start.elapsed(), Some(&defect));
        // only the report series: whatever is wrong with the page is not met again
        let Ok(permit) = self.shared.ingests.clone().acquire_owned().await else { return };
        let job = self.processing(time, start, permit);
        if let Ok(work) = tokio::task::spawn_blocking(move || job.run(work, Vec::new(), Err(defect))).await {
            self.work = Some(work);
        }
    }

    fn body_limit(&self) -> u64 {
        match self.config.limits.body_bytes {
            0 => self.shared.options.max_body_bytes,
            limit => limit,
        }
    }

    /// Waits as long as the target might come back, then ends its series and its reports.
    async fn end_of_run(&mut self, next: Instant) {
        let stale_at = self.wait_for_return(next).await;
        self.end(stale_at, true).await;
    }

    /// The same without the reports, which go on.
    async fn end_series(&mut self, next: Instant) {
        let stale_at = self.wait_for_return(next).await;
        self.end(stale_at, false).await;
    }

    async fn wait_for_return(&self, next: Instant) -> i64 {
        let interval = self.target.interval;
        sleep_until(next).await;
        let stale_at = self.shared.clock.now();
        sleep_until(next + interval + interval / 10).await;
        stale_at
    }

    async fn end(&mut self, time: i64, report: bool) {
        let Ok(permit) = self.shared.ingests.clone().acquire_owned().await else { return };
        let Some(mut work) = self.work.take() else { return };
        let (shared, target, config) = (self.shared.clone(), self.target.clone(), self.config.clone());
        let ended = tokio::task::spawn_blocking(move || {
            let mut scratch = Scratch::default();
            let mut metadata = target.metadata();
            let mut ingest = Ingest {
                config: &config,
                target: &target.labels,
                cache: &mut work.cache,
                metadata: &mut metadata,
                counters: &shared.counters,
                time,
            };
            ingest.nothing(&mut scratch);
            drop(metadata);
            if report {
                work.report.push_stale(&mut scratch.batch, time);
            }
            if let Err(error) = shared.append.append(&mut scratch.batch) {
                add(&shared.counters.append_failures, 1);
                tracing::warn!(target = %target.url, "stale markers not stored: {error}");
            }
            // held until all is stored, which shutdown waits for
            drop(permit);
        });
        let _ = ended.await;
    }
}

/// What a panic says of itself.
fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "it does not say why".to_owned())
}

/// Waits until the scraper shuts down.
async fn closed(closing: &mut watch::Receiver<bool>) {
    // no sender any more means the same
    let _ = closing.wait_for(|closing| *closing).await;
}

fn request(shared: &Shared, target: &Target, config: &ScrapeConfig) -> Result<PageRequest, String> {
    PageRequest::new(&target.url, target.timeout, config, &shared.options.user_agent).map_err(|error| {
        match error {
            ScrapeError::Request { reason, .. } => reason,
            other => other.to_string(),
        }
    })
}

fn foldhash_of(text: &str) -> u64 {
    use std::hash::BuildHasher;
    foldhash::fast::FixedState::default().hash_one(text)
}
