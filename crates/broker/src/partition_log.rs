//! The log of one partition: segments, the offsets between which it can be read, and its producers.
//!
//! Input: checked batches, offsets and times to look up, limits of retention. Output: files in the partition's folder, and places
//! to read from. It does not wait, count or know about the protocol.
//!
//! An append returns when the operating system has the bytes: killing the process loses nothing that was acknowledged, losing power
//! can lose the last seconds. A segment is put onto the disk itself when the next one is begun and on an orderly end.

use crate::batch::{BatchHeader, HEADER};
use crate::producers::{Producers, Verdict};
use crate::segment::{Check, Segment, base_offsets};
use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Holds the first readable offset after messages were deleted by request.
const START_FILE: &str = "log-start-offset";
/// Ends of reads that are remembered, so that the next read of a consumer needs no search.
const REMEMBERED_READS: usize = 4;

/// A partition's log.
#[derive(Debug)]
pub(crate) struct PartitionLog {
    folder: PathBuf,
    /// Never empty; the last one is written.
    segments: VecDeque<Segment>,
    start_offset: i64,
    producers: Producers,
    producer_limit: usize,
    reads: VecDeque<(i64, i64, u64)>,
    /// The topic is gone; its folder may already be that of another topic of the same name.
    deleted: bool,
}

/// What came of an append.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Appended {
    /// The batch, or the same one earlier, begins at this offset.
    At(i64),
    /// The producer's numbers do not fit; a protocol code.
    Refused(i16),
    /// The topic is gone.
    Deleted,
}

/// A place to read batches from.
#[derive(Debug)]
pub(crate) struct Place {
    file: Arc<File>,
    segment: i64,
    position: u64,
    end: u64,
}

impl PartitionLog {
    /// Opens or makes the log in `folder`. Checks every checksum of the last segment and cuts a torn end off.
    pub(crate) fn open(folder: &Path, producer_limit: usize) -> io::Result<Self> {
        std::fs::create_dir_all(folder)?;
        let mut producers = Producers::default();
        let mut segments = VecDeque::new();
        let bases = base_offsets(folder)?;
        for (index, &base) in bases.iter().enumerate() {
            let check = if index + 1 == bases.len() { Check::Checksums } else { Check::Headers };
            let seen = |header: &BatchHeader| producers.remember(header, header.base_offset, producer_limit);
            let before = bases.get(index + 1).copied().unwrap_or(i64::MAX);
            let (segment, cut) = Segment::recover(folder, base, before, check, seen)?;
            if cut > 0 {
                tracing::warn!(folder = %folder.display(), segment = base, bytes = cut, "cut off what was not a whole batch");
            }
            segments.push_back(segment);
        }
        if segments.is_empty() {
            segments.push_back(Segment::create(folder, 0)?);
        }
        let stored =
            std::fs::read_to_string(folder.join(START_FILE)).ok().and_then(|text| text.trim().parse().ok());
        let mut log = Self {
            folder: folder.to_owned(),
            segments,
            start_offset: 0,
            producers,
            producer_limit,
            reads: VecDeque::new(),
            deleted: false,
        };
        log.start_offset = stored.unwrap_or(0).clamp(log.segments[0].base_offset, log.end_offset());
        Ok(log)
    }

    /// Says that the topic is gone: from now on nothing is written and no file made, whoever still holds this log.
    pub(crate) fn mark_deleted(&mut self) {
        self.deleted = true;
    }

    /// Whether the topic is gone.
    pub(crate) fn is_deleted(&self) -> bool {
        self.deleted
    }

    /// The first offset that can be read.
    pub(crate) fn start_offset(&self) -> i64 {
        self.start_offset
    }

    /// The offset that the next message gets.
    pub(crate) fn end_offset(&self) -> i64 {
        self.last().next_offset
    }

    /// Bytes of all segments.
    pub(crate) fn size(&self) -> u64 {
        self.segments.iter().map(|segment| segment.size).sum()
    }

    fn last(&self) -> &Segment {
        self.segments.back().expect("a log always has a segment")
    }

