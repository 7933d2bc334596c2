//! The series that Prometheus makes of every scrape itself: `up` and its friends.
//!
//! Input: how a scrape went. Output: rows with the target's labels, at the time of the scrape.

use tidewatch_manifest::ScrapeConfig;
use tidewatch_model::{Batch, Labels, METRIC_NAME, Row, SeriesRef};

const NAMES: [&str; 8] = [
    "up",
    "scrape_duration_seconds",
    "scrape_samples_scraped",
    "scrape_samples_post_metric_relabeling",
    "scrape_series_added",
    // these only with extra_scrape_metrics
    "scrape_timeout_seconds",
    "scrape_sample_limit",
    "scrape_body_size_bytes",
];

/// How a scrape went.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Outcome {
    /// Whether it succeeded.
    pub(crate) up: bool,
    pub(crate) duration_seconds: f64,
    /// Samples on the page.
    pub(crate) scraped: usize,
    /// Those left after relabeling.
    pub(crate) kept: usize,
    /// Series that the last page did not have.
    pub(crate) added: usize,
    /// Bytes of the page, -1 when there were too many.
    pub(crate) body_bytes: f64,
}

/// The report series of one target.
#[derive(Debug)]
pub(crate) struct Report {
    series: Vec<(Labels, SeriesRef)>,
}

impl Report {
    pub(crate) fn new(target: &Labels, config: &ScrapeConfig) -> Self {
        let count = if config.extra_scrape_metrics { NAMES.len() } else { 5 };
        let labels = |name: &&str| {
            let mut labels = target.to_builder();
            labels.set(METRIC_NAME, *name);
            (labels.build(), SeriesRef::UNKNOWN)
        };
        Self { series: NAMES[..count].iter().map(labels).collect() }
    }

    /// Adds the rows of a scrape.
    pub(crate) fn push(
        &self,
        batch: &mut Batch,
        time: i64,
        outcome: &Outcome,
        timeout: f64,
        sample_limit: u64,
    ) {
        let values = [
            f64::from(u8::from(outcome.up)),
            outcome.duration_seconds,
            outcome.scraped as f64,
            outcome.kept as f64,
            outcome.added as f64,
            timeout,
            sample_limit as f64,
            outcome.body_bytes,
        ];
        for ((labels, series), value) in self.series.iter().zip(values) {
            batch.push(*series, labels.clone(), time, value);
        }
    }

    /// Adds rows that end the series.
    pub(crate) fn push_stale(&self, batch: &mut Batch, time: i64) {
        for (labels, series) in &self.series {
            batch.push(*series, labels.clone(), time, tidewatch_model::stale_nan());
        }
    }

    /// Keeps the handles that the store gave to the last rows of a batch.
    pub(crate) fn learn(&mut self, rows: &[Row]) {
        let own = &rows[rows.len().saturating_sub(self.series.len())..];
        for ((_, series), row) in self.series.iter_mut().zip(own) {
            *series = row.series;
        }
    }
}
