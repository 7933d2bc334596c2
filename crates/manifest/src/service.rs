//! Services: a stable address in front of pods.
//!
//! Input: documents of kind `Service` (v1). Output: [`Service`]. Load balancers, node ports and IP families are legal
//! and not interpreted; `ExternalName` has no pods and is kept as such.

use crate::fields::Fields;
use crate::{ObjectMeta, PortRef, Source};
use std::collections::BTreeMap;

/// A Service.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Service {
    /// Name, namespace, labels and place.
    pub meta: ObjectMeta,
    /// `ClusterIP`, `NodePort`, `LoadBalancer` or `ExternalName`.
    pub kind: String,
    /// The pods behind it by their labels; empty selects none.
    pub selector: BTreeMap<String, String>,
    /// Its ports.
    pub ports: Vec<ServicePort>,
    /// Whether it has no address of its own (`clusterIP: None`).
    pub headless: bool,
    /// Where an `ExternalName` points to.
    pub external_name: Option<String>,
}

/// A port of a Service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServicePort {
    /// The name; empty when it has none.
    pub name: String,
    /// The Service's own port.
    pub port: u16,
    /// The port of the pods.
    pub target: PortRef,
    /// `TCP`, `UDP` or `SCTP`.
    pub protocol: String,
}

impl Service {
    /// Whether a pod with these labels is behind it.
    pub fn selects(&self, labels: &BTreeMap<String, String>) -> bool {
        !self.selector.is_empty() && self.selector.iter().all(|(key, value)| labels.get(key) == Some(value))
    }

    pub(crate) fn read(object: &Fields<'_>, source: Source) -> Self {
        let mut service = Self { meta: ObjectMeta::read(object, source, true), ..Self::default() };
        let Some(spec) = object.required_section("spec") else { return service };
        service.kind = spec.text("type").unwrap_or_else(|| "ClusterIP".to_owned());
        if !["ClusterIP", "NodePort", "LoadBalancer", "ExternalName"].contains(&service.kind.as_str()) {
            spec.wrong(
                "type",
                format!("unknown type {:?}", service.kind),
                "use ClusterIP, NodePort, LoadBalancer or ExternalName",
            );
        }
        service.selector = spec.texts("selector");
        service.headless = spec.text("clusterIP").as_deref() == Some("None");
        service.external_name = spec.text("externalName");
        service.ports = spec.list("ports").iter().filter_map(ServicePort::read).collect();
        if service.ports.len() > 1 && service.ports.iter().any(|port| port.name.is_empty()) {
            spec.wrong("ports", "every port needs a name when there are several", "add name: to each port");
        }
        if !spec.has("ports") && !service.headless && service.kind != "ExternalName" {
            spec.wrong("ports", "a Service needs at least one port", "");
        }
        spec.known(&[
            "clusterIPs",
            "externalIPs",
            "sessionAffinity",
            "sessionAffinityConfig",
            "loadBalancerIP",
            "loadBalancerClass",
            "loadBalancerSourceRanges",
            "externalTrafficPolicy",
            "internalTrafficPolicy",
            "healthCheckNodePort",
            "publishNotReadyAddresses",
            "ipFamilies",
            "ipFamilyPolicy",
            "allocateLoadBalancerNodePorts",
            "trafficDistribution",
        ]);
        spec.finish();
        service
    }
}

impl ServicePort {
    fn read(fields: &Fields<'_>) -> Option<Self> {
        if !fields.has("port") {
            fields.required_text("port");
            return None;
        }
        let port = fields.number("port", 1, 65_535)?;
        let service_port = Self {
            name: fields.text("name").unwrap_or_default(),
            port,
            target: PortRef::read(fields, "targetPort").unwrap_or(PortRef::Number(port)),
            protocol: fields.text("protocol").unwrap_or_else(|| "TCP".to_owned()),
        };
        fields.known(&["nodePort", "appProtocol"]);
        fields.finish_ref();
        Some(service_port)
    }
}
