//! The shipped alerts: there are six, each is PromQL, says what to do, and does not fall into the traps that the
//! first text of these rules fell into. Input: `prometheus-rules.yaml`. Evaluates nothing.

use tidewatch_promql::parse;

use crate::files::{Alert, SCRAPE_INTERVAL, alerts, path};
use crate::metrics::range_windows;

fn alert(name: &str) -> Alert {
    alerts().into_iter().find(|alert| alert.alert == name).unwrap_or_else(|| panic!("no alert {name}"))
}

#[test]
fn there_are_six_alerts_and_each_says_what_it_means_and_what_to_do() {
    let names: Vec<String> = alerts().into_iter().map(|alert| alert.alert).collect();
    let expected = [
        "HighErrorRate",
        "HighAPILatency",
        "PodCrashLooping",
        "HighKafkaConsumerLag",
        "NodeMemoryPressure",
        "PodMemoryUsageHigh",
    ];
    assert_eq!(names, expected);
    for alert in alerts() {
        let name = &alert.alert;
        parse(&alert.expr).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(alert.hold, "5m", "{name}");
        assert!(["critical", "warning"].contains(&alert.labels["severity"].as_str()), "{name}");
        assert!(["summary", "description"].iter().all(|key| !alert.annotations[*key].is_empty()), "{name}");
        let runbook = &alert.annotations["runbook_url"];
        assert_eq!(*runbook, format!("docs/runbooks/{name}.md"));
        let page =
            std::fs::read_to_string(path(runbook)).unwrap_or_else(|error| panic!("{runbook}: {error}"));
        for heading in ["## Cause", "## Check", "## Remedy"] {
            assert!(page.contains(heading), "{runbook} has no {heading}");
        }
        assert!(range_windows(&alert.expr).iter().all(|window| *window >= SCRAPE_INTERVAL * 4), "{name}");
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
