//! How many requests are due when: stages of constant or linearly changing rates.
//!
//! Input: stages, also as text (`50/s:1m`, `ramp:50..400/s:30s`). Output: the rate at a moment and the number of requests
//! until it. Which exact moments these are is the business of [`crate::SendTimes`].

use crate::{Error, parse_rate};
use std::time::Duration;
use tidewatch_model::parse_duration;

/// A part of a schedule: the rate goes from `from` to `to` in a straight line.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stage {
    /// Requests a second at its start.
    pub from: f64,
    /// Requests a second at its end; the same for a constant rate.
    pub to: f64,
    /// How long it is; above zero.
    pub duration: Duration,
}

/// Stages one after the other; steps are constant stages.
#[derive(Clone, Debug, PartialEq)]
pub struct Schedule {
    stages: Vec<Stage>,
}

const HINT: &str = "write e.g. 50/s:1m for a constant rate, or ramp:50..400/s:30s";

impl Stage {
    /// Reads `RATE:DURATION` or `ramp:FROM..TO:DURATION`.
    ///
    /// # Errors
    /// When it is neither, or a rate or duration is out of range.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let wrong = |problem: &str| Error::invalid("stage", text, problem, HINT);
        let (rates, duration) = text.rsplit_once(':').ok_or_else(|| wrong("is not RATE:DURATION"))?;
        let duration = parse_duration(duration).map_err(|error| wrong(&error.to_string()))?;
        let stage = match rates.strip_prefix("ramp:") {
            Some(range) => {
                let (from, to) = range.split_once("..").ok_or_else(|| wrong("is not ramp:FROM..TO"))?;
                // ramp:50..400/m: the unit is that of both
                let unit = to.find('/').map_or("", |at| &to[at..]);
                let from = if from.contains('/') { from.to_owned() } else { format!("{from}{unit}") };
                Self { from: parse_rate(&from)?, to: parse_rate(to)?, duration }
            }
            None => {
                let rate = parse_rate(rates)?;
                Self { from: rate, to: rate, duration }
            }
        };
        if duration.is_zero() { Err(wrong("lasts no time")) } else { Ok(stage) }
    }

    /// Requests due until `seconds` after its start.
    pub(crate) fn due_until(&self, seconds: f64) -> f64 {
        let length = self.duration.as_secs_f64();
        let at = seconds.clamp(0.0, length);
        self.from * at + (self.to - self.from) / length * at * at / 2.0
    }

    /// The moment, in seconds after its start, when `due` requests are due; none when that is after its end.
    pub(crate) fn moment_of(&self, due: f64) -> Option<f64> {
        let length = self.duration.as_secs_f64();
        if due > self.due_until(length) {
            return None;
        }
        if due <= 0.0 {
            return Some(0.0);
        }
        // from*t + slope*t^2/2 = due, in the form that does not cancel for small slopes
        let slope = (self.to - self.from) / length;
        let root = (self.from * self.from + 2.0 * slope * due).max(0.0).sqrt();
        Some((2.0 * due / (self.from + root)).min(length))
    }
}

impl Schedule {
    /// A schedule of stages.
    ///
    /// # Errors
    /// When there is none, or nothing is ever due.
    pub fn new(stages: Vec<Stage>) -> Result<Self, Error> {
        let schedule = Self { stages };
        if schedule.requests() <= 0.0 {
            return Err(Error::invalid("schedule", "", "no request is ever due", HINT));
        }
        Ok(schedule)
    }

    /// Its stages, in order.
    pub fn stages(&self) -> &[Stage] {
        &self.stages
    }

    /// How long it is.
    pub fn duration(&self) -> Duration {
        self.stages.iter().map(|stage| stage.duration).sum()
    }

    /// How many requests are due in all; with Poisson arrivals, on average.
    pub fn requests(&self) -> f64 {
        self.stages.iter().map(|stage| stage.due_until(stage.duration.as_secs_f64())).sum()
    }

    /// Requests a second at a moment after the start; 0 after the end.
    pub fn rate_at(&self, moment: Duration) -> f64 {
        let mut left = moment.as_secs_f64();
        for stage in &self.stages {
            let length = stage.duration.as_secs_f64();
            if left < length {
                return stage.from + (stage.to - stage.from) * left / length;
            }
            left -= length;
        }
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_are_read() {
        let check = |text: &str, expected: Option<(f64, f64, u64)>| {
            let stage = Stage::parse(text).ok().map(|s| (s.from, s.to, s.duration.as_secs()));
            assert_eq!(stage, expected, "{text}");
        };
        check("50/s:1m", Some((50.0, 50.0, 60)));
        check("50:1m30s", Some((50.0, 50.0, 90)));
        check("ramp:50..400/s:30s", Some((50.0, 400.0, 30)));
        check("ramp:60..600/m:30s", Some((1.0, 10.0, 30)));
        check("ramp:60/m..10/s:30s", Some((1.0, 10.0, 30)));
        check("ramp:50/s:30s", None);
        check("50/s", None);
        check("50/s:0s", None);
        check("50/s:soon", None);
        assert!(Schedule::new(Vec::new()).is_err());
        assert!(Schedule::new(vec![Stage::parse("0/s:1m").unwrap()]).is_err());
    }

    #[test]
    fn rates_and_counts_follow_the_stages() {
        let stages = ["10/s:10s", "ramp:10..30/s:10s", "0/s:5s"].map(|text| Stage::parse(text).unwrap());
        let schedule = Schedule::new(stages.to_vec()).unwrap();
        assert_eq!(schedule.duration(), Duration::from_secs(25));
        assert!((schedule.requests() - 300.0).abs() < 1e-9);
        let check = |seconds: u64, expected: f64| {
            assert!((schedule.rate_at(Duration::from_secs(seconds)) - expected).abs() < 1e-9, "{seconds}");
        };
        check(0, 10.0);
        check(15, 20.0);
        check(22, 0.0);
        check(25, 0.0);
    }

    #[test]
    fn the_moment_of_a_count_is_where_the_count_is_reached() {
        for text in ["7/s:9s", "ramp:0..40/s:9s", "ramp:40..0/s:9s", "ramp:20..20.000001/s:9s"] {
            let stage = Stage::parse(text).unwrap();
            let all = stage.due_until(9.0);
            for step in 0..=100 {
                let due = (all * f64::from(step) / 100.0).min(all);
                let at = stage.moment_of(due).unwrap();
                assert!((stage.due_until(at) - due).abs() < 1e-6, "{text}: {due} at {at}");
            }
            assert_eq!(stage.moment_of(all + 0.01), None, "{text}");
        }
    }
}
