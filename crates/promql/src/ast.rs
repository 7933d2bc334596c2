//! Expressions as a tree: what the parser builds, the checks annotate and the evaluator walks.
//!
//! Input: the parser. Output: the printer, the checks, the evaluator. Positions are byte offsets into the query, so
//! that errors and annotations can point at the part they mean.

use crate::functions::Function;
use tidewatch_model::Matcher;

/// The type of an expression's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ValueType {
    /// A number per step.
    Scalar,
    /// A set of series with a number per step each.
    Vector,
    /// A set of series with a range of samples per step each.
    Matrix,
    /// A text.
    Text,
}

impl ValueType {
    /// The name in messages, as the documentation has it.
    pub fn documented(self) -> &'static str {
        match self {
            Self::Scalar => "scalar",
            Self::Vector => "instant vector",
            Self::Matrix => "range vector",
            Self::Text => "string",
        }
    }

    /// The name in API answers (`resultType`).
    pub fn api_name(self) -> &'static str {
        match self {
            Self::Scalar => "scalar",
            Self::Vector => "vector",
            Self::Matrix => "matrix",
            Self::Text => "string",
        }
    }
}

/// A part of an expression.
#[derive(Clone, Debug)]
pub(crate) struct Expr {
    pub(crate) node: Node,
    /// Where it begins in the query.
    pub(crate) start: usize,
    /// Where it ends, exclusive.
    pub(crate) end: usize,
    /// How many levels it has; bounded by the parser, so that recursion is.
    pub(crate) depth: usize,
}

#[derive(Clone, Debug)]
pub(crate) enum Node {
    /// `written_as_duration`: `5m` is 300.
    Number {
        value: f64,
        written_as_duration: bool,
    },
    Text(String),
    Vector(Box<VectorSelector>),
    Matrix(Box<VectorSelector>, Box<DurationExpr>),
    Subquery(Box<Subquery>),
    Paren(Box<Expr>),
    Unary {
        negative: bool,
        expr: Box<Expr>,
    },
    Binary(Box<Binary>),
    Aggregate(Box<Aggregate>),
    Call {
        function: &'static Function,
        args: Vec<Expr>,
    },
}

