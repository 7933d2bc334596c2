//! `absent`, `absent_over_time`: a series where the argument has none.
//!
//! Input: an expression. Output: 1 at the steps without any series, with the labels that the selector pins to a value;
//! a label matched in more than one way is left out.

use super::{Function, Kind};
use crate::QueryError;
use crate::ast::{Expr, Node, ValueType};
use crate::column::{ABSENT, Grid, METADATA, SeriesColumn, is_present};
use crate::evaluator::Evaluator;
use crate::functions;
use crate::range_call;
use tidewatch_model::{Labels, LabelsBuilder, MatchOp};

/// The labels that a selector pins to a value.
fn pinned(expr: &Expr) -> Labels {
    let (Node::Vector(selector) | Node::Matrix(selector, _)) = &expr.node else { return Labels::empty() };
    let mut builder = LabelsBuilder::default();
    let mut seen: Vec<&str> = Vec::new();
    for matcher in selector.matchers.iter().filter(|m| !METADATA.contains(&m.name())) {
        if matcher.op() == MatchOp::Equal && !seen.contains(&matcher.name()) {
            builder.set(matcher.name(), matcher.value());
            seen.push(matcher.name());
        } else {
            builder.remove(matcher.name());
        }
    }
    builder.build()
}

fn where_missing(found: &[bool], arg: &Expr) -> Vec<SeriesColumn> {
    let values = found.iter().map(|found| if *found { ABSENT } else { 1.0 }).collect();
    vec![SeriesColumn { labels: pinned(arg), values }]
}

fn mark(found: &mut [bool], values: &[f64]) {
    found.iter_mut().zip(values).for_each(|(found, value)| *found |= is_present(*value));
}

fn absent(
    evaluator: &mut Evaluator<'_>,
    _: &Expr,
    args: &[Expr],
    grid: &Grid,
) -> Result<Vec<SeriesColumn>, QueryError> {
    let arg = args[0].unwrapped();
    let mut found = vec![false; grid.len];
    evaluator.stream(arg, grid, &mut |_, _, values| {
        mark(&mut found, values);
        Ok(())
    })?;
    Ok(where_missing(&found, arg))
}

fn absent_over_time(
    evaluator: &mut Evaluator<'_>,
    _: &Expr,
    args: &[Expr],
    grid: &Grid,
) -> Result<Vec<SeriesColumn>, QueryError> {
    let mut found = vec![false; grid.len];
    let Some(present) = functions::find("present_over_time") else { return Ok(Vec::new()) };
    let Kind::Range { run, .. } = present.kind else { return Ok(Vec::new()) };
    let Some(function) = functions::find("absent_over_time") else { return Ok(Vec::new()) };
    // names are kept, as only presence matters and equal labels are no mistake here
    range_call::stream(evaluator, function, args, run, true, grid, &mut |_, _, values| {
        mark(&mut found, values);
        Ok(())
    })?;
    Ok(where_missing(&found, args[0].unwrapped()))
}

pub(super) static FUNCTIONS: &[Function] = &[
    Function::new("absent", &[ValueType::Vector], ValueType::Vector, Kind::Whole(absent)),
    Function::new("absent_over_time", &[ValueType::Matrix], ValueType::Vector, Kind::Whole(absent_over_time)),
];
