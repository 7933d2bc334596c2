//! Samples into the bit stream of an XOR chunk.
//!
//! Input: samples in ascending order of time, one at a time. Output: the growing bytes of the chunk, complete after
//! every sample. The caller decides when a chunk is full; the bytes are reused for the next one, so that a series in
//! steady state allocates nothing per sample.

use super::HEADER;
use super::bits::put_bits;
use crate::wire::{push_uvarint, push_varint};

/// No XOR has had a window yet.
const NO_WINDOW: u8 = 0xff;
/// The longest a single sample can be, rounded up.
const LONGEST_SAMPLE: usize = 20;
/// Bytes by which the chunk's memory grows.
const GROWTH: usize = 32;

/// A chunk being written.
#[derive(Debug)]
pub(crate) struct XorEncoder {
    bytes: Vec<u8>,
    time: i64,
    value: u64,
    delta: i64,
    count: u16,
    leading: u8,
    trailing: u8,
    free: u8,
}

impl XorEncoder {
    pub(crate) const fn new() -> Self {
        Self {
            bytes: Vec::new(),
            time: i64::MIN,
            value: 0,
            delta: 0,
            count: 0,
            leading: NO_WINDOW,
            trailing: 0,
            free: 0,
        }
    }

    /// Starts over and keeps the memory.
    pub(crate) fn clear(&mut self) {
        let mut bytes = std::mem::take(&mut self.bytes);
        bytes.clear();
        *self = Self { bytes, ..Self::new() };
    }

    /// The chunk as Prometheus stores it; empty before the first sample.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(crate) fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    pub(crate) fn count(&self) -> u16 {
        self.count
    }

    /// The time of the last sample, in milliseconds since the Unix epoch.
    pub(crate) fn time(&self) -> i64 {
        self.time
    }

    /// Adds a sample later than the last; at most 65,535 of them.
    pub(crate) fn push(&mut self, time: i64, value: f64) {
        let value = value.to_bits();
        if self.bytes.capacity() - self.bytes.len() < LONGEST_SAMPLE {
            self.bytes.reserve_exact(GROWTH);
        }
        match self.count {
            0 => {
                self.bytes.extend_from_slice(&[0; HEADER]);
                push_varint(&mut self.bytes, time);
                self.put(value, 64);
            }
            1 => {
                self.delta = time.wrapping_sub(self.time);
                push_uvarint(&mut self.bytes, self.delta.cast_unsigned());
                self.put_value(value);
            }
            _ => {
                let delta = time.wrapping_sub(self.time);
                self.put_time(delta.wrapping_sub(self.delta));
                self.delta = delta;
                self.put_value(value);
            }
        }
        self.time = time;
        self.value = value;
        self.count += 1;
        self.bytes[..HEADER].copy_from_slice(&self.count.to_be_bytes());
    }

    #[inline]
    fn put(&mut self, value: u64, count: u32) {
        put_bits(&mut self.bytes, &mut self.free, value, count);
    }

    #[inline]
    fn put_time(&mut self, change: i64) {
        let bits = change.cast_unsigned();
        match change {
            0 => self.put(0, 1),
            -8_191..=8_192 => self.put(0b10 << 14 | bits & 0x3fff, 16),
            -65_535..=65_536 => self.put(0b110 << 17 | bits & 0x1_ffff, 20),
            -524_287..=524_288 => self.put(0b1110 << 20 | bits & 0xf_ffff, 24),
            _ => {
                self.put(0b1111, 4);
                self.put(bits, 64);
            }
        }
    }

    #[inline]
    fn put_value(&mut self, value: u64) {
        let change = value ^ self.value;
        if change == 0 {
            self.put(0, 1);
            return;
        }
        let leading = (change.leading_zeros() as u8).min(31);
        let trailing = change.trailing_zeros() as u8;
        if self.leading != NO_WINDOW && leading >= self.leading && trailing >= self.trailing {
            let length = 64 - u32::from(self.leading) - u32::from(self.trailing);
            self.put(0b10, 2);
            self.put(change >> self.trailing, length);
            return;
        }
        self.leading = leading;
        self.trailing = trailing;
        let length = 64 - u32::from(leading) - u32::from(trailing);
        // A length of 64 does not fit its six bits and is written as 0: there is no XOR of length 0.
        self.put(0b11 << 11 | u64::from(leading) << 6 | u64::from(length & 63), 13);
        self.put(change >> trailing, length);
    }
}
