//! The bytes of a chunk file: its header, and the frame around each chunk.
//!
//! Input: a chunk to be written, or the bytes of a file. Output: bytes, or a [`Frame`] whose checksum holds.

use crate::wire::{Wire, push_uvarint, uvarint_len};

/// Bytes at the start of every file.
pub(crate) const FILE_HEADER: [u8; 8] = [0x01, 0x30, 0xBC, 0x91, 1, 0, 0, 0];
/// The longest a file gets.
pub(crate) const FILE_BYTES: u64 = 128 << 20;
/// Bytes of a frame before its length.
const FIXED: usize = 8 + 8 + 8 + 1;
const CRC: usize = 4;
/// The encoding's bit for chunks of samples that came out of order.
const OUT_OF_ORDER: u8 = 0x80;

/// Where a chunk lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Position {
    /// The number of the file.
    pub(crate) file: u32,
    /// The byte of the file at which the frame begins; below 128 MiB.
    pub(crate) offset: u32,
}

/// A chunk with what the file says about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Frame<'a> {
    pub(crate) series: u64,
    pub(crate) min: i64,
    pub(crate) max: i64,
    pub(crate) encoding: u8,
    pub(crate) data: &'a [u8],
    /// Bytes of the whole frame.
    pub(crate) length: usize,
}

impl Frame<'_> {
    pub(crate) fn is_out_of_order(&self) -> bool {
        self.encoding & OUT_OF_ORDER != 0
    }
}

/// What stands at a place of a file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Parsed<'a> {
    Frame(Frame<'a>),
    /// Nothing further: the end of the bytes, or zeros.
    End,
    /// Something that is no valid chunk. `length` is given when only its checksum is wrong.
    Damaged {
        what: &'static str,
        length: Option<usize>,
    },
}

pub(crate) fn frame_len(data: usize) -> usize {
    FIXED + uvarint_len(data as u64) + data + CRC
}

pub(crate) fn put_frame(out: &mut Vec<u8>, series: u64, min: i64, max: i64, encoding: u8, data: &[u8]) {
    let start = out.len();
    out.extend_from_slice(&series.to_be_bytes());
    out.extend_from_slice(&min.to_be_bytes());
    out.extend_from_slice(&max.to_be_bytes());
    out.push(encoding);
    push_uvarint(out, data.len() as u64);
    out.extend_from_slice(data);
    let crc = crc32c::crc32c(&out[start..]);
    out.extend_from_slice(&crc.to_be_bytes());
}

/// Reads what stands at the beginning of the bytes.
pub(crate) fn parse(bytes: &[u8]) -> Parsed<'_> {
    let cut_off = Parsed::Damaged { what: "the chunk is cut off", length: None };
    let head = &bytes[..bytes.len().min(FIXED)];
    if head.iter().all(|b| *b == 0) {
        return Parsed::End;
    }
    parse_frame(bytes).unwrap_or(cut_off)
}

fn parse_frame(bytes: &[u8]) -> Option<Parsed<'_>> {
    let mut wire = Wire(bytes);
    let (series, min, max, encoding) = (wire.u64()?, wire.i64()?, wire.i64()?, wire.u8()?);
    let length = usize::try_from(wire.uvarint()?).ok()?;
    let data = wire.take(length)?;
    let checked = bytes.len() - wire.0.len();
    let crc = wire.u32()?;
    let length = checked + CRC;
    if crc32c::crc32c(&bytes[..checked]) != crc {
        return Some(Parsed::Damaged {
            what: "the checksum of the chunk does not match",
            length: Some(length),
        });
    }
    Some(Parsed::Frame(Frame { series, min, max, encoding, data, length }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn bytes_are_those_of_prometheus() {
        let mut out = Vec::new();
        put_frame(&mut out, 5, 1, 2, 1, b"xy");
        assert_eq!(out.len(), frame_len(2));
        assert_eq!(
            out[..28],
            [0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2, 1, 2, b'x', b'y']
        );
        assert_eq!(out[28..], crc32c::crc32c(&out[..28]).to_be_bytes());
        let length = out.len();
        out.extend_from_slice(b"behind");
        let frame = Frame { series: 5, min: 1, max: 2, encoding: 1, data: b"xy", length };
        assert_eq!(parse(&out), Parsed::Frame(frame));
    }

    #[test]
    fn ends_and_damage_are_told_apart() {
        let mut out = Vec::new();
        put_frame(&mut out, 5, 1, 2, 1, b"xyz");
        assert_eq!(parse(&[]), Parsed::End);
        assert_eq!(parse(&[0; 100]), Parsed::End);
        for cut in 8..out.len() {
            assert!(matches!(parse(&out[..cut]), Parsed::Damaged { length: None, .. }), "{cut}");
        }
        let last = out.len() - 6;
        out[last] ^= 1;
        assert!(matches!(parse(&out), Parsed::Damaged { length: Some(n), .. } if n == out.len()));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(&bytes);
        }
    }
}
