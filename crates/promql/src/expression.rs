//! Expressions for tools: reading, printing and looking at them without evaluating.
//!
//! Input: a query or a `match[]` argument. Output: its type, canonical text, selectors and functions.

use crate::ast::{DurationExpr, DurationNode, Expr, Node, ValueType};
use crate::check::check;
use crate::parser::{Features, mistake, parse_syntax};
use crate::pretty::pretty;
use crate::{QueryError, functions};
use std::fmt;
use std::ops::Range;
use std::time::Duration;
use tidewatch_model::Matcher;

/// A valid expression.
#[derive(Clone, Debug)]
pub struct Expression {
    pub(crate) expr: Expr,
    pub(crate) query: String,
}

impl Expression {
    pub(crate) fn with_features(query: &str, features: Features) -> Result<Self, QueryError> {
        let expr = parse_syntax(query, features)?;
        check(query, &expr)?;
        Ok(Self { expr, query: query.to_owned() })
    }

    /// The type of its value.
    pub fn value_type(&self) -> ValueType {
        self.expr.value_type()
    }

    /// The matchers of each of its selectors, in reading order.
    pub fn selectors(&self) -> Vec<&[Matcher]> {
        let mut found = Vec::new();
        visit(&self.expr, &mut |expr| match &expr.node {
            Node::Vector(selector) | Node::Matrix(selector, _) => found.push(selector.matchers.as_slice()),
            _ => {}
        });
        found
    }

    /// The ranges of its range selectors in reading order; those that depend on the query's own step or range, such as
    /// `[2*step()]`, are left out.
    pub fn ranges(&self) -> Vec<Duration> {
        let mut found = Vec::new();
        visit(&self.expr, &mut |expr| {
            if let Node::Matrix(_, range) = &expr.node
                && let DurationNode::Literal { seconds, .. } = range.node
            {
                found.extend(Duration::try_from_secs_f64(seconds));
            }
        });
        found
    }

    /// The durations written as ranges, steps and offsets of selectors and subqueries, each with its place in the text (byte offsets), in
    /// reading order. A sign stays outside; durations that are numbers of the calculation are left out.
    pub fn written_durations(&self) -> Vec<(Range<usize>, Duration)> {
        let mut found = Vec::new();
        visit(&self.expr, &mut |expr| match &expr.node {
            Node::Vector(selector) => written_in(selector.shift.offset.as_ref(), &self.query, &mut found),
            Node::Matrix(selector, range) => {
                written_in(Some(range), &self.query, &mut found);
                written_in(selector.shift.offset.as_ref(), &self.query, &mut found);
            }
            Node::Subquery(subquery) => {
                for part in [Some(&subquery.range), subquery.step.as_ref(), subquery.shift.offset.as_ref()] {
                    written_in(part, &self.query, &mut found);
                }
            }
            _ => {}
        });
        found.sort_by_key(|(place, _)| place.start);
        found
    }

    /// The names of the functions it calls, sorted, each once.
    pub fn functions(&self) -> Vec<&'static str> {
        let mut found = Vec::new();
        visit(&self.expr, &mut |expr| {
            if let Node::Call { function, .. } = &expr.node {
                found.push(function.name);
            }
        });
        found.sort_unstable();
        found.dedup();
        found
    }
}

fn written_in(duration: Option<&DurationExpr>, query: &str, found: &mut Vec<(Range<usize>, Duration)>) {
    let Some(duration) = duration else { return };
    match &duration.node {
        DurationNode::Literal { seconds, .. } => {
            let written = query.get(duration.start..duration.end).unwrap_or_default();
            let outside = written.len() - written.trim_start_matches(['-', '+', ' ']).len();
            if let Ok(length) = Duration::try_from_secs_f64(seconds.abs()) {
                found.push((duration.start + outside..duration.end, length));
            }
        }
        DurationNode::Negative(inner) | DurationNode::Positive(inner) => {
            written_in(Some(inner), query, found);
        }
        DurationNode::Binary(_, left, right) => {
            written_in(Some(left), query, found);
            written_in(Some(right), query, found);
        }
        DurationNode::Step | DurationNode::Range => {}
    }
}

fn visit<'a>(expr: &'a Expr, see: &mut dyn FnMut(&'a Expr)) {
    see(expr);
    for child in expr.children() {
        visit(child, see);
    }
}

impl fmt::Display for Expression {
    /// The canonical form, on one line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.expr.fmt(f)
    }
}

/// Reads an expression; experimental functions are allowed, as nothing is evaluated.
///
/// # Errors
/// [`QueryError::Parse`] with the position of the first mistake.
pub fn parse(query: &str) -> Result<Expression, QueryError> {
    Expression::with_features(query, Features { experimental_functions: true })
}

