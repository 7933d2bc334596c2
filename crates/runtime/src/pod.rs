//! One pod: its names and folders, and the task that takes it through its life.
//!
//! Input: a workload's template, and the word to end. Output: the pod's state in the cluster; processes are started by
//! the tasks of its containers. A pod ends only when it is told to: a Deployment's containers are restarted for ever.

use crate::RuntimeError;
use crate::child::Process;
use crate::cluster::{Cluster, Node, now_ms};
use crate::container::ContainerTask;
use crate::status::{ContainerState, ContainerStatus, PodPhase, PodStatus};
use crate::traffic::Traffic;
use crate::usage::UsageFloor;
use crate::{dapr, kafka, names};
use std::collections::BTreeMap;
use std::fs;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU32};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};
use tidewatch_manifest::{Container, DaprSidecar, Deployment, PodRef, PodTemplate};
use tokio::sync::watch;
use tokio::task::{JoinSet, spawn_blocking};

/// What made a workload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WorkloadKind {
    /// A Deployment, through a ReplicaSet.
    Deployment,
    /// A node pool of a Kafka cluster, as Strimzi runs it.
    StrimziPodSet,
}

impl WorkloadKind {
    /// The object of the manifests.
    pub(crate) fn owner(self) -> &'static str {
        match self {
            Self::Deployment => "Deployment",
            Self::StrimziPodSet => "KafkaNodePool",
        }
    }

    /// The object that owns the pods.
    pub(crate) fn controller(self) -> &'static str {
        match self {
            Self::Deployment => "ReplicaSet",
            Self::StrimziPodSet => "StrimziPodSet",
        }
    }
}

/// A Deployment, or a broker of a Kafka cluster, that is run.
#[derive(Debug)]
pub(crate) struct Workload {
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) kind: WorkloadKind,
    pub(crate) template: PodTemplate,
    /// Run to completion, in this order.
    pub(crate) init: Vec<Container>,
    /// Run side by side.
    pub(crate) containers: Vec<Container>,
    pub(crate) template_hash: String,
    /// The name of the ReplicaSet or StrimziPodSet.
    pub(crate) controller: String,
    /// The sidecar that its annotations ask for.
    pub(crate) dapr: Option<DaprSidecar>,
    /// The topics of a broker, as a JSON list.
    pub(crate) topics: Option<String>,
    pub(crate) created_ms: i64,
    pub(crate) replicas: AtomicU32,
}

impl Workload {
    /// What runs a Deployment.
    ///
    /// # Errors
    /// When a name in it would lead out of the folder of its pods.
    pub(crate) fn new(deployment: &Deployment, replicas: u32) -> Result<Self, RuntimeError> {
        let (meta, template) = (&deployment.meta, &deployment.template);
        let containers = template.init_containers.iter().chain(&template.containers);
        let mut folders = [&meta.namespace, &meta.name]
            .into_iter()
            .chain(containers.map(|container| &container.name))
            .chain(template.volumes.iter().map(|volume| &volume.name));
        if let Some(name) = folders.find(|name| !names::is_file_name(name)) {
            let deployment = format!("{}/{}", meta.namespace, meta.name);
            return Err(RuntimeError::NotAFolderName { deployment, name: name.clone() });
        }
        let dapr = dapr::of_template(template, &meta.name).map_err(|message| RuntimeError::Sidecar {
            deployment: format!("{}/{}", meta.namespace, meta.name),
            message,
        })?;
        Ok(Self::of_named(deployment, dapr, replicas))
    }

    fn of_named(deployment: &Deployment, dapr: Option<DaprSidecar>, replicas: u32) -> Self {
        let template = &deployment.template;
        let template_hash = names::template_hash(template.fingerprint);
        let (sidecars, init): (Vec<Container>, Vec<Container>) =
            template.init_containers.iter().cloned().partition(|container| container.sidecar);
        Self {
            namespace: deployment.meta.namespace.clone(),
            name: deployment.meta.name.clone(),
            kind: WorkloadKind::Deployment,
            init,
            containers: sidecars
                .into_iter()
                .chain(template.containers.iter().cloned())
                .chain(dapr.as_ref().map(dapr::container))
                .collect(),
            dapr,
            topics: None,
            controller: format!("{}-{template_hash}", deployment.meta.name),
            template_hash,
            template: template.clone(),
            created_ms: now_ms(),
            replicas: AtomicU32::new(replicas),
        }
    }

    /// What the tidewatch program is asked to be for a container that is not the user's own.
    pub(crate) fn built_in(&self, container: &str) -> Option<&'static str> {
        match self.kind {
            WorkloadKind::Deployment => {
                (self.dapr.is_some() && container == dapr::CONTAINER).then_some(dapr::SUBCOMMAND)
            }
            WorkloadKind::StrimziPodSet => (container == kafka::CONTAINER).then_some(kafka::SUBCOMMAND),
        }
    }

    pub(crate) fn container(&self, name: &str) -> Option<&Container> {
        self.init.iter().chain(&self.containers).find(|container| container.name == name)
    }
}

