//! How long things took: the recent ones for quantiles, all of them for sum and count.
//!
//! Input: durations as they happen. Output: the quantiles that Prometheus's summaries of rules have.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tidewatch_telemetry::Summary;

/// How many of the last are kept.
const KEPT: usize = 2048;

/// Durations.
#[derive(Debug, Default)]
pub(crate) struct Lengths(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    /// Seconds, in a ring.
    recent: Vec<f32>,
    sum: f64,
    count: u64,
}

impl Lengths {
    pub(crate) fn note(&self, length: Duration) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let seconds = length.as_secs_f64();
        let place = kept.count as usize % KEPT;
        if place < kept.recent.len() {
            kept.recent[place] = seconds as f32;
        } else {
            kept.recent.push(seconds as f32);
        }
        kept.sum += seconds;
        kept.count += 1;
    }

    /// The summary with these quantiles, each NaN as long as nothing happened.
    pub(crate) fn summary(&self, quantiles: &[f64]) -> Summary {
        let (mut recent, sum, count) = {
            let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            (kept.recent.clone(), kept.sum, kept.count)
        };
        recent.sort_unstable_by(f32::total_cmp);
        let at = |quantile: f64| {
            let place = (quantile * recent.len() as f64) as usize;
            recent.get(place.min(recent.len().saturating_sub(1))).map_or(f64::NAN, |v| f64::from(*v))
        };
        let quantiles = quantiles.iter().map(|quantile| (*quantile, at(*quantile))).collect();
        Summary { labels: Vec::new(), quantiles, sum, count }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_of_the_recent_ones_and_the_sum_of_all() {
        let lengths = Lengths::default();
        assert!(lengths.summary(&[0.5]).quantiles[0].1.is_nan());
        for _ in 0..KEPT {
            lengths.note(Duration::from_secs(100));
        }
        for seconds in 0..KEPT as u64 {
            lengths.note(Duration::from_secs(seconds % 4));
        }
        let summary = lengths.summary(&[0.01, 0.5, 0.99]);
        assert_eq!(summary.quantiles, [(0.01, 0.0), (0.5, 2.0), (0.99, 3.0)]);
        assert_eq!(summary.count, 2 * KEPT as u64);
        assert_eq!(summary.sum, (KEPT * 100) as f64 + KEPT as f64 * 1.5);
    }
}
