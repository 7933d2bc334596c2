//! Label names and values in use.
//!
//! Input: sets of matchers and a range of time. Output: sorted names, or sorted values of a name. Without matchers the
//! postings answer: a name or value is in use as soon as one of its series has samples in the range.

use crate::head::Head;
use std::collections::BTreeSet;
use tidewatch_model::LabelQuery;

impl Head {
    /// The label names that a query asks for.
    pub(crate) fn label_names(&self, query: &LabelQuery<'_>) -> Vec<String> {
        let postings = self.postings();
        if query.matcher_sets.is_empty() {
            let used = |name: &&str| postings.values(name).any(|(_, slots)| self.any_overlaps(slots, query));
            return postings.names().filter(used).map(str::to_owned).collect();
        }
        let mut names = BTreeSet::new();
        for series in self.matching_any(query).iter().filter_map(|slot| self.series(*slot)) {
            for (name, _) in series.labels() {
                if !names.contains(name) {
                    names.insert(name.to_owned());
                }
            }
        }
        names.into_iter().collect()
    }

    /// The values of a label that a query asks for.
    pub(crate) fn label_values(&self, name: &str, query: &LabelQuery<'_>) -> Vec<String> {
        if query.matcher_sets.is_empty() {
            let values = self.postings().values(name);
            return values
                .filter(|(_, slots)| self.any_overlaps(slots, query))
                .map(|(value, _)| value.to_owned())
                .collect();
        }
        let slots = self.matching_any(query);
        let series = slots.iter().filter_map(|slot| self.series(*slot));
        let values: BTreeSet<&str> = series.filter_map(|s| s.labels().get(name)).collect();
        values.into_iter().map(str::to_owned).collect()
    }

    fn any_overlaps(&self, slots: &[u32], query: &LabelQuery<'_>) -> bool {
        // The newest series first: it is the likeliest to be alive.
        let mut series = slots.iter().rev().filter_map(|slot| self.series(*slot));
        series.any(|s| s.overlaps(query.start, query.end))
    }

    fn matching_any(&self, query: &LabelQuery<'_>) -> BTreeSet<u32> {
        let slots = query.matcher_sets.iter().flat_map(|matchers| self.matching(matchers));
        let overlaps = |slot: &u32| self.series(*slot).is_some_and(|s| s.overlaps(query.start, query.end));
        slots.filter(overlaps).collect()
    }
}
