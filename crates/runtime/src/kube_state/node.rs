//! The metrics of the machine as a node.
//!
//! Input: the node's size, free memory and disk. Output: `kube_node_*`. It has pressure when the kubelet would say so.

use super::{Page, STATUSES, one_if, seconds, status_of};
use tidewatch_exposition::MetricKind::Gauge;

pub(super) fn write(page: &mut Page<'_>) {
    page.node();
    page.node_amounts();
    page.node_conditions();
}

impl Page<'_> {
    fn node(&mut self) {
        let node = &self.cluster.node;
        let name_label = ("node", node.name.as_str());
        let kernel = rustix::system::uname().release().to_string_lossy().into_owned();
        let ip = node.ip.to_string();
        let info = [
            name_label,
            ("kernel_version", &kernel),
            ("os_image", "linux"),
            ("container_runtime_version", concat!("tidewatch://", env!("CARGO_PKG_VERSION"))),
            ("kubelet_version", concat!("tidewatch-", env!("CARGO_PKG_VERSION"))),
            ("kubeproxy_version", "deprecated"),
            ("provider_id", ""),
            ("pod_cidr", ""),
            ("system_uuid", ""),
            ("internal_ip", &ip),
        ];
        self.writer.family("kube_node_info", Gauge, "Information about a cluster node.").sample(
            "kube_node_info",
            &info,
            1.0,
        );
        self.writer
            .family("kube_node_created", Gauge, "Unix creation timestamp")
            .sample("kube_node_created", &[name_label], seconds(self.cluster.started_ms))
            .family("kube_node_spec_unschedulable", Gauge, "Whether a node can schedule new pods.")
            .sample("kube_node_spec_unschedulable", &[name_label], 0.0);
    }

    fn node_amounts(&mut self) {
        let node = &self.cluster.node;
        let name_label = ("node", node.name.as_str());
        let amounts = [
            ("cpu", "core", node.cores as f64),
            ("memory", "byte", node.memory_bytes as f64),
            ("pods", "integer", 60_706.0),
        ];
        for (name, help) in [
            ("kube_node_status_capacity", "The total amount of resources available for a node."),
            (
                "kube_node_status_allocatable",
                "The amount of resources allocatable for pods (after reserving some for system daemons).",
            ),
        ] {
            self.family(name, help, amounts, |writer, name, (resource, unit, value)| {
                writer.sample(name, &[name_label, ("resource", resource), ("unit", unit)], value);
            });
        }
    }

    fn node_conditions(&mut self) {
        let name_label = ("node", self.cluster.node.name.as_str());
        let eviction = &self.cluster.eviction;
        let conditions = [
            ("Ready", true),
            ("MemoryPressure", eviction.memory_pressure()),
            ("DiskPressure", eviction.disk_pressure(&self.cluster.data_folder)),
            ("PIDPressure", false),
        ];
        self.family(
            "kube_node_status_condition",
            "The condition of a cluster node.",
            conditions,
            |writer, name, (condition, holds)| {
                for status in STATUSES {
                    let labels = [name_label, ("condition", condition), ("status", status)];
                    writer.sample(name, &labels, one_if(status == status_of(holds)));
                }
            },
        );
    }
}
