//! Numbers as Prometheus reads them: what Go's `strconv.ParseFloat` takes, without the forms Prometheus refuses:
//! hexadecimal (`p`) and underscores.
//!
//! Input: bytes of a page. Output: a value. Writing is [`tidewatch_model::push_go_float`].

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

#[cfg(test)]
mod tests {
    use super::*;

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
