//! Writes protobuf fields.
//!
//! Input: numbers and values. Output: bytes at the end of a vector. A message whose length is not known beforehand gets a length of fixed
//! width, filled in afterwards: a varint may be padded.

use crate::wire::{BYTES, tag};
use tidewatch_model::push_uvarint;

/// Bytes set aside for the length of a message, enough for 256 MiB.
const LENGTH_BYTES: usize = 4;

pub(crate) fn bytes(out: &mut Vec<u8>, number: u32, value: &[u8]) {
    push_uvarint(out, tag(number, BYTES).into());
    push_uvarint(out, value.len() as u64);
    out.extend_from_slice(value);
}

/// Opens a message; what is written next is in it.
pub(crate) fn begin(out: &mut Vec<u8>, number: u32) -> usize {
    push_uvarint(out, tag(number, BYTES).into());
    out.extend_from_slice(&[0; LENGTH_BYTES]);
    out.len()
}

/// Closes the message that [`begin`] opened. Says whether its length can be written.
#[must_use]
pub(crate) fn end(out: &mut [u8], began: usize) -> bool {
    let length = out.len() - began;
    for index in 0..LENGTH_BYTES {
        let more = if index + 1 < LENGTH_BYTES { 0x80 } else { 0 };
        out[began - LENGTH_BYTES + index] = (length >> (7 * index)) as u8 & 0x7f | more;
    }
    length < 1 << (7 * LENGTH_BYTES)
}
