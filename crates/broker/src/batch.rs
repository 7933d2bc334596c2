//! A record batch, version 2: the only form in which messages travel and lie on disk.
//!
//! Input: bytes of a produce request or of a segment. Output: the header's fields, and whether the bytes are whole. Records
//! inside are looked at only to find a timestamp, and only when they are not compressed.
//!
//! ```text
//!  0  base offset        i64   set by the broker      ┐ outside of the checksum, so the broker
//!  8  length             i32   bytes after this field │ patches offset and epoch without
//! 12  leader epoch       i32   set by the broker      │ touching the rest
//! 16  magic              i8    2                      │
//! 17  crc                u32   crc32c of all below    ┘
//! 21  attributes         i16   0-2 compression, 3 timestamp type, 4 transactional, 5 control
//! 23  last offset delta  i32   records - 1
//! 27  base timestamp     i64   ms
//! 35  max timestamp      i64   ms
//! 43  producer id        i64   -1 without idempotence
//! 51  producer epoch     i16
//! 53  base sequence      i32
//! 57  record count       i32
//! 61  records: each varint length, i8 attributes, varint timestamp delta, varint offset delta, key, value, headers
//! ```

/// Bytes of the header.
pub(crate) const HEADER: usize = 61;
/// Bytes before the field `length` ends; `length` counts what follows.
const PREFIX: usize = 12;
/// The leader epoch of every partition: one broker, which is never replaced.
pub(crate) const LEADER_EPOCH: i32 = 0;

/// The fields of a batch's header that the broker uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BatchHeader {
    pub(crate) base_offset: i64,
    /// Bytes of the whole batch.
    pub(crate) size: usize,
    pub(crate) magic: i8,
    pub(crate) crc: u32,
    pub(crate) attributes: i16,
    pub(crate) last_offset_delta: i32,
    pub(crate) base_timestamp: i64,
    pub(crate) max_timestamp: i64,
    pub(crate) producer_id: i64,
    pub(crate) producer_epoch: i16,
    pub(crate) base_sequence: i32,
    pub(crate) count: i32,
}

fn at<const N: usize>(bytes: &[u8], from: usize) -> [u8; N] {
    let mut field = [0; N];
    field.copy_from_slice(&bytes[from..from + N]);
    field
}

impl BatchHeader {
    /// The header at the start of `bytes`; none when there are fewer than [`HEADER`] bytes or the length is absurd.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        if bytes.len() < HEADER {
            return None;
        }
        let length = usize::try_from(i32::from_be_bytes(at(bytes, 8))).ok()?;
        if length < HEADER - PREFIX {
            return None;
        }
        Some(Self {
            base_offset: i64::from_be_bytes(at(bytes, 0)),
            size: length + PREFIX,
            magic: i8::from_be_bytes(at(bytes, 16)),
            crc: u32::from_be_bytes(at(bytes, 17)),
            attributes: i16::from_be_bytes(at(bytes, 21)),
            last_offset_delta: i32::from_be_bytes(at(bytes, 23)),
            base_timestamp: i64::from_be_bytes(at(bytes, 27)),
            max_timestamp: i64::from_be_bytes(at(bytes, 35)),
            producer_id: i64::from_be_bytes(at(bytes, 43)),
            producer_epoch: i16::from_be_bytes(at(bytes, 51)),
            base_sequence: i32::from_be_bytes(at(bytes, 53)),
            count: i32::from_be_bytes(at(bytes, 57)),
        })
    }

    /// Whether `batch`, of exactly `size` bytes, is what was sent or written: form, counts and checksum.
    pub(crate) fn is_whole(&self, batch: &[u8]) -> bool {
        self.magic == 2
            && batch.len() == self.size
            && self.last_offset_delta >= 0
            && self.crc == crc32c::crc32c(&batch[21..])
    }

    /// The offset behind the batch.
    pub(crate) fn next_offset(&self) -> i64 {
        self.base_offset.saturating_add(i64::from(self.last_offset_delta) + 1)
    }

    pub(crate) fn is_compressed(&self) -> bool {
        self.attributes & 0x07 != 0
    }

    pub(crate) fn is_transactional(&self) -> bool {
        self.attributes & 0x10 != 0
    }

    pub(crate) fn is_control(&self) -> bool {
        self.attributes & 0x20 != 0
    }

    /// The sequence number of the last record; numbers wrap to 0 behind the largest.
    pub(crate) fn last_sequence(&self) -> i32 {
        add_sequence(self.base_sequence, self.last_offset_delta)
    }
}

/// `sequence + delta` in the ring of non-negative 32-bit numbers.
pub(crate) fn add_sequence(sequence: i32, delta: i32) -> i32 {
    ((i64::from(sequence) + i64::from(delta)) & i64::from(i32::MAX)) as i32
}

/// The first 16 bytes of the batch as they go to disk: with its offset and the leader's epoch.
pub(crate) fn patched_prefix(batch: &[u8], base_offset: i64) -> [u8; 16] {
    let mut prefix = at::<16>(batch, 0);
    prefix[..8].copy_from_slice(&base_offset.to_be_bytes());
    prefix[12..].copy_from_slice(&LEADER_EPOCH.to_be_bytes());
    prefix
}

