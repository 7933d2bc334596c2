//! Functions over ranges of samples: one series decoded once, all its windows evaluated with moving ends.
//!
//! Input: a range selector or subquery, and the function's other arguments. Output: a column per series. The functions
//! themselves live in `functions`; here is only what they share: windows, staleness, names.

use crate::annotations::Annotations;
use crate::ast::{Expr, Extension, Node, ValueType, VectorSelector};
use crate::column::{
    ABSENT, Grid, ScalarColumn, SeriesColumn, any_present, drop_metadata, is_absent, is_present,
    merge_same_labels, stored,
};
use crate::evaluator::{Evaluator, Reference, Sink, names_differ};
use crate::functions::Function;
use crate::{Labels, QueryError};
use tidewatch_model::{Columns, is_stale};

/// What a function over ranges sees of one series.
pub(crate) struct RangeInput<'a> {
    pub(crate) labels: &'a Labels,
    /// Ascending, without staleness markers.
    pub(crate) timestamps: &'a [i64],
    pub(crate) values: &'a [f64],
    /// Per step the first sample of its window and the one behind its last.
    pub(crate) windows: &'a [(u32, u32)],
    pub(crate) grid: &'a Grid,
    pub(crate) reference: Reference,
    /// Milliseconds.
    pub(crate) range: i64,
    pub(crate) extension: Extension,
    /// The other arguments, in order.
    pub(crate) args: &'a [ScalarColumn],
    /// Where all arguments stand in the query, in order.
    pub(crate) positions: &'a [usize],
    pub(crate) annotations: &'a mut Annotations,
    pub(crate) scratch: &'a mut Scratch,
}

/// Memory kept from series to series.
#[derive(Default)]
pub(crate) struct Scratch {
    pub(crate) floats: Vec<f64>,
    pub(crate) indexes: Vec<u32>,
}

/// Fills a column from the windows of a series.
pub(crate) type RangeFunction = fn(&mut RangeInput<'_>, &mut [f64]) -> Result<(), QueryError>;

impl RangeInput<'_> {
    /// Where the window of a step begins (excluded) and ends (included).
    #[inline]
    pub(crate) fn bounds(&self, step: usize) -> (i64, i64) {
        let end = self.reference.time(self.grid.time(step));
        (end.saturating_sub(self.range), end)
    }

    /// The range in seconds, computed as Go's `Duration.Seconds` does.
    pub(crate) fn range_seconds(&self) -> f64 {
        (self.range / 1000) as f64 + ((self.range % 1000) * 1_000_000) as f64 / 1e9
    }

    /// Calls `window` with every window that has samples: its step, times and values.
    #[inline]
    pub(crate) fn each(&self, out: &mut [f64], mut window: impl FnMut(usize, &[i64], &[f64]) -> f64) {
        for (step, (from, to)) in self.windows.iter().enumerate() {
            let (from, to) = (*from as usize, *to as usize);
            if from < to {
                out[step] = window(step, &self.timestamps[from..to], &self.values[from..to]);
            }
        }
    }
}

/// Removes staleness markers, and values that a column could not hold.
pub(crate) fn drop_stale(columns: &mut Columns) {
    let special = |value: &f64| is_stale(*value) || is_absent(*value);
    let Some(first) = columns.values.iter().position(special) else { return };
    let mut kept = first;
    for at in first..columns.values.len() {
        if !is_stale(columns.values[at]) {
            columns.values[kept] = stored(columns.values[at]);
            columns.timestamps[kept] = columns.timestamps[at];
            kept += 1;
        }
    }
    columns.values.truncate(kept);
    columns.timestamps.truncate(kept);
}

/// How far windows reach beyond the range, in milliseconds.
fn reach(extension: Extension, lookback: i64) -> (i64, i64) {
    match extension {
        Extension::None => (0, 0),
        Extension::Anchored => (lookback, 0),
        Extension::Smoothed => (lookback, lookback),
    }
}

