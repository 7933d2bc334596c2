//! The value of an attribute, owned, and the text it is searched and printed as.
//!
//! Input: a [`ValueRef`], whose lists are still encoded as protobuf. Output: [`Value`], and the text that Jaeger compares tags with (Go's
//! `pcommon.Value.AsString`: numbers in JSON's notation, bytes in base64, lists and maps as JSON with sorted keys). Damaged protobuf,
//! which the decoder never lets through, reads as what comes before the damage.

use crate::span::ValueRef;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::fmt::Write;

/// The value of an attribute.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Value {
    /// No value.
    #[default]
    Empty,
    /// A string.
    Text(String),
    /// A boolean.
    Bool(bool),
    /// A signed integer.
    Int(i64),
    /// A floating-point number.
    Double(f64),
    /// Bytes.
    Bytes(Vec<u8>),
    /// A list.
    Array(Vec<Value>),
    /// Keys and values, in the order sent; a key may occur twice in a bad payload.
    Map(Vec<(String, Value)>),
}

impl From<ValueRef<'_>> for Value {
    fn from(value: ValueRef<'_>) -> Self {
        match value {
            ValueRef::Empty => Self::Empty,
            ValueRef::Text(text) => Self::Text(text.to_owned()),
            ValueRef::Bool(value) => Self::Bool(value),
            ValueRef::Int(value) => Self::Int(value),
            ValueRef::Double(value) => Self::Double(value),
            ValueRef::Bytes(bytes) => Self::Bytes(bytes.to_owned()),
            ValueRef::Array(message) => Self::Array(read_array(message, DEPTH)),
            ValueRef::Map(message) => Self::Map(read_map(message, DEPTH)),
        }
    }
}

impl Value {
    /// The text that a search compares with, and that a list or map is printed as.
    pub fn as_text(&self) -> String {
        match self {
            Self::Empty => String::new(),
            Self::Text(text) => text.clone(),
            Self::Bool(value) => value.to_string(),
            Self::Int(value) => value.to_string(),
            Self::Double(value) => double_text(*value),
            Self::Bytes(bytes) => STANDARD.encode(bytes),
            Self::Array(_) | Self::Map(_) => {
                let mut out = String::new();
                self.write_json(&mut out);
                out
            }
        }
    }

    fn write_json(&self, out: &mut String) {
        match self {
            Self::Empty => out.push_str("null"),
            Self::Text(text) => write_json_text(out, text),
            Self::Bool(_) | Self::Int(_) => out.push_str(&self.as_text()),
            Self::Double(value) if value.is_finite() => out.push_str(&double_text(*value)),
            Self::Double(value) => write_json_text(out, &double_text(*value)),
            Self::Bytes(bytes) => write_json_text(out, &STANDARD.encode(bytes)),
            Self::Array(items) => {
                out.push('[');
                for (at, item) in items.iter().enumerate() {
                    if at > 0 {
                        out.push(',');
                    }
                    item.write_json(out);
                }
                out.push(']');
            }
            Self::Map(pairs) => {
                let mut sorted: Vec<_> = pairs.iter().collect();
                sorted.sort_by(|a, b| a.0.cmp(&b.0));
                out.push('{');
                for (at, (key, value)) in sorted.into_iter().enumerate() {
                    if at > 0 {
                        out.push(',');
                    }
                    write_json_text(out, key);
                    out.push(':');
                    value.write_json(out);
                }
                out.push('}');
            }
        }
    }
}

/// A number as ECMAScript prints it: `2.0` is `2`, very large and small ones have an exponent.
pub(crate) fn double_text(value: f64) -> String {
    let size = value.abs();
    if value.is_nan() {
        "NaN".to_owned()
    } else if value.is_infinite() {
        if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned()
    } else if size != 0.0 && !(1e-6..1e21).contains(&size) {
        let text = format!("{value:e}");
        match text.split_once('e') {
            Some((mantissa, exponent)) if !exponent.starts_with('-') => format!("{mantissa}e+{exponent}"),
            _ => text,
        }
    } else {
        format!("{value}")
    }
}

/// A JSON string with what Go's encoder escapes.
fn write_json_text(out: &mut String, text: &str) {
    out.push('"');
    for letter in text.chars() {
        match letter {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' | '\0'..'\u{20}' => {
                // Writing into a string cannot fail.
                let _ = write!(out, "\\u{:04x}", letter as u32);
            }
            _ => out.push(letter),
        }
    }
    out.push('"');
}

