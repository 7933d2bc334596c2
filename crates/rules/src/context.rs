//! What an evaluation is given: where to read and write, and what its alerts are told.
//!
//! Input: the live loop, a rule test or a drill. Output: results of expressions as series, whatever their type. It has no clock: the
//! time is an argument.

use crate::error::EvaluationError;
use std::time::Duration;
use tidewatch_model::{Append, Labels, Select};
use tidewatch_promql::{Cancel, Engine, Expression, Value, VectorElement};

/// What an evaluation is given.
#[derive(Clone, Copy)]
pub struct EvaluationContext<'a> {
    /// Evaluates expressions.
    pub engine: &'a Engine,
    /// Where series are read.
    pub read: &'a dyn Select,
    /// Where samples are written; what is written must be readable at once.
    pub append: &'a dyn Append,
    /// Labels for what leaves this server: seen by templates and added to the alerts that are sent, not to series.
    pub external_labels: &'a Labels,
    /// Under which address this server is reached, without a slash at the end; may be empty.
    pub external_url: &'a str,
    /// How far back in time groups are evaluated that do not say it themselves.
    pub query_offset: Duration,
    /// How often an alert that goes on is sent again.
    pub resend_delay: Duration,
    /// Ends running queries when it is raised.
    pub cancel: &'a Cancel,
}

impl EvaluationContext<'_> {
    /// The result of an expression at a time in milliseconds since the Unix epoch; a number counts as one series without labels.
    pub(crate) fn query(
        &self,
        expression: &Expression,
        time: i64,
    ) -> Result<Vec<VectorElement>, EvaluationError> {
        match self.engine.instant_parsed(self.read, expression, time, self.cancel)?.value {
            Value::Vector(elements) => Ok(elements),
            Value::Scalar(sample) => Ok(vec![VectorElement { labels: Labels::empty(), sample }]),
            Value::Text { .. } | Value::Matrix(_) => Err(EvaluationError::NotAVector),
        }
    }
}

pub(crate) fn milliseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
