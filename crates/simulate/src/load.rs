//! What arrives: requests (or events) per second over time.
//!
//! Input: [`Load`] as users write it. Output: the rate at any moment. How the service copes is no business of this module.

use crate::SimulationError;
use crate::error::within;
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

/// Segments at most.
const MOST_SEGMENTS: usize = 10_000;
/// Recorded points at most.
const MOST_POINTS: usize = 200_000;
const MOST_RATE: f64 = 1e9;

impl Segment {
    /// How long it is; seconds.
    pub fn seconds(&self) -> f64 {
        match self {
            Self::Constant { seconds, .. }
            | Self::Ramp { seconds, .. }
            | Self::Spike { seconds, .. }
            | Self::Daily { seconds, .. } => *seconds,
            Self::Recorded { points } => points.last().map_or(0.0, |(at, _)| *at),
        }
    }

    /// The rate `at` seconds after its beginning.
    fn rate(&self, at: f64) -> f64 {
        match self {
            Self::Constant { rate, .. } => *rate,
            Self::Ramp { from, to, seconds } => from + (to - from) * (at / seconds).clamp(0.0, 1.0),
            Self::Spike { base, peak, seconds } => {
                base + (peak - base) * (1.0 - (2.0 * at / seconds - 1.0).abs()).max(0.0)
            }
            Self::Daily { low, high, peak_hour, .. } => {
                let turn = std::f64::consts::TAU * (at / 86_400.0 - peak_hour / 24.0);
                low + (high - low) * (1.0 + turn.cos()) / 2.0
            }
            Self::Recorded { points } => interpolated(points, at),
        }
    }

    fn check(&self, field: &str) -> Result<(), SimulationError> {
        let rates = match self {
            Self::Constant { rate, .. } => vec![*rate],
            Self::Ramp { from, to, .. } => vec![*from, *to],
            Self::Spike { base, peak, .. } => vec![*base, *peak],
            Self::Daily { low, high, peak_hour, .. } => {
                within(&format!("{field}.peakHour"), *peak_hour, 0.0, 24.0)?;
                vec![*low, *high]
            }
            Self::Recorded { points } => {
                let rising = points.windows(2).all(|pair| pair[0].0 < pair[1].0);
                let from_zero = points.first().is_some_and(|(at, _)| *at >= 0.0);
                if !(rising && from_zero && points.len() <= MOST_POINTS) {
                    return Err(SimulationError::field(
                        format!("{field}.points"),
                        format!("{} points cannot be used", points.len()),
                        format!("give 1 to {MOST_POINTS} points with ascending times from 0 on"),
                    ));
                }
                points.iter().map(|(_, rate)| *rate).collect()
            }
        };
        for rate in rates {
            within(&format!("{field}.rate"), rate, 0.0, MOST_RATE)?;
        }
        let least = if matches!(self, Self::Recorded { .. }) { 0.0 } else { 0.001 };
        within(&format!("{field}.seconds"), self.seconds(), least, crate::run::MOST_SECONDS)
    }
}

fn interpolated(points: &[(f64, f64)], at: f64) -> f64 {
    let after = points.partition_point(|(time, _)| *time <= at);
    let Some(&(from, low)) = after.checked_sub(1).and_then(|before| points.get(before)) else {
        return points.first().map_or(0.0, |(_, rate)| *rate);
    };
    points.get(after).map_or(low, |&(to, high)| low + (high - low) * (at - from) / (to - from))
}

impl Load {
    pub(crate) fn check(&self) -> Result<(), SimulationError> {
        within("load.factor", self.factor, 0.0, 1e6)?;
        within("load.noise", self.noise, 0.0, 1.0)?;
        if self.segments.len() > MOST_SEGMENTS {
            return Err(SimulationError::field(
                "load.segments",
                format!("{} segments are more than {MOST_SEGMENTS}", self.segments.len()),
                "give a recorded segment with points",
            ));
        }
        self.segments
            .iter()
            .enumerate()
            .try_for_each(|(at, segment)| segment.check(&format!("load.segments[{at}]")))
    }

    /// The end of the last segment; seconds.
    pub fn seconds(&self) -> f64 {
        self.segments.iter().map(Segment::seconds).sum()
    }

