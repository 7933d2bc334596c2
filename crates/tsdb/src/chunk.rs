//! Gorilla chunks in Prometheus's encoding 1 (XOR): some 120 samples of one series in some 160 bytes.
//!
//! Input: samples in ascending order of time. Output: bytes that Prometheus reads, and samples again from bytes that
//! it or this program wrote. A damaged chunk is an error, never a panic. Where chunks are cut and kept is decided in
//! `head` and `mapped`.
//!
//! ```text
//! | samples u16 | t0 varint | v0 64 bits | Δt uvarint | v1 | Δ²t | v2 | Δ²t | v3 | …      a bit stream, high bit first
//!
//! Δ²t   0                    the same distance in time as before
//!       10   + 14 bits       −8191 … 8192
//!       110  + 17 bits       −65535 … 65536
//!       1110 + 20 bits       −524287 … 524288
//!       1111 + 64 bits       anything else
//! v     0                    the same value as before
//!       10   + bits          XOR with the value before, within the window of the last XOR that had one
//!       11   + 5 bits leading zeros + 6 bits length (0 = 64) + bits      XOR with a new window
//! ```

mod bits;
mod decode;
mod encode;

pub(crate) use decode::{XorDecoder, decode};
pub(crate) use encode::XorEncoder;

/// The encoding's number in Prometheus's files.
pub(crate) const ENCODING_XOR: u8 = 1;
/// Bytes of the sample count in front.
pub(crate) const HEADER: usize = 2;
