//! Whole scenarios, line by line, as kube-controller-manager's own code decides them.

use serde_json::{Value, json};
use tidewatch_autoscale::Scenario;

/// An autoscaler of 1 to 10 replicas, 70 % CPU.
fn hpa(changes: &Value) -> Value {
    let mut spec = json!({
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
        "minReplicas": 1, "maxReplicas": 10,
        "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 70}}}],
    });
    for (key, value) in changes.as_object().unwrap() {
        spec[key] = value.clone();
    }
    json!({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "web"}, "spec": spec})
}

/// Old ready pods that request 100m, one for each usage; `null` for one without metrics.
fn pods(usages: &[Option<i32>]) -> Value {
    let pod = |(index, usage): (usize, &Option<i32>)| {
        let usage = usage.map(|milli| json!({"cpu": format!("{milli}m")}));
        json!({"name": format!("p{index}"), "phase": "Running", "ready": true, "readyTransitionTime": -900,
            "startTime": -1000, "containers": [{"name": "app", "requests": {"cpu": "100m"}, "usage": usage}]})
    };
    usages.iter().enumerate().map(pod).collect()
}

/// Each expected line: current, desired, whether it scaled, and `AbleToScale ScalingActive ScalingLimited` by reason.
fn check(what: &str, scenario: &Value, expected: &[(i32, i32, bool, &str)]) {
    let scenario = Scenario::parse(&scenario.to_string()).unwrap();
    let lines: Vec<Value> =
        scenario.replay().map(|tick| serde_json::from_str(&tick.line(false)).unwrap()).collect();
    let reasons = |line: &Value| {
        ["AbleToScale", "ScalingActive", "ScalingLimited"]
            .iter()
            .map(|kind| line["conditions"][kind].as_str().unwrap_or("-").to_owned())
            .collect::<Vec<_>>()
            .join(" ")
    };
    let found: Vec<(i64, i64, bool, String)> = lines
        .iter()
        .map(|line| {
            let number = |key: &str| line[key].as_i64().unwrap();
            (
                number("currentReplicas"),
                number("desiredReplicas"),
                line["scaled"].as_bool().unwrap(),
                reasons(line),
            )
        })
        .collect();
    let expected: Vec<(i64, i64, bool, String)> = expected
        .iter()
        .map(|(current, desired, scaled, reasons)| {
            ((*current).into(), (*desired).into(), *scaled, (*reasons).to_owned())
        })
        .collect();
    assert_eq!(found, expected, "{what}");
}

const UP: &str = "True/SucceededRescale True/ValidMetricFound False/DesiredWithinRange";
const STAY: &str = "True/ReadyForNewScale True/ValidMetricFound False/DesiredWithinRange";

#[test]
fn cpu_by_utilization() {
    let one = |usages: &[Option<i32>], replicas: i32| json!({"hpa": hpa(&json!({})), "ticks": [{"t": 0, "replicas": replicas, "pods": pods(usages)}]});
    let limited = "True/SucceededRescale True/ValidMetricFound True/ScaleUpLimit";
    check("143 % of 70 % asks for 5", &one(&[Some(143), Some(143)], 2), &[(2, 4, true, limited)]);
    check("just within the tolerance", &one(&[Some(77), Some(77)], 2), &[(2, 2, false, STAY)]);
    check("just beyond it", &one(&[Some(78), Some(78)], 2), &[(2, 3, true, UP)]);
    check("a missing pod as unused", &one(&[Some(160), None], 2), &[(2, 3, true, UP)]);
    check("a missing pod in full use", &one(&[Some(10), None], 2), &[(2, 2, false, STAY)]);
    check("a missing pod would turn the direction", &one(&[Some(80), None], 2), &[(2, 2, false, STAY)]);
    check("fewer pods than replicas would turn it", &one(&[Some(160), None], 9), &[(9, 9, false, STAY)]);
    let failed = "True/SucceededGetScale False/FailedGetResourceMetric -";
    check("no metrics at all", &one(&[None, None], 2), &[(2, 0, false, failed)]);
    check("no pods", &one(&[], 2), &[(2, 0, false, failed)]);
}

