//! The integers and blocks that batches, records and files are made of: protobuf's varints, lengths before bytes.
//!
//! Input: bytes. Output: values, or `None` when the bytes end too early or a varint is longer than 64 bits. It knows no record.

pub(crate) use tidewatch_model::{push_uvarint, push_varint, uvarint_len};
use tidewatch_model::{read_uvarint, unzigzag};

/// Reads values from the front of a slice.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wire<'a>(pub(crate) &'a [u8]);

impl<'a> Wire<'a> {
    pub(crate) fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    #[inline]
    pub(crate) fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    #[inline]
    pub(crate) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*taken)
    }

    #[inline(always)]
    pub(crate) fn uvarint(&mut self) -> Option<u64> {
        read_uvarint(&mut self.0)
    }

    #[inline(always)]
    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.uvarint().and_then(|value| u32::try_from(value).ok())
    }

    /// A varint whose lowest bit is the sign.
    #[inline]
    pub(crate) fn varint(&mut self) -> Option<i64> {
        self.uvarint().map(unzigzag)
    }

    /// Bytes preceded by their length.
    #[inline(always)]
    pub(crate) fn block(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.uvarint()?).ok()?;
        self.take(length)
    }

    /// A string preceded by its length.
    #[inline]
    pub(crate) fn text(&mut self) -> Option<&'a str> {
        std::str::from_utf8(self.block()?).ok()
    }
}

#[inline]
pub(crate) fn put_block(out: &mut Vec<u8>, bytes: &[u8]) {
    push_uvarint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
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
