//! `rate`, `increase`, `delta`, `irate`, `idelta`: how fast a series changes.
//!
//! Input: windows of samples. Output: the change, extrapolated to the ends of the window, or between its last two
//! samples. Counter resets are found once per series; each window then adds up those inside it, so a series costs its
//! samples plus its steps. `anchored` and `smoothed` windows are not extrapolated.

use super::Function;
use crate::QueryError;
use crate::ast::Extension;
use crate::column::ABSENT;
use crate::range_call::{RangeInput, interpolate};

#[derive(Clone, Copy)]
struct Mode {
    is_counter: bool,
    is_rate: bool,
}

fn rate(input: &mut RangeInput<'_>, out: &mut [f64]) -> Result<(), QueryError> {
    changes(input, out, Mode { is_counter: true, is_rate: true })
}

fn increase(input: &mut RangeInput<'_>, out: &mut [f64]) -> Result<(), QueryError> {
    changes(input, out, Mode { is_counter: true, is_rate: false })
}

fn delta(input: &mut RangeInput<'_>, out: &mut [f64]) -> Result<(), QueryError> {
    changes(input, out, Mode { is_counter: false, is_rate: false })
}

fn changes(input: &mut RangeInput<'_>, out: &mut [f64], mode: Mode) -> Result<(), QueryError> {
    if input.extension == Extension::None {
        extrapolated(input, out, mode);
    } else {
        extended(input, out, mode);
    }
    if mode.is_counter && out.iter().any(|v| v.to_bits() != ABSENT.to_bits()) {
        let name = input.labels.metric_name().unwrap_or_default();
        let is_counter = ["_total", "_sum", "_count", "_bucket"].iter().any(|suffix| name.ends_with(suffix));
        if !name.is_empty() && !is_counter {
            let at = input.positions[0];
            input.annotations.possible_non_counter(name, at);
        }
    }
    Ok(())
}

/// Finds the samples that are less than the one before.
fn find_resets(values: &[f64], resets: &mut Vec<u32>) {
    resets.clear();
    for (at, pair) in values.windows(2).enumerate() {
        if pair[1] < pair[0] {
            resets.push(at as u32 + 1);
        }
    }
}

fn extrapolated(input: &mut RangeInput<'_>, out: &mut [f64], mode: Mode) {
    let mut resets = std::mem::take(&mut input.scratch.indexes);
    resets.clear();
    if mode.is_counter {
        find_resets(input.values, &mut resets);
    }
    let range_seconds = input.range_seconds();
    let (times, values) = (input.timestamps, input.values);
    let mut first_reset = 0;
    for (step, (from, to)) in input.windows.iter().enumerate() {
        let (first, end) = (*from as usize, *to as usize);
        if end < first + 2 {
            continue;
        }
        let last = end - 1;
        let mut change = values[last] - values[first];
        while first_reset < resets.len() && resets[first_reset] <= *from {
            first_reset += 1;
        }
        for reset in resets[first_reset..].iter().take_while(|reset| (**reset as usize) < end) {
            change += values[*reset as usize - 1];
        }
        let (begin, finish) = input.bounds(step);
        let window = Window {
            to_start: (times[first] - begin) as f64 / 1000.0,
            to_end: (finish - times[last]) as f64 / 1000.0,
            sampled: (times[last] - times[first]) as f64 / 1000.0,
            intervals: (last - first) as f64,
        };
        let mut factor = window.factor(mode.is_counter, change, values[first]);
        if mode.is_rate {
            factor /= range_seconds;
        }
        out[step] = change * factor;
    }
    input.scratch.indexes = resets;
}

/// Where the samples of a window lie in it, in seconds.
struct Window {
    to_start: f64,
    to_end: f64,
    sampled: f64,
    intervals: f64,
}

impl Window {
    /// By how much the change between the samples is stretched to cover the window: to its ends where a sample is
    /// near, else half an average interval beyond the samples, and never past the point where a counter was 0.
    #[inline]
    fn factor(&self, is_counter: bool, change: f64, first: f64) -> f64 {
        let average = self.sampled / self.intervals;
        let threshold = average * 1.1;
        let mut to_start = if self.to_start >= threshold { average / 2.0 } else { self.to_start };
        if is_counter && change > 0.0 && first >= 0.0 {
            let to_zero = self.sampled * (first / change);
            if to_zero < to_start {
                to_start = to_zero;
            }
        }
        let to_end = if self.to_end >= threshold { average / 2.0 } else { self.to_end };
        if self.sampled == 0.0 { 1.0 } else { (self.sampled + to_start + to_end) / self.sampled }
    }
}

