//! Counts of scraping, under the names that Prometheus gives them in its own metrics.
//!
//! Counted by the loops without locks, except the interval lengths; read as a snapshot by whoever serves them.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How many of the latest interval lengths the quantiles are made of.
const KEPT: usize = 512;

/// A snapshot of all counts.
#[derive(Clone, Debug, Default)]
pub struct ScrapeStats {
    /// `prometheus_target_scrapes_exceeded_sample_limit_total`
    pub exceeded_sample_limit: u64,
    /// `prometheus_target_scrapes_exceeded_body_size_limit_total`
    pub exceeded_body_size_limit: u64,
    /// `prometheus_target_scrapes_sample_duplicate_timestamp_total`
    pub sample_duplicate_timestamp: u64,
    /// `prometheus_target_scrapes_sample_out_of_order_total`
    pub sample_out_of_order: u64,
    /// `prometheus_target_scrapes_sample_out_of_bounds_total`
    pub sample_out_of_bounds: u64,
    /// Samples the store refused because it holds as many series as it may.
    pub sample_series_limit: u64,
    /// `prometheus_target_scrape_pool_exceeded_label_limits_total`
    pub exceeded_label_limits: u64,
    /// `prometheus_target_scrape_pool_exceeded_target_limit_total`
    pub exceeded_target_limit: u64,
    /// `prometheus_target_scrapes_cache_flush_forced_total`
    pub cache_flush_forced: u64,
    /// `prometheus_target_scrape_pool_reloads_total`
    pub pool_reloads: u64,
    /// Scrapes made.
    pub scrapes: u64,
    /// Scrapes that failed as a whole.
    pub scrapes_failed: u64,
    /// Samples handed to the store.
    pub samples_appended: u64,
    /// Batches the store could not take.
    pub append_failures: u64,
    /// `prometheus_target_interval_length_seconds`, by configured interval.
    pub interval_lengths: Vec<IntervalLength>,
    /// By job.
    pub pools: Vec<PoolStats>,
}

/// The real time between scrapes of one configured interval.
#[derive(Clone, Debug)]
pub struct IntervalLength {
    /// The configured interval.
    pub interval: Duration,
    /// Measurements.
    pub count: u64,
    /// Their sum in seconds.
    pub sum: f64,
    /// Quantile and value in seconds, over the latest measurements.
    pub quantiles: [(f64, f64); 5],
}

/// Counts of one job.
#[derive(Clone, Debug)]
pub struct PoolStats {
    /// The job's name.
    pub pool: String,
    /// `prometheus_target_scrape_pool_sync_total`
    pub syncs: u64,
    /// `prometheus_target_scrape_pool_targets`
    pub targets: u64,
    /// `prometheus_target_scrape_pool_target_limit`
    pub target_limit: u64,
    /// `prometheus_target_sync_failed_total`
    pub sync_failed: u64,
}

/// The counters behind [`ScrapeStats`].
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) exceeded_sample_limit: AtomicU64,
    pub(crate) exceeded_body_size_limit: AtomicU64,
    pub(crate) sample_duplicate_timestamp: AtomicU64,
    pub(crate) sample_out_of_order: AtomicU64,
    pub(crate) sample_out_of_bounds: AtomicU64,
    pub(crate) sample_series_limit: AtomicU64,
    pub(crate) exceeded_label_limits: AtomicU64,
    pub(crate) exceeded_target_limit: AtomicU64,
    pub(crate) cache_flush_forced: AtomicU64,
    pub(crate) pool_reloads: AtomicU64,
    pub(crate) scrapes: AtomicU64,
    pub(crate) scrapes_failed: AtomicU64,
    pub(crate) samples_appended: AtomicU64,
    pub(crate) append_failures: AtomicU64,
    intervals: Mutex<BTreeMap<Duration, Lengths>>,
}

#[derive(Debug, Default)]
struct Lengths {
    count: u64,
    sum: f64,
    latest: Vec<f32>,
}

pub(crate) fn add(counter: &AtomicU64, count: u64) {
    if count > 0 {
        counter.fetch_add(count, Ordering::Relaxed);
    }
}

impl Counters {
    /// Notes the time since the scrape before.
    pub(crate) fn observe_interval(&self, interval: Duration, length: Duration) {
        let mut intervals = self.intervals.lock().expect("no code panics while it holds this lock");
        let lengths = intervals.entry(interval).or_default();
        let seconds = length.as_secs_f64();
        let at = lengths.count as usize % KEPT;
        match lengths.latest.get_mut(at) {
            Some(oldest) => *oldest = seconds as f32,
            None => lengths.latest.push(seconds as f32),
        }
        lengths.count += 1;
        lengths.sum += seconds;
    }

    /// All counts but those of the pools.
    pub(crate) fn snapshot(&self) -> ScrapeStats {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let intervals = self.intervals.lock().expect("no code panics while it holds this lock");
        ScrapeStats {
            exceeded_sample_limit: get(&self.exceeded_sample_limit),
            exceeded_body_size_limit: get(&self.exceeded_body_size_limit),
            sample_duplicate_timestamp: get(&self.sample_duplicate_timestamp),
            sample_out_of_order: get(&self.sample_out_of_order),
            sample_out_of_bounds: get(&self.sample_out_of_bounds),
            sample_series_limit: get(&self.sample_series_limit),
            exceeded_label_limits: get(&self.exceeded_label_limits),
            exceeded_target_limit: get(&self.exceeded_target_limit),
            cache_flush_forced: get(&self.cache_flush_forced),
            pool_reloads: get(&self.pool_reloads),
            scrapes: get(&self.scrapes),
            scrapes_failed: get(&self.scrapes_failed),
            samples_appended: get(&self.samples_appended),
            append_failures: get(&self.append_failures),
            interval_lengths: intervals
                .iter()
                .map(|(interval, lengths)| lengths.summary(*interval))
                .collect(),
            pools: Vec::new(),
        }
    }
}

impl Lengths {
    fn summary(&self, interval: Duration) -> IntervalLength {
        let mut sorted = self.latest.clone();
        sorted.sort_by(f32::total_cmp);
        let at = |quantile: f64| {
            let rank = (quantile * sorted.len() as f64).ceil() as usize;
            (quantile, sorted.get(rank.saturating_sub(1)).map_or(f64::NAN, |seconds| f64::from(*seconds)))
        };
        let quantiles = [0.01, 0.05, 0.5, 0.9, 0.99].map(at);
        IntervalLength { interval, count: self.count, sum: self.sum, quantiles }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interval_lengths_are_summed_up() {
        let counters = Counters::default();
        for ms in 1..=1000 {
            counters.observe_interval(Duration::from_secs(5), Duration::from_millis(ms));
        }
        let stats = counters.snapshot();
        let [length] = stats.interval_lengths.as_slice() else { panic!("{stats:?}") };
        assert_eq!(length.count, 1000);
        assert!((length.sum - 500.5).abs() < 1e-9);
        // of the latest 512: 489 to 1000 ms
        assert!((length.quantiles[2].1 - 0.744).abs() < 1e-6, "{:?}", length.quantiles);
    }
}
