//! The resource metrics API (`metrics.k8s.io/v1beta1`), as metrics-server serves it.
//!
//! Input: what pods and nodes use. Output: `PodMetrics` and `NodeMetrics` with metrics-server's quantities, and the tables
//! of `kubectl get`. Pods without metrics yet are left out of lists and not found by name, as there; a source that is down
//! makes every call fail with 503.

use super::identity::time;
use super::kind::{Column, Kind};
use super::nodes;
use super::status::Status;
use crate::SharedState;
use crate::scaling_sources::ResourceMetrics;
use serde_json::{Value, json};
use std::sync::Arc;
use tidewatch_manifest::Quantity;
use tidewatch_metrics::{ContainerMetrics, NodeMetrics, PodMetrics};

pub(super) const GROUP: &str = "metrics.k8s.io";
pub(super) const VERSION: &str = "v1beta1";

const COLUMNS: &[Column] =
    &[Column::text("Name"), Column::text("cpu"), Column::text("memory"), Column::text("Window")];

pub(super) static POD_METRICS: Kind = Kind {
    group: GROUP,
    version: VERSION,
    name: "PodMetrics",
    plural: "pods",
    singular: "",
    short_names: &[],
    categories: &[],
    namespaced: true,
    subresources: &[],
    fields: &[],
    columns: COLUMNS,
    row: |object, _| {
        let containers = object["containers"].as_array().into_iter().flatten();
        let usages: Vec<&Value> = containers.map(|container| &container["usage"]).collect();
        row(object, &usages)
    },
    objects: |shared| {
        let pods = source(shared)?.pods().map_err(|why| unavailable(&why))?;
        let now = shared.state.clock.now();
        Ok(pods.iter().map(|pod| of_pod(pod, now)).collect())
    },
};

pub(super) static NODE_METRICS: Kind = Kind {
    group: GROUP,
    version: VERSION,
    name: "NodeMetrics",
    plural: "nodes",
    singular: "",
    short_names: &[],
    categories: &[],
    namespaced: false,
    subresources: &[],
    fields: &[],
    columns: COLUMNS,
    row: |object, _| row(object, &[&object["usage"]]),
    objects: |shared| {
        let nodes = source(shared)?.nodes().map_err(|why| unavailable(&why))?;
        let now = shared.state.clock.now();
        Ok(nodes.iter().map(|node| of_node(node, now)).collect())
    },
};

fn source(shared: &SharedState) -> Result<Arc<dyn ResourceMetrics>, Status> {
    shared.state.resource_metrics.clone().ok_or_else(Status::no_such_resource)
}

fn unavailable(why: &str) -> Status {
    Status::unavailable(format!("the server is currently unable to handle the request: {why}"))
}

fn of_pod(pod: &PodMetrics, now: i64) -> Value {
    let container = |container: &ContainerMetrics| json!({ "name": container.name, "usage": usage(container.cpu_nano_cores, container.memory_bytes) });
    json!({
        "metadata": {
            "name": pod.name,
            "namespace": pod.namespace,
            "creationTimestamp": time(now),
            "labels": pod.labels,
        },
        "timestamp": time(pod.timestamp_ms),
        "window": go_duration(pod.window_ms),
        "containers": pod.containers.iter().map(container).collect::<Vec<_>>(),
    })
}

fn of_node(node: &NodeMetrics, now: i64) -> Value {
    json!({
        "metadata": { "name": node.name, "creationTimestamp": time(now), "labels": nodes::labels(&node.name) },
        "timestamp": time(node.timestamp_ms),
        "window": go_duration(node.window_ms),
        "usage": usage(node.cpu_nano_cores, node.memory_bytes),
    })
}

fn usage(nano_cores: u64, bytes: u64) -> Value {
    let cpu = Quantity::from_nano(i64::try_from(nano_cores).unwrap_or(i64::MAX));
    json!({ "cpu": cpu.to_string(), "memory": Quantity::from_bytes(bytes).to_string() })
}

/// Name, CPU, memory, window; each resource added up over the given usages.
fn row(object: &Value, usages: &[&Value]) -> Vec<Value> {
    let sum = |resource: &str| {
        let amounts = usages.iter().filter_map(|usage| Quantity::parse(usage[resource].as_str()?).ok());
        amounts.fold(Quantity::default(), Quantity::plus).to_string()
    };
    vec![
        object["metadata"]["name"].clone(),
        sum("cpu").into(),
        sum("memory").into(),
        object["window"].clone(),
    ]
}

/// A duration as Go writes it: `15s`, `1m0.25s`.
fn go_duration(milliseconds: i64) -> String {
    let (minutes, rest) = (milliseconds / 60_000, milliseconds % 60_000);
    let seconds = rest as f64 / 1000.0;
    match (minutes / 60, minutes % 60) {
        (0, 0) => format!("{seconds}s"),
        (0, minutes) => format!("{minutes}m{seconds}s"),
        (hours, minutes) => format!("{hours}h{minutes}m{seconds}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_durations_of_go() {
        let check = |ms: i64, expected: &str| assert_eq!(go_duration(ms), expected);
        check(15_000, "15s");
        check(15_012, "15.012s");
        check(60_000, "1m0s");
        check(3_661_500, "1h1m1.5s");
    }

    #[test]
    fn usage_has_the_largest_suffix_without_a_fraction() {
        let check = |nano: u64, bytes: u64, cpu: &str, memory: &str| {
            assert_eq!(usage(nano, bytes), json!({ "cpu": cpu, "memory": memory }));
        };
        check(0, 0, "0", "0");
        check(1_234_567, 53_687_091, "1234567n", "53687091");
        check(250_000_000, 53_686_272, "250m", "52428Ki");
        check(2_000_000_000, 52_428_800, "2", "50Mi");
        check(1000, 1000, "1u", "1k");
    }

    #[test]
    fn rows_add_containers_up() {
        let object = json!({ "metadata": { "name": "web-1" }, "window": "15s" });
        let cells = row(&object, &[&usage(1_500_000, 1 << 20), &usage(500_000, 1 << 20)]);
        assert_eq!(cells, ["web-1", "2m", "2Mi", "15s"].map(Value::from));
    }
}
