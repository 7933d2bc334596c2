//! The decisions of Kubernetes's horizontal pod autoscaler (autoscaling/v2, Kubernetes 1.34), with their reasons.
//!
//! Input: an autoscaler from a manifest ([`Hpa`]), and at each sync what is seen of its target ([`Observed`]) and the time.
//! Output: a [`Decision`] with conditions, events and steps as kube-controller-manager has them. Deciding is a function of
//! state, input and time: nothing here reads a clock, waits, or starts anything.

mod error;

mod hpa;
mod observed;
mod options;

mod decision;
mod sentence;
mod step;

pub use decision::{Condition, ConditionKind, Decision, MetricValue, ScalingEvent};
pub use error::AutoscaleError;
pub use hpa::{
    Behavior, Hpa, MetricSpec, MetricTarget, PolicyKind, ScalingPolicy, ScalingRules, SelectPolicy, TargetKind,
};
pub use observed::{
    ContainerUsage, ContainerView, MetricKey, Observed, PodPhase, PodUsage, PodView, Readings, ScaleView,
    SelectorState,
};
pub use options::ControllerOptions;
pub use step::{Amount, Assumed, Direction, Limit, MetricLabel, PodCounts, Step};
