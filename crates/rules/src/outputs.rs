//! The series a rule writes: from results to rows with labels and handles known from the last evaluation.
//!
//! Input: results of a rule. Output: rows of a batch, markers for series that are gone included. Most evaluations give the same
//! series in the same order as the one before: they cost no lookup, no new labels and no allocation.

use crate::error::EvaluationError;
use std::collections::{HashMap, HashSet};
use std::ops::Range;
use tidewatch_model::{Batch, Labels, Row, SeriesRef, stale_nan};

/// A series as it was written last.
#[derive(Clone, Debug)]
struct Output {
    /// The labels of the result it comes from.
    input: Labels,
    /// Its own labels.
    labels: Labels,
    /// The store's handle for it.
    series: SeriesRef,
    /// Whether the store took the sample.
    stored: bool,
}

/// The series of a rule.
#[derive(Debug, Default)]
pub(crate) struct Outputs {
    /// Those of the last evaluation, in its order.
    last: Vec<Output>,
    /// Those of the evaluation under way, when they are others.
    next: Option<Vec<Output>>,
}

impl Outputs {
    /// Adds a row for each result. `labels_of` makes the series' labels from the result's; it depends on nothing else.
    ///
    /// # Errors
    /// [`EvaluationError::SameSeries`]; no row is added then.
    pub(crate) fn write<'r>(
        &mut self,
        results: impl ExactSizeIterator<Item = (&'r Labels, f64)> + Clone,
        labels_of: impl FnMut(&Labels) -> Labels,
        time: i64,
        batch: &mut Batch,
    ) -> Result<(), EvaluationError> {
        self.next = None;
        let unchanged = results.len() == self.last.len()
            && results.clone().zip(&self.last).all(|((labels, _), output)| *labels == output.input);
        if unchanged {
            for ((_, value), output) in results.zip(&self.last) {
                batch.push(output.series, output.labels.clone(), time, value);
            }
            return Ok(());
        }
        let next = self.successors(results.clone().map(|(labels, _)| labels), labels_of);
        let mut present: HashSet<&Labels> = HashSet::with_capacity(next.len());
        if !next.iter().all(|output| present.insert(&output.labels)) {
            return Err(EvaluationError::SameSeries);
        }
        for (output, (_, value)) in next.iter().zip(results) {
            batch.push(output.series, output.labels.clone(), time, value);
        }
        for gone in self.last.iter().filter(|output| output.stored && !present.contains(&output.labels)) {
            batch.push(gone.series, gone.labels.clone(), time, stale_nan());
        }
        self.next = Some(next);
        Ok(())
    }

    /// The outputs of results, with what is known of them from the last evaluation.
    fn successors<'r>(
        &self,
        results: impl ExactSizeIterator<Item = &'r Labels>,
        mut labels_of: impl FnMut(&Labels) -> Labels,
    ) -> Vec<Output> {
        let mut next = Vec::with_capacity(results.len());
        let mut by_input: Option<HashMap<&Labels, usize>> = None;
        let mut expected = 0;
        for labels in results {
            let known = match self.last.get(expected) {
                Some(output) if output.input == *labels => Some(expected),
                _ => by_input
                    .get_or_insert_with(|| {
                        self.last.iter().enumerate().map(|(at, o)| (&o.input, at)).collect()
                    })
                    .get(labels)
                    .copied(),
            };
            next.push(match known {
                Some(at) => {
                    expected = at + 1;
                    self.last[at].clone()
                }
                None => Output {
                    input: labels.clone(),
                    labels: labels_of(labels),
                    series: SeriesRef::UNKNOWN,
                    stored: false,
                },
            });
        }
        next
    }

    /// Notes what the store made of the rows that [`Outputs::write`] added.
    pub(crate) fn stored(&mut self, rows: &[Row]) {
        if let Some(next) = self.next.take() {
            self.last = next;
        }
        for (output, row) in self.last.iter_mut().zip(rows) {
            output.series = row.series;
            output.stored = row.rejected.is_none();
        }
    }

    /// Notes that the store took none of the rows.
    pub(crate) fn lost(&mut self) {
        self.next = None;
    }

    /// How many series the evaluation under way has, without those that are gone.
    pub(crate) fn len(&self) -> usize {
        self.next.as_ref().unwrap_or(&self.last).len()
    }

    /// The series that the store has a sample of, with their handles.
    pub(crate) fn series(&self) -> impl Iterator<Item = (&Labels, SeriesRef)> {
        self.last.iter().filter(|output| output.stored).map(|output| (&output.labels, output.series))
    }
}

/// Rows of a batch that belong to a rule.
#[derive(Clone, Debug)]
pub(crate) struct Span {
    /// The rule's place in its group.
    pub(crate) rule: usize,
    /// Its rows.
    pub(crate) rows: Range<usize>,
}
