//! What the server asks of the autoscalers and of the metrics they are given, each behind a trait.
//!
//! Input: the handles of whoever runs autoscalers and measures pods. Output: snapshots for the Kubernetes APIs and for
//! tidewatch's own. Nothing here keeps state or waits; every method is called on a thread that may block.

use std::sync::Arc;
use tidewatch_autoscale::{AutoscalerView, Decided, Scaling};
use tidewatch_manifest::{LabelSelector, Quantity};
use tidewatch_metrics::{MetricsError, NodeMetrics, PodMetrics};

/// The autoscalers that run here, and what they decided.
pub trait Autoscaling: Send + Sync {
    /// All of them as they are now.
    fn autoscalers(&self) -> Vec<AutoscalerView>;
    /// What one decided, the latest first, at most `limit`; `None` when there is no such autoscaler.
    fn decisions(&self, namespace: &str, name: &str, limit: usize) -> Option<Vec<Arc<Decided>>>;
    /// What was scaled between two times, both included, in milliseconds since the Unix epoch; in order of time.
    fn scalings(&self, from_ms: i64, to_ms: i64) -> Vec<Scaling>;
    /// Writes what kube-controller-manager would say of the controller itself, as text exposition.
    fn write_metrics(&self, out: &mut String);
}

impl Autoscaling for tidewatch_autoscale::Autoscaling {
    fn autoscalers(&self) -> Vec<AutoscalerView> {
        self.autoscalers()
    }

    fn decisions(&self, namespace: &str, name: &str, limit: usize) -> Option<Vec<Arc<Decided>>> {
        self.decisions(namespace, name, limit)
    }

    fn scalings(&self, from_ms: i64, to_ms: i64) -> Vec<Scaling> {
        self.scalings(from_ms, to_ms)
    }

    fn write_metrics(&self, out: &mut String) {
        self.write_metrics(out);
    }
}

/// What pods and nodes use: the resource metrics API.
pub trait ResourceMetrics: Send + Sync {
    /// All pods that have metrics.
    ///
    /// # Errors
    /// Why there are none now, when the source is down.
    fn pods(&self) -> Result<Vec<PodMetrics>, String>;
    /// All nodes that have metrics.
    ///
    /// # Errors
    /// Why there are none now, when the source is down.
    fn nodes(&self) -> Result<Vec<NodeMetrics>, String>;
}

/// Metrics of pods and other objects: the custom metrics API.
pub trait CustomMetrics: Send + Sync {
    /// A metric of each of these pods, by the pod's name; pods that do not have it are left out.
    ///
    /// # Errors
    /// When there is no such metric or it cannot be read.
    fn pods(
        &self,
        namespace: &str,
        metric: &str,
        selector: Option<&LabelSelector>,
        pods: &[&str],
    ) -> Result<Vec<(String, Quantity)>, MetricFailure>;

    /// A metric of another object, by its kind (`Service`) and name; of a `Namespace` the metric of all in it.
    ///
    /// # Errors
    /// When there is no such metric or it cannot be read.
    fn object(
        &self,
        namespace: &str,
        kind: &str,
        name: &str,
        metric: &str,
        selector: Option<&LabelSelector>,
    ) -> Result<Quantity, MetricFailure>;
}

/// Metrics of things outside of the cluster: the external metrics API.
pub trait ExternalMetrics: Send + Sync {
    /// The values of a metric.
    ///
    /// # Errors
    /// When there is no such metric or it cannot be read.
    fn values(
        &self,
        namespace: &str,
        metric: &str,
        selector: Option<&LabelSelector>,
    ) -> Result<Vec<Quantity>, MetricFailure>;
}

/// A metric that cannot be given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MetricFailure {
    /// There is no such metric, or it has no value for what was asked.
    NotFound(
        /// What is missing, with a remedy.
        String,
    ),
    /// Its source cannot be read now.
    Unavailable(
        /// Why.
        String,
    ),
}

impl From<MetricsError> for MetricFailure {
    fn from(error: MetricsError) -> Self {
        let text = error.to_string();
        match error {
            MetricsError::NoSeries { .. } | MetricsError::NoTopic { .. } | MetricsError::NoTrigger { .. } => {
                Self::NotFound(text)
            }
            _ => Self::Unavailable(text),
        }
    }
}

/// Runs a simulation: takes the JSON of a request and gives the JSON of a report.
pub type Simulate = dyn Fn(&[u8]) -> Result<Vec<u8>, SimulationFailure> + Send + Sync;

/// A simulation that was refused or failed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SimulationFailure {
    /// What is wrong, with a remedy.
    pub message: String,
    /// The field of the request that is wrong, e.g. `load.segments[1].rate`; `None` when it is not one field, or not the
    /// request's fault.
    pub field: Option<String>,
    /// Whether the request is at fault; otherwise tidewatch is.
    pub is_request: bool,
}
