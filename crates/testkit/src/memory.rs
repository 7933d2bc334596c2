//! A store in memory, for tests, benches and the conformance run.
//!
//! Input: columns, or a compact notation of them. Output: a [`Select`] that gives what a real store would: series in
//! order of labels, samples within the range. Label names and values are answered whatever their time.

use std::sync::Arc;
use tidewatch_model::{
    Columns, LabelQuery, Labels, Matcher, Select, SelectError, Selection, Series, stale_nan,
};

/// Series in memory.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    series: Vec<(Labels, Arc<Columns>)>,
}

impl Memory {
    /// Adds a series whose labels are not there yet.
    pub fn add(&mut self, labels: Labels, columns: Columns) {
        let at = self.series.partition_point(|(l, _)| *l < labels);
        self.series.insert(at, (labels, Arc::new(columns)));
    }

    /// All series in order of their labels.
    pub fn series(&self) -> &[(Labels, Arc<Columns>)] {
        &self.series
    }

    /// Adds series from lines such as `up{job="a"}: 1 0+10x3 _ stale NaN -Inf 5x2`, a sample every `step_ms` from 0:
    /// `a+bxn` is `a` and `n` more, each `b` more than the one before; `axn` is `a` and `n` more of it; `_` is no sample.
    ///
    /// # Panics
    /// When a line is not in this notation.
    pub fn load(step_ms: i64, lines: &str) -> Self {
        let mut memory = Self::default();
        for line in lines.lines().map(str::trim).filter(|l| !l.is_empty()) {
            let (selector, samples) = line.rsplit_once(": ").expect("a line has \": \" before its samples");
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
            memory.add(labels(selector), columns);
        }
        memory
    }

    fn matching<'a>(&'a self, matchers: &'a [Matcher]) -> impl Iterator<Item = &'a (Labels, Arc<Columns>)> {
        self.series.iter().filter(move |(labels, _)| matchers.iter().all(|m| m.matches_labels(labels)))
    }

    fn label_sets(&self, query: &LabelQuery<'_>) -> Vec<Labels> {
        let all = [Vec::new()];
        let sets = if query.matcher_sets.is_empty() { &all[..] } else { query.matcher_sets };
        sets.iter().flat_map(|set| self.matching(set)).map(|(labels, _)| labels.clone()).collect()
    }
}

impl FromIterator<(Labels, Columns)> for Memory {
    /// A store with these series, each with labels of its own, in any order.
    fn from_iter<I: IntoIterator<Item = (Labels, Columns)>>(series: I) -> Self {
        let mut series: Vec<_> =
            series.into_iter().map(|(labels, columns)| (labels, Arc::new(columns))).collect();
        series.sort_by(|a, b| a.0.cmp(&b.0));
        Self { series }
    }
}

/// Labels from `name{a="1", b="2"}`; in values `\n` is a line's end; nothing else is escaped.
fn labels(text: &str) -> Labels {
    let (name, pairs) = text.split_once('{').unwrap_or((text, "}"));
    let pairs = pairs.strip_suffix('}').expect("braces are closed");
    let pairs = pairs.split(',').map(str::trim).filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=').expect("a label has a value");
        let value = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
        (name, value.expect("a label's value is in quotes").replace("\\n", "\n"))
    });
    Labels::from_pairs([("__name__", name.to_owned())].into_iter().chain(pairs))
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
        let found = self.matching(selection.matchers).map(|(labels, columns)| {
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

    fn label_names(&self, query: &LabelQuery<'_>) -> Result<Vec<String>, SelectError> {
        let sets = self.label_sets(query);
        Ok(sorted(sets.iter().flat_map(|labels| labels.iter().map(|(name, _)| name.to_owned()))))
    }

    fn label_values(&self, name: &str, query: &LabelQuery<'_>) -> Result<Vec<String>, SelectError> {
        let sets = self.label_sets(query);
        Ok(sorted(sets.iter().filter_map(|labels| labels.get(name).map(str::to_owned))))
    }
}

fn sorted(texts: impl Iterator<Item = String>) -> Vec<String> {
    let mut texts: Vec<String> = texts.collect();
    texts.sort_unstable();
    texts.dedup();
    texts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_notation_is_read() {
        let memory = Memory::load(10, "b: 1\n a{x=\"1\", y=\"2\"}: 0+2x2 _ stale -Inf 5x1");
        let all = Selection { matchers: &[], start: 10, end: i64::MAX };
        let found = memory.select(&all).expect("memory can be read");
        assert_eq!(found[0].labels().to_string(), "a{x=\"1\", y=\"2\"}");
        let mut columns = Columns::default();
        found[0].read(&mut columns).expect("memory can be read");
        assert_eq!(columns.timestamps, [10, 20, 40, 50, 60, 70]);
        assert_eq!((columns.values[1], columns.values[3], columns.values[5]), (4.0, f64::NEG_INFINITY, 5.0));
        assert_eq!(columns.values[2].to_bits(), stale_nan().to_bits());
        let names = memory.label_names(&LabelQuery { matcher_sets: &[], start: 0, end: 0 });
        assert_eq!(names.expect("memory can be read"), ["__name__", "x", "y"]);
    }
}
