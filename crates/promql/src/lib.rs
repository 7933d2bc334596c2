//! PromQL as Prometheus 3.16 evaluates it, over any store that implements [`tidewatch_model::Select`].
//!
//! A query becomes a tree (lexer, parser, checks), the tree is walked once per query with whole columns of steps
//! (evaluator, operators, functions), and the columns become an [`Answer`]. Samples are floats; native histograms are
//! not part of this crate yet.

mod error;

mod go_format;
mod lexer;
mod text_literal;
mod ast;
mod parser;
mod number_literal;
mod check;
mod printer;
mod expression;

mod annotations;
mod column;
mod kahan;
mod engine;
mod evaluator;
mod range_call;
mod functions;
mod binary;
mod matching;
mod set_operator;
mod aggregate;
mod aggregate_selection;
mod label_hash;

pub use ast::ValueType;
pub use engine::{Answer, Cancel, Engine, EngineOptions, MatrixSeries, Value, VectorElement};
pub use error::QueryError;
pub use expression::{Expression, format_query, function_names, parse, parse_selector};
pub use parser::MAX_DEPTH;

use tidewatch_model::Labels;
