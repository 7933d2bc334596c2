//! Aggregations that need one accumulator per group and step: `sum`, `avg`, `count`, `min`, `max`, `group`, `stddev`,
//! `stdvar`, and those that need all values of a group: `quantile`, `count_values`.
//!
//! Input: series as they are computed. Output: one series per group, in the order in which groups appear. Only the
//! accumulators are held, never the series, except for `quantile`. `topk` and its kind are in `aggregate_selection`.

use crate::QueryError;
use crate::aggregate_selection;
use crate::ast::{Aggregate, AggregateOp, Node};
use crate::column::{
    ABSENT, ByLabels, Grid, METADATA, ScalarColumn, SeriesColumn, is_absent, is_present, merge_same_labels,
};
use crate::evaluator::{Evaluator, Sink};
use crate::functions::quantile;
use crate::go_format::{plain, quote};
use crate::kahan::{self, Mean};
use hashbrown::HashMap;
use tidewatch_model::Labels;

/// Picks the labels of a group from those of a series.
pub(crate) struct Grouping {
    without: bool,
    names: Vec<String>,
}

impl Grouping {
    pub(crate) fn new(aggregation: &Aggregate) -> Self {
        let mut names = aggregation.grouping.clone();
        if aggregation.without {
            names.extend(METADATA.iter().map(|n| (*n).to_owned()));
        }
        names.sort_unstable();
        names.dedup();
        Self { without: aggregation.without, names }
    }

    pub(crate) fn of(&self, labels: &Labels) -> Labels {
        if self.without {
            labels.drop(&self.names)
        } else if self.names.is_empty() {
            Labels::empty()
        } else {
            labels.keep(&self.names)
        }
    }
}

/// What a group has accumulated, per step.
enum Accumulator {
    /// Sums and their compensations.
    Sum(Vec<f64>, Vec<f64>),
    Avg(Vec<Mean>),
    /// `count`, `group`: a number that needs no values.
    Count(Vec<f64>),
    Extreme(Vec<f64>),
    /// Count, mean and sum of squared differences.
    Variance(Vec<(f64, f64, f64)>),
    Values(Vec<Vec<f64>>),
}

impl Accumulator {
    fn new(op: AggregateOp, steps: usize) -> Self {
        match op {
            AggregateOp::Sum => Self::Sum(vec![ABSENT; steps], vec![0.0; steps]),
            AggregateOp::Avg => Self::Avg(vec![Mean::default(); steps]),
            AggregateOp::Min | AggregateOp::Max => Self::Extreme(vec![ABSENT; steps]),
            AggregateOp::Stddev | AggregateOp::Stdvar => Self::Variance(vec![(0.0, 0.0, 0.0); steps]),
            AggregateOp::Quantile => Self::Values(Vec::new()),
            _ => Self::Count(vec![ABSENT; steps]),
        }
    }

    /// How many numbers per step it holds.
    fn width(&self) -> usize {
        match self {
            Self::Sum(..) => 2,
            Self::Avg(_) | Self::Variance(_) => 3,
            Self::Count(_) | Self::Extreme(_) => 1,
            Self::Values(_) => 0,
        }
    }

