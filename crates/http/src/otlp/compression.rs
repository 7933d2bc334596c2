//! Compressed requests.
//!
//! Input: a body and how it is compressed. Output: what it holds, never more than the limit: a small body that becomes a
//! large one is refused as soon as the limit is passed. gzip and zlib (`deflate`) only; zstd, snappy and lz4, which the
//! collector also takes, are refused by name.

use super::Refused;
use super::body::{Budget, Reserved};
use flate2::read::{MultiGzDecoder, ZlibDecoder};
use std::io::Read;

/// Bytes read at once.
const STEP: usize = 64 * 1024;

/// How a body is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Compression {
    None,
    Gzip,
    Zlib,
}

/// What came out.
pub(crate) enum Inflated {
    /// It was not compressed.
    Unchanged,
    Bytes(Vec<u8>),
}

impl Compression {
    /// The compression of that name, if it is supported.
    pub(crate) fn named(name: &str) -> Option<Self> {
        match name.trim().to_ascii_lowercase().as_str() {
            "" | "identity" | "none" => Some(Self::None),
            "gzip" | "x-gzip" => Some(Self::Gzip),
            "deflate" | "zlib" => Some(Self::Zlib),
            _ => None,
        }
    }

    pub(crate) fn inflate(
        self,
        body: &[u8],
        limit: usize,
        budget: &Budget,
        reserved: &mut Reserved,
    ) -> Result<Inflated, Refused> {
        match self {
            Self::None => Ok(Inflated::Unchanged),
            Self::Gzip => inflate(MultiGzDecoder::new(body), limit, budget, reserved),
            Self::Zlib => inflate(ZlibDecoder::new(body), limit, budget, reserved),
        }
    }
}

fn inflate(
    mut reader: impl Read,
    limit: usize,
    budget: &Budget,
    reserved: &mut Reserved,
) -> Result<Inflated, Refused> {
    let mut out = Vec::new();
    loop {
        if !reserved.grow(budget, STEP) {
            return Err(Refused::overloaded());
        }
        let read = (&mut reader).take(STEP as u64).read_to_end(&mut out);
        match read {
            Err(error) => return Err(Refused::malformed(format!("the compressed body is damaged: {error}"))),
            Ok(_) if out.len() > limit => return Err(Refused::too_large(limit)),
            Ok(0..STEP) => return Ok(Inflated::Bytes(out)),
            Ok(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::write::{GzEncoder, ZlibEncoder};
    use std::io::Write;

    fn gzipped(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn check(compression: Compression, body: &[u8], limit: usize, expected: Result<usize, &str>) {
        let budget = Budget::new(4 << 20);
        let inflated = compression.inflate(body, limit, &budget, &mut Reserved::default());
        let length = inflated.map(|inflated| match inflated {
            Inflated::Unchanged => body.len(),
            Inflated::Bytes(bytes) => bytes.len(),
        });
        assert_eq!(length.map_err(|refused| refused.reason), expected);
    }

    #[test]
    fn bodies_are_inflated_up_to_the_limit() {
        let mut zlib = ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
        zlib.write_all(b"abc").unwrap();
        check(Compression::None, b"abc", 2, Ok(3));
        check(Compression::Zlib, &zlib.finish().unwrap(), 3, Ok(3));
        check(Compression::Gzip, &gzipped(b"abc"), 3, Ok(3));
        check(Compression::Gzip, &[gzipped(b"abc"), gzipped(b"de")].concat(), 5, Ok(5));
        check(Compression::Gzip, &gzipped(b"abc"), 2, Err("too_large"));
        check(Compression::Gzip, &gzipped(&vec![0; 2 * STEP]), 1 << 20, Ok(2 * STEP));
        check(Compression::Gzip, &gzipped(&vec![0; 2 << 20]), 2 << 20, Ok(2 << 20));
        check(Compression::Gzip, &gzipped(&vec![0; 3 << 20]), 2 << 20, Err("too_large"));
        check(Compression::Gzip, &gzipped(&vec![0; 64 << 20]), 64 << 20, Err("overloaded"));
        check(Compression::Gzip, b"zzz", 10, Err("malformed"));
        check(Compression::Gzip, &gzipped(b"abc")[..12], 10, Err("malformed"));
        check(Compression::Gzip, b"", 10, Err("malformed"));
    }
}
