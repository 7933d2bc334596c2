//! What autoscalers are given: the three metrics APIs of a cluster, without their servers.
//!
//! Input: counters of containers and of the node every 15 seconds; the store, through PromQL; ScaledObjects. Output: resource
//! metrics as metrics-server computes them, custom and external metrics as prometheus-adapter's default rules map them, and
//! what KEDA's triggers answer and switch on and off. It scales nothing, keeps no clock and starts no task: everything is a
//! function of (state, input, now).

mod error;

mod resource_metrics;

mod queries;
mod selector;
mod custom_metrics;

mod activation;
mod kafka_lag;
mod scaler;
mod trigger;

pub use activation::{KedaCondition, KedaEvent};
pub use custom_metrics::CustomMetrics;
pub use error::MetricsError;
pub use queries::Queries;
pub use resource_metrics::{
    ContainerCounter, ContainerMetrics, NodeCounter, NodeMetrics, PodMetrics, RESOLUTION_MS, ResourceMetrics,
};
pub use scaler::{Poll, ReplicaCounts, Scaler};