/// How deep lists may nest; deeper ones read as empty. The decoder refuses less deep ones already.
const DEPTH: usize = 64;

fn read_array(message: &[u8], depth: usize) -> Vec<Value> {
    let items = Fields(message).filter(|(number, _)| *number == 1);
    items.map(|(_, field)| read_value(field.bytes(), depth)).collect()
}

fn read_map(message: &[u8], depth: usize) -> Vec<(String, Value)> {
    let pair = |message| {
        let (mut key, mut value) = (String::new(), Value::Empty);
        for (number, field) in Fields(message) {
            match number {
                1 => key = String::from_utf8_lossy(field.bytes()).into_owned(),
                2 => value = read_value(field.bytes(), depth),
                _ => {}
            }
        }
        (key, value)
    };
    Fields(message).filter(|(number, _)| *number == 1).map(|(_, field)| pair(field.bytes())).collect()
}

/// `AnyValue`: the last of its fields counts.
fn read_value(message: &[u8], depth: usize) -> Value {
    let Some(depth) = depth.checked_sub(1) else { return Value::Empty };
    Fields(message).fold(Value::Empty, |earlier, (number, field)| match number {
        1 => Value::Text(String::from_utf8_lossy(field.bytes()).into_owned()),
        2 => Value::Bool(field.number() != 0),
        3 => Value::Int(field.number().cast_signed()),
        4 => Value::Double(f64::from_bits(field.number())),
        5 => Value::Array(read_array(field.bytes(), depth)),
        6 => Value::Map(read_map(field.bytes(), depth)),
        7 => Value::Bytes(field.bytes().to_owned()),
        _ => earlier,
    })
}

/// A field of a protobuf message.
enum Field<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

impl<'a> Field<'a> {
    fn bytes(&self) -> &'a [u8] {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::Number(_) => &[],
        }
    }

    fn number(&self) -> u64 {
        match self {
            Self::Number(number) => *number,
            Self::Bytes(_) => 0,
        }
    }
}

/// The fields of a protobuf message; ends early where it is damaged.
struct Fields<'a>(&'a [u8]);

impl<'a> Iterator for Fields<'a> {
    type Item = (u64, Field<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let mut wire = crate::wire::Wire(self.0);
        if wire.is_empty() {
            return None;
        }
        let tag = wire.uvarint()?;
        let field = match tag & 7 {
            0 => Field::Number(wire.uvarint()?),
            1 => Field::Number(u64::from_le_bytes(wire.array()?)),
            2 => Field::Bytes(wire.block()?),
            5 => Field::Number(u64::from(u32::from_le_bytes(wire.array()?))),
            _ => return None,
        };
        self.0 = wire.0;
        Some((tag >> 3, field))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_those_jaeger_compares_with() {
        let check = |value: Value, expected: &str| assert_eq!(value.as_text(), expected, "{value:?}");
        check(Value::Empty, "");
        check(Value::Text("a\"b".into()), "a\"b");
        check(Value::Bool(true), "true");
        check(Value::Int(-10), "-10");
        check(Value::Double(2.0), "2");
        check(Value::Double(0.25), "0.25");
        check(Value::Double(1e21), "1e+21");
        check(Value::Double(1e-7), "1e-7");
        check(Value::Bytes(b"ab".to_vec()), "YWI=");
        check(Value::Bytes(b"abc".to_vec()), "YWJj");
        check(Value::Bytes(b"abcd".to_vec()), "YWJjZA==");
        check(
            Value::Array(vec![Value::Int(1), Value::Text("<x>".into()), Value::Empty]),
            r#"[1,"\u003cx\u003e",null]"#,
        );
        let map = vec![("b".to_owned(), Value::Bool(false)), ("a".to_owned(), Value::Array(Vec::new()))];
        check(Value::Map(map), r#"{"a":[],"b":false}"#);
    }

    #[test]
    fn lists_are_read_from_protobuf() {
        let array = [0x0a, 2, 0x18, 5, 0x0a, 3, 0x0a, 1, b'x'];
        assert_eq!(
            Value::from(ValueRef::Array(&array)),
            Value::Array(vec![Value::Int(5), Value::Text("x".into())])
        );
        let map = [0x0a, 7, 0x0a, 1, b'k', 0x12, 2, 0x10, 1];
        assert_eq!(Value::from(ValueRef::Map(&map)), Value::Map(vec![("k".into(), Value::Bool(true))]));
        assert_eq!(Value::from(ValueRef::Array(&array[..6])), Value::Array(vec![Value::Int(5)]));
    }
}
