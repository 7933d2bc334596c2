//! What rules say about themselves, under Prometheus's names.
//!
//! Input: the counts of the groups in force. Output: families in the registry, asked for at a scrape. Native histograms, which
//! Prometheus has beside its summaries, are not here.

use crate::live::Rules;
use crate::status::{Totals, View};
use std::sync::{Arc, Weak};
use tidewatch_telemetry::{Observations, Registry, Summary};

/// A value of a group.
type Value = fn(&View, &Totals) -> Option<f64>;

const COUNTERS: [(&str, &str, Value); 4] = [
    ("prometheus_rule_evaluations_total", "The total number of rule evaluations.", |_, totals| {
        Some(totals.evaluations as f64)
    }),
    (
        "prometheus_rule_evaluation_failures_total",
        "The total number of rule evaluation failures.",
        |_, totals| Some(totals.failures as f64),
    ),
    (
        "prometheus_rule_group_iterations_total",
        "The total number of scheduled rule group evaluations, whether executed or missed.",
        |_, totals| Some(totals.iterations as f64),
    ),
    (
        "prometheus_rule_group_iterations_missed_total",
        "The total number of rule group evaluations missed due to slow rule group evaluation.",
        |_, totals| Some(totals.missed as f64),
    ),
];

const GAUGES: [(&str, &str, Value); 7] = [
    ("prometheus_rule_group_interval_seconds", "The interval of a rule group.", |view, _| {
        Some(view.group().interval.as_secs_f64())
    }),
    (
        "prometheus_rule_group_last_evaluation_timestamp_seconds",
        "The timestamp of the last rule group evaluation in seconds.",
        |_, totals| Some(totals.last_evaluation.map_or(0.0, |time| time as f64 / 1000.0)),
    ),
    (
        "prometheus_rule_group_last_duration_seconds",
        "The duration of the last rule group evaluation.",
        |_, totals| Some(totals.evaluation_time.as_secs_f64()),
    ),
    (
        "prometheus_rule_group_last_rule_duration_sum_seconds",
        "The sum of time in seconds it took to evaluate each rule in the group regardless of concurrency. This should be higher than \
         the group duration if rules are evaluated concurrently.",
        |_, totals| Some(totals.rule_time.as_secs_f64()),
    ),
    (
        "prometheus_rule_group_last_restore_duration_seconds",
        "The duration of the last alert rules alerts restoration using the `ALERTS_FOR_STATE` series.",
        |_, totals| Some(totals.restore_time.as_secs_f64()).filter(|seconds| *seconds > 0.0),
    ),
    ("prometheus_rule_group_rules", "The number of rules.", |view, _| Some(view.group().rules.len() as f64)),
    (
        "prometheus_rule_group_last_evaluation_samples",
        "The number of samples returned during the last rule group evaluation.",
        |_, totals| Some(totals.samples as f64),
    ),
];

impl Rules {
    /// Adds the metrics of the rules to a registry; once.
    pub fn register(self: &Arc<Self>, registry: &Registry) {
        let rules = Arc::downgrade(self);
        registry.observe(move |out| {
            if let Some(rules) = rules.upgrade() {
                observe(out, &rules);
            }
        });
        let lengths = |quantiles: &'static [f64], of: fn(&Rules, &[f64]) -> Summary| {
            let rules: Weak<Self> = Arc::downgrade(self);
            move || rules.upgrade().map(|rules| of(&rules, quantiles)).into_iter().collect()
        };
        registry.observe_summaries(
            "prometheus_rule_evaluation_duration_seconds",
            "The duration for a rule to execute",
            lengths(&[0.5, 0.9, 0.99], |rules, quantiles| rules.shared().rule_lengths.summary(quantiles)),
        );
        registry.observe_summaries(
            "prometheus_rule_group_duration_seconds",
            "The duration of rule group evaluations",
            lengths(&[0.01, 0.05, 0.5, 0.9, 0.99], |rules, quantiles| {
                rules.shared().group_lengths.summary(quantiles)
            }),
        );
    }
}

fn observe(out: &mut Observations<'_>, rules: &Rules) {
    let views = rules.views().clone();
    let groups: Vec<(String, Totals, &View)> =
        views.iter().map(|view| (view.group().key(), view.totals().clone(), &**view)).collect();
    let values = |value: Value| {
        let of = move |(key, totals, view): &(String, Totals, &View)| {
            value(view, totals).map(|value| (vec![("rule_group", key.clone())], value))
        };
        groups.iter().filter_map(of).collect::<Vec<_>>()
    };
    for (name, help, value) in COUNTERS {
        out.counters(name, help, values(value));
    }
    for (name, help, value) in GAUGES {
        out.gauges(name, help, values(value));
    }
}
