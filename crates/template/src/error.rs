//! What can be wrong with a template, in the words of Go's text/template.
//!
//! Input: parser and execution. Output: texts with the template's name and line.

/// A template that cannot be read or executed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TemplateError {
    /// The text is no template.
    #[error("template: {name}:{line}: {message}")]
    Parse {
        /// The template's name.
        name: String,
        /// The 1-based line.
        line: usize,
        /// What is wrong.
        message: String,
    },
    /// Something cannot be evaluated.
    #[error("template: {name}:{line}:{column}: executing {executing:?} at <{at}>: {message}")]
    Execute {
        /// The name of the text it stands in.
        name: String,
        /// The 1-based line.
        line: usize,
        /// The 0-based byte of the line.
        column: usize,
        /// The template that was executed.
        executing: String,
        /// What was evaluated, its beginning.
        at: String,
        /// What is wrong.
        message: String,
    },
    /// A template that does not exist was asked for.
    #[error("template: no template {0:?} associated with template {0:?}")]
    NoTemplate(String),
    /// The output or the work exceeds a bound.
    #[error("template: {name}: {what} exceeds the limit of {limit}")]
    TooMuch {
        /// The template's name.
        name: String,
        /// What is bounded.
        what: &'static str,
        /// How much is allowed.
        limit: usize,
    },
}
