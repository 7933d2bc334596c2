//! A template as a tree.
//!
//! Input: the parser. Output: what the execution walks. Places are byte offsets of the text.

use crate::Value;
use std::sync::Arc;

/// A named template.
#[derive(Debug)]
pub(crate) struct Body {
    /// Its name.
    pub(crate) name: Arc<str>,
    /// The name of the text it was defined in.
    pub(crate) source: Arc<str>,
    /// That text.
    pub(crate) text: Arc<str>,
    /// What it does.
    pub(crate) nodes: Vec<Node>,
}

/// A step.
#[derive(Debug)]
pub(crate) enum Node {
    Text(String),
    Action(Pipeline),
    If { condition: Pipeline, then: Vec<Node>, otherwise: Vec<Node> },
    With { value: Pipeline, then: Vec<Node>, otherwise: Vec<Node> },
    Range { over: Pipeline, then: Vec<Node>, otherwise: Vec<Node> },
    Template { name: Arc<str>, data: Option<Pipeline>, at: usize },
    Break,
    Continue,
}

/// Commands, each given the result of the one before.
#[derive(Debug)]
pub(crate) struct Pipeline {
    /// Variables that are set to the result.
    pub(crate) variables: Vec<String>,
    /// Whether these exist already.
    pub(crate) assigns: bool,
    pub(crate) commands: Vec<Command>,
    /// Its place, end included.
    pub(crate) span: (usize, usize),
}

/// A value, or a function with its arguments.
#[derive(Debug)]
pub(crate) struct Command {
    pub(crate) operands: Vec<Operand>,
}

/// An operand and its place, end included.
#[derive(Debug)]
pub(crate) struct Operand {
    pub(crate) kind: OperandKind,
    pub(crate) span: (usize, usize),
}

/// What an operand is.
#[derive(Debug)]
pub(crate) enum OperandKind {
    Dot,
    Nil,
    Literal(Value),
    /// Fields of the dot.
    Field(Vec<String>),
    /// A variable, perhaps with fields.
    Variable(String, Vec<String>),
    Function(String),
    /// Fields of what stands before.
    Chain(Box<Operand>, Vec<String>),
    Pipeline(Box<Pipeline>),
}
