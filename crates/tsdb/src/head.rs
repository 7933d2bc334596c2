//! The head: all series in memory, with their open chunks and the references to their chunks on disk.
//!
//! Input: accepted samples from `append`, and the log and chunk files through `load` when the folder is opened.
//! Output: series by labels, by matchers and by handle for `select`; full chunks for `mapped`. It neither writes files
//! nor takes locks: whoever holds the lock around the [`Head`] calls it.
//!
//! A series lives in a slot. Postings, the table by labels and the handles given to producers all name the slot; a
//! handle also carries part of the series' id, so that one whose series is gone is recognised.

mod load;
mod matching;
mod order;
mod postings;
mod series;

pub(crate) use load::load;
pub(crate) use order::Rank;
use postings::Postings;
pub(crate) use series::{CHUNK_RANGE, Last, Series, Staged};

use crate::mapped::ChunkFiles;
use hashbrown::{HashSet, HashTable};
use std::sync::Arc;
use tidewatch_model::{Labels, SeriesRef};

/// All series and the index over them.
#[derive(Default)]
pub(crate) struct Head {
    slots: Vec<Option<Box<Series>>>,
    live: usize,
    by_labels: HashTable<u32>,
    postings: Postings,
    /// Further ids under which a series' chunks and samples are on disk, with the id it goes by.
    aliases: Vec<(u64, u64)>,
    /// The chunk files that the references point into.
    pub(crate) files: Arc<ChunkFiles>,
    /// The earliest sample ever seen and not yet expired, in milliseconds since the Unix epoch.
    pub(crate) min_time: Option<i64>,
    /// The latest sample, in milliseconds since the Unix epoch.
    pub(crate) max_time: Option<i64>,
    /// Chunks of all series, open ones included.
    pub(crate) chunks: usize,
}

impl Head {
    /// How many series there are.
    pub(crate) fn len(&self) -> usize {
        self.live
    }

    /// The slots there are, used or not.
    pub(crate) fn slots(&self) -> u32 {
        self.slots.len() as u32
    }

    pub(crate) fn series(&self, slot: u32) -> Option<&Series> {
        self.slots.get(slot as usize)?.as_deref()
    }

    pub(crate) fn series_mut(&mut self, slot: u32) -> Option<&mut Series> {
        self.slots.get_mut(slot as usize)?.as_deref_mut()
    }

    pub(crate) fn postings(&self) -> &Postings {
        &self.postings
    }

    /// Bytes of the index on the heap, estimated.
    pub(crate) fn index_bytes(&self) -> usize {
        let slots = self.slots.capacity() * size_of::<Option<Box<Series>>>();
        let table = self.by_labels.capacity() * (size_of::<u32>() + 1);
        slots + table + self.postings.heap_bytes()
    }

    /// The slot of a handle, unless its series is gone.
    pub(crate) fn resolve(&self, handle: SeriesRef) -> Option<u32> {
        let slot = (handle.0 as u32).checked_sub(1)?;
        let series = self.series(slot)?;
        (Self::handle(slot, series.id()) == handle).then_some(slot)
    }

    /// The handle of a series: the slot and one, and above them the low half of the id.
    ///
    /// ```text
    /// | id, low 32 bits | slot + 1, 32 bits |
    /// ```
    pub(crate) fn handle(slot: u32, id: u64) -> SeriesRef {
        SeriesRef(id << 32 | u64::from(slot + 1))
    }

    /// The slot of the series with these labels.
    pub(crate) fn find(&self, labels: &Labels) -> Option<u32> {
        let found = self
            .by_labels
            .find(labels.hash64(), |slot| self.series(*slot).is_some_and(|series| series.labels() == labels));
        found.copied()
    }

    /// Adds a series whose labels are not there yet; gives its slot.
    pub(crate) fn insert(&mut self, series: Series) -> u32 {
        let slot = self.slots();
        self.postings.insert(slot, series.labels());
        let hash = series.labels().hash64();
        self.slots.push(Some(Box::new(series)));
        let slots = &self.slots;
        self.by_labels.insert_unique(hash, slot, |slot| hash_of(slots, *slot));
        self.live += 1;
        slot
    }

    /// Says that a series is on disk under another id too.
    pub(crate) fn alias(&mut self, alias: u64, id: u64) {
        self.aliases.push((alias, id));
    }

    /// The further ids of series, each with the id the series goes by.
    pub(crate) fn aliases(&self) -> &[(u64, u64)] {
        &self.aliases
    }

    /// Widens the range of time that the head covers.
    pub(crate) fn note_time(&mut self, time: i64) {
        self.min_time = Some(self.min_time.map_or(time, |t| t.min(time)));
        self.max_time = Some(self.max_time.map_or(time, |t| t.max(time)));
    }

    /// Removes the series of the slots.
    pub(crate) fn remove(&mut self, slots: &[u32]) {
        let mut gone = HashSet::with_capacity(slots.len());
        for slot in slots {
            let Some(series) = self.slots.get_mut(*slot as usize).and_then(Option::take) else { continue };
            if let Ok(entry) = self.by_labels.find_entry(series.labels().hash64(), |s| s == slot) {
                entry.remove();
            }
            self.postings.forget(series.labels());
            gone.insert(series.id());
            self.live -= 1;
        }
        self.aliases.retain(|(_, id)| !gone.contains(id));
        let slots = &self.slots;
        self.postings.sweep(|slot| slots[slot as usize].is_some());
        if self.slots.len() > 2 * self.live + 1024 {
            self.renumber();
        }
    }

    /// Gives all series new slots without gaps. Handles given out before are recognised as void.
    fn renumber(&mut self) {
        let series: Vec<_> = std::mem::take(&mut self.slots).into_iter().flatten().collect();
        self.by_labels = HashTable::with_capacity(series.len());
        self.postings = Postings::default();
        self.live = 0;
        series.into_iter().for_each(|s| {
            self.insert(*s);
        });
    }
}

fn hash_of(slots: &[Option<Box<Series>>], slot: u32) -> u64 {
    slots[slot as usize].as_ref().map_or(0, |series| series.labels().hash64())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(i: usize) -> Labels {
        Labels::from_pairs([
            ("__name__", "m".to_owned()),
            ("i", i.to_string()),
            ("half", (i % 2).to_string()),
        ])
    }

    #[test]
    fn handles_of_series_that_are_gone_are_void() {
        let mut head = Head::default();
        let slots: Vec<u32> = (0..5000).map(|i| head.insert(Series::new(i as u64 + 1, labels(i)))).collect();
        let handles: Vec<_> = slots.iter().map(|s| Head::handle(*s, u64::from(*s) + 1)).collect();
        assert!(handles.iter().zip(&slots).all(|(h, s)| head.resolve(*h) == Some(*s)));
        head.remove(&slots[..3999]);
        assert_eq!((head.len(), head.slots()), (1001, 1001), "renumbered");
        assert!(handles[..4000].iter().all(|h| head.resolve(*h).is_none()));
        for i in [3999, 4999] {
            let slot = head.find(&labels(i)).unwrap();
            assert_eq!(head.series(slot).unwrap().labels(), &labels(i));
        }
        assert_eq!(head.find(&labels(0)), None);
        assert_eq!(head.postings().values("i").count(), 1001);
    }
}
