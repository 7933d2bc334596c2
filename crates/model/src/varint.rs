//! Varints as protobuf and Go write them: seven bits per byte, the lowest first; the high bit says that another byte follows.
//!
//! Input: bytes, or integers. Output: integers, or bytes at the end of a vector; `None` when the bytes end too early or a number has more
//! than 64 bits. More bytes than a number needs are taken. It knows no record: the stores and the decoders build theirs of it.

/// Reads a number off the front of `bytes`, which then is what follows; it stays as it is where there is none.
#[inline(always)]
pub fn read_uvarint(bytes: &mut &[u8]) -> Option<u64> {
    match *bytes {
        [first @ 0..0x80, rest @ ..] => {
            *bytes = rest;
            Some(u64::from(*first))
        }
        _ => read_long_uvarint(bytes),
    }
}

/// Most numbers have one byte: what the others take is kept out of the way.
#[inline]
fn read_long_uvarint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for (at, byte) in bytes.iter().take(10).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * at);
        if *byte < 0x80 {
            if at == 9 && *byte > 1 {
                return None;
            }
            *bytes = &bytes[at + 1..];
            return Some(value);
        }
    }
    None
}

/// Appends a number, in as few bytes as it needs.
#[inline(always)]
pub fn push_uvarint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Appends a signed number as [`zigzag`] makes it.
#[inline]
pub fn push_varint(out: &mut Vec<u8>, value: i64) {
    push_uvarint(out, zigzag(value));
}

/// Bytes that [`push_uvarint`] writes for a number, 1 to 10.
#[inline(always)]
pub fn uvarint_len(value: u64) -> usize {
    (64 - (value | 1).leading_zeros() as usize).div_ceil(7)
}

/// A signed number as an unsigned one whose lowest bit is the sign, so that small ones stay small.
#[inline]
pub fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)).cast_unsigned()
}

/// Undoes [`zigzag`].
#[inline]
pub fn unzigzag(value: u64) -> i64 {
    (value >> 1).cast_signed() ^ -((value & 1).cast_signed())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn broken_input_is_refused_and_stays() {
        let check = |bytes: &[u8]| {
            let mut rest = bytes;
            assert_eq!((read_uvarint(&mut rest), rest), (None, bytes));
        };
        check(&[]);
        check(&[0x80]);
        check(&[0xff; 9]);
        check(&[0xff; 10]);
        check(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2]);
        check(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x80, 0]);
    }

    #[test]
    fn padding_is_taken() {
        let check = |mut bytes: &[u8], expected: u64| {
            assert_eq!((read_uvarint(&mut bytes), bytes), (Some(expected), &[7][..]));
        };
        check(&[0x7f, 7], 127);
        check(&[0x80, 1, 7], 128);
        check(&[0x80, 0, 7], 0);
        check(&[0x81, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0, 7], 1);
        check(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 7], u64::MAX);
    }

    proptest! {
        #[test]
        fn numbers_round_trip(unsigned: u64, signed: i64, bits in 0u32..64) {
            let unsigned = unsigned >> bits;
            let mut out = Vec::new();
            push_uvarint(&mut out, unsigned);
            prop_assert_eq!(out.len(), uvarint_len(unsigned));
            push_varint(&mut out, signed);
            let mut rest = &out[..];
            prop_assert_eq!(read_uvarint(&mut rest), Some(unsigned));
            prop_assert_eq!(read_uvarint(&mut rest).map(unzigzag), Some(signed));
            prop_assert!(rest.is_empty());
        }
    }
}
