//! The exact moments at which requests are due.
//!
//! Input: a schedule, the kind of arrivals, a seed. Output: offsets from the start, ascending. It knows no clock: the same
//! input gives the same moments.

use crate::Schedule;
use std::time::Duration;

/// How requests are spread over time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Arrivals {
    /// Evenly: exactly as many as the schedule says.
    #[default]
    Uniform,
    /// Independently of each other, as many users do: as many as the schedule says on average.
    Poisson,
}

/// Offsets from the start of a schedule.
#[derive(Clone, Debug)]
pub struct SendTimes<'a> {
    schedule: &'a Schedule,
    arrivals: Arrivals,
    random: fastrand::Rng,
    stage: usize,
    /// Seconds from the start to that of the current stage.
    stage_start: f64,
    /// Requests due from the start of the current stage to the next moment.
    due: f64,
}

impl<'a> SendTimes<'a> {
    /// The moments of a schedule; `seed` matters for Poisson arrivals only.
    pub fn new(schedule: &'a Schedule, arrivals: Arrivals, seed: u64) -> Self {
        let mut times = Self {
            schedule,
            arrivals,
            random: fastrand::Rng::with_seed(seed),
            stage: 0,
            stage_start: 0.0,
            due: 0.0,
        };
        times.due = match arrivals {
            // in the middle of its share of time, so that no rounding decides whether there is a last one
            Arrivals::Uniform => 0.5,
            Arrivals::Poisson => times.gap(),
        };
        times
    }

    /// Time to the next request, where one request is due per unit of time.
    fn gap(&mut self) -> f64 {
        match self.arrivals {
            Arrivals::Uniform => 1.0,
            Arrivals::Poisson => -(1.0 - self.random.f64()).ln(),
        }
    }
}

impl Iterator for SendTimes<'_> {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        loop {
            let stage = self.schedule.stages().get(self.stage)?;
            let length = stage.duration.as_secs_f64();
            if let Some(moment) = stage.moment_of(self.due) {
                self.due += self.gap();
                return Some(Duration::from_secs_f64(self.stage_start + moment));
            }
            self.due -= stage.due_until(length);
            self.stage_start += length;
            self.stage += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Stage;

    fn moments(stages: &[&str], arrivals: Arrivals, seed: u64) -> Vec<f64> {
        let schedule =
            Schedule::new(stages.iter().map(|text| Stage::parse(text).unwrap()).collect()).unwrap();
        SendTimes::new(&schedule, arrivals, seed).map(|moment| moment.as_secs_f64()).collect()
    }

    #[test]
    fn uniform_arrivals_are_evenly_spaced_and_as_many_as_scheduled() {
        let times = moments(&["4/s:1s", "2/s:1s"], Arrivals::Uniform, 0);
        assert_eq!(times, [0.125, 0.375, 0.625, 0.875, 1.25, 1.75]);
        let check = |stages: &[&str], expected: usize| {
            let times = moments(stages, Arrivals::Uniform, 0);
            assert_eq!(times.len(), expected, "{stages:?}");
            assert!(times.is_sorted(), "{stages:?}");
        };
        check(&["200/s:2m"], 24_000);
        check(&["ramp:50..400/s:30s"], 6750);
        check(&["ramp:400..0/s:30s", "0/s:10s", "1/s:3s"], 6003);
        check(&["7/m:1m", "7/m:1m"], 14);
    }

    #[test]
    fn a_ramp_gets_denser() {
        let times = moments(&["ramp:0..100/s:10s"], Arrivals::Uniform, 0);
        assert_eq!(times.iter().filter(|time| **time < 5.0).count(), 125);
        assert_eq!(times.len(), 500);
    }

    #[test]
    fn poisson_arrivals_have_the_rate_and_the_spread_of_poisson() {
        let times = moments(&["100/s:100s"], Arrivals::Poisson, 7);
        assert!((times.len() as f64 - 10_000.0).abs() < 4.0 * 100.0, "{}", times.len());
        let gaps: Vec<f64> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
        let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
        let variance = gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / gaps.len() as f64;
        assert!((variance.sqrt() / mean - 1.0).abs() < 0.05, "exponential gaps vary as much as their mean");
        assert!(times.is_sorted());
    }

    #[test]
    fn the_seed_decides() {
        let poisson = |seed| moments(&["10/s:10s"], Arrivals::Poisson, seed);
        assert_eq!(poisson(3), poisson(3));
        assert_ne!(poisson(3), poisson(4));
    }
}
