//! The loop of one target: wait, fetch, ingest, store, report; and when the target goes, end its series.
//!
//! When a scrape happens: the first at once, all others at a point within the interval that depends on the target only, so
//! that targets spread over it and stay where they are over restarts and reloads. The time of a sample is that point, as long
//! as the scrape starts within 2 ms of it, which keeps intervals regular and compresses better.
//!
//! When a target goes, it may be about to come back, e.g. under a reloaded configuration. As in Prometheus its series end
//! only two intervals and a tenth later, with the time of the scrape that would have been next; the store refuses the
//! markers of series that went on. At shutdown nothing ends.

use crate::ScrapeError;
use crate::cache::Cache;
use crate::fetch::{Answer, Fetcher, gunzip};
use crate::ingest::{Counts, Ingest, Refused, Scratch, learn};
use crate::options::ScrapeOptions;
use crate::report::{Outcome, Report};
use crate::request::PageRequest;
use crate::stats::{Counters, add};
use crate::target::Target;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tidewatch_exposition::Format;
use tidewatch_manifest::ScrapeConfig;
use tidewatch_model::{Append, Clock};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::time::{Instant, sleep_until};

/// How late a scrape may start and still count as made on time, in milliseconds.
const TOLERANCE: i64 = 2;
/// Refused samples are logged once in this time by a target.
const LOG_EVERY: Duration = Duration::from_secs(60);

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

const NO_PANIC: &str = "no code panics while it holds this lock";

impl Shared {
    fn take_page(&self) -> Vec<u8> {
        self.pages.lock().expect(NO_PANIC).pop().unwrap_or_default()
    }