fn extended(input: &RangeInput<'_>, out: &mut [f64], mode: Mode) {
    let smoothed = input.extension == Extension::Smoothed;
    for (step, (from, to)) in input.windows.iter().enumerate() {
        let (from, to) = (*from as usize, *to as usize);
        if from >= to {
            continue;
        }
        let (times, values) = (&input.timestamps[from..to], &input.values[from..to]);
        if let Some(change) = extended_change(times, values, input.bounds(step), smoothed, mode.is_counter) {
            out[step] = if mode.is_rate { change / input.range_seconds() } else { change };
        }
    }
}

/// The change between the values at the ends of a window, which come from samples around them.
fn extended_change(
    times: &[i64],
    values: &[f64],
    (begin, end): (i64, i64),
    smoothed: bool,
    is_counter: bool,
) -> Option<f64> {
    let mut last = times.len() - 1;
    let first = times[..last].partition_point(|t| *t <= begin).saturating_sub(1);
    if smoothed {
        last = times[..last].partition_point(|t| *t < end);
    }
    if times[last] <= begin || (smoothed && times[first] > end) {
        return None;
    }
    let sample = |at: usize| (times[at], values[at]);
    let left = if times[first] < begin && smoothed {
        interpolate(sample(first), sample(first + 1), begin, is_counter)
    } else {
        values[first]
    };
    let right = if times[last] <= end || last == 0 {
        values[last]
    } else if smoothed {
        interpolate(sample(last - 1), sample(last), end, is_counter)
    } else {
        values[last - 1]
    };
    let mut change = right - left;
    if is_counter {
        let inner_first = first + usize::from(times[first] <= begin);
        let inner_end = if times[last] >= end { last } else { last + 1 };
        let mut previous = left;
        let inner = values.get(inner_first..inner_end).unwrap_or_default();
        for value in inner.iter().copied().chain(std::iter::once(right)) {
            if value < previous {
                change += previous;
            }
            previous = value;
        }
    }
    Some(change)
}

fn last_two(input: &RangeInput<'_>, out: &mut [f64], is_rate: bool) {
    input.each(out, |_, times, values| {
        let [.., from, to] = values else { return ABSENT };
        let interval = times[times.len() - 1] - times[times.len() - 2];
        let change = if is_rate && to < from { *to } else { to - from };
        if is_rate { change / (interval as f64 / 1000.0) } else { change }
    });
}

fn irate(input: &mut RangeInput<'_>, out: &mut [f64]) -> Result<(), QueryError> {
    last_two(input, out, true);
    Ok(())
}

fn idelta(input: &mut RangeInput<'_>, out: &mut [f64]) -> Result<(), QueryError> {
    last_two(input, out, false);
    Ok(())
}

pub(super) static FUNCTIONS: &[Function] = &[
    Function::range("rate", rate),
    Function::range("increase", increase),
    Function::range("delta", delta),
    Function::range("irate", irate),
    Function::range("idelta", idelta),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_of_extended_windows() {
        let check = |smoothed, times: &[i64], values: &[f64], expected: Option<f64>| {
            let found = extended_change(times, values, (100, 200), smoothed, true);
            assert_eq!(found, expected, "{times:?} {values:?}");
        };
        check(false, &[90, 150, 190], &[1.0, 2.0, 5.0], Some(4.0));
        check(false, &[90, 100], &[1.0, 2.0], None);
        check(false, &[90, 150, 190], &[5.0, 1.0, 2.0], Some(2.0));
        check(true, &[50, 150, 250], &[0.0, 10.0, 20.0], Some(10.0));
        check(true, &[250], &[7.0], None);
    }

    #[test]
    fn extrapolation_stops_where_a_counter_was_zero() {
        let window = Window { to_start: 30.0, to_end: 0.0, sampled: 60.0, intervals: 2.0 };
        assert_eq!(window.factor(true, 60.0, 10.0), 70.0 / 60.0);
        assert_eq!(window.factor(false, 60.0, 10.0), 90.0 / 60.0);
    }
}
