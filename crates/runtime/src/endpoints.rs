//! Which pods are behind which Service.
//!
//! Input: Services and the states of all pods. Output: [`Endpoints`] as discovery and the proxies read them: pods that
//! are being ended are not among them. Pure.

use crate::status::PodStatus;
use std::sync::Arc;
use tidewatch_manifest::{EndpointAddress, EndpointPort, Endpoints, PortRef, Service, ServicePort};

/// The endpoints of all Services that select pods, in the order of the manifests.
pub(crate) fn of_services(services: &[Service], pods: &[PodStatus]) -> Vec<Endpoints> {
    services
        .iter()
        .filter(|service| !service.selector.is_empty())
        .map(|service| of_service(service, pods))
        .collect()
}

fn of_service(service: &Service, pods: &[PodStatus]) -> Endpoints {
    let behind = |status: &&PodStatus| {
        status.deleted_ms.is_none()
            && status.pod.namespace == service.meta.namespace
            && service.selects(&status.pod.labels)
    };
    let address = |status: &PodStatus| EndpointAddress {
        ip: status.ip,
        ready: status.ready,
        pod: Arc::clone(&status.pod),
        ports: service.ports.iter().filter_map(|port| port_of(port, status)).collect(),
    };
    Endpoints {
        namespace: service.meta.namespace.clone(),
        service: service.meta.name.clone(),
        labels: service.meta.labels.clone(),
        annotations: service.meta.annotations.clone(),
        addresses: pods.iter().filter(behind).map(address).collect(),
    }
}

/// A Service's port at a pod; none when no container declares the name it points to.
fn port_of(port: &ServicePort, status: &PodStatus) -> Option<EndpointPort> {
    let mut declared = status
        .containers
        .iter()
        .flat_map(|container| container.ports.iter().map(move |port| (container, port)));
    let found = declared.find(|(_, declared)| match &port.target {
        PortRef::Name(name) => declared.name == *name,
        PortRef::Number(number) => declared.port == *number && declared.protocol == port.protocol,
    });
    let number = match &port.target {
        PortRef::Number(number) => *number,
        PortRef::Name(_) => found?.1.port,
    };
    Some(EndpointPort {
        name: port.name.clone(),
        port: number,
        protocol: port.protocol.clone(),
        container: found.map(|(container, _)| container.name.clone()),
        container_port_name: found.map(|(_, port)| port.name.clone()).filter(|name| !name.is_empty()),
    })
}
