//! What all parts of the runtime share: the manifests, the addresses, the pods there are, and what is told to others.
//!
//! Input: changes of pods' states from their tasks. Output: the list of endpoints, told only when it changes; events;
//! snapshots. It starts nothing and waits for nothing.

use crate::endpoints;
use crate::events::{About, Events};
use crate::eviction::EvictionThresholds;
use crate::guard::Guard;
use crate::launch;
use crate::network::Network;
use crate::pod::{Pod, Workload, WorkloadKind};
use crate::process::Spawner;
use crate::resolve::ServiceNames;
use crate::scaled_by::ScaledBy;
use crate::status::PodStatus;
use crate::volume_stats::VolumeClaim;
use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tidewatch_manifest::{Container, Endpoints, Manifests, Quantity, Service, Settings};
use tidewatch_model::{Clock, SystemClock};
use tokio::sync::{Semaphore, watch};

/// The machine as a node.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) name: String,
    pub(crate) ip: IpAddr,
    pub(crate) cores: u64,
    pub(crate) memory_bytes: u64,
}

#[derive(Debug)]
pub(crate) struct Cluster {
    pub(crate) manifests: Arc<Manifests>,
    /// The Services of the manifests, and those that operators would make.
    pub(crate) services: Vec<Service>,
    /// The tidewatch program, for sidecars and brokers; empty when there is none.
    pub(crate) program: PathBuf,
    pub(crate) settings: Settings,
    pub(crate) settings_folder: PathBuf,
    pub(crate) bin_folder: PathBuf,
    pub(crate) data_folder: PathBuf,
    /// When the node is under pressure.
    pub(crate) eviction: EvictionThresholds,
    /// Folders that stand for volumes.
    pub(crate) claims: Vec<VolumeClaim>,
    /// Marks the processes of this instance.
    pub(crate) instance: String,
    pub(crate) started_ms: i64,
    pub(crate) node: Node,
    pub(crate) network: Network,
    pub(crate) names: ServiceNames,
    pub(crate) spawner: Spawner,
    /// The connections to all Services together.
    pub(crate) connections: Arc<Semaphore>,
    pub(crate) guard: Option<Guard>,
    pub(crate) events: Events,
    pub(crate) workloads: Vec<Arc<Workload>>,
    /// What autoscalers last said of themselves.
    pub(crate) scaled_by: ScaledBy,
    pub(crate) pods: Mutex<BTreeMap<(String, String), Arc<Pod>>>,
    pub(crate) endpoints: watch::Sender<Arc<Vec<Endpoints>>>,
    /// Everything is being ended: what single containers leave behind is looked for once, at the end.
    pub(crate) ending: AtomicBool,
    /// Folders of ended pods, with their logs, the oldest first.
    pub(crate) ended: Mutex<VecDeque<PathBuf>>,
}

/// The logs of as many ended pods are kept.
const MOST_ENDED: usize = 50;

/// Milliseconds since the Unix epoch.
pub(crate) fn now_ms() -> i64 {
    SystemClock.now()
}

impl Cluster {
    /// What runs Deployments, without what operators would run.
    pub(crate) fn deployments(&self) -> impl Iterator<Item = &Arc<Workload>> {
        self.workloads.iter().filter(|workload| workload.kind == WorkloadKind::Deployment)
    }

    fn pods_locked(&self) -> MutexGuard<'_, BTreeMap<(String, String), Arc<Pod>>> {
        self.pods.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All pods, in the order of namespace and name.
    pub(crate) fn pods(&self) -> Vec<Arc<Pod>> {
        self.pods_locked().values().cloned().collect()
    }

    /// The pods of a workload.
    pub(crate) fn pods_of(&self, workload: &Workload) -> Vec<Arc<Pod>> {
        let own = |pod: &&Arc<Pod>| {
            pod.namespace == workload.namespace
                && pod.workload.kind == workload.kind
                && pod.workload.name == workload.name
        };
        self.pods_locked().values().filter(own).cloned().collect()
    }

