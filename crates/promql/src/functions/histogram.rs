//! `histogram_quantile`, `histogram_quantiles`, `histogram_fraction` on classic histograms: series with an `le` label.
//!
//! Input: buckets, as counts or rates. Output: one series per histogram. Which series belong to a histogram, and their
//! order, is found once for all steps. Buckets that fell are raised, with a remark; tiny differences are ignored.
//! `histogram_count`, `_sum`, `_avg`, `_stddev`, `_stdvar` read native histograms only and find none here.

use super::{Function, Kind};
use crate::QueryError;
use crate::annotations::Decrease;
use crate::ast::{Expr, Node, ValueType};
use crate::column::{
    ABSENT, ByLabels, Grid, SeriesColumn, any_present, drop_metadata, is_present, merge_same_labels,
};
use crate::evaluator::Evaluator;
use crate::go_format::open_metrics;
use tidewatch_model::Labels;

/// The relative difference between buckets that counts as none.
const TOLERANCE: f64 = 1e-12;

/// The least positive number with full precision.
const MIN_NORMAL: f64 = f64::MIN_POSITIVE;

#[derive(Clone, Copy, Debug)]
struct Bucket {
    bound: f64,
    count: f64,
}

/// The buckets of one histogram: bounds and the series of their counts, by ascending bound.
struct Histogram {
    labels: Labels,
    buckets: Vec<(f64, usize)>,
}

/// Go's `strconv.ParseFloat`, as far as bounds need it.
fn bound_of(text: &str) -> Option<f64> {
    let bound: f64 = match text.trim_start_matches(['+', '-']).to_ascii_lowercase().as_str() {
        "inf" | "infinity" if text.starts_with('-') => f64::NEG_INFINITY,
        "inf" | "infinity" => f64::INFINITY,
        _ => text.parse().ok().filter(|v: &f64| v.is_finite())?,
    };
    (!bound.is_nan()).then_some(bound)
}

fn histograms(evaluator: &mut Evaluator<'_>, series: &[SeriesColumn], position: usize) -> Vec<Histogram> {
    let mut places: ByLabels<usize> = ByLabels::default();
    let mut found: Vec<Histogram> = Vec::new();
    for (at, one) in series.iter().enumerate() {
        let le = one.labels.get("le").unwrap_or_default();
        let Some(bound) = bound_of(le) else {
            evaluator.annotations.bad_bucket(le, position);
            continue;
        };
        let labels = one.labels.drop(&["le"]);
        let place = *places.entry(labels.clone()).or_insert(found.len());
        if place == found.len() {
            found.push(Histogram { labels, buckets: Vec::new() });
        }
        found[place].buckets.push((bound, at));
    }
    for histogram in &mut found {
        histogram.buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
    }
    found
}

impl Histogram {
    /// The buckets with a value at a step, equal bounds added up; empty where there are none.
    fn at_step(&self, series: &[SeriesColumn], step: usize, into: &mut Vec<Bucket>) {
        into.clear();
        for (bound, at) in &self.buckets {
            let count = series[*at].values[step];
            if !is_present(count) {
                continue;
            }
            match into.last_mut() {
                Some(last) if last.bound == *bound => last.count += count,
                _ => into.push(Bucket { bound: *bound, count }),
            }
        }
    }
}

fn almost_equal(a: f64, b: f64) -> bool {
    if a.is_nan() && b.is_nan() || a == b {
        return true;
    }
    let sum = a.abs() + b.abs();
    let difference = (a - b).abs();
    if a == 0.0 || b == 0.0 || sum < MIN_NORMAL {
        return difference < TOLERANCE * MIN_NORMAL;
    }
    difference / sum.min(f64::MAX) < TOLERANCE
}

