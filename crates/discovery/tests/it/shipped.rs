//! The ServiceMonitors of this repository find the targets of application, sidecars and Kafka, with the labels they have in a cluster.

use crate::{jobs, map, service};
use std::path::PathBuf;
use std::time::Duration;
use tidewatch_discovery::diagnose;
use tidewatch_manifest::{EndpointPort, Endpoints, load};

#[test]
fn every_service_of_the_application_is_scraped_once() {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../kubernetes/monitoring"));
    let names = ["backend", "event-service", "frontend"];
    let files: Vec<PathBuf> =
        names.iter().map(|name| folder.join(format!("{name}-servicemonitor.yaml"))).collect();
    let monitors = load(&files).unwrap().service_monitors;
    let services = ["event-service", "todo-backend", "todo-frontend"];
    let endpoints: Vec<_> =
        services.iter().map(|name| service("todo-app-prod", name, &[("app", name)], 1)).collect();
    assert_eq!(diagnose(&monitors, &endpoints), []);
    let jobs = jobs(&monitors);
    assert_eq!(jobs.len(), 3);
    for (job, name) in jobs.iter().zip(services) {
        let (config, groups) = job.with_targets(&endpoints);
        assert_eq!(config.scrape_interval, Duration::from_secs(30));
        assert!(config.honor_labels, "the application has a label endpoint of its own");
        let kept: Vec<String> = groups
            .iter()
            .flat_map(|group| group.targets.iter().map(|target| (&group.labels, target)))
            .filter_map(|(group, target)| {
                let mut labels = group.to_builder();
                for (name, value) in target {
                    labels.set(name, value);
                }
                let kept = tidewatch_model::relabel(&mut labels, &config.relabel_configs);
                let picked = ["job", "namespace", "service", "endpoint"]
                    .map(|label| labels.get(label).unwrap_or("-").to_owned());
                kept.then(|| picked.join(" "))
            })
            .collect();
        assert_eq!(kept, [format!("{name} todo-app-prod {name} metrics")]);
    }
}

/// The labels of what a shipped monitor keeps of these Services: job, namespace, service, pod, container, endpoint.
fn kept(file: &str, endpoints: &[Endpoints]) -> (Vec<String>, tidewatch_manifest::ScrapeConfig) {
    let path = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../kubernetes/monitoring")).join(file);
    let monitors = load(&[path]).unwrap().service_monitors;
    assert_eq!(diagnose(&monitors, endpoints), []);
    let (config, groups) = jobs(&monitors)[0].with_targets(endpoints);
    let targets = groups.iter().flat_map(|group| group.targets.iter().map(|target| (&group.labels, target)));
    let kept = targets.filter_map(|(group, target)| {
        let mut labels = group.to_builder();
        for (name, value) in target {
            labels.set(name, value);
        }
        let kept = tidewatch_model::relabel(&mut labels, &config.relabel_configs);
        let names = ["job", "namespace", "service", "pod", "container", "endpoint"];
        kept.then(|| names.map(|label| labels.get(label).unwrap_or("-").to_owned()).join(" "))
    });
    (kept.collect(), config.clone())
}

/// A headless Service of an operator, with these labels, whose pod has a port for metrics in this container.
fn metrics_service(name: &str, labels: &[(&str, &str)], container: &str, port: (&str, u16)) -> Endpoints {
    let mut service = service("todo-app-prod", name, labels, 1);
    service.labels = map(labels);
    let port = EndpointPort {
        name: port.0.to_owned(),
        port: port.1,
        protocol: "TCP".to_owned(),
        container: Some(container.to_owned()),
        container_port_name: Some(port.0.to_owned()),
    };
    service.addresses[0].ports.push(port);
    service
}

#[test]
fn sidecars_are_scraped_through_the_services_of_daprs_operator() {
    let enabled = [("dapr.io/enabled", "true")];
    let endpoints = [
        metrics_service("todo-backend-dapr", &enabled, "daprd", ("dapr-metrics", 9090)),
        service("todo-app-prod", "todo-backend", &[("app", "todo-backend")], 1),
    ];
    let (kept, config) = kept("dapr-servicemonitor.yaml", &endpoints);
    let labels = "todo-backend-dapr todo-app-prod todo-backend-dapr todo-backend-dapr-1 daprd dapr-metrics";
    assert_eq!(kept, [labels]);
    assert!(config.honor_labels, "Dapr's components have a label namespace of their own");
}

#[test]
fn brokers_and_their_exporter_are_jobs_of_their_own() {
    let port = ("tcp-prometheus", 9404);
    let part = ("app.kubernetes.io/part-of", "todo-app");
    let labels = |name| [("app.kubernetes.io/name", name), part];
    let endpoints = [
        metrics_service("todo-kafka-broker-metrics", &labels("kafka"), "kafka", port),
        metrics_service("todo-kafka-exporter-metrics", &labels("kafka-exporter"), "exporter", port),
    ];
    let (brokers, config) = kept("kafka-servicemonitor.yaml", &endpoints);
    let expected =
        "kafka todo-app-prod todo-kafka-broker-metrics todo-kafka-broker-metrics-1 kafka tcp-prometheus";
    assert_eq!(brokers, [expected]);
    assert_eq!(config.scrape_interval, Duration::from_secs(30));
    let (exporter, config) = kept("kafka-exporter-servicemonitor.yaml", &endpoints);
    assert!(exporter.len() == 1 && exporter[0].starts_with("kafka-exporter todo-app-prod "), "{exporter:?}");
    assert_eq!(config.scrape_interval, Duration::from_secs(15), "lag shows within half a minute");
}
