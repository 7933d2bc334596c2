//! Expressions over several lines, as `/api/v1/format_query` answers them.
//!
//! Input: a tree. Output: its canonical text, split and indented where a part is longer than a line. The rules are
//! Prometheus's, down to subqueries that are never indented.

use crate::ast::{Expr, Node};
use crate::printer::{aggregate_head, operator, subquery_suffix};

/// The longest part that stays on one line, in bytes.
const LINE: usize = 100;

/// The text of an expression whose first line is indented by `level`.
pub(crate) fn pretty(expr: &Expr, level: usize) -> String {
    let indent = "  ".repeat(level);
    let line = expr.to_string();
    let fits = line.len() <= LINE;
    match &expr.node {
        Node::Unary { negative, expr } => {
            let sign = if *negative { '-' } else { '+' };
            format!("{indent}{sign}{}", pretty(expr, level).trim())
        }
        Node::Subquery(_) if fits => line,
        Node::Subquery(subquery) => format!("{}{}", pretty(&subquery.expr, level), subquery_suffix(subquery)),
        Node::Paren(inner) if !fits => format!("{indent}(\n{}\n{indent})", pretty(inner, level + 1)),
        Node::Binary(binary) if !fits => {
            let (left, right) = (pretty(&binary.left, level + 1), pretty(&binary.right, level + 1));
            format!("{left}\n{indent}{}\n{right}", operator(binary))
        }
        Node::Aggregate(aggregate) if !fits => {
            let parameter =
                aggregate.parameter.as_ref().map(|p| pretty(p, level + 1) + ",\n").unwrap_or_default();
            let inner = pretty(&aggregate.expr, level + 1);
            format!("{indent}{}(\n{parameter}{inner}\n{indent})", aggregate_head(aggregate))
        }
        Node::Call { function, args } if !fits => {
            let args: Vec<String> = args.iter().map(|arg| pretty(arg, level + 1)).collect();
            format!("{indent}{}(\n{}\n{indent})", function.name, args.join(",\n"))
        }
        _ => format!("{indent}{line}"),
    }
}

#[cfg(test)]
mod tests {
    use crate::format_query;

    #[test]
    fn long_expressions_are_split() {
        let query = "histogram_quantile(0.99, sum by (le, namespace, service) (rate(http_request_duration_seconds_bucket[5m]))) > 0.5";
        let expected = "  histogram_quantile(\n    0.99,\n    sum by (le, namespace, service) (rate(http_request_duration_seconds_bucket[5m]))\n  )\n>\n  0.5";
        assert_eq!(format_query(query).unwrap(), expected);
        assert_eq!(format_query(expected).unwrap(), expected);
    }
}
