//! Autoscaling in virtual time: any load through any HorizontalPodAutoscaler, before it is deployed.
//!
//! Input: a [`SimulationRequest`]: an autoscaler's manifest, a load, a model of the service behind it and what is wanted of
//! the scaling. Output: a [`SimulationReport`]: replicas over time, an estimate of latencies, how long each change of load
//! waited for its replicas, and whether the targets are met.
//!
//! Deliberately not here: clocks, threads, files and networks.

mod effort;
mod error;

mod load;
mod service;
mod request;
mod report;

mod subject;
mod capacity;
mod need;

mod random;
mod fleet;
mod work;
mod observe;
mod trace;
mod engine;

mod changes;
mod judge;
mod run;
mod sweep;

mod recorded;
mod calibrate;
mod phrases;
mod scenario;

pub use calibrate::{Calibration, CalibrationInput, calibrate};
pub use error::SimulationError;
pub use load::{Load, Segment};
pub use phrases::format_seconds;
pub use recorded::Recording;
pub use report::{
    Change, Check, Direction, PhaseTimes, Scaling, SimulatedAutoscaler, SimulationReport, Spread, Summary,
    TimelinePoint, Verdict,
};
pub use request::{ControllerModel, MetricsModel, SimulationRequest, Targets};
pub use run::{run, run_manifests};
pub use scenario::read_scenario;
pub use service::{QueueModel, ServiceModel, Signal};
pub use subject::autoscaler_names;
pub use sweep::{Candidate, Pace, Settings, SweepGrid, SweepReport, SweepRequest, sweep, sweep_manifests};
