//! What a simulation found.
//!
//! Input: a finished run. Output: [`SimulationReport`], as the page, the HTTP API and `--output json` show it.
//! Times are seconds since the load's beginning.

use crate::Load;
use serde::{Deserialize, Serialize};

/// The result of a simulation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SimulationReport {
    /// What was simulated.
    pub autoscaler: SimulatedAutoscaler,
    /// The load, with what was left to a default filled in.
    pub load: Load,
    /// Simulated time without the warm-up; seconds.
    pub duration_seconds: f64,
    /// Time between points of the timeline; seconds.
    pub timeline_seconds: f64,
    /// The first phase, point by point.
    pub timeline: Vec<TimelinePoint>,
    /// Each change of the replicas in the first phase, with its reason.
    pub scalings: Vec<Scaling>,
    /// Each change of what the load needs in the first phase, and how long it took.
    pub changes: Vec<Change>,
    /// Sums of the first phase.
    pub summary: Summary,
    /// How many phases were run, and the times of each change over all of them.
    pub phases: PhaseTimes,
    /// Whether the targets are met, in all phases.
    pub verdict: Verdict,
    /// The models behind the figures, in words.
    pub models: Vec<String>,
    /// What should be known of this result, e.g. a load above what `maxReplicas` carry.
    pub warnings: Vec<String>,
}

/// The simulated autoscaler.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SimulatedAutoscaler {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// `HorizontalPodAutoscaler` or `ScaledObject`.
    pub origin: String,
    /// What it scales, e.g. `Deployment/todo-backend`.
    pub target: String,
    /// Least replicas.
    pub min_replicas: u32,
    /// Most replicas.
    pub max_replicas: u32,
}

/// One point of the timeline: averages since the point before, but counts as they are at its end.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TimelinePoint {
    /// Its end; seconds.
    pub time_seconds: f64,
    /// Requests or events that came, per second.
    pub arrival_rate: f64,
    /// Requests or events that were done, per second.
    pub served_rate: f64,
    /// Requests that failed (waited too long), per second.
    pub failed_rate: f64,
    /// Replicas that the autoscaler asked for (`spec.replicas`).
    pub replicas: u32,
    /// Pods that are ready.
    pub ready_replicas: u32,
    /// Least replicas that the autoscaler is content with at this load, within its limits.
    pub needed_replicas: u32,
    /// CPU usage of a ready pod; cores.
    pub cpu_cores_per_pod: f64,
    /// The same in percent of its request; none without a request.
    pub cpu_utilization: Option<f64>,
    /// Memory of a ready pod; bytes.
    pub memory_bytes_per_pod: f64,
    /// Requests or events that wait (the lag of a queue).
    pub waiting: f64,
    /// Mean latency; seconds. Of a queue: age of an event when it is done.
    pub latency_mean_seconds: f64,
    /// Estimated 99th percentile of the latency; seconds.
    pub latency_p99_seconds: f64,
}

/// One change of the replicas.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Scaling {
    /// When; seconds.
    pub time_seconds: f64,
    /// Replicas before.
    pub from: u32,
    /// Replicas after.
    pub to: u32,
    /// Why, in words.
    pub sentence: String,
}

/// Which way something goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Direction {
    /// More replicas.
    Up,
    /// Fewer replicas.
    Down,
}

/// A change of what the load needs, and the answer to it. Changes in the same direction less than a minute apart are one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Change {
    /// When it began; seconds.
    pub time_seconds: f64,
    /// Which way.
    pub direction: Direction,
    /// Needed replicas before.
    pub from: u32,
    /// Needed replicas after.
    pub to: u32,
    /// Up: until so many pods were ready, down: until no more were asked for, for the slowest of its steps; seconds.
    /// None if it never was so.
    pub seconds: Option<f64>,
    /// Until so many replicas were asked for, ready or not, for the slowest of its steps; seconds. Like `seconds` for a fall.
    pub asked_seconds: Option<f64>,
    /// Until the autoscaler first acted; seconds.
    pub first_scaling_seconds: Option<f64>,
    /// The load turned before it was done.
    pub superseded: bool,
    /// The run ended before it was done.
    #[serde(default)]
    pub unfinished: bool,
    /// For how long it had waited when it was superseded or the run ended; else the same as `seconds`.
    pub waited_seconds: f64,
}

/// Sums over a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// Requests or events that came.
    pub arrived: f64,
    /// Of these, failed.
    pub failed: f64,
    /// Pods times minutes, from the scaling to the end of each.
    pub pod_minutes: f64,
    /// Pods that were needed and not ready, times minutes.
    pub under_provisioned_pod_minutes: f64,
    /// Pods that were there and not needed, times minutes.
    pub over_provisioned_pod_minutes: f64,
    /// Times that replicas were added.
    pub scale_ups: u32,
    /// Times that replicas were removed.
    pub scale_downs: u32,
    /// Scalings against the direction of the one before although the load needs had not turned.
    pub flaps: u32,
    /// Most replicas asked for.
    pub most_replicas: u32,
    /// Time at `maxReplicas`; seconds.
    pub seconds_at_max: f64,
    /// Mean latency of all requests; seconds.
    pub latency_mean_seconds: f64,
    /// Highest 99th percentile in the timeline; seconds.
    pub latency_p99_worst_seconds: f64,
    /// Most requests or events that waited.
    pub most_waiting: f64,
}

/// Least, middle and most of several values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Spread {
    /// Least.
    pub min: f64,
    /// Middle one; the mean of two.
    pub median: f64,
    /// Most.
    pub max: f64,
}

/// Times over all phases.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PhaseTimes {
    /// Phases that were run.
    pub count: u32,
    /// Over all finished rises of all phases, until the pods were ready; seconds.
    pub up_seconds: Option<Spread>,
    /// The same until the replicas were asked for; seconds.
    pub up_asked_seconds: Option<Spread>,
    /// Over all finished falls of all phases; seconds.
    pub down_seconds: Option<Spread>,
    /// Of each phase; pods times minutes.
    pub pod_minutes: Spread,
    /// Rises and falls that were superseded, over all phases.
    pub superseded: u32,
    /// Flaps of each phase.
    pub flaps: Spread,
}

/// Whether the targets are met.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Verdict {
    /// All checks passed.
    pub passed: bool,
    /// One for each target.
    pub checks: Vec<Check>,
}

/// One target, judged.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Check {
    /// The target in words, e.g. `up within 2m`.
    pub target: String,
    /// The limit: seconds, a share or a count.
    pub limit: f64,
    /// The worst found over all phases, in the same unit; none if nothing was to be judged.
    pub worst: Option<f64>,
    /// Whether it is met; not if nothing was to be judged.
    pub passed: bool,
    /// What was found, in words.
    pub text: String,
}
