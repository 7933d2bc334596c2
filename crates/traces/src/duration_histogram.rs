//! A histogram of durations on its way to a store of samples: buckets, sum and count, each bucket with an exemplar.
//!
//! Input: durations of spans. Output: label sets, once, and values in the same order. The bounds are the defaults that the
//! OpenTelemetry Collector's span metrics and service graph connectors share.

use crate::calls::Call;
use crate::{SpanId, TraceId};
use tidewatch_model::{Batch, Exemplar, Labels, METRIC_NAME, SeriesRef, push_go_float};

/// Upper bounds of the buckets in milliseconds.
const BOUNDS_MS: [f64; 16] = [
    2.0, 4.0, 6.0, 8.0, 10.0, 50.0, 100.0, 200.0, 400.0, 800.0, 1000.0, 1400.0, 2000.0, 5000.0, 10_000.0,
    15_000.0,
];
/// The buckets, and one for what is longer.
const CELLS: usize = BOUNDS_MS.len() + 1;
/// Rows of a histogram: the buckets, the sum, the count.
pub(crate) const HISTOGRAM_ROWS: usize = CELLS + 2;

/// The unit in which a histogram is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    Milliseconds,
    Seconds,
}

impl Unit {
    fn of_ms(self, ms: f64) -> f64 {
        match self {
            Self::Milliseconds => ms,
            Self::Seconds => ms / 1000.0,
        }
    }
}

#[derive(Debug)]
pub(crate) struct DurationHistogram {
    unit: Unit,
    cells: [u64; CELLS],
    sum_ms: f64,
    /// The newest observation of each bucket since the rows were written last.
    exemplars: [Option<Observed>; CELLS],
}

/// A span's duration, with what makes it an exemplar.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Observed {
    trace_id: TraceId,
    span_id: SpanId,
    duration_ms: f64,
    end_ms: i64,
}

impl Observed {
    pub(crate) fn of(span: &Call<'_>) -> Self {
        Self {
            trace_id: span.trace_id,
            span_id: span.span_id,
            duration_ms: span.duration_ns as f64 / 1e6,
            end_ms: i64::try_from(span.end_ns / 1_000_000).unwrap_or(i64::MAX),
        }
    }

    /// Its time is that of the span's end, but never after the row's.
    fn exemplar(&self, now_ms: i64, unit: Unit) -> Exemplar {
        let labels = [("trace_id", self.trace_id.to_string()), ("span_id", self.span_id.to_string())];
        let (timestamp, value) = (self.end_ms.min(now_ms), unit.of_ms(self.duration_ms));
        Exemplar { labels: Labels::from_pairs(labels), timestamp, value }
    }
}

impl DurationHistogram {
    pub(crate) fn new(unit: Unit) -> Self {
        Self { unit, cells: [0; CELLS], sum_ms: 0.0, exemplars: [None; CELLS] }
    }

    pub(crate) fn observe(&mut self, observed: Observed) {
        let cell = BOUNDS_MS.iter().position(|bound| observed.duration_ms <= *bound).unwrap_or(CELLS - 1);
        self.cells[cell] += 1;
        self.sum_ms += observed.duration_ms;
        self.exemplars[cell] = Some(observed);
    }

    /// The label sets of its rows, in the order of [`DurationHistogram::write`].
    pub(crate) fn label_sets(&self, metric: &str, labels: &[(&str, &str)]) -> Vec<Labels> {
        let set = |suffix: &str, le: Option<f64>| {
            let le = le.map(|le| {
                let mut text = String::new();
                push_go_float(&mut text, self.unit.of_ms(le));
                ("le", text)
            });
            let name = (METRIC_NAME, format!("{metric}{suffix}"));
            let own = labels.iter().map(|(name, value)| (*name, (*value).to_owned()));
            Labels::from_pairs(own.chain([name]).chain(le))
        };
        let bounds = BOUNDS_MS.into_iter().chain([f64::INFINITY]);
        bounds.map(|le| set("_bucket", Some(le))).chain([set("_sum", None), set("_count", None)]).collect()
    }

    /// Adds its rows, [`HISTOGRAM_ROWS`] of them, and what was observed since the last time as exemplars.
    pub(crate) fn write(&mut self, batch: &mut Batch, series: &[(Labels, SeriesRef)], now_ms: i64) {
        let mut series = series.iter();
        let mut push = |batch: &mut Batch, value: f64| {
            if let Some((labels, handle)) = series.next() {
                batch.push(*handle, labels.clone(), now_ms, value);
            }
        };
        let mut count = 0;
        for (cell, exemplar) in self.cells.iter().zip(&mut self.exemplars) {
            count += cell;
            push(batch, count as f64);
            // a store wants the exemplars of a series in order of time; spans end in any order, so it may refuse one
            if let Some(observed) = exemplar.take() {
                batch.push_exemplar(observed.exemplar(now_ms, self.unit));
            }
        }
        push(batch, self.unit.of_ms(self.sum_ms));
        push(batch, count as f64);
    }
}
