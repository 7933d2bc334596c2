//! The model of a service: what a request costs a pod, how many a pod takes, how long a pod takes to come and go.
//!
//! Input: the fields as users write them, or from a calibration. Output: plain values for the simulation.

use crate::SimulationError;
use crate::error::within;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What one pod of the simulated Deployment can do and costs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct ServiceModel {
    /// CPU that one request (or event) costs; core-seconds, above 0. Default 0.005.
    pub cpu_seconds_per_request: f64,
    /// Time of a request that is no CPU of the pod (database, network); seconds, 0 or more. Default 0.005.
    pub wait_seconds_per_request: f64,
    /// Squared coefficient of variation of the time of a request; 0 = always the same, 1 = exponential. Default 1.
    pub variability: f64,
    /// Requests that a pod works on at the same time; 0 = as many as come; at most 1,024. Default 0.
    pub concurrency: u32,
    /// A request that would wait longer fails; seconds. Default 30.
    pub timeout_seconds: f64,
    /// CPU that a pod's containers may use together; cores. Default: the first container's limit in the Deployment, else 1.
    pub cpu_limit_cores: Option<f64>,
    /// CPU request of a pod without a Deployment in the manifests; cores. With a Deployment: replaces the first container's.
    /// Default 0.25.
    pub cpu_request_cores: Option<f64>,
    /// Memory request, likewise; bytes. Default 268,435,456.
    pub memory_request_bytes: Option<f64>,
    /// CPU of a ready pod without requests; cores. Default 0.005.
    pub idle_cpu_cores: f64,
    /// CPU that a starting pod uses from its start until it is ready; cores. Default 0.1.
    pub start_cpu_cores: f64,
    /// From the scaling until the pod's containers run (scheduling, pulling, starting); seconds. Default 2.
    pub start_seconds: f64,
    /// From running until ready (initialisation, readiness probe); seconds. Default 8.
    pub ready_seconds: f64,
    /// Random share of the two delays, up or down; 0 to 1. Default 0.
    pub delay_jitter: f64,
    /// How long a pod takes to end; it gets no requests meanwhile and counts as a terminating pod; seconds. Default 2.
    pub drain_seconds: f64,
    /// Memory of a pod as it starts; bytes. Default 67,108,864.
    pub memory_base_bytes: f64,
    /// Memory that a pod gains by its age; bytes per hour. Default 0.
    pub memory_growth_bytes_per_hour: f64,
    /// Memory that a request under way (or waiting) holds; bytes. Default 65,536.
    pub memory_bytes_per_request: f64,
    /// CPU of each further container of the pod without requests; cores. Default 0.002.
    pub sidecar_idle_cpu_cores: f64,
    /// CPU that a request costs each further container; core-seconds. Default 0.
    pub sidecar_cpu_seconds_per_request: f64,
    /// Memory of each further container; bytes. Default 52,428,800.
    pub sidecar_memory_bytes: f64,
    /// Set for a service that reads a partitioned queue (Kafka) instead of answering requests.
    pub queue: Option<QueueModel>,
    /// What each Pods, Object and External metric of the autoscaler measures, by the metric's name. Default: `queueLag` where there
    /// is a queue, else `requestRate`; `requestRate` also for a ScaledObject's query with `rate` or `increase`.
    pub signals: BTreeMap<String, Signal>,
}

impl Default for ServiceModel {
    fn default() -> Self {
        Self {
            cpu_seconds_per_request: 0.005,
            wait_seconds_per_request: 0.005,
            variability: 1.0,
            concurrency: 0,
            timeout_seconds: 30.0,
            cpu_limit_cores: None,
            cpu_request_cores: None,
            memory_request_bytes: None,
            idle_cpu_cores: 0.005,
            start_cpu_cores: 0.1,
            start_seconds: 2.0,
            ready_seconds: 8.0,
            delay_jitter: 0.0,
            drain_seconds: 2.0,
            memory_base_bytes: 67_108_864.0,
            memory_growth_bytes_per_hour: 0.0,
            memory_bytes_per_request: 65_536.0,
            sidecar_idle_cpu_cores: 0.002,
            sidecar_cpu_seconds_per_request: 0.0,
            sidecar_memory_bytes: 52_428_800.0,
            queue: None,
            signals: BTreeMap::new(),
        }
    }
}