/// A running instance of a container.
#[derive(Debug)]
pub(crate) struct Live {
    pub(crate) process: Arc<Process>,
    pub(crate) started_ms: i64,
    /// Set before it is killed for its memory.
    pub(crate) out_of_memory: AtomicBool,
    /// Set when it was said that it listens on all addresses.
    pub(crate) told_of_wildcard: AtomicBool,
    pub(crate) floor: Mutex<UsageFloor>,
}

#[derive(Debug)]
pub(crate) struct Pod {
    pub(crate) workload: Arc<Workload>,
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) uid: String,
    pub(crate) ip: IpAddr,
    pub(crate) folder: PathBuf,
    status: Mutex<PodStatus>,
    /// The running instance of each container.
    live: Mutex<Vec<Option<Arc<Live>>>>,
    stop: watch::Sender<bool>,
    /// Sidecars end when the other containers have.
    stop_sidecars: watch::Sender<bool>,
    /// When the pod was told to end.
    told_to_end: OnceLock<Instant>,
    /// The connections that reach it through Services.
    pub(crate) traffic: Arc<Traffic>,
}

impl Pod {
    pub(crate) fn new(cluster: &Cluster, workload: &Arc<Workload>) -> Self {
        let (name, uid) = (name_of_next(workload), names::uid());
        let ip = cluster.network.pod();
        let mut labels = workload.template.labels.clone();
        match workload.kind {
            WorkloadKind::Deployment => {
                labels.insert("pod-template-hash".to_owned(), workload.template_hash.clone());
            }
            WorkloadKind::StrimziPodSet => {
                labels.insert("statefulset.kubernetes.io/pod-name".to_owned(), name.clone());
                labels.insert("strimzi.io/pod-name".to_owned(), name.clone());
            }
        }
        let images =
            workload.containers.iter().map(|container| (container.name.clone(), container.image.clone()));
        let reference = PodRef {
            namespace: workload.namespace.clone(),
            name: name.clone(),
            uid: uid.clone(),
            node: cluster.node.name.clone(),
            host_ip: cluster.node.ip.to_string(),
            phase: PodPhase::Pending.as_str().to_owned(),
            controller_kind: workload.kind.controller().to_owned(),
            controller_name: workload.controller.clone(),
            labels,
            annotations: workload.template.annotations.clone(),
            images: images.collect(),
        };
        let created_ms = now_ms();
        let status = PodStatus {
            pod: Arc::new(reference),
            ip,
            deployment: match workload.kind {
                WorkloadKind::Deployment => workload.name.clone(),
                WorkloadKind::StrimziPodSet => String::new(),
            },
            phase: PodPhase::Pending,
            ready: false,
            ready_since_ms: None,
            ready_changed_ms: created_ms,
            created_ms,
            initialized_ms: None,
            deleted_ms: None,
            init_containers: workload.init.iter().map(waiting).collect(),
            containers: workload.containers.iter().map(waiting).collect(),
        };
        Self {
            workload: Arc::clone(workload),
            namespace: workload.namespace.clone(),
            folder: cluster.data_folder.join("pods").join(format!("{}_{name}_{uid}", workload.namespace)),
            name,
            uid,
            ip,
            status: Mutex::new(status),
            live: Mutex::new(vec![None; workload.containers.len()]),
            stop: watch::channel(false).0,
            stop_sidecars: watch::channel(false).0,
            told_to_end: OnceLock::new(),
            traffic: Arc::default(),
        }
    }

    pub(crate) fn status(&self) -> MutexGuard<'_, PodStatus> {
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The folder of a container: its logs, and its working directory.
    pub(crate) fn container_folder(&self, container: &str) -> PathBuf {
        self.folder.join(container)
    }

    /// The folder that holds the volumes; a container cannot be named like it.
    pub(crate) fn volumes_folder(&self) -> PathBuf {
        self.folder.join("_volumes")
    }

    pub(crate) fn live(&self) -> Vec<Option<Arc<Live>>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn set_live(&self, index: usize, live: Option<Arc<Live>>) {
        if let Some(slot) = self.live.lock().unwrap_or_else(PoisonError::into_inner).get_mut(index) {
            *slot = live;
        }
    }

    /// Whether a container of the pod is to end, now and later.
    pub(crate) fn stopping(&self, sidecar: bool) -> watch::Receiver<bool> {
        if sidecar { self.stop_sidecars.subscribe() } else { self.stop.subscribe() }
    }

