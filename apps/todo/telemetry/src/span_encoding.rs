//! Spans as bytes of `opentelemetry/proto/trace/v1/trace.proto`.
//!
//! Input: names, numbers and texts. Output: protobuf fields appended to a buffer, so that a span is written once, while it is made,
//! and never copied into a tree. Deliberately only what this application sends: no lists, no nested values.

/// Longest text of an attribute, in bytes: longer ones are cut.
const MAX_TEXT_BYTES: usize = 1024;

const VARINT: u32 = 0;
const FIXED64: u32 = 1;
const LENGTH: u32 = 2;
const FIXED32: u32 = 5;

/// The value of an attribute.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum AttributeValue<'a> {
    /// A text; cut after 1024 bytes.
    Text(&'a str),
    /// A whole number.
    Int(i64),
    /// A yes or no.
    Bool(bool),
}

impl<'a> From<&'a str> for AttributeValue<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(text)
    }
}

impl<'a> From<&'a String> for AttributeValue<'a> {
    fn from(text: &'a String) -> Self {
        Self::Text(text)
    }
}

impl From<i64> for AttributeValue<'_> {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}

impl From<u16> for AttributeValue<'_> {
    fn from(number: u16) -> Self {
        Self::Int(i64::from(number))
    }
}

impl From<bool> for AttributeValue<'_> {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

/// `text`, cut at a character's edge.
pub(crate) fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(MAX_TEXT_BYTES)]
}

pub(crate) fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn varint_length(value: u64) -> usize {
    (64 - (value | 1).leading_zeros() as usize).div_ceil(7)
}

fn tag(out: &mut Vec<u8>, field: u32, wire_type: u32) {
    varint(out, u64::from(field << 3 | wire_type));
}

pub(crate) fn put_number(out: &mut Vec<u8>, field: u32, value: u64) {
    tag(out, field, VARINT);
    varint(out, value);
}

pub(crate) fn put_fixed64(out: &mut Vec<u8>, field: u32, value: u64) {
    tag(out, field, FIXED64);
    out.extend_from_slice(&value.to_le_bytes());
}

pub(crate) fn put_fixed32(out: &mut Vec<u8>, field: u32, value: u32) {
    tag(out, field, FIXED32);
    out.extend_from_slice(&value.to_le_bytes());
}

/// A text, bytes, or a message that is already written.
pub(crate) fn put_bytes(out: &mut Vec<u8>, field: u32, bytes: &[u8]) {
    put_length(out, field, bytes.len());
    out.extend_from_slice(bytes);
}

/// The head of a field whose `length` bytes follow.
pub(crate) fn put_length(out: &mut Vec<u8>, field: u32, length: usize) {
    tag(out, field, LENGTH);
    varint(out, length as u64);
}

/// One `KeyValue`. Its lengths are computed, not patched in afterwards.
pub(crate) fn put_attribute(out: &mut Vec<u8>, field: u32, key: &str, value: AttributeValue<'_>) {
    let value = match value {
        AttributeValue::Text(text) => AttributeValue::Text(cut(text)),
        other => other,
    };
    let value_length = 1 + match value {
        AttributeValue::Text(text) => varint_length(text.len() as u64) + text.len(),
        AttributeValue::Int(number) => varint_length(number as u64),
        AttributeValue::Bool(_) => 1,
    };
    let key_length = 1 + varint_length(key.len() as u64) + key.len();
    put_length(out, field, key_length + 1 + varint_length(value_length as u64) + value_length);
    put_bytes(out, 1, key.as_bytes());
    put_length(out, 2, value_length);
    match value {
        AttributeValue::Text(text) => put_bytes(out, 1, text.as_bytes()),
        AttributeValue::Bool(value) => put_number(out, 2, u64::from(value)),
        AttributeValue::Int(number) => put_number(out, 3, number as u64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attribute_is_a_key_value_message() {
        let check = |value: AttributeValue<'_>, expected: &[u8]| {
            let mut out = Vec::new();
            put_attribute(&mut out, 9, "k", value);
            assert_eq!(out, expected, "{value:?}");
        };
        check(AttributeValue::Text("ab"), &[0x4a, 9, 0x0a, 1, b'k', 0x12, 4, 0x0a, 2, b'a', b'b']);
        check(AttributeValue::Int(200), &[0x4a, 8, 0x0a, 1, b'k', 0x12, 3, 0x18, 0xc8, 1]);
        check(AttributeValue::Bool(true), &[0x4a, 7, 0x0a, 1, b'k', 0x12, 2, 0x10, 1]);
        let minus = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1];
        check(AttributeValue::Int(-1), &[&[0x4a, 16, 0x0a, 1, b'k', 0x12, 11, 0x18][..], &minus].concat());
    }

    #[test]
    fn a_long_text_is_cut_between_characters() {
        assert_eq!(cut("short"), "short");
        assert_eq!(cut(&"ä".repeat(600)).len(), 1024);
        assert_eq!(cut(&format!("a{}", "ä".repeat(600))).len(), 1023);
    }
}
