//! ServiceMonitors mean what the Prometheus operator makes of them.

use crate::{jobs, map, monitor, service};
use std::time::Duration;
use tidewatch_discovery::{MonitorDefaults, monitor_jobs, target_group};
use tidewatch_manifest::{Endpoints, ServiceMonitor};
use tidewatch_model::{LabelsBuilder, relabel};

/// The labels of all targets that a monitor's jobs keep, without the `__*` ones, as `job_name address labels`.
fn kept(monitor: ServiceMonitor, endpoints: &[Endpoints]) -> Vec<String> {
    let mut found = Vec::new();
    for job in jobs(&[monitor]) {
        let (config, groups) = job.with_targets(endpoints);
        for group in &groups {
            for target in &group.targets {
                let mut labels: LabelsBuilder = group.labels.to_builder();
                for (name, value) in target {
                    labels.set(name, value);
                }
                labels.set("job", config.job_name.clone());
                if relabel(&mut labels, &config.relabel_configs) {
                    let address = labels.get("__address__").unwrap().to_owned();
                    labels.retain(|name, _| !name.starts_with("__"));
                    found.push(format!("{address} {}", labels.build()));
                }
            }
        }
    }
    found
}

fn check(spec: &str, expected: &[&str]) {
    let services = [
        service("shop", "web", &[("app", "web"), ("team", "a-b"), ("x/y", "z")], 1),
        service("shop", "db", &[("app", "db")], 1),
    ];
    assert_eq!(kept(monitor(spec), &services), expected, "{spec}");
}

#[test]
fn target_labels_are_the_operators() {
    let web = "127.0.1.1:9464 {container=\"app\", endpoint=\"metrics\", job=\"web\", namespace=\"shop\", pod=\"web-1\", service=\"web\"}";
    check("{selector: {matchLabels: {app: web}}, endpoints: [{port: metrics}]}", &[web]);
    check(
        "{selector: {matchExpressions: [{key: app, operator: In, values: [web, shop]}]}, endpoints: [{port: metrics}]}",
        &[web],
    );
    check(
        "{selector: {matchExpressions: [{key: app, operator: NotIn, values: [db]}, {key: team, operator: Exists}, {key: old, operator: DoesNotExist}]}, endpoints: [{port: metrics}]}",
        &[web],
    );
    check("{selector: {matchLabels: {app: we}}, endpoints: [{port: metrics}]}", &[]);
    check("{selector: {matchLabels: {app: web}}, endpoints: [{port: metric}]}", &[]);
}

#[test]
fn ports_may_be_the_containers() {
    let with = |endpoint: &str| {
        format!(
            "127.0.1.1:9464 {{container=\"app\", endpoint=\"{endpoint}\", job=\"web\", namespace=\"shop\", pod=\"web-1\", service=\"web\"}}"
        )
    };
    check(
        "{selector: {matchLabels: {app: web}}, endpoints: [{targetPort: c-metrics}]}",
        &[&with("c-metrics")],
    );
    check("{selector: {matchLabels: {app: web}}, endpoints: [{targetPort: 9464}]}", &[&with("9464")]);
    check("{selector: {matchLabels: {app: web}}, endpoints: [{targetPort: metrics}]}", &[]);
}

#[test]
fn labels_of_service_and_pod_are_copied_in_order() {
    check(
        "{selector: {matchLabels: {app: web}}, jobLabel: team, targetLabels: [x/y, absent], podTargetLabels: [app, app.kubernetes.io/version], endpoints: [{port: metrics}]}",
        &[
            "127.0.1.1:9464 {app=\"web\", app_kubernetes_io_version=\"2\", container=\"app\", endpoint=\"metrics\", job=\"a-b\", namespace=\"shop\", pod=\"web-1\", service=\"web\", x_y=\"z\"}",
        ],
    );
    // a job label that the Service lacks leaves the Service's name
    check(
        "{selector: {matchLabels: {app: db}}, jobLabel: team, endpoints: [{port: metrics}]}",
        &[
            "127.0.1.1:9464 {container=\"app\", endpoint=\"metrics\", job=\"db\", namespace=\"shop\", pod=\"db-1\", service=\"db\"}",
        ],
    );
}

