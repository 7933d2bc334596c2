//! Results as columns: one value per step, with a bit pattern that says "no value here".
//!
//! Input and output of every operator. NaN is a legal value, so absence has a NaN of its own whose bits no
//! arithmetic produces; values read from a store that happen to have these bits become an ordinary NaN.

use crate::QueryError;
use hashbrown::HashMap;
use tidewatch_model::{Labels, LabelsBuilder, METRIC_NAME};

/// The bits of "no value at this step": a signalling NaN.
const ABSENT_BITS: u64 = 0x7ff0_0000_7e1d_e0a7;

/// "No value at this step".
pub(crate) const ABSENT: f64 = f64::from_bits(ABSENT_BITS);

#[inline]
pub(crate) fn is_absent(value: f64) -> bool {
    value.to_bits() == ABSENT_BITS
}

#[inline]
pub(crate) fn is_present(value: f64) -> bool {
    value.to_bits() != ABSENT_BITS
}

/// A value from outside as a column may hold it.
#[inline]
pub(crate) fn stored(value: f64) -> f64 {
    if is_absent(value) { f64::NAN } else { value }
}

/// The moments at which an expression is evaluated.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Grid {
    /// Milliseconds since the Unix epoch.
    pub(crate) start: i64,
    /// Milliseconds; what was asked for, not necessarily a multiple of the step after `start`.
    pub(crate) end: i64,
    /// Milliseconds, more than 0.
    pub(crate) step: i64,
    /// How many moments there are.
    pub(crate) len: usize,
}

impl Grid {
    pub(crate) fn new(start: i64, end: i64, step: i64) -> Self {
        let last = end.abs_diff(start) / step.unsigned_abs();
        let len = if end < start { 0 } else { usize::try_from(last).unwrap_or(usize::MAX).saturating_add(1) };
        Self { start, end, step, len }
    }

    /// A single moment.
    pub(crate) fn instant(time: i64) -> Self {
        Self { start: time, end: time, step: 1, len: 1 }
    }

    #[inline]
    pub(crate) fn time(&self, at: usize) -> i64 {
        // Exact for every moment of the grid, also where the distance from the start alone does not fit.
        self.start.wrapping_add(self.step.wrapping_mul(at as i64))
    }

    /// The last moment.
    pub(crate) fn last(&self) -> i64 {
        self.time(self.len.saturating_sub(1))
    }
}

/// A number per step.
#[derive(Clone, Debug)]
pub(crate) enum ScalarColumn {
    /// The same at every step.
    Constant(f64),
    Steps(Vec<f64>),
}

impl ScalarColumn {
    #[inline]
    pub(crate) fn at(&self, step: usize) -> f64 {
        match self {
            Self::Constant(value) => *value,
            Self::Steps(values) => values[step],
        }
    }

    /// Applies a function at every step.
    pub(crate) fn map(self, function: impl Fn(f64) -> f64) -> Self {
        match self {
            Self::Constant(value) => Self::Constant(function(value)),
            Self::Steps(mut values) => {
                values.iter_mut().for_each(|v| *v = function(*v));
                Self::Steps(values)
            }
        }
    }

    /// The values, where a constant counts once.
    pub(crate) fn values(&self) -> &[f64] {
        match self {
            Self::Constant(value) => std::slice::from_ref(value),
            Self::Steps(values) => values,
        }
    }
}

/// A series of a result: its labels and a value or [`ABSENT`] per step.
#[derive(Clone, Debug)]
pub(crate) struct SeriesColumn {
    pub(crate) labels: Labels,
    pub(crate) values: Vec<f64>,
}

pub(crate) fn any_present(values: &[f64]) -> bool {
    values.iter().any(|v| is_present(*v))
}

/// The labels that say which metric a series is.
pub(crate) const METADATA: [&str; 3] = [METRIC_NAME, "__type__", "__unit__"];

/// The labels without those that say which metric it is.
pub(crate) fn drop_metadata(labels: &Labels) -> Labels {
    if labels.iter().any(|(name, _)| METADATA.contains(&name)) {
        labels.drop(&METADATA)
    } else {
        labels.clone()
    }
}

/// Removes those labels from a builder.
pub(crate) fn remove_metadata(builder: &mut LabelsBuilder) {
    METADATA.iter().for_each(|name| _ = builder.remove(name));
}

/// A hash table by labels.
pub(crate) type ByLabels<T> = HashMap<Labels, T, foldhash::fast::RandomState>;

pub(crate) const SAME_LABELS: &str = "vector cannot contain metrics with the same labelset";

/// Joins series with equal labels that have values at different steps.
///
/// # Errors
/// When two have a value at the same step.
pub(crate) fn merge_same_labels(series: Vec<SeriesColumn>) -> Result<Vec<SeriesColumn>, QueryError> {
    if series.len() < 2 {
        return Ok(series);
    }
    let mut places: ByLabels<usize> = ByLabels::with_capacity_and_hasher(series.len(), Default::default());
    let mut merged: Vec<SeriesColumn> = Vec::with_capacity(series.len());
    for one in series {
        let place = *places.entry(one.labels.clone()).or_insert(merged.len());
        if place == merged.len() {
            merged.push(one);
            continue;
        }
        for (into, value) in merged[place].values.iter_mut().zip(&one.values) {
            if is_present(*value) {
                if is_present(*into) {
                    return Err(QueryError::execution(SAME_LABELS));
                }
                *into = *value;
            }
        }
    }
    Ok(merged)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absence_is_no_value_arithmetic_can_produce() {
        assert!(is_absent(ABSENT));
        assert!(!is_absent(ABSENT + 1.0) && !is_absent(-ABSENT) && !is_absent(f64::NAN));
        assert!(stored(ABSENT).is_nan() && is_present(stored(ABSENT)));
    }

    #[test]
    fn a_grid_has_its_end_only_when_it_falls_on_a_step() {
        let check = |start, end, step, len, last| {
            let grid = Grid::new(start, end, step);
            assert_eq!((grid.len, grid.last()), (len, last));
        };
        check(0, 10, 5, 3, 10);
        check(0, 9, 5, 2, 5);
        check(3, 3, 5, 1, 3);
        check(i64::MIN, i64::MAX, i64::MAX, 3, i64::MAX - 1);
        check(i64::MAX, i64::MAX, 5, 1, i64::MAX);
        check(i64::MAX, i64::MIN, 5, 0, i64::MAX);
    }
}
