//! The metrics of Services and their endpoints.
//!
//! Input: the Services of the manifests and what is behind them now. Output: `kube_service_*`, `kube_endpoint_*`.

use super::{Page, seconds, status_of};
use crate::names::object_uid;
use std::sync::Arc;
use tidewatch_manifest::Service;

pub(super) fn write(page: &mut Page<'_>) {
    page.services();
    page.endpoints();
}

impl Page<'_> {
    fn services(&mut self) {
        let (cluster, services) = (self.cluster, &self.cluster.services);
        let uid = |service: &Service| {
            object_uid(&cluster.instance, "Service", &service.meta.namespace, &service.meta.name)
        };
        self.family("kube_service_info", "Information about service.", services, |writer, name, service| {
            let key = (service.meta.namespace.clone(), service.meta.name.clone());
            let address = cluster.names.addresses.get(&key).map(|address| address.ip.to_string());
            let labels = [
                ("namespace", service.meta.namespace.as_str()),
                ("service", &service.meta.name),
                ("uid", &uid(service)),
                (
                    "cluster_ip",
                    if service.headless { "None" } else { address.as_deref().unwrap_or_default() },
                ),
                ("external_name", service.external_name.as_deref().unwrap_or_default()),
                ("load_balancer_ip", ""),
            ];
            writer.sample(name, &labels, 1.0);
        });
        let created = seconds(cluster.started_ms);
        self.family("kube_service_created", "Unix creation timestamp", services, |writer, name, service| {
            let labels = [
                ("namespace", service.meta.namespace.as_str()),
                ("service", &service.meta.name),
                ("uid", &uid(service)),
            ];
            writer.sample(name, &labels, created);
        });
        self.family("kube_service_spec_type", "Type about service.", services, |writer, name, service| {
            let labels = [
                ("namespace", service.meta.namespace.as_str()),
                ("service", &service.meta.name),
                ("uid", &uid(service)),
                ("type", &service.kind),
            ];
            writer.sample(name, &labels, 1.0);
        });
    }

    fn endpoints(&mut self) {
        let endpoints = Arc::clone(&self.cluster.endpoints.borrow());
        self.family(
            "kube_endpoint_info",
            "Information about endpoint.",
            endpoints.iter(),
            |writer, name, service| {
                writer.sample(
                    name,
                    &[("namespace", &service.namespace), ("endpoint", &service.service)],
                    1.0,
                );
            },
        );
        let addresses = endpoints
            .iter()
            .flat_map(|service| service.addresses.iter().map(move |address| (service, address)));
        self.family(
            "kube_endpoint_address",
            "Information about Endpoint available and non available addresses.",
            addresses,
            |writer, name, (service, address)| {
                let labels = [
                    ("namespace", service.namespace.as_str()),
                    ("endpoint", &service.service),
                    ("ip", &address.ip.to_string()),
                    ("ready", status_of(address.ready)),
                ];
                writer.sample(name, &labels, 1.0);
            },
        );
    }
}
