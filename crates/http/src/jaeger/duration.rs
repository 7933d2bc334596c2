//! Durations and times in Go's notations, which Jaeger reads in questions and writes in warnings.
//!
//! Input: text of a question, or nanoseconds. Output: nanoseconds, or text. The errors' texts are Go's, as clients see them from Jaeger.

/// Reads a duration such as `1.5ms` or `-2h30m`, in nanoseconds.
pub(super) fn parse(text: &str) -> Result<i64, String> {
    let invalid = || format!("time: invalid duration {text:?}");
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Ok(0);
    }
    if rest.is_empty() {
        return Err(invalid());
    }
    let mut total = 0_f64;
    while !rest.is_empty() {
        let number =
            rest.find(|letter: char| letter != '.' && !letter.is_ascii_digit()).unwrap_or(rest.len());
        let digits = &rest[..number];
        if digits.matches('.').count() > 1 || !digits.contains(|letter: char| letter.is_ascii_digit()) {
            return Err(invalid());
        }
        rest = &rest[number..];
        let end = rest.find(|letter: char| letter == '.' || letter.is_ascii_digit()).unwrap_or(rest.len());
        let unit = match &rest[..end] {
            "" => return Err(format!("time: missing unit in duration {text:?}")),
            "ns" => 1.0,
            "us" | "µs" | "μs" => 1e3,
            "ms" => 1e6,
            "s" => 1e9,
            "m" => 60e9,
            "h" => 3600e9,
            unknown => return Err(format!("time: unknown unit {unknown:?} in duration {text:?}")),
        };
        rest = &rest[end..];
        let value: f64 = digits.trim_end_matches('.').parse().map_err(|_| invalid())?;
        total += value * unit;
    }
    if total >= 9.223_372_036_854_775e18 {
        return Err(invalid());
    }
    // Up to 2^53 ns (104 days) this is exact, and beyond it nobody means nanoseconds.
    let nanoseconds = total.round() as i64;
    Ok(if negative { -nanoseconds } else { nanoseconds })
}

/// A duration as Go prints it: `1.5ms`, `-1m0.25s`, `0s`.
pub(super) fn text(nanoseconds: i64) -> String {
    let size = nanoseconds.unsigned_abs();
    let sign = if nanoseconds < 0 { "-" } else { "" };
    let scaled = |unit: u64, name: &str| format!("{sign}{}{name}", decimal(size, unit));
    match size {
        0 => "0s".to_owned(),
        1..1_000 => format!("{sign}{size}ns"),
        1_000..1_000_000 => scaled(1_000, "µs"),
        1_000_000..1_000_000_000 => scaled(1_000_000, "ms"),
        _ => {
            let minutes = size / 60_000_000_000;
            let seconds = decimal(size % 60_000_000_000, 1_000_000_000);
            match (minutes / 60, minutes % 60) {
                (0, 0) => format!("{sign}{seconds}s"),
                (0, minutes) => format!("{sign}{minutes}m{seconds}s"),
                (hours, minutes) => format!("{sign}{hours}h{minutes}m{seconds}s"),
            }
        }
    }
}

fn decimal(size: u64, unit: u64) -> String {
    if size.is_multiple_of(unit) {
        return (size / unit).to_string();
    }
    let width = unit.ilog10() as usize;
    format!("{}.{:0width$}", size / unit, size % unit).trim_end_matches('0').to_owned()
}

/// Nanoseconds since the Unix epoch as Go prints a time in UTC: `2026-11-22 22:20:00.000000124 +0000 UTC`.
pub(super) fn time_text(nanoseconds: i64) -> String {
    let (seconds, fraction) = (nanoseconds.div_euclid(1_000_000_000), nanoseconds.rem_euclid(1_000_000_000));
    let (year, month, day) = civil(seconds.div_euclid(86_400));
    let of_day = seconds.rem_euclid(86_400);
    let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
    let fraction = if fraction == 0 {
        String::new()
    } else {
        format!(".{fraction:09}").trim_end_matches('0').to_owned()
    };
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}{fraction} +0000 UTC")
}

/// The date of a day since the Unix epoch, in the Gregorian calendar.
fn civil(days: i64) -> (i64, i64, i64) {
    // Counted in eras of 400 years that begin on a first of March, so that the leap day is the last of a year.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (era * 400 + year_of_era + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_go_reads_them() {
        let check = |text: &str, expected: Result<i64, &str>| {
            assert_eq!(parse(text), expected.map_err(str::to_owned), "{text}");
        };
        check("0", Ok(0));
        check("1ms", Ok(1_000_000));
        check("1.5s", Ok(1_500_000_000));
        check("-1h2m3.5s", Ok(-3_723_500_000_000));
        check("5us3ns", Ok(5003));
        check("7µs", Ok(7000));
        check(".5ms", Ok(500_000));
        check("5", Err("time: missing unit in duration \"5\""));
        check("5x", Err("time: unknown unit \"x\" in duration \"5x\""));
        check("abc", Err("time: invalid duration \"abc\""));
        check("1..5s", Err("time: invalid duration \"1..5s\""));
        check("-", Err("time: invalid duration \"-\""));
        check("9999999h", Err("time: invalid duration \"9999999h\""));
    }

    #[test]
    fn durations_and_times_are_printed_as_go_prints_them() {
        let check = |nanoseconds: i64, expected: &str| assert_eq!(text(nanoseconds), expected);
        check(0, "0s");
        check(1, "1ns");
        check(-1500, "-1.5µs");
        check(2_000_000, "2ms");
        check(1_000_000_001, "1.000000001s");
        check(90_000_000_000, "1m30s");
        check(3_600_000_000_000, "1h0m0s");
        check(i64::MIN, "-2562047h47m16.854775808s");
        let check = |nanoseconds: i64, expected: &str| assert_eq!(time_text(nanoseconds), expected);
        check(0, "1970-01-01 00:00:00 +0000 UTC");
        check(1_795_386_000_000_000_124, "2026-11-22 22:20:00.000000124 +0000 UTC");
        check(951_782_400_000_000_000, "2000-02-29 00:00:00 +0000 UTC");
        check(-1, "1969-12-31 23:59:59.999999999 +0000 UTC");
    }
}
