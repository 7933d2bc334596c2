//! Series that several rules of a group read, selected and decoded once for one evaluation of the group.
//!
//! Input: the group's selectors; the store. Output: a [`Select`] that keeps what it found for selectors that stand in several
//! rules, with the longest range they were asked for the time before, until samples are written. Within one evaluation all rules
//! then see the same moment of the store. What stands in one rule only, or spans very many samples, is passed on as it is.

use crate::group::RuleGroup;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use tidewatch_model::{
    Columns, LabelQuery, Labels, MatchOp, Matcher, Select, SelectError, Selection, Series, SeriesExemplars,
};

/// How many samples of one selector are kept at most, 16 bytes each.
const MOST_SAMPLES: usize = 1_000_000;

/// A selector: its matchers, in their order.
type Key = Vec<(String, MatchOp, String)>;

/// The selectors that stand in several rules of a group.
#[derive(Debug, Default)]
pub(crate) struct SharedSelectors {
    /// By a hash of the matchers.
    selectors: HashMap<u64, Mutex<Shared>>,
}

#[derive(Debug, Default)]
struct Shared {
    key: Key,
    /// How far before its end the selector was asked for, at most, in milliseconds: this time and the time before.
    reach: (i64, i64),
    kept: Option<Kept>,
}

/// What the store gave for a selector.
struct Kept {
    start: i64,
    end: i64,
    series: Arc<Vec<KeptSeries>>,
}

impl std::fmt::Debug for Kept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Kept").field("start", &self.start).field("end", &self.end).finish_non_exhaustive()
    }
}

struct KeptSeries {
    series: Box<dyn Series>,
    decoded: OnceLock<Columns>,
}

fn hash_of(matchers: &[Matcher]) -> u64 {
    let mut hasher = DefaultHasher::new();
    for matcher in matchers {
        (matcher.name(), matcher.op(), matcher.value()).hash(&mut hasher);
    }
    hasher.finish()
}

fn guard(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    fn is_of(&self, matchers: &[Matcher]) -> bool {
        self.key.len() == matchers.len()
            && self.key.iter().zip(matchers).all(|((name, op, value), matcher)| {
                (name.as_str(), *op, value.as_str()) == (matcher.name(), matcher.op(), matcher.value())
            })
    }
}

impl SharedSelectors {
    pub(crate) fn of(group: &RuleGroup) -> Self {
        let mut counts: HashMap<u64, (usize, Key)> = HashMap::new();
        for rule in &group.rules {
            for matchers in rule.expression.selectors() {
                let key = || matchers.iter().map(|m| (m.name().to_owned(), m.op(), m.value().to_owned()));
                counts.entry(hash_of(matchers)).or_insert_with(|| (0, key().collect())).0 += 1;
            }
        }
        let shared = counts.into_iter().filter(|(_, (count, _))| *count > 1);
        let selectors =
            shared.map(|(hash, (_, key))| (hash, Mutex::new(Shared { key, ..Shared::default() }))).collect();
        Self { selectors }
    }

    /// Forgets what was found: samples have been written, or the evaluation is over.
    pub(crate) fn forget(&mut self) {
        for shared in self.selectors.values_mut() {
            shared.get_mut().unwrap_or_else(PoisonError::into_inner).kept = None;
        }
    }

    /// Ends an evaluation.
    pub(crate) fn finish(&mut self) {
        for shared in self.selectors.values_mut() {
            let shared = shared.get_mut().unwrap_or_else(PoisonError::into_inner);
            shared.kept = None;
            shared.reach = (0, shared.reach.0);
        }
    }
}

/// The store as the rules of a group see it in one evaluation.
pub(crate) struct Reuse<'a> {
    pub(crate) store: &'a dyn Select,
    pub(crate) shared: &'a SharedSelectors,
}

impl Select for Reuse<'_> {
    fn select(&self, selection: &Selection<'_>) -> Result<Vec<Box<dyn Series>>, SelectError> {
        if self.shared.selectors.is_empty() {
            return self.store.select(selection);
        }
        let Some(shared) = self.shared.selectors.get(&hash_of(selection.matchers)) else {
            return self.store.select(selection);
        };
        let mut shared = guard(shared);
        if !shared.is_of(selection.matchers) {
            return self.store.select(selection);
        }
        let (start, end) = (selection.start, selection.end);
        let reach = end.saturating_sub(start);
        shared.reach.0 = shared.reach.0.max(reach);
        let fits = |kept: &&Kept| kept.start <= start && end <= kept.end;
        if let Some(kept) = shared.kept.as_ref().filter(fits) {
            return Ok(views(&kept.series, start, end));
        }
        let start_kept = end.saturating_sub(shared.reach.0.max(shared.reach.1));
        let wide = Selection { matchers: selection.matchers, start: start_kept, end };
        let found = self.store.select(&wide)?;
        if found.iter().map(|series| series.sample_bound()).sum::<usize>() > MOST_SAMPLES {
            return if start_kept == start { Ok(found) } else { self.store.select(selection) };
        }
        let kept = found.into_iter().map(|series| KeptSeries { series, decoded: OnceLock::new() });
        let series = Arc::new(kept.collect::<Vec<_>>());
        let answer = views(&series, start, end);
        shared.kept = Some(Kept { start: start_kept, end, series });
        Ok(answer)
    }

    fn label_names(&self, query: &LabelQuery<'_>) -> Result<Vec<String>, SelectError> {
        self.store.label_names(query)
    }

    fn label_values(&self, name: &str, query: &LabelQuery<'_>) -> Result<Vec<String>, SelectError> {
        self.store.label_values(name, query)
    }

    fn exemplars(&self, query: &LabelQuery<'_>) -> Result<Vec<SeriesExemplars>, SelectError> {
        self.store.exemplars(query)
    }
}

fn views(series: &Arc<Vec<KeptSeries>>, start: i64, end: i64) -> Vec<Box<dyn Series>> {
    let view = |at| Box::new(SeriesView { all: Arc::clone(series), at, start, end }) as Box<dyn Series>;
    (0..series.len()).map(view).collect()
}

/// A series of what is kept, within a range.
struct SeriesView {
    all: Arc<Vec<KeptSeries>>,
    at: usize,
    start: i64,
    end: i64,
}

impl Series for SeriesView {
    fn labels(&self) -> &Labels {
        self.all[self.at].series.labels()
    }

    fn sample_bound(&self) -> usize {
        self.all[self.at].series.sample_bound()
    }

    fn read(&self, into: &mut Columns) -> Result<(), SelectError> {
        let kept = &self.all[self.at];
        let decoded = match kept.decoded.get() {
            Some(decoded) => decoded,
            None => {
                let mut columns = Columns::default();
                kept.series.read(&mut columns)?;
                kept.decoded.get_or_init(|| columns)
            }
        };
        let from = decoded.timestamps.partition_point(|time| *time < self.start);
        let to = decoded.timestamps.partition_point(|time| *time <= self.end);
        into.timestamps.extend_from_slice(&decoded.timestamps[from..to]);
        into.values.extend_from_slice(&decoded.values[from..to]);
        Ok(())
    }
}