    /// Adds a series.
    fn add(&mut self, op: AggregateOp, values: &mut Vec<f64>) {
        match self {
            Self::Sum(sums, compensations) => {
                for ((sum, compensation), value) in sums.iter_mut().zip(compensations).zip(values.iter()) {
                    if is_absent(*value) {
                        continue;
                    }
                    if is_absent(*sum) {
                        *sum = *value;
                    } else {
                        (*sum, *compensation) = kahan::add(*value, *sum, *compensation);
                    }
                }
            }
            Self::Avg(means) => {
                let present = means.iter_mut().zip(values.iter()).filter(|(_, v)| is_present(**v));
                present.for_each(|(mean, value)| mean.add(*value));
            }
            Self::Count(counts) => {
                for (count, _) in counts.iter_mut().zip(values.iter()).filter(|(_, v)| is_present(**v)) {
                    *count = if is_absent(*count) || op == AggregateOp::Group { 1.0 } else { *count + 1.0 };
                }
            }
            Self::Extreme(extremes) => {
                for (extreme, value) in
                    extremes.iter_mut().zip(values.iter()).filter(|(_, v)| is_present(**v))
                {
                    let better = if op == AggregateOp::Max { *extreme < *value } else { *extreme > *value };
                    if better || extreme.is_nan() {
                        *extreme = *value;
                    }
                }
            }
            Self::Variance(states) => {
                let present = states.iter_mut().zip(values.iter()).filter(|(_, v)| is_present(**v));
                for ((count, mean, squares), value) in present {
                    *count += 1.0;
                    if *count == 1.0 {
                        *mean = *value;
                        *squares = if value.is_finite() { 0.0 } else { f64::NAN };
                        continue;
                    }
                    let delta = value - *mean;
                    *mean += delta / *count;
                    *squares += delta * (value - *mean);
                }
            }
            Self::Values(columns) => columns.push(std::mem::take(values)),
        }
    }

    /// The result per step.
    fn finish(self, op: AggregateOp, parameter: Option<&ScalarColumn>, steps: usize) -> Vec<f64> {
        match self {
            Self::Sum(mut sums, compensations) => {
                for (sum, compensation) in sums.iter_mut().zip(compensations).filter(|(s, _)| is_present(**s))
                {
                    *sum += compensation;
                }
                sums
            }
            Self::Avg(means) => {
                means.iter().map(|m| if m.is_empty() { ABSENT } else { m.result() }).collect()
            }
            Self::Count(values) | Self::Extreme(values) => values,
            Self::Variance(states) => {
                let variance = |(count, _, squares): (f64, f64, f64)| match op {
                    _ if count == 0.0 => ABSENT,
                    AggregateOp::Stddev => (squares / count).sqrt(),
                    _ => squares / count,
                };
                states.into_iter().map(variance).collect()
            }
            Self::Values(columns) => {
                let mut at_step = Vec::with_capacity(columns.len());
                let result = (0..steps).map(|step| {
                    at_step.clear();
                    at_step.extend(columns.iter().map(|c| c[step]).filter(|v| is_present(*v)));
                    if at_step.is_empty() {
                        return ABSENT;
                    }
                    quantile(parameter.map_or(f64::NAN, |p| p.at(step)), &mut at_step)
                });
                result.collect()
            }
        }
    }
}

/// Evaluates an aggregation.
pub(crate) fn stream(
    evaluator: &mut Evaluator<'_>,
    aggregation: &Aggregate,
    grid: &Grid,
    sink: &mut Sink<'_>,
) -> Result<(), QueryError> {
    match aggregation.op {
        AggregateOp::Topk | AggregateOp::Bottomk | AggregateOp::Limitk | AggregateOp::LimitRatio => {
            aggregate_selection::stream(evaluator, aggregation, grid, sink)
        }
        AggregateOp::CountValues => count_values(evaluator, aggregation, grid, sink),
        _ => accumulate(evaluator, aggregation, grid, sink),
    }
}

fn accumulate(
    evaluator: &mut Evaluator<'_>,
    aggregation: &Aggregate,
    grid: &Grid,
    sink: &mut Sink<'_>,
) -> Result<(), QueryError> {
    let (op, before, steps) = (aggregation.op, evaluator.held, grid.len);
    let parameter = match &aggregation.parameter {
        Some(parameter) => {
            let column = evaluator.scalar(parameter.unwrapped(), grid)?;
            warn_quantile(evaluator, &column, parameter.unwrapped().start);
            Some(column)
        }
        None => None,
    };
    let grouping = Grouping::new(aggregation);
    let mut places: ByLabels<usize> = ByLabels::default();
    let mut groups: Vec<(Labels, Accumulator)> = Vec::new();
    evaluator.stream(aggregation.expr.unwrapped(), grid, &mut |evaluator, labels, values| {
        let key = grouping.of(&labels);
        let place = match places.get(&key) {
            Some(place) => *place,
            None => {
                let accumulator = Accumulator::new(op, steps);
                evaluator.hold(accumulator.width() * steps)?;
                places.insert(key.clone(), groups.len());
                groups.push((key, accumulator));
                groups.len() - 1
            }
        };
        if op == AggregateOp::Quantile {
            evaluator.hold(steps)?;
        }
        groups[place].1.add(op, values);
        Ok(())
    })?;
    evaluator.held = before;
    for (labels, accumulator) in groups {
        let mut values = accumulator.finish(op, parameter.as_ref(), steps);
        sink(evaluator, labels, &mut values)?;
    }
    Ok(())
}

