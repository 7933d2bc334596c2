//! Scenarios that are wrong: each mistake is told with its field, value and remedy.

use serde_json::{Value, json};
use tidewatch_autoscale::Scenario;

fn scenario() -> Value {
    json!({
        "hpa": {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "web"},
            "spec": {"scaleTargetRef": {"kind": "Deployment", "name": "web"}, "maxReplicas": 3}},
        "ticks": [
            {"t": 0, "replicas": 1},
            {"t": 15, "pods": [{"name": "a", "phase": "Running",
                "containers": [{"name": "c", "requests": {"cpu": "1"}, "usage": {"cpu": "100m"}}]}]},
        ],
    })
}

fn check(path: &str, value: Value, expected: &[&str]) {
    let mut scenario = scenario();
    *scenario.pointer_mut(path).unwrap() = value;
    let error = Scenario::parse(&scenario.to_string()).unwrap_err().to_string();
    for part in expected {
        assert!(error.contains(part), "{error}");
    }
    assert!(error.contains("\n  hint: "), "{error}");
}

#[test]
fn mistakes_name_field_value_and_remedy() {
    assert!(Scenario::parse(&scenario().to_string()).is_ok());
    check("/hpa", json!(null), &["hpa: required field is missing"]);
    check("/hpa/spec/maxReplicas", json!(0), &["hpa.spec.maxReplicas: must be from 1 to 2147483647, is 0"]);
    check(
        "/hpa/spec/scaleTargetRef",
        json!({"kind": "Deployment"}),
        &["hpa.spec.scaleTargetRef.name: required"],
    );
    check("/hpa/kind", json!("Pod"), &["hpa.kind: is no HorizontalPodAutoscaler"]);
    check("/ticks", json!(null), &["ticks: required field is missing"]);
    check("/ticks", json!({}), &["ticks: must be a list, is {}"]);
    check("/ticks/0/t", json!(null), &["ticks[0].t: must be a number, is null"]);
    check("/ticks/0/t", json!(0.0005), &["ticks[0].t: must be seconds with at most 3 decimals, is 0.0005"]);
    check("/ticks/1/t", json!(0), &["ticks[1].t: 0 is not later than the tick before"]);
    check("/ticks/0/replicas", json!(null), &["ticks[0].replicas: required field is missing"]);
    check("/ticks/0/replicas", json!(-1), &["ticks[0].replicas: must be a number of replicas", "is -1"]);
    let pod = "/ticks/1/pods/0";
    let place = "ticks[1].pods[0]";
    check(&format!("{pod}/name"), json!(7), &[&format!("{place}.name: must be a text, is 7")]);
    check(&format!("{pod}/phase"), json!("Gone"), &[&format!("{place}.phase: unknown phase \"Gone\"")]);
    let usage = format!("{pod}/containers/0/usage/cpu");
    check(&usage, json!("1x"), &[&format!("{place}.containers[0].usage.cpu: invalid quantity \"1x\"")]);
    check(&usage, json!([1]), &[&format!("{place}.containers[0].usage.cpu: must be a quantity, is [1]")]);
    let pods = json!([{"name": "a", "phase": "Running"}, {"name": "a", "phase": "Running"}]);
    check("/ticks/1/pods", pods, &["ticks[1].pods[1].name: \"a\" is the name of another pod"]);
}

#[test]
fn what_is_no_json_is_told_with_its_place() {
    let check = |text: &str, expected: &str| {
        let error = Scenario::parse(text).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error}");
    };
    check("{\n\"hpa\": }", "line 2 column 8: no JSON");
    check("[]", ": the document is no JSON object");
}
