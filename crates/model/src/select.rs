//! The way out: series and labels from a store.
//!
//! A reader names matchers and a time range; the store answers with series whose samples are decoded only when
//! asked for, one series at a time, into memory the reader keeps. All calls are synchronous and may touch the disk:
//! callers on an async runtime put them on a blocking thread.

use crate::{Columns, Labels, Matcher, SeriesExemplars};
use std::error::Error;

/// What is wanted: series that satisfy all matchers and have samples within the range.
#[derive(Clone, Copy, Debug)]
pub struct Selection<'a> {
    /// All must hold.
    pub matchers: &'a [Matcher],
    /// First millisecond since the Unix epoch, inclusive.
    pub start: i64,
    /// Last millisecond since the Unix epoch, inclusive.
    pub end: i64,
}

/// Which label names or values are wanted.
#[derive(Clone, Copy, Debug)]
pub struct LabelQuery<'a> {
    /// Any of these sets of matchers must hold; none at all means every series.
    pub matcher_sets: &'a [Vec<Matcher>],
    /// First millisecond since the Unix epoch, inclusive.
    pub start: i64,
    /// Last millisecond since the Unix epoch, inclusive.
    pub end: i64,
}

/// A read that failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SelectError {
    /// The store could not read what it holds, e.g. a damaged chunk.
    #[error("{0}")]
    Storage(Box<dyn Error + Send + Sync>),
}

/// One series of an answer.
pub trait Series: Send + Sync {
    /// Its whole label set.
    fn labels(&self) -> &Labels;

    /// At least as many samples as [`Series::read`] will give, known without decoding.
    fn sample_bound(&self) -> usize;

    /// Adds the samples within the selection's range to the columns, in time order, staleness markers included.
    ///
    /// # Errors
    /// When a chunk cannot be read or decoded.
    fn read(&self, into: &mut Columns) -> Result<(), SelectError>;
}

/// Somewhere samples can be read.
pub trait Select: Send + Sync {
    /// The series of a selection in ascending order of labels. A series may turn out to have no sample in the range.
    ///
    /// # Errors
    /// When the store's index cannot be read.
    fn select(&self, selection: &Selection<'_>) -> Result<Vec<Box<dyn Series>>, SelectError>;

    /// The label names in use, sorted.
    ///
    /// # Errors
    /// When the store's index cannot be read.
    fn label_names(&self, query: &LabelQuery<'_>) -> Result<Vec<String>, SelectError>;

    /// The values of a label in use, sorted.
    ///
    /// # Errors
    /// When the store's index cannot be read.
    fn label_values(&self, name: &str, query: &LabelQuery<'_>) -> Result<Vec<String>, SelectError>;

    /// The exemplars of series that any of the sets of matchers holds for, in ascending order of labels. A store that keeps no
    /// exemplars gives none.
    ///
    /// # Errors
    /// When the store's index cannot be read.
    fn exemplars(&self, query: &LabelQuery<'_>) -> Result<Vec<SeriesExemplars>, SelectError> {
        let _ = query;
        Ok(Vec::new())
    }
}
