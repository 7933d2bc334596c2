//! Flags of autoscaling: kube-controller-manager's and metrics-server's own, with their defaults.
//!
//! Input: the process's arguments. Output: options for the stages. Nothing is decided here.

use crate::cli::duration;
use clap::Args;
use std::collections::BTreeMap;
use std::time::Duration;
use tidewatch_autoscale::ControllerOptions;
use tidewatch_model::format_duration;

/// How replicas follow load.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Autoscaling (the flags of kube-controller-manager and metrics-server)")]
pub(crate) struct ScalingArgs {
    /// Leave replicas as they start: HorizontalPodAutoscalers and ScaledObjects do nothing
    #[arg(long = "no-autoscaling")]
    pub(crate) off: bool,

    /// How often every autoscaler decides
    #[arg(long = "horizontal-pod-autoscaler-sync-period", value_name = "DURATION", default_value = "15s", value_parser = duration)]
    sync_period: Duration,

    /// How far a metric may be off its target before anything is done, as a share of it
    #[arg(long = "horizontal-pod-autoscaler-tolerance", value_name = "SHARE", default_value_t = 0.1, value_parser = tolerance)]
    tolerance: f64,

    /// The window over which the highest recommendation counts, for autoscalers that say nothing of scaling down
    #[arg(long = "horizontal-pod-autoscaler-downscale-stabilization", value_name = "DURATION", default_value = "5m", value_parser = duration)]
    downscale_stabilization: Duration,

    /// How long after its start a pod's processor use is counted only while the pod is ready
    #[arg(long = "horizontal-pod-autoscaler-cpu-initialization-period", value_name = "DURATION", default_value = "5m", value_parser = duration)]
    cpu_initialization: Duration,

    /// How long after its start a pod that becomes unready counts as never ready
    #[arg(long = "horizontal-pod-autoscaler-initial-readiness-delay", value_name = "DURATION", default_value = "30s", value_parser = duration)]
    initial_readiness: Duration,

    /// How often pods' use of processor and memory is measured
    #[arg(long = "metric-resolution", value_name = "DURATION", default_value = "15s", value_parser = resolution)]
    metric_resolution: Duration,

    /// Heed `tolerance` in behaviours, which Kubernetes 1.34 does with this feature gate only
    #[arg(long = "hpa-configurable-tolerance")]
    configurable_tolerance: bool,
}

/// How replicas follow load, for the pipeline.
#[derive(Clone, Debug)]
pub(crate) struct ScalingSpec {
    /// How autoscalers decide.
    pub(crate) options: ControllerOptions,
    /// How often pods are measured.
    pub(crate) metric_resolution: Duration,
}

impl ScalingArgs {
    /// The options, unless scaling is off.
    pub(crate) fn spec(&self) -> Option<ScalingSpec> {
        let milliseconds = |duration: Duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        let options = ControllerOptions {
            sync_period_ms: milliseconds(self.sync_period).max(1),
            tolerance: self.tolerance,
            cpu_initialization_period_ms: milliseconds(self.cpu_initialization),
            initial_readiness_delay_ms: milliseconds(self.initial_readiness),
            downscale_stabilization_ms: milliseconds(self.downscale_stabilization),
            configurable_tolerance: self.configurable_tolerance,
            ..ControllerOptions::default()
        };
        (!self.off).then_some(ScalingSpec { options, metric_resolution: self.metric_resolution })
    }

    /// The flags in force, for the API.
    pub(crate) fn flags(&self) -> BTreeMap<String, String> {
        let durations = [
            ("horizontal-pod-autoscaler-sync-period", self.sync_period),
            ("horizontal-pod-autoscaler-downscale-stabilization", self.downscale_stabilization),
            ("horizontal-pod-autoscaler-cpu-initialization-period", self.cpu_initialization),
            ("horizontal-pod-autoscaler-initial-readiness-delay", self.initial_readiness),
            ("metric-resolution", self.metric_resolution),
        ];
        let mut flags: BTreeMap<String, String> =
            durations.map(|(name, value)| (name.to_owned(), format_duration(value))).into();
        flags.insert("horizontal-pod-autoscaler-tolerance".to_owned(), self.tolerance.to_string());
        flags.insert("no-autoscaling".to_owned(), self.off.to_string());
        flags.insert("hpa-configurable-tolerance".to_owned(), self.configurable_tolerance.to_string());
        flags
    }
}

fn tolerance(text: &str) -> Result<f64, String> {
    let value: f64 = text.parse().map_err(|_| "expected a number such as 0.1".to_owned())?;
    if (0.0..=10.0).contains(&value) { Ok(value) } else { Err("expected 0 to 10, such as 0.1".to_owned()) }
}

fn resolution(text: &str) -> Result<Duration, String> {
    let value = duration(text)?;
    // below a second the kernel's count of processor time (1/100 s) is too coarse for a rate
    if value >= Duration::from_secs(1) { Ok(value) } else { Err("expected at least 1s".to_owned()) }
}
