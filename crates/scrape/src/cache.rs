//! Series texts of a target's pages → labels and the store's handle, so that a page like the last one costs a hash per
//! sample and nothing else. Also knows which series were there the last time, for staleness.
//!
//! Input: the bytes of a series as the page has them. Output: an entry, or that there is none yet. One cache belongs to
//! one target. Entries that a successful page does not mention go; failed pages only make it flush when it has grown to
//! more than twice its size (as Prometheus does), so a target with ever-changing broken pages does not fill memory.

use foldhash::fast::FixedState;
use hashbrown::{HashSet, HashTable};
use std::hash::BuildHasher;
use tidewatch_exposition::Exemplar;
use tidewatch_model::{Labels, SeriesRef};

/// Entries a cache may grow by while pages fail.
const GROWTH: usize = 1000;

/// What is known of a series text.
#[derive(Debug)]
pub(crate) struct Entry {
    key: Box<[u8]>,
    /// Its labels; `None` when relabeling drops it.
    pub(crate) labels: Option<Labels>,
    /// The store's handle, once it has one.
    pub(crate) series: SeriesRef,
    /// A hash of the last exemplar, which a page repeats until there is a newer one; 0 for none.
    exemplar: u64,
    /// The page that mentioned it last.
    seen: u64,
    /// The page that last gave it a sample without a timestamp of its own: gone from the next one, it is stale.
    tracked: u64,
}

#[derive(Debug)]
pub(crate) struct Cache {
    entries: Vec<Entry>,
    free: Vec<u32>,
    index: HashTable<u32>,
    hasher: FixedState,
    page: u64,
    seen: usize,
    /// How many entries the last page tracked, and how many of them this one tracks too.
    tracked_before: usize,
    tracked_again: usize,
    tracked_now: usize,
    size_at_success: usize,
}

impl Cache {
    pub(crate) fn new() -> Self {
        Self {
            entries: Vec::new(),
            free: Vec::new(),
            index: HashTable::new(),
            hasher: FixedState::default(),
            // zero means never
            page: 2,
            seen: 0,
            tracked_before: 0,
            tracked_again: 0,
            tracked_now: 0,
            size_at_success: 0,
        }
    }

    /// The entry of a series text and whether this page mentioned it before.
    pub(crate) fn find(&mut self, key: &[u8]) -> Option<(u32, bool)> {
        let hash = self.hasher.hash_one(key);
        let at = *self.index.find(hash, |at| *self.entries[*at as usize].key == *key)?;
        let entry = &mut self.entries[at as usize];
        let again = entry.seen == self.page;
        if !again {
            entry.seen = self.page;
            self.seen += 1;
        }
        Some((at, again))
    }

    /// Adds what a series text means; `None` for a dropped one.
    pub(crate) fn insert(&mut self, key: &[u8], labels: Option<Labels>) -> u32 {
        let entry = Entry {
            key: key.into(),
            labels,
            series: SeriesRef::UNKNOWN,
            exemplar: 0,
            seen: self.page,
            tracked: 0,
        };
        self.seen += 1;
        let at = match self.free.pop() {
            Some(at) => {
                self.entries[at as usize] = entry;
                at
            }
            None => {
                self.entries.push(entry);
                u32::try_from(self.entries.len() - 1).expect("a page has fewer than 2^32 series")
            }
        };
        let (entries, hasher) = (&self.entries, &self.hasher);
        self.index.insert_unique(hasher.hash_one(key), at, |at| hasher.hash_one(&*entries[*at as usize].key));
        at
    }

    pub(crate) fn entry(&self, at: u32) -> &Entry {
        &self.entries[at as usize]
    }

    pub(crate) fn set_series(&mut self, at: u32, series: SeriesRef) {
        self.entries[at as usize].series = series;
    }

    /// Whether the exemplar of a series, as the page has it, is another one than last time.
    pub(crate) fn is_new_exemplar(&mut self, at: u32, exemplar: &Exemplar<'_>) -> bool {
        let hash =
            self.hasher.hash_one((exemplar.labels, exemplar.value.to_bits(), exemplar.timestamp)).max(1);
        std::mem::replace(&mut self.entries[at as usize].exemplar, hash) != hash
    }

    /// The series is to be marked stale once a page does not mention it.
    pub(crate) fn track(&mut self, at: u32) {
        let entry = &mut self.entries[at as usize];
        if entry.tracked == self.page {
            return;
        }
        if entry.tracked == self.page - 1 {
            self.tracked_again += 1;
        }
        entry.tracked = self.page;
        self.tracked_now += 1;
    }

