//! `quantile_over_time`, `mad_over_time`, and the quantile that the aggregation of that name shares with them.
//!
//! Input: windows of samples. Output: a number per window. Only the two values around the rank are looked for, the rest
//! is not sorted.

use super::{Function, Kind};
use crate::QueryError;
use crate::ast::ValueType;
use crate::range_call::RangeInput;
use std::cmp::Ordering;

/// Orders values with NaN lowest.
fn order(a: &f64, b: &f64) -> Ordering {
    a.partial_cmp(b).unwrap_or_else(|| b.is_nan().cmp(&a.is_nan()))
}

/// The quantile of values, which are reordered; between two of them by distance.
pub(crate) fn quantile(q: f64, values: &mut [f64]) -> f64 {
    if values.is_empty() || q.is_nan() {
        return f64::NAN;
    }
    if q < 0.0 {
        return f64::NEG_INFINITY;
    }
    if q > 1.0 {
        return f64::INFINITY;
    }
    let rank = q * (values.len() - 1) as f64;
    let at = rank.floor() as usize;
    let weight = rank - rank.floor();
    let (_, lower, above) = values.select_nth_unstable_by(at, order);
    if weight == 0.0 {
        return *lower;
    }
    let upper = above.iter().copied().min_by(order).unwrap_or(*lower);
    *lower * (1.0 - weight) + upper * weight
}

fn quantile_over_time(input: &mut RangeInput<'_>, out: &mut [f64]) -> Result<(), QueryError> {
    let mut copy = std::mem::take(&mut input.scratch.floats);
    for (step, (from, to)) in input.windows.iter().enumerate() {
        if from < to {
            let q = input.args[0].at(step);
            if !(0.0..=1.0).contains(&q) {
                input.annotations.invalid_quantile(q, input.positions[0]);
            }
            copy.clear();
            copy.extend_from_slice(&input.values[*from as usize..*to as usize]);
            out[step] = quantile(q, &mut copy);
        }
    }
    input.scratch.floats = copy;
    Ok(())
}

fn mad_over_time(input: &mut RangeInput<'_>, out: &mut [f64]) -> Result<(), QueryError> {
    let mut copy = std::mem::take(&mut input.scratch.floats);
    input.each(out, |_, _, values| {
        if values.iter().any(|v| v.is_nan()) {
            return f64::NAN;
        }
        copy.clear();
        copy.extend_from_slice(values);
        let median = quantile(0.5, &mut copy);
        copy.iter_mut().for_each(|v| *v = (*v - median).abs());
        quantile(0.5, &mut copy)
    });
    input.scratch.floats = copy;
    Ok(())
}

pub(super) static FUNCTIONS: &[Function] = &[
    Function::new(
        "quantile_over_time",
        &[ValueType::Scalar, ValueType::Matrix],
        ValueType::Vector,
        Kind::Range { run: quantile_over_time, keeps_name: false },
    ),
    Function::range("mad_over_time", mad_over_time).experimental(),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_rank_nan_lowest() {
        let check = |q, values: &[f64], expected: f64| {
            let found = quantile(q, &mut values.to_vec());
            assert!(found == expected || (found.is_nan() && expected.is_nan()), "{q} of {values:?}: {found}");
        };
        check(0.5, &[3.0, 1.0, 2.0], 2.0);
        check(0.25, &[4.0, 1.0], 1.75);
        check(0.0, &[1.0, f64::NAN], f64::NAN);
        check(1.0, &[1.0, f64::NAN], 1.0);
        check(-0.1, &[1.0], f64::NEG_INFINITY);
        check(1.1, &[1.0], f64::INFINITY);
        check(f64::NAN, &[1.0], f64::NAN);
    }
}
