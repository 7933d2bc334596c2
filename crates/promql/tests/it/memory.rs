//! A store in memory, for tests, benches and the conformance run.
//!
//! Input: columns, or a compact notation of them. Output: a [`Select`]. It checks what a real store would: series in
//! order of labels, samples within the range.

use std::sync::Arc;
use tidewatch_model::{
    Columns, LabelQuery, Labels, Matcher, Select, SelectError, Selection, Series, stale_nan,
};

/// Series in memory.
#[derive(Default)]
pub(crate) struct Memory {
    series: Vec<(Labels, Arc<Columns>)>,
}

impl Memory {
    /// Adds a series.
    pub(crate) fn add(&mut self, labels: Labels, columns: Columns) {
        let at = self.series.partition_point(|(l, _)| *l < labels);
        self.series.insert(at, (labels, Arc::new(columns)));
    }

    /// All series in order of their labels.
    #[allow(dead_code)] // not every program that includes this file uses it
    pub(crate) fn series(&self) -> &[(Labels, Arc<Columns>)] {
        &self.series
    }

    /// Adds series from lines such as `up{job="a"}: 1 0+10x3 _ stale NaN -Inf 5x2`, a sample every `step_ms` from 0:
    /// `a+bxn` is `a` and `n` more, each `b` more than the one before; `axn` is `a` and `n` more of it; `_` is no sample.
    #[allow(dead_code)] // not every program that includes this file uses it
    pub(crate) fn load(step_ms: i64, lines: &str) -> Self {
        let mut memory = Self::default();
        for line in lines.lines().map(str::trim).filter(|l| !l.is_empty()) {
            let (selector, samples) = line.rsplit_once(": ").expect("a line has \": \" before its samples");
            let matchers = tidewatch_promql::parse_selector(selector).expect("a selector before the samples");
            let labels = Labels::from_pairs(matchers.iter().map(|m: &Matcher| (m.name(), m.value())));
            let mut columns = Columns::default();
            let mut time = 0;
            for item in samples.split_whitespace() {
                for value in values(item) {
                    if let Some(value) = value {
                        columns.push(time, value);
                    }
                    time += step_ms;
                }
            }
            memory.add(labels, columns);
        }
        memory
    }
}

fn number(text: &str) -> f64 {
    match text {
        "stale" => stale_nan(),
        "Inf" | "+Inf" => f64::INFINITY,
        "-Inf" => f64::NEG_INFINITY,
        text => text.parse().expect("a number"),
    }
}

fn values(item: &str) -> Vec<Option<f64>> {
    let (first, times) = match item.rsplit_once('x') {
        Some((first, times)) => (first, times.parse().expect("a count")),
        None => (item, 0),
    };
    if first == "_" {
        return vec![None; times.max(1)];
    }
    let sign = first.char_indices().skip(1).find(|(at, c)| "+-".contains(*c) && !first[..*at].ends_with('e'));
    let (start, increment) = match sign {
        Some((at, _)) => (number(&first[..at]), number(first[at..].trim_start_matches('+'))),
        None => (number(first), 0.0),
    };
    (0..=times).map(|n| Some(if n == 0 { start } else { start + increment * n as f64 })).collect()
}

struct Found {
    labels: Labels,
    columns: Arc<Columns>,
    start: i64,
    end: i64,
}

impl Found {
    fn range(&self) -> std::ops::Range<usize> {
        let times = &self.columns.timestamps;
        times.partition_point(|t| *t < self.start)..times.partition_point(|t| *t <= self.end)
    }
}

impl Series for Found {
    fn labels(&self) -> &Labels {
        &self.labels
    }

    fn sample_bound(&self) -> usize {
        self.range().len()
    }

    fn read(&self, into: &mut Columns) -> Result<(), SelectError> {
        into.timestamps.extend_from_slice(&self.columns.timestamps[self.range()]);
        into.values.extend_from_slice(&self.columns.values[self.range()]);
        Ok(())
    }
}

impl Select for Memory {
    fn select(&self, selection: &Selection<'_>) -> Result<Vec<Box<dyn Series>>, SelectError> {
        let wanted =
            self.series.iter().filter(|(l, _)| selection.matchers.iter().all(|m| m.matches_labels(l)));
        let found = wanted.map(|(labels, columns)| {
            let found = Found {
                labels: labels.clone(),
                columns: Arc::clone(columns),
                start: selection.start,
                end: selection.end,
            };
            Box::new(found) as Box<dyn Series>
        });
        Ok(found.collect())
    }

    fn label_names(&self, _: &LabelQuery<'_>) -> Result<Vec<String>, SelectError> {
        Ok(Vec::new())
    }

    fn label_values(&self, _: &str, _: &LabelQuery<'_>) -> Result<Vec<String>, SelectError> {
        Ok(Vec::new())
    }
}
