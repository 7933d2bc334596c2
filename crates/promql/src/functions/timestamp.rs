//! `timestamp`: when the samples of a selector were taken; of any other expression, when it was evaluated.
//!
//! Input: an instant vector. Output: seconds since the Unix epoch. `start_timestamp` knows of no start times here and
//! answers nothing, as Prometheus does without them.

use super::{Function, Kind};
use crate::QueryError;
use crate::ast::{Expr, Node, ValueType};
use crate::column::{Grid, SeriesColumn, drop_metadata, is_present, merge_same_labels};
use crate::evaluator::Evaluator;

fn timestamp(
    evaluator: &mut Evaluator<'_>,
    _: &Expr,
    args: &[Expr],
    grid: &Grid,
) -> Result<Vec<SeriesColumn>, QueryError> {
    let arg = args[0].unwrapped();
    if let Node::Vector(selector) = &arg.node {
        return evaluator.sample_times(selector, grid);
    }
    let mut series = evaluator.vector(arg, grid)?;
    for one in &mut series {
        one.labels = drop_metadata(&one.labels);
        for (step, value) in one.values.iter_mut().enumerate().filter(|(_, v)| is_present(**v)) {
            *value = grid.time(step) as f64 / 1000.0;
        }
    }
    merge_same_labels(series)
}

fn start_timestamp(
    evaluator: &mut Evaluator<'_>,
    _: &Expr,
    args: &[Expr],
    grid: &Grid,
) -> Result<Vec<SeriesColumn>, QueryError> {
    evaluator.vector(args[0].unwrapped(), grid)?;
    Ok(Vec::new())
}

use ValueType::Vector;

pub(super) static FUNCTIONS: &[Function] = &[
    Function::new("timestamp", &[Vector], Vector, Kind::Whole(timestamp)).depends_on_step(),
    Function::new("start_timestamp", &[Vector], Vector, Kind::Whole(start_timestamp)).experimental(),
];
