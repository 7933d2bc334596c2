//! Numbers as Go writes and reads them, since every exposition page in the world is made for that.
//!
//! Written: the shortest text that reads back the same, with an exponent from 1e+06 on and below 1e-04 (Go's `'g'`, -1).
//! Read: what `strconv.ParseFloat` takes, without the forms Prometheus refuses: hexadecimal (`p`) and underscores.

use std::fmt::Write;

/// Appends a value as text 0.0.4 has it: `1`, `0.25`, `1e+06`, `+Inf`, `NaN`.
pub fn push_float(out: &mut String, value: f64) {
    if value.is_nan() {
        out.push_str("NaN");
    } else if value.is_infinite() {
        out.push_str(if value > 0.0 { "+Inf" } else { "-Inf" });
    } else if value.abs() < 1e6 && value.fract() == 0.0 && !(value == 0.0 && value.is_sign_negative()) {
        push_integer(out, value as i64);
    } else {
        push_shortest(out, value);
    }
}

/// Appends a value as OpenMetrics wants it in labels such as `le`: like [`push_float`], but a whole number keeps a
/// fraction (`1.0`), so that one bucket has one name.
pub fn push_open_metrics_float(out: &mut String, value: f64) {
    let start = out.len();
    push_float(out, value);
    if value.is_finite() && !out[start..].bytes().any(|b| b == b'.' || b == b'e') {
        out.push_str(".0");
    }
}

/// A sample's value or timestamp. A number too large for a double is an error, as in Go; too small a one is zero.
pub(crate) fn parse_go_float(text: &[u8]) -> Option<f64> {
    if let Some(integer) = parse_small_integer(text) {
        return Some(integer);
    }
    // Rust takes a sign before "nan", Go does not; the rest of the syntax is the same.
    if let [b'+' | b'-', b'n' | b'N', ..] = text {
        return None;
    }
    let value: f64 = std::str::from_utf8(text).ok()?.parse().ok()?;
    if value.is_nan() {
        return Some(f64::from_bits(NORMAL_NAN_BITS));
    }
    let spelled_out = text.iter().any(|b| matches!(b, b'i' | b'I'));
    (value.is_finite() || spelled_out).then_some(value)
}

/// The bits of every NaN that is not a staleness marker, so that equal pages store equal samples.
const NORMAL_NAN_BITS: u64 = 0x7ff8_0000_0000_0001;

/// Whole numbers of up to 15 digits, which a double holds exactly: most samples of most pages.
fn parse_small_integer(text: &[u8]) -> Option<f64> {
    if text.is_empty() || text.len() > 15 {
        return None;
    }
    let mut number = 0u64;
    for byte in text {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        number = number * 10 + u64::from(digit);
    }
    Some(number as f64)
}

fn push_integer(out: &mut String, value: i64) {
    let mut digits = [0u8; 20];
    let mut at = digits.len();
    let mut left = value.unsigned_abs();
    loop {
        at -= 1;
        digits[at] = b'0' + (left % 10) as u8;
        left /= 10;
        if left == 0 {
            break;
        }
    }
    if value < 0 {
        out.push('-');
    }
    out.extend(digits[at..].iter().map(|b| char::from(*b)));
}

/// Rust's `{:e}` gives the shortest digits (`1.25e-7`); only the layout is Go's.
fn push_shortest(out: &mut String, value: f64) {
    let start = out.len();
    let _ = write!(out, "{value:e}");
    let at = start + out[start..].find('e').expect("{:e} always writes an exponent");
    let exponent: i32 = out[at + 1..].parse().expect("the exponent of {:e} is a small integer");
    out.truncate(at);
    if (-4..6).contains(&exponent) {
        out.truncate(start);
        let _ = write!(out, "{value}");
    } else {
        let sign = if exponent < 0 { '-' } else { '+' };
        let _ = write!(out, "e{sign}{:02}", exponent.unsigned_abs());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_as_go_does() {
        let check = |value: f64, text: &str, open_metrics: &str| {
            let mut out = String::new();
            push_float(&mut out, value);
            assert_eq!(out, text);
            out.clear();
            push_open_metrics_float(&mut out, value);
            assert_eq!(out, open_metrics);
        };
        check(0.0, "0", "0.0");
        check(-0.0, "-0", "-0.0");
        check(1.0, "1", "1.0");
        check(-17.0, "-17", "-17.0");
        check(999_999.0, "999999", "999999.0");
        check(1e6, "1e+06", "1e+06");
        check(1_048_576.0, "1.048576e+06", "1.048576e+06");
        check(0.25, "0.25", "0.25");
        check(0.0001, "0.0001", "0.0001");
        check(0.00001, "1e-05", "1e-05");
        check(123_456.789, "123456.789", "123456.789");
        check(1_234_567.5, "1.2345675e+06", "1.2345675e+06");
        check(1.797_693_134_862_315_7e308, "1.7976931348623157e+308", "1.7976931348623157e+308");
        check(5e-324, "5e-324", "5e-324");
        check(f64::INFINITY, "+Inf", "+Inf");
        check(f64::NEG_INFINITY, "-Inf", "-Inf");
        check(f64::NAN, "NaN", "NaN");
    }

    #[test]
    fn reads_as_prometheus_does() {
        let check = |text: &str, expected: Option<f64>| {
            let value = parse_go_float(text.as_bytes());
            assert_eq!(value.map(f64::to_bits), expected.map(f64::to_bits), "{text:?}");
        };
        let nan = f64::from_bits(NORMAL_NAN_BITS);
        check("0", Some(0.0));
        check("-0", Some(-0.0));
        check("007", Some(7.0));
        check("123456789012345", Some(123_456_789_012_345.0));
        check("12345678901234567890", Some(12_345_678_901_234_567_890.0));
        check("1.", Some(1.0));
        check(".5", Some(0.5));
        check("+1.5e+3", Some(1500.0));
        check("1E-400", Some(0.0));
        check("Inf", Some(f64::INFINITY));
        check("+inf", Some(f64::INFINITY));
        check("-Infinity", Some(f64::NEG_INFINITY));
        check("NaN", Some(nan));
        check("nan", Some(nan));
        for refused in [
            "", ".", "+", "e5", "1e", "+NaN", "-nan", "1e400", "-1e400", "1_0", "0x1p-2", "0x1", "infin",
            "1 ",
        ] {
            check(refused, None);
        }
    }
}