/// A partitioned queue that the pods read as one consumer group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct QueueModel {
    /// Partitions; 1 to 1,000. A partition is read by one pod at a time, one event after the other. Default 5.
    pub partitions: u32,
    /// Share of the events that goes to the fullest partition; 0 = all alike. Default 0.
    pub fullest_share: f64,
    /// How long nobody reads after the set of ready pods changed; seconds. Default 3.
    pub rebalance_seconds: f64,
    /// Time between commits of offsets; seconds. What was done since the last one still counts as lag: half of it on average. Default 1.
    pub commit_seconds: f64,
    /// Events that wait at the beginning. Default 0.
    pub initial_lag: f64,
}

impl Default for QueueModel {
    fn default() -> Self {
        Self {
            partitions: 5,
            fullest_share: 0.0,
            rebalance_seconds: 3.0,
            commit_seconds: 1.0,
            initial_lag: 0.0,
        }
    }
}

/// What a metric that is not a resource measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Signal {
    /// Events that wait in the queue, over all partitions.
    QueueLag,
    /// Requests (or events) that come in a second; per pod for a Pods metric.
    RequestRate,
    /// Requests under way or waiting; per pod for a Pods metric.
    RequestsInFlight,
}

/// A terabyte and more; no pod has it.
const MOST_BYTES: f64 = 1e13;
const DAY: f64 = 86_400.0;

impl ServiceModel {
    /// Whether all numbers can be simulated.
    pub(crate) fn check(&self) -> Result<(), SimulationError> {
        let limits = [
            ("cpuSecondsPerRequest", self.cpu_seconds_per_request, 1e-9, 3600.0),
            ("waitSecondsPerRequest", self.wait_seconds_per_request, 0.0, 3600.0),
            ("variability", self.variability, 0.0, 1000.0),
            ("concurrency", f64::from(self.concurrency), 0.0, 1024.0),
            ("timeoutSeconds", self.timeout_seconds, 0.0, DAY),
            ("cpuLimitCores", self.cpu_limit_cores.unwrap_or(1.0), 0.001, 1024.0),
            ("cpuRequestCores", self.cpu_request_cores.unwrap_or(1.0), 0.001, 1024.0),
            ("memoryRequestBytes", self.memory_request_bytes.unwrap_or(1.0), 1.0, MOST_BYTES),
            ("idleCpuCores", self.idle_cpu_cores, 0.0, 1024.0),
            ("startCpuCores", self.start_cpu_cores, 0.0, 1024.0),
            ("startSeconds", self.start_seconds, 0.0, DAY),
            ("readySeconds", self.ready_seconds, 0.0, DAY),
            ("delayJitter", self.delay_jitter, 0.0, 1.0),
            ("drainSeconds", self.drain_seconds, 0.0, DAY),
            ("memoryBaseBytes", self.memory_base_bytes, 0.0, MOST_BYTES),
            ("memoryGrowthBytesPerHour", self.memory_growth_bytes_per_hour, 0.0, MOST_BYTES),
            ("memoryBytesPerRequest", self.memory_bytes_per_request, 0.0, MOST_BYTES),
            ("sidecarIdleCpuCores", self.sidecar_idle_cpu_cores, 0.0, 1024.0),
            ("sidecarCpuSecondsPerRequest", self.sidecar_cpu_seconds_per_request, 0.0, 3600.0),
            ("sidecarMemoryBytes", self.sidecar_memory_bytes, 0.0, MOST_BYTES),
        ];
        for (name, value, least, most) in limits {
            within(&format!("service.{name}"), value, least, most)?;
        }
        let Some(queue) = &self.queue else { return Ok(()) };
        within("service.queue.partitions", f64::from(queue.partitions), 1.0, 1000.0)?;
        within("service.queue.fullestShare", queue.fullest_share, 0.0, 1.0)?;
        within("service.queue.rebalanceSeconds", queue.rebalance_seconds, 0.0, 3600.0)?;
        within("service.queue.commitSeconds", queue.commit_seconds, 0.0, 3600.0)?;
        within("service.queue.initialLag", queue.initial_lag, 0.0, 1e12)
    }
}
