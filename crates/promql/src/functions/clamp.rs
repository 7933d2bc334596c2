//! `clamp`, `clamp_min`, `clamp_max`, `round`: values against other scalars.
//!
//! Input: values and a scalar per step. Output: values; `clamp` with crossed limits has none.

use super::{Function, Kind, Prepared};
use crate::QueryError;
use crate::ast::{Expr, ValueType};
use crate::column::{ABSENT, Grid};
use crate::evaluator::Evaluator;

/// Go's `math.Max`: infinity wins over NaN.
pub(crate) fn max(a: f64, b: f64) -> f64 {
    if a == f64::INFINITY || b == f64::INFINITY {
        f64::INFINITY
    } else if a.is_nan() || b.is_nan() {
        f64::NAN
    } else if a == 0.0 && b == 0.0 {
        if a.is_sign_negative() { b } else { a }
    } else if a > b {
        a
    } else {
        b
    }
}

/// Go's `math.Min`: negative infinity wins over NaN.
pub(crate) fn min(a: f64, b: f64) -> f64 {
    if a == f64::NEG_INFINITY || b == f64::NEG_INFINITY {
        f64::NEG_INFINITY
    } else if a.is_nan() || b.is_nan() {
        f64::NAN
    } else if a == 0.0 && b == 0.0 {
        if a.is_sign_negative() { a } else { b }
    } else if a < b {
        a
    } else {
        b
    }
}

fn between(value: f64, least: f64, greatest: f64) -> f64 {
    if greatest < least { ABSENT } else { max(least, min(greatest, value)) }
}

fn clamp(evaluator: &mut Evaluator<'_>, args: &[Expr], grid: &Grid) -> Result<Prepared, QueryError> {
    let least = evaluator.scalar(&args[1], grid)?;
    let greatest = evaluator.scalar(&args[2], grid)?;
    Ok(Box::new(move |step, value| between(value, least.at(step), greatest.at(step))))
}

fn clamp_min(evaluator: &mut Evaluator<'_>, args: &[Expr], grid: &Grid) -> Result<Prepared, QueryError> {
    let least = evaluator.scalar(&args[1], grid)?;
    Ok(Box::new(move |step, value| between(value, least.at(step), f64::INFINITY)))
}

fn clamp_max(evaluator: &mut Evaluator<'_>, args: &[Expr], grid: &Grid) -> Result<Prepared, QueryError> {
    let greatest = evaluator.scalar(&args[1], grid)?;
    Ok(Box::new(move |step, value| between(value, f64::NEG_INFINITY, greatest.at(step))))
}

fn round_to(value: f64, nearest: f64) -> f64 {
    let inverse = 1.0 / nearest;
    (value * inverse + 0.5).floor() / inverse
}

fn round(evaluator: &mut Evaluator<'_>, args: &[Expr], grid: &Grid) -> Result<Prepared, QueryError> {
    let Some(nearest) = args.get(1) else { return Ok(Box::new(|_, value| round_to(value, 1.0))) };
    let nearest = evaluator.scalar(nearest, grid)?;
    Ok(Box::new(move |step, value| round_to(value, nearest.at(step))))
}

use ValueType::{Scalar, Vector};

pub(super) static FUNCTIONS: &[Function] = &[
    Function::new("clamp", &[Vector, Scalar, Scalar], Vector, Kind::Prepared(clamp)),
    Function::new("clamp_min", &[Vector, Scalar], Vector, Kind::Prepared(clamp_min)),
    Function::new("clamp_max", &[Vector, Scalar], Vector, Kind::Prepared(clamp_max)),
    Function::new("round", &[Vector, Scalar], Vector, Kind::Prepared(round)).variadic(1),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn infinity_wins_over_nan() {
        assert_eq!(between(f64::INFINITY, f64::NAN, f64::INFINITY), f64::INFINITY);
        assert!(between(f64::NAN, 0.0, 1.0).is_nan());
        assert_eq!(between(5.0, 2.0, 1.0).to_bits(), ABSENT.to_bits());
    }

    #[test]
    fn rounding_is_by_the_inverse() {
        let check = |value, nearest, expected: f64| assert_eq!(round_to(value, nearest), expected);
        check(2.5, 1.0, 3.0);
        check(-2.5, 1.0, -2.0);
        check(0.25, 0.1, 0.3);
        check(17.0, 5.0, 15.0);
    }
}
