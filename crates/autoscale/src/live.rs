//! The loop that runs autoscalers: looks, decides, acts, and remembers why.
//!
//! Input: autoscalers, and what the traits of [`cluster`] give: the targets' scale and pods, the metrics APIs, the time. Output:
//! changed scales, events, and everything that can be asked of the handle [`Autoscaling`]. Decisions themselves are
//! [`crate::HpaController`]'s; whether a target is switched on from zero is its [`Activator`]'s.

mod ambiguity;
mod autoscaling;
mod cluster;
mod collect;
mod entry;
mod history;
mod statistics;
mod view;

pub use autoscaling::{Autoscaling, Managed};
pub use cluster::{
    Activation, ActivationCondition, Activator, Listener, MetricSource, ObjectRef, ReplicaCounts,
    ScaleTarget, TargetPod, TargetState,
};
pub use history::{Decided, Scaling};
pub use view::{AutoscalerView, MetricView, Origin, ScaledObjectView};
