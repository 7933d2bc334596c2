//! What a declaration may say, and how mistakes are told.

use crate::{AVAILABILITY, declaration};
use std::time::Duration;
use tidewatch_slo::{Declaration, SloKind};

fn check(text: &str, expected: &[&str]) {
    let errors = Declaration::parse("slo.yaml", text).expect_err(text);
    let shown: Vec<String> = errors.iter().map(ToString::to_string).collect();
    assert_eq!(shown.len(), expected.len(), "{shown:#?}");
    for (error, part) in shown.iter().zip(expected) {
        assert!(error.starts_with("slo.yaml:") && error.contains(part), "{part} in {error}");
    }
}

#[test]
fn a_declaration_is_read_with_its_defaults() {
    let read = Declaration::parse("slo.yaml", &declaration(AVAILABILITY)).unwrap();
    assert_eq!((read.name.as_str(), read.interval), ("shop-slos", Duration::from_secs(30)));
    let [objective] = read.objectives.as_slice() else { panic!("{read:?}") };
    assert_eq!(objective.objective.ratio_text(), "0.999");
    assert_eq!(objective.indicator.kind(), SloKind::Availability);
    assert_eq!((objective.minimum_failures, objective.labels["team"].as_str()), (5, "core"));
}

#[test]
fn mistakes_have_a_place_and_a_remedy() {
    let with = |from: &str, to: &str| declaration(&AVAILABILITY.replace(from, to));
    check(&with("99.9", "101"), &["is no percentage of good events"]);
    check(&with("99.9", "90"), &["would not burn 14.4 times as fast"]);
    check(&with("28d", "1d"), &["at least 3d"]);
    check(&with("28d", "30"), &["invalid duration"]);
    check(&with("total: hits_total{job=\"api\"}", "total: rate(hits_total[5m])"), &["plain series selector"]);
    check(&with("{team: core}", "{slo: mine}"), &["the label \"slo\" cannot be set"]);
    check(&with("failed:", "bad:"), &["availability.failed", "availability.bad: unknown field"]);
    check(&with("      objective: 99.9\n", ""), &["objective: required field is missing"]);
    let both = format!("{AVAILABILITY}      latency: {{histogram: d, threshold: 1s}}\n");
    check(&declaration(&both), &["either availability or latency"]);
    let latency =
        |text: &str| declaration(&format!("      objective: 95\n      window: 7d\n      latency: {text}\n"));
    check(&latency("{histogram: d_bucket, threshold: 1s}"), &["is a series of a histogram"]);
    check(&latency("{histogram: d, threshold: 0s}"), &["must be above 0"]);
    check(
        "apiVersion: openslo/v1\nkind: SLO\n",
        &["metadata: required", "spec: required", "openslo/v1", "\"SLO\""],
    );
    let twice = declaration(AVAILABILITY)
        + "    - name: api\n      service: api\n      namespace: shop\n"
        + AVAILABILITY;
    check(&twice, &["a second objective is named \"api\""]);
}

#[test]
fn an_error_names_line_field_and_hint() {
    let text = declaration(&AVAILABILITY.replace("99.9", "most"));
    let errors = Declaration::parse("slo.yaml", &text).unwrap_err();
    let expected = "slo.yaml:9:18: spec.objectives[0].objective: \"most\" is no percentage of good events\n  \
                    hint: write the percentage of good events, above 0 and below 100, with at most 7 decimals, e.g. 99.5";
    assert_eq!(errors[0].to_string(), expected);
}