#[test]
fn the_users_rules_come_last() {
    check(
        "{selector: {matchLabels: {app: web}}, endpoints: [{port: metrics, relabelings: [{sourceLabels: [__meta_kubernetes_pod_node_name], targetLabel: node}, {action: labeldrop, regex: pod|container}, {action: Replace, sourceLabels: [__tmp_prometheus_job_name], targetLabel: from}]}]}",
        &[
            "127.0.1.1:9464 {endpoint=\"metrics\", from=\"serviceMonitor/shop/web/0\", job=\"web\", namespace=\"shop\", node=\"node-1\", service=\"web\"}",
        ],
    );
}

#[test]
fn ended_pods_are_left_out_unless_asked_for() {
    let services = [service("shop", "web", &[("app", "web")], 3)];
    let count = |spec: &str| kept(monitor(spec), &services).len();
    assert_eq!(count("{selector: {matchLabels: {app: web}}, endpoints: [{port: metrics}]}"), 2);
    assert_eq!(
        count("{selector: {matchLabels: {app: web}}, endpoints: [{port: metrics, filterRunning: false}]}"),
        3
    );
}

#[test]
fn namespaces_are_selected() {
    let services =
        [service("shop", "web", &[("app", "web")], 1), service("other", "web", &[("app", "web")], 1)];
    let count = |namespaces: &str| {
        let spec = format!(
            "{{selector: {{matchLabels: {{app: web}}}}, {namespaces} endpoints: [{{port: metrics}}]}}"
        );
        kept(monitor(&spec), &services).len()
    };
    assert_eq!(count(""), 1);
    assert_eq!(count("namespaceSelector: {any: true},"), 2);
    assert_eq!(count("namespaceSelector: {matchNames: [other]},"), 1);
    assert_eq!(count("namespaceSelector: {matchNames: [nowhere]},"), 0);
}

#[test]
fn settings_reach_the_job() {
    let spec = "{selector: {}, sampleLimit: 5, labelLimit: 6, bodySizeLimit: 1MB, keepDroppedTargets: 7, fallbackScrapeProtocol: PrometheusText0.0.4, endpoints: [{port: a}, {port: metrics, path: /m, params: {x: [why]}, interval: 15s, scrapeTimeout: 4s, honorLabels: true, honorTimestamps: false, followRedirects: false, bearerTokenFile: /t, metricRelabelings: [{action: drop, sourceLabels: [__name__], regex: go_.*}]}]}";
    let jobs = jobs(&[monitor(spec)]);
    let first = &jobs[0].config;
    assert_eq!(first.job_name, "serviceMonitor/shop/web/0");
    assert_eq!(
        (first.scrape_interval, first.scrape_timeout),
        (Duration::from_secs(30), Duration::from_secs(10))
    );
    assert_eq!(first.metrics_path, "/metrics");
    let second = &jobs[1].config;
    assert_eq!(second.job_name, "serviceMonitor/shop/web/1");
    assert_eq!(
        (second.scrape_interval, second.scrape_timeout),
        (Duration::from_secs(15), Duration::from_secs(4))
    );
    assert_eq!((second.limits.samples, second.limits.labels, second.limits.body_bytes), (5, 6, 1 << 20));
    assert_eq!((second.metrics_path.as_str(), second.keep_dropped_targets), ("/m", 7));
    assert!(second.honor_labels && !second.honor_timestamps && !second.follow_redirects);
    assert!(second.auth.is_some() && second.fallback_scrape_protocol.is_some());
    assert_eq!(
        (second.params["x"].as_slice(), second.metric_relabel_configs.len()),
        (["why".to_owned()].as_slice(), 1)
    );
}

