//! The shipped objects fit each other: monitors find Services, Services find ports, HPAs find Deployments that leave the
//! replicas to them, and every container is guarded. Input: the rendered chart and `kubernetes/monitoring`. Asks no cluster.

#![allow(clippy::unwrap_used)] // a test that cannot read its input has failed

use serde_json::Value;
use tidewatch_testkit::{files_below, repository};

const RENDERED: &str = "kubernetes/todo-app-prod.yaml";
const WORKLOADS: [&str; 3] = ["event-service", "todo-backend", "todo-frontend"];

fn objects(text: &str) -> Vec<Value> {
    serde_saphyr::from_multiple::<Value>(text).unwrap().into_iter().filter(Value::is_object).collect()
}

fn rendered() -> Vec<Value> {
    objects(&std::fs::read_to_string(repository().join(RENDERED)).unwrap())
}

fn of_kind(kind: &str, all: &[Value]) -> Vec<Value> {
    all.iter().filter(|object| object["kind"] == kind).cloned().collect()
}

fn name(object: &Value) -> &str {
    object["metadata"]["name"].as_str().unwrap()
}

/// Whether every label that a selector wants is there.
fn selects(wanted: &Value, labels: &Value) -> bool {
    let wanted = wanted.as_object().unwrap();
    !wanted.is_empty() && wanted.iter().all(|(key, value)| labels[key] == *value)
}

fn container(deployment: &Value) -> &Value {
    let containers = deployment["spec"]["template"]["spec"]["containers"].as_array().unwrap();
    assert_eq!(containers.len(), 1, "{}", name(deployment));
    &containers[0]
}

/// A quantity of memory in bytes; the two suffixes that the chart uses.
fn bytes(quantity: &Value) -> f64 {
    let text = quantity.as_str().unwrap();
    let (number, unit) = text.split_at(text.len() - 2);
    let factor = match unit {
        "Mi" => 1024.0 * 1024.0,
        "Gi" => 1024.0 * 1024.0 * 1024.0,
        other => panic!("unknown unit {other}"),
    };
    number.parse::<f64>().unwrap() * factor
}

#[test]
fn every_monitor_reaches_the_metrics_port_of_one_service() {
    let all = rendered();
    let mut monitored = Vec::new();
    for file in files_below("kubernetes/monitoring", "servicemonitor.yaml") {
        let monitor = &objects(&std::fs::read_to_string(&file).unwrap())[0];
        // Dapr's and Kafka's Services and pods are made by their operators.
        if !WORKLOADS.contains(&name(monitor)) {
            continue;
        }
        let services: Vec<Value> = of_kind("Service", &all)
            .into_iter()
            .filter(|service| {
                selects(&monitor["spec"]["selector"]["matchLabels"], &service["metadata"]["labels"])
            })
            .collect();
        let found: Vec<&str> = services.iter().map(name).collect();
        assert_eq!(found, [name(monitor)], "{}", file.display());
        let endpoint = &monitor["spec"]["endpoints"][0];
        assert_eq!(endpoint["honorLabels"], true, "{}", name(monitor));
        assert_eq!(endpoint["interval"], "30s", "{}", name(monitor));
        let ports = services[0]["spec"]["ports"].as_array().unwrap();
        let port =
            ports.iter().find(|port| port["name"] == endpoint["port"]).expect("the Service names the port");
        let pods: Vec<Value> = of_kind("Deployment", &all)
            .into_iter()
            .filter(|d| {
                selects(&services[0]["spec"]["selector"], &d["spec"]["template"]["metadata"]["labels"])
            })
            .collect();
        assert_eq!(pods.len(), 1, "{}", name(monitor));
        let declared = container(&pods[0])["ports"].as_array().unwrap();
        let target =
            declared.iter().find(|declared| declared["name"] == port["targetPort"]).expect("the pod has it");
        assert_eq!(target["containerPort"], 9464);
        monitored.push(name(monitor).to_owned());
    }
    monitored.sort();
    assert_eq!(monitored, WORKLOADS);
}

