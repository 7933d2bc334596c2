//! Numbers for people, as Prometheus's common templates write them, and words with capital letters.
//!
//! Input: values that are numbers or texts of numbers. Output: text with four significant digits and a unit.

use crate::format::sprintf;
use crate::{Moment, Value};

/// The number that a value is or says.
///
/// # Errors
/// When it is none.
pub fn to_float(value: &Value) -> Result<f64, String> {
    match value {
        Value::Float(value) => Ok(*value),
        Value::Int(value) => Ok(*value as f64),
        Value::Text(text) => parse_float(text).ok_or_else(|| {
            format!("strconv.ParseFloat: parsing {}: invalid syntax", crate::format::quoted(text))
        }),
        Value::Object(object) if object.type_name() == "time.Duration" => match object.member("Seconds", &[])
        {
            Some(Ok(Value::Float(seconds))) => Ok(seconds),
            _ => Err("can't convert time.Duration to float".to_owned()),
        },
        other => Err(format!("can't convert {} to float", other.type_name())),
    }
}

/// A number as Go's ParseFloat takes it, without hexadecimal ones.
fn parse_float(text: &str) -> Option<f64> {
    let lower = text.to_ascii_lowercase();
    let unsigned = lower.strip_prefix(['+', '-']).unwrap_or(&lower);
    let magnitude = match unsigned {
        "inf" | "infinity" => f64::INFINITY,
        "nan" => return (unsigned.len() == lower.len()).then_some(f64::NAN),
        number if number.starts_with(|one: char| one.is_ascii_digit() || one == '.') => {
            number.parse().ok()?
        }
        _ => return None,
    };
    Some(if lower.starts_with('-') { -magnitude } else { magnitude })
}

fn four_digits(value: f64) -> String {
    sprintf("%.4g", &[Value::Float(value)])
}