    /// The series got no sample after all, as the store refused it when it was new.
    pub(crate) fn forget_refused(&mut self, at: u32) {
        let page = self.page;
        let entry = &mut self.entries[at as usize];
        if entry.tracked == page - 1 && !entry.series.is_known() {
            entry.tracked = 0;
            self.tracked_before -= 1;
        }
    }

    /// Calls `f` for each series that the last page tracked and this one did not.
    pub(crate) fn for_each_stale(&self, mut f: impl FnMut(u32, &Entry, &Labels)) {
        if self.tracked_again == self.tracked_before {
            return;
        }
        // a series may have come back in another spelling, e.g. with its labels in another order
        let current: HashSet<&Labels, FixedState> = if self.tracked_now == 0 {
            HashSet::default()
        } else {
            let now = self.entries.iter().filter(|entry| entry.tracked == self.page);
            now.filter_map(|entry| entry.labels.as_ref()).collect()
        };
        for (at, entry) in self.entries.iter().enumerate() {
            let Some(labels) = &entry.labels else { continue };
            if entry.tracked == self.page - 1 && !current.contains(labels) {
                f(at as u32, entry, labels);
            }
        }
    }

    /// The page is done. Returns whether entries had to go although it failed.
    pub(crate) fn end_page(&mut self, success: bool) -> bool {
        let forced = !success && self.index.len() > self.size_at_success * 2 + GROWTH;
        if (success || forced) && self.seen < self.index.len() {
            self.flush();
        }
        if success {
            self.size_at_success = self.index.len();
        }
        self.tracked_before = self.tracked_now;
        (self.tracked_now, self.tracked_again, self.seen) = (0, 0, 0);
        self.page += 1;
        forced
    }

    fn flush(&mut self) {
        let (entries, free, page) = (&mut self.entries, &mut self.free, self.page);
        self.index.retain(|at| {
            let entry = &mut entries[*at as usize];
            if entry.seen == page {
                return true;
            }
            (entry.key, entry.labels, entry.tracked) = (Box::default(), None, 0);
            free.push(*at);
            false
        });
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.index.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One page: the keys it mentions; a key is its own label set, without what follows a `~`.
    fn page(cache: &mut Cache, keys: &[&str], success: bool) -> Vec<String> {
        for key in keys {
            let found = cache.find(key.as_bytes());
            let name = key.split('~').next().unwrap();
            let at = found.map_or_else(
                || cache.insert(key.as_bytes(), Some(Labels::from_pairs([("__name__", name)]))),
                |f| f.0,
            );
            if success {
                cache.track(at);
            }
        }
        let mut stale = Vec::new();
        cache.for_each_stale(|_, _, labels| stale.push(labels.to_string()));
        stale.sort();
        cache.end_page(success);
        stale
    }

    #[test]
    fn series_that_vanish_are_stale_once() {
        let mut cache = Cache::new();
        assert_eq!(page(&mut cache, &["a", "b", "c"], true), [""; 0]);
        assert_eq!(page(&mut cache, &["a", "b", "c"], true), [""; 0]);
        assert_eq!(page(&mut cache, &["b"], true), ["a", "c"]);
        assert_eq!(page(&mut cache, &["b", "d"], true), [""; 0]);
        assert_eq!(cache.len(), 2);
        // a failed page makes all stale, and again only after they were back
        assert_eq!(page(&mut cache, &["b"], false), ["b", "d"]);
        assert_eq!(page(&mut cache, &[], false), [""; 0]);
        assert_eq!(page(&mut cache, &["b"], true), [""; 0]);
        assert_eq!(page(&mut cache, &[], true), ["b"]);
    }

    #[test]
    fn another_spelling_is_the_same_series() {
        let mut cache = Cache::new();
        page(&mut cache, &["a", "b~1"], true);
        assert_eq!(page(&mut cache, &["b~2"], true), ["a"]);
        assert_eq!(page(&mut cache, &["b~1"], true), [""; 0]);
    }

    #[test]
    fn repeated_keys_are_noticed_and_slots_reused() {
        let mut cache = Cache::new();
        let at = cache.insert(b"a", None);
        assert_eq!(cache.find(b"a"), Some((at, true)));
        cache.end_page(true);
        assert_eq!(cache.find(b"a"), Some((at, false)));
        assert_eq!(cache.find(b"a"), Some((at, true)));
        cache.end_page(true);
        cache.end_page(true);
        assert_eq!(cache.find(b"a"), None);
        assert_eq!(cache.insert(b"b", None), at);
    }

    #[test]
    fn failing_pages_do_not_fill_memory() {
        let mut cache = Cache::new();
        let mut forced = 0;
        for number in 0..5000 {
            let key = format!("m{number}");
            cache.insert(key.as_bytes(), None);
            forced += usize::from(cache.end_page(false));
            assert!(cache.len() <= 1001);
        }
        assert!(forced >= 4);
    }
}
