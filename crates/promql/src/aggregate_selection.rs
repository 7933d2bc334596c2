//! Aggregations that choose series instead of combining them: `topk`, `bottomk`, `limitk`, `limit_ratio`.
//!
//! Input: all series of the argument. Output: the chosen ones with their labels, per step. Which of equal values is
//! chosen follows the binary heap that Prometheus uses, so that both choose the same.

use crate::QueryError;
use crate::aggregate::Grouping;
use crate::ast::{Aggregate, AggregateOp, Expr};
use crate::column::{ABSENT, ByLabels, Grid, ScalarColumn, SeriesColumn, is_present};
use crate::evaluator::{Evaluator, Sink};
use crate::go_format::general;
use crate::label_hash::ratio;
use std::cmp::Ordering;

/// A value and the series it belongs to.
type Entry = (f64, usize);

/// A heap whose first entry is the first to give way: the least for `topk`, the greatest for `bottomk`, NaN before
/// all.
struct Heap {
    entries: Vec<Entry>,
    reversed: bool,
}

impl Heap {
    fn before(&self, a: f64, b: f64) -> bool {
        a.is_nan() || if self.reversed { a > b } else { a < b }
    }

    fn less(&self, a: usize, b: usize) -> bool {
        self.before(self.entries[a].0, self.entries[b].0)
    }

    fn push(&mut self, entry: Entry) {
        self.entries.push(entry);
        let mut at = self.entries.len() - 1;
        while at > 0 {
            let parent = (at - 1) / 2;
            if !self.less(at, parent) {
                break;
            }
            self.entries.swap(at, parent);
            at = parent;
        }
    }

    fn replace_first(&mut self, entry: Entry) {
        self.entries[0] = entry;
        let mut at = 0;
        loop {
            let mut child = 2 * at + 1;
            if child >= self.entries.len() {
                break;
            }
            if child + 1 < self.entries.len() && self.less(child + 1, child) {
                child += 1;
            }
            if !self.less(child, at) {
                break;
            }
            self.entries.swap(at, child);
            at = child;
        }
    }

    /// Whether a value displaces the first entry.
    fn displaces(&self, value: f64) -> bool {
        let first = self.entries[0].0;
        let better = if self.reversed { first > value } else { first < value };
        better || (first.is_nan() && !value.is_nan())
    }

    /// Sorts for display: the best first, NaN last; small heaps swap the way Prometheus's do.
    fn sort(&mut self) {
        if self.entries.len() > 12 {
            let reversed = self.reversed;
            let key = |value: f64| if reversed { -value } else { value };
            self.entries.sort_by(|a, b| {
                a.0.is_nan()
                    .cmp(&b.0.is_nan())
                    .then(key(b.0).partial_cmp(&key(a.0)).unwrap_or(Ordering::Equal))
            });
            return;
        }
        for at in 1..self.entries.len() {
            let mut place = at;
            while place > 0 && self.less(place - 1, place) {
                self.entries.swap(place - 1, place);
                place -= 1;
            }
        }
    }
}

/// Evaluates a selecting aggregation.
pub(crate) fn stream(
    evaluator: &mut Evaluator<'_>,
    aggregation: &Aggregate,
    grid: &Grid,
    sink: &mut Sink<'_>,
) -> Result<(), QueryError> {
    let Some(parameter) = aggregation.parameter.as_ref().map(Expr::unwrapped) else { return Ok(()) };
    let before = evaluator.held;
    let column = evaluator.scalar(parameter, grid)?;
    let mut series = evaluator.vector(aggregation.expr.unwrapped(), grid)?;
    if !usable(evaluator, aggregation.op, &column, parameter.start)? {
        evaluator.held = before;
        return Ok(());
    }
    let grouping = Grouping::new(aggregation);
    let mut places: ByLabels<usize> = ByLabels::default();
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for (at, one) in series.iter().enumerate() {
        let place = *places.entry(grouping.of(&one.labels)).or_insert(groups.len());
        if place == groups.len() {
            groups.push(Vec::new());
        }
        groups[place].push(at);
    }
    let mut order = Vec::new();
    match aggregation.op {
        AggregateOp::LimitRatio => limit_ratio(&mut series, &column, grid),
        op => {
            let mut kept = vec![false; series.len()];
            for step in 0..grid.len {
                if step % 256 == 0 {
                    evaluator.check()?;
                }
                order = choose(op, &mut series, &groups, column.at(step), step, &mut kept);
            }
        }
    }
    evaluator.held = before;
    if grid.len == 1 && grid.start == grid.end && !order.is_empty() {
        let mut slots: Vec<Option<SeriesColumn>> = series.into_iter().map(Some).collect();
        series = order.into_iter().filter_map(|at| slots[at].take()).collect();
    }
    evaluator.push_all(series, sink)
}