    /// Keeps the memory of a few pages that are not huge.
    fn give_page(&self, page: Vec<u8>) {
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

/// What goes to a blocking thread and back.
struct Work {
    cache: Cache,
    report: Report,
    logged: Option<Instant>,
}

impl ScrapeLoop {
    pub(crate) fn new(shared: Arc<Shared>, target: Arc<Target>, config: Arc<ScrapeConfig>) -> Self {
        let report = Report::new(&target.labels, &config);
        let request = request(&shared, &target, &config);
        let work = Some(Work { cache: Cache::new(), report, logged: None });
        Self { shared, target, config, request, work, last_start: None }
    }

    /// Scrapes until told to stop, or until `closing` says so.
    pub(crate) async fn run(
        mut self,
        mut commands: mpsc::UnboundedReceiver<Command>,
        mut closing: watch::Receiver<bool>,
    ) {
        let interval = self.target.interval;
        let mut schedule = Schedule { interval, next: Instant::now(), aligned: None, first: true };
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
                () = sleep_until(schedule.next) => {
                    let time = schedule.scrape_time(self.shared.clock.now());
                    tokio::select! {
                        biased;
                        () = closed(&mut closing) => return,
                        () = self.scrape(time) => {}
                    }
                    schedule.advance(self.shared.clock.now(), Instant::now(), seed);
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
        drop(fetch_permit);
        let Ok(permit) = self.shared.ingests.clone().acquire_owned().await else { return };
        let Some(work) = self.work.take() else { return };
        let job = Processing {
            shared: self.shared.clone(),
            target: self.target.clone(),
            config: self.config.clone(),
            body_limit: self.body_limit(),
            time,
            start,
            _permit: permit,
        };
        // only when the runtime ends is there no answer, and then this loop ends too
        if let Ok(work) = tokio::task::spawn_blocking(move || job.run(work, page, fetched)).await {
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
        });
        let _ = ended.await;
    }
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

/// One scrape's part on a blocking thread.
struct Processing {
    shared: Arc<Shared>,
    target: Arc<Target>,
    config: Arc<ScrapeConfig>,
    body_limit: u64,
    time: i64,
    start: Instant,
    /// Held until all is stored, even if the loop has been given up meanwhile.
    _permit: OwnedSemaphorePermit,
}

impl Processing {
    fn run(self, mut work: Work, mut page: Vec<u8>, fetched: Result<Answer, ScrapeError>) -> Work {
        let mut scratch = self.shared.scratches.lock().expect(NO_PANIC).pop().unwrap_or_default();
        scratch.clear();
        let fetched = fetched.and_then(|answer| self.unpacked(answer, &mut page));
        let too_large = matches!(fetched, Err(ScrapeError::BodySize));
        let (counts, mut failure) = self.ingest(&mut work, &page, fetched, &mut scratch);
        let body_bytes = match (&failure, too_large) {
            (_, true) => -1.0,
            (Some(_), _) if counts == Counts::default() => 0.0,
            _ => page.len() as f64,
        };
        if too_large {
            add(&self.shared.counters.exceeded_body_size_limit, 1);
            if self.config.limits.body_bytes == 0 {
                failure = Some(ScrapeError::HugeBody(self.body_limit));
            }
        }
        self.shared.give_page(page);
        let mut outcome = Outcome {
            up: failure.is_none(),
            duration_seconds: self.start.elapsed().as_secs_f64(),
            scraped: counts.scraped,
            kept: counts.kept,
            added: counts.added,
            body_bytes,
        };
        self.push_report(&work, &mut scratch, &outcome);
        if let Err(error) = self.append(&mut work, &mut scratch) {
            // the samples are lost; that the target could not be stored should at least show
            failure = Some(error);
            outcome.up = false;
            scratch.clear();
            self.push_report(&work, &mut scratch, &outcome);
            let _ = self.shared.append.append(&mut scratch.batch);
        }
        self.shared.counters.scrapes.fetch_add(1, Ordering::Relaxed);
        add(&self.shared.counters.scrapes_failed, u64::from(failure.is_some()));
        if let Some(error) = &failure {
            tracing::debug!(target = %self.target.url, "scrape failed: {error}");
        }
        self.target.report(self.time, self.start.elapsed(), failure.as_ref());
        let mut scratches = self.shared.scratches.lock().expect(NO_PANIC);
        if scratches.len() < 8 && scratch.batch.rows.capacity() <= 1 << 17 {
            scratch.clear();
            scratches.push(scratch);
        }
        drop(scratches);
        work
    }

    /// The format of the page, which is uncompressed in place if need be; `None` for a page without content.
    fn unpacked(&self, answer: Answer, page: &mut Vec<u8>) -> Result<Option<Format>, ScrapeError> {
        if answer.gzip && !page.is_empty() {
            let mut plain = self.shared.take_page();
            let unpacked = gunzip(page, self.body_limit, &mut plain);
            std::mem::swap(page, &mut plain);
            self.shared.give_page(plain);
            unpacked?;
        }
        if page.is_empty() {
            return Ok(None);
        }
        let fallback = self
            .config
            .fallback_scrape_protocol
            .map(|protocol| if protocol.is_open_metrics() { Format::OpenMetrics } else { Format::Text });
        Ok(Some(Format::from_content_type(&answer.content_type, fallback)?))
    }

    fn ingest(
        &self,
        work: &mut Work,
        page: &[u8],
        fetched: Result<Option<Format>, ScrapeError>,
        scratch: &mut Scratch,
    ) -> (Counts, Option<ScrapeError>) {
        let mut metadata = self.target.metadata();
        let mut ingest = Ingest {
            config: &self.config,
            target: &self.target.labels,
            cache: &mut work.cache,
            metadata: &mut metadata,
            counters: &self.shared.counters,
            time: self.time,
        };
        match fetched {
            Ok(Some(format)) => {
                let (counts, read) = ingest.page(page, format, scratch);
                (counts, read.err())
            }
            Ok(None) => {
                ingest.nothing(scratch);
                (Counts::default(), None)
            }
            Err(error) => {
                ingest.nothing(scratch);
                (Counts::default(), Some(error))
            }
        }
    }

    fn push_report(&self, work: &Work, scratch: &mut Scratch, outcome: &Outcome) {
        let timeout = self.target.timeout.as_secs_f64();
        work.report.push(&mut scratch.batch, self.time, outcome, timeout, self.config.limits.samples);
    }

    fn append(&self, work: &mut Work, scratch: &mut Scratch) -> Result<(), ScrapeError> {
        match self.shared.append.append(&mut scratch.batch) {
            Ok(appended) => {
                add(&self.shared.counters.samples_appended, appended.accepted as u64);
                let refused = learn(scratch, &mut work.cache, &self.shared.counters);
                work.report.learn(&scratch.batch.rows);
                self.log_refused(work, refused);
                Ok(())
            }
            Err(error) => {
                add(&self.shared.counters.append_failures, 1);
                tracing::error!(target = %self.target.url, "scrape not stored: {error}");
                Err(error.into())
            }
        }
    }

    fn log_refused(&self, work: &mut Work, refused: Refused) {
        let now = Instant::now();
        if !refused.any() || work.logged.is_some_and(|at| now - at < LOG_EVERY) {
            return;
        }
        work.logged = Some(now);
        tracing::warn!(
            target = %self.target.url,
            out_of_order = refused.out_of_order,
            duplicate = refused.duplicate,
            out_of_bounds = refused.out_of_bounds,
            series_limit = refused.series_limit,
            "samples refused by the store"
        );
    }
}

/// When scrapes happen.
struct Schedule {
    interval: Duration,
    next: Instant,
    /// The time the latest scrape should have had, once the loop is at its place in the interval.
    aligned: Option<i64>,
    first: bool,
}

impl Schedule {
    /// The time that samples of a scrape starting now get.
    fn scrape_time(&mut self, now: i64) -> i64 {
        if self.first {
            return now;
        }
        let interval = i64::try_from(self.interval.as_millis()).unwrap_or(i64::MAX).max(1);
        let Some(aligned) = &mut self.aligned else {
            self.aligned = Some(now);
            return now;
        };
        if now - *aligned >= interval {
            *aligned += (now - *aligned) / interval * interval;
        }
        let late = now - *aligned;
        if (0..=TOLERANCE.min(interval / 100)).contains(&late) { *aligned } else { now }
    }

    /// Sets the next scrape: after the first one at the target's place within the interval, then every interval.
    fn advance(&mut self, now: i64, instant: Instant, seed: u64) {
        if self.first {
            self.first = false;
            self.next = instant + offset(self.interval, now, seed);
            return;
        }
        self.next += self.interval;
        while self.next <= instant {
            self.next += self.interval;
        }
    }
}

/// The time until the target's place in the interval comes round; not less than a tenth of it.
fn offset(interval: Duration, now: i64, seed: u64) -> Duration {
    let length = i64::try_from(interval.as_millis()).unwrap_or(i64::MAX).max(1);
    let place = (seed % length.unsigned_abs()) as i64;
    let until = (place - now).rem_euclid(length);
    let until = if until < length / 10 { until + length } else { until };
    Duration::from_millis(until.unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_in_the_interval_is_kept() {
        let interval = Duration::from_secs(30);
        for now in [0, 1_700_000_000_123, 29_999] {
            let until = offset(interval, now, 12_345).as_millis() as i64;
            assert_eq!((now + until).rem_euclid(30_000), 12_345);
            assert!((3_000..33_000).contains(&until), "{until}");
        }
    }

    #[test]
    fn times_are_aligned_within_the_tolerance() {
        let start = Instant::now();
        let interval = Duration::from_secs(10);
        let mut schedule = Schedule { interval, next: start, aligned: None, first: true };
        assert_eq!(schedule.scrape_time(1_003), 1_003);
        schedule.advance(1_003, start, 5_000);
        assert_eq!(schedule.next - start, Duration::from_millis(3_997));
        assert_eq!(schedule.scrape_time(5_000), 5_000);
        schedule.advance(5_000, schedule.next, 5_000);
        assert_eq!(schedule.scrape_time(15_002), 15_000);
        assert_eq!(schedule.scrape_time(25_003), 25_003);
        // a slow machine: two rounds are missed, the raster stays
        assert_eq!(schedule.scrape_time(55_001), 55_000);
        let late = schedule.next + Duration::from_secs(25);
        schedule.advance(60_000, late, 5_000);
        assert_eq!(schedule.next - late, Duration::from_secs(5));
    }
}
