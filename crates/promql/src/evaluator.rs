//! The walk over an expression: series at a time, every step of a series at once.
//!
//! Input: a tree and a grid of steps. Output: columns, pushed one series at a time into a sink, so that an aggregation
//! over many series holds its groups only. Operators that need all series at once collect them. It counts the samples
//! held, and looks at the clock and the cancel flag between series.

use crate::annotations::Annotations;
use crate::ast::{At, DurationExpr, Expr, Extension, Node, Shift, Subquery, VectorSelector};
use crate::column::{ABSENT, any_present};
use crate::column::{
    Grid, METADATA, ScalarColumn, SeriesColumn, drop_metadata, is_present, merge_same_labels, stored,
};
use crate::functions::{Function, Kind};
use crate::{Cancel, QueryError, aggregate, binary, matching, range_call, set_operator};
use hashbrown::HashMap;
use std::rc::Rc;
use std::time::Instant;
use tidewatch_model::{Columns, Labels, Select, Selection, Series, is_stale};

/// Where series go as they are computed. A sink that keeps the values takes the vector and leaves an empty one.
pub(crate) type Sink<'s> =
    dyn FnMut(&mut Evaluator<'_>, Labels, &mut Vec<f64>) -> Result<(), QueryError> + 's;

/// What a query was asked for, in milliseconds; a step of 0 for a single time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct QueryContext {
    pub(crate) start: i64,
    pub(crate) end: i64,
    pub(crate) step: i64,
}

impl QueryContext {
    /// From the first time to the last.
    pub(crate) fn range(&self) -> i64 {
        self.end.saturating_sub(self.start)
    }
}

/// When a selector looks at the data.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reference {
    pub(crate) at: Option<i64>,
    pub(crate) offset: i64,
}

impl Reference {
    #[inline]
    pub(crate) fn time(&self, step_time: i64) -> i64 {
        self.at.unwrap_or(step_time).saturating_sub(self.offset)
    }
}

/// The series of a selector and the range they were selected for.
type Selected = (i64, i64, Rc<Vec<Box<dyn Series>>>);

pub(crate) struct Evaluator<'a> {
    pub(crate) select: &'a dyn Select,
    pub(crate) query: &'a str,
    pub(crate) cancel: &'a Cancel,
    pub(crate) deadline: Option<Instant>,
    pub(crate) context: QueryContext,
    /// Milliseconds.
    pub(crate) lookback: i64,
    /// Milliseconds.
    pub(crate) default_step: i64,
    pub(crate) max_samples: usize,
    pub(crate) annotations: Annotations,
    /// Samples in memory now.
    pub(crate) held: usize,
    pub(crate) samples_read: usize,
    pub(crate) selected: HashMap<usize, Selected>,
    pub(crate) checks: u32,
}

