//! Numbers, texts and label sets the way Go prints them, because Prometheus's messages and labels contain them.
//!
//! Input: values. Output: text. Only what messages, `count_values` and the canonical form of expressions need.

use std::fmt::Write;
use tidewatch_model::{Labels, is_valid_label_name, push_go_float, push_open_metrics_float};

fn special(value: f64) -> Option<&'static str> {
    if value.is_nan() {
        Some("NaN")
    } else if value == f64::INFINITY {
        Some("+Inf")
    } else if value == f64::NEG_INFINITY {
        Some("-Inf")
    } else {
        None
    }
}

fn scientific(negative: bool, digits: &str, exponent: i32) -> String {
    let (first, rest) = digits.split_at(1);
    let point = if rest.is_empty() { "" } else { "." };
    let sign = if negative { "-" } else { "" };
    let exponent_sign = if exponent < 0 { '-' } else { '+' };
    format!("{sign}{first}{point}{rest}e{exponent_sign}{:02}", exponent.abs())
}

/// `%g` and `%v`: the shortest text, with an exponent below 1e-4 and from 1e6 on.
pub(crate) fn general(value: f64) -> String {
    let mut text = String::new();
    push_go_float(&mut text, value);
    text
}

/// `%.2g`: two significant digits.
pub(crate) fn two_digits(value: f64) -> String {
    if let Some(text) = special(value) {
        return text.to_owned();
    }
    let text = format!("{:.1e}", value.abs());
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let digits = mantissa.replace('.', "");
    let digits = if digits.ends_with('0') { &digits[..1] } else { &digits };
    if value != 0.0 && !(-4..2).contains(&exponent) {
        return scientific(value.is_sign_negative(), digits, exponent);
    }
    let rounded: f64 = text.parse().unwrap_or(value);
    format!("{}", rounded.copysign(value))
}

/// `strconv.FormatFloat(value, 'f', -1, 64)`: the shortest text without an exponent.
pub(crate) fn plain(value: f64) -> String {
    special(value).map_or_else(|| format!("{value}"), str::to_owned)
}

/// How OpenMetrics writes a number in a label: `1.0`, `0.5`, `1e+06`.
pub(crate) fn open_metrics(value: f64) -> String {
    let mut text = String::new();
    push_open_metrics_float(&mut text, value);
    text
}

/// `%f`: six decimals.
pub(crate) fn fixed(value: f64) -> String {
    special(value).map_or_else(|| format!("{value:.6}"), str::to_owned)
}

/// `%q`: a double-quoted text.
pub(crate) fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        push_escaped(&mut quoted, c, '"');
    }
    quoted.push('"');
    quoted
}

/// `%q` of a character.
pub(crate) fn quote_char(c: char) -> String {
    let mut quoted = String::from("'");
    push_escaped(&mut quoted, c, '\'');
    quoted.push('\'');
    quoted
}

fn push_escaped(out: &mut String, c: char, delimiter: char) {
    match c {
        '\\' => out.push_str("\\\\"),
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        '\u{7}' => out.push_str("\\a"),
        '\u{8}' => out.push_str("\\b"),
        '\u{c}' => out.push_str("\\f"),
        '\u{b}' => out.push_str("\\v"),
        c if c == delimiter => {
            out.push('\\');
            out.push(c);
        }
        c if (c as u32) < 0x20 || c as u32 == 0x7f => _ = write!(out, "\\x{:02x}", c as u32),
        c if c.is_control() || ('\u{e000}'..='\u{f8ff}').contains(&c) => {
            _ = write!(out, "\\u{:04x}", c as u32);
        }
        c => out.push(c),
    }
}

/// A label set as Prometheus writes it in messages: every label in braces, the name included.
pub(crate) fn labels(labels: &Labels) -> String {
    let mut text = String::from("{");
    for (at, (name, value)) in labels.iter().enumerate() {
        if at > 0 {
            text.push_str(", ");
        }
        if is_valid_label_name(name) {
            text.push_str(name);
        } else {
            text.push_str(&quote(name));
        }
        text.push('=');
        text.push_str(&quote(value));
    }
    text.push('}');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_print_as_in_go() {
        let check = |value: f64, expected: [&str; 3]| {
            assert_eq!([general(value), two_digits(value), open_metrics(value)], expected, "{value:?}");
        };
        check(1.0, ["1", "1", "1.0"]);
        check(0.1, ["0.1", "0.1", "0.1"]);
        check(-1.5, ["-1.5", "-1.5", "-1.5"]);
        check(1234.5, ["1234.5", "1.2e+03", "1234.5"]);
        check(1e6, ["1e+06", "1e+06", "1e+06"]);
        check(123456.0, ["123456", "1.2e+05", "123456.0"]);
        check(2.5e-5, ["2.5e-05", "2.5e-05", "2.5e-05"]);
        check(99.9, ["99.9", "1e+02", "99.9"]);
        check(0.0, ["0", "0", "0.0"]);
        check(f64::NAN, ["NaN", "NaN", "NaN"]);
        check(f64::INFINITY, ["+Inf", "+Inf", "+Inf"]);
    }

    #[test]
    fn texts_print_as_in_go() {
        assert_eq!(quote("a\"b\\\n\u{1}é"), "\"a\\\"b\\\\\\n\\x01é\"");
        assert_eq!(quote_char('\''), "'\\''");
        let set = Labels::from_pairs([("__name__", "up"), ("a.b", "x")]);
        assert_eq!(labels(&set), "{__name__=\"up\", \"a.b\"=\"x\"}");
    }
}
