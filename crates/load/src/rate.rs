//! Arrival rates as people write them: `200/s`, `6000/m`, `0.5/s`, `200`.
//!
//! Input: text. Output: requests a second. It knows nothing of schedules.

use crate::Error;

/// Requests a second at most.
const HIGHEST: f64 = 1_000_000.0;

/// Reads a rate: a number, and `/s` (also when there is none), `/m` or `/h`.
///
/// # Errors
/// When it is no such text, negative, or above a million a second.
pub fn parse_rate(text: &str) -> Result<f64, Error> {
    let wrong = |problem: &str| Error::invalid("rate", text, problem, "write e.g. 200/s or 6000/m");
    let (number, unit) = text.trim().split_once('/').unwrap_or((text.trim(), "s"));
    let seconds = match unit {
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return Err(wrong("the unit is none of /s, /m, /h")),
    };
    let number: f64 = number.parse().map_err(|_| wrong("is no number"))?;
    let rate = number / seconds;
    if (0.0..=HIGHEST).contains(&rate) { Ok(rate) } else { Err(wrong("is not within 0 and 1000000/s")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_read() {
        let check = |text: &str, expected: Option<f64>| assert_eq!(parse_rate(text).ok(), expected, "{text}");
        check("200/s", Some(200.0));
        check("200", Some(200.0));
        check("90/m", Some(1.5));
        check("1800/h", Some(0.5));
        check("0", Some(0.0));
        check("1000001/s", None);
        check("-1/s", None);
        check("NaN", None);
        check("10/d", None);
        check("fast", None);
        check("", None);
    }
}