impl Evaluator<'_> {
    /// Whether the query may go on.
    pub(crate) fn check(&mut self) -> Result<(), QueryError> {
        if self.cancel.is_canceled() {
            return Err(QueryError::Canceled);
        }
        self.checks = self.checks.wrapping_add(1);
        if self.checks % 16 == 1 && self.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            return Err(QueryError::Timeout);
        }
        Ok(())
    }

    /// Whether `more` samples fit beside those held.
    pub(crate) fn require(&self, more: usize) -> Result<(), QueryError> {
        if self.held.saturating_add(more) > self.max_samples {
            return Err(QueryError::TooManySamples { limit: self.max_samples });
        }
        Ok(())
    }

    /// Counts samples that stay in memory.
    pub(crate) fn hold(&mut self, more: usize) -> Result<(), QueryError> {
        self.require(more)?;
        self.held += more;
        Ok(())
    }

    fn seconds_of_query(&self) -> (f64, f64) {
        (self.context.step as f64 / 1000.0, self.context.range() as f64 / 1000.0)
    }

    /// A range or resolution in milliseconds, more than 0.
    pub(crate) fn duration(&self, duration: &DurationExpr) -> Result<i64, QueryError> {
        let (step, range) = self.seconds_of_query();
        duration.milliseconds(step, range, false)
    }

    pub(crate) fn reference(&self, shift: &Shift) -> Result<Reference, QueryError> {
        let (step, range) = self.seconds_of_query();
        let offset = shift.offset.as_ref().map_or(Ok(0), |d| d.milliseconds(step, range, true))?;
        let at = shift.at.map(|at| match at {
            At::Time(time) => time,
            At::Start => self.context.start,
            At::End => self.context.end,
        });
        Ok(Reference { at, offset })
    }

    /// The series of a selector with samples between two times, both inclusive; looked up once.
    pub(crate) fn series(
        &mut self,
        selector: &VectorSelector,
        start: i64,
        end: i64,
    ) -> Result<Rc<Vec<Box<dyn Series>>>, QueryError> {
        if let Some((s, e, series)) = self.selected.get(&selector.id)
            && (*s, *e) == (start, end)
        {
            return Ok(Rc::clone(series));
        }
        let series = self.select.select(&Selection { matchers: &selector.matchers, start, end })?;
        let series = Rc::new(series);
        self.selected.insert(selector.id, (start, end, Rc::clone(&series)));
        Ok(series)
    }

    /// Decodes a series into columns that are reused.
    pub(crate) fn read(&mut self, series: &dyn Series, columns: &mut Columns) -> Result<(), QueryError> {
        columns.clear();
        series.read(columns)?;
        self.samples_read += columns.len();
        self.require(columns.len())
    }

    /// Pushes the series of an instant vector, one after the other.
    pub(crate) fn stream(&mut self, expr: &Expr, grid: &Grid, sink: &mut Sink<'_>) -> Result<(), QueryError> {
        self.check()?;
        if grid.len == 0 {
            return Ok(());
        }
        if grid.len > 1 && expr.is_step_invariant() {
            return self.stream_once(expr, grid, sink);
        }
        match &expr.node {
            Node::Vector(selector) => self.vector_selector(selector, grid, sink),
            Node::Paren(inner) | Node::Unary { negative: false, expr: inner } => {
                self.stream(inner, grid, sink)
            }
            Node::Unary { expr: inner, .. } => self.elements(inner, grid, |v| -v, sink),
            Node::Binary(operation) if operation.op.is_set() => {
                set_operator::stream(self, operation, grid, sink)
            }
            Node::Binary(operation) => binary::stream(self, expr, operation, grid, sink),
            Node::Aggregate(aggregation) => aggregate::stream(self, aggregation, grid, sink),
            Node::Call { function, args } => self.call(expr, function, args, grid, sink),
            Node::Number { .. } | Node::Text(_) | Node::Matrix(..) | Node::Subquery(_) => Ok(()),
        }
    }

    /// Evaluates an expression at the first step, for all steps.
    fn stream_once(&mut self, expr: &Expr, grid: &Grid, sink: &mut Sink<'_>) -> Result<(), QueryError> {
        let steps = grid.len;
        self.stream(expr, &Grid::instant(grid.start), &mut |evaluator, labels, values| {
            let value = values[0];
            values.resize(steps, value);
            sink(evaluator, labels, values)
        })
    }

    fn call(
        &mut self,
        expr: &Expr,
        function: &'static Function,
        args: &[Expr],
        grid: &Grid,
        sink: &mut Sink<'_>,
    ) -> Result<(), QueryError> {
        match function.kind {
            Kind::Elements(apply) => self.elements(&args[0], grid, apply, sink),
            Kind::Prepared(prepare) => {
                let prepared = prepare(self, args, grid)?;
                let apply = &mut |values: &mut [f64]| {
                    for (step, value) in values.iter_mut().enumerate().filter(|(_, v)| is_present(**v)) {
                        *value = prepared(step, *value);
                    }
                };
                self.map_series(&args[0], grid, apply, sink)
            }
            Kind::Range { run, keeps_name } => {
                range_call::stream(self, function, args, run, keeps_name, grid, sink)
            }
            Kind::Whole(run) => {
                let before = self.held;
                let series = run(self, expr, args, grid)?;
                self.held = before;
                self.push_all(series, sink)
            }
            Kind::Scalar(_) => Ok(()),
        }
    }

    fn elements(
        &mut self,
        child: &Expr,
        grid: &Grid,
        apply: fn(f64) -> f64,
        sink: &mut Sink<'_>,
    ) -> Result<(), QueryError> {
        let apply = &mut |values: &mut [f64]| {
            values.iter_mut().filter(|v| is_present(**v)).for_each(|v| *v = apply(*v));
        };
        self.map_series(child, grid, apply, sink)
    }

    /// Pushes series that were collected.
    pub(crate) fn push_all(
        &mut self,
        series: Vec<SeriesColumn>,
        sink: &mut Sink<'_>,
    ) -> Result<(), QueryError> {
        for mut one in series {
            sink(self, one.labels, &mut one.values)?;
        }
        Ok(())
    }

    /// Applies a function to the values of each series and drops the metric's name.
    pub(crate) fn map_series(
        &mut self,
        child: &Expr,
        grid: &Grid,
        apply: &mut dyn FnMut(&mut [f64]),
        sink: &mut Sink<'_>,
    ) -> Result<(), QueryError> {
        if !self.names_may_differ(child, grid)? {
            return self.stream(child, grid, &mut |evaluator, labels, values| {
                apply(values);
                sink(evaluator, drop_metadata(&labels), values)
            });
        }
        let before = self.held;
        let mut series = self.vector(child, grid)?;
        for one in &mut series {
            apply(&mut one.values);
            one.labels = drop_metadata(&one.labels);
        }
        let merged = merge_same_labels(series)?;
        self.held = before;
        self.push_all(merged, sink)
    }

    /// Whether dropping the metric's name could make the labels of two series equal.
    pub(crate) fn names_may_differ(&mut self, expr: &Expr, grid: &Grid) -> Result<bool, QueryError> {
        Ok(match &expr.node {
            Node::Vector(selector) => {
                let (start, end) = self.vector_range(selector, grid)?;
                let series = self.series(selector, start, end)?;
                names_differ(series.iter().map(|s| s.labels()))
            }
            Node::Paren(inner) | Node::Unary { negative: false, expr: inner } => {
                self.names_may_differ(inner, grid)?
            }
            Node::Unary { .. } => false,
            Node::Binary(binary) => !binary.op.changes_metric() && !binary.returns_bool,
            Node::Aggregate(aggregate) => {
                aggregate.op.takes_parameter()
                    || (!aggregate.without
                        && aggregate.grouping.iter().any(|l| METADATA.contains(&l.as_str())))
            }
            Node::Call { function, .. } => !matches!(
                function.kind,
                Kind::Elements(_) | Kind::Prepared(_) | Kind::Range { keeps_name: false, .. }
            ),
            _ => true,
        })
    }

    /// The series of an instant vector.
    pub(crate) fn vector(&mut self, expr: &Expr, grid: &Grid) -> Result<Vec<SeriesColumn>, QueryError> {
        let mut series = Vec::new();
        self.stream(expr, grid, &mut |evaluator, labels, values| {
            if any_present(values) {
                evaluator.hold(values.len())?;
                series.push(SeriesColumn { labels, values: std::mem::take(values) });
            }
            Ok(())
        })?;
        Ok(series)
    }

    /// A scalar at every step.
    pub(crate) fn scalar(&mut self, expr: &Expr, grid: &Grid) -> Result<ScalarColumn, QueryError> {
        if grid.len > 1 && expr.is_step_invariant() {
            let value = self.scalar(expr, &Grid::instant(grid.start))?.at(0);
            return Ok(ScalarColumn::Constant(value));
        }
        match &expr.node {
            Node::Number { value, .. } => Ok(ScalarColumn::Constant(*value)),
            Node::Paren(inner) | Node::Unary { negative: false, expr: inner } => self.scalar(inner, grid),
            Node::Unary { expr: inner, .. } => Ok(self.scalar(inner, grid)?.map(|v| -v)),
            Node::Binary(operation) => {
                let left = self.scalar(&operation.left, grid)?;
                let right = self.scalar(&operation.right, grid)?;
                let values = (0..grid.len).map(|at| binary::scalars(operation.op, left.at(at), right.at(at)));
                Ok(ScalarColumn::Steps(values.collect()))
            }
            Node::Call { function, args } => match function.kind {
                Kind::Scalar(run) => run(self, args, grid),
                _ => Err(self.not_of_type(expr, "scalar")),
            },
            _ => Err(self.not_of_type(expr, "scalar")),
        }
    }

    fn not_of_type(&self, expr: &Expr, wanted: &str) -> QueryError {
        QueryError::execution(format!("expected type {wanted}, got {}", expr.value_type().documented()))
    }

    /// The times between which a selector's samples matter, both inclusive.
    fn vector_range(&self, selector: &VectorSelector, grid: &Grid) -> Result<(i64, i64), QueryError> {
        let reference = self.reference(&selector.shift)?;
        let after = if selector.extension == Extension::Smoothed { self.lookback } else { 0 };
        let (first, last) = (reference.time(grid.start), reference.time(grid.last()));
        Ok((first.saturating_sub(self.lookback).saturating_add(1), last.saturating_add(after)))
    }

    fn vector_selector(
        &mut self,
        selector: &VectorSelector,
        grid: &Grid,
        sink: &mut Sink<'_>,
    ) -> Result<(), QueryError> {
        let (start, end) = self.vector_range(selector, grid)?;
        let reference = self.reference(&selector.shift)?;
        let list = self.series(selector, start, end)?;
        let (mut columns, mut values) = (Columns::default(), Vec::new());
        for series in list.iter() {
            self.check()?;
            self.read(&**series, &mut columns)?;
            values.clear();
            values.resize(grid.len, ABSENT);
            if selector.extension == Extension::Smoothed {
                range_call::drop_stale(&mut columns);
                range_call::smooth(&columns, grid, reference, self.lookback, &mut values);
            } else {
                latest(&columns, grid, reference, self.lookback, |step, at| {
                    values[step] = stored(columns.values[at]);
                });
            }
            if any_present(&values) {
                self.require(values.len())?;
                sink(self, series.labels().clone(), &mut values)?;
            }
        }
        Ok(())
    }

    /// The times of the samples that a selector finds, in seconds.
    pub(crate) fn sample_times(
        &mut self,
        selector: &VectorSelector,
        grid: &Grid,
    ) -> Result<Vec<SeriesColumn>, QueryError> {
        let (start, end) = self.vector_range(selector, grid)?;
        let reference = self.reference(&selector.shift)?;
        let list = self.series(selector, start, end)?;
        let mut columns = Columns::default();
        let mut found = Vec::new();
        for series in list.iter() {
            self.check()?;
            self.read(&**series, &mut columns)?;
            let mut values = vec![ABSENT; grid.len];
            latest(&columns, grid, reference, self.lookback, |step, at| {
                values[step] = columns.timestamps[at] as f64 / 1000.0;
            });
            self.hold(values.len())?;
            found.push(SeriesColumn { labels: drop_metadata(series.labels()), values });
        }
        merge_same_labels(found)
    }

    /// The steps of a subquery, its range in milliseconds, and when its windows end.
    pub(crate) fn subquery_grid(
        &mut self,
        subquery: &Subquery,
        outer: &Grid,
    ) -> Result<(Grid, i64, Reference), QueryError> {
        let range = self.duration(&subquery.range)?;
        let step = match &subquery.step {
            Some(step) => self.duration(step)?.max(1),
            None => self.default_step,
        };
        let reference = self.reference(&subquery.shift)?;
        let earliest = reference.time(outer.start).saturating_sub(range);
        let mut start = step * (earliest / step);
        if start <= earliest {
            start = start.saturating_add(step);
        }
        let grid = Grid::new(start, reference.time(outer.last()), step);
        self.require(grid.len)?;
        Ok((grid, range, reference))
    }
}

