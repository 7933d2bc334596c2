//! What can be seen of an autoscaler from outside.
//!
//! Input: its specification and the last decision. Output: plain values. How they are shown is the reader's business.

use super::cluster::ActivationCondition;
use crate::{Condition, Decision, Hpa, MetricSpec, MetricValue};

/// What an autoscaler was written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub enum Origin {
    /// A HorizontalPodAutoscaler.
    HorizontalPodAutoscaler,
    /// A ScaledObject, of which the autoscaler is made.
    ScaledObject,
}

impl Origin {
    /// The object's kind.
    pub fn kind(self) -> &'static str {
        match self {
            Self::HorizontalPodAutoscaler => "HorizontalPodAutoscaler",
            Self::ScaledObject => "ScaledObject",
        }
    }
}

/// An autoscaler as it is now.
#[derive(Clone, Debug, PartialEq)]
pub struct AutoscalerView {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// What it was written as.
    pub origin: Origin,
    /// Kind of what it scales.
    pub target_kind: String,
    /// Name of what it scales.
    pub target_name: String,
    /// At least so many replicas.
    pub min_replicas: i32,
    /// At most so many replicas.
    pub max_replicas: i32,
    /// Replicas at the last sync; 0 before the first.
    pub current_replicas: i32,
    /// Replicas wanted at the last sync; 0 before the first.
    pub desired_replicas: i32,
    /// When the autoscaler last changed the number, in milliseconds since the Unix epoch.
    pub last_scale_ms: Option<i64>,
    /// When it was first seen, in milliseconds since the Unix epoch.
    pub created_ms: i64,
    /// When it last synced, in milliseconds since the Unix epoch.
    pub last_sync_ms: Option<i64>,
    /// Its conditions.
    pub conditions: Vec<Condition>,
    /// Its metrics, in its order.
    pub metrics: Vec<MetricView>,
    /// The object it was made of.
    pub scaled_object: Option<ScaledObjectView>,
}

/// A metric of an autoscaler: what it is held to, and what it was at the last sync.
#[derive(Clone, Debug, PartialEq)]
pub struct MetricView {
    /// Source and target.
    pub spec: MetricSpec,
    /// The last value; `None` while it cannot be read.
    pub current: Option<MetricValue>,
}

/// The object behind an autoscaler that was made of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScaledObjectView {
    /// Its name.
    pub name: String,
    /// Its conditions after the last poll.
    pub conditions: Vec<ActivationCondition>,
    /// What went wrong at the last poll.
    pub failures: Vec<String>,
}

impl AutoscalerView {
    /// An autoscaler that has not synced yet.
    pub(crate) fn new(hpa: &Hpa, origin: Origin, scaled_object: Option<String>, now_ms: i64) -> Self {
        Self {
            namespace: hpa.namespace.clone(),
            name: hpa.name.clone(),
            origin,
            target_kind: hpa.target_kind.clone(),
            target_name: hpa.target_name.clone(),
            min_replicas: hpa.min_replicas,
            max_replicas: hpa.max_replicas,
            current_replicas: 0,
            desired_replicas: 0,
            last_scale_ms: None,
            created_ms: now_ms,
            last_sync_ms: None,
            conditions: Vec::new(),
            metrics: hpa
                .metrics
                .iter()
                .map(|spec| MetricView { spec: spec.clone(), current: None })
                .collect(),
            scaled_object: scaled_object.map(|name| ScaledObjectView { name, ..ScaledObjectView::default() }),
        }
    }

    /// Takes over what a sync decided.
    pub(crate) fn take(&mut self, decision: &Decision) {
        self.current_replicas = decision.current_replicas;
        self.desired_replicas = decision.desired_replicas;
        self.last_scale_ms = decision.last_scale_ms;
        self.last_sync_ms = Some(decision.time_ms);
        self.conditions.clone_from(&decision.conditions);
        for (index, metric) in self.metrics.iter_mut().enumerate() {
            metric.current = decision.current_metrics.get(index).copied().flatten();
        }
    }
}
