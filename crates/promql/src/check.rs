//! What the types of an expression demand, with Prometheus's messages.
//!
//! Input: a tree from the parser. Output: nothing, or the first violation in the order in which Prometheus finds
//! them. It looks at types and matchers only, never at data.

use crate::QueryError;
use crate::ast::{Aggregate, AggregateOp, Binary, Cardinality, Expr, Node, ValueType, VectorSelector};
use crate::functions::Function;
use crate::go_format::quote;
use crate::parser::mistake;
use tidewatch_model::METRIC_NAME;

/// Checks a whole expression.
pub(crate) fn check(query: &str, expr: &Expr) -> Result<(), QueryError> {
    Checker { query }.expr(expr).map(|_| ())
}

struct Checker<'a> {
    query: &'a str,
}

impl Checker<'_> {
    fn fail<T>(&self, at: usize, message: &str) -> Result<T, QueryError> {
        Err(mistake(self.query, at, message))
    }

    fn expr(&self, expr: &Expr) -> Result<ValueType, QueryError> {
        let own = expr.value_type();
        match &expr.node {
            Node::Number { .. } | Node::Text(_) => {}
            Node::Vector(selector) => self.selector(expr, selector, true)?,
            Node::Matrix(selector, _) => self.selector(expr, selector, true)?,
            Node::Subquery(subquery) => {
                let inner = self.expr(&subquery.expr)?;
                if inner != ValueType::Vector {
                    let message = format!(
                        "subquery is only allowed on instant vector, got {} instead",
                        inner.api_name()
                    );
                    return self.fail(expr.start, &message);
                }
            }
            Node::Paren(inner) => {
                self.expr(inner)?;
            }
            Node::Unary { expr: inner, .. } => {
                let found = self.expr(inner)?;
                if !matches!(found, ValueType::Scalar | ValueType::Vector) {
                    let message = format!(
                        "unary expression only allowed on expressions of type scalar or instant vector, got {}",
                        quote(found.documented())
                    );
                    return self.fail(expr.start, &message);
                }
            }
            Node::Binary(binary) => self.binary(expr, binary)?,
            Node::Aggregate(aggregate) => self.aggregate(aggregate)?,
            Node::Call { function, args } => self.call(expr, function, args)?,
        }
        Ok(own)
    }

    fn expect(&self, expr: &Expr, wanted: ValueType, context: &str) -> Result<(), QueryError> {
        let found = self.expr(expr)?;
        if found == wanted {
            return Ok(());
        }
        let (wanted, found) = (wanted.documented(), found.documented());
        self.fail(expr.start, &format!("expected type {wanted} in {context}, got {found}"))
    }

    fn aggregate(&self, aggregate: &Aggregate) -> Result<(), QueryError> {
        self.expect(&aggregate.expr, ValueType::Vector, "aggregation expression")?;
        match (&aggregate.parameter, aggregate.op) {
            (None, _) => Ok(()),
            (Some(parameter), AggregateOp::CountValues) => {
                self.expect(parameter, ValueType::Text, "aggregation parameter")
            }
            (Some(parameter), _) => self.expect(parameter, ValueType::Scalar, "aggregation parameter"),
        }
    }

    fn binary(&self, expr: &Expr, binary: &Binary) -> Result<(), QueryError> {
        let (left, right) = (self.expr(&binary.left)?, self.expr(&binary.right)?);
        let (op, matching) = (binary.op, &binary.matching);
        if binary.returns_bool && !op.is_comparison() {
            return self.fail(binary.op_start, "bool modifier can only be used on comparison operators");
        }
        let both = |wanted| left == wanted && right == wanted;
        if op.is_comparison() && !binary.returns_bool && both(ValueType::Scalar) {
            return self.fail(binary.op_start, "comparisons between scalars must use BOOL modifier");
        }
        if let Some(label) = matching.labels.iter().find(|l| matching.on && matching.include.contains(l)) {
            let message = format!("label {} must not occur in ON and GROUP clause at once", quote(label));
            return self.fail(binary.op_start, &message);
        }
        for (side, found) in [(&binary.left, left), (&binary.right, right)] {
            if !matches!(found, ValueType::Scalar | ValueType::Vector) {
                let message = "binary expression must contain only scalar and instant vector types";
                return self.fail(side.start, message);
            }
        }
        if !both(ValueType::Vector) && !matching.labels.is_empty() {
            return self.fail(expr.start, "vector matching only allowed between instant vectors");
        }
        if both(ValueType::Vector) && op.is_set() && matching.cardinality != Cardinality::OneToOne {
            return self.fail(expr.start, &format!("no grouping allowed for {} operation", quote(op.text())));
        }
        if op.is_set() && !both(ValueType::Vector) {
            let message =
                format!("set operator {} not allowed in binary scalar expression", quote(op.text()));
            return self.fail(expr.start, &message);
        }
        Ok(())
    }

    fn call(&self, expr: &Expr, function: &Function, args: &[Expr]) -> Result<(), QueryError> {
        let (wanted, given, name) = (function.args.len(), args.len(), quote(function.name));
        let least = if function.variadic == 0 { wanted } else { wanted - 1 };
        let most = least + usize::try_from(function.variadic).unwrap_or(usize::MAX / 2);
        if function.variadic == 0 && given != wanted {
            let message = format!("expected {wanted} argument(s) in call to {name}, got {given}");
            return self.fail(expr.start, &message);
        }
        if given < least {
            let message = format!("expected at least {least} argument(s) in call to {name}, got {given}");
            return self.fail(expr.start, &message);
        }
        if given > most {
            let message = format!("expected at most {most} argument(s) in call to {name}, got {given}");
            return self.fail(expr.start, &message);
        }
        for (at, arg) in args.iter().enumerate() {
            let wanted = function.args[at.min(function.args.len() - 1)];
            if function.name == "info" && at == 1 {
                let Node::Vector(selector) = &arg.node else {
                    return self.fail(arg.start, "expected label selectors only");
                };
                if !selector.name.is_empty() {
                    let message = "expected label selectors only, got vector selector instead";
                    return self.fail(arg.start, message);
                }
                self.selector(arg, selector, false)?;
                continue;
            }
            let found = self.expr(arg)?;
            if found != wanted {
                let message = format!(
                    "expected type {} in call to function {name}, got {}",
                    wanted.documented(),
                    found.documented()
                );
                return self.fail(arg.start, &message);
            }
        }
        Ok(())
    }

    fn selector(&self, expr: &Expr, selector: &VectorSelector, must_select: bool) -> Result<(), QueryError> {
        if !selector.name.is_empty() {
            let others = &selector.matchers[..selector.matchers.len() - 1];
            if let Some(other) = others.iter().find(|m| m.name() == METRIC_NAME) {
                let (name, other) = (quote(&selector.name), quote(other.value()));
                let message = format!("metric name must not be set twice: {name} or {other}");
                return self.fail(expr.start, &message);
            }
            return Ok(());
        }
        if must_select && selector.matchers.iter().all(|m| m.matches_empty()) {
            let message = "vector selector must contain at least one non-empty matcher";
            return self.fail(expr.start, message);
        }
        Ok(())
    }
}
