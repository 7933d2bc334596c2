//! Between scalars and vectors: `scalar`, `vector`, `time`, `pi`, `max_of`, `min_of`.
//!
//! Input: expressions. Output: a number per step, or a series without labels.

use super::clamp::{max, min};
use super::{Function, Kind};
use crate::QueryError;
use crate::ast::{Expr, ValueType};
use crate::column::{Grid, ScalarColumn, SeriesColumn, is_absent, is_present};
use crate::evaluator::Evaluator;
use tidewatch_model::Labels;

fn scalar(evaluator: &mut Evaluator<'_>, args: &[Expr], grid: &Grid) -> Result<ScalarColumn, QueryError> {
    let mut values = vec![crate::column::ABSENT; grid.len];
    let mut several = vec![false; grid.len];
    evaluator.stream(args[0].unwrapped(), grid, &mut |_, _, column| {
        for (step, value) in column.iter().enumerate().filter(|(_, v)| is_present(**v)) {
            several[step] |= is_present(values[step]);
            values[step] = *value;
        }
        Ok(())
    })?;
    for (value, several) in values.iter_mut().zip(several) {
        if several || is_absent(*value) {
            *value = f64::NAN;
        }
    }
    Ok(ScalarColumn::Steps(values))
}

fn vector(
    evaluator: &mut Evaluator<'_>,
    _: &Expr,
    args: &[Expr],
    grid: &Grid,
) -> Result<Vec<SeriesColumn>, QueryError> {
    let column = evaluator.scalar(&args[0], grid)?;
    let values = (0..grid.len).map(|step| column.at(step)).collect();
    Ok(vec![SeriesColumn { labels: Labels::empty(), values }])
}

fn time(_: &mut Evaluator<'_>, _: &[Expr], grid: &Grid) -> Result<ScalarColumn, QueryError> {
    Ok(ScalarColumn::Steps((0..grid.len).map(|step| grid.time(step) as f64 / 1000.0).collect()))
}

fn pi(_: &mut Evaluator<'_>, _: &[Expr], _: &Grid) -> Result<ScalarColumn, QueryError> {
    Ok(ScalarColumn::Constant(std::f64::consts::PI))
}

fn combine(
    evaluator: &mut Evaluator<'_>,
    args: &[Expr],
    grid: &Grid,
    pick: fn(f64, f64) -> f64,
) -> Result<ScalarColumn, QueryError> {
    let (first, second) = (evaluator.scalar(&args[0], grid)?, evaluator.scalar(&args[1], grid)?);
    Ok(ScalarColumn::Steps((0..grid.len).map(|step| pick(first.at(step), second.at(step))).collect()))
}

fn max_of(evaluator: &mut Evaluator<'_>, args: &[Expr], grid: &Grid) -> Result<ScalarColumn, QueryError> {
    combine(evaluator, args, grid, max)
}

fn min_of(evaluator: &mut Evaluator<'_>, args: &[Expr], grid: &Grid) -> Result<ScalarColumn, QueryError> {
    combine(evaluator, args, grid, min)
}

use ValueType::{Scalar, Vector};

pub(super) static FUNCTIONS: &[Function] = &[
    Function::new("scalar", &[Vector], Scalar, Kind::Scalar(scalar)),
    Function::new("vector", &[Scalar], Vector, Kind::Whole(vector)),
    Function::new("time", &[], Scalar, Kind::Scalar(time)).depends_on_step(),
    Function::new("pi", &[], Scalar, Kind::Scalar(pi)),
    Function::new("max_of", &[Scalar, Scalar], Scalar, Kind::Scalar(max_of)).experimental(),
    Function::new("min_of", &[Scalar, Scalar], Scalar, Kind::Scalar(min_of)).experimental(),
];
