//! A key and a value as a slice of bytes: the form in which batches and segments hold attributes, compared and hashed as a whole.
//!
//! ```text
//! slice = length of key (varint)  key  value
//! value = type (1 byte: see below)  bytes up to the end
//! type    0 empty   1 text   2 bool (1 byte)   3 integer (zigzag varint)   4 double (8 bytes, little endian)   5 bytes
//!         6 array (protobuf ArrayValue)   7 map (protobuf KeyValueList)
//! ```
//!
//! A text that is no attribute (the name of an event, a status message) is a slice with an empty key. Input: [`AttributeRef`]s. Output:
//! slices, and what a tag of a search is compared with. It knows no dictionary.

use crate::span::{AttributeRef, ValueRef};
use crate::value::Value;
use crate::wire::{Wire, push_uvarint, uvarint_len};

/// Appends a slice, preceded by its length.
#[inline]
pub(crate) fn put_slice(out: &mut Vec<u8>, attribute: &AttributeRef<'_>) {
    let key = attribute.key.as_bytes();
    let text = match attribute.value {
        ValueRef::Text(text) => text.as_bytes(),
        other => return put_other(out, key, other),
    };
    push_uvarint(out, (uvarint_len(key.len() as u64) + key.len() + 1 + text.len()) as u64);
    push_uvarint(out, key.len() as u64);
    out.extend_from_slice(key);
    out.push(1);
    out.extend_from_slice(text);
}

/// Appends a slice with an empty key, preceded by its length.
#[inline]
pub(crate) fn put_text_slice(out: &mut Vec<u8>, text: &str) {
    put_slice(out, &AttributeRef { key: "", value: ValueRef::Text(text) });
}

fn put_other(out: &mut Vec<u8>, key: &[u8], value: ValueRef<'_>) {
    let mut number = [0; 16];
    let (kind, bytes): (u8, &[u8]) = match value {
        ValueRef::Empty => (0, &[]),
        ValueRef::Text(text) => (1, text.as_bytes()),
        ValueRef::Bool(value) => {
            number[0] = u8::from(value);
            (2, &number[..1])
        }
        ValueRef::Int(value) => {
            let length = put_integer(&mut number, value);
            (3, &number[..length])
        }
        ValueRef::Double(value) => {
            number[..8].copy_from_slice(&value.to_le_bytes());
            (4, &number[..8])
        }
        ValueRef::Bytes(bytes) => (5, bytes),
        ValueRef::Array(message) => (6, message),
        ValueRef::Map(message) => (7, message),
    };
    push_uvarint(out, (uvarint_len(key.len() as u64) + key.len() + 1 + bytes.len()) as u64);
    push_uvarint(out, key.len() as u64);
    out.extend_from_slice(key);
    out.push(kind);
    out.extend_from_slice(bytes);
}

fn put_integer(out: &mut [u8; 16], value: i64) -> usize {
    let mut rest = ((value << 1) ^ (value >> 63)).cast_unsigned();
    let mut length = 0;
    while rest >= 0x80 {
        out[length] = rest as u8 | 0x80;
        rest >>= 7;
        length += 1;
    }
    out[length] = rest as u8;
    length + 1
}

/// Splits a slice into key and value.
#[inline]
pub(crate) fn split_slice(slice: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut wire = Wire(slice);
    let key = wire.block()?;
    Some((key, wire.0))
}

/// Reads a value.
pub(crate) fn read_value(value: &[u8]) -> Option<ValueRef<'_>> {
    let (kind, bytes) = value.split_first()?;
    Some(match kind {
        0 => ValueRef::Empty,
        1 => ValueRef::Text(std::str::from_utf8(bytes).ok()?),
        2 => ValueRef::Bool(*bytes.first()? != 0),
        3 => ValueRef::Int(Wire(bytes).varint()?),
        4 => ValueRef::Double(f64::from_le_bytes(bytes.try_into().ok()?)),
        5 => ValueRef::Bytes(bytes),
        6 => ValueRef::Array(bytes),
        7 => ValueRef::Map(bytes),
        _ => return None,
    })
}

/// Whether a value, as text, is the text of a tag.
pub(crate) fn value_is(value: &[u8], text: &str) -> bool {
    match value.split_first() {
        Some((1, bytes)) => bytes == text.as_bytes(),
        Some((0, _)) => text.is_empty(),
        _ => read_value(value).is_some_and(|value| Value::from(value).as_text() == text),
    }
}

/// Whether a list of slices has one with this key and, as text, this value.
pub(crate) fn any_slice_is(slices: &[u8], key: &str, text: &str) -> bool {
    let mut wire = Wire(slices);
    while let Some(slice) = wire.block() {
        if split_slice(slice).is_some_and(|(k, value)| k == key.as_bytes() && value_is(value, text)) {
            return true;
        }
    }
    false
}

/// A number for a key and the text of its value, the same in every run: it is on the disk, in the filters of a segment.
#[inline]
pub(crate) fn tag_hash(key: &[u8], text: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(key) ^ 0x5bd1_e995, text)
}

/// [`tag_hash`] of a value.
#[inline]
pub(crate) fn value_hash(key: &[u8], value: &[u8]) -> u32 {
    match value.split_first() {
        Some((1, text)) => tag_hash(key, text),
        _ => {
            let text = read_value(value).map(|value| Value::from(value).as_text()).unwrap_or_default();
            tag_hash(key, text.as_bytes())
        }
    }
}

/// A list of slices as attributes.
pub(crate) fn read_slices(slices: &[u8]) -> Vec<(String, Value)> {
    let mut wire = Wire(slices);
    let mut attributes = Vec::new();
    while let Some((key, value)) = wire.block().and_then(split_slice) {
        attributes.push(owned(key, value));
    }
    attributes
}

pub(crate) fn owned(key: &[u8], value: &[u8]) -> (String, Value) {
    (String::from_utf8_lossy(key).into_owned(), read_value(value).map(Value::from).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_come_back_and_match_as_text() {
        let check = |value: ValueRef<'_>, text: &str| {
            let mut out = Vec::new();
            put_slice(&mut out, &AttributeRef { key: "k", value });
            let slice = Wire(&out).block().unwrap();
            let (key, bytes) = split_slice(slice).unwrap();
            assert_eq!((key, read_value(bytes)), (&b"k"[..], Some(value)));
            assert!(value_is(bytes, text) && !value_is(bytes, "other"), "{value:?} is {text:?}");
            assert!(any_slice_is(&out, "k", text) && !any_slice_is(&out, "j", text));
            assert_eq!(value_hash(key, bytes), tag_hash(b"k", text.as_bytes()));
        };
        check(ValueRef::Empty, "");
        check(ValueRef::Text("x"), "x");
        check(ValueRef::Bool(true), "true");
        check(ValueRef::Int(-3), "-3");
        check(ValueRef::Int(i64::MIN), "-9223372036854775808");
        check(ValueRef::Double(2.0), "2");
        check(ValueRef::Bytes(b"abc"), "YWJj");
        check(ValueRef::Array(&[0x0a, 2, 0x18, 5]), "[5]");
        check(ValueRef::Map(&[]), "{}");
        let mut number = [0; 16];
        let length = put_integer(&mut number, -70_000);
        let mut expected = Vec::new();
        crate::wire::push_varint(&mut expected, -70_000);
        assert_eq!(number[..length], expected);
    }
}
