//! Expressions back to text, in Prometheus's canonical form.
//!
//! Input: a tree. Output: one line for `/api/v1/format_query` and messages. Comments and line breaks of the original
//! are gone, parentheses stay.

use crate::ast::{
    Aggregate, At, Binary, Cardinality, DurationExpr, DurationNode, DurationOp, Expr, Extension, Node, Shift,
    Subquery, VectorSelector,
};
use crate::go_format::{fixed, plain, quote};
use std::fmt;
use std::time::Duration;
use tidewatch_model::{METRIC_NAME, MatchOp, format_duration, is_valid_label_name};

fn seconds(value: f64) -> String {
    let text = format_duration(Duration::from_secs_f64(value.abs().min(1e15)));
    if value < 0.0 { format!("-{text}") } else { text }
}

fn label(name: &str) -> String {
    if is_valid_label_name(name) { name.to_owned() } else { quote(name) }
}

fn labels(names: &[String]) -> String {
    names.iter().map(|n| label(n)).collect::<Vec<_>>().join(", ")
}

impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.node {
            Node::Number { value, written_as_duration: true } => f.write_str(&seconds(*value)),
            Node::Number { value, .. } => f.write_str(&plain(*value)),
            Node::Text(text) => f.write_str(&quote(text)),
            Node::Vector(selector) => {
                let shift = &selector.shift;
                write!(f, "{}{}{}{}", Bare(selector), at(shift), extension(selector), offset(shift))
            }
            Node::Matrix(selector, range) => {
                let shift = &selector.shift;
                let (extension, at, offset) = (extension(selector), at(shift), offset(shift));
                write!(f, "{}[{range}]{extension}{at}{offset}", Bare(selector))
            }
            Node::Subquery(subquery) => {
                write!(f, "{}{}", subquery.expr, subquery_suffix(subquery))
            }
            Node::Paren(inner) => write!(f, "({inner})"),
            Node::Unary { negative, expr } => write!(f, "{}{expr}", if *negative { '-' } else { '+' }),
            Node::Binary(binary) => write!(f, "{} {} {}", binary.left, operator(binary), binary.right),
            Node::Aggregate(aggregate) => {
                write!(f, "{}(", aggregate_head(aggregate))?;
                if let Some(parameter) = &aggregate.parameter {
                    write!(f, "{parameter}, ")?;
                }
                write!(f, "{})", aggregate.expr)
            }
            Node::Call { function, args } => {
                write!(f, "{}(", function.name)?;
                for (at, arg) in args.iter().enumerate() {
                    write!(f, "{}{arg}", if at > 0 { ", " } else { "" })?;
                }
                f.write_str(")")
            }
        }
    }
}

/// What follows the expression of a subquery.
pub(crate) fn subquery_suffix(subquery: &Subquery) -> String {
    let step = subquery.step.as_ref().map(ToString::to_string).unwrap_or_default();
    format!("[{}:{step}]{}{}", subquery.range, at(&subquery.shift), offset(&subquery.shift))
}

/// An operator with its modifiers.
pub(crate) fn operator(binary: &Binary) -> String {
    let mut text = binary.op.text().to_owned();
    if binary.returns_bool {
        text.push_str(" bool");
    }
    let matching = &binary.matching;
    let grouped = matching.cardinality != Cardinality::OneToOne;
    if !matching.labels.is_empty() || matching.on || grouped {
        let word = if matching.on { "on" } else { "ignoring" };
        text.push_str(&format!(" {word} ({})", labels(&matching.labels)));
    }
    if grouped {
        let side = if matching.cardinality == Cardinality::ManyToOne { "left" } else { "right" };
        text.push_str(&format!(" group_{side} ({})", labels(&matching.include)));
    }
    text
}

/// An aggregation up to its parenthesis.
pub(crate) fn aggregate_head(aggregate: &Aggregate) -> String {
    let op = aggregate.op.text();
    if aggregate.without {
        format!("{op} without ({}) ", labels(&aggregate.grouping))
    } else if aggregate.grouping.is_empty() {
        op.to_owned()
    } else {
        format!("{op} by ({}) ", labels(&aggregate.grouping))
    }
}

/// A selector without what follows its braces.
struct Bare<'a>(&'a VectorSelector);

impl fmt::Display for Bare<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let selector = self.0;
        let is_name = |m: &&tidewatch_model::Matcher| {
            m.name() == METRIC_NAME
                && m.op() == MatchOp::Equal
                && m.value() == selector.name
                && !m.value().is_empty()
        };
        let mut texts: Vec<String> = selector
            .matchers
            .iter()
            .filter(|m| !is_name(m))
            .map(|m| {
                let op = match m.op() {
                    MatchOp::Equal => "=",
                    MatchOp::NotEqual => "!=",
                    MatchOp::Regex => "=~",
                    MatchOp::NotRegex => "!~",
                };
                format!("{}{op}{}", label(m.name()), quote(m.value()))
            })
            .collect();
        texts.sort();
        f.write_str(&selector.name)?;
        if texts.is_empty() { Ok(()) } else { write!(f, "{{{}}}", texts.join(",")) }
    }
}

fn extension(selector: &VectorSelector) -> &'static str {
    match selector.extension {
        Extension::None => "",
        Extension::Anchored => " anchored",
        Extension::Smoothed => " smoothed",
    }
}

fn at(shift: &Shift) -> String {
    match shift.at {
        None => String::new(),
        Some(At::Start) => " @ start()".to_owned(),
        Some(At::End) => " @ end()".to_owned(),
        Some(At::Time(ms)) => {
            let text = fixed(ms as f64 / 1000.0);
            format!(" @ {}", &text[..text.len() - 3])
        }
    }
}

fn offset(shift: &Shift) -> String {
    shift.offset.as_ref().map(|d| format!(" offset {d}")).unwrap_or_default()
}

impl fmt::Display for DurationExpr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.wrapped {
            f.write_str("(")?;
        }
        match &self.node {
            DurationNode::Literal { seconds: value, .. } => f.write_str(&seconds(*value))?,
            DurationNode::Step => f.write_str("step()")?,
            DurationNode::Range => f.write_str("range()")?,
            DurationNode::Negative(inner) => write!(f, "-{}", Part(inner))?,
            DurationNode::Positive(inner) => write!(f, "{}", Part(inner))?,
            DurationNode::Binary(DurationOp::Min, left, right) => {
                write!(f, "min_of({}, {})", Part(left), Part(right))?;
            }
            DurationNode::Binary(DurationOp::Max, left, right) => {
                write!(f, "max_of({}, {})", Part(left), Part(right))?;
            }
            DurationNode::Binary(op, left, right) => {
                let text = match op {
                    DurationOp::Add => "+",
                    DurationOp::Sub => "-",
                    DurationOp::Mul => "*",
                    DurationOp::Div => "/",
                    DurationOp::Mod => "%",
                    _ => "^",
                };
                write!(f, "{} {text} {}", Part(left), Part(right))?;
            }
        }
        if self.wrapped { f.write_str(")") } else { Ok(()) }
    }
}

/// A part of a computed duration, where a plain number is a factor and stays one.
struct Part<'a>(&'a DurationExpr);

impl fmt::Display for Part<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.node {
            DurationNode::Literal { seconds, written_as_duration: false } => f.write_str(&plain(seconds)),
            _ => self.0.fmt(f),
        }
    }
}