    /// How long a container that is told to end may take: a sidecar what the others have left, but 2 s at least.
    pub(crate) fn grace(&self, sidecar: bool) -> Duration {
        let whole = self.workload.template.termination_grace_period;
        match self.told_to_end.get().filter(|_| sidecar) {
            Some(told) => whole.saturating_sub(told.elapsed()).max(Duration::from_secs(2)),
            None => whole,
        }
    }

    /// Takes the pod out of its Services: no new connection reaches it from now on.
    pub(crate) fn retire(&self, cluster: &Cluster) {
        cluster.update(self, |status| {
            status.deleted_ms.get_or_insert_with(now_ms);
        });
    }

    /// Waits for the requests that are under way, and then tells the pod to end.
    pub(crate) async fn end_drained(self: Arc<Self>, cluster: Arc<Cluster>) {
        let mut stop = self.stop.subscribe();
        tokio::select! {
            () = self.traffic.drained(self.workload.template.termination_grace_period) => self.end(&cluster),
            // Everything ends: nobody waits for this one.
            _ = stop.wait_for(|stop| *stop) => {}
        }
    }

    /// Tells the pod to end, and takes it out of its Services if it still is there.
    pub(crate) fn end(&self, cluster: &Cluster) {
        self.retire(cluster);
        let _ = self.told_to_end.set(Instant::now());
        self.stop.send_replace(true);
    }

    /// A field as `fieldRef` gives it.
    pub(crate) fn field(&self, path: &str, node: &Node) -> Option<String> {
        let pod = Arc::clone(&self.status().pod);
        let entry = |map: &BTreeMap<String, String>, start: &str| {
            map.get(path.strip_prefix(start)?.strip_suffix("']")?).cloned()
        };
        Some(match path {
            "metadata.name" => self.name.clone(),
            "metadata.namespace" => self.namespace.clone(),
            "metadata.uid" => self.uid.clone(),
            "spec.nodeName" => node.name.clone(),
            "spec.serviceAccountName" => self.workload.template.service_account.clone(),
            "status.podIP" | "status.podIPs" => self.ip.to_string(),
            "status.hostIP" | "status.hostIPs" => node.ip.to_string(),
            _ => {
                return entry(&pod.labels, "metadata.labels['")
                    .or_else(|| entry(&pod.annotations, "metadata.annotations['"));
            }
        })
    }

    /// The pod's whole life. Gives up its folders, except for the logs, and its place in the cluster at the end.
    pub(crate) async fn run(self: Arc<Self>, cluster: Arc<Cluster>) {
        cluster.tell(
            &self,
            false,
            "Scheduled",
            format!("Assigned {}/{} to {}", self.namespace, self.name, cluster.node.name),
        );
        let mut initialized = true;
        for index in 0..self.workload.init.len() {
            initialized = ContainerTask::init(&cluster, &self, index).run().await;
            if !initialized {
                break;
            }
        }
        if initialized && !*self.stop.borrow() {
            cluster.update(&self, |status| status.initialized_ms = Some(now_ms()));
            let (mut containers, mut sidecars) = (JoinSet::new(), JoinSet::new());
            for (index, container) in self.workload.containers.iter().enumerate() {
                let tasks = if container.sidecar { &mut sidecars } else { &mut containers };
                tasks.spawn(ContainerTask::main(&cluster, &self, index).run());
            }
            while containers.join_next().await.is_some() {}
            self.stop_sidecars.send_replace(true);
            while sidecars.join_next().await.is_some() {}
        }
        cluster.remove_pod(&self);
        let _ = spawn_blocking(move || self.give_up_folders(&cluster)).await;
    }

    fn give_up_folders(&self, cluster: &Cluster) {
        for folder in [self.volumes_folder(), dapr::folder_of(self), kafka::folder_of(self)] {
            let _ = fs::remove_dir_all(folder);
        }
        for container in self.workload.init.iter().chain(&self.workload.containers) {
            let _ = fs::remove_dir_all(self.container_folder(&container.name).join("work"));
        }
        cluster.keep_folder(&self.folder);
    }
}

/// A pod's name: Strimzi's are numbered, and there is one of a pool here.
fn name_of_next(workload: &Workload) -> String {
    match workload.kind {
        WorkloadKind::Deployment => format!("{}-{}", workload.controller, names::pod_suffix()),
        WorkloadKind::StrimziPodSet => format!("{}-0", workload.controller),
    }
}

fn waiting(container: &Container) -> ContainerStatus {
    ContainerStatus {
        name: container.name.clone(),
        image: container.image.clone(),
        state: ContainerState::Waiting { reason: "ContainerCreating", message: String::new() },
        last_termination: None,
        ready: false,
        started: false,
        restarts: 0,
        oom_kills: 0,
        container_id: String::new(),
        pid: None,
        ports: container.ports.clone(),
        requests: container.requests.clone(),
        limits: container.limits.clone(),
    }
}
