//! What autoscalers last said of themselves, for those who ask the runtime.
//!
//! Input: the state of each autoscaler, from whoever runs it. Output: the same, as kube-state-metrics reads it. The runtime
//! takes no part in what they decide.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use tidewatch_manifest::Autoscaler;

/// The state of an autoscaler.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AutoscalerStatus {
    /// Replicas when it last looked.
    pub current_replicas: u32,
    /// Replicas it wants.
    pub desired_replicas: u32,
    /// Its conditions.
    pub conditions: Vec<AutoscalerCondition>,
    /// The metrics as they were last found.
    pub metrics: Vec<AutoscalerCurrent>,
}

/// A condition of an autoscaler.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AutoscalerCondition {
    /// `AbleToScale`, `ScalingActive` or `ScalingLimited`.
    pub kind: String,
    /// `True`, `False` or `Unknown`.
    pub status: String,
}

/// A metric of an autoscaler as it was last found; what was not found is not there.
#[derive(Clone, Debug, PartialEq)]
pub struct AutoscalerCurrent {
    /// The metric's name.
    pub name: String,
    /// The container, of a ContainerResource metric.
    pub container: Option<String>,
    /// The whole.
    pub value: Option<f64>,
    /// The average per pod.
    pub average_value: Option<f64>,
    /// Percent of the requests.
    pub average_utilization: Option<i32>,
}

/// An autoscaler of the cluster, and what it last said.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    pub(crate) autoscaler: Autoscaler,
    pub(crate) status: Option<AutoscalerStatus>,
}

/// What all autoscalers last said, by namespace and name.
#[derive(Debug, Default)]
pub(crate) struct ScaledBy {
    told: Mutex<BTreeMap<(String, String), AutoscalerStatus>>,
}

impl ScaledBy {
    pub(crate) fn set(&self, namespace: &str, name: &str, status: AutoscalerStatus) {
        let key = (namespace.to_owned(), name.to_owned());
        self.told.lock().unwrap_or_else(PoisonError::into_inner).insert(key, status);
    }

    /// The given autoscalers with what they last said.
    pub(crate) fn of(&self, autoscalers: Vec<Autoscaler>) -> Vec<Told> {
        let told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let with_status = |autoscaler: Autoscaler| {
            let key = (autoscaler.meta.namespace.clone(), autoscaler.meta.name.clone());
            Told { status: told.get(&key).cloned(), autoscaler }
        };
        autoscalers.into_iter().map(with_status).collect()
    }
}
