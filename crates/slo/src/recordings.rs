//! The recording rules of an objective: rates, shares of failures over all windows, and the error budget.
//!
//! Input: an objective and the time between evaluations. Output: rules in the order in which they build on each other. Everything
//! beyond five minutes is a sum over recorded rates of events and of failures, divided once: each event weighs the same
//! whenever it came, pods may come and go, and a window of a week reads two series instead of all of the application's.

use crate::expand::{GeneratedRule, RuleName};
use crate::objective::Objective;
use crate::windows::{BASE_WINDOW, INDICATOR_WINDOWS, window_text};
use std::collections::BTreeMap;
use std::time::Duration;

/// The series that tells what is promised, with the value 1.
pub(crate) const INFO: &str = "slo:info";
/// What every name of a share of failures begins with; the window follows.
pub(crate) const ERROR_RATIO: &str = "slo:sli_error:ratio_rate";
/// The share of the budget that is left; negative when more is used.
pub(crate) const BUDGET_REMAINING: &str = "slo:period_error_budget_remaining:ratio";

const EVENTS: &str = "slo:events:rate5m";
const FAILURES: &str = "slo:failures:rate5m";

/// The name of the share of failures over a window.
pub(crate) fn error_ratio(window: Duration) -> String {
    format!("{ERROR_RATIO}{}", window_text(window))
}

/// PromQL: how many events failed within a window. A recorded rate of the last 5 minutes stands for one evaluation.
pub(crate) fn failures_within(objective: &Objective, window: Duration, interval: Duration) -> String {
    let failures = objective.selector(FAILURES);
    format!("sum_over_time({failures}[{}]) * {}", window_text(window), interval.as_secs())
}

/// All recording rules of an objective.
pub(crate) fn recordings(objective: &Objective) -> Vec<GeneratedRule> {
    let record = |name: &str, expr: String| GeneratedRule {
        name: RuleName::Record(name.to_owned()),
        expr,
        labels: labels(objective),
        annotations: BTreeMap::new(),
    };
    let budget = objective.objective.rest().ratio_text();
    let base = window_text(BASE_WINDOW);
    let events = objective.selector(EVENTS);
    let mut info = record(INFO, "vector(1)".to_owned());
    info.labels.extend(facts(objective));
    let mut rules = vec![
        info,
        record("slo:objective:ratio", format!("vector({})", objective.objective.ratio_text())),
        record("slo:error_budget:ratio", format!("vector({budget})")),
        record(EVENTS, objective.indicator.events(&base)),
        record(FAILURES, objective.indicator.failures(&base, &events)),
    ];
    let mut windows = INDICATOR_WINDOWS.to_vec();
    if !windows.contains(&objective.window) {
        windows.push(objective.window);
    }
    rules.extend(windows.iter().map(|window| record(&error_ratio(*window), ratio(objective, *window))));
    let hour = objective.selector(&error_ratio(Duration::from_secs(3600)));
    let period = objective.selector(&error_ratio(objective.window));
    rules.push(record("slo:current_burn_rate:ratio", format!("{hour} / {budget}")));
    rules.push(record("slo:period_burn_rate:ratio", format!("{period} / {budget}")));
    rules.push(record(BUDGET_REMAINING, format!("1 - {period} / {budget}")));
    rules
}

/// The labels of every series of an objective.
pub(crate) fn labels(objective: &Objective) -> BTreeMap<String, String> {
    let own = objective.identity().map(|(name, value)| (name.to_owned(), value.to_owned()));
    own.into_iter().chain(objective.labels.clone()).collect()
}

/// What the information series tells beside them.
fn facts(objective: &Objective) -> Vec<(String, String)> {
    let mut facts = vec![
        ("kind", objective.indicator.kind().name().to_owned()),
        ("objective", objective.objective.ratio_text()),
        ("window", window_text(objective.window)),
        ("description", objective.description.clone()),
    ];
    if let crate::Indicator::Latency { threshold, .. } = &objective.indicator {
        facts.push(("threshold", threshold.as_secs_f64().to_string()));
    }
    facts.retain(|(_, value)| !value.is_empty());
    facts.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// The share of failures within a window: 0 when nothing happened, as then nothing failed; no answer while failures are unknown.
fn ratio(objective: &Objective, window: Duration) -> String {
    let of = |series: &str| {
        let selector = objective.selector(series);
        if window == BASE_WINDOW {
            selector
        } else {
            format!("sum_over_time({selector}[{}])", window_text(window))
        }
    };
    let (events, failures) = (of(EVENTS), of(FAILURES));
    format!("{failures} / ({events} > 0)\nor\n{failures} * 0")
}
