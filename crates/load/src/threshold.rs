//! Limits that make a run fail: `errors>0`, `p99>500ms`, `error_rate>1%`, `ok_rate<190/s`.
//!
//! Input: text, and a report. Output: whether the limit was crossed, and by what. It ends nothing.

use crate::{Check, Error, LoadReport, parse_rate};
use tidewatch_model::parse_duration;

/// A limit.
#[derive(Clone, Debug, PartialEq)]
pub struct Threshold {
    text: String,
    measure: Measure,
    comparison: Comparison,
    limit: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comparison {
    Above,
    AtLeast,
    Below,
    AtMost,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    Count,
    Share,
    Rate,
    Milliseconds,
}

/// Something measured: its name, its unit, and where it stands in a report.
#[derive(Clone, Copy, Debug)]
struct Measure {
    name: &'static str,
    unit: Unit,
    value: fn(&LoadReport) -> f64,
}

impl PartialEq for Measure {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

const MEASURES: [Measure; 18] = [
    Measure { name: "errors", unit: Unit::Count, value: |r| r.totals.errors as f64 },
    Measure { name: "missed", unit: Unit::Count, value: |r| r.totals.missed as f64 },
    Measure { name: "ok", unit: Unit::Count, value: |r| r.totals.ok as f64 },
    Measure {
        name: "left_behind",
        unit: Unit::Count,
        value: |r| r.tasks.map_or(0, |t| t.left_behind) as f64,
    },
    Measure { name: "error_rate", unit: Unit::Share, value: |r| share(r.totals.errors + r.totals.missed, r) },
    Measure { name: "missed_rate", unit: Unit::Share, value: |r| share(r.totals.missed, r) },
    Measure { name: "ok_rate", unit: Unit::Rate, value: |r| r.totals.ok_rate },
    Measure { name: "mean", unit: Unit::Milliseconds, value: |r| r.latency.mean },
    Measure { name: "p50", unit: Unit::Milliseconds, value: |r| r.latency.p50 },
    Measure { name: "p75", unit: Unit::Milliseconds, value: |r| r.latency.p75 },
    Measure { name: "p90", unit: Unit::Milliseconds, value: |r| r.latency.p90 },
    Measure { name: "p95", unit: Unit::Milliseconds, value: |r| r.latency.p95 },
    Measure { name: "p99", unit: Unit::Milliseconds, value: |r| r.latency.p99 },
    Measure { name: "p99.9", unit: Unit::Milliseconds, value: |r| r.latency.p999 },
    Measure { name: "max", unit: Unit::Milliseconds, value: |r| r.latency.max },
    Measure { name: "service_p50", unit: Unit::Milliseconds, value: |r| r.service.p50 },
    Measure { name: "service_p99", unit: Unit::Milliseconds, value: |r| r.service.p99 },
    Measure { name: "lateness_p99", unit: Unit::Milliseconds, value: |r| r.lateness.p99 },
];

fn share(part: u64, report: &LoadReport) -> f64 {
    if report.totals.scheduled == 0 { 0.0 } else { part as f64 / report.totals.scheduled as f64 }
}

impl Threshold {
    /// Reads `MEASURE>LIMIT`, also with `>=`, `<`, `<=`.
    ///
    /// # Errors
    /// When the measure is unknown or the limit is none of its unit.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let wrong = |problem: String| {
            let hint = "write e.g. errors>0, p99>500ms, error_rate>1% or ok_rate<190/s";
            Error::invalid("limit", text, problem, hint)
        };
        let at = text.find(['<', '>']).ok_or_else(|| wrong("has no < or >".to_owned()))?;
        let (name, rest) = text.split_at(at);
        let (comparison, limit) = if let Some(rest) = rest.strip_prefix(">=") {
            (Comparison::AtLeast, rest)
        } else if let Some(rest) = rest.strip_prefix("<=") {
            (Comparison::AtMost, rest)
        } else {
            (if rest.starts_with('>') { Comparison::Above } else { Comparison::Below }, &rest[1..])
        };
        let measure = MEASURES.into_iter().find(|measure| measure.name == name.trim()).ok_or_else(|| {
            let known: Vec<&str> = MEASURES.iter().map(|measure| measure.name).collect();
            wrong(format!("{:?} is none of {}", name.trim(), known.join(", ")))
        })?;
        let limit = read_limit(measure.unit, limit.trim()).map_err(wrong)?;
        Ok(Self { text: text.to_owned(), measure, comparison, limit })
    }

    /// Whether a report crosses the limit.
    pub(crate) fn check(&self, report: &LoadReport) -> Check {
        let value = (self.measure.value)(report);
        let failed = match self.comparison {
            Comparison::Above => value > self.limit,
            Comparison::AtLeast => value >= self.limit,
            Comparison::Below => value < self.limit,
            Comparison::AtMost => value <= self.limit,
        };
        if self.measure.unit == Unit::Milliseconds && self.is_unmeasured(report) {
            return Check { fail_if: self.text.clone(), value: f64::INFINITY, failed: true };
        }
        Check { fail_if: self.text.clone(), value, failed }
    }

