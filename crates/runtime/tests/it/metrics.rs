//! The metrics of the shipped dashboards and rules are there, with the labels they select by.

use crate::world::{SERVER, World, ask, deployment, runs, serves, service};
use tidewatch_runtime::{AutoscalerCondition, AutoscalerCurrent, AutoscalerStatus};

/// The value of the only series of that name that has all of these label pairs.
fn value(page: &str, name: &str, labels: &[&str]) -> Option<f64> {
    let mut found = page.lines().filter(|line| {
        let rest = line.strip_prefix(name);
        rest.is_some_and(|rest| rest.starts_with(['{', ' ']))
            && labels.iter().all(|label| line.contains(label))
    });
    let line = found.next()?;
    assert_eq!(found.next(), None, "{name} {labels:?} is not one series");
    line.rsplit(' ').next()?.parse().ok()
}

fn check(page: &str, name: &str, labels: &[&str], expected: f64) {
    assert_eq!(value(page, name, labels), Some(expected), "{name} {labels:?}\n{page}");
}

/// Each family is declared once, before its series, and every series belongs to the family above it.
fn well_formed(page: &str) {
    let mut families = std::collections::BTreeSet::new();
    let mut family = "";
    for line in page.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            family = rest.split(' ').next().unwrap();
            assert!(families.insert(family), "{family} is there twice");
        } else if !line.starts_with('#') {
            assert_eq!(line.split(['{', ' ']).next(), Some(family), "{line}");
        }
    }
    let mut series: Vec<&str> = page
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.rsplit_once(' '))
        .map(|(series, _)| series)
        .collect();
    let all = series.len();
    series.sort_unstable();
    series.dedup();
    assert_eq!(series.len(), all, "no series is there twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_are_told_as_kube_state_metrics_tells_them() {
    let container =
        format!("{SERVER}resources: {{limits: {{memory: 64Mi, cpu: 500m}}, requests: {{cpu: 250m}}}}\n");
    let autoscaler = "---\napiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {name: web-hpa, namespace: shop}\n\
                      spec: {scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}, minReplicas: 2, maxReplicas: 5,\n  \
                      metrics: [{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 70}}}]}\n";
    let manifests =
        deployment("web", 1, "", &container) + &service("web") + autoscaler + &deployment("job", 1, "", "");
    let world = World::start(&manifests, &(serves("web") + &runs("job", "exit 7")), &[]);
    let pod = world.ready("web", 2).await.remove(0);
    world
        .until("crash loop", || {
            (world.container("job").waiting_reason() == Some("CrashLoopBackOff")).then_some(())
        })
        .await;
    let mut page = String::new();
    world.runtime.kube_state_metrics(&mut page);
    well_formed(&page);
    let name = format!("pod=\"{}\"", pod.pod.name);
    let node = format!("node=\"{}\"", world.runtime.node_name());
    let uid = format!("uid=\"{}\"", pod.pod.uid);
    check(
        &page,
        "kube_pod_info",
        &[
            &name,
            "namespace=\"shop\"",
            &node,
            &uid,
            &format!("pod_ip=\"{}\"", pod.ip),
            "created_by_kind=\"ReplicaSet\"",
        ],
        1.0,
    );
    for (phase, expected) in
        [("Running", 1.0), ("Pending", 0.0), ("Succeeded", 0.0), ("Failed", 0.0), ("Unknown", 0.0)]
    {
        check(&page, "kube_pod_status_phase", &[&name, &format!("phase=\"{phase}\"")], expected);
    }
    check(&page, "kube_pod_status_ready", &[&name, "condition=\"true\""], 1.0);
    check(&page, "kube_pod_status_ready", &[&name, "condition=\"unknown\""], 0.0);
    check(
        &page,
        "kube_pod_owner",
        &[&name, "owner_kind=\"ReplicaSet\"", "owner_is_controller=\"true\""],
        1.0,
    );
    check(
        &page,
        "kube_replicaset_owner",
        &["replicaset=\"web-", "owner_kind=\"Deployment\"", "owner_name=\"web\""],
        1.0,
    );
    check(
        &page,
        "kube_pod_container_resource_limits",
        &[&name, "container=\"main\"", &node, "resource=\"memory\",unit=\"byte\""],
        67_108_864.0,
    );
    check(&page, "kube_pod_container_resource_requests", &[&name, "resource=\"cpu\",unit=\"core\""], 0.25);
    check(&page, "kube_pod_container_resource_requests", &[&name, "resource=\"memory\""], 67_108_864.0);
    check(&page, "kube_pod_container_status_running", &[&name], 1.0);
    check(
        &page,
        "kube_pod_container_status_waiting_reason",
        &["container=\"main\"", "reason=\"CrashLoopBackOff\""],
        1.0,
    );
    check(&page, "kube_pod_container_status_last_terminated_exitcode", &["pod=\"job-"], 7.0);
    check(&page, "kube_pod_container_status_last_terminated_reason", &["reason=\"Error\""], 1.0);
    check(&page, "kube_pod_container_status_restarts_total", &["pod=\"job-"], 1.0);
    for (metric, web, job) in [
        ("kube_deployment_spec_replicas", 2.0, 1.0),
        ("kube_deployment_status_replicas", 2.0, 1.0),
        ("kube_deployment_status_replicas_ready", 2.0, 0.0),
        ("kube_deployment_status_replicas_available", 2.0, 0.0),
        ("kube_deployment_status_replicas_unavailable", 0.0, 1.0),
    ] {
        check(&page, metric, &["deployment=\"web\""], web);
        check(&page, metric, &["deployment=\"job\""], job);
    }
    let hpa = "horizontalpodautoscaler=\"web-hpa\"";
    check(&page, "kube_horizontalpodautoscaler_spec_min_replicas", &[hpa], 2.0);
    check(&page, "kube_horizontalpodautoscaler_spec_max_replicas", &[hpa], 5.0);
    check(&page, "kube_horizontalpodautoscaler_status_current_replicas", &[hpa], 0.0);
    check(&page, "kube_horizontalpodautoscaler_status_desired_replicas", &[hpa], 0.0);
    assert_eq!(value(&page, "kube_horizontalpodautoscaler_status_condition", &[hpa]), None);
    check(
        &page,
        "kube_horizontalpodautoscaler_spec_target_metric",
        &[hpa, "metric_name=\"cpu\"", "metric_target_type=\"utilization\""],
        70.0,
    );
    check(&page, "kube_node_status_condition", &[&node, "condition=\"Ready\"", "status=\"true\""], 1.0);
    check(
        &page,
        "kube_node_status_condition",
        &[&node, "condition=\"MemoryPressure\"", "status=\"false\""],
        1.0,
    );
    assert!(
        value(&page, "kube_node_status_allocatable", &[&node, "resource=\"memory\",unit=\"byte\""]).unwrap()
            > 1e8
    );
    check(&page, "kube_namespace_status_phase", &["namespace=\"shop\"", "phase=\"Active\""], 1.0);
    check(
        &page,
        "kube_endpoint_address",
        &["endpoint=\"web\"", &format!("ip=\"{}\"", pod.ip), "ready=\"true\""],
        1.0,
    );
    check(&page, "kube_service_info", &["service=\"web\"", "cluster_ip=\"127."], 1.0);
    world.runtime.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn containers_are_told_as_cadvisor_tells_them() {
    let container = format!("{SERVER}resources: {{limits: {{memory: 256Mi, cpu: 500m}}}}\n");
    let world = World::start(&deployment("web", 1, "", &container), &serves("web"), &[]);
    let pod = world.ready("web", 1).await.remove(0);
    let page = || {
        let mut page = String::new();
        world.runtime.cadvisor_metrics(&mut page);
        well_formed(&page);
        page
    };
    let name = format!("pod=\"{}\"", pod.pod.name);
    let labels = ["container=\"main\"", "namespace=\"shop\"", &name, "image=\"registry.example/web:1\""];
    let before = page();
    let cpu = |page: &str| {
        value(page, "container_cpu_usage_seconds_total", &[&labels[..], &["cpu=\"total\""]].concat()).unwrap()
    };
    let memory = |page: &str| value(page, "container_memory_working_set_bytes", &labels).unwrap();
    assert!(memory(&before) > 500_000.0 && memory(&before) < 50e6, "{before}");
    ask(&pod, "/memory/40").unwrap();
    // However little of the machine it gets, what it burns is counted.
    let after = world
        .until("a fifth of a second of CPU", || {
            ask(&pod, "/spin/100").unwrap();
            Some(page()).filter(|after| cpu(after) - cpu(&before) >= 0.2)
        })
        .await;
    assert!(memory(&after) - memory(&before) > 39e6);
    check(&after, "container_spec_memory_limit_bytes", &labels, 268_435_456.0);
    check(&after, "container_spec_cpu_quota", &labels, 50_000.0);
    check(&after, "container_processes", &labels, 1.0);
    assert!(value(&after, "container_start_time_seconds", &labels).unwrap() > 1.6e9);
    assert!(value(&after, "machine_memory_bytes", &[]).unwrap() > 1e8);
    world.runtime.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_machine_is_told_as_node_exporter_tells_it() {
    let world = World::start(&deployment("web", 0, "", ""), "  web: {command: ['true']}\n", &[]);
    let mut page = String::new();
    world.runtime.node_metrics(&mut page);
    well_formed(&page);
    for mode in ["user", "system", "idle", "iowait"] {
        assert!(
            value(&page, "node_cpu_seconds_total", &["cpu=\"0\"", &format!("mode=\"{mode}\"")]).is_some(),
            "{page}"
        );
    }
    for name in [
        "node_load1",
        "node_load5",
        "node_load15",
        "node_context_switches_total",
        "node_boot_time_seconds",
        "node_time_seconds",
    ] {
        assert!(value(&page, name, &[]).is_some(), "{name}");
    }
    let bytes = |name| value(&page, name, &[]).unwrap();
    assert!(bytes("node_memory_MemAvailable_bytes") < bytes("node_memory_MemTotal_bytes"));
    let root = |name| value(&page, name, &["mountpoint=\"/\""]).unwrap();
    assert!(
        root("node_filesystem_avail_bytes") <= root("node_filesystem_size_bytes")
            && root("node_filesystem_size_bytes") > 0.0
    );
    assert!(value(&page, "node_network_receive_bytes_total", &["device=\"lo\""]).is_some());
    assert!(value(&page, "node_network_transmit_bytes_total", &["device=\"lo\""]).is_some());
    assert!(page.contains("node_uname_info{"));
    world.runtime.shutdown().await;
}

/// The rows of a section of the list of used metrics: the name and its labels.
fn listed(section: &str) -> Vec<(String, Vec<String>)> {
    let list = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/metrics-used.md");
    let text = std::fs::read_to_string(list).unwrap();
    let rest =
        text.split_once(&format!("\n## {section}")).unwrap_or_else(|| panic!("no section {section}")).1;
    let body = rest.split_once("\n## ").map_or(rest, |(body, _)| body);
    let quoted = |cell: &str| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
    body.lines()
        .filter(|line| line.starts_with("| `"))
        .map(|line| {
            let cells: Vec<&str> = line.split('|').collect();
            // Label values stand in brackets behind the label's name.
            let labels = cells[3].split(['(', ')']).step_by(2).flat_map(quoted).collect();
            (quoted(cells[1]).remove(0), labels)
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deployment_without_replicas_is_told() {
    let world = World::start(&deployment("idle", 0, "", ""), "", &[]);
    assert_eq!((world.runtime.replicas("shop", "idle"), world.runtime.pods()), (Some(0), Vec::new()));
    let mut page = String::new();
    world.runtime.kube_state_metrics(&mut page);
    well_formed(&page);
    let labels = ["namespace=\"shop\"", "deployment=\"idle\""];
    for name in ["spec_replicas", "status_replicas", "status_replicas_ready", "status_replicas_unavailable"] {
        check(&page, &format!("kube_deployment_{name}"), &labels, 0.0);
    }
    let available = [labels[0], labels[1], "condition=\"Available\"", "status=\"true\""];
    check(&page, "kube_deployment_status_condition", &available, 1.0);
    check(&page, "kube_replicaset_spec_replicas", &labels[..1], 0.0);
    world.runtime.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_that_dashboards_and_rules_use_is_there() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let chart = std::fs::read_to_string(root.join("kubernetes/todo-app-prod.yaml")).unwrap();
    // Two of the three images are there and sleep, the third crashes.
    let images = "  todo-backend: {command: [sleep, '4716']}\n  todo-frontend: {command: [sleep, '4716']}\n  \
                  todo-event-service: {command: ['false']}\n";
    let world = World::start(&chart, images, &[]);
    world
        .until("crash loop", || {
            let crashing = world.container("event-service");
            (crashing.waiting_reason() == Some("CrashLoopBackOff")).then_some(())
        })
        .await;
    // what autoscalers measure is told by whoever runs them
    let current = AutoscalerCurrent {
        name: "cpu".into(),
        container: None,
        value: None,
        average_value: Some(0.1),
        average_utilization: Some(40),
    };
    let status = AutoscalerStatus {
        current_replicas: 2,
        desired_replicas: 2,
        conditions: vec![AutoscalerCondition { kind: "AbleToScale".into(), status: "True".into() }],
        metrics: vec![current],
    };
    world.runtime.set_autoscaler_status("todo-app-prod", "todo-backend-hpa", status);
    let (mut objects, mut containers, mut machine) = (String::new(), String::new(), String::new());
    world.runtime.kube_state_metrics(&mut objects);
    world.runtime.cadvisor_metrics(&mut containers);
    world.runtime.node_metrics(&mut machine);
    for (section, page) in
        [("kube-state-metrics", &objects), ("cAdvisor", &containers), ("node-exporter", &machine)]
    {
        well_formed(page);
        let rows = listed(section);
        assert!(rows.len() >= 2, "{section}: {rows:?}");
        for (name, labels) in rows {
            let has = |line: &str| {
                line.strip_prefix(&name).is_some_and(|rest| rest.starts_with(['{', ' ']))
                    && labels.iter().all(|label| line.contains(&format!("{label}=\"")))
            };
            assert!(page.lines().any(has), "{section}: no series of {name} with {labels:?}");
        }
    }
    world.runtime.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn autoscalers_are_told_as_they_tell_of_themselves() {
    let scaled = "---\napiVersion: keda.sh/v1alpha1\nkind: ScaledObject\nmetadata: {name: lag, namespace: shop}\n\
                  spec: {scaleTargetRef: {name: web}, minReplicaCount: 2, maxReplicaCount: 4,\n  triggers: [{type: kafka, \
                  metadata: {bootstrapServers: 'k:1', consumerGroup: g, topic: t, lagThreshold: '20'}}]}\n";
    let world = World::start(&(deployment("web", 1, "", SERVER) + scaled), &serves("web"), &[]);
    world.ready("web", 2).await;
    let status = AutoscalerStatus {
        current_replicas: 2,
        desired_replicas: 3,
        conditions: vec![AutoscalerCondition { kind: "AbleToScale".into(), status: "True".into() }],
        metrics: vec![AutoscalerCurrent {
            name: "s0-kafka-t".into(),
            container: None,
            value: None,
            average_value: Some(22.5),
            average_utilization: None,
        }],
    };
    world.runtime.set_autoscaler_status("shop", "keda-hpa-lag", status);
    let mut page = String::new();
    world.runtime.kube_state_metrics(&mut page);
    well_formed(&page);
    let hpa = "horizontalpodautoscaler=\"keda-hpa-lag\"";
    let (metric, average) = ("metric_name=\"s0-kafka-t\"", "metric_target_type=\"average\"");
    let check = |name: &str, labels: &[&str], expected: f64| {
        let labels: Vec<&str> = labels.iter().copied().chain([hpa]).collect();
        check(&page, &format!("kube_horizontalpodautoscaler_{name}"), &labels, expected);
    };
    check("spec_min_replicas", &[], 2.0);
    check("spec_max_replicas", &[], 4.0);
    check("status_current_replicas", &[], 2.0);
    check("status_desired_replicas", &[], 3.0);
    check("spec_target_metric", &[metric, average], 20.0);
    check("status_target_metric", &[metric, average], 22.5);
    for (status, expected) in [("true", 1.0), ("false", 0.0), ("unknown", 0.0)] {
        let labels = ["condition=\"AbleToScale\"", &format!("status=\"{status}\"")];
        check("status_condition", &labels, expected);
    }
    check("info", &["scaletargetref_kind=\"Deployment\"", "scaletargetref_name=\"web\""], 1.0);
    world.runtime.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn counters_rise_with_use_and_begin_anew_with_each_run() {
    let world = World::start(&deployment("web", 1, "", SERVER), &serves("web"), &[]);
    let pod = world.ready("web", 1).await.remove(0);
    let reading = || world.runtime.container_usage().into_iter().next();
    let first = reading().unwrap();
    assert_eq!((first.pod.name.as_str(), first.container.as_str()), (pod.pod.name.as_str(), "main"));
    assert_eq!((first.restarts, first.pod.labels["app"].as_str()), (0, "web"));
    assert!(first.working_set_bytes > 100_000, "{first:?}");
    // on a busy machine a spin of 300 ms is less of processor time
    let spin = || {
        ask(&pod, "/spin/300");
        reading().filter(|reading| reading.cpu_seconds_total >= first.cpu_seconds_total + 0.2)
    };
    let second = world.until("use of a processor", spin).await;
    assert_eq!(second.started_ms, first.started_ms);
    ask(&pod, "/exit/1");
    let again = world.until("a new run", || reading().filter(|reading| reading.restarts == 1)).await;
    assert!(
        again.started_ms > first.started_ms && again.cpu_seconds_total < second.cpu_seconds_total,
        "{again:?}"
    );
    let node = world.runtime.node_usage();
    assert_eq!(node.name, world.runtime.node_name());
    assert!(node.cpu_seconds_total > 1.0 && node.working_set_bytes > 10_000_000, "{node:?}");
    world.runtime.shutdown().await;
}
