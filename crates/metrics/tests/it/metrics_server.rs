//! The same counters give the same metrics as in metrics-server's own store.
//!
//! `tests/data/metrics_server.jsonl` is what metrics-server 0.9.0 answered; `conformance/metrics-server` makes it.

use serde_json::Value;
use std::sync::Arc;
use tidewatch_manifest::PodRef;
use tidewatch_metrics::{ContainerCounter, PodMetrics, ResourceMetrics};

fn counter(read: &Value) -> ContainerCounter {
    let pod = PodRef {
        namespace: "n".to_owned(),
        name: read["pod"].as_str().unwrap_or_default().to_owned(),
        phase: "Running".to_owned(),
        ..PodRef::default()
    };
    ContainerCounter {
        pod: Arc::new(pod),
        container: read["container"].as_str().unwrap_or_default().to_owned(),
        cpu_seconds_total: read["cpu"].as_f64().unwrap_or_default() / 1000.0,
        working_set_bytes: read["memory"].as_u64().unwrap_or_default(),
        start_ms: read["start"].as_i64().unwrap_or_default(),
    }
}

/// Whether a pod's metrics are those that metrics-server gave; it may take the window of any of the pod's containers.
fn equal(found: &PodMetrics, expected: &Value) -> bool {
    let containers = expected["containers"].as_object().into_iter().flatten();
    let containers: Vec<(&str, Option<u64>, Option<u64>)> =
        containers.map(|(name, usage)| (name.as_str(), usage[0].as_u64(), usage[1].as_u64())).collect();
    let own: Vec<(&str, Option<u64>, Option<u64>)> = found
        .containers
        .iter()
        .map(|one| (one.name.as_str(), Some(one.cpu_nano_cores), Some(one.memory_bytes)))
        .collect();
    let mut windows = expected["windows"].as_array().into_iter().flatten();
    found.name == expected["pod"]
        && found.timestamp_ms == expected["time"]
        && windows.any(|window| *window == found.window_ms)
        && own == containers
}

#[test]
fn the_store_is_equal_to_metrics_servers() {
    let (mut batches, mut pods) = (0, 0);
    for (number, line) in include_str!("../data/metrics_server.jsonl").lines().enumerate() {
        let sequence: Value = serde_json::from_str(line).unwrap();
        let mut store = ResourceMetrics::default();
        for batch in sequence.as_array().unwrap() {
            let counters: Vec<ContainerCounter> =
                batch["counters"].as_array().unwrap().iter().map(counter).collect();
            store.observe(batch["time"].as_i64().unwrap(), &counters);
            let (found, expected) = (store.pods(), batch["metrics"].as_array().unwrap());
            let same = found.len() == expected.len()
                && found.iter().zip(expected).all(|(found, expected)| equal(found, expected));
            assert!(same, "sequence {number}: {found:#?}\ninstead of {expected:#?}");
            batches += 1;
            pods += found.len();
        }
    }
    assert!(batches > 500 && pods > 300, "{batches} batches, {pods} pods");
}
