//! How a controller is set up: the flags of kube-controller-manager that matter to decisions.
//!
//! Input: nothing, or the caller's changes. Output: [`ControllerOptions`]. How often anybody syncs is the caller's.

/// Settings of a controller, for all of its autoscalers; the defaults are Kubernetes's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ControllerOptions {
    /// Milliseconds between two syncs (`--horizontal-pod-autoscaler-sync-period`); 15 000. No decision depends on it.
    pub sync_period_ms: i64,
    /// How far the ratio of current to target may be off 1 before anything is done; 0.1.
    pub tolerance: f64,
    /// Milliseconds after a pod's start in which its CPU counts only while it is ready; 300 000.
    pub cpu_initialization_period_ms: i64,
    /// Milliseconds after a pod's start in which becoming unready means that it never was ready; 30 000.
    pub initial_readiness_delay_ms: i64,
    /// Milliseconds of recommendations below which nothing is removed, where an autoscaler names no window; 300 000.
    pub downscale_stabilization_ms: i64,
    /// Feature gate `HPAConfigurableTolerance`: `behavior.*.tolerance` counts; false.
    pub configurable_tolerance: bool,
    /// Feature gate `PodLevelResources`: requests of whole pods count; true.
    pub pod_level_resources: bool,
}

impl Default for ControllerOptions {
    fn default() -> Self {
        Self {
            sync_period_ms: 15_000,
            tolerance: 0.1,
            cpu_initialization_period_ms: 300_000,
            initial_readiness_delay_ms: 30_000,
            downscale_stabilization_ms: 300_000,
            configurable_tolerance: false,
            pod_level_resources: true,
        }
    }
}
