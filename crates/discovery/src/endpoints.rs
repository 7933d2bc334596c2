//! The addresses behind a Service → targets with the labels of Prometheus's Kubernetes discovery.
//!
//! Input: a snapshot of a Service's endpoints. Output: one group with the `__meta_kubernetes_*` labels of the role
//! `endpoints`; those that the role `endpointslice` names otherwise are there as well, so that relabelings written for
//! either work. Ports that no Service port leads to are not known here and give no target.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use tidewatch_manifest::{EndpointAddress, EndpointPort, Endpoints};
use tidewatch_model::{Labels, LabelsBuilder, TargetGroup};

const META: &str = "__meta_kubernetes_";

/// The targets behind a Service, ready or not, before relabeling.
pub fn target_group(endpoints: &Endpoints) -> TargetGroup {
    let mut labels = LabelsBuilder::default();
    set(&mut labels, "namespace", &endpoints.namespace);
    for role in ["service", "endpoints"] {
        set(&mut labels, &format!("{role}_name"), &endpoints.service);
        set_all(&mut labels, &format!("{role}_label"), &endpoints.labels);
    }
    set_all(&mut labels, "service_annotation", &endpoints.annotations);
    let targets = endpoints.addresses.iter();
    let targets = targets.flat_map(|address| address.ports.iter().map(|port| target(address, port)));
    TargetGroup {
        source: format!("endpoints/{}/{}", endpoints.namespace, endpoints.service),
        labels: labels.build(),
        targets: targets.collect(),
    }
}

fn target(address: &EndpointAddress, port: &EndpointPort) -> Labels {
    let mut labels = LabelsBuilder::default();
    let number = port.port.to_string();
    let ready = if address.ready { "true" } else { "false" };
    labels.set("__address__", SocketAddr::new(address.ip, port.port).to_string());
    for role in ["endpoint", "endpointslice"] {
        set(&mut labels, &format!("{role}_port_name"), &port.name);
        set(&mut labels, &format!("{role}_port_protocol"), &port.protocol);
        set(&mut labels, &format!("{role}_address_target_kind"), "Pod");
        set(&mut labels, &format!("{role}_address_target_name"), &address.pod.name);
    }
    set(&mut labels, "endpoint_ready", ready);
    set(&mut labels, "endpoint_node_name", &address.pod.node);
    set(&mut labels, "endpointslice_port", &number);
    set(&mut labels, "endpointslice_endpoint_conditions_ready", ready);
    set(&mut labels, "endpointslice_endpoint_node_name", &address.pod.node);
    let family = if address.ip.is_ipv4() { "IPv4" } else { "IPv6" };
    set(&mut labels, "endpointslice_address_type", family);
    set_pod(&mut labels, address);
    if let Some(container) = &port.container {
        set(&mut labels, "pod_container_name", container);
        let image = address.pod.images.get(container).map(String::as_str);
        set(&mut labels, "pod_container_image", image.unwrap_or_default());
        set(&mut labels, "pod_container_port_name", port.container_port_name.as_deref().unwrap_or_default());
        set(&mut labels, "pod_container_port_number", &number);
        set(&mut labels, "pod_container_port_protocol", &port.protocol);
        set(&mut labels, "pod_container_init", "false");
    }
    labels.build()
}

fn set_pod(labels: &mut LabelsBuilder, address: &EndpointAddress) {
    let pod = &address.pod;
    set(labels, "pod_name", &pod.name);
    set(labels, "pod_ip", &address.ip.to_string());
    set(labels, "pod_ready", if address.ready { "true" } else { "false" });
    set(labels, "pod_phase", &pod.phase);
    set(labels, "pod_node_name", &pod.node);
    set(labels, "pod_host_ip", &pod.host_ip);
    set(labels, "pod_uid", &pod.uid);
    set(labels, "pod_controller_kind", &pod.controller_kind);
    set(labels, "pod_controller_name", &pod.controller_name);
    set_all(labels, "pod_label", &pod.labels);
    set_all(labels, "pod_annotation", &pod.annotations);
}

fn set(labels: &mut LabelsBuilder, name: &str, value: &str) {
    labels.set(format!("{META}{name}"), value);
}

/// Each pair of a map, and that it is present: relabelings cannot tell an empty value from none otherwise.
fn set_all(labels: &mut LabelsBuilder, prefix: &str, pairs: &BTreeMap<String, String>) {
    for (name, value) in pairs {
        let name = sanitize(name);
        set(labels, &format!("{prefix}_{name}"), value);
        set(labels, &format!("{prefix}present_{name}"), "true");
    }
}

/// A label's name in which everything but ASCII letters, digits and `_` is `_`.
pub(crate) fn sanitize(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect()
}
