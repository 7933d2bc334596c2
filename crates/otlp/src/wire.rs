//! The fields of a protobuf message, one after the other, borrowed from its bytes.
//!
//! ```text
//! message = { tag value }        tag = varint (number << 3 | wire type)
//! value   = varint               wire type 0
//!         | 8 bytes              wire type 1, little endian
//!         | varint bytes         wire type 2: length, then a text, bytes or a message
//!         | 4 bytes              wire type 5, little endian
//! ```
//!
//! Input: bytes from a client. Output: tags and values, or a [`Fault`]. Groups (wire types 3 and 4) are refused: OTLP never had any. It
//! knows no message; the callers match on tags.

use tidewatch_model::read_uvarint;

/// Why bytes are not a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) what: &'static str,
    /// Bytes that were left of the innermost message.
    rest: *const u8,
}

impl Fault {
    /// How far into `message`, which the faulty bytes are a part of, reading came.
    pub(crate) fn offset(&self, message: &[u8]) -> usize {
        (self.rest as usize).wrapping_sub(message.as_ptr() as usize).min(message.len())
    }
}

pub(crate) const VARINT: u32 = 0;
pub(crate) const FIXED64: u32 = 1;
pub(crate) const BYTES: u32 = 2;
pub(crate) const FIXED32: u32 = 5;

/// The tag of a field.
pub(crate) const fn tag(number: u32, wire_type: u32) -> u32 {
    number << 3 | wire_type
}

/// What is left of a message.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    pub(crate) fn new(message: &'a [u8]) -> Self {
        Self { rest: message }
    }

    #[cold]
    fn fault<T>(&self, what: &'static str) -> Result<T, Fault> {
        Err(Fault { what, rest: self.rest.as_ptr() })
    }

    /// The next tag, or nothing at the end.
    #[inline(always)]
    pub(crate) fn tag(&mut self) -> Result<Option<u32>, Fault> {
        match self.rest {
            [] => Ok(None),
            [first @ 8..0x80, rest @ ..] => {
                self.rest = rest;
                Ok(Some(u32::from(*first)))
            }
            _ => self.long_tag().map(Some),
        }
    }

    fn long_tag(&mut self) -> Result<u32, Fault> {
        match u32::try_from(self.varint()?) {
            Ok(tag) if tag >= 8 => Ok(tag),
            _ => self.fault("a field number is out of range"),
        }
    }

    #[inline(always)]
    pub(crate) fn varint(&mut self) -> Result<u64, Fault> {
        match read_uvarint(&mut self.rest) {
            Some(value) => Ok(value),
            None if self.rest.len() < 10 => self.fault("a number is cut off"),
            None => self.fault("a number has more than 64 bits"),
        }
    }

    #[inline(always)]
    pub(crate) fn fixed64(&mut self) -> Result<u64, Fault> {
        let Some((bytes, rest)) = self.rest.split_first_chunk() else {
            return self.fault("a 64-bit value is cut off");
        };
        self.rest = rest;
        Ok(u64::from_le_bytes(*bytes))
    }

    #[inline(always)]
    pub(crate) fn fixed32(&mut self) -> Result<u32, Fault> {
        let Some((bytes, rest)) = self.rest.split_first_chunk() else {
            return self.fault("a 32-bit value is cut off");
        };
        self.rest = rest;
        Ok(u32::from_le_bytes(*bytes))
    }

    #[inline(always)]
    pub(crate) fn bytes(&mut self) -> Result<&'a [u8], Fault> {
        let length = self.varint()?;
        let split = usize::try_from(length).ok().and_then(|length| self.rest.split_at_checked(length));
        let Some((bytes, rest)) = split else {
            return self.fault("a field is longer than the message it is in");
        };
        self.rest = rest;
        Ok(bytes)
    }

    /// Passes over the value of a field that is not known. A field whose number is a bit of `known` has the wrong type if it comes here.
    pub(crate) fn skip(&mut self, tag: u32, known: u32) -> Result<(), Fault> {
        let number = tag >> 3;
        if number < 32 && known & 1 << number != 0 {
            return self.fault("a field has the wrong wire type");
        }
        match tag & 7 {
            VARINT => self.varint().map(drop),
            FIXED64 => self.fixed64().map(drop),
            BYTES => self.bytes().map(drop),
            FIXED32 => self.fixed32().map(drop),
            3 | 4 => self.fault("groups are not supported"),
            _ => self.fault("a wire type does not exist"),
        }
    }
}

/// The bits of field numbers, for [`Fields::skip`].
pub(crate) const fn known(numbers: std::ops::RangeInclusive<u32>) -> u32 {
    let (first, last) = (*numbers.start(), *numbers.end());
    (u32::MAX >> (31 - last)) & (u32::MAX << first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn varints() {
        let check = |bytes: &[u8], expected: Result<u64, &str>| {
            let read = Fields::new(bytes).varint().map_err(|fault| fault.what);
            assert_eq!(read, expected, "{bytes:02x?}");
        };
        let all = [0xff; 9];
        check(&[0], Ok(0));
        check(&[0x7f], Ok(127));
        check(&[0x80, 1], Ok(128));
        check(&[0x80, 0], Ok(0));
        check(&[&all[..], &[1]].concat(), Ok(u64::MAX));
        check(&[&all[..], &[2]].concat(), Err("a number has more than 64 bits"));
        check(&[&all[..], &[0x80, 0]].concat(), Err("a number has more than 64 bits"));
        check(&[], Err("a number is cut off"));
        check(&[0x80], Err("a number is cut off"));
        check(&all, Err("a number is cut off"));
    }

    #[test]
    fn fields_are_skipped_or_refused() {
        let check = |bytes: &[u8], expected: Result<usize, (usize, &str)>| {
            let mut fields = Fields::new(bytes);
            let walked = (|| {
                let mut count = 0;
                while let Some(tag) = fields.tag()? {
                    fields.skip(tag, known(1..=2))?;
                    count += 1;
                }
                Ok(count)
            })();
            assert_eq!(
                walked.map_err(|fault: Fault| (fault.offset(bytes), fault.what)),
                expected,
                "{bytes:02x?}"
            );
        };
        check(&[], Ok(0));
        check(&[0x18, 5, 0x1a, 1, 0, 0x1d, 0, 0, 0, 0, 0x19, 0, 0, 0, 0, 0, 0, 0, 0], Ok(4));
        check(&[0xf8, 0xff, 0xff, 0xff, 0x0f, 1], Ok(1));
        check(&[0x18, 0xff, 1, 0x18], Err((4, "a number is cut off")));
        check(&[0x00, 0], Err((1, "a field number is out of range")));
        check(&[0x02, 0], Err((1, "a field number is out of range")));
        check(&[0xf8, 0xff, 0xff, 0xff, 0x1f, 1], Err((5, "a field number is out of range")));
        check(&[0x1a, 2, 0], Err((2, "a field is longer than the message it is in")));
        check(&[0x1d, 0, 0], Err((1, "a 32-bit value is cut off")));
        check(&[0x19, 0, 0], Err((1, "a 64-bit value is cut off")));
        check(&[0x1b, 0x1c], Err((1, "groups are not supported")));
        check(&[0x1c], Err((1, "groups are not supported")));
        check(&[0x1e], Err((1, "a wire type does not exist")));
        check(&[0x08, 1], Err((1, "a field has the wrong wire type")));
        check(&[0x15, 0, 0, 0, 0], Err((1, "a field has the wrong wire type")));
    }
}