/// Whether any series can be chosen.
fn usable(
    evaluator: &mut Evaluator<'_>,
    op: AggregateOp,
    column: &ScalarColumn,
    at: usize,
) -> Result<bool, QueryError> {
    let values = column.values();
    let greatest = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    let any_nan = values.iter().any(|v| v.is_nan());
    if op == AggregateOp::LimitRatio {
        if greatest == 0.0 && least == 0.0 {
            return Ok(false);
        }
        if any_nan {
            return Err(QueryError::execution("Ratio value is NaN"));
        }
        if greatest > 1.0 {
            evaluator.annotations.invalid_ratio(greatest, 1.0, at);
        }
        if least < -1.0 {
            evaluator.annotations.invalid_ratio(least, -1.0, at);
        }
        return Ok(true);
    }
    if !any_nan && greatest < 1.0 {
        return Ok(false);
    }
    if any_nan {
        return Err(QueryError::execution("Parameter value is NaN"));
    }
    if least <= i64::MIN as f64 {
        return Err(QueryError::execution(format!("Scalar value {} underflows int64", general(least))));
    }
    if greatest >= i64::MAX as f64 {
        return Err(QueryError::execution(format!("Scalar value {} overflows int64", general(greatest))));
    }
    Ok(true)
}

/// Removes the values of one step that are not chosen; the order in which the chosen series are listed.
fn choose(
    op: AggregateOp,
    series: &mut [SeriesColumn],
    groups: &[Vec<usize>],
    parameter: f64,
    step: usize,
    kept: &mut [bool],
) -> Vec<usize> {
    let limit = if parameter < 1.0 { 0 } else { (parameter as usize).min(series.len()) };
    kept.fill(false);
    let mut order = Vec::new();
    let mut heap = Heap { entries: Vec::new(), reversed: op == AggregateOp::Bottomk };
    for group in groups.iter().filter(|_| limit > 0) {
        heap.entries.clear();
        for at in group {
            let value = series[*at].values[step];
            if !is_present(value) {
                continue;
            }
            if heap.entries.len() < limit {
                heap.push((value, *at));
            } else if op != AggregateOp::Limitk && heap.displaces(value) {
                heap.replace_first((value, *at));
            }
        }
        if op != AggregateOp::Limitk {
            heap.sort();
        }
        heap.entries.iter().for_each(|(_, at)| kept[*at] = true);
        order.extend(heap.entries.iter().map(|(_, at)| *at));
    }
    for (one, _) in series.iter_mut().zip(kept.iter()).filter(|(_, kept)| !**kept) {
        one.values[step] = ABSENT;
    }
    order
}

fn limit_ratio(series: &mut [SeriesColumn], column: &ScalarColumn, grid: &Grid) {
    for one in series {
        let place = ratio(&one.labels);
        for step in 0..grid.len {
            let limit = column.at(step).clamp(-1.0, 1.0);
            let chosen = (limit > 0.0 && place < limit) || (limit < 0.0 && place >= 1.0 + limit);
            if !chosen {
                one.values[step] = ABSENT;
            }
        }
    }
}
