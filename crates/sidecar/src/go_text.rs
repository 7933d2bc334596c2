//! Durations and booleans as Go writes them, which is how Dapr's files and metadata write them.
//!
//! Input: text. Output: values, or `None` where Go would refuse it. Negative durations are refused: nothing here can use one.

use std::time::Duration;

/// Reads `5s`, `1m30s`, `100ms`, `1.5h`, `0`; a bare number counts `bare` units.
pub(crate) fn duration(text: &str, bare: Duration) -> Option<Duration> {
    let text = text.trim();
    if let Ok(number) = text.parse::<u32>() {
        return bare.checked_mul(number);
    }
    let mut rest = text;
    let mut seconds = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let value: f64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let unit = rest.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(rest.len());
        seconds += value * unit_seconds(&rest[..unit])?;
        rest = &rest[unit..];
    }
    (!text.is_empty()).then(|| Duration::try_from_secs_f64(seconds).ok()).flatten()
}

fn unit_seconds(unit: &str) -> Option<f64> {
    Some(match unit {
        "ns" => 1e-9,
        "us" | "µs" | "μs" => 1e-6,
        "ms" => 1e-3,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return None,
    })
}

/// Reads what Go's `strconv.ParseBool` reads.
pub(crate) fn boolean(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_in_go() {
        let check = |text: &str, expected: Option<u64>| {
            let got = duration(text, Duration::from_millis(1)).map(|duration| duration.as_millis() as u64);
            assert_eq!(got, expected, "{text}");
        };
        check("5s", Some(5_000));
        check("1m30s", Some(90_000));
        check("1.5h", Some(5_400_000));
        check("200", Some(200));
        check("100ms", Some(100));
        check("0", Some(0));
        check("", None);
        check("-1s", None);
        check("5", Some(5));
        check("5 s", None);
        check("5x", None);
        check("s", None);
    }

    #[test]
    fn booleans_are_read_as_in_go() {
        let check = |text: &str, expected| assert_eq!(boolean(text), expected, "{text}");
        check("true", Some(true));
        check("T", Some(true));
        check("0", Some(false));
        check("yes", None);
        check("", None);
    }
}
