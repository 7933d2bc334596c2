//! Expressions for tools: reading, printing and looking at them without evaluating.
//!
//! Input: a query or a `match[]` argument. Output: its type, canonical text, selectors and functions.

use crate::ast::{DurationNode, Expr, Node, ValueType};
use crate::check::check;
use crate::parser::{Features, mistake, parse_syntax};
use crate::pretty::pretty;
use crate::{QueryError, functions};
use std::fmt;
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
