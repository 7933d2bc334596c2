//! The order of series by their labels, kept at hand.
//!
//! Input: all series, now and then. Output: a rank per series, so that the answer to a query is sorted by comparing
//! numbers. Series added since have no rank yet and are compared by their labels: ranks are in the order of labels, so
//! both fit together.

use super::{Head, Series};
use std::cmp::Ordering;
use tidewatch_model::Labels;

/// The place of a series among all in the order of labels; none for new ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rank(u32);

impl Rank {
    /// Compares two series that are not the same.
    pub(crate) fn compare(a: (Self, &Labels), b: (Self, &Labels)) -> Ordering {
        match (a.0.0, b.0.0) {
            (0, _) | (_, 0) => a.1.cmp(b.1),
            (a, b) => a.cmp(&b),
        }
    }

    fn is_known(self) -> bool {
        self.0 != 0
    }
}

/// The series of a head, to be put in order without holding its lock.
pub(crate) struct Unordered(Vec<(u32, u64, Rank, Labels)>);

impl Head {
    /// All series, when some have no rank yet.
    pub(crate) fn unordered(&self) -> Option<Unordered> {
        let series = || (0..self.slots()).filter_map(|slot| Some((slot, self.series(slot)?)));
        let entry = |(slot, s): (u32, &Series)| (slot, s.id(), s.rank(), s.labels().clone());
        series().any(|(_, s)| !s.rank().is_known()).then(|| Unordered(series().map(entry).collect()))
    }

    /// Gives the series their ranks, as far as they are still there.
    pub(crate) fn set_order(&mut self, ordered: &Ordered) {
        for (at, (slot, id)) in ordered.0.iter().enumerate() {
            if let Some(series) = self.series_mut(*slot).filter(|s| s.id() == *id) {
                series.set_rank(Rank(at as u32 + 1));
            }
        }
        // Whatever was added meanwhile has none.
    }
}

/// Slots and ids of series in the order of their labels.
pub(crate) struct Ordered(Vec<(u32, u64)>);

impl Unordered {
    /// Sorts the series by their labels.
    pub(crate) fn sort(mut self) -> Ordered {
        self.0.sort_unstable_by(|a, b| Rank::compare((a.2, &a.3), (b.2, &b.3)));
        Ordered(self.0.into_iter().map(|(slot, id, ..)| (slot, id)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_are_those_of_the_labels() {
        let mut head = Head::default();
        let add = |head: &mut Head, name: &str| {
            let id = u64::from(head.slots()) + 1;
            head.insert(Series::new(id, Labels::from_pairs([("__name__", name)])))
        };
        let ordered = |head: &Head| {
            let mut slots: Vec<u32> = (0..head.slots()).collect();
            let key = |slot: &u32| head.series(*slot).map(|s| (s.rank(), s.labels())).expect("there");
            slots.sort_by(|a, b| Rank::compare(key(a), key(b)));
            slots
        };
        for name in ["c", "a", "e"] {
            add(&mut head, name);
        }
        let order = head.unordered().expect("new series").sort();
        add(&mut head, "b");
        head.set_order(&order);
        assert_eq!(ordered(&head), [1, 3, 0, 2]);
        assert!(head.unordered().is_some(), "one was added meanwhile");
        let order = head.unordered().expect("a new series").sort();
        head.set_order(&order);
        assert!(head.unordered().is_none());
        add(&mut head, "d");
        assert_eq!(ordered(&head), [1, 3, 0, 4, 2]);
    }
}
