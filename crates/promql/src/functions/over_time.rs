//! `avg`, `sum`, `min`, `max`, `count`, `first`, `last`, `present`, `stddev`, `stdvar` and `integral` over time, and
//! when the first, last, least and greatest samples were.
//!
//! Input: windows of samples. Output: a number per window. Sums are compensated and computed window by window, as
//! their last bits depend on where they start; least and greatest values come from a queue that each sample enters and
//! leaves once.

use super::{Function, Kind};
use crate::QueryError;
use crate::ast::ValueType;
use crate::kahan::{self, Mean};
use crate::range_call::RangeInput;
use std::collections::VecDeque;

type Done = Result<(), QueryError>;

fn sum(input: &mut RangeInput<'_>, out: &mut [f64]) -> Done {
    input.each(out, |_, _, values| {
        let (sum, compensation) = values.iter().fold((0.0, 0.0), |(s, c), value| kahan::add(*value, s, c));
        if sum.is_infinite() { sum } else { sum + compensation }
    });
    Ok(())
}

fn avg(input: &mut RangeInput<'_>, out: &mut [f64]) -> Done {
    input.each(out, |_, _, values| {
        let mut mean = Mean::default();
        values.iter().for_each(|value| mean.add(*value));
        mean.result()
    });
    Ok(())
}

fn count(input: &mut RangeInput<'_>, out: &mut [f64]) -> Done {
    input.each(out, |_, _, values| values.len() as f64);
    Ok(())
}

fn present(input: &mut RangeInput<'_>, out: &mut [f64]) -> Done {
    input.each(out, |_, _, _| 1.0);
    Ok(())
}

fn first(input: &mut RangeInput<'_>, out: &mut [f64]) -> Done {
    input.each(out, |_, _, values| values[0]);
    Ok(())
}

fn last(input: &mut RangeInput<'_>, out: &mut [f64]) -> Done {
    input.each(out, |_, _, values| values[values.len() - 1]);
    Ok(())
}

/// The first of the extreme values of each window; NaN only where there is nothing else.
fn extreme(input: &RangeInput<'_>, out: &mut [f64], better: impl Fn(f64, f64) -> bool) {
    // samples that may still become the extreme, best first
    let mut queue: VecDeque<u32> = VecDeque::new();
    let mut next = 0;
    for (step, (from, to)) in input.windows.iter().enumerate() {
        while next < *to {
            let value = input.values[next as usize];
            if !value.is_nan() {
                while queue.back().is_some_and(|at| better(value, input.values[*at as usize])) {
                    queue.pop_back();
                }
                queue.push_back(next);
            }
            next += 1;
        }
        while queue.front().is_some_and(|at| at < from) {
            queue.pop_front();
        }
        if from < to {
            out[step] = queue.front().map_or(f64::NAN, |at| input.values[*at as usize]);
        }
    }
}

fn min(input: &mut RangeInput<'_>, out: &mut [f64]) -> Done {
    extreme(input, out, |a, b| a < b);
    Ok(())
}

fn max(input: &mut RangeInput<'_>, out: &mut [f64]) -> Done {
    extreme(input, out, |a, b| a > b);
    Ok(())
}

/// When the last of the extreme values was, in seconds.
fn time_of(input: &RangeInput<'_>, out: &mut [f64], better: impl Fn(f64, f64) -> bool) {
    input.each(out, |_, times, values| {
        let mut best = 0;
        for (at, value) in values.iter().enumerate() {
            if better(*value, values[best]) || values[best].is_nan() {
                best = at;
            }
        }
        times[best] as f64 / 1000.0
    });
}

fn ts_of_min(input: &mut RangeInput<'_>, out: &mut [f64]) -> Done {
    time_of(input, out, |a, b| a <= b);
    Ok(())
}

fn ts_of_max(input: &mut RangeInput<'_>, out: &mut [f64]) -> Done {
    time_of(input, out, |a, b| a >= b);
    Ok(())
}

fn ts_of_first(input: &mut RangeInput<'_>, out: &mut [f64]) -> Done {
    input.each(out, |_, times, _| times[0] as f64 / 1000.0);
    Ok(())
}

fn ts_of_last(input: &mut RangeInput<'_>, out: &mut [f64]) -> Done {
    input.each(out, |_, times, _| times[times.len() - 1] as f64 / 1000.0);
    Ok(())
}

