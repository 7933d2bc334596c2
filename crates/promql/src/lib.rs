//! PromQL as Prometheus 3.16 evaluates it, over any store that implements [`tidewatch_model::Select`].
//!
//! A query becomes a tree (lexer, parser, checks), the tree is walked once per query with whole columns of steps
//! (evaluator, operators, functions), and the columns become an [`Answer`]. Samples are floats; native histograms are
//! not part of this crate yet.

mod error;

mod ast;
mod check;
mod expression;
mod go_format;
mod lexer;
mod number_literal;
mod parser;
mod pretty;
mod printer;
mod text_literal;

mod aggregate;
mod aggregate_selection;
mod annotations;
mod binary;
mod column;
mod engine;
mod evaluator;
mod functions;
mod kahan;
mod label_hash;
mod matching;
mod range_call;
mod set_operator;

pub use ast::ValueType;
pub use engine::{Answer, Cancel, Engine, EngineOptions, MatrixSeries, Value, VectorElement};
pub use error::QueryError;
pub use expression::{Expression, format_query, function_names, parse, parse_selector, selectors};
pub use label_hash::prometheus_hash;
pub use parser::MAX_DEPTH;

use tidewatch_model::Labels;
