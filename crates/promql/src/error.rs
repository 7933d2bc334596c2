//! What can go wrong with a query, by who has to act on it.
//!
//! Input: the parser, the evaluator and the store. Output: one error with the text a person sees; the status code
//! is chosen by the API that answers. Texts are Prometheus's where it has one, with the remedy added.

use tidewatch_model::SelectError;

/// A query without an answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum QueryError {
    /// The text is no valid expression, or one that this kind of query cannot answer. Starts with `line:column:`
    /// where the position is known.
    #[error("{0}")]
    Parse(String),
    /// The expression is valid, but cannot be evaluated on the data at hand, e.g. a many-to-many match.
    #[error("{0}")]
    Execution(String),
    /// More samples would be in memory at once than allowed.
    #[error(
        "query processing would load too many samples into memory in query execution; hint: more than {limit} \
         samples at once, narrow the selectors or the range, or raise --query.max-samples"
    )]
    TooManySamples {
        /// How many samples are allowed.
        limit: usize,
    },
    /// The evaluation took longer than allowed.
    #[error("query timed out in expression evaluation; hint: narrow the query or raise --query.timeout")]
    Timeout,
    /// Whoever asked no longer wants the answer.
    #[error("query was canceled in expression evaluation")]
    Canceled,
    /// The store could not read what it holds.
    #[error("expanding series: {0}")]
    Storage(#[from] SelectError),
}

impl QueryError {
    /// An execution error from its text.
    pub(crate) fn execution(text: impl Into<String>) -> Self {
        Self::Execution(text.into())
    }
}
