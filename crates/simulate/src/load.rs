//! What arrives: requests (or events) per second over time.
//!
//! Input: [`Load`] as users write it. Output: the rate at any moment. How the service copes is no business of this module.

use serde::{Deserialize, Serialize};

/// A load: segments one after the other. The last one's end is the load's end, and its last rate holds from then on.
///
/// Without segments: 2 minutes at half of what `minReplicas` carry at their targets, 10 minutes at eight times that, and the
/// first rate again for 15 minutes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Load {
    /// The segments, in order.
    pub segments: Vec<Segment>,
    /// Factor on all rates; 0 to 1,000,000. Default 1.
    pub factor: f64,
    /// Random variation of each second's rate: standard deviation as a share of the rate, 0 to 1. Default 0: none. The needed
    /// replicas and the load changes are judged without it.
    pub noise: f64,
}

impl Default for Load {
    fn default() -> Self {
        Self { segments: Vec::new(), factor: 1.0, noise: 0.0 }
    }
}

/// A piece of a load. Rates are per second, of requests, or of events where the service reads a queue.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "kind", deny_unknown_fields)]
pub enum Segment {
    /// The same rate throughout. Two of them with different rates make a step.
    Constant {
        /// Per second; 0 or more.
        rate: f64,
        /// How long; seconds, above 0.
        seconds: f64,
    },
    /// From one rate to another in a straight line.
    Ramp {
        /// Per second at its beginning.
        from: f64,
        /// Per second at its end.
        to: f64,
        /// How long; seconds, above 0.
        seconds: f64,
    },
    /// Up from a base in a straight line to a peak in the middle, and down again.
    Spike {
        /// Per second at its beginning and end.
        base: f64,
        /// Per second in the middle.
        peak: f64,
        /// How long; seconds, above 0.
        seconds: f64,
    },
    /// A day's curve: a cosine between the rate of the quietest and of the busiest hour.
    Daily {
        /// Per second in the quietest moment, half a day from the busiest.
        low: f64,
        /// Per second in the busiest moment.
        high: f64,
        /// Hour of the day of the busiest moment, 0 to 24; the segment begins at hour 0. Default 14.
        #[serde(default = "peak_hour")]
        peak_hour: f64,
        /// How long; seconds, above 0. Default 86,400.
        #[serde(default = "day")]
        seconds: f64,
    },
    /// Recorded rates, joined by straight lines.
    Recorded {
        /// `[seconds since the segment's beginning, rate]`, times ascending; at least one.
        points: Vec<(f64, f64)>,
    },
}

fn peak_hour() -> f64 {
    14.0
}

fn day() -> f64 {
    86_400.0
}