#[test]
fn limits_come_before_metrics() {
    let ticks = json!([
        {"t": 0, "replicas": 0},
        {"t": 15, "replicas": 12},
        {"t": 30, "replicas": 10, "scaleGetError": "gone"},
        {"t": 45, "replicas": 1, "scaleUpdateError": "gone"},
        {"t": 60},
    ]);
    let disabled = "True/SucceededGetScale False/ScalingDisabled -";
    let expected = [
        (0, 0, false, disabled),
        (12, 10, true, "True/SucceededRescale False/ScalingDisabled -"),
        (12, 10, false, "False/FailedGetScale False/ScalingDisabled -"),
        (1, 10, false, "False/FailedUpdateScale False/ScalingDisabled -"),
        (1, 2, true, "True/SucceededRescale False/ScalingDisabled -"),
    ];
    check("bounds and errors", &json!({"hpa": hpa(&json!({"minReplicas": 2})), "ticks": ticks}), &expected);
}

#[test]
fn down_only_after_the_window() {
    let tick = |t: i32| json!({"t": t, "pods": pods(&[Some(1), Some(1), Some(1), Some(1)])});
    let mut first = tick(0);
    first["replicas"] = json!(4);
    let held = "True/ScaleDownStabilized True/ValidMetricFound False/DesiredWithinRange";
    let without = json!({"hpa": hpa(&json!({})), "ticks": [first, tick(15), tick(300), tick(301)]});
    check(
        "without behavior the window includes its beginning",
        &without,
        &[(4, 4, false, held), (4, 4, false, held), (4, 4, false, held), (4, 1, true, UP)],
    );
    let behavior = json!({"behavior": {"scaleDown": {"stabilizationWindowSeconds": 60, "policies": [
        {"type": "Pods", "value": 1, "periodSeconds": 30}]}}});
    let with = json!({"hpa": hpa(&behavior), "ticks": [first, tick(59), tick(60), tick(75), tick(90)]});
    let limited = "True/SucceededRescale True/ValidMetricFound True/ScaleDownLimit";
    let waits = "True/ReadyForNewScale True/ValidMetricFound True/ScaleDownLimit";
    check(
        "with behavior it does not, and policies hold back",
        &with,
        &[
            (4, 4, false, held),
            (4, 4, false, held),
            (4, 3, true, limited),
            (3, 3, false, waits),
            (3, 2, true, limited),
        ],
    );
}

#[test]
fn several_metrics_and_their_failures() {
    let metrics = json!({"metrics": [
        {"type": "External", "external": {"metric": {"name": "queue"}, "target": {"type": "AverageValue", "averageValue": "10"}}},
        {"type": "Object", "object": {"metric": {"name": "rate"}, "describedObject": {"kind": "Service", "name": "web"},
            "target": {"type": "Value", "value": "100"}}},
        {"type": "Pods", "pods": {"metric": {"name": "busy"}, "target": {"type": "AverageValue", "averageValue": "500m"}}},
    ]});
    let pods = pods(&[Some(1), Some(1)]);
    let busy = json!({"busy": {"p0": "600m", "p1": "0.6"}});
    let ticks = json!([
        {"t": 0, "replicas": 2, "pods": pods, "externalMetrics": {"queue": ["11", "20"]}, "objectMetrics": {"rate": "1"}, "podsMetrics": busy},
        {"t": 15, "replicas": 2, "pods": pods, "externalMetrics": {"queue": ["11", "20"]}},
        {"t": 30, "replicas": 2, "pods": pods, "objectMetrics": {"rate": "1"}},
        {"t": 45, "replicas": 2, "pods": pods, "externalMetrics": {"queue": ["-1"]}, "podsMetrics": busy},
    ]);
    let expected = [
        (2, 4, true, UP),
        (2, 4, true, UP),
        (2, 4, false, "True/SucceededGetScale False/FailedGetExternalMetric False/DesiredWithinRange"),
        (2, 4, true, "True/SucceededRescale True/ValidMetricFound True/ScaleUpLimit"),
    ];
    check(
        "the highest counts, failures only hinder going down",
        &json!({"hpa": hpa(&metrics), "ticks": ticks}),
        &expected,
    );
}
