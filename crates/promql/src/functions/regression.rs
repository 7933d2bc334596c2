//! `deriv`, `predict_linear`: a straight line through samples; `double_exponential_smoothing`.
//!
//! Input: windows of at least two samples. Output: the line's slope, its value later, or the smoothed value.

use super::{Function, Kind};
use crate::QueryError;
use crate::ast::ValueType;
use crate::column::ABSENT;
use crate::go_format::fixed;
use crate::kahan;
use crate::range_call::RangeInput;

/// Slope per second, and value at `origin`, of the line with the least squares.
fn line(times: &[i64], values: &[f64], origin: i64) -> (f64, f64) {
    let constant = values.iter().skip(1).all(|v| *v == values[0]);
    if constant {
        return if values[0].is_infinite() { (f64::NAN, f64::NAN) } else { (0.0, values[0]) };
    }
    let mut sums = [(0.0, 0.0); 4];
    let mut count = 0.0;
    for (time, y) in times.iter().zip(values) {
        count += 1.0;
        let x = time.saturating_sub(origin) as f64 / 1e3;
        for ((sum, compensation), term) in sums.iter_mut().zip([x, *y, x * y, x * x]) {
            (*sum, *compensation) = kahan::add(term, *sum, *compensation);
        }
    }
    let [x, y, xy, xx] = sums.map(|(sum, compensation)| sum + compensation);
    let slope = (xy - x * y / count) / (xx - x * x / count);
    (slope, y / count - slope * x / count)
}

fn deriv(input: &mut RangeInput<'_>, out: &mut [f64]) -> Result<(), QueryError> {
    input.each(
        out,
        |_, times, values| if values.len() < 2 { ABSENT } else { line(times, values, times[0]).0 },
    );
    Ok(())
}

fn predict_linear(input: &mut RangeInput<'_>, out: &mut [f64]) -> Result<(), QueryError> {
    input.each(out, |step, times, values| {
        if values.len() < 2 {
            return ABSENT;
        }
        // from the time of the step, also where `offset` or `@` move the window
        let (slope, intercept) = line(times, values, input.grid.time(step));
        slope * input.args[0].at(step) + intercept
    });
    Ok(())
}

fn smooth(values: &[f64], smoothing: f64, trend_factor: f64) -> f64 {
    let (mut before, mut current) = (0.0, values[0]);
    let mut trend = values[1] - values[0];
    for (at, value) in values.iter().enumerate().skip(1) {
        let scaled = smoothing * value;
        if at > 1 {
            trend = trend_factor * (current - before) + (1.0 - trend_factor) * trend;
        }
        let next = scaled + (1.0 - smoothing) * (current + trend);
        (before, current) = (current, next);
    }
    current
}

fn double_exponential_smoothing(input: &mut RangeInput<'_>, out: &mut [f64]) -> Result<(), QueryError> {
    for (step, (from, to)) in input.windows.iter().enumerate() {
        let values = &input.values[*from as usize..*to as usize];
        if values.is_empty() {
            continue;
        }
        let factors = [("smoothing", "sf"), ("trend", "tf")];
        for (factor, (name, short)) in input.args.iter().map(|arg| arg.at(step)).zip(factors) {
            if factor <= 0.0 || factor >= 1.0 {
                let got = fixed(factor);
                let text = format!("invalid {name} factor. Expected: 0 < {short} < 1, got: {got}");
                return Err(QueryError::Execution(text));
            }
        }
        if values.len() > 1 {
            out[step] = smooth(values, input.args[0].at(step), input.args[1].at(step));
        }
    }
    Ok(())
}

use ValueType::{Matrix, Scalar, Vector};

pub(super) static FUNCTIONS: &[Function] = &[
    Function::range("deriv", deriv),
    Function::range("predict_linear", predict_linear).with_args(&[Matrix, Scalar]).depends_on_step(),
    Function::new(
        "double_exponential_smoothing",
        &[Matrix, Scalar, Scalar],
        Vector,
        Kind::Range { run: double_exponential_smoothing, keeps_name: false },
    )
    .experimental(),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_through_samples() {
        let check = |values: &[f64], expected: (f64, f64)| {
            assert_eq!(line(&[0, 1000, 2000], values, 0), expected, "{values:?}");
        };
        check(&[1.0, 3.0, 5.0], (2.0, 1.0));
        check(&[4.0, 4.0, 4.0], (0.0, 4.0));
        assert!(line(&[0, 1000], &[f64::INFINITY; 2], 0).0.is_nan());
    }

    #[test]
    fn smoothing_a_line_keeps_it() {
        assert!((smooth(&[1.0, 2.0, 3.0, 4.0], 0.5, 0.5) - 4.0).abs() < 1e-12);
    }
}
