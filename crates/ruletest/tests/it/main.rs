//! The tests of the rules this repository ships, and what tests say that fail.
//!
//! Input: kubernetes/monitoring and kubernetes/tests. scripts/check-manifests.sh runs the same files with promtool, where it is installed.

#![allow(clippy::unwrap_used)] // a test that cannot read its input has failed

use std::fs;
use std::path::Path;
use tidewatch_ruletest::{FileResult, RunOptions, run_file};

/// Runs the tests of a shipped rule file, with a text of the rules replaced.
fn shipped(name: &str, only: Option<&str>, from: &str, to: &str) -> FileResult {
    let kubernetes = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../kubernetes");
    let folder = tempfile::tempdir().unwrap();
    let rules = fs::read_to_string(kubernetes.join(format!("monitoring/{name}.yaml"))).unwrap();
    assert!(rules.contains(from), "{from}");
    let inside = |part: &str| {
        fs::create_dir(folder.path().join(part)).unwrap();
        folder.path().join(part)
    };
    fs::write(inside("monitoring").join(format!("{name}.yaml")), rules.replace(from, to)).unwrap();
    let tests = inside("tests").join(format!("{name}.test.yaml"));
    fs::copy(kubernetes.join(format!("tests/{name}.test.yaml")), &tests).unwrap();
    let only = only.map(|only| regex::Regex::new(only).unwrap());
    run_file(&tests, &RunOptions { only, ..RunOptions::default() }).unwrap()
}

fn assert_passes(name: &str) {
    let result = shipped(name, None, "", "");
    assert_eq!(result.failures().collect::<Vec<_>>(), [""; 0]);
    assert!(result.unmatched.is_empty() && result.tests.len() > 5, "{}", result.tests.len());
}

#[test]
fn the_alerts_pass_their_tests() {
    assert_passes("prometheus-rules");
}

#[test]
fn the_objectives_pass_their_tests() {
    assert_passes("slo-rules");
}

#[test]
fn a_changed_alert_fails_its_tests() {
    let result = shipped("prometheus-rules", Some("HighErrorRate"), "severity: critical", "severity: low");
    let failures: Vec<&str> = result.failures().collect();
    assert!(failures.iter().any(|f| f.contains("got:[") && f.contains("severity=\"low\"")), "{failures:?}");
}

/// Runs one test over two rules and gives what fails, one below the other.
fn failures_of(test: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let rules = "groups:\n- name: g\n  rules:\n  - record: double\n    expr: 2 * up\n  - alert: Down\n    expr: up == 0\n    \
                 for: 2m\n    labels: {severity: page}\n    annotations: {text: '{{ $labels.job }} is {{ $value }}', none: ''}\n";
    fs::write(folder.path().join("rules.yml"), rules).unwrap();
    let path = folder.path().join("test.yml");
    let series = "input_series: [{series: 'up{job=\"a\"}', values: '1 0x5'}]";
    fs::write(&path, format!("rule_files: ['r*.yml']\ntests:\n- {{name: t, {series}, {test}}}\n")).unwrap();
    match run_file(&path, &RunOptions::default()) {
        Ok(result) => result.failures().collect::<Vec<_>>().join("\n"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn expectations_hold_at_the_last_evaluation_before_them() {
    let check = |test: &str, expected: &str| {
        let failures = failures_of(test);
        if expected.is_empty() {
            assert_eq!(failures, "", "{test}");
        }
        assert!(failures.contains(expected), "{test}: {failures}");
    };
    let fires =
        "exp_alerts: [{exp_labels: {job: a, severity: page}, exp_annotations: {text: a is 0, none: ''}}]";
    check("alert_rule_test: [{alertname: Down, eval_time: 2m59s}]", "");
    check(&format!("alert_rule_test: [{{alertname: Down, eval_time: 3m30s, {fires}}}]"), "");
    check(
        "alert_rule_test: [{alertname: Down, eval_time: 3m}]",
        "alertname: Down, time: 3m, \n        exp:[], \n",
    );
    check(&format!("alert_rule_test: [{{alertname: Down, eval_time: 1m, {fires}}}]"), "got:[]");
    check("alert_rule_test: [{eval_time: 1m}]", "misses required attribute alertname at eval_time 1m");
    let double = "exp_samples: [{labels: 'double{job=\"a\"}', value: 2}]";
    check(&format!("promql_expr_test: [{{expr: double, {double}}}]"), "");
    check(
        &format!("promql_expr_test: [{{expr: double, eval_time: 1m, {double}}}]"),
        "got: {__name__=\"double\", job=\"a\"} 0E+00",
    );
    check("promql_expr_test: [{expr: 'up[1m]'}]", "rule result is not a vector or scalar");
    check("promql_expr_test: [{expr: 'up('}]", "expr: \"up(\", time: 0s, err: ");
    check("alert_rule_test: [{alertnam: Down}]", "unknown field");
}
