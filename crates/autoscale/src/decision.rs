//! What a sync decided, as the status of a HorizontalPodAutoscaler has it, and why.
//!
//! Input: filled in by the controller. Output: plain values, which serialise as JSON in camelCase; texts of steps and the
//! sentence are made only when asked for. It keeps nothing from one decision to the next.

use crate::Step;
use crate::sentence;
use serde::ser::{Serialize, SerializeStruct, Serializer};
use std::borrow::Cow;
use tidewatch_manifest::Quantity;

/// The outcome of one sync.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// When, in milliseconds.
    pub time_ms: i64,
    /// `status.currentReplicas` after the sync; what an earlier one left when this one could not tell.
    pub current_replicas: i32,
    /// `status.desiredReplicas` after the sync, likewise.
    pub desired_replicas: i32,
    /// Whether the target's scale was changed, to `desired_replicas`.
    pub scaled: bool,
    /// `status.lastScaleTime`, milliseconds.
    pub last_scale_ms: Option<i64>,
    /// All conditions, also those that earlier syncs set, in the order in which they were first set.
    pub conditions: Vec<Condition>,
    /// `status.currentMetrics`: one entry for each metric of the autoscaler in its order, `None` where it could not be read;
    /// empty when metrics were not looked at.
    pub current_metrics: Vec<Option<MetricValue>>,
    /// The events of this sync, in order.
    pub events: Vec<ScalingEvent>,
    /// What changed or confirmed the number, in order.
    pub steps: Vec<Step>,
}

impl Decision {
    /// The decision in one sentence, e.g. `CPU 143 % of 70 % asks for 5; the 100 %/30 s policy allows 4`.
    pub fn sentence(&self) -> String {
        sentence::of(self)
    }

    /// The condition of a kind, if it was ever set.
    pub fn condition(&self, kind: ConditionKind) -> Option<&Condition> {
        self.conditions.iter().find(|condition| condition.kind == kind)
    }
}

impl Serialize for Decision {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Decision", 10)?;
        fields.serialize_field("timeMs", &self.time_ms)?;
        fields.serialize_field("currentReplicas", &self.current_replicas)?;
        fields.serialize_field("desiredReplicas", &self.desired_replicas)?;
        fields.serialize_field("scaled", &self.scaled)?;
        fields.serialize_field("lastScaleMs", &self.last_scale_ms)?;
        fields.serialize_field("sentence", &self.sentence())?;
        fields.serialize_field("steps", &self.steps)?;
        fields.serialize_field("conditions", &self.conditions)?;
        fields.serialize_field("currentMetrics", &self.current_metrics)?;
        fields.serialize_field("events", &self.events)?;
        fields.end()
    }
}

/// A condition of the autoscaler, with Kubernetes's reasons and messages.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// Which one.
    #[serde(rename = "type")]
    pub kind: ConditionKind,
    /// Whether it holds; serialised as `"True"` or `"False"`.
    #[serde(serialize_with = "as_status")]
    pub status: bool,
    /// One word, e.g. `ValidMetricFound`.
    pub reason: &'static str,
    /// A sentence.
    pub message: Cow<'static, str>,
    /// When `status` last changed, milliseconds.
    pub last_transition_ms: i64,
}

impl Condition {
    /// `"True"` or `"False"`, as Kubernetes writes it.
    pub fn status_text(&self) -> &'static str {
        if self.status { "True" } else { "False" }
    }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
fn as_status<S: Serializer>(status: &bool, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(if *status { "True" } else { "False" })
}

/// The conditions an autoscaler has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub enum ConditionKind {
    /// Whether the scale of the target can be read and changed.
    AbleToScale,
    /// Whether a number of replicas can be computed from the metrics.
    ScalingActive,
    /// Whether limits or policies hold the number back.
    ScalingLimited,
}

impl ConditionKind {
    /// Its name in Kubernetes.
    pub fn name(self) -> &'static str {
        match self {
            Self::AbleToScale => "AbleToScale",
            Self::ScalingActive => "ScalingActive",
            Self::ScalingLimited => "ScalingLimited",
        }
    }
}

/// The current value of a metric, as `status.currentMetrics` has it.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MetricValue {
    /// Percent of the requests.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub average_utilization: Option<i32>,
    /// Per pod.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub average_value: Option<Quantity>,
    /// The whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<Quantity>,
}

/// An event about the autoscaler, with Kubernetes's reason and message.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct ScalingEvent {
    /// One word, e.g. `SuccessfulRescale`.
    pub reason: &'static str,
    /// A sentence.
    pub message: String,
    /// Whether its type is `Warning`; otherwise it is `Normal`.
    pub warning: bool,
}