/// Raises buckets below the one before.
fn force_monotonicity(buckets: &mut [Bucket]) -> Option<Decrease> {
    let mut decrease: Option<Decrease> = None;
    let mut previous = buckets[0].count;
    for bucket in &mut buckets[1..] {
        let current = bucket.count;
        if current == previous {
            continue;
        }
        if almost_equal(previous, current) {
            bucket.count = previous;
        } else if current < previous {
            bucket.count = previous;
            let found = decrease.get_or_insert(Decrease {
                smallest: f64::INFINITY,
                largest: f64::NEG_INFINITY,
                difference: 0.0,
            });
            found.smallest = found.smallest.min(bucket.bound);
            found.largest = found.largest.max(bucket.bound);
            found.difference = found.difference.max(previous - current);
        } else {
            previous = current;
        }
    }
    decrease
}

fn quantile(q: f64, buckets: &mut [Bucket]) -> (f64, Option<Decrease>) {
    if q.is_nan() {
        return (f64::NAN, None);
    }
    if !(0.0..=1.0).contains(&q) {
        return (if q < 0.0 { f64::NEG_INFINITY } else { f64::INFINITY }, None);
    }
    if buckets.last().is_none_or(|last| last.bound != f64::INFINITY) {
        return (f64::NAN, None);
    }
    let decrease = force_monotonicity(buckets);
    let last = buckets.len() - 1;
    let observations = buckets[last].count;
    if last == 0 || observations == 0.0 {
        return (f64::NAN, decrease);
    }
    let mut rank = q * observations;
    let at = lower_bound(&buckets[..last], |bucket| bucket.count >= rank);
    let value = if at == last {
        buckets[last - 1].bound
    } else if at == 0 && buckets[0].bound <= 0.0 {
        buckets[0].bound
    } else {
        let (mut begin, end, mut count) = (0.0, buckets[at].bound, buckets[at].count);
        if at > 0 {
            begin = buckets[at - 1].bound;
            count -= buckets[at - 1].count;
            rank -= buckets[at - 1].count;
        }
        begin + (end - begin) * (rank / count)
    };
    (value, decrease)
}

/// Binary search as Go's `sort.Search` does it, which matters where NaN breaks the order.
fn lower_bound(buckets: &[Bucket], test: impl Fn(&Bucket) -> bool) -> usize {
    let (mut from, mut to) = (0, buckets.len());
    while from < to {
        let middle = usize::midpoint(from, to);
        if test(&buckets[middle]) { to = middle } else { from = middle + 1 }
    }
    from
}

/// The share of observations between two values.
fn fraction(lower: f64, upper: f64, buckets: &[Bucket]) -> f64 {
    let Some(last) = buckets.last().filter(|last| last.bound == f64::INFINITY) else { return f64::NAN };
    let count = last.count;
    if count == 0.0 || lower.is_nan() || upper.is_nan() {
        return f64::NAN;
    }
    if lower >= upper {
        return 0.0;
    }
    let (mut rank, mut lower_rank, mut upper_rank) = (0.0, None, None);
    let mut begin = if buckets[0].bound <= 0.0 { f64::NEG_INFINITY } else { 0.0 };
    for bucket in buckets {
        let inside = |value: f64| {
            if begin == f64::NEG_INFINITY {
                bucket.count
            } else {
                rank + (bucket.count - rank) * (value - begin) / (bucket.bound - begin)
            }
        };
        for (wanted, found) in [(lower, &mut lower_rank), (upper, &mut upper_rank)] {
            if found.is_none() && begin >= wanted {
                *found = Some(rank);
            } else if found.is_none() && bucket.bound > wanted {
                *found = Some(inside(wanted));
            }
        }
        if lower_rank.is_some() && upper_rank.is_some() {
            break;
        }
        rank = bucket.count;
        begin = bucket.bound;
    }
    let limited = |rank: Option<f64>| rank.filter(|rank| *rank <= count || rank.is_nan()).unwrap_or(count);
    (limited(upper_rank) - limited(lower_rank)) / count
}

