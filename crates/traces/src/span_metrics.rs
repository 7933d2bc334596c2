//! Rate, errors and duration of operations, counted from spans.
//!
//! Input: spans as they come in, before any sampling here. Output: rows for a store of samples, under the names and labels of the
//! OpenTelemetry Collector's span metrics connector (0.130), which Jaeger's and Grafana's service pages read:
//! `traces_span_metrics_calls_total` and the histogram `traces_span_metrics_duration_milliseconds`. Counts what arrives: where an
//! application samples 10 %, a tenth of its calls. Deliberately knows no clock; the number of operations is bounded, and what is
//! beyond is counted under one label set with `otel_metric_overflow="true"`, as the collector does.

use crate::calls::Call;
use crate::duration_histogram::{DurationHistogram, HISTOGRAM_ROWS, Observed, Unit};
use crate::{SpanKind, StatusCode};
use foldhash::fast::FixedState;
use hashbrown::HashTable;
use std::hash::BuildHasher;
use tidewatch_model::{Batch, Labels, METRIC_NAME, SeriesRef};

/// Counts of all operations.
#[derive(Debug)]
pub struct SpanMetrics {
    operations: Vec<Operation>,
    index: HashTable<u32>,
    hasher: FixedState,
    most: usize,
    /// Where what is beyond the bound is counted.
    overflow: Option<u32>,
}

/// One service, span name, kind and status.
#[derive(Debug)]
struct Operation {
    service: Box<str>,
    name: Box<str>,
    kind: SpanKind,
    status: StatusCode,
    calls: u64,
    duration: DurationHistogram,
    /// The labels of the counter and of the histogram's rows, made at the first writing.
    series: Vec<(Labels, SeriesRef)>,
}

impl SpanMetrics {
    /// No counts yet, for at most so many operations; at least 1.
    pub fn new(most_operations: usize) -> Self {
        Self {
            operations: Vec::new(),
            index: HashTable::new(),
            hasher: FixedState::default(),
            most: most_operations.max(1),
            overflow: None,
        }
    }

    /// How many operations are counted apart.
    pub fn operations(&self) -> usize {
        self.operations.len()
    }

    /// Calls beyond the bound on operations, which are counted together.
    pub fn beyond(&self) -> u64 {
        self.overflow.and_then(|at| self.operations.get(at as usize)).map_or(0, |operation| operation.calls)
    }

    /// Counts a span.
    pub fn observe(&mut self, call: &Call<'_>) {
        let at = self.operation(call.service, call.name, call.kind, call.status);
        let operation = &mut self.operations[at];
        operation.calls += 1;
        operation.duration.observe(Observed::of(call));
    }

    fn operation(&mut self, service: &str, name: &str, kind: SpanKind, status: StatusCode) -> usize {
        let hash = self.hasher.hash_one((service, name, kind, status));
        let operations = &self.operations;
        let found = self.index.find(hash, |at| operations[*at as usize].is(service, name, kind, status));
        if let Some(at) = found.copied().or(self.overflow) {
            return at as usize;
        }
        let at = u32::try_from(operations.len()).expect("the bound is below 2^32");
        if operations.len() + 1 >= self.most {
            self.overflow = Some(at);
            self.operations.push(Operation::new("", "", SpanKind::Unspecified, StatusCode::Unset));
            return at as usize;
        }
        self.operations.push(Operation::new(service, name, kind, status));
        let (operations, hasher) = (&self.operations, &self.hasher);
        self.index.insert_unique(hash, at, |at| {
            let Operation { service, name, kind, status, .. } = &operations[*at as usize];
            hasher.hash_one((&**service, &**name, *kind, *status))
        });
        at as usize
    }

    /// Adds the rows of all operations, with exemplars of what came since the last time. `now_ms` is in milliseconds since the
    /// Unix epoch.
    pub fn write(&mut self, batch: &mut Batch, now_ms: i64) {
        for (at, operation) in self.operations.iter_mut().enumerate() {
            let is_overflow = self.overflow.is_some_and(|overflow| overflow as usize == at);
            operation.write(batch, now_ms, is_overflow);
        }
    }

    /// Keeps the handles that a store gave to the rows of [`SpanMetrics::write`], which begin at `first` in the batch. Gives where
    /// they end.
    pub fn learn(&mut self, batch: &Batch, first: usize) -> usize {
        let rows = &batch.rows[first.min(batch.rows.len())..];
        let mut learnt = first;
        let series = self.operations.iter_mut().flat_map(|operation| &mut operation.series);
        for ((_, handle), row) in series.zip(rows) {
            *handle = row.series;
            learnt += 1;
        }
        learnt
    }
}

impl Operation {
    fn new(service: &str, name: &str, kind: SpanKind, status: StatusCode) -> Self {
        Self {
            service: service.into(),
            name: name.into(),
            kind,
            status,
            calls: 0,
            duration: DurationHistogram::new(Unit::Milliseconds),
            series: Vec::new(),
        }
    }

    fn is(&self, service: &str, name: &str, kind: SpanKind, status: StatusCode) -> bool {
        *self.name == *name && *self.service == *service && self.kind == kind && self.status == status
    }

    fn write(&mut self, batch: &mut Batch, now_ms: i64, is_overflow: bool) {
        if self.series.is_empty() {
            self.series = self.label_sets(is_overflow).into_iter().map(|l| (l, SeriesRef::UNKNOWN)).collect();
        }
        let (labels, handle) = &self.series[0];
        batch.push(*handle, labels.clone(), now_ms, self.calls as f64);
        self.duration.write(batch, &self.series[1..], now_ms);
    }

