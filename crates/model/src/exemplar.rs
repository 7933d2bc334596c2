//! Exemplars: single observations behind a sample, most of all the trace that one belongs to.
//!
//! Input: OpenMetrics pages, span metrics. Output: what a store keeps beside its series and gives back for a query. The terms are
//! those of OpenMetrics 1.0.

use crate::Labels;

/// One observation.
#[derive(Clone, Debug, PartialEq)]
pub struct Exemplar {
    /// What it was, e.g. `trace_id` and `span_id`; at most 128 characters in all, as OpenMetrics says.
    pub labels: Labels,
    /// Milliseconds since the Unix epoch.
    pub timestamp: i64,
    /// The observed value.
    pub value: f64,
}

impl Exemplar {
    /// The most characters that all names and values of an exemplar's labels may have (OpenMetrics 1.0).
    pub const LONGEST_LABELS: usize = 128;

    /// Whether its labels are short enough to be kept.
    pub fn fits(&self) -> bool {
        let characters = |(name, value): (&str, &str)| name.chars().count() + value.chars().count();
        self.labels.iter().map(characters).sum::<usize>() <= Self::LONGEST_LABELS
    }
}

/// An exemplar on its way to a store.
#[derive(Clone, Debug)]
pub struct ExemplarRow {
    /// The sample it belongs to: the index of a row of the same batch.
    pub row: usize,
    /// The observation.
    pub exemplar: Exemplar,
}

/// The exemplars of one series.
#[derive(Clone, Debug, PartialEq)]
pub struct SeriesExemplars {
    /// The series.
    pub labels: Labels,
    /// Its exemplars within the asked range, oldest first.
    pub exemplars: Vec<Exemplar>,
}
