//! The bit stream of an XOR chunk into samples.
//!
//! Input: the bytes of a chunk, from memory or a mapped file. Output: samples one at a time, or straight into
//! [`Columns`] for a range of time. Whatever the bytes are, the answer is samples in ascending order of time or an
//! error: damaged input neither panics nor reads outside the slice.

use super::HEADER;
use super::bits::BitReader;
use crate::wire::unzigzag;
use tidewatch_model::Columns;

/// Bytes that are no chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ChunkError {
    #[error("the chunk ends after {read} of {expected} samples")]
    Truncated { read: u16, expected: u16 },
    #[error("sample {0} of the chunk is not a valid encoding")]
    Invalid(u16),
    #[error("sample {0} of the chunk is not later than the one before it")]
    NotAscending(u16),
}

/// Reads the samples of a chunk one after the other.
pub(crate) struct XorDecoder<'a> {
    bits: BitReader<'a>,
    expected: u16,
    read: u16,
    time: i64,
    value: u64,
    delta: i64,
    leading: u8,
    trailing: u8,
}

impl<'a> XorDecoder<'a> {
    pub(crate) fn new(chunk: &'a [u8]) -> Result<Self, ChunkError> {
        let Some((header, stream)) = chunk.split_first_chunk::<HEADER>() else {
            return Err(ChunkError::Truncated { read: 0, expected: 0 });
        };
        Ok(Self {
            bits: BitReader::new(stream),
            expected: u16::from_be_bytes(*header),
            read: 0,
            time: 0,
            value: 0,
            delta: 0,
            leading: 0,
            trailing: 0,
        })
    }

    /// How many samples the chunk says it has.
    pub(crate) fn expected(&self) -> u16 {
        self.expected
    }

    /// The next sample, `None` after the last.
    #[inline(always)]
    pub(crate) fn next(&mut self) -> Result<Option<(i64, f64)>, ChunkError> {
        if self.read == self.expected {
            return Ok(None);
        }
        let before = self.time;
        match self.read {
            0 => self.first()?,
            1 => {
                let delta = self.bits.uvarint().ok_or(ChunkError::Invalid(1))?;
                self.delta = delta.cast_signed();
                self.time = self.time.wrapping_add(self.delta);
                self.next_value(self.bits.window(), 0)?;
            }
            _ => self.next_sample()?,
        }
        if self.bits.overrun() {
            return Err(ChunkError::Truncated { read: self.read, expected: self.expected });
        }
        if self.time <= before && self.read > 0 {
            return Err(ChunkError::NotAscending(self.read));
        }
        self.read += 1;
        Ok(Some((self.time, f64::from_bits(self.value))))
    }

    #[cold]
    fn first(&mut self) -> Result<(), ChunkError> {
        self.time = self.bits.uvarint().map(unzigzag).ok_or(ChunkError::Invalid(0))?;
        self.value = self.bits.read(64);
        Ok(())
    }

    /// Time and value of the third sample and all after it, as far as possible from one look at the bits.
    #[inline(always)]
    fn next_sample(&mut self) -> Result<(), ChunkError> {
        let window = self.bits.window();
        if window >> 63 == 0 {
            self.time = self.time.wrapping_add(self.delta);
            return self.next_value(window, 1);
        }
        let (change, window, used) = match (!window).leading_zeros() {
            1 => (sized(window << 2, 14), window, 16),
            2 => (sized(window << 3, 17), window, 20),
            3 => (sized(window << 4, 20), window, 24),
            _ => {
                self.bits.skip(4);
                (self.bits.read(64).cast_signed(), self.bits.window(), 0)
            }
        };
        self.delta = self.delta.wrapping_add(change);
        self.time = self.time.wrapping_add(self.delta);
        self.next_value(window, used)
    }

