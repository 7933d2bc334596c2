//! The only crate that serves: the web page and the public APIs of the systems tidewatch stands in for.
//!
//! Input: handles to the store, the query engine, the scraper, the runtime, the autoscalers and the dashboards, in one
//! [`ApiState`]. Output: the Prometheus HTTP API v1 and its management API, Grafana's dashboards and annotations, what `kubectl`
//! reads of a cluster with the metrics APIs of autoscaling, the metrics of a cluster's exporters, OTLP, Jaeger's query APIs and
//! remote sampling, Alertmanager's API v2, decisions and simulations of autoscaling, and the page, on loopback addresses.
//!
//! In reading order: a [`Server`] binds [`ListenerSpec`]s and answers connections; `routes` puts one module per API into
//! a router; the guard checks, counts and finishes every request; work on the store passes the gate, which bounds it
//! and stops it when its client leaves.
//!
//! Deliberately not here: TLS and users (non-loopback addresses are refused), CORS (no other origin may read), HTTP/2
//! but for OTLP/gRPC, evaluation of rules, and saving of anything.

mod alerting_sources;
mod alertmanager;
mod answer;
mod cluster_metrics;
mod endpoint;
mod error;
mod gate;
mod grafana;
mod guard;
mod jaeger;
mod json;
mod kubernetes;
mod listen;
mod management;
mod metrics;
mod otlp;
mod parameters;
mod prometheus;
mod reply;
mod routes;
mod sampling;
mod scaling_sources;
mod server;
mod sources;
mod state;
mod tidewatch_api;
mod ui;

pub use alerting_sources::{AlertTargets, RuleGroups};
pub use cluster_metrics::{
    CADVISOR_METRICS_PATH, CONTROLLER_METRICS_PATH, KAFKA_METRICS_PATH, KUBE_STATE_METRICS_PATH,
    NODE_METRICS_PATH,
};
pub use error::ServerError;
pub use gate::QueryLimits;
pub use listen::{ListenerSpec, Serves};
pub use otlp::{IntakeError, OtlpLimits, SpanIntake, SpanReception, Taken};
pub use sampling::SamplingStrategies;
pub use scaling_sources::{
    Autoscaling, CustomMetrics, ExternalMetrics, MetricFailure, ResourceMetrics, Simulate, SimulationFailure,
};
pub use server::{ConnectionLimits, Server};
pub use sources::{Targets, Workloads};
pub use state::{ApiState, ConfigStatus, HeadStats, LifecycleRequest, Readiness};

/// What every route sees.
struct SharedState {
    state: ApiState,
    gate: gate::Gate,
    metrics: std::sync::Arc<metrics::HttpMetrics>,
    receiver: Option<std::sync::Arc<otlp::Receiver>>,
    simulations: tidewatch_api::Simulations,
}

type Shared = std::sync::Arc<SharedState>;
