//! `label_replace`, `label_join`: labels made from labels; and `info`, which is refused.
//!
//! Input: series and texts. Output: the same series with other labels. Values are not looked at.

use super::{Function, Kind};
use crate::QueryError;
use crate::ast::{Expr, Node, ValueType};
use crate::column::{Grid, SeriesColumn, merge_same_labels};
use crate::evaluator::Evaluator;
use tidewatch_model::AnchoredRegex;

fn text(arg: &Expr) -> &str {
    match &arg.unwrapped().node {
        Node::Text(text) => text,
        _ => "",
    }
}

fn label_replace(
    evaluator: &mut Evaluator<'_>,
    _: &Expr,
    args: &[Expr],
    grid: &Grid,
) -> Result<Vec<SeriesColumn>, QueryError> {
    let [into, replacement, from, pattern] = [1, 2, 3, 4].map(|at| text(&args[at]));
    let regex = AnchoredRegex::new(pattern).map_err(|_| {
        QueryError::execution(format!("invalid regular expression in label_replace(): {pattern}"))
    })?;
    if into.is_empty() {
        return Err(QueryError::execution(format!(
            "invalid destination label name in label_replace(): {into}"
        )));
    }
    let mut series = evaluator.vector(args[0].unwrapped(), grid)?;
    for one in &mut series {
        let value = one.labels.get(from).unwrap_or_default();
        if let Some(expanded) = regex.expand(value, replacement) {
            one.labels = one.labels.to_builder().set(into, expanded).build();
        }
    }
    merge_same_labels(series)
}

fn label_join(
    evaluator: &mut Evaluator<'_>,
    _: &Expr,
    args: &[Expr],
    grid: &Grid,
) -> Result<Vec<SeriesColumn>, QueryError> {
    let (into, separator) = (text(&args[1]), text(&args[2]));
    let sources: Vec<&str> = args[3..].iter().map(text).collect();
    if let Some(source) = sources.iter().find(|s| s.is_empty()) {
        return Err(QueryError::execution(format!("invalid source label name in label_join(): {source}")));
    }
    if into.is_empty() {
        return Err(QueryError::execution(format!("invalid destination label name in label_join(): {into}")));
    }
    let mut series = evaluator.vector(args[0].unwrapped(), grid)?;
    for one in &mut series {
        let values: Vec<&str> = sources.iter().map(|s| one.labels.get(s).unwrap_or_default()).collect();
        let joined = values.join(separator);
        one.labels = one.labels.to_builder().set(into, joined).build();
    }
    merge_same_labels(series)
}

fn info(_: &mut Evaluator<'_>, _: &Expr, _: &[Expr], _: &Grid) -> Result<Vec<SeriesColumn>, QueryError> {
    let text =
        "function \"info\" is not supported yet; hint: join with * on (...) group_left (...) target_info";
    Err(QueryError::execution(text))
}

use ValueType::{Text, Vector};

pub(super) static FUNCTIONS: &[Function] = &[
    Function::new("label_replace", &[Vector, Text, Text, Text, Text], Vector, Kind::Whole(label_replace)),
    Function::new("label_join", &[Vector, Text, Text, Text], Vector, Kind::Whole(label_join)).variadic(-1),
    Function::new("info", &[Vector, Vector], Vector, Kind::Whole(info)).variadic(1).experimental(),
];
