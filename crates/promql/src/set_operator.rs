//! `and`, `or`, `unless`: which series stay, by whether the other side has a match at the step.
//!
//! Input: the series of both sides. Output: those of the left side, for `or` also of the right. Values are not
//! changed, names stay.

use crate::QueryError;
use crate::ast::{Binary, BinaryOp};
use crate::column::{ABSENT, Grid, SeriesColumn, is_present, merge_same_labels};
use crate::evaluator::{Evaluator, Sink, both_sides};

/// For each signature the steps at which a series that has it has a value; empty where none does.
fn presence(series: &[SeriesColumn], numbers: &[usize], count: usize, steps: usize) -> Vec<Vec<bool>> {
    let mut present = vec![Vec::new(); count];
    for (one, number) in series.iter().zip(numbers) {
        let flags = &mut present[*number];
        flags.resize(steps, false);
        for (flag, value) in flags.iter_mut().zip(&one.values) {
            *flag |= is_present(*value);
        }
    }
    present
}

/// Removes the values at the steps whose flag is `when`; without flags none is set.
fn remove(values: &mut [f64], flags: &[bool], when: bool) {
    for (step, value) in values.iter_mut().enumerate() {
        if flags.get(step).copied().unwrap_or(false) == when {
            *value = ABSENT;
        }
    }
}

/// Evaluates a set operator.
pub(crate) fn stream(
    evaluator: &mut Evaluator<'_>,
    operation: &Binary,
    grid: &Grid,
    sink: &mut Sink<'_>,
) -> Result<(), QueryError> {
    let before = evaluator.held;
    let (mut left, mut right, signatures) = both_sides(evaluator, operation, grid)?;
    let steps = grid.len;
    if operation.op == BinaryOp::Or {
        let present = presence(&left, &signatures.left, signatures.count, steps);
        for (one, number) in right.iter_mut().zip(&signatures.right) {
            remove(&mut one.values, &present[*number], true);
        }
        left.append(&mut right);
    } else {
        let present = presence(&right, &signatures.right, signatures.count, steps);
        for (one, number) in left.iter_mut().zip(&signatures.left) {
            remove(&mut one.values, &present[*number], operation.op == BinaryOp::Unless);
        }
    }
    let merged = merge_same_labels(left)?;
    evaluator.held = before;
    evaluator.push_all(merged, sink)
}
