//! What is asked of a simulation.
//!
//! Input: JSON (the page, the HTTP API) or the command line. Output: [`SimulationRequest`], checked by `run`.

use crate::{Load, ServiceModel};
use serde::{Deserialize, Serialize};

/// One autoscaler under one load. Everything but `hpa` has a default.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct SimulationRequest {
    /// The HorizontalPodAutoscaler or ScaledObject: a JSON object, or a string of YAML with one or more documents. The Deployment that it
    /// scales may be among them: its requests and limits are used.
    pub hpa: serde_json::Value,
    /// Which autoscaler, by `metadata.name`, where there are several.
    pub name: Option<String>,
    /// What arrives.
    pub load: Load,
    /// What a pod can do and costs.
    pub service: ServiceModel,
    /// How the autoscaler's metrics are measured.
    pub metrics: MetricsModel,
    /// The controller's options.
    pub controller: ControllerModel,
    /// What is wanted of the scaling.
    pub targets: Targets,
    /// Simulated time; seconds, at most 31 days. Default: the load's end.
    pub duration_seconds: Option<f64>,
    /// How long the load's first rate holds before it begins; seconds. Before that nothing arrives: at 0 the load begins on idle pods. At
    /// least 10 minutes are run before the load in any case, so that windows and histories are filled. Default 600.
    pub warmup_seconds: Option<f64>,
    /// Replicas at the beginning. Default: what the load's first rate needs.
    pub initial_replicas: Option<u32>,
    /// How much later than a sync the load begins; seconds, 0 to the sync period. Default 0.
    pub phase_seconds: f64,
    /// How many phases are run: the load begins at so many moments spread evenly over a sync period, each with another moment of
    /// measuring. 0 or 1 = only `phaseSeconds`; at most 1,000. The timeline is the first phase's.
    pub phases: u32,
    /// Of the random parts (`load.noise`, `service.delayJitter`): the same seed gives the same report.
    pub seed: u64,
    /// Time between points of the report's timeline; seconds. Default: 15, or more for a timeline of at most 2,000 points.
    pub timeline_seconds: Option<f64>,
}

/// How resource metrics are measured (metrics-server), and how old others are (exporter and scrape).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct MetricsModel {
    /// metrics-server's `--metric-resolution`: time between its scrapes, and the window of CPU usage; seconds, at least 1. Default 15.
    pub resolution_seconds: f64,
    /// Age of the counters when they are scraped (kubelets measure every 10 to 15 s, tidewatch at the scrape); seconds. Default 0.
    pub lag_seconds: f64,
    /// From a sync to the next scrape; seconds, 0 to the resolution. Default 7.5.
    pub scrape_offset_seconds: f64,
    /// Time between measurements of Pods, Object and External metrics; seconds; 0 = measured by each sync, else 1 or more.
    /// Default 15.
    pub external_interval_seconds: f64,
    /// Over which time request rates are averaged (the range of `rate` in the query); seconds. Default 60.
    pub rate_window_seconds: f64,
}

impl Default for MetricsModel {
    fn default() -> Self {
        Self {
            resolution_seconds: 15.0,
            lag_seconds: 0.0,
            scrape_offset_seconds: 7.5,
            external_interval_seconds: 15.0,
            rate_window_seconds: 60.0,
        }
    }
}

/// Options of the controller, with kube-controller-manager's defaults.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct ControllerModel {
    /// `--horizontal-pod-autoscaler-sync-period`; seconds, at least 1. Default 15.
    pub sync_period_seconds: f64,
    /// `--horizontal-pod-autoscaler-tolerance`. Default 0.1.
    pub tolerance: f64,
    /// `--horizontal-pod-autoscaler-cpu-initialization-period`; seconds. Default 300.
    pub cpu_initialization_period_seconds: f64,
    /// `--horizontal-pod-autoscaler-initial-readiness-delay`; seconds. Default 30.
    pub initial_readiness_delay_seconds: f64,
    /// `--horizontal-pod-autoscaler-downscale-stabilization`; seconds. Default 300.
    pub downscale_stabilization_seconds: f64,
    /// Feature gate HPAConfigurableTolerance: whether `behavior.*.tolerance` counts. Default false.
    pub configurable_tolerance: bool,
}

impl Default for ControllerModel {
    fn default() -> Self {
        Self {
            sync_period_seconds: 15.0,
            tolerance: 0.1,
            cpu_initialization_period_seconds: 300.0,
            initial_readiness_delay_seconds: 30.0,
            downscale_stabilization_seconds: 300.0,
            configurable_tolerance: false,
        }
    }
}

/// What is wanted of the scaling. Without any, the report judges nothing and passes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Targets {
    /// From a rise of the load until the ready replicas are what it needs; seconds at most.
    pub up_seconds: Option<f64>,
    /// From a fall of the load until no more replicas are left than it needs; seconds at most.
    pub down_seconds: Option<f64>,
    /// Share of requests that fail; 0 to 1 at most.
    pub failed_share: Option<f64>,
    /// 99th percentile of the latency in the worst point of the timeline outside of scale-ups; seconds at most.
    pub latency_p99_seconds: Option<f64>,
    /// Flaps at most.
    pub flaps: Option<u32>,
}
