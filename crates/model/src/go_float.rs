//! Numbers as Go's `%v` and `%g` write them, since every exposition page and message of Prometheus has them that way.
//!
//! Input: values. Output: the shortest text that reads back the same, with an exponent from 1e+06 on and below 1e-04.
//! The API's JSON has other limits and its own code in the http crate; so has reading.

use std::fmt::Write;

/// Appends a value as Go and text 0.0.4 have it: `1`, `0.25`, `1e+06`, `+Inf`, `NaN`.
pub fn push_go_float(out: &mut String, value: f64) {
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

/// Appends a value as OpenMetrics wants it in labels such as `le`: like [`push_go_float`], but a whole number keeps a
/// fraction (`1.0`), so that one bucket has one name.
pub fn push_open_metrics_float(out: &mut String, value: f64) {
    let start = out.len();
    push_go_float(out, value);
    if value.is_finite() && !out[start..].bytes().any(|b| b == b'.' || b == b'e') {
        out.push_str(".0");
    }
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
            push_go_float(&mut out, value);
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
}
