//! Runs Deployments as processes of this machine: a pod is a process (or several) with a loopback address of its own.
//! Pods that ask for Dapr get a sidecar, and a Strimzi Kafka becomes a broker: processes of the tidewatch program itself.
//!
//! Input: manifests and `tidewatch.yaml`. Output: running pods behind their Services, and everything a cluster would
//! tell of them: endpoints, states, events, logs, and the metrics of kube-state-metrics, cAdvisor and node-exporter
//! with their names and labels. It decides no number of replicas by itself, pulls no image and isolates nothing: a
//! pod's processes run with the rights of whoever started tidewatch.

mod error;

mod backoff;
mod events;
mod names;
mod network;
mod resolve;
mod status;
mod traffic;

mod child;
mod guard;
mod open_files;
mod process;
mod procfs;

mod check;
mod cluster;
mod container;
mod dapr;
mod data_folder;
mod endpoints;
mod environment;
mod eviction;
mod hook;
mod inventory;
mod kafka;
mod launch;
mod logs;
mod plan;
mod pod;
mod prober;
mod proxy;
mod replicas;
mod scale;
mod scaled_by;
mod services;
mod usage;
mod volume_stats;

mod cadvisor;
mod kube_state;
mod node_exporter;

mod runtime;

pub use error::RuntimeError;
pub use events::RuntimeEvent;
pub use eviction::EvictionThresholds;
pub use guard::{GuardCommand, run_guard};
pub use inventory::{DeploymentStatus, NodeStatus};
pub use open_files::raise_open_file_limit;
pub use procfs::holder_of;
pub use resolve::ExternalService;
pub use runtime::{KafkaBootstrap, Runtime, RuntimeSpec};
pub use scale::ScaleState;
pub use scaled_by::{AutoscalerCondition, AutoscalerCurrent, AutoscalerStatus};
pub use services::Exposed;
pub use status::{ContainerState, ContainerStatus, PodPhase, PodStatus, Termination};
pub use usage::{ContainerReading, NodeReading};
pub use volume_stats::VolumeClaim;
