//! The decisions of Kubernetes's horizontal pod autoscaler (autoscaling/v2, Kubernetes 1.34), with their reasons.
//!
//! Input: an autoscaler from a manifest ([`Hpa`]), and at each sync what is seen of its target ([`Observed`]) and the time.
//! Output: a [`Decision`] with conditions, events and steps as kube-controller-manager has them. Deciding is a function of
//! state, input and time: nothing but the loop [`Autoscaling`] reads a clock, waits, or starts anything.

mod error;

mod hpa;
mod observed;
mod options;

mod float;
mod samples;

mod pod_groups;
mod requests;

mod replica_calculator;

mod metric;

mod scaling_rate;
mod stabilization;

mod normalization;

mod controller;

mod decision;
mod sentence;
mod step;

mod live;

mod json_fields;
mod replay;
mod scenario;

pub use controller::HpaController;
pub use decision::{Condition, ConditionKind, Decision, MetricValue, ScalingEvent};
pub use error::AutoscaleError;
pub use hpa::{
    Behavior, Hpa, MetricSpec, MetricTarget, PolicyKind, ScalingPolicy, ScalingRules, SelectPolicy,
    TargetKind,
};
pub use live::{
    Activation, ActivationCondition, Activator, AutoscalerView, Autoscaling, Decided, Listener, Managed,
    MetricSource, MetricView, ObjectRef, Origin, ReplicaCounts, ScaleTarget, ScaledObjectView, Scaling,
    TargetPod, TargetState,
};
pub use observed::{
    ContainerUsage, ContainerView, MetricKey, Observed, PodPhase, PodUsage, PodView, Readings, ScaleView,
    SelectorState,
};
pub use options::ControllerOptions;
pub use replay::ReplayedTick;
pub use scenario::Scenario;
pub use step::{Amount, Assumed, Direction, Limit, MetricLabel, PodCounts, Step};