fn fill_windows(
    times: &[i64],
    grid: &Grid,
    reference: Reference,
    before: i64,
    after: i64,
    out: &mut Vec<(u32, u32)>,
) {
    out.clear();
    let (mut from, mut to) = (0, 0);
    for step in 0..grid.len {
        let time = reference.time(grid.time(step));
        let (begin, end) = (time.saturating_sub(before), time.saturating_add(after));
        while to < times.len() && times[to] <= end {
            to += 1;
        }
        while from < to && times[from] <= begin {
            from += 1;
        }
        out.push((from as u32, to as u32));
    }
}

/// A call with everything that does not depend on the series.
struct Call<'a> {
    run: RangeFunction,
    keeps_name: bool,
    grid: &'a Grid,
    reference: Reference,
    range: i64,
    extension: Extension,
    args: Vec<ScalarColumn>,
    positions: Vec<usize>,
    windows: Vec<(u32, u32)>,
    scratch: Scratch,
}

impl Call<'_> {
    /// Computes the column of one series; false when it has no value.
    fn column(
        &mut self,
        evaluator: &mut Evaluator<'_>,
        labels: &Labels,
        columns: &Columns,
        out: &mut Vec<f64>,
    ) -> Result<bool, QueryError> {
        out.clear();
        if columns.is_empty() {
            return Ok(false);
        }
        out.resize(self.grid.len, ABSENT);
        let (before, after) = reach(self.extension, evaluator.lookback);
        fill_windows(
            &columns.timestamps,
            self.grid,
            self.reference,
            self.range + before,
            after,
            &mut self.windows,
        );
        let mut input = RangeInput {
            labels,
            timestamps: &columns.timestamps,
            values: &columns.values,
            windows: &self.windows,
            grid: self.grid,
            reference: self.reference,
            range: self.range,
            extension: self.extension,
            args: &self.args,
            positions: &self.positions,
            annotations: &mut evaluator.annotations,
            scratch: &mut self.scratch,
        };
        (self.run)(&mut input, out)?;
        Ok(any_present(out))
    }

    fn labels(&self, labels: &Labels) -> Labels {
        if self.keeps_name { labels.clone() } else { drop_metadata(labels) }
    }
}

/// Evaluates a call whose function works on ranges.
pub(crate) fn stream(
    evaluator: &mut Evaluator<'_>,
    function: &'static Function,
    args: &[Expr],
    run: RangeFunction,
    keeps_name: bool,
    grid: &Grid,
    sink: &mut Sink<'_>,
) -> Result<(), QueryError> {
    let args: Vec<&Expr> = args.iter().map(Expr::unwrapped).collect();
    let Some(matrix) = args.iter().find(|a| a.value_type() == ValueType::Matrix) else { return Ok(()) };
    let mut scalars = Vec::new();
    for arg in args.iter().filter(|a| a.value_type() == ValueType::Scalar) {
        scalars.push(evaluator.scalar(arg, grid)?);
    }
    let mut call = Call {
        run,
        keeps_name,
        grid,
        reference: Reference { at: None, offset: 0 },
        range: 0,
        extension: Extension::None,
        args: scalars,
        positions: args.iter().map(|a| a.start).collect(),
        windows: Vec::with_capacity(grid.len),
        scratch: Scratch::default(),
    };
    match &matrix.node {
        Node::Matrix(selector, range) => {
            call.range = evaluator.duration(range)?;
            call.reference = evaluator.reference(&selector.shift)?;
            call.extension = selector.extension;
            check_extension(function.name, selector.extension)?;
            over_selector(evaluator, call, selector, sink)
        }
        Node::Subquery(subquery) => {
            let (inner, range, reference) = evaluator.subquery_grid(subquery, grid)?;
            (call.range, call.reference) = (range, reference);
            // remarks about a subquery point at the beginning of the query, as Prometheus's do
            let at = args.iter().position(|a| std::ptr::eq(*a, *matrix)).unwrap_or(0);
            call.positions[at] = 0;
            let before = evaluator.held;
            let series = evaluator.vector(&subquery.expr, &inner)?;
            over_subquery(evaluator, call, &series, &inner, before, sink)
        }
        _ => Ok(()),
    }
}

