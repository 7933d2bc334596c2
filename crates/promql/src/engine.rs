//! Queries to answers.
//!
//! Input: a store behind [`Select`], a query, the time or times it is asked for. Output: an [`Answer`], or the error
//! that the API shows. Pure apart from the clock that bounds its run time; it holds no state between queries, so one
//! engine serves any number of threads. Limits on the number of points belong to the API, not here.

use crate::QueryError;
use crate::annotations::Annotations;
use crate::ast::{Expr, Node, ValueType};
use crate::column::{Grid, is_present};
use crate::evaluator::{Evaluator, QueryContext};
use crate::expression::Expression;
use crate::parser::Features;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tidewatch_model::{Columns, Labels, Sample, Select, is_stale};

/// Limits and defaults of an [`Engine`].
#[derive(Clone, Copy, Debug)]
pub struct EngineOptions {
    /// How far a selector looks back for a sample; the far end excluded.
    pub lookback_delta: Duration,
    /// How many samples a query may have in memory at once.
    pub max_samples: usize,
    /// How long a query may take.
    pub timeout: Duration,
    /// The resolution of subqueries that name none.
    pub default_step: Duration,
    /// Whether functions that Prometheus calls experimental are switched on.
    pub experimental_functions: bool,
}

impl Default for EngineOptions {
    /// Prometheus's defaults: 5 minutes, 50 million samples, 2 minutes, 1 minute, not switched on.
    fn default() -> Self {
        Self {
            lookback_delta: Duration::from_secs(300),
            max_samples: 50_000_000,
            timeout: Duration::from_secs(120),
            default_step: Duration::from_secs(60),
            experimental_functions: false,
        }
    }
}

/// Says that an answer is no longer wanted; clones share the flag.
#[derive(Clone, Debug, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl Cancel {
    /// A flag that is not raised.
    pub fn new() -> Self {
        Self::default()
    }

    /// Raises the flag: queries that have it end with [`QueryError::Canceled`] at the next series.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether the flag is raised.
    pub fn is_canceled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// What a query evaluates to.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The value.
    pub value: Value,
    /// Remarks that the value may not be what was meant; at most eleven.
    pub warnings: Vec<String>,
    /// Remarks of less weight; at most eleven.
    pub infos: Vec<String>,
    /// How many samples were decoded.
    pub samples_read: usize,
}

/// The value of a query.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// One number.
    Scalar(Sample),
    /// A text.
    Text {
        /// Milliseconds since the Unix epoch.
        timestamp: i64,
        /// The text.
        text: String,
    },
    /// Series with one sample each, in the order of evaluation.
    Vector(Vec<VectorElement>),
    /// Series with samples, in ascending order of labels.
    Matrix(Vec<MatrixSeries>),
}

/// One series of a [`Value::Vector`].
#[derive(Clone, Debug, PartialEq)]
pub struct VectorElement {
    /// Its labels.
    pub labels: Labels,
    /// Its value at the time of the query.
    pub sample: Sample,
}

/// One series of a [`Value::Matrix`].
#[derive(Clone, Debug, PartialEq)]
pub struct MatrixSeries {
    /// Its labels.
    pub labels: Labels,
    /// Its samples in ascending order of time; at least one.
    pub samples: Vec<Sample>,
}

/// Evaluates queries.
#[derive(Clone, Copy, Debug)]
pub struct Engine {
    options: EngineOptions,
}

fn milliseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

impl Engine {
    /// An engine with these limits.
    pub fn new(options: EngineOptions) -> Self {
        Self { options }
    }

    /// Evaluates a query at one time, in milliseconds since the Unix epoch.
    ///
    /// # Errors
    /// See [`QueryError`].
    pub fn instant(
        &self,
        select: &dyn Select,
        query: &str,
        time_ms: i64,
        cancel: &Cancel,
    ) -> Result<Answer, QueryError> {
        self.instant_parsed(select, &self.parse(query)?, time_ms, cancel)
    }

    /// Evaluates an expression that was read before at one time, in milliseconds since the Unix epoch.
    ///
    /// # Errors
    /// See [`QueryError`]; none of them is [`QueryError::Parse`].
    pub fn instant_parsed(
        &self,
        select: &dyn Select,
        expression: &Expression,
        time_ms: i64,
        cancel: &Cancel,
    ) -> Result<Answer, QueryError> {
        let context = QueryContext { start: time_ms, end: time_ms, step: 0 };
        let mut evaluator = self.evaluator(select, expression, context, cancel);
        let value = instant_value(&mut evaluator, &expression.expr, time_ms)?;
        Ok(finish(evaluator, value))
    }

    /// Evaluates a query at `start_ms` and every `step_ms` after it up to `end_ms`, in milliseconds since the Unix
    /// epoch.
    ///
    /// # Errors
    /// See [`QueryError`].
    pub fn range(
        &self,
        select: &dyn Select,
        query: &str,
        start_ms: i64,
        end_ms: i64,
        step_ms: i64,
        cancel: &Cancel,
    ) -> Result<Answer, QueryError> {
        let expression = self.parse(query)?;
        if step_ms <= 0 {
            let text = "zero or negative query resolution step widths are not accepted; hint: try a positive integer";
            return Err(QueryError::Parse(text.to_owned()));
        }
        if end_ms < start_ms {
            return Err(QueryError::Parse("end timestamp must not be before start time".to_owned()));
        }
        let kind = expression.value_type();
        if !matches!(kind, ValueType::Scalar | ValueType::Vector) {
            let kind = kind.documented();
            return Err(QueryError::Parse(format!(
                "invalid expression type \"{kind}\" for range query, must be Scalar or instant Vector"
            )));
        }
        let context = QueryContext { start: start_ms, end: end_ms, step: step_ms };
        let grid = Grid::new(start_ms, end_ms, step_ms);
        let mut evaluator = self.evaluator(select, &expression, context, cancel);
        evaluator.require(grid.len)?;
        let value = range_value(&mut evaluator, &expression.expr, &grid)?;
        Ok(finish(evaluator, value))
    }

