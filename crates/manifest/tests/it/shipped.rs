//! The repository's own manifests are read without a word.

use std::path::{Path, PathBuf};
use std::time::Duration;
use tidewatch_manifest::{EnvSource, Handler, MetricTarget, PortRef, Quantity, check, load};

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

#[test]
fn the_chart_and_the_monitoring_folder_are_read_without_a_word() {
    let root = repository();
    let paths = [root.join("kubernetes/todo-app-prod.yaml"), root.join("kubernetes/monitoring")];
    let manifests = load(&paths).unwrap_or_else(|errors| panic!("{errors:#?}"));
    assert_eq!(manifests.warnings, [], "unknown fields");
    assert_eq!(check(&manifests), [], "references");
    let names: Vec<_> =
        manifests.deployments.iter().map(|deployment| deployment.meta.name.as_str()).collect();
    assert_eq!(names, ["todo-backend", "event-service", "todo-frontend"]);
    assert!(manifests.service_monitors.len() == 6);
    assert!(manifests.prometheus_rules.iter().map(|rule| rule.groups.len()).sum::<usize>() > 0);

    let backend = manifests.deployment("todo-app-prod", "todo-backend").expect("is in the chart");
    let autoscaler = manifests.autoscaler_of(backend).expect("is in the chart");
    assert_eq!((autoscaler.min_replicas, autoscaler.max_replicas), (2, 10));
    assert_eq!(autoscaler.metrics[0].target, MetricTarget::Utilization(70));
    let container = &backend.template.containers[0];
    assert_eq!(container.limits["memory"], Quantity::parse("384Mi").unwrap());
    assert_eq!(container.requests["cpu"].milli(), 250);
    let ip = container.env.iter().find(|variable| variable.name == "POD_IP").unwrap();
    assert_eq!(ip.source, EnvSource::Field("status.podIP".to_owned()));
    let probe = container.readiness_probe.as_ref().unwrap();
    assert_eq!((probe.period, probe.failure_threshold), (Duration::from_secs(5), 2));
    let Handler::HttpGet { port, .. } = &probe.handler else { panic!("{probe:?}") };
    assert_eq!(port.resolve(&container.ports), Some(8000));
    assert_eq!(manifests.services[0].ports[0].target, PortRef::Name("http".to_owned()));
    assert!(!backend.template.enable_service_links);
}