/// Whether two series have different names, types or units.
pub(crate) fn names_differ<'l>(mut labels: impl Iterator<Item = &'l Labels>) -> bool {
    let Some(first) = labels.next() else { return false };
    labels.any(|other| METADATA.iter().any(|name| first.get(name) != other.get(name)))
}

/// Finds for each step the sample that counts there, if any: the latest that is not older than `lookback`, unless it
/// says that the series has ended.
fn latest(
    columns: &Columns,
    grid: &Grid,
    reference: Reference,
    lookback: i64,
    mut found: impl FnMut(usize, usize),
) {
    let times = &columns.timestamps;
    let mut next = 0;
    for step in 0..grid.len {
        let time = reference.time(grid.time(step));
        while next < times.len() && times[next] <= time {
            next += 1;
        }
        if next > 0 && times[next - 1] > time.saturating_sub(lookback) && !is_stale(columns.values[next - 1])
        {
            found(step, next - 1);
        }
    }
}

/// Checks that the two sides of an operator can be held, and computes them.
pub(crate) fn both_sides(
    evaluator: &mut Evaluator<'_>,
    operation: &crate::ast::Binary,
    grid: &Grid,
) -> Result<(Vec<SeriesColumn>, Vec<SeriesColumn>, matching::Signatures), QueryError> {
    let left = evaluator.vector(&operation.left, grid)?;
    let right = evaluator.vector(&operation.right, grid)?;
    let signatures = matching::Signatures::new(&operation.matching, &left, &right);
    Ok((left, right, signatures))
}
