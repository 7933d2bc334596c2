//! What the server asks of the scraper and of the runtime, each behind a trait so that routes are tested without them.
//!
//! Input: handles of the scrape and runtime crates, which implement these traits here with their own methods of the same
//! names. Output: snapshots for the routes. Nothing here keeps state or waits.

use tidewatch_manifest::Autoscaler;
use tidewatch_runtime::{DeploymentStatus, NodeStatus, PodStatus, Runtime, RuntimeError, RuntimeEvent};
use tidewatch_scrape::{DroppedTarget, MetricMetadata, Scraper, TargetStatus};

/// The scraper's view of its targets.
pub trait Targets: Send + Sync {
    /// Names of the scrape pools, those without targets included.
    fn pools(&self) -> Vec<String>;
    /// Targets that are scraped.
    fn active(&self) -> Vec<TargetStatus>;
    /// Targets that relabeling dropped.
    fn dropped(&self) -> Vec<DroppedTarget>;
    /// What targets say of their metrics.
    fn metadata(&self) -> Vec<MetricMetadata>;
}

impl Targets for Scraper {
    fn pools(&self) -> Vec<String> {
        self.stats().pools.into_iter().map(|pool| pool.pool).collect()
    }

    fn active(&self) -> Vec<TargetStatus> {
        self.targets()
    }

    fn dropped(&self) -> Vec<DroppedTarget> {
        self.dropped_targets()
    }

    fn metadata(&self) -> Vec<MetricMetadata> {
        self.metadata()
    }
}

/// The pods of this machine and what a cluster would measure of them.
pub trait Workloads: Send + Sync {
    /// All pods.
    fn pods(&self) -> Vec<PodStatus>;
    /// All Deployments, those without pods included.
    fn deployments(&self) -> Vec<DeploymentStatus>;
    /// The autoscalers as they are written, those that ScaledObjects become included.
    fn autoscalers(&self) -> Vec<Autoscaler>;
    /// The machine.
    fn node(&self) -> NodeStatus;
    /// What happened to them, oldest first.
    fn events(&self) -> Vec<RuntimeEvent>;
    /// The last `tail_lines` lines a container wrote; all that are kept without a number.
    ///
    /// # Errors
    /// When there is no such pod or container, or its log cannot be read.
    fn log(
        &self,
        namespace: &str,
        pod: &str,
        container: Option<&str>,
        tail_lines: Option<usize>,
    ) -> Result<Vec<u8>, RuntimeError>;
    /// The metrics of kube-state-metrics as text 0.0.4.
    fn kube_state_metrics(&self, out: &mut String);
    /// The metrics of cAdvisor as text 0.0.4.
    fn cadvisor_metrics(&self, out: &mut String);
    /// The metrics of node-exporter as text 0.0.4.
    fn node_metrics(&self, out: &mut String);
}

impl Workloads for Runtime {
    fn pods(&self) -> Vec<PodStatus> {
        self.pods()
    }

    fn deployments(&self) -> Vec<DeploymentStatus> {
        self.deployments()
    }

    fn autoscalers(&self) -> Vec<Autoscaler> {
        self.autoscalers()
    }

    fn node(&self) -> NodeStatus {
        self.node()
    }

    fn events(&self) -> Vec<RuntimeEvent> {
        self.events()
    }

    fn log(
        &self,
        namespace: &str,
        pod: &str,
        container: Option<&str>,
        tail_lines: Option<usize>,
    ) -> Result<Vec<u8>, RuntimeError> {
        self.log(namespace, pod, container, tail_lines)
    }

    fn kube_state_metrics(&self, out: &mut String) {
        self.kube_state_metrics(out);
    }

    fn cadvisor_metrics(&self, out: &mut String) {
        self.cadvisor_metrics(out);
    }

    fn node_metrics(&self, out: &mut String) {
        self.node_metrics(out);
    }
}
