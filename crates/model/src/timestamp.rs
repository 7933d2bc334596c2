//! Points in time as the Prometheus API writes them: Unix seconds or RFC 3339.
//!
//! Input: parameters of API calls and flags. Output: milliseconds since the Unix epoch and back. Semantics observed on
//! Prometheus: a number is rounded to milliseconds, an RFC 3339 time is cut to them. No time zones beyond offsets.

/// A text that is no point in time.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot parse {0:?} to a valid timestamp")]
pub struct TimestampError(
    /// The text.
    pub String,
);

/// Reads a point in time.
///
/// # Errors
/// When the text is neither a finite number of seconds nor an RFC 3339 time.
pub fn parse_timestamp(text: &str) -> Result<i64, TimestampError> {
    if let Ok(seconds) = text.parse::<f64>() {
        let milliseconds = (seconds * 1000.0).round();
        if milliseconds.is_finite() && milliseconds.abs() < i64::MAX as f64 {
            return Ok(milliseconds as i64);
        }
    }
    rfc3339(text.as_bytes()).ok_or_else(|| TimestampError(text.to_owned()))
}

/// Writes milliseconds since the Unix epoch in RFC 3339, in UTC: `2026-11-22T18:43:00.5Z`, without trailing zeros.
pub fn format_timestamp(milliseconds: i64) -> String {
    let (day, in_day) = (milliseconds.div_euclid(86_400_000), milliseconds.rem_euclid(86_400_000));
    let (year, month, date) = civil_from_days(day);
    let (hour, minute, second) = (in_day / 3_600_000, in_day / 60_000 % 60, in_day / 1000 % 60);
    let fraction = match in_day % 1000 {
        0 => String::new(),
        ms => format!(".{ms:03}").trim_end_matches('0').to_owned(),
    };
    format!("{year:04}-{month:02}-{date:02}T{hour:02}:{minute:02}:{second:02}{fraction}Z")
}

fn rfc3339(text: &[u8]) -> Option<i64> {
    let number = |from: usize, length: usize| -> Option<i64> {
        let digits = text.get(from..from + length)?;
        digits.iter().try_fold(0, |n, d| d.is_ascii_digit().then(|| n * 10 + i64::from(d - b'0')))
    };
    let literal = |at: usize, allowed: &[u8]| text.get(at).is_some_and(|b| allowed.contains(b)).then_some(());
    literal(4, b"-")
        .and(literal(7, b"-"))
        .and(literal(10, b"Tt "))
        .and(literal(13, b":"))
        .and(literal(16, b":"))?;
    let (year, month, date) = (number(0, 4)?, number(5, 2)?, number(8, 2)?);
    let (hour, minute, second) = (number(11, 2)?, number(14, 2)?, number(17, 2)?);
    let valid = (1..=12).contains(&month) && (1..=days_in_month(year, month)).contains(&date);
    if !valid || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let (milliseconds, zone) = fraction(&text[19..])?;
    let day = days_from_civil(year, month, date);
    let seconds = day * 86_400 + hour * 3600 + minute * 60 + second - offset(zone)?;
    Some(seconds * 1000 + milliseconds)
}

/// Milliseconds of a leading fraction, cut, and what follows it.
fn fraction(text: &[u8]) -> Option<(i64, &[u8])> {
    let Some(rest) = text.strip_prefix(b".") else { return Some((0, text)) };
    let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
    let cut = |at: usize| rest[..digits].get(at).map_or(0, |d| i64::from(d - b'0'));
    (digits > 0).then(|| (cut(0) * 100 + cut(1) * 10 + cut(2), &rest[digits..]))
}

/// Seconds east of UTC.
fn offset(zone: &[u8]) -> Option<i64> {
    match zone {
        b"Z" | b"z" => Some(0),
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => {
            let digits = [h1, h2, m1, m2];
            if !digits.iter().all(|d| d.is_ascii_digit()) {
                return None;
            }
            let [h1, h2, m1, m2] = digits.map(|d| i64::from(d - b'0'));
            let seconds = (h1 * 10 + h2) * 3600 + (m1 * 10 + m2) * 60;
            Some(if *sign == b'-' { -seconds } else { seconds })
        }
        _ => None,
    }
}

/// How many days a month (1–12) has.
pub fn days_in_month(year: i64, month: i64) -> i64 {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970-01-01 of a date in the proleptic Gregorian calendar (Howard Hinnant, "chrono-compatible low-level
/// date algorithms").
pub fn days_from_civil(year: i64, month: i64, date: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + date - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// Year, month (1–12) and date (1–31) of a day counted from 1970-01-01 (same source).
pub fn civil_from_days(day: i64) -> (i64, i64, i64) {
    let shifted = day + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let date = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, date)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_api_takes() {
        let check =
            |text: &str, expected: Option<i64>| assert_eq!(parse_timestamp(text).ok(), expected, "{text}");
        check("1700000000", Some(1_700_000_000_000));
        check("1700000000.0006", Some(1_700_000_000_001));
        check("-1.5", Some(-1500));
        check("2023-11-14T22:13:20Z", Some(1_700_000_000_000));
        check("2023-11-14T22:13:20.9999Z", Some(1_700_000_000_999));
        check("2023-11-15T00:13:20+02:00", Some(1_700_000_000_000));
        check("1969-12-31T23:59:59Z", Some(-1000));
        check("2024-02-29T00:00:00Z", Some(1_709_164_800_000));
        for wrong in ["", "now", "NaN", "Inf", "2023-02-29T00:00:00Z", "2023-11-14", "2023-11-14T22:13:20"] {
            check(wrong, None);
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        for milliseconds in
            [0, -1, 1_700_000_000_000, 1_709_164_800_120, 253_402_300_799_999, -62_135_596_800_000]
        {
            assert_eq!(parse_timestamp(&format_timestamp(milliseconds)), Ok(milliseconds));
        }
        assert_eq!(format_timestamp(1_700_000_000_120), "2023-11-14T22:13:20.12Z");
    }
}
