//! Templates as Go's text/template renders them: what rules and notifications are written in.
//!
//! A text is cut into pieces (lexer), becomes a tree (parser), and is walked with data and functions (execution). [`Templates`] are
//! named and know each other. Nothing here does IO or reads a clock; depth, steps and output are bounded. Not there: channels and
//! functions as values, complex numbers, and html/template's view of what surrounds an action (see [`Escape`]).

mod error;

mod lexer;
mod tree;
mod parser;

mod value;
mod format;
mod builtins;
mod moment;
mod humanize;

mod set;
mod execute;

pub use builtins::{html_escaped, query_escaped};
pub use error::TemplateError;
pub use format::{print_value, sprintf};
pub use humanize::{
    humanize, humanize_1024, humanize_duration, humanize_percentage, humanize_timestamp, title, to_float,
    to_time,
};
pub use moment::{Moment, Span, ZERO_TIME};
pub use set::{Calls, Escape, Templates};
pub use value::{Map, Object, Value};