    /// A reader that is asked for times in ascending order.
    pub(crate) fn reader(&self) -> LoadReader<'_> {
        LoadReader { load: self, segment: 0, from: 0.0 }
    }

    /// The moments at which a segment begins or the rate turns; seconds, ascending.
    pub(crate) fn turns(&self) -> Vec<f64> {
        let (mut turns, mut from) = (Vec::new(), 0.0);
        for segment in &self.segments {
            turns.push(from);
            if matches!(segment, Segment::Spike { .. }) {
                turns.push(from + segment.seconds() / 2.0);
            }
            from += segment.seconds();
        }
        turns
    }
}

/// Reads a load from its beginning to its end.
pub(crate) struct LoadReader<'a> {
    load: &'a Load,
    segment: usize,
    from: f64,
}

impl LoadReader<'_> {
    /// Requests per second at a moment, without noise; before the beginning the first rate, after the end the last.
    pub(crate) fn rate(&mut self, seconds: f64) -> f64 {
        let segments = &self.load.segments;
        while let Some(segment) = segments.get(self.segment)
            && seconds >= self.from + segment.seconds()
            && self.segment + 1 < segments.len()
        {
            self.from += segment.seconds();
            self.segment += 1;
        }
        segments.get(self.segment).map_or(0.0, |segment| {
            self.load.factor * segment.rate((seconds - self.from).clamp(0.0, segment.seconds())).max(0.0)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(segments: Vec<Segment>) -> Load {
        Load { segments, factor: 2.0, noise: 0.0 }
    }

    #[test]
    fn rates_follow_the_segments() {
        let load = load(vec![
            Segment::Constant { rate: 10.0, seconds: 60.0 },
            Segment::Ramp { from: 10.0, to: 30.0, seconds: 20.0 },
            Segment::Spike { base: 30.0, peak: 50.0, seconds: 20.0 },
            Segment::Recorded { points: vec![(0.0, 5.0), (10.0, 15.0)] },
        ]);
        assert!((load.seconds() - 110.0).abs() < 1e-9);
        assert_eq!(load.turns(), [0.0, 60.0, 80.0, 90.0, 100.0]);
        let mut reader = load.reader();
        let mut check = |at: f64, expected: f64| {
            let rate = reader.rate(at);
            assert!((rate - expected).abs() < 1e-9, "{at}: {rate} is not {expected}");
        };
        check(-600.0, 20.0);
        check(0.0, 20.0);
        check(59.999, 20.0);
        check(60.0, 20.0);
        check(70.0, 40.0);
        check(80.0, 60.0);
        check(90.0, 100.0);
        check(95.0, 80.0);
        check(100.0, 10.0);
        check(105.0, 20.0);
        check(110.0, 30.0);
        check(1e6, 30.0);
    }

    #[test]
    fn a_day_has_its_peak_at_its_hour_and_its_low_half_a_day_from_it() {
        let load = load(vec![Segment::Daily { low: 1.0, high: 9.0, peak_hour: 14.0, seconds: 86_400.0 }]);
        let mut reader = load.reader();
        assert!((reader.rate(2.0 * 3600.0) - 2.0).abs() < 1e-9);
        assert!((reader.rate(14.0 * 3600.0) - 18.0).abs() < 1e-9);
    }

    #[test]
    fn impossible_loads_are_refused_by_field() {
        let check = |segment: Segment, field: &str| {
            let error = load(vec![segment]).check().unwrap_err().to_string();
            assert!(error.starts_with(field) && error.contains("hint: "), "{error}");
        };
        check(Segment::Constant { rate: -1.0, seconds: 1.0 }, "load.segments[0].rate");
        check(Segment::Constant { rate: f64::NAN, seconds: 1.0 }, "load.segments[0].rate");
        check(Segment::Ramp { from: 1.0, to: 2.0, seconds: 0.0 }, "load.segments[0].seconds");
        check(
            Segment::Daily { low: 1.0, high: 2.0, peak_hour: 25.0, seconds: 9.0 },
            "load.segments[0].peakHour",
        );
        check(Segment::Recorded { points: vec![] }, "load.segments[0].points");
        check(Segment::Recorded { points: vec![(1.0, 1.0), (1.0, 2.0)] }, "load.segments[0].points");
    }
}
