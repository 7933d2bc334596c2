//! The way in: batches of samples towards a store.
//!
//! A producer (scrape, rules, span metrics) fills a [`Batch`] it keeps between rounds and hands it over; the store
//! fills in the reference of each series, so that the next round needs no lookup by labels, and marks the rows it
//! refuses. What it accepts is in the log of the store when [`Append::append`] returns.

use crate::{Exemplar, ExemplarRow, Labels};
use std::error::Error;

/// A store's handle for a series; valid for that store only. Zero means "not known yet".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SeriesRef(pub u64);

impl SeriesRef {
    /// The series is to be looked up by its labels.
    pub const UNKNOWN: Self = Self(0);

    /// Whether the store has given the series a handle.
    pub fn is_known(self) -> bool {
        self.0 != 0
    }
}

/// One sample on its way to a store.
#[derive(Clone, Debug)]
pub struct Row {
    /// The handle from an earlier round, or [`SeriesRef::UNKNOWN`]; set by the store. A handle whose series is gone
    /// counts as unknown: the store then goes by the labels.
    pub series: SeriesRef,
    /// The whole label set, with the metric's name.
    pub labels: Labels,
    /// Milliseconds since the Unix epoch.
    pub timestamp: i64,
    /// The value; [`crate::stale_nan`] ends the series.
    pub value: f64,
    /// Why the store did not take the sample; set by the store.
    pub rejected: Option<Rejection>,
}

/// Why a single sample was not taken. The others of its batch are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Rejection {
    /// The series has a later sample already.
    #[error("out of order sample")]
    OutOfOrder,
    /// The series has another value at the same time. The same value again is accepted and ignored.
    #[error("duplicate sample for timestamp")]
    DuplicateTimestamp,
    /// The sample is older than anything the store still takes.
    #[error("out of bounds")]
    OutOfBounds,
    /// The store holds as many series as it may.
    #[error("series limit reached")]
    SeriesLimit,
}

/// Samples of one moment, in any order of series, reused from round to round.
#[derive(Debug, Default)]
pub struct Batch {
    /// The samples.
    pub rows: Vec<Row>,
    /// Exemplars of these samples. Those of a refused row are dropped, and so are those that a store cannot keep: they are
    /// examples, and the store counts what it drops.
    pub exemplars: Vec<ExemplarRow>,
}

impl Batch {
    /// Adds a sample.
    pub fn push(&mut self, series: SeriesRef, labels: Labels, timestamp: i64, value: f64) {
        self.rows.push(Row { series, labels, timestamp, value, rejected: None });
    }

    /// Adds an exemplar to the row that was added last.
    ///
    /// # Panics
    /// When there is no row.
    pub fn push_exemplar(&mut self, exemplar: Exemplar) {
        let row = self.rows.len().checked_sub(1).expect("an exemplar follows its sample");
        self.exemplars.push(ExemplarRow { row, exemplar });
    }

    /// Removes all rows and keeps the memory.
    pub fn clear(&mut self) {
        self.rows.clear();
        self.exemplars.clear();
    }
}

/// What became of a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Appended {
    /// Rows taken.
    pub accepted: usize,
    /// Rows refused, each marked with its reason.
    pub rejected: usize,
    /// Series that did not exist before.
    pub created: usize,
}

/// A batch that could not be taken at all.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AppendError {
    /// The store is closed.
    #[error("the store is closed")]
    Closed,
    /// The store could not write its log; nothing of the batch is kept.
    #[error("samples not stored: {0}")]
    Storage(Box<dyn Error + Send + Sync>),
}

/// Somewhere samples can be written.
pub trait Append: Send + Sync {
    /// Writes a batch as one transaction: when this returns, accepted rows survive the end of the process.
    ///
    /// # Errors
    /// When the batch as a whole could not be written; single refused samples are marked in their rows instead.
    fn append(&self, batch: &mut Batch) -> Result<Appended, AppendError>;
}
