//! What a load has shown.
//!
//! Input: the recorder's sums. Output: plain values, which are also the JSON of `tidewatch load --output json`.

use crate::Threshold;
use hdrhistogram::{Counter, Histogram};
use serde::Serialize;
use std::collections::BTreeMap;

/// A distribution of durations, in milliseconds within 0.1 %. All 0 when nothing was measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Quantiles {
    /// How many were measured.
    pub count: u64,
    /// The mean.
    pub mean: f64,
    /// Half are not above it.
    pub p50: f64,
    /// Three quarters are not above it.
    pub p75: f64,
    /// 90 % are not above it.
    pub p90: f64,
    /// 95 % are not above it.
    pub p95: f64,
    /// 99 % are not above it.
    pub p99: f64,
    /// 99.9 % are not above it.
    pub p999: f64,
    /// The highest.
    pub max: f64,
}

impl Quantiles {
    /// Of a histogram of microseconds.
    pub(crate) fn of<T: Counter>(histogram: &Histogram<T>) -> Self {
        if histogram.is_empty() {
            return Self::default();
        }
        let at = |quantile: f64| histogram.value_at_quantile(quantile) as f64 / 1000.0;
        Self {
            count: histogram.len(),
            mean: (histogram.mean().round()) / 1000.0,
            p50: at(0.5),
            p75: at(0.75),
            p90: at(0.9),
            p95: at(0.95),
            p99: at(0.99),
            p999: at(0.999),
            max: histogram.max() as f64 / 1000.0,
        }
    }
}

/// One second of the schedule: what became of the requests that were due in it.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Second {
    /// Seconds since the start.
    pub second: u32,
    /// How many were due.
    pub scheduled: u64,
    /// How many went out on a connection, whenever that was.
    pub sent: u64,
    /// How many could not even wait for a connection, because too many were under way.
    pub missed: u64,
    /// How many were answered with a status below 400.
    pub ok: u64,
    /// How many were not, by status, or `timeout`, `connect`, `closed`, `protocol`, `given up`.
    pub errors: BTreeMap<String, u64>,
    /// From the moment when due to the end of the answer. Includes timeouts; other failures have none.
    pub latency: Quantiles,
    /// From the moment when sent to the end of the answer.
    pub service: Quantiles,
}

/// What became of the requests of one kind.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Operation {
    /// An action of the scenario, or method and URL.
    pub name: String,
    /// Answered with a status below 400.
    pub ok: u64,
    /// Everything else that went under way.
    pub errors: u64,
    /// As in [`Second`].
    pub latency: Quantiles,
}

/// Sums over the whole run.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Totals {
    /// How many requests were due.
    pub scheduled: u64,
    /// How many went out on a connection.
    pub sent: u64,
    /// How many could not even wait for a connection.
    pub missed: u64,
    /// How many were answered with a status below 400.
    pub ok: u64,
    /// How many were not.
    pub errors: u64,
    /// The same by status or kind.
    pub errors_by_kind: BTreeMap<String, u64>,
    /// Answers by status.
    pub statuses: BTreeMap<u16, u64>,
    /// Bytes of the answers' bodies.
    pub received_bytes: u64,
    /// Connections that were made.
    pub connections: u64,
    /// Requests due per second.
    pub scheduled_rate: f64,
    /// Requests answered well per second.
    pub ok_rate: f64,
}

/// What the task scenario did with tasks outside of the load and within.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TaskTotals {
    /// Tasks made, with those before the load.
    pub created: u64,
    /// Tasks deleted, with those after the load.
    pub deleted: u64,
    /// Tasks that could not be deleted.
    pub left_behind: u64,
}

/// A limit, and whether it was crossed.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Check {
    /// As given, e.g. `p99>500ms`.
    pub fail_if: String,
    /// What was measured, in the limit's unit: milliseconds, requests, requests a second, or a share from 0 to 1.
    pub value: f64,
    /// Whether that makes the run fail.
    pub failed: bool,
}

/// Everything that a run has shown.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LoadReport {
    /// When the first second began, in RFC 3339 with milliseconds.
    pub start_time: String,
    /// The same in milliseconds since the Unix epoch.
    pub start_ms: i64,
    /// How long the schedule is, in seconds.
    pub planned_seconds: f64,
    /// How long requests were sent, in seconds.
    pub sending_seconds: f64,
    /// Whether someone ended it before the schedule did.
    pub ended_early: bool,
    /// What random choices were made from.
    pub seed: u64,
    /// Sums.
    pub totals: Totals,
    /// From the moment when due to the end of the answer, over all requests that were answered or timed out.
    pub latency: Quantiles,
    /// From the moment when sent to the end of the answer.
    pub service: Quantiles,
    /// How much later than due this program began with a request: its own share of the latency.
    pub lateness: Quantiles,
    /// By kind of request.
    pub operations: Vec<Operation>,
    /// The task scenario's account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tasks: Option<TaskTotals>,
    /// Limits, and whether they were crossed.
    pub checks: Vec<Check>,
    /// Second by second.
    pub timeline: Vec<Second>,
}

impl LoadReport {
    /// Looks at limits; whether none was crossed. The checks become part of the report.
    pub fn judge(&mut self, thresholds: &[Threshold]) -> bool {
        self.checks = thresholds.iter().map(|threshold| threshold.check(self)).collect();
        self.checks.iter().all(|check| !check.failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recorder::histogram;

    #[test]
    fn quantiles_are_those_of_the_values() {
        let mut durations = histogram::<u64>();
        assert_eq!(Quantiles::of(&durations), Quantiles::default());
        (1..=1000).for_each(|milliseconds| durations.saturating_record(milliseconds * 1000));
        let told = Quantiles::of(&durations);
        let check = |told: f64, expected: f64| {
            assert!((told / expected - 1.0).abs() < 0.002, "{told} is not {expected}");
        };
        check(told.mean, 500.5);
        check(told.p50, 500.0);
        check(told.p75, 750.0);
        check(told.p90, 900.0);
        check(told.p95, 950.0);
        check(told.p99, 990.0);
        check(told.p999, 999.0);
        check(told.max, 1000.0);
        assert_eq!(told.count, 1000);
    }
}
