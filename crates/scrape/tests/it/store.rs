//! A store in memory with the rules that matter to scraping: order, duplicates, handles, and failing on demand.

use std::collections::{BTreeMap, HashMap};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use tidewatch_model::{Append, AppendError, Appended, Batch, Labels, Rejection, SeriesRef, is_stale};

#[derive(Debug, Default)]
pub(crate) struct MemoryStore {
    state: Mutex<State>,
    pub(crate) fail: AtomicBool,
    /// How long a batch takes to be stored.
    delay: Duration,
    /// Batches with staleness markers that have arrived, stored or not yet.
    pub(crate) ending: AtomicUsize,
    /// Batches with this metric panic.
    pub(crate) panic_on: Mutex<Option<&'static str>>,
}

#[derive(Debug, Default)]
struct State {
    handles: HashMap<Labels, u64>,
    series: Vec<(Labels, Vec<(i64, f64)>)>,
}

impl MemoryStore {
    /// A store that takes this long for every batch.
    pub(crate) fn slow(delay: Duration) -> Self {
        Self { delay, ..Self::default() }
    }

    /// The samples of a series, by its labels in PromQL's notation.
    pub(crate) fn samples(&self, series: &str) -> Vec<(i64, f64)> {
        let state = self.state.lock().unwrap();
        let found = state.series.iter().find(|(labels, _)| labels.to_string() == series);
        found.map(|(_, samples)| samples.clone()).unwrap_or_default()
    }

    /// All series but the report series, in PromQL's notation, sorted.
    pub(crate) fn series(&self) -> Vec<String> {
        let state = self.state.lock().unwrap();
        let is_report = |name: &str| name == "up" || name.starts_with("scrape_");
        let mut series: Vec<String> = state
            .series
            .iter()
            .filter(|(labels, samples)| !samples.is_empty() && !labels.metric_name().is_some_and(is_report))
            .map(|(labels, _)| labels.to_string())
            .collect();
        series.sort();
        series
    }

    /// The first value of every series, in PromQL's notation; staleness markers do not count.
    pub(crate) fn first_values(&self) -> BTreeMap<String, f64> {
        let state = self.state.lock().unwrap();
        let first = |(labels, samples): &(Labels, Vec<(i64, f64)>)| {
            let value = samples.iter().map(|(_, value)| *value).find(|value| !is_stale(*value))?;
            Some((labels.to_string(), value))
        };
        state.series.iter().filter_map(first).collect()
    }

    /// The latest value of a target's series by its metric's name.
    pub(crate) fn latest_of(&self, name: &str, instance: &str) -> Option<f64> {
        let state = self.state.lock().unwrap();
        let is_it =
            |labels: &Labels| labels.metric_name() == Some(name) && labels.get("instance") == Some(instance);
        let found = state.series.iter().find(|(labels, _)| is_it(labels))?;
        found.1.last().map(|(_, value)| *value)
    }

    /// The latest value of the first series with a metric's name.
    pub(crate) fn latest(&self, name: &str) -> Option<f64> {
        let state = self.state.lock().unwrap();
        let found = state.series.iter().find(|(labels, _)| labels.metric_name() == Some(name))?;
        found.1.last().map(|(_, value)| *value)
    }
}

impl Append for MemoryStore {
    fn append(&self, batch: &mut Batch) -> Result<Appended, AppendError> {
        if self.fail.load(Ordering::SeqCst) {
            return Err(AppendError::Storage("no space left on device".into()));
        }
        if batch.rows.iter().any(|row| is_stale(row.value)) {
            self.ending.fetch_add(1, Ordering::SeqCst);
        }
        std::thread::sleep(self.delay);
        let panic_on = *self.panic_on.lock().unwrap();
        if panic_on.is_some() && batch.rows.iter().any(|row| row.labels.metric_name() == panic_on) {
            // without the noise of a message
            std::panic::resume_unwind(Box::new("a defect for the test"));
        }
        let mut state = self.state.lock().unwrap();
        let mut appended = Appended::default();
        for row in &mut batch.rows {
            if !row.series.is_known() {
                let next = state.series.len() as u64 + 1;
                let handle = *state.handles.entry(row.labels.clone()).or_insert(next);
                if handle == next {
                    state.series.push((row.labels.clone(), Vec::new()));
                    appended.created += 1;
                }
                row.series = SeriesRef(handle);
            }
            let (labels, samples) = &mut state.series[row.series.0 as usize - 1];
            assert_eq!(*labels, row.labels, "a handle belongs to its labels");
            row.rejected = match samples.last() {
                Some((last, _)) if *last > row.timestamp => Some(Rejection::OutOfOrder),
                Some((last, value)) if *last == row.timestamp && value.to_bits() != row.value.to_bits() => {
                    Some(Rejection::DuplicateTimestamp)
                }
                _ => None,
            };
            match row.rejected {
                None => {
                    appended.accepted += 1;
                    samples.push((row.timestamp, row.value));
                }
                Some(_) => appended.rejected += 1,
            }
        }
        Ok(appended)
    }
}
