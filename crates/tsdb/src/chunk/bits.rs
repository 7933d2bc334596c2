//! Bits in and out of a byte vector, the highest first.
//!
//! Used by the encoder and decoder beside it. Reading past the end yields zeros and is noticed afterwards by
//! comparing positions, so that the decoder's inner loop has one check per sample.

/// Reads bits from a slice.
pub(crate) struct BitReader<'a> {
    bytes: &'a [u8],
    position: usize,
}

impl<'a> BitReader<'a> {
    /// How many bits of a window are valid at least.
    pub(crate) const VALID: u32 = 57;

    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, position: 0 }
    }

    /// The bits at the position, left-aligned; the first [`Self::VALID`] are valid, zeros beyond the end.
    #[inline(always)]
    pub(crate) fn window(&self) -> u64 {
        let at = self.position >> 3;
        let word = match self.bytes.get(at..at + 8) {
            Some(full) => u64::from_be_bytes(full.try_into().expect("a slice of eight bytes")),
            None => self.tail(at),
        };
        word << (self.position & 7)
    }

    #[cold]
    fn tail(&self, at: usize) -> u64 {
        let rest = self.bytes.get(at..).unwrap_or_default();
        rest.iter().zip(0..8).fold(0, |word, (byte, i)| word | u64::from(*byte) << (56 - 8 * i))
    }

    #[inline(always)]
    pub(crate) fn skip(&mut self, count: u32) {
        self.position += count as usize;
    }

    /// The next 1 to 64 bits.
    #[inline(always)]
    pub(crate) fn read(&mut self, count: u32) -> u64 {
        if count <= Self::VALID {
            let value = self.window() >> (64 - count);
            self.skip(count);
            return value;
        }
        let high = self.read(32);
        let low = self.read(count - 32);
        high << (count - 32) | low
    }

    /// A Go uvarint laid over the bit stream; `None` when it is longer than 64 bits.
    pub(crate) fn uvarint(&mut self) -> Option<u64> {
        let mut value = 0u64;
        for at in 0..10 {
            let byte = self.read(8);
            if at == 9 && byte > 1 {
                return None;
            }
            value |= (byte & 0x7f) << (7 * at);
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    /// Whether more bits were read than there are.
    #[inline(always)]
    pub(crate) fn overrun(&self) -> bool {
        self.position > self.bytes.len() * 8
    }
}

/// Appends the low `count` bits of a value; `free` is how many low bits of the last byte are unused.
#[inline]
pub(crate) fn put_bits(out: &mut Vec<u8>, free: &mut u8, value: u64, count: u32) {
    let mut left = count;
    if *free > 0 {
        let room = u32::from(*free);
        let taken = left.min(room);
        let part = (value >> (left - taken)) & ((1 << taken) - 1);
        if let Some(last) = out.last_mut() {
            *last |= (part << (room - taken)) as u8;
        }
        *free -= taken as u8;
        left -= taken;
    }
    while left >= 8 {
        left -= 8;
        out.push((value >> left) as u8);
    }
    if left > 0 {
        out.push((value << (8 - left)) as u8);
        *free = 8 - left as u8;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn bits_round_trip(fields in proptest::collection::vec((any::<u64>(), 1u32..=64), 0..60)) {
            let (mut out, mut free) = (Vec::new(), 0);
            for (value, count) in &fields {
                put_bits(&mut out, &mut free, *value, *count);
            }
            let mut reader = BitReader::new(&out);
            for (value, count) in &fields {
                prop_assert_eq!(reader.read(*count), value & (u64::MAX >> (64 - count)));
            }
            prop_assert!(!reader.overrun());
            reader.read(8);
            prop_assert!(reader.overrun());
        }
    }
}
