//! Which chunks a series has on disk, packed into some twelve bytes each.
//!
//! Input: positions and time ranges of chunks in ascending order of time. Output: the same again, in order. A week of
//! a series scraped every 30 s is 168 chunks: as plain structures that would be 6 KiB per series, packed it is 2.
//!
//! ```text
//! | Δplace varint | Δfirst varint | last − first uvarint | samples uvarint | Δplace …
//! place: file × 128 MiB + byte;    Δplace to the chunk before, Δfirst to the last time of the chunk before
//! ```

use super::layout::{FILE_BYTES, Position};
use crate::wire::{Wire, push_uvarint, push_varint};

/// A chunk on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ChunkRef {
    pub(crate) position: Position,
    /// The first sample, in milliseconds since the Unix epoch.
    pub(crate) min: i64,
    /// The last sample, in milliseconds since the Unix epoch.
    pub(crate) max: i64,
    /// How many samples.
    pub(crate) count: u16,
}

/// The chunks of a series, in ascending order of time.
#[derive(Debug, Default)]
pub(crate) struct ChunkRefs {
    packed: Vec<u8>,
    chunks: u32,
    last_place: i64,
    last_max: i64,
}

impl ChunkRefs {
    pub(crate) fn is_empty(&self) -> bool {
        self.chunks == 0
    }

    pub(crate) fn len(&self) -> usize {
        self.chunks as usize
    }

    /// The last sample of the last chunk.
    pub(crate) fn max(&self) -> Option<i64> {
        (self.chunks > 0).then_some(self.last_max)
    }

    /// The first sample of the first chunk.
    pub(crate) fn min(&self) -> Option<i64> {
        self.iter().next().map(|c| c.min)
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        self.packed.capacity()
    }

    /// Adds a chunk later than all before.
    pub(crate) fn push(&mut self, chunk: ChunkRef) {
        if self.packed.capacity() - self.packed.len() < 24 {
            self.packed.reserve_exact(24 + self.packed.len() / 8);
        }
        let place = i64::from(chunk.position.file) * FILE_BYTES as i64 + i64::from(chunk.position.offset);
        push_varint(&mut self.packed, place.wrapping_sub(self.last_place));
        push_varint(&mut self.packed, chunk.min.wrapping_sub(self.last_max));
        push_uvarint(&mut self.packed, chunk.max.wrapping_sub(chunk.min).cast_unsigned());
        push_uvarint(&mut self.packed, u64::from(chunk.count));
        self.last_place = place;
        self.last_max = chunk.max;
        self.chunks += 1;
    }

    pub(crate) fn iter(&self) -> ChunkRefIter<'_> {
        ChunkRefIter { wire: Wire(&self.packed), place: 0, max: 0 }
    }

    /// Forgets the chunks that end before a time; gives how many those were.
    pub(crate) fn expire(&mut self, cutoff: i64) -> usize {
        let expired = self.iter().take_while(|c| c.max < cutoff).count();
        if expired > 0 {
            let mut kept = Self::default();
            self.iter().skip(expired).for_each(|c| kept.push(c));
            *self = kept;
        }
        expired
    }

    /// Adds the chunks of another list; of two that overlap in time the other list's holds.
    pub(crate) fn merge(&mut self, other: &Self) {
        let mut all: Vec<ChunkRef> = other.iter().collect();
        all.extend(self.iter().filter(|c| !other.iter().any(|o| o.min <= c.max && c.min <= o.max)));
        all.sort_unstable_by_key(|c| c.min);
        *self = Self::default();
        all.into_iter().for_each(|c| self.push(c));
    }
}

/// The chunks of a series one after the other.
pub(crate) struct ChunkRefIter<'a> {
    wire: Wire<'a>,
    place: i64,
    max: i64,
}

impl Iterator for ChunkRefIter<'_> {
    type Item = ChunkRef;

    fn next(&mut self) -> Option<ChunkRef> {
        self.place = self.place.wrapping_add(self.wire.varint()?);
        let min = self.max.wrapping_add(self.wire.varint()?);
        self.max = min.wrapping_add(self.wire.uvarint()?.cast_signed());
        let count = self.wire.uvarint()? as u16;
        let (file, offset) = (self.place / FILE_BYTES as i64, self.place % FILE_BYTES as i64);
        let position = Position { file: file as u32, offset: offset as u32 };
        Some(ChunkRef { position, min, max: self.max, count })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn chunk(file: u32, offset: u32, min: i64, max: i64) -> ChunkRef {
        ChunkRef { position: Position { file, offset }, min, max, count: 120 }
    }

    fn list(chunks: &[ChunkRef]) -> ChunkRefs {
        let mut refs = ChunkRefs::default();
        chunks.iter().for_each(|c| refs.push(*c));
        refs
    }

    #[test]
    fn a_regular_chunk_takes_twelve_bytes() {
        let hour = 3_600_000;
        let chunks: Vec<_> = (0..168)
            .map(|i| {
                chunk(
                    1,
                    8 + i * 1_700_000 % (100 << 20),
                    i64::from(i) * hour,
                    i64::from(i + 1) * hour - 30_000,
                )
            })
            .collect();
        let refs = list(&chunks);
        assert!(refs.packed.len() <= 168 * 13, "{}", refs.packed.len());
        assert_eq!(refs.iter().collect::<Vec<_>>(), chunks);
    }

    #[test]
    fn old_chunks_are_forgotten() {
        let chunks = [chunk(1, 8, 0, 99), chunk(1, 500, 100, 199), chunk(2, 8, 200, 299)];
        let check = |cutoff: i64, expected: usize| {
            let mut refs = list(&chunks);
            assert_eq!(refs.expire(cutoff), expected, "{cutoff}");
            assert_eq!(refs.iter().collect::<Vec<_>>(), chunks[expected..], "{cutoff}");
            assert_eq!((refs.len(), refs.min()), (3 - expected, chunks.get(expected).map(|c| c.min)));
        };
        check(0, 0);
        check(99, 0);
        check(100, 1);
        check(299, 2);
        check(300, 3);
    }

    #[test]
    fn lists_are_merged_by_time() {
        let mut refs = list(&[chunk(1, 8, 0, 99), chunk(1, 100, 200, 299)]);
        refs.merge(&list(&[chunk(1, 50, 100, 150), chunk(2, 8, 250, 400)]));
        let expected = [chunk(1, 8, 0, 99), chunk(1, 50, 100, 150), chunk(2, 8, 250, 400)];
        assert_eq!(refs.iter().collect::<Vec<_>>(), expected);
    }

    proptest! {
        #[test]
        fn any_chunks_round_trip(raw in proptest::collection::vec(
            (any::<u32>(), 0u32..128 << 20, any::<i64>(), any::<u32>(), any::<u16>()), 0..30)) {
            let chunks: Vec<_> = raw.into_iter().map(|(file, offset, min, span, count)| ChunkRef {
                position: Position { file, offset }, min, max: min.wrapping_add(i64::from(span)), count,
            }).collect();
            prop_assert_eq!(list(&chunks).iter().collect::<Vec<_>>(), chunks);
        }
    }
}
