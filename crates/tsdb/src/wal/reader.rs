//! The pages of one segment back into records.
//!
//! Input: a segment file, a page at a time. Output: whole, checksummed, uncompressed records, or [`Torn`] with the
//! byte from which on the segment cannot be believed: that is the beginning of the record, not of the damaged frame.

use super::page::{
    FRAME_HEADER, KIND_FIRST, KIND_FULL, KIND_LAST, KIND_MASK, KIND_MIDDLE, KIND_PADDING, PAGE, SNAPPY, ZSTD,
};
use crate::error::{Doing, TsdbError};
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

/// A record longer than this is taken for damage.
const LONGEST_RECORD: usize = 1 << 30;

/// Where a segment stops making sense, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Torn {
    /// The first byte that is not part of a whole record.
    pub(crate) offset: u64,
    /// What is wrong there.
    pub(crate) what: String,
}

/// Reads the records of a segment in order.
pub(crate) struct RecordReader {
    path: PathBuf,
    file: File,
    page: Box<[u8]>,
    filled: usize,
    at: usize,
    page_start: u64,
    joined: Vec<u8>,
    plain: Vec<u8>,
    decoder: snap::raw::Decoder,
}

/// One step through a page.
enum Step {
    End,
    Frame { kind: u8, flags: u8, start: u64, from: usize, to: usize },
}

impl RecordReader {
    pub(crate) fn open(path: &Path) -> Result<Self, TsdbError> {
        Ok(Self {
            path: path.to_owned(),
            file: File::open(path).doing("open", path)?,
            page: vec![0; PAGE].into_boxed_slice(),
            filled: 0,
            at: 0,
            page_start: 0,
            joined: Vec::new(),
            plain: Vec::new(),
            decoder: snap::raw::Decoder::new(),
        })
    }

    /// The next record; `None` at a clean end. After [`Torn`] nothing more can be read.
    pub(crate) fn next(&mut self) -> Result<Result<Option<&[u8]>, Torn>, TsdbError> {
        self.joined.clear();
        let mut record_start = None;
        loop {
            let step = match self.step()? {
                Ok(step) => step,
                Err(torn) => return Ok(Err(Torn { offset: record_start.unwrap_or(torn.offset), ..torn })),
            };
            let Step::Frame { kind, flags, start, from, to } = step else {
                return Ok(match record_start {
                    Some(offset) => Err(Torn { offset, what: "the record has no end".to_owned() }),
                    None => Ok(None),
                });
            };
            let begins = matches!(kind, KIND_FULL | KIND_FIRST);
            let offset = *record_start.get_or_insert(start);
            if begins != (offset == start) {
                return Ok(Err(Torn { offset, what: "the parts of the record are out of order".to_owned() }));
            }
            if self.joined.len() + (to - from) > LONGEST_RECORD {
                return Ok(Err(Torn { offset, what: "the record is longer than 1 GiB".to_owned() }));
            }
            self.joined.extend_from_slice(&self.page[from..to]);
            if matches!(kind, KIND_FULL | KIND_LAST) {
                return self.plain_record(flags, offset);
            }
        }
    }

    /// The frame at the position, its checksum verified.
    fn step(&mut self) -> Result<Result<Step, Torn>, TsdbError> {
        loop {
            if self.at == self.filled && !self.next_page()? {
                return Ok(Ok(Step::End));
            }
            let start = self.page_start + self.at as u64;
            let torn = |what: String| Ok(Err(Torn { offset: start, what }));
            let rest = &self.page[self.at..self.filled];
            let kind = rest[0] & KIND_MASK;
            if kind == KIND_PADDING {
                if rest.iter().any(|b| *b != 0) {
                    return torn("the padding of the page is not zero".to_owned());
                }
                self.at = self.filled;
                continue;
            }
            let Some((header, data)) = rest.split_at_checked(FRAME_HEADER) else {
                return torn("the header of the record is cut off".to_owned());
            };
            if !matches!(kind, KIND_FULL | KIND_FIRST | KIND_MIDDLE | KIND_LAST) {
                return torn(format!("{kind} is no kind of record"));
            }
            let length = usize::from(u16::from_be_bytes([header[1], header[2]]));
            let expected = u32::from_be_bytes([header[3], header[4], header[5], header[6]]);
            let Some(data) = data.get(..length) else {
                return torn(format!("the record is cut off: {} of {length} bytes", data.len()));
            };
            if crc32c::crc32c(data) != expected {
                return torn("the checksum of the record does not match".to_owned());
            }
            let from = self.at + FRAME_HEADER;
            self.at = from + length;
            return Ok(Ok(Step::Frame { kind, flags: header[0], start, from, to: from + length }));
        }
    }