    fn last_mut(&mut self) -> &mut Segment {
        self.segments.back_mut().expect("a log always has a segment")
    }

    /// Appends a batch whose form and checksum were checked; begins a new segment when it would outgrow `segment_bytes`.
    pub(crate) fn append(
        &mut self,
        header: &BatchHeader,
        batch: &[u8],
        segment_bytes: u64,
    ) -> io::Result<Appended> {
        if self.deleted {
            return Ok(Appended::Deleted);
        }
        match self.producers.judge(header) {
            Verdict::Append => {}
            Verdict::Duplicate(offset) => return Ok(Appended::At(offset)),
            Verdict::Refuse(code) => return Ok(Appended::Refused(code)),
        }
        if self.last().size > 0 && self.last().size + header.size as u64 > segment_bytes {
            self.last().sync()?;
            let next = Segment::create(&self.folder, self.end_offset())?;
            self.segments.push_back(next);
        }
        let header = BatchHeader { base_offset: self.end_offset(), ..*header };
        self.last_mut().append(&header, batch)?;
        self.producers.remember(&header, header.base_offset, self.producer_limit);
        Ok(Appended::At(header.base_offset))
    }

    fn segment_of(&self, offset: i64) -> usize {
        self.segments.partition_point(|segment| segment.next_offset <= offset)
    }

    /// Where the batch with `offset` begins; none when there is none yet. The caller has checked that the offset lies inside.
    pub(crate) fn place(&mut self, offset: i64) -> io::Result<Option<Place>> {
        let Some(segment) = self.segments.get(self.segment_of(offset)) else { return Ok(None) };
        let remembered = self
            .reads
            .iter()
            .find(|&&(next, base, _)| next == offset && base == segment.base_offset)
            .map(|read| read.2);
        let position = match remembered {
            Some(position) => position,
            None => segment.position_of(offset)?,
        };
        Ok(Some(Place { file: segment.file(), segment: segment.base_offset, position, end: segment.size }))
    }

    /// Bytes from `offset` to the end, at most one index interval too many.
    pub(crate) fn bytes_from(&mut self, offset: i64) -> io::Result<u64> {
        let later: u64 =
            self.segments.iter().skip(self.segment_of(offset) + 1).map(|segment| segment.size).sum();
        Ok(self.place(offset)?.map_or(0, |place| place.end - place.position) + later)
    }

    /// Remembers where a read ended.
    pub(crate) fn remember_read(&mut self, end: ReadEnd) {
        self.reads.retain(|&(offset, ..)| offset != end.next_offset);
        if self.reads.len() == REMEMBERED_READS {
            self.reads.pop_front();
        }
        self.reads.push_back((end.next_offset, end.segment, end.position));
    }