fn check_extension(function: &str, extension: Extension) -> Result<(), QueryError> {
    let (word, allowed): (_, &[&str]) = match extension {
        Extension::None => return Ok(()),
        Extension::Anchored => ("anchored", &["changes", "delta", "increase", "rate", "resets"]),
        Extension::Smoothed => ("smoothed", &["delta", "increase", "rate"]),
    };
    if allowed.contains(&function) {
        return Ok(());
    }
    let allowed = allowed.join(", ");
    Err(QueryError::execution(format!(
        "{word} modifier can only be used with: {allowed} - not with {function}"
    )))
}

fn over_selector(
    evaluator: &mut Evaluator<'_>,
    mut call: Call<'_>,
    selector: &VectorSelector,
    sink: &mut Sink<'_>,
) -> Result<(), QueryError> {
    let (before, after) = reach(call.extension, evaluator.lookback);
    let first = call.reference.time(call.grid.start).saturating_sub(call.range + before).saturating_add(1);
    let last = call.reference.time(call.grid.last()).saturating_add(after);
    let list = evaluator.series(selector, first, last)?;
    let collect = !call.keeps_name && names_differ(list.iter().map(|s| s.labels()));
    let held = evaluator.held;
    let (mut columns, mut values, mut collected) = (Columns::default(), Vec::new(), Vec::new());
    for series in list.iter() {
        evaluator.check()?;
        evaluator.read(&**series, &mut columns)?;
        drop_stale(&mut columns);
        if !call.column(evaluator, series.labels(), &columns, &mut values)? {
            continue;
        }
        evaluator.require(columns.len() + values.len())?;
        let labels = call.labels(series.labels());
        if collect {
            evaluator.hold(values.len())?;
            collected.push(SeriesColumn { labels, values: std::mem::take(&mut values) });
        } else {
            sink(evaluator, labels, &mut values)?;
        }
    }
    evaluator.held = if collect { held } else { evaluator.held };
    evaluator.push_all(merge_same_labels(collected)?, sink)
}

fn over_subquery(
    evaluator: &mut Evaluator<'_>,
    mut call: Call<'_>,
    series: &[SeriesColumn],
    inner: &Grid,
    held: usize,
    sink: &mut Sink<'_>,
) -> Result<(), QueryError> {
    let (mut columns, mut values, mut collected) = (Columns::default(), Vec::new(), Vec::new());
    for one in series {
        evaluator.check()?;
        columns.clear();
        for (step, value) in one.values.iter().enumerate().filter(|(_, v)| is_present(**v)) {
            columns.push(inner.time(step), *value);
        }
        if call.column(evaluator, &one.labels, &columns, &mut values)? {
            evaluator.hold(values.len())?;
            collected
                .push(SeriesColumn { labels: call.labels(&one.labels), values: std::mem::take(&mut values) });
        }
    }
    let merged = if call.keeps_name { collected } else { merge_same_labels(collected)? };
    evaluator.held = held;
    evaluator.push_all(merged, sink)
}

/// The value at `time` on the line between two samples; a counter that fell starts again from 0.
pub(crate) fn interpolate(first: (i64, f64), second: (i64, f64), time: i64, is_counter: bool) -> f64 {
    let from = if is_counter && second.1 < first.1 { 0.0 } else { first.1 };
    from + (second.1 - from) * (time - first.0) as f64 / (second.0 - first.0) as f64
}

/// The values of a `smoothed` selector: interpolated between the samples around each step.
pub(crate) fn smooth(columns: &Columns, grid: &Grid, reference: Reference, lookback: i64, out: &mut [f64]) {
    let times = &columns.timestamps;
    let mut windows = Vec::new();
    fill_windows(times, grid, reference, lookback, lookback, &mut windows);
    for (step, (from, to)) in windows.into_iter().enumerate() {
        let (from, to) = (from as usize, to as usize);
        let time = reference.time(grid.time(step));
        let next = from + times[from..to].partition_point(|t| *t < time);
        let sample = |at: usize| (times[at], columns.values[at]);
        out[step] = if next < to && times[next] == time {
            columns.values[next]
        } else if next > from && next < to {
            interpolate(sample(next - 1), sample(next), time, false)
        } else if next > from {
            columns.values[next - 1]
        } else {
            continue;
        };
    }
}
