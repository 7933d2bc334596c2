//! JSON written straight into bytes, the way Prometheus writes it.
//!
//! Input: label sets, samples, texts. Output: bytes appended to a buffer the caller keeps; no tree of values in between,
//! as an answer may hold millions of samples. Small answers of plain structs go through serde and [`to_go_json`].
//!
//! Two notations of numbers and two of texts are Prometheus's own: see [`push_value`] and [`push_escaped_text`].

use serde::Serialize;
use serde_json::ser::{CharEscape, Formatter};
use std::io;
use tidewatch_model::Labels;

/// Milliseconds as seconds: a whole number, or three decimals.
pub(crate) fn push_timestamp(out: &mut Vec<u8>, milliseconds: i64) {
    if milliseconds < 0 {
        out.push(b'-');
    }
    let magnitude = milliseconds.unsigned_abs();
    push_integer(out, magnitude / 1000);
    let fraction = magnitude % 1000;
    if fraction != 0 {
        let digit = |n: u64| b'0' + (n % 10) as u8;
        out.extend_from_slice(&[b'.', digit(fraction / 100), digit(fraction / 10), digit(fraction)]);
    }
}

/// Milliseconds as the shortest number of seconds: how scalars and strings carry their time.
pub(crate) fn push_short_timestamp(out: &mut Vec<u8>, milliseconds: i64) {
    push_timestamp(out, milliseconds);
    if milliseconds % 1000 != 0 {
        while out.last() == Some(&b'0') {
            out.pop();
        }
    }
}

/// A value of a vector or matrix in quotes: shortest digits, with an exponent below 1e-6 and from 1e21 on.
pub(crate) fn push_value(out: &mut Vec<u8>, value: f64) {
    let magnitude = value.abs();
    let plain = magnitude == 0.0 || (1e-6..1e21).contains(&magnitude);
    out.push(b'"');
    if plain || !value.is_finite() {
        push_plain(out, value);
    } else {
        push_exponential(out, value);
    }
    out.push(b'"');
}

/// A scalar's value in quotes: shortest digits, never an exponent.
pub(crate) fn push_scalar_value(out: &mut Vec<u8>, value: f64) {
    out.push(b'"');
    push_plain(out, value);
    out.push(b'"');
}

fn push_plain(out: &mut Vec<u8>, value: f64) {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if value.is_nan() {
        out.extend_from_slice(b"NaN");
    } else if value.is_infinite() {
        out.extend_from_slice(if value > 0.0 { b"+Inf" } else { b"-Inf" });
    } else if value.abs() < EXACT && value.trunc() == value {
        if value.is_sign_negative() {
            out.push(b'-');
        }
        push_integer(out, value.abs() as u64);
    } else {
        let mut buffer = zmij::Buffer::new();
        let digits = buffer.format_finite(value).as_bytes();
        if digits.contains(&b'e') {
            out.extend_from_slice(value.to_string().as_bytes());
        } else {
            out.extend_from_slice(digits.strip_suffix(b".0").unwrap_or(digits));
        }
    }
}

/// As Go prints an exponent: a sign and at least two digits.
fn push_exponential(out: &mut Vec<u8>, value: f64) {
    let text = format!("{value:e}");
    let (digits, exponent) = text.split_once('e').expect("{:e} writes an exponent");
    let (sign, exponent) = match exponent.strip_prefix('-') {
        Some(exponent) => ('-', exponent),
        None => ('+', exponent),
    };
    out.extend_from_slice(format!("{digits}e{sign}{exponent:0>2}").as_bytes());
}

fn push_integer(out: &mut Vec<u8>, number: u64) {
    let mut digits = [0u8; 20];
    let (mut at, mut rest) = (digits.len(), number);
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

/// A text in quotes with only what JSON requires escaped: names and values of labels.
pub(crate) fn push_text(out: &mut Vec<u8>, text: &str) {
    push_quoted(out, text, |byte| byte < 0x20 || byte == b'"' || byte == b'\\');
}

/// A text in quotes that is also safe inside HTML, as everything but label sets is written.
pub(crate) fn push_escaped_text(out: &mut Vec<u8>, text: &str) {
    if text.contains(['\u{2028}', '\u{2029}']) {
        let text = serde_json_text(text);
        out.extend_from_slice(&text);
        return;
    }
    push_quoted(out, text, |byte| byte < 0x20 || matches!(byte, b'"' | b'\\' | b'<' | b'>' | b'&'));
}

fn push_quoted(out: &mut Vec<u8>, text: &str, special: impl Fn(u8) -> bool) {
    out.push(b'"');
    let mut plain = text.as_bytes();
    while let Some(at) = plain.iter().position(|byte| special(*byte)) {
        out.extend_from_slice(&plain[..at]);
        match plain[at] {
            byte @ (b'"' | b'\\') => out.extend_from_slice(&[b'\\', byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            byte => push_unicode_escape(out, byte),
        }
        plain = &plain[at + 1..];
    }
    out.extend_from_slice(plain);
    out.push(b'"');
}

fn push_unicode_escape(out: &mut Vec<u8>, byte: u8) {
    out.extend_from_slice(format!("\\u{byte:04x}").as_bytes());
}

/// A label set as an object.
pub(crate) fn push_labels(out: &mut Vec<u8>, labels: &Labels) {
    push_texts_by_name(out, labels.iter(), push_text);
}

/// Names and texts as an object, both written by `push`.
pub(crate) fn push_texts_by_name<'a>(
    out: &mut Vec<u8>,
    texts: impl IntoIterator<Item = (&'a str, &'a str)>,
    push: impl Fn(&mut Vec<u8>, &str),
) {
    out.push(b'{');
    for (at, (name, text)) in texts.into_iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        push(out, name);
        out.push(b':');
        push(out, text);
    }
    out.push(b'}');
}

/// Elements in brackets, each written by `push`.
pub(crate) fn push_list<T>(
    out: &mut Vec<u8>,
    items: impl IntoIterator<Item = T>,
    push: impl Fn(&mut Vec<u8>, T),
) {
    out.push(b'[');
    for (at, item) in items.into_iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        push(out, item);
    }
    out.push(b']');
}