/// When a selector or subquery looks at the data, relative to the step or fixed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shift {
    pub(crate) at: Option<At>,
    pub(crate) offset: Option<DurationExpr>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum At {
    /// Milliseconds since the Unix epoch.
    Time(i64),
    Start,
    End,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Extension {
    #[default]
    None,
    /// Changes count from the last sample before the window.
    Anchored,
    /// Values are interpolated at both ends of the window.
    Smoothed,
}

#[derive(Clone, Debug)]
pub(crate) struct VectorSelector {
    /// The name written before the braces; empty if none.
    pub(crate) name: String,
    /// All matchers, the one for `name` last.
    pub(crate) matchers: Vec<Matcher>,
    pub(crate) shift: Shift,
    pub(crate) extension: Extension,
    /// Numbers the selectors of a query from 0.
    pub(crate) id: usize,
}

#[derive(Clone, Debug)]
pub(crate) struct Subquery {
    pub(crate) expr: Expr,
    pub(crate) range: DurationExpr,
    /// `None`: the default resolution.
    pub(crate) step: Option<DurationExpr>,
    pub(crate) shift: Shift,
}

/// A duration, possibly computed from others.
#[derive(Clone, Debug)]
pub(crate) struct DurationExpr {
    pub(crate) node: DurationNode,
    pub(crate) start: usize,
    pub(crate) end: usize,
    /// Written in parentheses.
    pub(crate) wrapped: bool,
}

#[derive(Clone, Debug)]
pub(crate) enum DurationNode {
    /// Seconds.
    Literal {
        seconds: f64,
        written_as_duration: bool,
    },
    /// The query's resolution.
    Step,
    /// The query's length.
    Range,
    Negative(Box<DurationExpr>),
    Positive(Box<DurationExpr>),
    Binary(DurationOp, Box<DurationExpr>, Box<DurationExpr>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DurationOp {
    Add,
    Sub,
    Mul,
    Div,
    Mod,
    Pow,
    Min,
    Max,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum BinaryOp {
    Add,
    Sub,
    Mul,
    Div,
    Mod,
    Pow,
    Atan2,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    TrimUpper,
    TrimLower,
    And,
    Or,
    Unless,
}

impl BinaryOp {
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Sub => "-",
            Self::Mul => "*",
            Self::Div => "/",
            Self::Mod => "%",
            Self::Pow => "^",
            Self::Atan2 => "atan2",
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
            Self::TrimUpper => "</",
            Self::TrimLower => ">/",
            Self::And => "and",
            Self::Or => "or",
            Self::Unless => "unless",
        }
    }

    pub(crate) fn is_comparison(self) -> bool {
        matches!(
            self,
            Self::Equal
                | Self::NotEqual
                | Self::Less
                | Self::LessOrEqual
                | Self::Greater
                | Self::GreaterOrEqual
        )
    }

    pub(crate) fn is_set(self) -> bool {
        matches!(self, Self::And | Self::Or | Self::Unless)
    }

    /// Whether the result is no longer the metric it was, so that the name goes.
    pub(crate) fn changes_metric(self) -> bool {
        matches!(self, Self::Add | Self::Sub | Self::Mul | Self::Div | Self::Mod | Self::Pow | Self::Atan2)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cardinality {
    OneToOne,
    ManyToOne,
    OneToMany,
}

#[derive(Clone, Debug)]
pub(crate) struct Matching {
    pub(crate) cardinality: Cardinality,
    /// `on` instead of `ignoring`.
    pub(crate) on: bool,
    /// The labels of `on` or `ignoring`, as written.
    pub(crate) labels: Vec<String>,
    /// The labels of `group_left` or `group_right`.
    pub(crate) include: Vec<String>,
}

#[derive(Clone, Debug)]
pub(crate) struct Binary {
    pub(crate) op: BinaryOp,
    pub(crate) left: Expr,
    pub(crate) right: Expr,
    pub(crate) returns_bool: bool,
    pub(crate) matching: Matching,
    /// Where the operator stands.
    pub(crate) op_start: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum AggregateOp {
    Sum,
    Avg,
    Count,
    Min,
    Max,
    Group,
    Stddev,
    Stdvar,
    Topk,
    Bottomk,
    CountValues,
    Quantile,
    Limitk,
    LimitRatio,
}

impl AggregateOp {
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Sum => "sum",
            Self::Avg => "avg",
            Self::Count => "count",
            Self::Min => "min",
            Self::Max => "max",
            Self::Group => "group",
            Self::Stddev => "stddev",
            Self::Stdvar => "stdvar",
            Self::Topk => "topk",
            Self::Bottomk => "bottomk",
            Self::CountValues => "count_values",
            Self::Quantile => "quantile",
            Self::Limitk => "limitk",
            Self::LimitRatio => "limit_ratio",
        }
    }

    pub(crate) fn takes_parameter(self) -> bool {
        matches!(
            self,
            Self::Topk | Self::Bottomk | Self::CountValues | Self::Quantile | Self::Limitk | Self::LimitRatio
        )
    }

    pub(crate) fn is_experimental(self) -> bool {
        matches!(self, Self::Limitk | Self::LimitRatio)
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Aggregate {
    pub(crate) op: AggregateOp,
    pub(crate) expr: Expr,
    pub(crate) parameter: Option<Expr>,
    pub(crate) without: bool,
    pub(crate) grouping: Vec<String>,
}

impl Expr {
    pub(crate) fn value_type(&self) -> ValueType {
        match &self.node {
            Node::Number { .. } => ValueType::Scalar,
            Node::Text(_) => ValueType::Text,
            Node::Vector(_) | Node::Aggregate(_) => ValueType::Vector,
            Node::Matrix(..) | Node::Subquery(_) => ValueType::Matrix,
            Node::Paren(inner) | Node::Unary { expr: inner, .. } => inner.value_type(),
            Node::Binary(binary) => {
                let scalar = |e: &Self| e.value_type() == ValueType::Scalar;
                if scalar(&binary.left) && scalar(&binary.right) {
                    ValueType::Scalar
                } else {
                    ValueType::Vector
                }
            }
            Node::Call { function, .. } => function.returns,
        }
    }

    /// The expression without the parentheses around it.
    pub(crate) fn unwrapped(&self) -> &Self {
        match &self.node {
            Node::Paren(inner) => inner.unwrapped(),
            _ => self,
        }
    }

    /// The parts directly below, in reading order.
    pub(crate) fn children(&self) -> Vec<&Self> {
        match &self.node {
            Node::Number { .. } | Node::Text(_) | Node::Vector(_) | Node::Matrix(..) => Vec::new(),
            Node::Subquery(subquery) => vec![&subquery.expr],
            Node::Paren(inner) | Node::Unary { expr: inner, .. } => vec![inner],
            Node::Binary(binary) => vec![&binary.left, &binary.right],
            Node::Aggregate(aggregate) => {
                aggregate.parameter.iter().chain(std::iter::once(&aggregate.expr)).collect()
            }
            Node::Call { args, .. } => args.iter().collect(),
        }
    }

    /// Whether the value is the same at every step, so that one evaluation is enough.
    pub(crate) fn is_step_invariant(&self) -> bool {
        match &self.node {
            Node::Number { .. } | Node::Text(_) => true,
            Node::Vector(selector) | Node::Matrix(selector, _) => selector.shift.at.is_some(),
            Node::Subquery(subquery) => subquery.shift.at.is_some(),
            Node::Call { function, args } if function.name == "timestamp" => {
                matches!(&args[0].unwrapped().node, Node::Vector(selector) if selector.shift.at.is_some())
            }
            Node::Call { function, args } => {
                function.is_step_invariant && args.iter().all(Self::is_step_invariant)
            }
            _ => self.children().into_iter().all(Self::is_step_invariant),
        }
    }
}
