//! Arithmetic and comparisons: scalars with scalars, and vectors with scalars in place.
//!
//! Input: the two sides. Output: columns. Vectors with vectors are in `matching`, `and`, `or`, `unless` in
//! `set_operator`.

use crate::QueryError;
use crate::ast::{Binary, BinaryOp, Expr, ValueType};
use crate::column::{ABSENT, Grid, ScalarColumn, is_present};
use crate::evaluator::{Evaluator, Sink};
use crate::matching;

/// Arithmetic on two numbers; comparisons give 1 or 0.
#[inline]
pub(crate) fn scalars(op: BinaryOp, left: f64, right: f64) -> f64 {
    if op.is_comparison() { f64::from(compare(op, left, right)) } else { arithmetic(op, left, right) }
}

#[inline]
pub(crate) fn arithmetic(op: BinaryOp, left: f64, right: f64) -> f64 {
    match op {
        BinaryOp::Add => left + right,
        BinaryOp::Sub => left - right,
        BinaryOp::Mul => left * right,
        BinaryOp::Div => left / right,
        BinaryOp::Mod => left % right,
        BinaryOp::Pow => left.powf(right),
        BinaryOp::Atan2 => left.atan2(right),
        _ => f64::NAN,
    }
}

#[inline]
pub(crate) fn compare(op: BinaryOp, left: f64, right: f64) -> bool {
    match op {
        BinaryOp::Equal => left == right,
        BinaryOp::NotEqual => left != right,
        BinaryOp::Less => left < right,
        BinaryOp::LessOrEqual => left <= right,
        BinaryOp::Greater => left > right,
        BinaryOp::GreaterOrEqual => left >= right,
        _ => false,
    }
}

/// Evaluates a binary operator other than `and`, `or`, `unless` with at least one vector.
pub(crate) fn stream(
    evaluator: &mut Evaluator<'_>,
    expr: &Expr,
    operation: &Binary,
    grid: &Grid,
    sink: &mut Sink<'_>,
) -> Result<(), QueryError> {
    let trims = matches!(operation.op, BinaryOp::TrimLower | BinaryOp::TrimUpper);
    match (operation.left.value_type(), operation.right.value_type()) {
        (ValueType::Vector, ValueType::Vector) => matching::stream(evaluator, expr, operation, grid, sink),
        _ if trims => {
            evaluator.annotations.incompatible_floats(operation.op.text(), expr.start);
            Ok(())
        }
        (ValueType::Vector, _) => {
            let scalar = evaluator.scalar(&operation.right, grid)?;
            with_scalar(evaluator, operation, &operation.left, &scalar, false, grid, sink)
        }
        _ => {
            let scalar = evaluator.scalar(&operation.left, grid)?;
            with_scalar(evaluator, operation, &operation.right, &scalar, true, grid, sink)
        }
    }
}

fn with_scalar(
    evaluator: &mut Evaluator<'_>,
    operation: &Binary,
    vector: &Expr,
    scalar: &ScalarColumn,
    scalar_is_left: bool,
    grid: &Grid,
    sink: &mut Sink<'_>,
) -> Result<(), QueryError> {
    let mut apply = |values: &mut [f64]| apply_scalar(operation, scalar, scalar_is_left, values);
    if operation.op.changes_metric() || operation.returns_bool {
        return evaluator.map_series(vector, grid, &mut apply, sink);
    }
    evaluator.stream(vector, grid, &mut |evaluator, labels, values| {
        apply(values);
        sink(evaluator, labels, values)
    })
}

fn apply_scalar(operation: &Binary, scalar: &ScalarColumn, scalar_is_left: bool, values: &mut [f64]) {
    let op = operation.op;
    let sides = |value: f64, other: f64| if scalar_is_left { (other, value) } else { (value, other) };
    for (step, value) in values.iter_mut().enumerate() {
        if !is_present(*value) {
            continue;
        }
        let (left, right) = sides(*value, scalar.at(step));
        if !op.is_comparison() {
            *value = arithmetic(op, left, right);
        } else if operation.returns_bool {
            *value = f64::from(compare(op, left, right));
        } else if !compare(op, left, right) {
            *value = ABSENT;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operators_on_numbers() {
        use BinaryOp as B;
        let check = |op, left: f64, right: f64, expected: f64| {
            assert_eq!(scalars(op, left, right), expected, "{left} {op:?} {right}");
        };
        check(B::Mod, -5.0, 3.0, -2.0);
        check(B::Div, 1.0, 0.0, f64::INFINITY);
        check(B::Pow, 2.0, 10.0, 1024.0);
        check(B::Atan2, 0.0, -1.0, std::f64::consts::PI);
        check(B::NotEqual, f64::NAN, f64::NAN, 1.0);
        check(B::GreaterOrEqual, 1.0, 1.0, 1.0);
    }
}
