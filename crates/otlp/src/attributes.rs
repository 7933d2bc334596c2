//! Keys and values.
//!
//! Input: the bytes of `KeyValue` and `AnyValue`. Output: borrowed attributes. A list or map stays as it came, after all that is in it has
//! been checked, so that whoever reads it later meets no surprise. A text that is not UTF-8 becomes bytes, as in Jaeger, where that can be
//! said, and refuses its span elsewhere.

use crate::Refusal;
use crate::wire::{BYTES, FIXED64, Fault, Fields, VARINT, known, tag};
use tidewatch_traces::{AttributeRef, ValueRef};

/// How deep lists and maps of a value may be nested. Jaeger has no bound; instrumentations stay below five.
pub const MAX_VALUE_DEPTH: usize = 32;

const KEY_VALUE_KEY: u32 = tag(1, BYTES);
const KEY_VALUE_VALUE: u32 = tag(2, BYTES);

const STRING_VALUE: u32 = tag(1, BYTES);
const BOOL_VALUE: u32 = tag(2, VARINT);
const INT_VALUE: u32 = tag(3, VARINT);
const DOUBLE_VALUE: u32 = tag(4, FIXED64);
const ARRAY_VALUE: u32 = tag(5, BYTES);
const KVLIST_VALUE: u32 = tag(6, BYTES);
const BYTES_VALUE: u32 = tag(7, BYTES);

/// `values` of both `ArrayValue` and `KeyValueList`.
const LIST_VALUES: u32 = tag(1, BYTES);

/// What is wrong with a span whose bytes are a message.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Troubles {
    pub(crate) refusal: Option<Refusal>,
    pub(crate) repaired_texts: u64,
}

impl Troubles {
    #[cold]
    pub(crate) fn refuse(&mut self, reason: Refusal) {
        self.refusal.get_or_insert(reason);
    }

    /// A text; one that is not UTF-8 refuses the span.
    #[inline]
    pub(crate) fn text<'a>(&mut self, bytes: &'a [u8]) -> &'a str {
        match str::from_utf8(bytes) {
            Ok(text) => text,
            Err(_) => {
                self.refuse(Refusal::InvalidUtf8);
                ""
            }
        }
    }

    /// An id; an empty one is not there, another length refuses the span.
    #[inline]
    pub(crate) fn id<const LENGTH: usize>(&mut self, bytes: &[u8]) -> [u8; LENGTH] {
        match bytes.try_into() {
            Ok(id) => id,
            Err(_) => {
                if !bytes.is_empty() {
                    self.refuse(Refusal::IdLength);
                }
                [0; LENGTH]
            }
        }
    }

    #[inline]
    pub(crate) fn attribute<'a>(&mut self, message: &'a [u8]) -> Result<AttributeRef<'a>, Fault> {
        self.key_value(message, 0)
    }

    #[inline]
    fn key_value<'a>(&mut self, message: &'a [u8], depth: usize) -> Result<AttributeRef<'a>, Fault> {
        let mut attribute = AttributeRef { key: "", value: ValueRef::Empty };
        let mut fields = Fields::new(message);
        while let Some(tag) = fields.tag()? {
            match tag {
                KEY_VALUE_KEY => attribute.key = self.text(fields.bytes()?),
                KEY_VALUE_VALUE => self.value(fields.bytes()?, depth, &mut attribute.value)?,
                _ => fields.skip(tag, known(1..=2))?,
            }
        }
        Ok(attribute)
    }

    /// Reads a value over the one that is there: a message that comes in parts is one message.
    #[inline]
    fn value<'a>(&mut self, message: &'a [u8], depth: usize, value: &mut ValueRef<'a>) -> Result<(), Fault> {
        let mut fields = Fields::new(message);
        while let Some(tag) = fields.tag()? {
            *value = match tag {
                STRING_VALUE => self.string_value(fields.bytes()?, depth),
                BOOL_VALUE => ValueRef::Bool(fields.varint()? != 0),
                INT_VALUE => ValueRef::Int(fields.varint()?.cast_signed()),
                DOUBLE_VALUE => ValueRef::Double(f64::from_bits(fields.fixed64()?)),
                BYTES_VALUE => ValueRef::Bytes(fields.bytes()?),
                ARRAY_VALUE => {
                    let list = fields.bytes()?;
                    self.check_list(list, depth + 1, |troubles, element| {
                        troubles.value(element, depth + 1, &mut ValueRef::Empty)
                    })?;
                    ValueRef::Array(list)
                }
                KVLIST_VALUE => {
                    let map = fields.bytes()?;
                    self.check_list(map, depth + 1, |troubles, pair| {
                        troubles.key_value(pair, depth + 1).map(drop)
                    })?;
                    ValueRef::Map(map)
                }
                _ => {
                    fields.skip(tag, known(1..=7))?;
                    continue;
                }
            };
        }
        Ok(())
    }

    #[inline]
    fn string_value<'a>(&mut self, bytes: &'a [u8], depth: usize) -> ValueRef<'a> {
        match str::from_utf8(bytes) {
            Ok(text) => ValueRef::Text(text),
            Err(_) => {
                if depth > 0 {
                    // It is handed on as it came.
                    self.refuse(Refusal::InvalidUtf8);
                }
                self.repaired_texts += 1;
                ValueRef::Bytes(bytes)
            }
        }
    }

    #[inline(never)]
    fn check_list<'a>(
        &mut self,
        message: &'a [u8],
        depth: usize,
        mut check: impl FnMut(&mut Self, &'a [u8]) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        if depth > MAX_VALUE_DEPTH {
            self.refuse(Refusal::ValueTooDeep);
            return Ok(());
        }
        let mut fields = Fields::new(message);
        while let Some(tag) = fields.tag()? {
            match tag {
                LIST_VALUES => check(self, fields.bytes()?)?,
                _ => fields.skip(tag, known(1..=1))?,
            }
        }
        Ok(())
    }
}