    /// The first message with at least this timestamp, as offset and timestamp.
    pub(crate) fn offset_at_time(&self, timestamp: i64) -> io::Result<Option<(i64, i64)>> {
        for segment in self.segments.iter().filter(|segment| segment.max_timestamp >= timestamp) {
            if let Some(found) = segment.offset_at_time(timestamp)?
                && found.0 >= self.start_offset
            {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// The message with the largest timestamp, as offset and timestamp.
    pub(crate) fn latest_time(&self) -> io::Result<Option<(i64, i64)>> {
        let largest = self.segments.iter().map(|segment| segment.max_timestamp).max().unwrap_or(-1);
        if largest < 0 { Ok(None) } else { self.offset_at_time(largest) }
    }

    /// Moves the first readable offset forward and removes segments that lie before it; of a deleted topic, nothing.
    pub(crate) fn delete_before(&mut self, offset: i64) -> io::Result<()> {
        if self.deleted {
            return Ok(());
        }
        if offset > self.start_offset {
            self.start_offset = offset;
            let temporary = self.folder.join("log-start-offset.new");
            std::fs::write(&temporary, offset.to_string())?;
            std::fs::rename(temporary, self.folder.join(START_FILE))?;
        }
        while self.segments.len() > 1 && self.segments[0].next_offset <= self.start_offset {
            self.remove_first()?;
        }
        Ok(())
    }

    /// Removes whole segments that are older than `oldest` (ms) or in excess of `bytes`. Gives how many. The written one
    /// stays, unless it is too old as a whole: then an empty one takes its place.
    pub(crate) fn retain(&mut self, oldest: Option<i64>, bytes: Option<u64>) -> io::Result<usize> {
        if self.deleted {
            return Ok(0);
        }
        let before = self.segments.len();
        if let Some(oldest) = oldest
            && self.last().size > 0
            && self.last().max_timestamp < oldest
        {
            let next = Segment::create(&self.folder, self.end_offset())?;
            self.segments.push_back(next);
        }
        let mut removed = self.segments.len() - before;
        while self.segments.len() > 1 {
            let old = oldest.is_some_and(|oldest| self.segments[0].max_timestamp < oldest);
            let excess = bytes.is_some_and(|bytes| self.size() - self.segments[0].size >= bytes);
            if !old && !excess {
                break;
            }
            self.remove_first()?;
            removed += 1;
        }
        Ok(removed)
    }

    fn remove_first(&mut self) -> io::Result<()> {
        if let Some(segment) = self.segments.pop_front() {
            segment.remove()?;
        }
        self.start_offset = self.start_offset.max(self.segments[0].base_offset);
        Ok(())
    }

    /// Puts the written segment onto the disk itself.
    pub(crate) fn sync(&self) -> io::Result<()> {
        self.last().sync()
    }

    #[cfg(test)]
    pub(crate) fn break_file(&mut self) {
        self.last_mut().break_file();
    }
}

/// Where a read ended, for the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ReadEnd {
    next_offset: i64,
    segment: i64,
    position: u64,
}

impl Place {
    /// Reads whole batches to the end of `out`: at most `max` bytes, but with `first_whole` at least one batch. The only copy on
    /// the way from the page cache to the socket.
    pub(crate) fn read(
        &self,
        max: usize,
        first_whole: bool,
        out: &mut bytes::BytesMut,
    ) -> io::Result<Option<ReadEnd>> {
        let available = usize::try_from(self.end - self.position).unwrap_or(usize::MAX);
        let mut head = [0; HEADER];
        if available < HEADER {
            return Ok(None);
        }
        self.file.read_exact_at(&mut head, self.position)?;
        let Some(first) = BatchHeader::parse(&head) else { return Ok(None) };
        let wanted = if first.size > max {
            if !first_whole {
                return Ok(None);
            }
            first.size
        } else {
            max
        };
        let from = out.len();
        out.resize(from + wanted.min(available), 0);
        if let Err(error) = self.file.read_exact_at(&mut out[from..], self.position) {
            out.truncate(from);
            return Err(error);
        }
        let (mut whole, mut next_offset) = (0, 0);
        while let Some(header) = BatchHeader::parse(&out[from + whole..])
            && from + whole + header.size <= out.len()
        {
            whole += header.size;
            next_offset = header.next_offset();
        }
        out.truncate(from + whole);
        Ok((whole > 0).then_some(ReadEnd {
            next_offset,
            segment: self.segment,
            position: self.position + whole as u64,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::tests::batch;
    use bytes::BytesMut;

    fn append(log: &mut PartitionLog, values: &[&[u8]], time: i64, producer: (i64, i16, i32)) -> Appended {
        let bytes = batch(values, time, producer);
        log.append(&BatchHeader::parse(&bytes).unwrap(), &bytes, 300).unwrap()
    }

    fn plain(log: &mut PartitionLog, value: &[u8], time: i64) -> Appended {
        append(log, &[value], time, (-1, -1, -1))
    }

    /// The offsets of all batches from `offset` on.
    fn offsets(log: &mut PartitionLog, mut offset: i64) -> Vec<i64> {
        let mut found = Vec::new();
        while let Some(place) = log.place(offset).unwrap() {
            let mut out = BytesMut::new();
            let end = place.read(10_000, true, &mut out).unwrap().unwrap();
            let mut rest = &out[..];
            while let Some(header) = BatchHeader::parse(rest) {
                assert!(header.is_whole(&rest[..header.size]));
                found.push(header.base_offset);
                rest = &rest[header.size..];
            }
            log.remember_read(end);
            offset = end.next_offset;
        }
        found
    }

    #[test]
    fn what_was_appended_is_read_in_order_over_segments() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = PartitionLog::open(folder.path(), 8).unwrap();
        for n in 0..20 {
            assert_eq!(append(&mut log, &[b"a", b"b"], n, (-1, -1, -1)), Appended::At(n * 2));
        }
        assert!(log.segments.len() > 5);
        assert_eq!(offsets(&mut log, 0), (0..20).map(|n| n * 2).collect::<Vec<_>>());
        assert_eq!(
            offsets(&mut log, 31),
            [30, 32, 34, 36, 38],
            "an offset inside of a batch gives the batch"
        );
        drop(log);
        let mut log = PartitionLog::open(folder.path(), 8).unwrap();
        assert_eq!(offsets(&mut log, 0).len(), 20);
        assert_eq!((log.start_offset(), log.end_offset()), (0, 40));
    }

    #[test]
    fn recovery_keeps_every_whole_batch_wherever_the_tail_is_torn() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = PartitionLog::open(folder.path(), 8).unwrap();
        let mut ends = vec![0];
        for n in 0..3 {
            plain(&mut log, b"value", n);
            ends.push(log.size());
        }
        assert_eq!(log.segments.len(), 1);
        let path = folder.path().join("00000000000000000000.log");
        let bytes = std::fs::read(&path).unwrap();
        for cut in 0..=bytes.len() {
            std::fs::write(&path, &bytes[..cut]).unwrap();
            let mut log = PartitionLog::open(folder.path(), 8).unwrap();
            let whole = ends.iter().filter(|&&end| end > 0 && end <= cut as u64).count() as i64;
            assert_eq!(log.end_offset(), whole, "cut at {cut}");
            assert_eq!(log.size(), ends[whole as usize]);
            assert_eq!(plain(&mut log, b"next", 9), Appended::At(whole));
            assert_eq!(offsets(&mut log, 0), (0..=whole).collect::<Vec<_>>());
        }
        for flipped in ends[2] as usize..bytes.len() {
            let mut torn = bytes.clone();
            torn[flipped] ^= 0x10;
            std::fs::write(&path, &torn).unwrap();
            let log = PartitionLog::open(folder.path(), 8).unwrap();
            // The epoch, which is always 0 here and tells nothing, lies outside of the checksum.
            let outside = (12..16).contains(&(flipped - ends[2] as usize));
            assert!(log.end_offset() == 2 || outside, "byte {flipped} changed unnoticed");
        }
    }

    #[test]
    fn a_batch_that_is_not_in_its_place_is_cut_off() {
        // Two batches of two messages in each segment.
        let check = |segment: &str, batch: usize, base: i64, expected: &[i64], end: i64| {
            let folder = tempfile::tempdir().unwrap();
            let mut log = PartitionLog::open(folder.path(), 8).unwrap();
            for n in 0..8 {
                append(&mut log, &[&[b'x'; 30], &[b'y'; 30]], n, (-1, -1, -1));
            }
            assert_eq!(log.segments.iter().map(|s| s.base_offset).collect::<Vec<_>>(), [0, 4, 8, 12]);
            let at = batch * log.segments[0].size as usize / 2;
            drop(log);
            let path = folder.path().join(format!("{segment:0>20}.log"));
            let mut bytes = std::fs::read(&path).unwrap();
            bytes[at..at + 8].copy_from_slice(&base.to_be_bytes());
            std::fs::write(&path, bytes).unwrap();
            let mut log = PartitionLog::open(folder.path(), 8).unwrap();
            assert_eq!(offsets(&mut log, 0), expected, "batch {batch} of {segment} at {base}");
            assert_eq!(log.end_offset(), end);
        };
        let whole = [0, 2, 4, 6, 8, 10, 12, 14];
        check("12", 1, 14, &whole, 16);
        check("12", 1, 15, &whole[..7], 14);
        check("12", 1, i64::MAX, &whole[..7], 14);
        check("12", 1, 13, &whole[..7], 14);
        check("12", 0, 40, &whole[..6], 12);
        check("4", 1, 1 << 40, &[0, 2, 4, 8, 10, 12, 14], 16);
    }

    #[test]
    fn the_log_of_a_deleted_topic_makes_no_file() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = PartitionLog::open(folder.path(), 8).unwrap();
        for n in 0..4 {
            plain(&mut log, &[b'x'; 100], n);
        }
        log.mark_deleted();
        std::fs::remove_dir_all(folder.path()).unwrap();
        std::fs::create_dir_all(folder.path()).unwrap();
        assert_eq!(plain(&mut log, &[b'x'; 200], 9), Appended::Deleted);
        assert_eq!(log.retain(Some(1_000), Some(0)).unwrap(), 0);
        log.delete_before(4).unwrap();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn duplicates_are_known_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = PartitionLog::open(folder.path(), 8).unwrap();
        for n in 0..4 {
            assert_eq!(append(&mut log, &[b"x"], 0, (5, 0, n)), Appended::At(i64::from(n)));
        }
        drop(log);
        let mut log = PartitionLog::open(folder.path(), 8).unwrap();
        assert_eq!(append(&mut log, &[b"x"], 0, (5, 0, 3)), Appended::At(3));
        assert_eq!(log.end_offset(), 4);
        assert_eq!(
            append(&mut log, &[b"x"], 0, (5, 0, 6)),
            Appended::Refused(crate::codes::OUT_OF_ORDER_SEQUENCE_NUMBER)
        );
        assert_eq!(append(&mut log, &[b"x"], 0, (5, 0, 4)), Appended::At(4));
    }

    #[test]
    fn a_failed_write_leaves_the_log_as_it_was_and_the_next_one_repairs_it() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = PartitionLog::open(folder.path(), 8).unwrap();
        append(&mut log, &[b"x"], 0, (5, 0, 0));
        log.break_file();
        let bytes = batch(&[b"y"], 0, (5, 0, 1));
        log.append(&BatchHeader::parse(&bytes).unwrap(), &bytes, 1_000).unwrap_err();
        assert_eq!(log.end_offset(), 1);
        assert_eq!(
            append(&mut log, &[b"y"], 0, (5, 0, 1)),
            Appended::At(1),
            "the sequence number was not used up"
        );
        assert_eq!(offsets(&mut log, 0), [0, 1]);
    }

    #[test]
    fn times_find_offsets() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = PartitionLog::open(folder.path(), 8).unwrap();
        for n in 0..10 {
            append(&mut log, &[b"a", b"b", b"c"], n * 100, (-1, -1, -1));
        }
        let check = |time: i64, expected: Option<(i64, i64)>| {
            assert_eq!(log.offset_at_time(time).unwrap(), expected, "at {time}");
        };
        check(-5, Some((0, 0)));
        check(1, Some((1, 1)));
        check(3, Some((3, 100)));
        check(902, Some((29, 902)));
        check(903, None);
        assert_eq!(log.latest_time().unwrap(), Some((29, 902)));
    }

    #[test]
    fn retention_and_deletion_remove_whole_segments() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = PartitionLog::open(folder.path(), 8).unwrap();
        for n in 0..30 {
            plain(&mut log, b"0123456789", n);
        }
        let all = log.size();
        assert!(log.retain(None, Some(all / 2)).unwrap() > 0);
        assert!(log.size() >= all / 2 && log.size() < all);
        assert!(log.start_offset() > 0);
        let start = log.start_offset();
        assert_eq!(offsets(&mut log, start).last(), Some(&29));
        log.delete_before(28).unwrap();
        drop(log);
        let mut log = PartitionLog::open(folder.path(), 8).unwrap();
        assert_eq!(log.start_offset(), 28);
        log.retain(Some(1_000), None).unwrap();
        assert_eq!((log.start_offset(), log.end_offset(), log.size()), (30, 30, 0));
        assert_eq!(plain(&mut log, b"again", 50), Appended::At(30));
    }
}
