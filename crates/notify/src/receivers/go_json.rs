//! JSON exactly as Go's `encoding/json` writes it, so that what is sent is what Alertmanager sends, byte for byte.
//!
//! Input: a value whose fields stand in Go's order. Output: bytes with a line end. It differs from plain JSON in `<`, `>`, `&` and the
//! two Unicode line ends, which are escaped, and in how large and small numbers are written.

use serde::Serialize;
use serde_json::ser::{Formatter, Serializer};
use std::io::{self, Write};

/// The value as Go's `Encoder.Encode` writes it.
pub(crate) fn encode(value: &impl Serialize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(1024);
    let mut serializer = Serializer::with_formatter(&mut bytes, GoFormatter);
    value.serialize(&mut serializer).expect("plain data with text keys always has a JSON form");
    bytes.push(b'\n');
    bytes
}

struct GoFormatter;

impl Formatter for GoFormatter {
    fn write_string_fragment<W: ?Sized + Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        let mut rest = fragment;
        while let Some(at) = rest.find(['<', '>', '&', '\u{2028}', '\u{2029}']) {
            writer.write_all(&rest.as_bytes()[..at])?;
            let found = rest[at..].chars().next().expect("a character was found there");
            write!(writer, "\\u{:04x}", u32::from(found))?;
            rest = &rest[at + found.len_utf8()..];
        }
        writer.write_all(rest.as_bytes())
    }

    fn write_f64<W: ?Sized + Write>(&mut self, writer: &mut W, value: f64) -> io::Result<()> {
        let size = value.abs();
        if size == 0.0 || (1e-6..1e21).contains(&size) {
            return write!(writer, "{value}");
        }
        let text = format!("{value:e}");
        match text.split_once('e') {
            Some((digits, exponent)) if !exponent.starts_with('-') => write!(writer, "{digits}e+{exponent}"),
            _ => writer.write_all(text.as_bytes()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_and_numbers_are_written_as_go_writes_them() {
        let check = |value: serde_json::Value, expected: &str| {
            assert_eq!(String::from_utf8(encode(&value)).unwrap(), format!("{expected}\n"));
        };
        check("a<b>&c\u{2028}\u{2029}é".into(), r#""a\u003cb\u003e\u0026c\u2028\u2029é""#);
        check("\u{8}\u{c}\n\r\t\u{1}\"\\/\u{7f}".into(), "\"\\b\\f\\n\\r\\t\\u0001\\\"\\\\/\u{7f}\"");
        check(1.0.into(), "1");
        check(0.1.into(), "0.1");
        check(1e21.into(), "1e+21");
        check(1.5e-7.into(), "1.5e-7");
        check(123_456_789_012.5.into(), "123456789012.5");
        check((-3).into(), "-3");
    }
}
