//! Durations as Prometheus writes them: `1d2h`, `30s`, `500ms`.
//!
//! Input: configuration files, flags, API parameters. Output: a [`Duration`] and back. Units from years to
//! milliseconds, each at most once, largest first; a year is 365 days, a week 7 (Prometheus, `common/model`).

use std::time::Duration;

const UNITS: [(&str, u64); 7] = [
    ("y", 365 * 86_400_000),
    ("w", 7 * 86_400_000),
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

/// A text that is no duration.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "invalid duration {0:?}; hint: write e.g. 30s, 5m, 1h30m, 7d (units y, w, d, h, m, s, ms, largest first)"
)]
pub struct DurationError(
    /// The text.
    pub String,
);

/// Reads a duration. `0` needs no unit.
///
/// # Errors
/// When a unit is unknown, missing, repeated or out of order, or the sum exceeds 64-bit milliseconds.
pub fn parse_duration(text: &str) -> Result<Duration, DurationError> {
    let failed = || DurationError(text.to_owned());
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    let (mut rest, mut total, mut next_unit) = (text, 0u64, 0);
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let number: u64 = rest[..digits].parse().map_err(|_| failed())?;
        rest = &rest[digits..];
        let letters = rest.bytes().take_while(u8::is_ascii_alphabetic).count();
        let at = UNITS.iter().position(|(unit, _)| *unit == &rest[..letters]).ok_or_else(failed)?;
        if at < next_unit {
            return Err(failed());
        }
        next_unit = at + 1;
        total = number.checked_mul(UNITS[at].1).and_then(|ms| total.checked_add(ms)).ok_or_else(failed)?;
        rest = &rest[letters..];
    }
    if next_unit == 0 { Err(failed()) } else { Ok(Duration::from_millis(total)) }
}

/// Writes a duration the way Prometheus prints it: years and weeks only when nothing is left over.
pub fn format_duration(duration: Duration) -> String {
    let mut left = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    if left == 0 {
        return "0s".to_owned();
    }
    let mut text = String::new();
    for (unit, ms) in UNITS {
        let exact_only = unit == "y" || unit == "w";
        if left >= ms && (!exact_only || left % ms == 0) {
            text.push_str(&format!("{}{unit}", left / ms));
            left %= ms;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes() {
        let check = |text: &str, ms: u64, printed: &str| {
            let duration = parse_duration(text).unwrap();
            assert_eq!(duration, Duration::from_millis(ms), "{text}");
            assert_eq!(format_duration(duration), printed, "{text}");
        };
        check("0", 0, "0s");
        check("30s", 30_000, "30s");
        check("90s", 90_000, "1m30s");
        check("7d", 604_800_000, "1w");
        check("10d", 864_000_000, "10d");
        check("1h30m500ms", 5_400_500, "1h30m500ms");
        check("1y", 31_536_000_000, "1y");
    }

    #[test]
    fn refuses_what_is_none() {
        for text in ["", "5", "s", "1m1h", "1s1s", "-1s", "1.5h", "1 m", "1x", "99999999999999y"] {
            assert_eq!(parse_duration(text), Err(DurationError(text.to_owned())));
        }
    }
}