    /// The value behind the first `used` bits of the window at the position.
    #[inline(always)]
    fn next_value(&mut self, window: u64, used: u32) -> Result<(), ChunkError> {
        let control = window << used;
        if control >> 63 == 0 {
            self.bits.skip(used + 1);
            return Ok(());
        }
        let mut prefix = 2;
        if control >> 62 == 0b11 {
            prefix = 13;
            let leading = (control >> 57 & 31) as u8;
            let length = match (control >> 51 & 63) as u8 {
                0 => 64,
                length => length,
            };
            let Some(trailing) = 64u8.checked_sub(leading + length) else {
                return Err(ChunkError::Invalid(self.read));
            };
            (self.leading, self.trailing) = (leading, trailing);
        }
        let length = 64 - u32::from(self.leading) - u32::from(self.trailing);
        self.bits.skip(used + prefix);
        let change = if used + prefix + length <= BitReader::VALID {
            self.bits.skip(length);
            control << prefix >> (64 - length)
        } else {
            self.bits.read(length)
        };
        self.value ^= change << self.trailing;
        Ok(())
    }
}

/// A change of `size` bits at the top of a word: everything above half the range is negative.
#[inline(always)]
fn sized(field: u64, size: u32) -> i64 {
    let change = (field >> (64 - size)).cast_signed();
    if change > 1 << (size - 1) { change - (1 << size) } else { change }
}

/// Adds the samples of a chunk that lie within `start..=end` to the columns. After an error the columns are as before.
pub(crate) fn decode(chunk: &[u8], start: i64, end: i64, into: &mut Columns) -> Result<(), ChunkError> {
    let before = into.len();
    let result = decode_range(chunk, start, end, into);
    if result.is_err() {
        into.timestamps.truncate(before);
        into.values.truncate(before);
    }
    result
}

