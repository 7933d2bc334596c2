//! From ServiceMonitors, static lists and files to targets, through the public API.

#![allow(clippy::unwrap_used)] // a helper that panics fails its test, as it should

mod diagnosis;
mod files;
mod following;
mod operator;
mod shipped;

use std::collections::BTreeMap;
use std::sync::Arc;
use tidewatch_discovery::{MonitorDefaults, MonitorJob, monitor_jobs};
use tidewatch_manifest::{EndpointAddress, EndpointPort, Endpoints, PodRef, ServiceMonitor, load_text};

/// The monitors of a text.
fn monitors(yaml: &str) -> Vec<ServiceMonitor> {
    load_text("monitors.yaml", yaml).unwrap().service_monitors
}

/// The jobs of a monitor without fault, with the defaults.
fn jobs(monitors: &[ServiceMonitor]) -> Vec<MonitorJob> {
    let (jobs, errors) = monitor_jobs(monitors, MonitorDefaults::default());
    assert!(errors.is_empty(), "{errors:?}");
    jobs
}

/// A monitor `shop/web` with this `spec`.
fn monitor(spec: &str) -> ServiceMonitor {
    let head = "apiVersion: monitoring.coreos.com/v1\nkind: ServiceMonitor\nmetadata: {name: web, namespace: shop}\n";
    monitors(&format!("{head}spec: {spec}\n")).remove(0)
}

fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// A Service with `pods` pods, each with the ports http 8000 and metrics 9464 of the container `app`.
fn service(namespace: &str, name: &str, labels: &[(&str, &str)], pods: u8) -> Endpoints {
    let port = |name: &str, port| EndpointPort {
        name: name.to_owned(),
        port,
        protocol: "TCP".to_owned(),
        container: Some("app".to_owned()),
        container_port_name: Some(format!("c-{name}")),
    };
    let address = |number: u8| EndpointAddress {
        ip: [127, 0, 1, number].into(),
        ready: number != 2,
        pod: Arc::new(PodRef {
            namespace: namespace.to_owned(),
            name: format!("{name}-{number}"),
            uid: format!("uid-{number}"),
            node: "node-1".to_owned(),
            host_ip: "127.0.0.1".to_owned(),
            phase: if number == 3 { "Succeeded" } else { "Running" }.to_owned(),
            controller_kind: "ReplicaSet".to_owned(),
            controller_name: name.to_owned(),
            labels: map(&[("app", name), ("app.kubernetes.io/version", "2")]),
            annotations: map(&[("note", "x")]),
            images: map(&[("app", "shop/web:1")]),
        }),
        ports: vec![port("http", 8000), port("metrics", 9464)],
    };
    Endpoints {
        namespace: namespace.to_owned(),
        service: name.to_owned(),
        labels: map(labels),
        annotations: map(&[("a/b", "c")]),
        addresses: (1..=pods).map(address).collect(),
    }
}