/// Applies a function to each histogram.
fn each(
    evaluator: &mut Evaluator<'_>,
    arg: &Expr,
    grid: &Grid,
    mut compute: impl FnMut(&mut Evaluator<'_>, &Histogram, &[SeriesColumn]) -> Vec<SeriesColumn>,
) -> Result<Vec<SeriesColumn>, QueryError> {
    let arg = arg.unwrapped();
    let series = evaluator.vector(arg, grid)?;
    let mut results = Vec::new();
    for mut histogram in histograms(evaluator, &series, arg.start) {
        evaluator.check()?;
        histogram.labels = drop_metadata(&histogram.labels);
        results.extend(compute(evaluator, &histogram, &series));
    }
    merge_same_labels(results)
}

fn warn(evaluator: &mut Evaluator<'_>, arg: &Expr, values: &[f64]) {
    for q in values.iter().filter(|q| !(0.0..=1.0).contains(*q)) {
        evaluator.annotations.invalid_quantile(*q, arg.unwrapped().start);
    }
}

fn histogram_quantile(
    evaluator: &mut Evaluator<'_>,
    _: &Expr,
    args: &[Expr],
    grid: &Grid,
) -> Result<Vec<SeriesColumn>, QueryError> {
    let q = evaluator.scalar(&args[0], grid)?;
    warn(evaluator, &args[0], q.values());
    let (position, mut buckets) = (args[1].unwrapped().start, Vec::new());
    each(evaluator, &args[1], grid, |evaluator, histogram, series| {
        let mut values = vec![ABSENT; grid.len];
        for (step, value) in values.iter_mut().enumerate() {
            histogram.at_step(series, step, &mut buckets);
            if buckets.is_empty() {
                continue;
            }
            let (found, decrease) = quantile(q.at(step), &mut buckets);
            *value = found;
            if let Some(decrease) = decrease {
                evaluator.annotations.forced_monotonicity(decrease, grid.time(step), position);
            }
        }
        vec![SeriesColumn { labels: histogram.labels.clone(), values }]
    })
}

fn histogram_quantiles(
    evaluator: &mut Evaluator<'_>,
    _: &Expr,
    args: &[Expr],
    grid: &Grid,
) -> Result<Vec<SeriesColumn>, QueryError> {
    let label = match &args[1].unwrapped().node {
        Node::Text(label) => label.clone(),
        _ => String::new(),
    };
    let mut quantiles = Vec::new();
    for arg in &args[2..] {
        let column = evaluator.scalar(arg, grid)?;
        warn(evaluator, arg, column.values());
        quantiles.push(column);
    }
    let (position, mut buckets) = (args[0].unwrapped().start, Vec::new());
    each(evaluator, &args[0], grid, |evaluator, histogram, series| {
        let mut results: Vec<SeriesColumn> = Vec::new();
        for q in &quantiles {
            for step in 0..grid.len {
                histogram.at_step(series, step, &mut buckets);
                if buckets.is_empty() {
                    continue;
                }
                let (found, decrease) = quantile(q.at(step), &mut buckets);
                if let Some(decrease) = decrease {
                    evaluator.annotations.forced_monotonicity(decrease, grid.time(step), position);
                }
                let labels =
                    histogram.labels.to_builder().set(label.as_str(), open_metrics(q.at(step))).build();
                let mut values = vec![ABSENT; grid.len];
                values[step] = found;
                match results.iter_mut().find(|r| r.labels == labels && !is_present(r.values[step])) {
                    Some(result) => result.values[step] = found,
                    None => results.push(SeriesColumn { labels, values }),
                }
            }
        }
        results
    })
}

fn histogram_fraction(
    evaluator: &mut Evaluator<'_>,
    _: &Expr,
    args: &[Expr],
    grid: &Grid,
) -> Result<Vec<SeriesColumn>, QueryError> {
    let (lower, upper) = (evaluator.scalar(&args[0], grid)?, evaluator.scalar(&args[1], grid)?);
    let mut buckets = Vec::new();
    each(evaluator, &args[2], grid, |_, histogram, series| {
        let mut values = vec![ABSENT; grid.len];
        for (step, value) in values.iter_mut().enumerate() {
            histogram.at_step(series, step, &mut buckets);
            if !buckets.is_empty() {
                *value = fraction(lower.at(step), upper.at(step), &buckets);
            }
        }
        vec![SeriesColumn { labels: histogram.labels.clone(), values }]
    })
}

/// A function of native histograms: floats have none.
fn native_only(
    evaluator: &mut Evaluator<'_>,
    _: &Expr,
    args: &[Expr],
    grid: &Grid,
) -> Result<Vec<SeriesColumn>, QueryError> {
    evaluator.stream(args[0].unwrapped(), grid, &mut |_, _, values| {
        debug_assert!(any_present(values) || !values.is_empty());
        Ok(())
    })?;
    Ok(Vec::new())
}

use ValueType::{Scalar, Text, Vector};

const fn native(name: &'static str) -> Function {
    Function::new(name, &[Vector], Vector, Kind::Whole(native_only))
}

pub(super) static FUNCTIONS: &[Function] = &[
    Function::new("histogram_quantile", &[Scalar, Vector], Vector, Kind::Whole(histogram_quantile)),
    Function::new(
        "histogram_quantiles",
        &[Vector, Text, Scalar, Scalar],
        Vector,
        Kind::Whole(histogram_quantiles),
    )
    .variadic(9)
    .experimental(),
    Function::new("histogram_fraction", &[Scalar, Scalar, Vector], Vector, Kind::Whole(histogram_fraction)),
    native("histogram_count"),
    native("histogram_sum"),
    native("histogram_avg"),
    native("histogram_stddev"),
    native("histogram_stdvar"),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn buckets(pairs: &[(f64, f64)]) -> Vec<Bucket> {
        pairs.iter().map(|(bound, count)| Bucket { bound: *bound, count: *count }).collect()
    }

    const INF: f64 = f64::INFINITY;

    #[test]
    fn quantiles_interpolate_within_a_bucket() {
        let check = |q, pairs: &[(f64, f64)], expected: f64| {
            let (found, _) = quantile(q, &mut buckets(pairs));
            assert!(found == expected || (found.is_nan() && expected.is_nan()), "{q} of {pairs:?}: {found}");
        };
        check(0.5, &[(1.0, 10.0), (2.0, 20.0), (INF, 20.0)], 1.0);
        check(0.75, &[(1.0, 10.0), (2.0, 20.0), (INF, 20.0)], 1.5);
        check(0.99, &[(1.0, 10.0), (INF, 20.0)], 1.0);
        check(0.5, &[(1.0, 10.0), (2.0, 20.0)], f64::NAN);
        check(0.5, &[(INF, 20.0)], f64::NAN);
        check(0.5, &[(1.0, 0.0), (INF, 0.0)], f64::NAN);
        check(0.1, &[(-1.0, 10.0), (INF, 20.0)], -1.0);
        check(1.5, &[(INF, 20.0)], INF);
    }

    #[test]
    fn buckets_that_fell_are_raised() {
        let mut found = buckets(&[(1.0, 10.0), (2.0, 8.0), (3.0, 10.0 + 1e-13), (INF, 12.0)]);
        let decrease = force_monotonicity(&mut found).unwrap();
        assert_eq!((decrease.smallest, decrease.largest, decrease.difference), (2.0, 2.0, 2.0));
        assert_eq!(found.iter().map(|b| b.count).collect::<Vec<_>>(), [10.0, 10.0, 10.0, 12.0]);
    }

    #[test]
    fn fractions_interpolate_too() {
        let check = |lower, upper, expected: f64| {
            let pairs = buckets(&[(1.0, 10.0), (2.0, 20.0), (INF, 40.0)]);
            assert_eq!(fraction(lower, upper, &pairs), expected, "{lower}..{upper}");
        };
        check(0.0, 1.0, 0.25);
        check(0.5, 1.5, 0.25);
        check(-INF, INF, 1.0);
        check(1.5, INF, 0.625);
        check(2.0, 1.0, 0.0);
        check(2.0, 10.0, 0.0);
    }

    #[test]
    fn bounds_are_read_as_go_reads_them() {
        assert_eq!(bound_of("+Inf"), Some(INF));
        assert_eq!(bound_of("-inf"), Some(-INF));
        assert_eq!(bound_of("1e3"), Some(1000.0));
        assert_eq!(bound_of("NaN"), None);
        assert_eq!(bound_of("junk"), None);
        assert_eq!(bound_of(""), None);
    }
}
