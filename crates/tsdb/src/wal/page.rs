//! How records lie in the pages of a segment.
//!
//! Input: whole records, and the byte of the segment at which the next goes. Output: framed bytes for the writer.
//! Reading is `reader`'s part.
//!
//! ```text
//! segment  | page of 32 KiB | page | page …           only the last page of a segment may be short
//! page     | frame | frame | … | zeros                zeros: no further frame fits
//! frame    | kind u8 | length u16 | CRC-32C u32 | data |
//! kind     000 z s kkk     k: 1 whole record, 2 first, 3 middle, 4 last part;  s: snappy, z: zstd (of the whole record)
//! ```

/// Bytes per page.
pub(crate) const PAGE: usize = 32 * 1024;
/// Bytes in front of a frame's data.
pub(crate) const FRAME_HEADER: usize = 7;

/// The rest of the page is zeros.
pub(crate) const KIND_PADDING: u8 = 0;
/// The frame is a whole record.
pub(crate) const KIND_FULL: u8 = 1;
/// The frame begins a record.
pub(crate) const KIND_FIRST: u8 = 2;
/// The frame continues a record.
pub(crate) const KIND_MIDDLE: u8 = 3;
/// The frame ends a record.
pub(crate) const KIND_LAST: u8 = 4;
/// The bits of a kind byte that are the kind.
pub(crate) const KIND_MASK: u8 = 7;
/// The record is compressed with snappy.
pub(crate) const SNAPPY: u8 = 1 << 3;
/// The record is compressed with zstd.
pub(crate) const ZSTD: u8 = 1 << 4;

/// Frames a record for a segment whose length, `out` included, is `base + out.len()`.
pub(crate) fn frame(out: &mut Vec<u8>, base: u64, record: &[u8], flags: u8) {
    let mut rest = record;
    let mut first = true;
    loop {
        let used = ((base + out.len() as u64) % PAGE as u64) as usize;
        let room = PAGE - used;
        if room <= FRAME_HEADER {
            out.resize(out.len() + room, 0);
            continue;
        }
        let (part, behind) = rest.split_at(rest.len().min(room - FRAME_HEADER));
        let kind = match (first, behind.is_empty()) {
            (true, true) => KIND_FULL,
            (true, false) => KIND_FIRST,
            (false, false) => KIND_MIDDLE,
            (false, true) => KIND_LAST,
        };
        out.push(kind | flags);
        out.extend_from_slice(&(part.len() as u16).to_be_bytes());
        out.extend_from_slice(&crc32c::crc32c(part).to_be_bytes());
        out.extend_from_slice(part);
        first = false;
        rest = behind;
        if rest.is_empty() {
            return;
        }
    }
}

/// At most how many bytes a record of a length takes with its frames and padding.
pub(crate) fn framed_bound(length: usize) -> u64 {
    let frames = length / (PAGE - FRAME_HEADER) + 2;
    (length + frames * FRAME_HEADER + FRAME_HEADER) as u64
}
