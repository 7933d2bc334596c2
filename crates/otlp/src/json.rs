//! A request in OTLP's JSON as the same request in protobuf.
//!
//! Input: JSON text. Output: protobuf bytes for the one decoder. The rules are protobuf's JSON with OTLP's changes: ids are hexadecimal,
//! 64-bit integers may be texts or numbers, enumerations numbers or names, unknown fields are ignored, null is "not there". The text is
//! written over as it is read, so that what it takes is bounded by a small multiple of its length; nesting is bounded by the JSON
//! reader. Lengths of ids are the decoder's to judge.

use crate::schema::{Field, Kind, Message, REQUEST};
use crate::wire::{FIXED32, FIXED64, VARINT, tag};
use crate::{OtlpError, put};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use base64::{Engine, alphabet};
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::fmt;
use tidewatch_model::{push_uvarint, read_hex};

/// Rewrites a request.
///
/// # Errors
/// When the text is not JSON, or a field has another type than the protocol says.
pub fn json_to_protobuf(text: &[u8]) -> Result<Vec<u8>, OtlpError> {
    let failed = |error: serde_json::Error| OtlpError::Json(error.to_string());
    let mut out = Vec::with_capacity(text.len() / 2);
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    let request = MessageReader { message: &REQUEST, out: &mut out };
    deserializer.deserialize_map(request).map_err(failed)?;
    deserializer.end().map_err(failed)?;
    Ok(out)
}

/// Reads an object as a message.
struct MessageReader<'o> {
    message: &'static Message,
    out: &'o mut Vec<u8>,
}

impl<'de> Visitor<'de> for MessageReader<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(field) = map.next_key_seed(FieldName(self.message))? {
            match field {
                Some(field) => map.next_value_seed(ValueReader { field, listed: false, out: self.out })?,
                None => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }
}

/// Finds the field that a key names.
struct FieldName(&'static Message);

impl<'de> DeserializeSeed<'de> for FieldName {
    type Value = Option<&'static Field>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for FieldName {
    type Value = Option<&'static Field>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a field name")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Self::Value, E> {
        Ok(self.0.fields.iter().find(|field| field.name == name || field.original_name == name))
    }
}

/// Reads the value of a field, or one of the values of a repeated field.
struct ValueReader<'o> {
    field: &'static Field,
    /// Whether this is one of several values.
    listed: bool,
    out: &'o mut Vec<u8>,
}

impl ValueReader<'_> {
    fn refused<E: Error>(&self, found: impl fmt::Display) -> E {
        E::custom(format_args!("{}: {found} instead of {}", self.field.name, Expected(self)))
    }

    fn put_tag(&mut self, wire_type: u32) {
        push_uvarint(self.out, tag(self.field.number, wire_type).into());
    }

    fn put_varint(&mut self, value: u64) {
        self.put_tag(VARINT);
        push_uvarint(self.out, value);
    }

    fn put_fixed64(&mut self, value: u64) {
        self.put_tag(FIXED64);
        self.out.extend_from_slice(&value.to_le_bytes());
    }

    /// Whether a value that is no list may stand here.
    fn takes_single(&self) -> bool {
        self.listed || !self.field.repeated
    }

    /// Writes a number, if the field takes it.
    fn number<E: Error>(mut self, value: i128) -> Result<(), E> {
        if !self.takes_single() {
            return Err(self.refused(value));
        }
        let refused = |this: &Self| Err(this.refused(value));
        match self.field.kind {
            Kind::Int64 => match i64::try_from(value) {
                Ok(value) => self.put_varint(value.cast_unsigned()),
                Err(_) => return refused(&self),
            },
            Kind::Enumeration(_) => match i32::try_from(value) {
                Ok(value) => self.put_varint(i64::from(value).cast_unsigned()),
                Err(_) => return refused(&self),
            },
            Kind::Uint32 => match u32::try_from(value) {
                Ok(value) => self.put_varint(value.into()),
                Err(_) => return refused(&self),
            },
            Kind::Fixed32 => match u32::try_from(value) {
                Ok(value) => {
                    self.put_tag(FIXED32);
                    self.out.extend_from_slice(&value.to_le_bytes());
                }
                Err(_) => return refused(&self),
            },
            Kind::Fixed64 => match u64::try_from(value) {
                Ok(value) => self.put_fixed64(value),
                Err(_) => return refused(&self),
            },
            Kind::Double => self.put_fixed64((value as f64).to_bits()),
            Kind::Message(_) | Kind::Text | Kind::Bytes | Kind::Hex | Kind::Bool => return refused(&self),
        }
        Ok(())
    }
}

/// What a value should be, for error texts.
struct Expected<'v, 'o>(&'v ValueReader<'o>);

impl fmt::Display for Expected<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.0.takes_single() {
            return f.write_str("a list");
        }
        f.write_str(match self.0.field.kind {
            Kind::Message(_) => "an object",
            Kind::Text => "a text",
            Kind::Bytes => "base64",
            Kind::Hex => "hexadecimal digits",
            Kind::Bool => "true or false",
            Kind::Int64 => "a 64-bit integer",
            Kind::Uint32 | Kind::Fixed32 => "an integer from 0 to 4294967295",
            Kind::Fixed64 => "an integer from 0 to 18446744073709551615",
            Kind::Double => "a number",
            Kind::Enumeration(_) => "the number or name of an enumeration",
        })
    }
}

