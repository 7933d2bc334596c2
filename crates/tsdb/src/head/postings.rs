//! Postings: which series have a label value.
//!
//! Input: the labels of each series as it is added. Output: for a name, its values in order, each with the slots of
//! its series in ascending order. Every name and value is kept once here; the series' own labels are shared with
//! whoever produced them.

use std::collections::BTreeMap;
use std::ops::Bound;
use tidewatch_model::Labels;

/// Slots of series, in ascending order.
#[derive(Debug, PartialEq, Eq)]
enum List {
    One(u32),
    Many(Vec<u32>),
}

impl List {
    fn slots(&self) -> &[u32] {
        match self {
            Self::One(slot) => std::slice::from_ref(slot),
            Self::Many(slots) => slots,
        }
    }

    fn push(&mut self, slot: u32) {
        match self {
            Self::One(first) => *self = Self::Many(vec![*first, slot]),
            Self::Many(slots) => {
                if slots.len() == slots.capacity() {
                    slots.reserve_exact(slots.len() / 4 + 4);
                }
                slots.push(slot);
            }
        }
    }
}

type Values = BTreeMap<Box<str>, List>;

/// The series of every value of every label name.
#[derive(Debug, Default)]
pub(crate) struct Postings {
    names: BTreeMap<Box<str>, Values>,
    /// Names and values of series that were removed and may be unused now.
    doubtful: Vec<(Box<str>, Box<str>)>,
}

impl Postings {
    /// Adds a series; its slot must be higher than all before.
    pub(crate) fn insert(&mut self, slot: u32, labels: &Labels) {
        for (name, value) in labels {
            if !self.names.contains_key(name) {
                self.names.insert(name.into(), Values::new());
            }
            let Some(values) = self.names.get_mut(name) else { continue };
            match values.get_mut(value) {
                Some(list) => list.push(slot),
                None => {
                    values.insert(value.into(), List::One(slot));
                }
            }
        }
    }

    /// Says that a series with these labels is being removed; [`Postings::sweep`] does it for all such.
    pub(crate) fn forget(&mut self, labels: &Labels) {
        self.doubtful.extend(labels.iter().map(|(n, v)| (n.into(), v.into())));
    }

    /// Removes the slots for which `lives` is false from the lists of the series that were forgotten.
    pub(crate) fn sweep(&mut self, lives: impl Fn(u32) -> bool) {
        self.doubtful.sort_unstable();
        self.doubtful.dedup();
        for (name, value) in std::mem::take(&mut self.doubtful) {
            let Some(values) = self.names.get_mut(&name) else { continue };
            let used = match values.get_mut(&value) {
                Some(List::One(slot)) => lives(*slot),
                Some(List::Many(slots)) => {
                    slots.retain(|slot| lives(*slot));
                    slots.shrink_to_fit();
                    !slots.is_empty()
                }
                None => true,
            };
            if !used {
                values.remove(&value);
            }
            if values.is_empty() {
                self.names.remove(&name);
            }
        }
    }

    /// The label names in use, in order.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.names.keys().map(|n| &**n)
    }

    /// How many values a label name has.
    pub(crate) fn value_count(&self, name: &str) -> usize {
        self.names.get(name).map_or(0, BTreeMap::len)
    }

    /// The values of a label name in order, each with its series.
    pub(crate) fn values(&self, name: &str) -> impl Iterator<Item = (&str, &[u32])> {
        self.names.get(name).into_iter().flatten().map(|(v, list)| (&**v, list.slots()))
    }

    /// The values that begin with a text, each with its series.
    pub(crate) fn values_with_prefix(
        &self,
        name: &str,
        prefix: &str,
    ) -> impl Iterator<Item = (&str, &[u32])> {
        let from = (Bound::Included(prefix), Bound::Unbounded);
        let values = self.names.get(name).into_iter().flat_map(move |v| v.range::<str, _>(from));
        values.map(|(v, list)| (&**v, list.slots())).take_while(move |(v, _)| v.starts_with(prefix))
    }

    /// The series with a label value.
    pub(crate) fn series(&self, name: &str, value: &str) -> &[u32] {
        self.names.get(name).and_then(|values| values.get(value)).map_or(&[], List::slots)
    }

    /// Bytes on the heap, estimated.
    pub(crate) fn heap_bytes(&self) -> usize {
        let list = |list: &List| match list {
            List::One(_) => 0,
            List::Many(slots) => slots.capacity() * size_of::<u32>(),
        };
        let entry = size_of::<Box<str>>() + size_of::<List>();
        let values = |values: &Values| values.iter().map(|(v, l)| entry + v.len() + list(l)).sum::<usize>();
        self.names.iter().map(|(n, v)| entry + n.len() + values(v)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_are_found_and_forgotten() {
        let labels =
            |job: &str, i: usize| Labels::from_pairs([("job", job.to_owned()), ("i", i.to_string())]);
        let mut postings = Postings::default();
        let all: Vec<Labels> = (0..6).map(|i| labels(if i < 2 { "api" } else { "apple" }, i)).collect();
        all.iter().zip(0..).for_each(|(l, slot)| postings.insert(slot, l));
        assert_eq!(postings.series("job", "api"), [0, 1]);
        assert_eq!(postings.series("job", "none"), [0u32; 0]);
        let with = |p: &Postings, prefix: &str| -> Vec<(String, usize)> {
            p.values_with_prefix("job", prefix).map(|(v, s)| (v.to_owned(), s.len())).collect()
        };
        assert_eq!(with(&postings, "ap"), [("api".to_owned(), 2), ("apple".to_owned(), 4)]);
        assert_eq!(with(&postings, "app"), [("apple".to_owned(), 4)]);
        assert_eq!(with(&postings, "b"), []);

        all[..3].iter().for_each(|l| postings.forget(l));
        postings.sweep(|slot| slot > 2);
        assert_eq!(with(&postings, ""), [("apple".to_owned(), 3)]);
        assert_eq!(postings.value_count("i"), 3);
        all[3..].iter().for_each(|l| postings.forget(l));
        postings.sweep(|_| false);
        assert_eq!(postings.names().count(), 0);
    }
}
