//! Loads and targets as people type them.
//!
//! Input: text of a command line, e.g. `40 for 2m, ramp 40 to 320 for 5m` and `up within 2m`. Output: [`Load`] and [`Targets`], or an error that
//! shows how to write it.

use crate::judge::duration as shown;
use crate::{Load, Segment, SimulationError, Targets};

const LOAD_HINT: &str = "write e.g. \"40 for 2m, 320 for 10m\", \"ramp 40 to 320 for 5m\", \"spike 40 to 400 for 2m\", \"daily 10 to 200 peak 14\"";
const TARGET_HINT: &str = "write \"up within 2m\", \"down within 5m\", \"p99 within 200ms\", \"failed below 1%\" or \"flaps at most 0\"";

impl Load {
    /// Reads segments that are separated by commas: `RATE for TIME`, `ramp RATE to RATE for TIME`, `spike RATE to RATE for TIME`,
    /// `daily RATE to RATE [peak HOUR] [for TIME]`. Rates are per second, with or without `/s`.
    ///
    /// # Errors
    /// Names the segment that cannot be read.
    pub fn parse(text: &str) -> Result<Self, SimulationError> {
        let segments = text.split(',').map(|part| {
            let words: Vec<&str> = part.split_whitespace().collect();
            segment(&words).ok_or_else(|| {
                SimulationError::field("load", format!("{:?} cannot be read", part.trim()), LOAD_HINT)
            })
        });
        Ok(Self { segments: segments.collect::<Result<_, _>>()?, ..Self::default() })
    }
}

fn segment(words: &[&str]) -> Option<Segment> {
    match words {
        [a, "for", time] => Some(Segment::Constant { rate: rate(a)?, seconds: seconds(time)? }),
        ["ramp", a, "to", b, "for", time] => {
            Some(Segment::Ramp { from: rate(a)?, to: rate(b)?, seconds: seconds(time)? })
        }
        ["spike", a, "to", b, "for", time] => {
            Some(Segment::Spike { base: rate(a)?, peak: rate(b)?, seconds: seconds(time)? })
        }
        ["daily", a, "to", b, more @ ..] => {
            let (peak_hour, more) = match more {
                ["peak", hour, more @ ..] => (hour.parse().ok()?, more),
                more => (14.0, more),
            };
            let seconds = match more {
                [] => 86_400.0,
                ["for", time] => seconds(time)?,
                _ => return None,
            };
            Some(Segment::Daily { low: rate(a)?, high: rate(b)?, peak_hour, seconds })
        }
        _ => None,
    }
}

fn rate(text: &str) -> Option<f64> {
    text.strip_suffix("/s").unwrap_or(text).parse().ok()
}

fn seconds(text: &str) -> Option<f64> {
    tidewatch_model::parse_duration(text).ok().map(|time| time.as_secs_f64())
}

impl Targets {
    /// Adds a target that is written as `up within TIME`, `down within TIME`, `p99 within TIME`, `failed below PERCENT%` or
    /// `flaps at most COUNT`.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn add(&mut self, text: &str) -> Result<(), SimulationError> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let read = match words.as_slice() {
            ["up", "within", time] => seconds(time).map(|limit| self.up_seconds = Some(limit)),
            ["down", "within", time] => seconds(time).map(|limit| self.down_seconds = Some(limit)),
            ["p99", "within", time] => seconds(time).map(|limit| self.latency_p99_seconds = Some(limit)),
            ["failed", "below", share] => {
                let percent: Option<f64> = share.strip_suffix('%').and_then(|percent| percent.parse().ok());
                percent.map(|percent| self.failed_share = Some(percent / 100.0))
            }
            ["flaps", "at", "most", count] => count.parse().ok().map(|count| self.flaps = Some(count)),
            _ => None,
        };
        read.ok_or_else(|| SimulationError::field("target", format!("{text:?} cannot be read"), TARGET_HINT))
    }
}

/// Seconds as people write them: `45s`, `1m30s`; below a second `120ms`.
pub fn format_seconds(seconds: f64) -> String {
    shown(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loads_are_read() {
        let check = |text: &str, expected: Segment| {
            assert_eq!(Load::parse(text).unwrap().segments, [expected], "{text}");
        };
        check("40 for 2m", Segment::Constant { rate: 40.0, seconds: 120.0 });
        check(" 0.5/s  for 1h30m", Segment::Constant { rate: 0.5, seconds: 5400.0 });
        check("ramp 1 to 9 for 30s", Segment::Ramp { from: 1.0, to: 9.0, seconds: 30.0 });
        check("spike 1 to 9 for 30s", Segment::Spike { base: 1.0, peak: 9.0, seconds: 30.0 });
        check("daily 1 to 9", Segment::Daily { low: 1.0, high: 9.0, peak_hour: 14.0, seconds: 86_400.0 });
        check(
            "daily 1 to 9 peak 8 for 12h",
            Segment::Daily { low: 1.0, high: 9.0, peak_hour: 8.0, seconds: 43_200.0 },
        );
        assert_eq!(Load::parse("1 for 1m,2 for 1m").unwrap().segments.len(), 2);
    }

    #[test]
    fn other_loads_show_how_to_write_them() {
        for text in ["", "40", "40 for", "fast for 2m", "ramp 1 to 2", "daily 1 to 2 at 3", "40 for 2m,"] {
            let error = Load::parse(text).unwrap_err().to_string();
            assert!(error.contains("cannot be read") && error.contains("hint: write e.g."), "{error}");
        }
    }

    #[test]
    fn targets_are_read() {
        let mut targets = Targets::default();
        for text in
            ["up within 2m", "down within 5m", "p99 within 200ms", "failed below 0.5%", "flaps at most 1"]
        {
            targets.add(text).unwrap();
        }
        let expected = Targets {
            up_seconds: Some(120.0),
            down_seconds: Some(300.0),
            failed_share: Some(0.005),
            latency_p99_seconds: Some(0.2),
            flaps: Some(1),
        };
        assert_eq!(targets, expected);
        assert!(
            targets
                .add("sideways within 2m")
                .unwrap_err()
                .to_string()
                .contains("hint: write \"up within 2m\"")
        );
    }
}