fn warn_quantile(evaluator: &mut Evaluator<'_>, column: &ScalarColumn, at: usize) {
    let values = column.values();
    let greatest = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    if values.iter().any(|v| v.is_nan()) {
        evaluator.annotations.invalid_quantile(f64::NAN, at);
        return;
    }
    if greatest > 1.0 {
        evaluator.annotations.invalid_quantile(greatest, at);
    }
    if least < 0.0 {
        evaluator.annotations.invalid_quantile(least, at);
    }
}

/// Counts how often each value occurs, and makes it a label.
fn count_values(
    evaluator: &mut Evaluator<'_>,
    aggregation: &Aggregate,
    grid: &Grid,
    sink: &mut Sink<'_>,
) -> Result<(), QueryError> {
    let label = match aggregation.parameter.as_ref().map(|p| &p.unwrapped().node) {
        Some(Node::Text(label)) => label.as_str(),
        _ => "",
    };
    if label.is_empty() {
        return Err(QueryError::execution(format!("invalid label name {}", quote(label))));
    }
    let (grouping, before, steps) = (Grouping::new(aggregation), evaluator.held, grid.len);
    let dropped = aggregation.without && grouping.names.iter().any(|name| name == label);
    let mut places: HashMap<(Labels, u64), usize, foldhash::fast::RandomState> = HashMap::default();
    let mut counts: Vec<SeriesColumn> = Vec::new();
    evaluator.stream(aggregation.expr.unwrapped(), grid, &mut |evaluator, labels, values| {
        let key = grouping.of(&labels);
        for (step, value) in values.iter().enumerate().filter(|(_, v)| is_present(**v)) {
            let bits = if value.is_nan() { f64::NAN.to_bits() } else { value.to_bits() };
            let place = match places.get(&(key.clone(), bits)) {
                Some(place) => *place,
                None => {
                    evaluator.hold(steps)?;
                    let mut builder = key.to_builder();
                    if !dropped {
                        builder.set(label, plain(*value));
                    }
                    places.insert((key.clone(), bits), counts.len());
                    counts.push(SeriesColumn { labels: builder.build(), values: vec![ABSENT; steps] });
                    counts.len() - 1
                }
            };
            let count = &mut counts[place].values[step];
            *count = if is_absent(*count) { 1.0 } else { *count + 1.0 };
        }
        Ok(())
    })?;
    evaluator.held = before;
    let counts = if dropped { sum_same_labels(counts) } else { merge_same_labels(counts)? };
    evaluator.push_all(counts, sink)
}

/// Adds up series whose labels have become equal.
fn sum_same_labels(series: Vec<SeriesColumn>) -> Vec<SeriesColumn> {
    let mut places: ByLabels<usize> = ByLabels::default();
    let mut sums: Vec<SeriesColumn> = Vec::new();
    for one in series {
        let place = *places.entry(one.labels.clone()).or_insert(sums.len());
        if place == sums.len() {
            sums.push(one);
            continue;
        }
        for (sum, value) in sums[place].values.iter_mut().zip(&one.values).filter(|(_, v)| is_present(**v)) {
            *sum = if is_absent(*sum) { *value } else { *sum + value };
        }
    }
    sums
}
