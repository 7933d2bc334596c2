//! The series of one test, in memory.
//!
//! Input: samples of the test's series and of its rules. Output: series for the query engine. It refuses what Prometheus's store refuses
//! (samples out of order, a second value at the same time) and keeps nothing on the disk.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use tidewatch_model::{
    Append, AppendError, Appended, Batch, Columns, LabelQuery, Labels, Matcher, Rejection, Select,
    SelectError, Selection, Series,
};

/// A store that lasts as long as its test.
#[derive(Debug, Default)]
pub(crate) struct Store(RwLock<BTreeMap<Labels, Arc<RwLock<Columns>>>>);

impl Store {
    /// Adds a sample.
    pub(crate) fn add(&self, labels: &Labels, timestamp: i64, value: f64) -> Result<bool, Rejection> {
        let mut all = write(&self.0);
        let created = !all.contains_key(labels);
        let mut columns = write(all.entry(labels.clone()).or_default());
        match columns.timestamps.last().copied() {
            Some(last) if last > timestamp => Err(Rejection::OutOfOrder),
            Some(last) if last == timestamp => {
                let same = columns.values.last().is_some_and(|before| before.to_bits() == value.to_bits());
                if same { Ok(false) } else { Err(Rejection::DuplicateTimestamp) }
            }
            _ => {
                columns.push(timestamp, value);
                Ok(created)
            }
        }
    }

    fn matching(&self, sets: &[Vec<Matcher>]) -> Vec<Labels> {
        let holds = |labels: &Labels| {
            sets.is_empty() || sets.iter().any(|set| set.iter().all(|matcher| matcher.matches_labels(labels)))
        };
        read(&self.0).keys().filter(|labels| holds(labels)).cloned().collect()
    }
}

impl Append for Store {
    fn append(&self, batch: &mut Batch) -> Result<Appended, AppendError> {
        let mut appended = Appended::default();
        for row in &mut batch.rows {
            match self.add(&row.labels, row.timestamp, row.value) {
                Ok(created) => {
                    appended.accepted += 1;
                    appended.created += usize::from(created);
                }
                Err(rejection) => {
                    appended.rejected += 1;
                    row.rejected = Some(rejection);
                }
            }
        }
        Ok(appended)
    }
}

impl Select for Store {
    fn select(&self, selection: &Selection<'_>) -> Result<Vec<Box<dyn Series>>, SelectError> {
        let mut found: Vec<Box<dyn Series>> = Vec::new();
        for (labels, columns) in read(&self.0).iter() {
            if selection.matchers.iter().all(|matcher| matcher.matches_labels(labels)) {
                let (labels, columns) = (labels.clone(), Arc::clone(columns));
                found.push(Box::new(Found { labels, columns, start: selection.start, end: selection.end }));
            }
        }
        Ok(found)
    }

    fn label_names(&self, query: &LabelQuery<'_>) -> Result<Vec<String>, SelectError> {
        let series = self.matching(query.matcher_sets);
        let names: BTreeSet<String> =
            series.iter().flat_map(|labels| labels.iter().map(|(name, _)| name.to_owned())).collect();
        Ok(names.into_iter().collect())
    }

    fn label_values(&self, name: &str, query: &LabelQuery<'_>) -> Result<Vec<String>, SelectError> {
        let series = self.matching(query.matcher_sets);
        let values: BTreeSet<String> =
            series.iter().filter_map(|labels| labels.get(name).map(str::to_owned)).collect();
        Ok(values.into_iter().collect())
    }
}

/// A series of a selection.
struct Found {
    labels: Labels,
    columns: Arc<RwLock<Columns>>,
    start: i64,
    end: i64,
}

impl Series for Found {
    fn labels(&self) -> &Labels {
        &self.labels
    }

    fn sample_bound(&self) -> usize {
        read(&self.columns).len()
    }

    fn read(&self, into: &mut Columns) -> Result<(), SelectError> {
        let columns = read(&self.columns);
        let from = columns.timestamps.partition_point(|timestamp| *timestamp < self.start);
        let to = columns.timestamps.partition_point(|timestamp| *timestamp <= self.end).max(from);
        into.timestamps.extend_from_slice(&columns.timestamps[from..to]);
        into.values.extend_from_slice(&columns.values[from..to]);
        Ok(())
    }
}

fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_come_back_in_range_and_disorder_is_refused() {
        let store = Store::default();
        let up = Labels::from_pairs([("__name__", "up")]);
        for (timestamp, value) in [(0, 1.0), (10, 2.0), (20, 3.0)] {
            store.add(&up, timestamp, value).unwrap();
        }
        assert_eq!(store.add(&up, 20, 3.0), Ok(false));
        assert_eq!(store.add(&up, 20, 4.0), Err(Rejection::DuplicateTimestamp));
        assert_eq!(store.add(&up, 15, 4.0), Err(Rejection::OutOfOrder));
        let matchers = [Matcher::equal("__name__", "up")];
        let found = store.select(&Selection { matchers: &matchers, start: 5, end: 20 }).unwrap();
        let mut columns = Columns::default();
        found[0].read(&mut columns).unwrap();
        assert_eq!((columns.timestamps, columns.values), (vec![10, 20], vec![2.0, 3.0]));
    }
}