#[test]
fn what_cannot_work_is_refused_with_its_place() {
    let jobs = |spec: &str| {
        let (jobs, errors) = monitor_jobs(&[monitor(spec)], MonitorDefaults::default());
        assert_eq!((jobs.len(), errors.len()), (0, 1));
        errors[0].to_string()
    };
    let error = jobs("{selector: {matchLabels: {app: 'a('}}, endpoints: [{port: metrics}]}");
    assert!(
        error.starts_with("monitors.yaml:1: ServiceMonitor shop/web: invalid regular expression"),
        "{error}"
    );
    let error = jobs("{selector: {}, endpoints: [{port: metrics, scrapeTimeout: 1m}]}");
    assert!(error.contains("scrape timeout 1m is greater than scrape interval 30s"), "{error}");
}

#[test]
fn one_wrong_endpoint_does_not_keep_the_others_from_being_scraped() {
    let spec = "{selector: {}, endpoints: [{port: metrics}, {port: 'm('}, {port: http}]}";
    let (jobs, errors) = monitor_jobs(&[monitor(spec), monitor(spec)], MonitorDefaults::default());
    let names: Vec<&str> = jobs.iter().map(|job| job.config.job_name.as_str()).collect();
    let expected = ["serviceMonitor/shop/web/0", "serviceMonitor/shop/web/2"];
    assert_eq!(names, [expected, expected].concat());
    assert_eq!(errors.len(), 2, "{errors:?}");
}

#[test]
fn targets_have_the_meta_labels_of_kubernetes_discovery() {
    let group = target_group(&service("shop", "web", &[("app.kubernetes.io/name", "web")], 2));
    assert_eq!(group.source, "endpoints/shop/web");
    let group_labels = map(&[
        ("__meta_kubernetes_namespace", "shop"),
        ("__meta_kubernetes_service_name", "web"),
        ("__meta_kubernetes_service_label_app_kubernetes_io_name", "web"),
        ("__meta_kubernetes_service_labelpresent_app_kubernetes_io_name", "true"),
        ("__meta_kubernetes_service_annotation_a_b", "c"),
        ("__meta_kubernetes_service_annotationpresent_a_b", "true"),
        ("__meta_kubernetes_endpoints_name", "web"),
    ]);
    for (name, value) in &group_labels {
        assert_eq!(group.labels.get(name), Some(value.as_str()), "{name}");
    }
    assert_eq!(group.targets.len(), 4);
    for (name, value) in [
        ("__address__", "127.0.1.2:9464"),
        ("__meta_kubernetes_endpoint_port_name", "metrics"),
        ("__meta_kubernetes_endpoint_port_protocol", "TCP"),
        ("__meta_kubernetes_endpoint_ready", "false"),
        ("__meta_kubernetes_endpoint_address_target_kind", "Pod"),
        ("__meta_kubernetes_endpoint_address_target_name", "web-2"),
        ("__meta_kubernetes_pod_name", "web-2"),
        ("__meta_kubernetes_pod_ip", "127.0.1.2"),
        ("__meta_kubernetes_pod_ready", "false"),
        ("__meta_kubernetes_pod_phase", "Running"),
        ("__meta_kubernetes_pod_node_name", "node-1"),
        ("__meta_kubernetes_pod_uid", "uid-2"),
        ("__meta_kubernetes_pod_controller_kind", "ReplicaSet"),
        ("__meta_kubernetes_pod_label_app", "web"),
        ("__meta_kubernetes_pod_annotation_note", "x"),
        ("__meta_kubernetes_pod_container_name", "app"),
        ("__meta_kubernetes_pod_container_image", "shop/web:1"),
        ("__meta_kubernetes_pod_container_port_name", "c-metrics"),
        ("__meta_kubernetes_pod_container_port_number", "9464"),
    ] {
        assert_eq!(group.targets[3].get(name), Some(value), "{name}");
    }
}