/// `value` divided by `step` until it is below it, with the unit reached.
fn up(mut value: f64, step: f64, units: &[&'static str]) -> (f64, &'static str) {
    let mut unit = "";
    for next in units {
        if value.abs() < step {
            break;
        }
        (unit, value) = (next, value / step);
    }
    (value, unit)
}

fn down(mut value: f64) -> (f64, &'static str) {
    let mut unit = "";
    for next in ["m", "u", "n", "p", "f", "a", "z", "y"] {
        if value.abs() >= 1.0 {
            break;
        }
        (unit, value) = (next, value * 1000.0);
    }
    (value, unit)
}

/// `humanize`: `1.234k`, `12.5m`.
///
/// # Errors
/// When the value is no number.
pub fn humanize(value: &Value) -> Result<String, String> {
    let value = to_float(value)?;
    if value == 0.0 || !value.is_finite() {
        return Ok(four_digits(value));
    }
    let decimal = ["k", "M", "G", "T", "P", "E", "Z", "Y"];
    let (value, unit) = if value.abs() >= 1.0 { up(value, 1000.0, &decimal) } else { down(value) };
    Ok(four_digits(value) + unit)
}

/// `humanize1024`: `1.5Mi`.
///
/// # Errors
/// When the value is no number.
pub fn humanize_1024(value: &Value) -> Result<String, String> {
    let value = to_float(value)?;
    if value.abs() <= 1.0 || !value.is_finite() {
        return Ok(four_digits(value));
    }
    let (value, unit) = up(value, 1024.0, &["ki", "Mi", "Gi", "Ti", "Pi", "Ei", "Zi", "Yi"]);
    Ok(four_digits(value) + unit)
}

/// `humanizePercentage`: `12.5%` of 0.125.
///
/// # Errors
/// When the value is no number.
pub fn humanize_percentage(value: &Value) -> Result<String, String> {
    Ok(four_digits(to_float(value)? * 100.0) + "%")
}

/// `humanizeDuration`: `1d 2h 3m 4s` of seconds.
///
/// # Errors
/// When the value is no number.
pub fn humanize_duration(value: &Value) -> Result<String, String> {
    let value = to_float(value)?;
    if !value.is_finite() {
        return Ok(four_digits(value));
    }
    if value == 0.0 {
        return Ok(four_digits(value) + "s");
    }
    if value.abs() < 1.0 {
        let (value, unit) = down(value);
        return Ok(format!("{}{unit}s", four_digits(value)));
    }
    let (sign, magnitude) = (if value < 0.0 { "-" } else { "" }, value.abs());
    let whole = magnitude as i64;
    let (days, hours, minutes, seconds) = (whole / 86_400, whole / 3600 % 24, whole / 60 % 60, whole % 60);
    Ok(match (days, hours, minutes) {
        (0, 0, 0) => format!("{sign}{}s", four_digits(magnitude)),
        (0, 0, _) => format!("{sign}{minutes}m {seconds}s"),
        (0, ..) => format!("{sign}{hours}h {minutes}m {seconds}s"),
        _ => format!("{sign}{days}d {hours}h {minutes}m {seconds}s"),
    })
}

/// The time that seconds since the Unix epoch are.
///
/// # Errors
/// When the value is no number, or none that is a time.
pub fn to_time(value: &Value) -> Result<Moment, String> {
    let value = to_float(value)?;
    if !value.is_finite() {
        return Err("value is NaN or Inf".to_owned());
    }
    if (value * 1e9).abs() > i64::MAX as f64 {
        let mut shown = String::new();
        tidewatch_model::push_go_float(&mut shown, value);
        return Err(format!(
            "{shown} cannot be represented as a nanoseconds timestamp since it overflows int64"
        ));
    }
    Ok(Moment(((value * 1e9) as i64).div_euclid(1_000_000)))
}

/// `humanizeTimestamp`: `2026-01-02 03:04:05 +0000 UTC` of seconds since the Unix epoch.
///
/// # Errors
/// When the value is no number, or none that is a time.
pub fn humanize_timestamp(value: &Value) -> Result<String, String> {
    let number = to_float(value)?;
    if !number.is_finite() {
        return Ok(four_digits(number));
    }
    to_time(value).map(|moment| crate::Object::print(&moment))
}

/// Every word with a capital letter at its beginning; `lower` says whether the rest becomes small (Alertmanager) or stays (Prometheus).
pub fn title(text: &str, lower: bool) -> String {
    let mut out = String::with_capacity(text.len());
    let (mut within, mut begun) = (false, false);
    let mut rest = text.chars().peekable();
    while let Some(one) = rest.next() {
        // letters go on being one word across an apostrophe, a dot or a colon between them
        let joins = matches!(one, '\'' | '’' | '.' | ':' | '·')
            && begun
            && rest.peek().is_some_and(|next| next.is_alphabetic());
        within = one.is_alphanumeric() || one == '_' || (within && joins);
        if !within {
            begun = false;
            out.push(one);
        } else if one.is_alphabetic() && !begun {
            begun = true;
            out.extend(one.to_uppercase());
        } else if lower {
            out.extend(one.to_lowercase());
        } else {
            out.push(one);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(convert: fn(&Value) -> Result<String, String>, table: &[(f64, &str)]) {
        for (value, expected) in table {
            assert_eq!(convert(&Value::Float(*value)).as_deref(), Ok(*expected), "{value}");
        }
    }

    #[test]
    fn numbers_get_units() {
        check(
            humanize,
            &[
                (0.0, "0"),
                (1234.0, "1.234k"),
                (-0.0125, "-12.5m"),
                (1e30, "1e+06Y"),
                (f64::NAN, "NaN"),
                (999.96, "1000"),
            ],
        );
        check(
            humanize_1024,
            &[(0.5, "0.5"), (1024.0, "1ki"), (1_572_864.0, "1.5Mi"), (f64::INFINITY, "+Inf")],
        );
        check(humanize_percentage, &[(0.125, "12.5%"), (1.0, "100%")]);
        check(
            humanize_timestamp,
            &[(1_767_323_045.12, "2026-01-02 03:04:05.12 +0000 UTC"), (f64::NAN, "NaN")],
        );
        check(
            humanize_duration,
            &[
                (0.0, "0s"),
                (60.0, "1m 0s"),
                (-3700.0, "-1h 1m 40s"),
                (1.2e-6, "1.2us"),
                (93_784.5, "1d 2h 3m 4s"),
                (59.999, "60s"),
            ],
        );
        assert!(humanize(&Value::text("x")).unwrap_err().contains("parsing \"x\": invalid syntax"));
        assert_eq!(humanize(&Value::text("1e3")).as_deref(), Ok("1k"));
    }

    #[test]
    fn words_begin_with_a_capital_letter() {
        for (text, lower, expected) in [
            ("hello wORLD", false, "Hello WORLD"),
            ("hello wORLD", true, "Hello World"),
            ("a-b_c don't x.y", true, "A-B_c Don't X.y"),
            ("éa ß1b", false, "Éa SS1b"),
        ] {
            assert_eq!(title(text, lower), expected);
        }
    }
}
