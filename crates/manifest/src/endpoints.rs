//! What a Service leads to right now: the addresses of its pods, as the runtime knows them and discovery reads them.
//!
//! The same facts that a cluster keeps in EndpointSlices and pods, with just the fields that target labels are made
//! of. It says nothing about how the pods run.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

/// A Service and the pods behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoints {
    /// The namespace of Service and pods.
    pub namespace: String,
    /// The Service's name.
    pub service: String,
    /// The Service's labels, which a ServiceMonitor selects by.
    pub labels: BTreeMap<String, String>,
    /// The Service's annotations.
    pub annotations: BTreeMap<String, String>,
    /// One entry a pod, in the order of their names.
    pub addresses: Vec<EndpointAddress>,
}

/// One pod behind a Service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointAddress {
    /// The pod's own address.
    pub ip: IpAddr,
    /// Whether the pod is ready.
    pub ready: bool,
    /// The pod.
    pub pod: Arc<PodRef>,
    /// The Service's ports as this pod serves them.
    pub ports: Vec<EndpointPort>,
}

/// A port of a Service at a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointPort {
    /// The name of the Service's port; empty when it has none.
    pub name: String,
    /// The pod's port number.
    pub port: u16,
    /// `TCP` or `UDP`.
    pub protocol: String,
    /// The container that declares the port, if one does.
    pub container: Option<String>,
    /// The name the container gives the port, if any.
    pub container_port_name: Option<String>,
}

/// What target labels say of a pod.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PodRef {
    /// The namespace.
    pub namespace: String,
    /// The pod's name.
    pub name: String,
    /// The pod's unique id.
    pub uid: String,
    /// The node it runs on.
    pub node: String,
    /// The node's address.
    pub host_ip: String,
    /// `Pending`, `Running`, `Succeeded`, `Failed` or `Unknown`.
    pub phase: String,
    /// The controller's kind, e.g. `ReplicaSet`; empty for a bare pod.
    pub controller_kind: String,
    /// The controller's name.
    pub controller_name: String,
    /// The pod's labels.
    pub labels: BTreeMap<String, String>,
    /// The pod's annotations.
    pub annotations: BTreeMap<String, String>,
    /// The image of each container by the container's name.
    pub images: BTreeMap<String, String>,
}
