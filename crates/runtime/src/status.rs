//! What is known of pods and containers: the words of the Kubernetes API as plain types.
//!
//! Input: the tasks that run pods write it. Output: everything that is shown or measured is read from here. It decides
//! nothing beyond what follows from it: phase and readiness of a pod.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use tidewatch_manifest::{ContainerPort, PodRef, Quantity};

/// A pod as it is now.
#[derive(Clone, Debug, PartialEq)]
pub struct PodStatus {
    /// Name, namespace, labels, node, controller, images; its phase is kept current.
    pub pod: Arc<PodRef>,
    /// The pod's own address.
    pub ip: IpAddr,
    /// The Deployment it belongs to.
    pub deployment: String,
    /// Where it is in its life.
    pub phase: PodPhase,
    /// Whether all its containers are ready and it is not being ended.
    pub ready: bool,
    /// Since when it is ready, in milliseconds since the Unix epoch.
    pub ready_since_ms: Option<i64>,
    /// When it last became ready or stopped being it (at first: when it was made), in milliseconds since the Unix epoch.
    pub ready_changed_ms: i64,
    /// When it was made, in milliseconds since the Unix epoch.
    pub created_ms: i64,
    /// When all init containers had ended, in milliseconds since the Unix epoch.
    pub initialized_ms: Option<i64>,
    /// When it was told to end, in milliseconds since the Unix epoch.
    pub deleted_ms: Option<i64>,
    /// The init containers.
    pub init_containers: Vec<ContainerStatus>,
    /// The containers.
    pub containers: Vec<ContainerStatus>,
}

/// Where a pod is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PodPhase {
    /// A container has never run yet.
    Pending,
    /// All containers have been started at least once.
    Running,
    /// All containers have ended with 0 and stay ended.
    Succeeded,
    /// All containers have ended, one of them with an error.
    Failed,
}

impl PodPhase {
    /// The API's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::Running => "Running",
            Self::Succeeded => "Succeeded",
            Self::Failed => "Failed",
        }
    }
}

/// A container as it is now.
#[derive(Clone, Debug, PartialEq)]
pub struct ContainerStatus {
    /// The name.
    pub name: String,
    /// The image the manifest names.
    pub image: String,
    /// What it does.
    pub state: ContainerState,
    /// How it ended last time.
    pub last_termination: Option<Termination>,
    /// Whether it passes its readiness probe.
    pub ready: bool,
    /// Whether it has passed its startup probe.
    pub started: bool,
    /// How often it was started again.
    pub restarts: u32,
    /// How often it was killed for using more memory than its limit.
    pub oom_kills: u32,
    /// The id of the running or last instance; another one after each restart.
    pub container_id: String,
    /// The process, while it runs.
    pub pid: Option<u32>,
    /// The declared ports.
    pub ports: Vec<ContainerPort>,
    /// What it may count on, by resource.
    pub requests: BTreeMap<String, Quantity>,
    /// What it may use at most, by resource.
    pub limits: BTreeMap<String, Quantity>,
}

/// What a container does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ContainerState {
    /// It is not running yet, or not again.
    Waiting {
        /// Why, in one word: `ContainerCreating`, `CrashLoopBackOff`, `ImagePullBackOff`, …
        reason: &'static str,
        /// Why, with the remedy.
        message: String,
    },
    /// It runs.
    Running {
        /// Since when, in milliseconds since the Unix epoch.
        started_ms: i64,
    },
    /// It has ended.
    Terminated(Termination),
}

/// How a container ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Termination {
    /// 0 to 255; 128 and the signal's number after a signal.
    pub exit_code: i32,
    /// The signal, if one ended it.
    pub signal: Option<i32>,
    /// `Completed`, `Error`, `OOMKilled` or `StartError`.
    pub reason: &'static str,
    /// More, where there is more to say.
    pub message: String,
    /// Milliseconds since the Unix epoch.
    pub started_ms: i64,
    /// Milliseconds since the Unix epoch.
    pub finished_ms: i64,
}

impl ContainerStatus {
    /// Whether it runs.
    pub fn is_running(&self) -> bool {
        matches!(self.state, ContainerState::Running { .. })
    }

    /// Why it waits, if it does.
    pub fn waiting_reason(&self) -> Option<&'static str> {
        match &self.state {
            ContainerState::Waiting { reason, .. } => Some(reason),
            _ => None,
        }
    }
}

impl PodStatus {
    /// The latest time a container was started.
    pub fn started_ms(&self) -> Option<i64> {
        self.containers
            .iter()
            .filter_map(|container| match container.state {
                ContainerState::Running { started_ms } => Some(started_ms),
                _ => None,
            })
            .max()
    }

    /// Brings phase and readiness in line with the containers.
    pub(crate) fn settle(&mut self, now_ms: i64) {
        let begun =
            |container: &ContainerStatus| container.restarts > 0 || container.waiting_reason().is_none();
        let ended = |container: &ContainerStatus| match &container.state {
            ContainerState::Terminated(termination) => Some(termination.exit_code),
            _ => None,
        };
        let exit_codes: Vec<i32> = self.containers.iter().filter_map(ended).collect();
        self.phase = if self.deleted_ms.is_some() && exit_codes.len() == self.containers.len() {
            if exit_codes.iter().all(|code| *code == 0) { PodPhase::Succeeded } else { PodPhase::Failed }
        } else if self.initialized_ms.is_some() && self.containers.iter().all(begun) {
            PodPhase::Running
        } else {
            PodPhase::Pending
        };
        let ready = self.deleted_ms.is_none() && self.containers.iter().all(|container| container.ready);
        if ready != self.ready {
            self.ready = ready;
            self.ready_since_ms = ready.then_some(now_ms);
            self.ready_changed_ms = now_ms;
        }
        if self.pod.phase != self.phase.as_str() {
            let mut pod = PodRef::clone(&self.pod);
            self.phase.as_str().clone_into(&mut pod.phase);
            self.pod = Arc::new(pod);
        }
    }
}