    pub(crate) fn pod(&self, namespace: &str, name: &str) -> Option<Arc<Pod>> {
        self.pods_locked().get(&(namespace.to_owned(), name.to_owned())).cloned()
    }

    pub(crate) fn add_pod(&self, pod: &Arc<Pod>) {
        self.pods_locked().insert((pod.namespace.clone(), pod.name.clone()), Arc::clone(pod));
        self.publish();
    }

    pub(crate) fn remove_pod(&self, pod: &Pod) {
        self.pods_locked().remove(&(pod.namespace.clone(), pod.name.clone()));
        self.publish();
    }

    /// Keeps the logs of an ended pod for a while, and removes those of the oldest.
    pub(crate) fn keep_folder(&self, folder: &Path) {
        let oldest = {
            let mut ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
            ended.push_back(folder.to_owned());
            if ended.len() > MOST_ENDED { ended.pop_front() } else { None }
        };
        if let Some(oldest) = oldest {
            // What cannot be removed now is set aside at the next start.
            let _ = std::fs::remove_dir_all(oldest);
        }
    }

    /// Changes a pod's state and tells whoever depends on it.
    pub(crate) fn update(&self, pod: &Pod, change: impl FnOnce(&mut PodStatus)) {
        {
            let mut status = pod.status();
            change(&mut status);
            status.settle(now_ms());
        }
        self.publish();
    }

    fn publish(&self) {
        // Made under the lock of the receivers, so that an older list never replaces a newer one.
        self.endpoints.send_if_modified(|current| {
            let statuses: Vec<PodStatus> = self.pods().iter().map(|pod| pod.status().clone()).collect();
            let new = endpoints::of_services(&self.services, &statuses);
            let changed = **current != new;
            if changed {
                *current = Arc::new(new);
            }
            changed
        });
    }

    /// Replaces the placeholders of `tidewatch.yaml`.
    pub(crate) fn fill(&self, text: &str, pod: &Pod) -> String {
        let mut filled = text.to_owned();
        let path = |path: &Path| path.to_string_lossy().into_owned();
        for (name, value) in [
            ("{bin}", path(&self.bin_folder)),
            ("{data}", path(&self.data_folder)),
            ("{dir}", path(&self.settings_folder)),
            ("{pod}", pod.name.clone()),
            ("{pod_ip}", pod.ip.to_string()),
            ("{volumes}", path(&pod.volumes_folder())),
        ] {
            if filled.contains(name) {
                filled = filled.replace(name, &value);
            }
        }
        filled
    }

    /// A program of `tidewatch.yaml` as a path.
    pub(crate) fn relative(&self, program: &str) -> PathBuf {
        launch::relative(&self.settings_folder, program)
    }

    /// A request or limit as `resourceFieldRef` gives it; without a limit, what the node has.
    pub(crate) fn resource(&self, container: &Container, resource: &str, divisor: Quantity) -> String {
        let (list, name) = resource.split_once('.').unwrap_or(("limits", resource));
        let amounts = if list == "requests" { &container.requests } else { &container.limits };
        let node = match name {
            "cpu" => Quantity::from_units(self.node.cores),
            "memory" => Quantity::from_units(self.node.memory_bytes),
            _ => Quantity::default(),
        };
        let given = amounts.get(name).copied();
        let amount = given.unwrap_or(if list == "requests" { Quantity::default() } else { node });
        amount.milli().div_ceil(divisor.milli().max(1)).to_string()
    }

    /// Tells what happened to a pod.
    pub(crate) fn tell(&self, pod: &Pod, warning: bool, reason: &str, message: impl Into<String>) {
        let about = About { kind: "Pod", namespace: &pod.namespace, name: &pod.name };
        if warning {
            self.events.warning(about, reason, message);
        } else {
            self.events.normal(about, reason, message);
        }
    }
}