    /// Whether nothing was measured, or so many requests were missed, each of which is infinitely late, that they reach the percentile.
    fn is_unmeasured(&self, report: &LoadReport) -> bool {
        let name = self.measure.name;
        let (count, missed) = match name {
            "lateness_p99" => (report.lateness.count, 0),
            "service_p50" | "service_p99" => (report.service.count, report.totals.missed),
            _ => (report.latency.count, report.totals.missed),
        };
        // the mean and the highest allow none
        let percentile: f64 = name.rsplit('p').next().and_then(|text| text.parse().ok()).unwrap_or(100.0);
        count == 0 || missed as f64 > (100.0 - percentile) / 100.0 * (count + missed) as f64
    }
}

fn read_limit(unit: Unit, text: &str) -> Result<f64, String> {
    let number = |text: &str, what: &str| {
        let value: Option<f64> = text.trim().parse().ok();
        value
            .filter(|value| value.is_finite() && *value >= 0.0)
            .ok_or_else(|| format!("{text:?} is no {what}"))
    };
    match unit {
        Unit::Count => number(text, "number"),
        Unit::Share => match text.strip_suffix('%') {
            Some(percent) => Ok(number(percent, "number of percent")? / 100.0),
            None => number(text, "share such as 1% or 0.01"),
        },
        Unit::Rate => parse_rate(text).map_err(|_| format!("{text:?} is no rate such as 190/s")),
        Unit::Milliseconds => match text.strip_suffix("ms").map(|text| number(text, "duration")) {
            Some(milliseconds) => milliseconds,
            None => parse_duration(text)
                .map(|duration| duration.as_secs_f64() * 1000.0)
                .map_err(|_| format!("{text:?} is no duration such as 500ms or 2s")),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Quantiles, Totals};

    fn report() -> LoadReport {
        LoadReport {
            start_time: String::new(),
            start_ms: 0,
            planned_seconds: 1.0,
            sending_seconds: 1.0,
            ended_early: false,
            seed: 0,
            totals: Totals { scheduled: 200, ok: 198, errors: 2, ok_rate: 198.0, ..Totals::default() },
            latency: Quantiles { count: 198, p99: 500.0, p50: 0.25, ..Quantiles::default() },
            service: Quantiles::default(),
            lateness: Quantiles::default(),
            operations: Vec::new(),
            tasks: None,
            checks: Vec::new(),
            timeline: Vec::new(),
        }
    }

    #[test]
    fn limits_are_crossed_or_not() {
        let check = |text: &str, failed: bool| {
            let check = Threshold::parse(text).unwrap().check(&report());
            assert_eq!((check.failed, check.fail_if.as_str()), (failed, text), "{}", check.value);
        };
        check("errors>0", true);
        check("errors > 2", false);
        check("errors>=2", true);
        check("missed>0", false);
        check("error_rate>1%", false);
        check("error_rate>=0.01", true);
        check("p99>500ms", false);
        check("p99>=0s", true);
        check("p99>499.5ms", true);
        check("p50>0.2ms", true);
        check("ok_rate<199/s", true);
        check("ok_rate<=197/s", false);
        let mut report = report();
        let limits = ["p99>1s", "errors>0"].map(|text| Threshold::parse(text).unwrap());
        assert!(!report.judge(&limits) && report.judge(&limits[..1]));
    }

    #[test]
    fn what_was_not_measured_keeps_no_latency_limit() {
        let check = |text: &str, count: u64, missed: u64, failed: bool| {
            let mut report = report();
            report.latency.count = count;
            report.totals.missed = missed;
            report.totals.errors = 0;
            assert_eq!(
                Threshold::parse(text).unwrap().check(&report).failed,
                failed,
                "{text} {count} {missed}"
            );
        };
        check("p99>1s", 0, 0, true);
        check("p99<0s", 0, 0, true);
        check("p99>1s", 198, 2, false);
        check("p99>1s", 197, 3, true);
        check("p50>1s", 197, 3, false);
        check("max>1s", 199, 1, true);
        check("service_p99>1s", 198, 0, true);
        check("error_rate>1%", 197, 3, true);
    }

    #[test]
    fn wrong_limits_are_refused() {
        let check = |text: &str, expected: &str| {
            let error = Threshold::parse(text).unwrap_err().to_string();
            assert!(error.contains(expected) && error.contains("hint: "), "{error}");
        };
        check("errors", "has no < or >");
        check("p98>1s", "is none of errors");
        check("p99>fast", "is no duration");
        check("errors>-1", "is no number");
        check("ok_rate<1/x", "is no rate");
        check("error_rate>much%", "is no number of percent");
    }
}