impl<'de> DeserializeSeed<'de> for ValueReader<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ValueReader<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in {}", Expected(self), self.field.name)
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        if self.listed { Err(self.refused("null")) } else { Ok(()) }
    }

    fn visit_bool<E: Error>(mut self, value: bool) -> Result<(), E> {
        if !matches!(self.field.kind, Kind::Bool) {
            return Err(self.refused(value));
        }
        self.put_varint(value.into());
        Ok(())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
        self.number(value.into())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<(), E> {
        self.number(value.into())
    }

    fn visit_f64<E: Error>(mut self, value: f64) -> Result<(), E> {
        if matches!(self.field.kind, Kind::Double) {
            self.put_fixed64(value.to_bits());
            return Ok(());
        }
        // Integers may be written as 1e3. Every integer below 2^64 that is written so is one of i128's.
        if value.fract() == 0.0 && value.abs() < 2f64.powi(64) {
            return self.number(value as i128);
        }
        Err(self.refused(value))
    }

    fn visit_str<E: Error>(mut self, text: &str) -> Result<(), E> {
        if !self.takes_single() {
            return Err(self.refused(format_args!("{text:?}")));
        }
        let number = self.field.number;
        let taken = match self.field.kind {
            Kind::Text => {
                put::bytes(self.out, number, text.as_bytes());
                true
            }
            Kind::Hex => from_hex(text).map(|bytes| put::bytes(self.out, number, &bytes)).is_some(),
            Kind::Bytes => from_base64(text).map(|bytes| put::bytes(self.out, number, &bytes)).is_some(),
            Kind::Double => double_of(text).map(|value| self.put_fixed64(value.to_bits())).is_some(),
            Kind::Enumeration(names) => {
                let place = names.iter().position(|name| *name == text);
                place.map(|place| self.put_varint(place as u64)).is_some()
            }
            Kind::Int64 | Kind::Uint32 | Kind::Fixed32 | Kind::Fixed64 => match text.parse::<i128>() {
                Ok(value) => return self.number(value),
                Err(_) => false,
            },
            Kind::Message(_) | Kind::Bool => false,
        };
        if taken { Ok(()) } else { Err(self.refused(format_args!("{text:?}"))) }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        if self.takes_single() {
            return Err(self.refused("a list"));
        }
        while list
            .next_element_seed(ValueReader { listed: true, field: self.field, out: self.out })?
            .is_some()
        {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<(), A::Error> {
        let Kind::Message(message) = self.field.kind else {
            return Err(self.refused("an object"));
        };
        if !self.takes_single() {
            return Err(self.refused("an object"));
        }
        let began = put::begin(self.out, self.field.number);
        MessageReader { message, out: self.out }.visit_map(map)?;
        if put::end(self.out, began) { Ok(()) } else { Err(self.refused("an object of more than 256 MiB")) }
    }
}

fn double_of(text: &str) -> Option<f64> {
    match text {
        "NaN" => Some(f64::NAN),
        "Infinity" => Some(f64::INFINITY),
        "-Infinity" => Some(f64::NEG_INFINITY),
        _ => text.parse().ok().filter(|value: &f64| value.is_finite()),
    }
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let mut bytes = vec![0; text.len() / 2];
    read_hex(text.as_bytes(), &mut bytes).map(|()| bytes)
}

/// The bits that are left over of the last digit may be anything.
const UNPADDED: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::RequireNone)
        .with_decode_allow_trailing_bits(true),
);

/// Both alphabets of base64, with or without padding, as protobuf's JSON takes.
fn from_base64(text: &str) -> Option<Vec<u8>> {
    let unpadded = text.trim_end_matches('=');
    if text.len() - unpadded.len() > 2 {
        return None;
    }
    if unpadded.contains(['-', '_']) {
        return UNPADDED.decode(unpadded.replace('-', "+").replace('_', "/")).ok();
    }
    UNPADDED.decode(unpadded).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_in_all_its_forms() {
        let check = |text: &str, expected: Option<&[u8]>| {
            assert_eq!(from_base64(text).as_deref(), expected, "{text:?}");
        };
        check("", Some(b""));
        check("YQ==", Some(b"a"));
        check("YQ", Some(b"a"));
        check("YWI=", Some(b"ab"));
        check("YWJj", Some(b"abc"));
        check("-_8=", Some(b"\xfb\xff"));
        check("+/8=", Some(b"\xfb\xff"));
        check("-/8=", Some(b"\xfb\xff"));
        check("YR", Some(b"a"));
        check("YWJj==", Some(b"abc"));
        check("Y", None);
        check("YQ===", None);
        check("Y Q=", None);
        check("Y=Q=", None);
    }

    #[test]
    fn hexadecimal_in_both_cases() {
        let check = |text: &str, expected: Option<&[u8]>| {
            assert_eq!(from_hex(text).as_deref(), expected, "{text:?}");
        };
        check("", Some(b""));
        check("00fFAb", Some(b"\x00\xff\xab"));
        check("0", None);
        check("0g", None);
        check("é", None);
    }
}