/// Walks the records of a whole, uncompressed batch and gives offset and timestamp of each. Ends at what it cannot read.
pub(crate) struct RecordTimes<'a> {
    header: BatchHeader,
    rest: &'a [u8],
    left: i32,
}

impl<'a> RecordTimes<'a> {
    pub(crate) fn new(header: BatchHeader, batch: &'a [u8]) -> Self {
        let left = if header.is_compressed() { 0 } else { header.count };
        Self { header, rest: batch.get(HEADER..).unwrap_or_default(), left }
    }
}

impl Iterator for RecordTimes<'_> {
    type Item = (i64, i64);

    fn next(&mut self) -> Option<(i64, i64)> {
        if self.left <= 0 {
            return None;
        }
        self.left -= 1;
        let (length, rest) = varint(self.rest)?;
        let record = rest.get(..usize::try_from(length).ok()?)?;
        self.rest = &rest[record.len()..];
        let (timestamp_delta, record) = varint(record.get(1..)?)?;
        let (offset_delta, _) = varint(record)?;
        Some((
            self.header.base_offset.checked_add(offset_delta)?,
            self.header.base_timestamp.checked_add(timestamp_delta)?,
        ))
    }
}

/// A zigzag-coded number and what follows it.
fn varint(bytes: &[u8]) -> Option<(i64, &[u8])> {
    let mut value = 0_u64;
    for (index, byte) in bytes.iter().enumerate().take(10) {
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Some((((value >> 1) as i64) ^ -((value & 1) as i64), &bytes[index + 1..]));
        }
    }
    None
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    fn put_varint(out: &mut Vec<u8>, value: i64) {
        let mut rest = ((value << 1) ^ (value >> 63)) as u64;
        while rest >= 0x80 {
            out.push(rest as u8 | 0x80);
            rest >>= 7;
        }
        out.push(rest as u8);
    }

    /// A batch of values at one-millisecond steps from `timestamp`, as a producer sends it.
    pub(crate) fn batch(values: &[&[u8]], timestamp: i64, producer: (i64, i16, i32)) -> Vec<u8> {
        let mut records = Vec::new();
        for (index, value) in values.iter().enumerate() {
            let mut record = vec![0];
            put_varint(&mut record, index as i64);
            put_varint(&mut record, index as i64);
            put_varint(&mut record, -1);
            put_varint(&mut record, value.len() as i64);
            record.extend_from_slice(value);
            put_varint(&mut record, 0);
            put_varint(&mut records, record.len() as i64);
            records.extend(record);
        }
        let last = values.len() as i32 - 1;
        let mut body = Vec::new();
        body.extend(0_i16.to_be_bytes());
        body.extend(last.to_be_bytes());
        body.extend(timestamp.to_be_bytes());
        body.extend((timestamp + i64::from(last)).to_be_bytes());
        body.extend(producer.0.to_be_bytes());
        body.extend(producer.1.to_be_bytes());
        body.extend(producer.2.to_be_bytes());
        body.extend((last + 1).to_be_bytes());
        body.extend(records);
        let mut batch = Vec::new();
        batch.extend(0_i64.to_be_bytes());
        batch.extend((body.len() as i32 + 9).to_be_bytes());
        batch.extend((-1_i32).to_be_bytes());
        batch.push(2);
        batch.extend(crc32c::crc32c(&body).to_be_bytes());
        batch.extend(body);
        batch
    }

    #[test]
    fn a_batch_is_whole_until_a_byte_changes() {
        let bytes = batch(&[b"one", b"two"], 1_000, (-1, -1, -1));
        let header = BatchHeader::parse(&bytes).unwrap();
        assert!(header.is_whole(&bytes));
        assert_eq!((header.count, header.max_timestamp, header.size), (2, 1_001, bytes.len()));
        for index in 16..bytes.len() {
            let mut torn = bytes.clone();
            torn[index] ^= 0x40;
            let header = BatchHeader::parse(&torn);
            assert!(header.is_none_or(|header| !header.is_whole(&torn)), "byte {index} may change unnoticed");
        }
    }

    #[test]
    fn records_give_offsets_and_times() {
        let mut bytes = batch(&[b"a", b"b", b"c"], 500, (-1, -1, -1));
        let prefix = patched_prefix(&bytes, 40);
        bytes[..16].copy_from_slice(&prefix);
        let header = BatchHeader::parse(&bytes).unwrap();
        assert!(header.is_whole(&bytes), "offset and epoch lie outside of the checksum");
        let times: Vec<_> = RecordTimes::new(header, &bytes).collect();
        assert_eq!(times, [(40, 500), (41, 501), (42, 502)]);
        assert_eq!(header.next_offset(), 43);
    }

    #[test]
    fn sequences_wrap() {
        assert_eq!(add_sequence(i32::MAX, 1), 0);
        assert_eq!(add_sequence(i32::MAX - 1, 3), 1);
        assert_eq!(add_sequence(7, 2), 9);
    }
}
