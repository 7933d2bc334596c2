//! The part of a scrape that computes and writes, on a blocking thread: uncompress, ingest, store, report.
//!
//! Input: what was fetched, and the target's cache. Output: one batch in the store, the target's status, the cache back. When
//! the store cannot take the batch, the target is down for that reason, and a second batch tries to say at least that.

use crate::ScrapeError;
use crate::cache::Cache;
use crate::fetch::{Answer, gunzip};
use crate::ingest::{Counts, Ingest, Refused, Scratch, learn};
use crate::report::{Outcome, Report};
use crate::scrape_loop::{NO_PANIC, Shared};
use crate::stats::add;
use crate::target::Target;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tidewatch_exposition::Format;
use tidewatch_manifest::ScrapeConfig;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

/// Refused samples are logged once in this time by a target.
const LOG_EVERY: Duration = Duration::from_secs(60);
/// Batches kept for the next scrapes, and the most rows of one that is kept.
const KEPT_SCRATCHES: usize = 8;
const KEPT_ROWS: usize = 1 << 17;

/// What goes to a blocking thread and back.
pub(crate) struct Work {
    pub(crate) cache: Cache,
    pub(crate) report: Report,
    /// When refused samples were logged last.
    pub(crate) logged: Option<Instant>,
    /// Whether a scrape has ever succeeded.
    pub(crate) answered: bool,
}

impl Work {
    /// What a loop begins with.
    pub(crate) fn new(report: Report) -> Self {
        Self { cache: Cache::new(), report, logged: None, answered: false }
    }
}

/// One scrape's part on a blocking thread.
pub(crate) struct Processing {
    pub(crate) shared: Arc<Shared>,
    pub(crate) target: Arc<Target>,
    pub(crate) config: Arc<ScrapeConfig>,
    pub(crate) body_limit: u64,
    pub(crate) time: i64,
    pub(crate) start: Instant,
    /// Held until all is stored, even if the loop has been given up meanwhile.
    pub(crate) _permit: OwnedSemaphorePermit,
}

impl Processing {
    pub(crate) fn run(self, mut work: Work, mut page: Vec<u8>, fetched: Result<Answer, ScrapeError>) -> Work {
        let mut scratch = self.shared.scratches.lock().expect(NO_PANIC).pop().unwrap_or_default();
        scratch.clear();
        let fetched = fetched.and_then(|answer| self.unpacked(&answer, &mut page));
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
        work.answered |= outcome.up;
        self.shared.counters.scrapes.fetch_add(1, Ordering::Relaxed);
        add(&self.shared.counters.scrapes_failed, u64::from(failure.is_some()));
        if let Some(error) = &failure {
            tracing::debug!(target = %self.target.url, "scrape failed: {error}");
        }
        self.target.report(self.time, self.start.elapsed(), failure.as_ref());
        let mut scratches = self.shared.scratches.lock().expect(NO_PANIC);
        if scratches.len() < KEPT_SCRATCHES && scratch.batch.rows.capacity() <= KEPT_ROWS {
            scratch.clear();
            scratches.push(scratch);
        }
        drop(scratches);
        work
    }

    /// The format of the page, which is uncompressed in place if need be; `None` for a page without content.
    fn unpacked(&self, answer: &Answer, page: &mut Vec<u8>) -> Result<Option<Format>, ScrapeError> {
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
