//! The integers and strings that every file of the database is made of: big-endian words, Go's varints.
//!
//! Input: bytes of a WAL record or of a head chunk. Output: values, or `None` when the bytes end too early or a
//! varint is longer than 64 bits. It knows no record: see `wal::record` and `mapped::layout`.

use tidewatch_model::read_uvarint;
pub(crate) use tidewatch_model::{push_uvarint, push_varint, unzigzag, uvarint_len};

/// Reads values from the front of a slice.
#[derive(Clone, Copy)]
pub(crate) struct Wire<'a>(pub(crate) &'a [u8]);

impl<'a> Wire<'a> {
    pub(crate) fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    pub(crate) fn u8(&mut self) -> Option<u8> {
        self.take(1).map(|b| b[0])
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.take(4)?.try_into().ok().map(u32::from_be_bytes)
    }

    pub(crate) fn u64(&mut self) -> Option<u64> {
        self.take(8)?.try_into().ok().map(u64::from_be_bytes)
    }

    pub(crate) fn i64(&mut self) -> Option<i64> {
        self.u64().map(u64::cast_signed)
    }

    #[inline]
    pub(crate) fn uvarint(&mut self) -> Option<u64> {
        read_uvarint(&mut self.0)
    }

    /// A varint whose lowest bit is the sign.
    #[inline]
    pub(crate) fn varint(&mut self) -> Option<i64> {
        self.uvarint().map(unzigzag)
    }

    /// A string preceded by its length.
    pub(crate) fn text(&mut self) -> Option<&'a str> {
        let length = usize::try_from(self.uvarint()?).ok()?;
        std::str::from_utf8(self.take(length)?).ok()
    }
}

pub(crate) fn put_text(out: &mut Vec<u8>, text: &str) {
    push_uvarint(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broken_input_is_refused() {
        assert_eq!(Wire(&[0xff; 10]).varint(), None);
        assert_eq!(Wire(&[5, b'a']).text(), None);
        assert_eq!(Wire(&[1, 0xff]).text(), None);
    }
}