    /// Reads an expression with this engine's features.
    ///
    /// # Errors
    /// [`QueryError::Parse`] with the position of the first mistake.
    pub fn parse(&self, query: &str) -> Result<Expression, QueryError> {
        Expression::with_features(
            query,
            Features { experimental_functions: self.options.experimental_functions },
        )
    }

    fn evaluator<'a>(
        &self,
        select: &'a dyn Select,
        expression: &'a Expression,
        context: QueryContext,
        cancel: &'a Cancel,
    ) -> Evaluator<'a> {
        Evaluator {
            select,
            query: &expression.query,
            cancel,
            deadline: std::time::Instant::now().checked_add(self.options.timeout),
            context,
            lookback: milliseconds(self.options.lookback_delta),
            default_step: milliseconds(self.options.default_step).max(1),
            max_samples: self.options.max_samples,
            annotations: Annotations::default(),
            held: 0,
            samples_read: 0,
            selected: Default::default(),
            checks: 0,
        }
    }
}

fn finish(evaluator: Evaluator<'_>, value: Value) -> Answer {
    let (warnings, infos) = evaluator.annotations.into_texts(evaluator.query);
    Answer { value, warnings, infos, samples_read: evaluator.samples_read }
}

fn instant_value(evaluator: &mut Evaluator<'_>, expr: &Expr, time: i64) -> Result<Value, QueryError> {
    let grid = Grid::instant(time);
    Ok(match expr.value_type() {
        ValueType::Scalar => {
            let value = evaluator.scalar(expr, &grid)?.at(0);
            Value::Scalar(Sample { timestamp: time, value })
        }
        ValueType::Text => Value::Text { timestamp: time, text: text_of(expr).to_owned() },
        ValueType::Vector => {
            let series = evaluator.vector(expr, &grid)?;
            let elements = series.into_iter().filter(|s| is_present(s.values[0])).map(|s| VectorElement {
                labels: s.labels,
                sample: Sample { timestamp: time, value: s.values[0] },
            });
            Value::Vector(elements.collect())
        }
        ValueType::Matrix => Value::Matrix(matrix_value(evaluator, expr, &grid)?),
    })
}

fn text_of(expr: &Expr) -> &str {
    match &expr.unwrapped().node {
        Node::Text(text) => text,
        _ => "",
    }
}

fn range_value(evaluator: &mut Evaluator<'_>, expr: &Expr, grid: &Grid) -> Result<Value, QueryError> {
    if expr.value_type() == ValueType::Scalar {
        let column = evaluator.scalar(expr, grid)?;
        let samples = (0..grid.len).map(|at| Sample { timestamp: grid.time(at), value: column.at(at) });
        return Ok(Value::Matrix(vec![MatrixSeries { labels: Labels::empty(), samples: samples.collect() }]));
    }
    let mut matrix = Vec::new();
    for series in evaluator.vector(expr, grid)? {
        let present = series.values.iter().enumerate().filter(|(_, v)| is_present(**v));
        let samples: Vec<Sample> =
            present.map(|(at, value)| Sample { timestamp: grid.time(at), value: *value }).collect();
        if !samples.is_empty() {
            matrix.push(MatrixSeries { labels: series.labels, samples });
        }
    }
    matrix.sort_by(|a, b| a.labels.cmp(&b.labels));
    Ok(Value::Matrix(matrix))
}

/// The samples of a range selector or subquery at one time.
fn matrix_value(
    evaluator: &mut Evaluator<'_>,
    expr: &Expr,
    grid: &Grid,
) -> Result<Vec<MatrixSeries>, QueryError> {
    let mut matrix = Vec::new();
    let expr = expr.unwrapped();
    match &expr.node {
        Node::Matrix(selector, range) => {
            let range = evaluator.duration(range)?;
            let reference = evaluator.reference(&selector.shift)?;
            let end = reference.time(grid.start);
            let mut columns = Columns::default();
            for series in evaluator.series(selector, end.saturating_sub(range).saturating_add(1), end)?.iter()
            {
                evaluator.read(&**series, &mut columns)?;
                let samples: Vec<Sample> = (columns.timestamps.iter().zip(&columns.values))
                    .filter(|(_, value)| !is_stale(**value))
                    .map(|(timestamp, value)| Sample { timestamp: *timestamp, value: *value })
                    .collect();
                if !samples.is_empty() {
                    evaluator.hold(samples.len())?;
                    matrix.push(MatrixSeries { labels: series.labels().clone(), samples });
                }
            }
        }
        Node::Subquery(subquery) => {
            let (inner, _, _) = evaluator.subquery_grid(subquery, grid)?;
            for series in evaluator.vector(&subquery.expr, &inner)? {
                let present = series.values.iter().enumerate().filter(|(_, v)| is_present(**v));
                let samples: Vec<Sample> =
                    present.map(|(at, value)| Sample { timestamp: inner.time(at), value: *value }).collect();
                if !samples.is_empty() {
                    matrix.push(MatrixSeries { labels: series.labels, samples });
                }
            }
        }
        _ => {}
    }
    matrix.sort_by(|a, b| a.labels.cmp(&b.labels));
    Ok(matrix)
}
