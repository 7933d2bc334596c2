//! The integers and blocks that batches, records and files are made of: protobuf's varints, lengths before bytes.
//!
//! Input: bytes. Output: values, or `None` when the bytes end too early or a varint is longer than 64 bits. It knows no record.

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

    /// Seven bits per byte, the lowest first; the high bit says that another byte follows.
    #[inline(always)]
    pub(crate) fn uvarint(&mut self) -> Option<u64> {
        match self.0 {
            [first @ 0..0x80, rest @ ..] => {
                self.0 = rest;
                Some(u64::from(*first))
            }
            _ => self.long_uvarint(),
        }
    }

    fn long_uvarint(&mut self) -> Option<u64> {
        let mut value = 0u64;
        for (at, byte) in self.0.iter().take(10).enumerate() {
            value |= u64::from(byte & 0x7f) << (7 * at);
            if *byte < 0x80 {
                if at == 9 && *byte > 1 {
                    return None;
                }
                self.0 = &self.0[at + 1..];
                return Some(value);
            }
        }
        None
    }

    #[inline(always)]
    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.uvarint().and_then(|value| u32::try_from(value).ok())
    }

    /// A varint whose lowest bit is the sign.
    #[inline]
    pub(crate) fn varint(&mut self) -> Option<i64> {
        self.uvarint().map(|value| (value >> 1).cast_signed() ^ -((value & 1).cast_signed()))
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

#[inline(always)]
pub(crate) fn put_uvarint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

#[inline]
pub(crate) fn put_varint(out: &mut Vec<u8>, value: i64) {
    put_uvarint(out, ((value << 1) ^ (value >> 63)).cast_unsigned());
}

#[inline]
pub(crate) fn put_block(out: &mut Vec<u8>, bytes: &[u8]) {
    put_uvarint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Bytes that [`put_uvarint`] writes for a value.
#[inline(always)]
pub(crate) fn uvarint_len(value: u64) -> usize {
    (64 - (value | 1).leading_zeros() as usize).div_ceil(7)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn broken_input_is_refused() {
        let check = |bytes: &[u8]| assert_eq!(Wire(bytes).uvarint(), None, "{bytes:?}");
        check(&[]);
        check(&[0x80]);
        check(&[0xff; 10]);
        check(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2]);
        assert_eq!(Wire(&[5, b'a']).text(), None);
        assert_eq!(Wire(&[1, 0xff]).text(), None);
    }

    proptest! {
        #[test]
        fn varints_round_trip(unsigned: u64, signed: i64) {
            let mut out = Vec::new();
            put_uvarint(&mut out, unsigned);
            prop_assert_eq!(out.len(), uvarint_len(unsigned));
            put_varint(&mut out, signed);
            let mut wire = Wire(&out);
            prop_assert_eq!(wire.uvarint(), Some(unsigned));
            prop_assert_eq!(wire.varint(), Some(signed));
            prop_assert!(wire.is_empty());
        }
    }
}