fn decode_range(chunk: &[u8], start: i64, end: i64, into: &mut Columns) -> Result<(), ChunkError> {
    let mut samples = XorDecoder::new(chunk)?;
    // The count is only believed as far as the bytes could hold it: a sample takes at least two bits.
    let plausible = usize::from(samples.expected()).min(chunk.len() * 4);
    let before = into.len();
    // room first, then writes without a check of capacity for each sample
    into.timestamps.resize(before + plausible, 0);
    into.values.resize(before + plausible, 0.0);
    let mut rows = into.timestamps[before..].iter_mut().zip(&mut into.values[before..]);
    let mut taken = 0;
    while let Some((time, value)) = samples.next()? {
        if time > end {
            break;
        }
        if time >= start {
            let Some((at, of)) = rows.next() else { break };
            (*at, *of) = (time, value);
            taken += 1;
        }
    }
    into.timestamps.truncate(before + taken);
    into.values.truncate(before + taken);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::XorEncoder;
    use super::*;
    use proptest::prelude::*;
    use tidewatch_model::stale_nan;

    fn encode(samples: &[(i64, f64)]) -> Vec<u8> {
        let mut encoder = XorEncoder::new();
        for (time, value) in samples {
            encoder.push(*time, *value);
        }
        encoder.bytes().to_vec()
    }

    fn all(chunk: &[u8]) -> Result<Vec<(i64, u64)>, ChunkError> {
        let mut columns = Columns::default();
        decode(chunk, i64::MIN, i64::MAX, &mut columns)?;
        Ok(columns.timestamps.into_iter().zip(columns.values.iter().map(|v| v.to_bits())).collect())
    }

    fn bits(samples: &[(i64, f64)]) -> Vec<(i64, u64)> {
        samples.iter().map(|(t, v)| (*t, v.to_bits())).collect()
    }

    #[test]
    fn bytes_are_those_of_prometheus() {
        // Worked out by hand from the encoding: two bytes of count, t0 = 1000 as varint d0 0f, v0 = 1.0, Δt = 500 as
        // uvarint f4 03, "0" the same value, then "0" the same distance and "0" the same value, five bits unused.
        let chunk = encode(&[(1000, 1.0), (1500, 1.0), (2000, 1.0)]);
        assert_eq!(chunk, [0, 3, 0xd0, 0x0f, 0x3f, 0xf0, 0, 0, 0, 0, 0, 0, 0xf4, 0x03, 0b000_00000]);
    }

    #[test]
    fn edges_of_the_encoding_round_trip() {
        let check = |samples: &[(i64, f64)]| {
            let chunk = encode(samples);
            assert_eq!(all(&chunk), Ok(bits(samples)), "{samples:?}");
            for cut in 0..chunk.len() {
                assert!(all(&chunk[..cut]).is_err(), "{samples:?} cut to {cut} bytes");
            }
        };
        check(&[(0, 0.0)]);
        check(&[(i64::MIN, 1.0), (0, 2.0), (i64::MAX, 3.0)]);
        check(&[(1, f64::INFINITY), (2, f64::NEG_INFINITY), (3, -0.0), (4, 0.0), (5, f64::NAN)]);
        check(&[(1, f64::from_bits(0x7ff8_dead_beef_0001)), (2, stale_nan()), (3, f64::from_bits(u64::MAX))]);
        for change in [1, -1, 8192, 8193, -8191, -8192, 65_536, 65_537, -65_535, -65_536, 524_288, 524_289] {
            check(&[(0, 1.0), (1_000_000, 2.0), (2_000_000 + change, 1.0), (3_000_000 + change, 1.0)]);
        }
        check(&[(0, 0.0), (1, f64::from_bits(1)), (2, 0.0), (3, f64::from_bits(1 << 63))]);
    }

    #[test]
    fn a_range_takes_only_its_samples() {
        let chunk = encode(&(0..100).map(|i| (i * 10, i as f64)).collect::<Vec<_>>());
        let check = |start, end, expected: usize| {
            let mut columns = Columns::default();
            decode(&chunk, start, end, &mut columns).unwrap();
            assert_eq!(columns.len(), expected, "{start}..={end}");
        };
        check(0, 990, 100);
        check(10, 10, 1);
        check(11, 19, 0);
        check(-100, -1, 0);
        check(985, 5000, 1);
    }

    #[test]
    fn times_that_do_not_ascend_are_refused() {
        let mut chunk = encode(&[(1000, 1.0), (1500, 1.0)]);
        chunk[12..14].copy_from_slice(&[0x80, 0x00]);
        assert_eq!(all(&chunk), Err(ChunkError::NotAscending(1)));
    }

    proptest! {
        #[test]
        fn any_samples_round_trip(
            start in -1i64 << 45..1i64 << 45,
            steps in proptest::collection::vec(
                (prop_oneof![Just(30_000i64), 29_900i64..30_100, 1i64..4_000_000], prop_oneof![
                    any::<u64>(), (0u64..100_000).prop_map(|v| (v as f64).to_bits()),
                    Just(stale_nan().to_bits()), Just(42f64.to_bits()),
                ]), 0..300),
        ) {
            let mut time = start;
            let samples: Vec<_> = steps.iter().map(|(step, value)| {
                time += step;
                (time, f64::from_bits(*value))
            }).collect();
            let chunk = encode(&samples);
            if samples.is_empty() {
                prop_assert!(chunk.is_empty());
            } else {
                prop_assert_eq!(all(&chunk), Ok(bits(&samples)));
            }
        }

        #[test]
        fn any_bytes_decode_without_panic(chunk in proptest::collection::vec(any::<u8>(), 0..400)) {
            if let Ok(samples) = all(&chunk) {
                prop_assert!(samples.is_sorted_by(|a, b| a.0 < b.0));
            }
        }

        #[test]
        fn a_flipped_bit_never_panics(at in 0usize..1000, bit in 0u8..8) {
            let mut chunk = encode(&(0..120).map(|i| (i * 30_000, (i * i) as f64)).collect::<Vec<_>>());
            let at = at % chunk.len();
            chunk[at] ^= 1 << bit;
            let _ = all(&chunk);
        }
    }
}
