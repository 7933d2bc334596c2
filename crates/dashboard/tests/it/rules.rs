//! The shipped alerts: each is PromQL, says what to do, does not fall into the traps that the first text of these rules
//! fell into, and has unit tests. Input: `prometheus-rules.yaml`, `slo-rules.yaml` and their tests. Evaluates nothing.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use tidewatch_promql::parse;

use crate::files::{Rule, SCRAPE_INTERVAL, alerts, read, rules};
use crate::metrics::range_windows;

fn alert(name: &str) -> Rule {
    alerts().into_iter().find(|alert| alert.alert == name).unwrap_or_else(|| panic!("no alert {name}"))
}

/// The shipped alerts, each with how long its expression has to hold.
const ALERTS: [(&str, &str); 20] = [
    ("CertificateExpiring", "15m"),
    ("ErrorBudgetBurnFast", ""),
    ("ErrorBudgetBurnSlow", ""),
    ("EventsDeadLettered", ""),
    ("EventsRefused", "5m"),
    ("HPAAtMaximum", "15m"),
    ("HPAUnableToScale", "5m"),
    ("HighAPILatency", "5m"),
    ("HighErrorRate", "5m"),
    ("HighKafkaConsumerLag", "5m"),
    ("NodeMemoryPressure", "5m"),
    ("OutboxGrowing", "5m"),
    ("PodCrashLooping", "5m"),
    ("PodMemoryUsageHigh", "5m"),
    ("PrometheusStorageFilling", "5m"),
    ("ReplicasUnavailable", "10m"),
    ("ScrapeErrors", "10m"),
    ("TargetDown", "5m"),
    ("TargetMissing", "5m"),
    ("Watchdog", ""),
];

#[test]
fn the_alerts_are_these() {
    let found: BTreeMap<String, String> =
        alerts().into_iter().map(|alert| (alert.alert, alert.hold)).collect();
    let expected = ALERTS.map(|(name, hold)| (name.to_owned(), hold.to_owned())).into();
    assert_eq!(found, expected);
}

#[test]
fn each_alert_says_what_it_means_and_where_it_is_explained() {
    for alert in alerts() {
        let name = &alert.alert;
        let severity = alert.labels["severity"].as_str();
        let expected: &[&str] = if name == "Watchdog" { &["none"] } else { &["critical", "warning"] };
        assert!(expected.contains(&severity), "{name}: {severity}");
        assert!(["summary", "description"].iter().all(|key| !alert.annotations[*key].is_empty()), "{name}");
        assert!(alert.annotations["description"].ends_with('.'), "{name}");
        let runbook = format!("{{{{ $externalURL }}}}/user/{name}.md");
        assert_eq!(alert.annotations["runbook_url"], runbook, "{name}");
        assert_eq!(alert.annotations.len(), 3, "{name}");
    }
}

#[test]
fn each_rule_is_promql_over_windows_of_four_scrapes() {
    for rule in rules() {
        let name = format!("{}{}", rule.alert, rule.record);
        parse(&rule.expr).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(range_windows(&rule.expr).iter().all(|window| *window >= SCRAPE_INTERVAL * 4), "{name}");
    }
}

#[test]
fn the_corrections_hold() {
    let check = |name: &str, has: &[&str], has_not: &[&str]| {
        let alert = alert(name);
        let text = format!("{} {}", alert.expr, alert.annotations["description"]);
        has.iter().for_each(|part| assert!(text.contains(part), "{name} lacks {part}"));
        has_not.iter().for_each(|part| assert!(!text.contains(part), "{name} has {part}"));
    };
    check("HighErrorRate", &["sum by (namespace, job)", "humanizePercentage", "> 0\n"], &["$value }}%"]);
    check("HighAPILatency", &["sum by (namespace, job, le)"], &[]);
    check("PodCrashLooping", &["increase(", "CrashLoopBackOff"], &["rate(kube_pod"]);
    check("HighKafkaConsumerLag", &["sum by (consumergroup, topic)", "clamp_min("], &["{group="]);
    check(
        "PodMemoryUsageHigh",
        &["kube_pod_container_resource_limits", "container_memory_working_set_bytes", "humanizePercentage"],
        &["container_spec_memory_limit_bytes"],
    );
}

/// A file of rule tests, as far as it is looked at here.
#[derive(Deserialize)]
struct TestFile {
    tests: Vec<Test>,
}

#[derive(Deserialize)]
struct Test {
    #[serde(default)]
    alert_rule_test: Vec<AlertTest>,
}

#[derive(Deserialize)]
struct AlertTest {
    alertname: String,
    #[serde(default)]
    exp_alerts: Vec<serde::de::IgnoredAny>,
}

#[test]
fn each_alert_is_tested_firing_and_silent() {
    let (mut firing, mut silent) = (BTreeSet::new(), BTreeSet::new());
    for file in ["prometheus-rules", "slo-rules"] {
        let tests: TestFile =
            serde_saphyr::from_str(&read(&format!("kubernetes/tests/{file}.test.yaml"))).unwrap();
        for test in tests.tests.into_iter().flat_map(|test| test.alert_rule_test) {
            let known = if test.exp_alerts.is_empty() { &mut silent } else { &mut firing };
            known.insert(test.alertname);
        }
    }
    let expected: BTreeSet<String> = ALERTS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(firing, expected);
    silent.insert("Watchdog".to_owned()); // it is never silent
    assert_eq!(silent, expected);
}