/// A plain struct as JSON, escaped as Go's encoder does.
pub(crate) fn to_go_json<T: Serialize + ?Sized>(value: &T) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    let mut serializer = serde_json::Serializer::with_formatter(&mut out, GoFormatter);
    value.serialize(&mut serializer).expect("plain data with string keys is always JSON");
    out
}

fn serde_json_text(text: &str) -> Vec<u8> {
    to_go_json(text)
}

/// Compact, with `<`, `>`, `&` and the two Unicode line ends escaped.
struct GoFormatter;

impl Formatter for GoFormatter {
    fn write_string_fragment<W: ?Sized + io::Write>(
        &mut self,
        out: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        let mut plain = fragment;
        while let Some(at) = plain.find(['<', '>', '&', '\u{2028}', '\u{2029}']) {
            out.write_all(&plain.as_bytes()[..at])?;
            let special = plain[at..].chars().next().expect("found there");
            write!(out, "\\u{:04x}", u32::from(special))?;
            plain = &plain[at + special.len_utf8()..];
        }
        out.write_all(plain.as_bytes())
    }

    fn write_char_escape<W: ?Sized + io::Write>(
        &mut self,
        out: &mut W,
        escape: CharEscape,
    ) -> io::Result<()> {
        match escape {
            CharEscape::Quote => out.write_all(b"\\\""),
            CharEscape::ReverseSolidus => out.write_all(b"\\\\"),
            CharEscape::LineFeed => out.write_all(b"\\n"),
            CharEscape::CarriageReturn => out.write_all(b"\\r"),
            CharEscape::Tab => out.write_all(b"\\t"),
            CharEscape::Solidus => out.write_all(b"/"),
            CharEscape::Backspace => out.write_all(b"\\u0008"),
            CharEscape::FormFeed => out.write_all(b"\\u000c"),
            CharEscape::AsciiControl(byte) => write!(out, "\\u{byte:04x}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(push: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        push(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn values_are_written_as_prometheus_writes_them() {
        let check = |value: f64, vector: &str, scalar: &str| {
            assert_eq!(written(|out| push_value(out, value)), format!("\"{vector}\""));
            assert_eq!(written(|out| push_scalar_value(out, value)), format!("\"{scalar}\""));
        };
        check(1.0, "1", "1");
        check(-0.0, "-0", "-0");
        check(f64::NAN, "NaN", "NaN");
        check(f64::INFINITY, "+Inf", "+Inf");
        check(f64::NEG_INFINITY, "-Inf", "-Inf");
        check(0.034_482_758_620_689_655, "0.034482758620689655", "0.034482758620689655");
        check(1e6, "1000000", "1000000");
        check(1e20, "100000000000000000000", "100000000000000000000");
        check(1e21, "1e+21", "1000000000000000000000");
        check(5e26, "5e+26", "500000000000000000000000000");
        check(1e100, "1e+100", &format!("1{}", "0".repeat(100)));
        check(0.000_001, "0.000001", "0.000001");
        check(1.5e-7, "1.5e-07", "0.00000015");
        check(-1e-10, "-1e-10", "-0.0000000001");
        check(123_456_789_012_345_678.0, "123456789012345680", "123456789012345680");
        check(9_007_199_254_740_993.0, "9007199254740992", "9007199254740992");
        check(1234.5, "1234.5", "1234.5");
        check(0.1, "0.1", "0.1");
        check(5e-324, "5e-324", &format!("0.{}5", "0".repeat(323)));
    }

    #[test]
    fn timestamps_are_seconds() {
        let check = |ms: i64, long: &str, short: &str| {
            assert_eq!(written(|out| push_timestamp(out, ms)), long);
            assert_eq!(written(|out| push_short_timestamp(out, ms)), short);
        };
        check(0, "0", "0");
        check(1_795_374_310_124, "1795374310.124", "1795374310.124");
        check(1500, "1.500", "1.5");
        check(-1500, "-1.500", "-1.5");
        check(-1, "-0.001", "-0.001");
        check(10_000, "10", "10");
        check(1_050, "1.050", "1.05");
        check(i64::MIN, "-9223372036854775.808", "-9223372036854775.808");
    }

    #[test]
    fn texts_are_escaped_as_far_as_their_place_needs() {
        let text = "<&>\u{2028}\u{1}\\\"\n\t\u{8}\u{7f}é";
        let plain = "\"<&>\u{2028}\\u0001\\\\\\\"\\n\\t\\u0008\u{7f}é\"";
        let escaped = "\"\\u003c\\u0026\\u003e\\u2028\\u0001\\\\\\\"\\n\\t\\u0008\u{7f}é\"";
        assert_eq!(written(|out| push_text(out, text)), plain);
        assert_eq!(written(|out| push_escaped_text(out, text)), escaped);
        assert_eq!(String::from_utf8(to_go_json(text)).unwrap(), escaped);
        assert_eq!(written(|out| push_escaped_text(out, "a<b")), "\"a\\u003cb\"");
    }
}
