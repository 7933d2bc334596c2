//! What the query was asked for: `start`, `end`, `range`, `step`, in seconds.
//!
//! Input: the query's times. Output: constants, the same inside subqueries.

use super::{Function, Kind};
use crate::QueryError;
use crate::ast::{Expr, ValueType};
use crate::column::{Grid, ScalarColumn};
use crate::evaluator::Evaluator;

fn seconds(milliseconds: i64) -> Result<ScalarColumn, QueryError> {
    Ok(ScalarColumn::Constant(milliseconds as f64 / 1000.0))
}

fn start(evaluator: &mut Evaluator<'_>, _: &[Expr], _: &Grid) -> Result<ScalarColumn, QueryError> {
    seconds(evaluator.context.start)
}

fn end(evaluator: &mut Evaluator<'_>, _: &[Expr], _: &Grid) -> Result<ScalarColumn, QueryError> {
    seconds(evaluator.context.end)
}

fn range(evaluator: &mut Evaluator<'_>, _: &[Expr], _: &Grid) -> Result<ScalarColumn, QueryError> {
    seconds(evaluator.context.range())
}

fn step(evaluator: &mut Evaluator<'_>, _: &[Expr], _: &Grid) -> Result<ScalarColumn, QueryError> {
    let is_instant = evaluator.context.start == evaluator.context.end;
    seconds(if is_instant { 0 } else { evaluator.context.step })
}

pub(super) static FUNCTIONS: &[Function] = &[
    Function::new("start", &[], ValueType::Scalar, Kind::Scalar(start)).experimental(),
    Function::new("end", &[], ValueType::Scalar, Kind::Scalar(end)).experimental(),
    Function::new("range", &[], ValueType::Scalar, Kind::Scalar(range)).experimental(),
    Function::new("step", &[], ValueType::Scalar, Kind::Scalar(step)).experimental(),
];
