//! `changes`, `resets`: how often a value changed, or fell.
//!
//! Input: windows of samples. Output: a count. The places are found once per series and counted up from its start, so
//! that a window costs two look-ups.

use super::Function;
use crate::QueryError;
use crate::ast::Extension;
use crate::range_call::RangeInput;

/// Counts in each window the samples that differ from the one before by `test`.
fn count(input: &mut RangeInput<'_>, out: &mut [f64], test: impl Fn(f64, f64) -> bool) {
    let mut counts = std::mem::take(&mut input.scratch.indexes);
    counts.clear();
    counts.push(0);
    for pair in input.values.windows(2) {
        let next = counts[counts.len() - 1] + u32::from(test(pair[0], pair[1]));
        counts.push(next);
    }
    for (step, (from, to)) in input.windows.iter().enumerate() {
        let (mut first, to) = (*from as usize, *to as usize);
        if first >= to {
            continue;
        }
        if input.extension == Extension::Anchored {
            let (begin, _) = input.bounds(step);
            let inside = first + input.timestamps[first..to].partition_point(|t| *t <= begin);
            if inside == to {
                continue;
            }
            first = inside.saturating_sub(1).max(first);
        }
        out[step] = f64::from(counts[to - 1] - counts[first]);
    }
    input.scratch.indexes = counts;
}

fn changes(input: &mut RangeInput<'_>, out: &mut [f64]) -> Result<(), QueryError> {
    count(input, out, |from, to| from != to && !(from.is_nan() && to.is_nan()));
    Ok(())
}

fn resets(input: &mut RangeInput<'_>, out: &mut [f64]) -> Result<(), QueryError> {
    count(input, out, |from, to| to < from);
    Ok(())
}

pub(super) static FUNCTIONS: &[Function] =
    &[Function::range("changes", changes), Function::range("resets", resets)];
