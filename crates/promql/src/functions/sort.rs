//! `sort`, `sort_desc`, `sort_by_label`, `sort_by_label_desc`: the order of the answer to a query at one time.
//!
//! Input: series. Output: the same series in another order. Over a range of times they do nothing and warn.

use super::{Function, Kind};
use crate::QueryError;
use crate::ast::{Expr, Node, ValueType};
use crate::column::{Grid, SeriesColumn, is_present};
use crate::evaluator::Evaluator;
use std::cmp::Ordering;

fn collect(
    evaluator: &mut Evaluator<'_>,
    expr: &Expr,
    args: &[Expr],
    grid: &Grid,
) -> Result<(Vec<SeriesColumn>, bool), QueryError> {
    let sorts = grid.start == grid.end;
    if !sorts {
        evaluator.annotations.sort_in_range_query(expr.start);
    }
    let mut series = evaluator.vector(args[0].unwrapped(), grid)?;
    if sorts {
        series.retain(|one| is_present(one.values[0]));
    }
    Ok((series, sorts))
}

fn by_value(mut series: Vec<SeriesColumn>, descending: bool) -> Vec<SeriesColumn> {
    series.sort_by(|a, b| {
        let (a, b) = (a.values[0], b.values[0]);
        let order = a.partial_cmp(&b).unwrap_or(Ordering::Equal);
        let order = if descending { order.reverse() } else { order };
        a.is_nan().cmp(&b.is_nan()).then(order)
    });
    series
}

fn sort(
    evaluator: &mut Evaluator<'_>,
    expr: &Expr,
    args: &[Expr],
    grid: &Grid,
) -> Result<Vec<SeriesColumn>, QueryError> {
    let (series, sorts) = collect(evaluator, expr, args, grid)?;
    Ok(if sorts { by_value(series, false) } else { series })
}

fn sort_desc(
    evaluator: &mut Evaluator<'_>,
    expr: &Expr,
    args: &[Expr],
    grid: &Grid,
) -> Result<Vec<SeriesColumn>, QueryError> {
    let (series, sorts) = collect(evaluator, expr, args, grid)?;
    Ok(if sorts { by_value(series, true) } else { series })
}

/// Runs of digits and runs of anything else.
fn chunks(text: &str) -> Vec<&str> {
    let mut chunks = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.bytes().next() {
        let digits = first.is_ascii_digit();
        let end = rest.bytes().position(|b| b.is_ascii_digit() != digits).unwrap_or(rest.len());
        let (chunk, after) = rest.split_at(end);
        chunks.push(chunk);
        rest = after;
    }
    chunks
}

/// Whether a text comes before another when numbers inside count by their value.
fn naturally_before(a: &str, b: &str) -> bool {
    let (a, b) = (chunks(a), chunks(b));
    for (at, chunk) in a.iter().enumerate() {
        let Some(other) = b.get(at) else { return false };
        let equal = match (chunk.parse::<i64>(), other.parse::<i64>()) {
            (Ok(x), Ok(y)) if x != y => return x < y,
            (Ok(_), Ok(_)) => true,
            _ => chunk == other,
        };
        if !equal {
            return chunk < other;
        }
        if at + 1 == a.len() {
            return true;
        }
        if at + 1 == b.len() {
            return false;
        }
    }
    false
}

fn by_labels(a: &SeriesColumn, b: &SeriesColumn, names: &[&str]) -> Ordering {
    for name in names {
        let (x, y) = (a.labels.get(name).unwrap_or_default(), b.labels.get(name).unwrap_or_default());
        if x != y {
            return if naturally_before(x, y) { Ordering::Less } else { Ordering::Greater };
        }
    }
    a.labels.cmp(&b.labels)
}

fn names(args: &[Expr]) -> Vec<&str> {
    let texts = args[1..].iter().filter_map(|arg| match &arg.unwrapped().node {
        Node::Text(text) => Some(text.as_str()),
        _ => None,
    });
    texts.collect()
}

fn sorted_by_label(
    evaluator: &mut Evaluator<'_>,
    expr: &Expr,
    args: &[Expr],
    grid: &Grid,
    descending: bool,
) -> Result<Vec<SeriesColumn>, QueryError> {
    let (mut series, sorts) = collect(evaluator, expr, args, grid)?;
    if sorts {
        let names = names(args);
        series.sort_by(|a, b| {
            let order = by_labels(a, b, &names);
            if descending { order.reverse() } else { order }
        });
    }
    Ok(series)
}

fn sort_by_label(
    evaluator: &mut Evaluator<'_>,
    expr: &Expr,
    args: &[Expr],
    grid: &Grid,
) -> Result<Vec<SeriesColumn>, QueryError> {
    sorted_by_label(evaluator, expr, args, grid, false)
}

fn sort_by_label_desc(
    evaluator: &mut Evaluator<'_>,
    expr: &Expr,
    args: &[Expr],
    grid: &Grid,
) -> Result<Vec<SeriesColumn>, QueryError> {
    sorted_by_label(evaluator, expr, args, grid, true)
}

use ValueType::{Text, Vector};

pub(super) static FUNCTIONS: &[Function] = &[
    Function::new("sort", &[Vector], Vector, Kind::Whole(sort)),
    Function::new("sort_desc", &[Vector], Vector, Kind::Whole(sort_desc)),
    Function::new("sort_by_label", &[Vector, Text], Vector, Kind::Whole(sort_by_label))
        .variadic(-1)
        .experimental(),
    Function::new("sort_by_label_desc", &[Vector, Text], Vector, Kind::Whole(sort_by_label_desc))
        .variadic(-1)
        .experimental(),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_inside_texts_count_by_value() {
        assert!(naturally_before("pod-9", "pod-10"));
        assert!(!naturally_before("pod-10", "pod-9"));
        assert!(naturally_before("a", "b"));
        assert!(naturally_before("pod", "pod-1"));
    }
}