/// The canonical form of an expression, over several lines where it is long.
///
/// # Errors
/// [`QueryError::Parse`] with the position of the first mistake.
pub fn format_query(query: &str) -> Result<String, QueryError> {
    parse(query).map(|expression| pretty(&expression.expr, 0))
}

/// Reads a `match[]` argument: a plain selector, without range, offset or `@`.
///
/// # Errors
/// [`QueryError::Parse`] when it is anything else.
pub fn parse_selector(text: &str) -> Result<Vec<Matcher>, QueryError> {
    let expression = parse(text)?;
    match &expression.expr.node {
        Node::Vector(selector) if selector.shift.at.is_none() && selector.shift.offset.is_none() => {
            Ok(selector.matchers.clone())
        }
        _ => Err(mistake(text, 0, "expected a plain series selector, e.g. up{job=\"api\"}")),
    }
}

/// The matchers of every selector in an expression, in reading order.
///
/// # Errors
/// [`QueryError::Parse`] with the position of the first mistake.
pub fn selectors(query: &str) -> Result<Vec<Vec<Matcher>>, QueryError> {
    fn collect(expr: &Expr, into: &mut Vec<Vec<Matcher>>) {
        if let Node::Vector(selector) | Node::Matrix(selector, _) = &expr.node {
            into.push(selector.matchers.clone());
        }
        expr.children().into_iter().for_each(|child| collect(child, into));
    }
    let mut found = Vec::new();
    collect(&parse(query)?.expr, &mut found);
    Ok(found)
}

/// The names of all functions, sorted.
pub fn function_names() -> Vec<&'static str> {
    functions::names()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_the_canonical_form() {
        let check = |query: &str, expected: &str| {
            let printed = format_query(query).unwrap();
            assert_eq!(printed, expected, "{query}");
            assert_eq!(format_query(&printed).unwrap(), expected, "not stable");
        };
        check("sum(rate(x{b='2',a=\"1\"}[5m]))by(pod)", "sum by (pod) (rate(x{a=\"1\",b=\"2\"}[5m]))");
        check("-2^2", "-2 ^ 2");
        check("x offset -5m @ 10", "x @ 10.000 offset -5m");
        check("max_over_time(x[1h:5m]@end())", "max_over_time(x[1h:5m] @ end())");
        check("a/on(l)group_left(b)c", "a / on (l) group_left (b) c");
        check("x[5m+step()*2]", "x[5m + step() * 2]");
        check("topk(3,x)", "topk(3, x)");
        check("{\"a.b\"}", "{__name__=\"a.b\"}");
        check("x == bool 017", "x == bool 15");
        check("sum without() (x)", "sum without () (x)");
    }

    #[test]
    fn tells_where_durations_are_written() {
        let check = |query: &str, expected: &[(&str, u64)]| {
            let found = parse(query).unwrap().written_durations();
            let found: Vec<(&str, u64)> =
                found.into_iter().map(|(place, length)| (&query[place], length.as_secs())).collect();
            assert_eq!(found, expected, "{query}");
        };
        check("up == 5", &[]);
        check("rate(x[5m]) / rate(y[ 1h ] offset 30s)", &[("5m", 300), ("1h", 3600), ("30s", 30)]);
        check("x offset -5m", &[("5m", 300)]);
        check(
            "max_over_time(rate(x[2m])[1h:1m] offset 1d)",
            &[("2m", 120), ("1h", 3600), ("1m", 60), ("1d", 86_400)],
        );
        check("x[5m + 2 * 30s]", &[("5m", 300), ("2", 2), ("30s", 30)]);
        check("x[300]", &[("300", 300)]);
        check("predict_linear(x[6h], 4 * 3600) + 5m", &[("6h", 21_600)]);
    }

    #[test]
    fn tells_what_it_reads() {
        let expression = parse("rate(a[5m]) / on() rate(b{c!=\"d\"}[5m])").unwrap();
        assert_eq!(expression.value_type(), ValueType::Vector);
        let selectors: Vec<usize> = expression.selectors().iter().map(|m| m.len()).collect();
        assert_eq!(selectors, [1, 2]);
        assert_eq!(expression.functions(), ["rate"]);
        assert_eq!(expression.ranges(), [Duration::from_secs(300); 2]);
        assert_eq!(parse("rate(a[2*step()]) + rate(a[90s])").unwrap().ranges(), [Duration::from_secs(90)]);
    }

    #[test]
    fn a_match_argument_is_a_plain_selector() {
        assert_eq!(parse_selector("up{job=\"a\"}").unwrap().len(), 2);
        for refused in ["sum(up)", "up[5m]", "up offset 5m", "up @ 1", "{}", "1", "up{"] {
            assert!(matches!(parse_selector(refused), Err(QueryError::Parse(_))), "{refused}");
        }
    }
}