    fn label_sets(&self, is_overflow: bool) -> Vec<Labels> {
        let own = [
            ("service_name", &*self.service),
            ("span_name", &*self.name),
            ("span_kind", kind_name(self.kind)),
            ("status_code", status_name(self.status)),
        ];
        let own = if is_overflow { &[("otel_metric_overflow", "true")][..] } else { &own[..] };
        let calls = [(METRIC_NAME, "traces_span_metrics_calls_total")];
        let mut sets = Vec::with_capacity(1 + HISTOGRAM_ROWS);
        sets.push(Labels::from_pairs(own.iter().copied().chain(calls)));
        sets.extend(self.duration.label_sets("traces_span_metrics_duration_milliseconds", own));
        sets
    }
}

/// The connector's words for a kind.
fn kind_name(kind: SpanKind) -> &'static str {
    match kind {
        SpanKind::Unspecified => "SPAN_KIND_UNSPECIFIED",
        SpanKind::Internal => "SPAN_KIND_INTERNAL",
        SpanKind::Server => "SPAN_KIND_SERVER",
        SpanKind::Client => "SPAN_KIND_CLIENT",
        SpanKind::Producer => "SPAN_KIND_PRODUCER",
        SpanKind::Consumer => "SPAN_KIND_CONSUMER",
    }
}

/// The connector's words for a status.
fn status_name(status: StatusCode) -> &'static str {
    match status {
        StatusCode::Unset => "STATUS_CODE_UNSET",
        StatusCode::Ok => "STATUS_CODE_OK",
        StatusCode::Error => "STATUS_CODE_ERROR",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calls::testing::call;

    fn rows(metrics: &mut SpanMetrics, now_ms: i64) -> (Vec<String>, Batch) {
        let mut batch = Batch::default();
        metrics.write(&mut batch, now_ms);
        (batch.rows.iter().map(|row| format!("{} {}", row.labels, row.value)).collect(), batch)
    }

    #[test]
    fn calls_and_durations_are_counted_by_operation() {
        let mut metrics = SpanMetrics::new(10);
        let get = |ms: u64| {
            let (duration_ns, end_ns) = (ms * 1_000_000, 1_000_000_000 + ms * 1_000_000);
            Call { name: "GET /", duration_ns, end_ns, ..call(SpanKind::Server, 1, 0) }
        };
        metrics.observe(&get(2));
        metrics.observe(&get(3));
        metrics.observe(&get(20_000));
        metrics.observe(&Call { status: StatusCode::Error, ..get(1) });
        assert_eq!(metrics.operations(), 2);
        let (rows, batch) = rows(&mut metrics, 60_000);
        let of = r#"service_name="shop", span_kind="SPAN_KIND_SERVER", span_name="GET /""#;
        let has = |row: String| assert!(rows.contains(&row), "{row} is not in {rows:#?}");
        has(format!("traces_span_metrics_calls_total{{{of}, status_code=\"STATUS_CODE_UNSET\"}} 3"));
        has(format!("traces_span_metrics_calls_total{{{of}, status_code=\"STATUS_CODE_ERROR\"}} 1"));
        let duration = "traces_span_metrics_duration_milliseconds";
        for (le, count) in [("2", 1), ("4", 2), ("15000", 2), ("+Inf", 3)] {
            has(format!("{duration}_bucket{{le=\"{le}\", {of}, status_code=\"STATUS_CODE_UNSET\"}} {count}"));
        }
        has(format!("{duration}_sum{{{of}, status_code=\"STATUS_CODE_UNSET\"}} 20005"));
        has(format!("{duration}_count{{{of}, status_code=\"STATUS_CODE_UNSET\"}} 3"));
        let exemplars: Vec<_> =
            batch.exemplars.iter().map(|e| (e.exemplar.value, e.exemplar.timestamp)).collect();
        assert_eq!(exemplars, [(2.0, 1002), (3.0, 1003), (20_000.0, 21_000), (1.0, 1001)]);
        assert!(self::rows(&mut metrics, 61_000).1.exemplars.is_empty(), "each is given once");
    }

    #[test]
    fn operations_beyond_the_bound_are_counted_together() {
        let mut metrics = SpanMetrics::new(3);
        for name in ["a", "b", "c", "d", "a"] {
            metrics.observe(&Call { name, ..call(SpanKind::Server, 1, 0) });
        }
        assert_eq!(metrics.operations(), 3);
        assert_eq!(metrics.beyond(), 2);
        let (rows, _) = rows(&mut metrics, 1);
        let calls: Vec<_> = rows.iter().filter(|row| row.starts_with("traces_span_metrics_calls")).collect();
        assert!(calls[0].ends_with(" 2") && calls[0].contains("\"a\""), "{calls:?}");
        assert_eq!(calls[2], "traces_span_metrics_calls_total{otel_metric_overflow=\"true\"} 2");
    }

    #[test]
    fn handles_are_kept() {
        let mut metrics = SpanMetrics::new(3);
        metrics.observe(&call(SpanKind::Server, 1, 0));
        let mut batch = Batch::default();
        batch.push(SeriesRef(7), Labels::empty(), 1, 1.0);
        metrics.write(&mut batch, 1);
        for (at, row) in batch.rows.iter_mut().enumerate() {
            row.series = SeriesRef(at as u64 + 100);
        }
        assert_eq!(metrics.learn(&batch, 1), 21);
        let (_, batch) = rows(&mut metrics, 2);
        assert_eq!((batch.rows[0].series, batch.rows[19].series), (SeriesRef(101), SeriesRef(120)));
    }
}