#[test]
fn the_autoscalers_own_the_replicas_within_the_required_bounds() {
    let all = rendered();
    let deployments = of_kind("Deployment", &all);
    let mut found = Vec::new();
    for hpa in of_kind("HorizontalPodAutoscaler", &all) {
        let spec = &hpa["spec"];
        let target = deployments.iter().find(|d| d["metadata"]["name"] == spec["scaleTargetRef"]["name"]);
        let target = target.expect("the HPA's Deployment exists");
        assert!(target["spec"].get("replicas").is_none(), "{} would fight its HPA", name(target));
        let metrics = spec["metrics"].as_array().unwrap();
        for metric in metrics {
            let resource = metric["resource"]["name"].as_str().unwrap();
            assert!(
                !container(target)["resources"]["requests"][resource].is_null(),
                "{} {resource}",
                name(target)
            );
        }
        let cpu =
            metrics.iter().find(|metric| metric["resource"]["name"] == "cpu").expect("it watches the CPU");
        assert_eq!(cpu["resource"]["target"]["averageUtilization"], 70);
        found.push((
            name(target).to_owned(),
            spec["minReplicas"].as_i64(),
            spec["maxReplicas"].as_i64(),
            metrics.len(),
        ));
    }
    let scaled = of_kind("ScaledObject", &all);
    let [scaled] = scaled.as_slice() else { panic!("one ScaledObject, not {}", scaled.len()) };
    let spec = &scaled["spec"];
    assert_eq!(
        (name(scaled), spec["scaleTargetRef"]["name"].as_str()),
        ("event-service", Some("event-service"))
    );
    let triggers = spec["triggers"].as_array().unwrap();
    assert_eq!((&triggers[0]["type"], &triggers[1]["type"]), (&"kafka".into(), &"cpu".into()));
    assert_eq!(triggers[1]["metadata"]["value"], "70");
    let (min, max) = (spec["minReplicaCount"].as_i64(), spec["maxReplicaCount"].as_i64());
    found.push((name(scaled).to_owned(), min, max, triggers.len()));
    found.sort();
    let expected = [
        ("event-service".to_owned(), Some(1), Some(5), 2),
        ("todo-backend".to_owned(), Some(2), Some(10), 2),
        ("todo-frontend".to_owned(), Some(2), Some(8), 1),
    ];
    assert_eq!(found, expected);
}

/// What an idle backend may use at most, so that memory alone never keeps replicas that no load needs.
const IDLE_BACKEND_BYTES: f64 = 30.0 * 1024.0 * 1024.0;

#[test]
fn memory_alone_lets_a_fully_scaled_backend_go_back_to_its_minimum_in_one_step() {
    let all = rendered();
    let hpas = of_kind("HorizontalPodAutoscaler", &all);
    let spec = &hpas.iter().find(|hpa| name(hpa) == "todo-backend-hpa").unwrap()["spec"];
    let metrics = spec["metrics"].as_array().unwrap();
    let memory = metrics.iter().find(|metric| metric["resource"]["name"] == "memory").unwrap();
    let target = memory["resource"]["target"]["averageUtilization"].as_f64().unwrap() / 100.0;
    let deployments = of_kind("Deployment", &all);
    let backend = deployments.iter().find(|d| name(d) == "todo-backend").unwrap();
    let request = bytes(&container(backend)["resources"]["requests"]["memory"]);
    let wanted = (spec["maxReplicas"].as_f64().unwrap() * IDLE_BACKEND_BYTES / (request * target)).ceil();
    assert!(wanted <= spec["minReplicas"].as_f64().unwrap(), "memory alone would hold {wanted} replicas");
}

#[test]
fn every_container_is_bounded_probed_and_confined() {
    let deployments = of_kind("Deployment", &rendered());
    assert_eq!(deployments.len(), WORKLOADS.len());
    for deployment in &deployments {
        let (pod, container) = (&deployment["spec"]["template"]["spec"], container(deployment));
        for probe in ["startupProbe", "readinessProbe", "livenessProbe"] {
            assert_eq!(container[probe]["httpGet"]["port"], "http", "{} {probe}", name(deployment));
        }
        for kind in ["requests", "limits"] {
            for resource in ["cpu", "memory"] {
                assert!(
                    !container["resources"][kind][resource].is_null(),
                    "{} {kind} {resource}",
                    name(deployment)
                );
            }
        }
        let confined = [
            (&pod["automountServiceAccountToken"], Value::Bool(false)),
            (&pod["securityContext"]["runAsNonRoot"], Value::Bool(true)),
            (&pod["securityContext"]["seccompProfile"]["type"], "RuntimeDefault".into()),
            (&container["securityContext"]["allowPrivilegeEscalation"], Value::Bool(false)),
            (&container["securityContext"]["readOnlyRootFilesystem"], Value::Bool(true)),
            (&container["securityContext"]["capabilities"]["drop"][0], "ALL".into()),
        ];
        confined.iter().for_each(|(actual, expected)| assert_eq!(*actual, expected, "{}", name(deployment)));
    }
}
