//! The rules that an objective becomes.

use crate::{AVAILABILITY, declaration};
use tidewatch_slo::{Declaration, GeneratedRule, RuleName, expand, prometheus_rule};

fn read(fields: &str) -> Declaration {
    Declaration::parse("slo.yaml", &declaration(fields)).unwrap()
}

fn rules(declaration: &Declaration) -> Vec<GeneratedRule> {
    expand(declaration).into_iter().flat_map(|group| group.rules).collect()
}

fn rule(rules: &[GeneratedRule], name: &str) -> GeneratedRule {
    let is =
        |rule: &&GeneratedRule| matches!(&rule.name, RuleName::Record(n) | RuleName::Alert(n) if n == name);
    rules.iter().find(is).unwrap_or_else(|| panic!("no rule {name}")).clone()
}

#[test]
fn an_objective_becomes_series_of_all_windows_and_two_alerts() {
    let names: Vec<String> = rules(&read(AVAILABILITY))
        .into_iter()
        .map(|rule| match rule.name {
            RuleName::Record(name) | RuleName::Alert(name) => name,
        })
        .collect();
    let ratio = |window| format!("slo:sli_error:ratio_rate{window}");
    let mut expected: Vec<String> = [
        "slo:info",
        "slo:objective:ratio",
        "slo:error_budget:ratio",
        "slo:events:rate5m",
        "slo:failures:rate5m",
    ]
    .map(str::to_owned)
    .into();
    expected.extend(["5m", "30m", "1h", "2h", "6h", "1d", "3d", "28d"].map(ratio));
    expected.extend(
        [
            "slo:current_burn_rate:ratio",
            "slo:period_burn_rate:ratio",
            "slo:period_error_budget_remaining:ratio",
            "ErrorBudgetBurnFast",
            "ErrorBudgetBurnSlow",
        ]
        .map(str::to_owned),
    );
    assert_eq!(names, expected);
    let three_days = AVAILABILITY.replace("28d", "3d");
    assert_eq!(rules(&read(&three_days)).len(), names.len() - 1, "the window of 3d is recorded once");
}

#[test]
fn every_expression_is_promql() {
    let latency = "      objective: 95\n      window: 7d\n      latency: {histogram: d, threshold: 1s}\n";
    for fields in [AVAILABILITY, latency] {
        for rule in rules(&read(fields)) {
            let parsed = tidewatch_promql::parse(&rule.expr);
            assert!(parsed.is_ok(), "{}: {:?}", rule.expr, parsed.err());
        }
    }
}

#[test]
fn an_alert_wants_both_windows_and_enough_failures() {
    let declaration = read(&format!("{AVAILABILITY}      minimumFailures: 7\n"));
    let fast = rule(&rules(&declaration), "ErrorBudgetBurnFast");
    let own = "{namespace=\"shop\", service=\"api\", slo=\"api\"}";
    let arm = |long: &str, short: &str, factor: &str| {
        format!(
            "(\n  slo:sli_error:ratio_rate{long}{own} / 0.001 > {factor}\n  and\n  \
             slo:sli_error:ratio_rate{short}{own} / 0.001 > {factor}\n  and\n  \
             sum_over_time(slo:failures:rate5m{own}[{long}]) * 30 > 6.4\n)"
        )
    };
    assert_eq!(fast.expr, format!("{}\nor\n{}", arm("1h", "5m", "14.4"), arm("6h", "30m", "6")));
    assert_eq!((fast.labels["severity"].as_str(), fast.labels["team"].as_str()), ("critical", "core"));
    let slow = rule(&rules(&declaration), "ErrorBudgetBurnSlow");
    assert_eq!(slow.expr, format!("{}\nor\n{}", arm("1d", "2h", "3"), arm("3d", "6h", "1")));
    assert_eq!(slow.labels["severity"], "warning");
}

#[test]
fn the_text_is_what_a_cluster_reads() {
    let declaration = read(AVAILABILITY);
    let text = prometheus_rule("slo.yaml", &declaration);
    let read = tidewatch_manifest::load_text("rules.yaml", &text).unwrap();
    assert!(read.warnings.is_empty(), "{:?}", read.warnings);
    let [object] = read.prometheus_rules.as_slice() else { panic!("{text}") };
    assert_eq!((object.meta.name.as_str(), object.meta.namespace.as_str()), ("shop-slos", "monitoring"));
    let made = rules(&declaration);
    let found = &object.groups[0].rules;
    assert_eq!(found.len(), made.len());
    for (found, made) in found.iter().zip(&made) {
        assert_eq!(found.expr.trim_end(), made.expr);
        assert_eq!((&found.labels, &found.annotations), (&made.labels, &made.annotations));
    }
}