    fn next_page(&mut self) -> Result<bool, TsdbError> {
        self.page_start += self.filled as u64;
        (self.filled, self.at) = (0, 0);
        while self.filled < PAGE {
            match self.file.read(&mut self.page[self.filled..]) {
                Ok(0) => break,
                Ok(read) => self.filled += read,
                Err(cause) if cause.kind() == ErrorKind::Interrupted => {}
                Err(cause) => return Err(TsdbError::io("read", &self.path, cause)),
            }
        }
        Ok(self.filled > 0)
    }

    fn plain_record(&mut self, flags: u8, offset: u64) -> Result<Result<Option<&[u8]>, Torn>, TsdbError> {
        if flags & ZSTD != 0 {
            return Err(TsdbError::Unsupported {
                path: self.path.clone(),
                what: "records compressed with zstd".to_owned(),
                hint: "start Prometheus once with --storage.tsdb.wal-compression-type=snappy until it has \
                       written a checkpoint",
            });
        }
        if flags & SNAPPY == 0 {
            return Ok(Ok(Some(&self.joined)));
        }
        let length = snap::raw::decompress_len(&self.joined).ok().filter(|l| *l <= LONGEST_RECORD);
        let Some(length) = length else {
            return Ok(Err(Torn { offset, what: "the compressed record has no valid length".to_owned() }));
        };
        if self.plain.len() < length {
            self.plain.resize(length, 0);
        }
        match self.decoder.decompress(&self.joined, &mut self.plain) {
            Ok(length) => Ok(Ok(Some(&self.plain[..length]))),
            Err(error) => {
                Ok(Err(Torn { offset, what: format!("the record cannot be decompressed: {error}") }))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::page::frame;
    use super::*;
    use proptest::prelude::*;

    fn read_all(bytes: &[u8]) -> (Vec<Vec<u8>>, Option<Torn>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("00000000");
        std::fs::write(&path, bytes).unwrap();
        let mut reader = RecordReader::open(&path).unwrap();
        let mut records = Vec::new();
        loop {
            match reader.next().unwrap() {
                Ok(Some(record)) => records.push(record.to_vec()),
                Ok(None) => return (records, None),
                Err(torn) => return (records, Some(torn)),
            }
        }
    }

    fn records() -> Vec<Vec<u8>> {
        [1usize, 100, 5, PAGE - 150, 3, 3 * PAGE, 40].iter().map(|n| vec![*n as u8 | 1; *n]).collect()
    }

    fn framed(records: &[Vec<u8>]) -> (Vec<u8>, Vec<u64>) {
        let (mut out, mut ends) = (Vec::new(), vec![0]);
        for record in records {
            frame(&mut out, 0, record, 0);
            ends.push(out.len() as u64);
        }
        (out, ends)
    }

    #[test]
    fn records_of_all_sizes_round_trip() {
        let (bytes, _) = framed(&records());
        assert_eq!(read_all(&bytes), (records(), None));
    }

    #[test]
    fn a_cut_leaves_the_whole_records_before_it() {
        let (bytes, ends) = framed(&records());
        let edges = ends.iter().flat_map(|e| [e.saturating_sub(1), *e, e + 1, e + 6, e + 7, e + 8]);
        let inside = (0..bytes.len() as u64).step_by(4099);
        for cut in edges.chain(inside).filter(|c| *c <= bytes.len() as u64) {
            let whole = ends.iter().filter(|e| **e > 0 && **e <= cut).count();
            let (read, torn) = read_all(&bytes[..cut as usize]);
            assert_eq!(read.len(), whole, "cut at {cut}");
            // A cut inside the zeros that fill a page is a clean end.
            if let Some(torn) = torn {
                assert!(
                    torn.offset >= ends[whole] && torn.offset - ends[whole] < 8,
                    "cut at {cut}: {torn:?}"
                );
            }
        }
    }

    #[test]
    fn a_flipped_bit_is_noticed() {
        let (bytes, ends) = framed(&records());
        for at in (0..bytes.len()).step_by(97) {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x40;
            let before = ends.iter().filter(|e| **e > 0 && **e <= at as u64).count();
            let (read, torn) = read_all(&damaged);
            // Reserved bits of a kind byte carry no meaning: such a flip changes nothing.
            if torn.is_none() {
                assert_eq!(read, records(), "byte {at}");
            } else {
                assert_eq!(read, records()[..before], "byte {at}");
            }
        }
    }

    #[test]
    fn zstd_is_refused_by_name() {
        let mut out = Vec::new();
        frame(&mut out, 0, b"something", ZSTD);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("00000000");
        std::fs::write(&path, out).unwrap();
        let error = RecordReader::open(&path).unwrap().next().unwrap_err().to_string();
        assert!(error.contains("00000000 holds records compressed with zstd"), "{error}");
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
            read_all(&bytes);
        }
    }
}