fn variance(values: &[f64]) -> f64 {
    let (mut count, mut mean, mut mean_c, mut squares, mut squares_c) = (0.0, 0.0, 0.0, 0.0, 0.0);
    for value in values {
        count += 1.0;
        let delta = value - (mean + mean_c);
        (mean, mean_c) = kahan::add(delta / count, mean, mean_c);
        (squares, squares_c) = kahan::add(delta * (value - (mean + mean_c)), squares, squares_c);
    }
    (squares + squares_c) / count
}

fn stdvar(input: &mut RangeInput<'_>, out: &mut [f64]) -> Done {
    input.each(out, |_, _, values| variance(values));
    Ok(())
}

fn stddev(input: &mut RangeInput<'_>, out: &mut [f64]) -> Done {
    input.each(out, |_, _, values| variance(values).sqrt());
    Ok(())
}

/// The height of the area between two samples and its compensation. Strategy 0 takes the left sample, 1 the right, 2
/// their average.
fn height(strategy: u8, left: f64, right: f64) -> (f64, f64) {
    match strategy {
        0 => (left, 0.0),
        1 => (right, 0.0),
        _ if left == 0.0 && right == 0.0 => (0.0, 0.0),
        _ => {
            let (sum, compensation) = kahan::add(right, left, 0.0);
            if sum.is_infinite() && right.is_finite() && left.is_finite() {
                kahan::add(right / 2.0, left / 2.0, 0.0)
            } else {
                (sum / 2.0, compensation / 2.0)
            }
        }
    }
}

fn area(strategy: u8, times: &[i64], values: &[f64]) -> f64 {
    let known = |value: f64| if value.is_nan() { 0.0 } else { value };
    let (mut sum, mut compensation) = (0.0, 0.0);
    for (pair, ends) in values.windows(2).zip(times.windows(2)) {
        let (height, lost) = height(strategy, known(pair[0]), known(pair[1]));
        if height != 0.0 || lost != 0.0 {
            let width = (ends[1] - ends[0]) as f64 / 1000.0;
            (sum, compensation) = kahan::add(height * width, sum, compensation + lost * width);
        }
    }
    if sum.is_infinite() { sum } else { sum + compensation }
}

fn integral(input: &mut RangeInput<'_>, out: &mut [f64]) -> Done {
    for (step, (from, to)) in input.windows.iter().enumerate() {
        let (from, to) = (*from as usize, *to as usize);
        if from >= to {
            continue;
        }
        let strategy = match input.args.first().map(|column| column.at(step)) {
            None => 2,
            Some(given) if given == 0.0 || given == 1.0 || given == 2.0 => given as u8,
            Some(given) => {
                input.annotations.invalid_strategy(given, input.positions[1]);
                2
            }
        };
        out[step] = area(strategy, &input.timestamps[from..to], &input.values[from..to]);
    }
    Ok(())
}

const fn named(name: &'static str, run: fn(&mut RangeInput<'_>, &mut [f64]) -> Done) -> Function {
    Function::new(name, &[ValueType::Matrix], ValueType::Vector, Kind::Range { run, keeps_name: true })
}

pub(super) static FUNCTIONS: &[Function] = &[
    Function::range("sum_over_time", sum),
    Function::range("avg_over_time", avg),
    Function::range("count_over_time", count),
    Function::range("present_over_time", present),
    named("first_over_time", first),
    named("last_over_time", last),
    Function::range("min_over_time", min),
    Function::range("max_over_time", max),
    Function::range("stdvar_over_time", stdvar),
    Function::range("stddev_over_time", stddev),
    Function::range("ts_of_min_over_time", ts_of_min).experimental(),
    Function::range("ts_of_max_over_time", ts_of_max).experimental(),
    Function::range("ts_of_first_over_time", ts_of_first).experimental(),
    Function::range("ts_of_last_over_time", ts_of_last).experimental(),
    Function::range("integral", integral)
        .with_args(&[ValueType::Matrix, ValueType::Scalar])
        .variadic(1)
        .experimental(),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn areas_follow_the_strategy() {
        let check = |strategy, expected: f64| {
            assert_eq!(area(strategy, &[0, 1000, 3000], &[1.0, 3.0, f64::NAN]), expected);
        };
        check(0, 1.0 + 3.0 * 2.0);
        check(1, 3.0);
        check(2, 2.0 + 3.0);
    }

    #[test]
    fn the_variance_of_one_value_is_zero() {
        assert_eq!(variance(&[5.0]), 0.0);
        assert_eq!(variance(&[2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0]), 4.0);
    }
}
