//! The handle of a running instance.
//!
//! Input: manifests, `tidewatch.yaml`, where data goes. Output: running pods and Services, and everything others ask:
//! endpoints, states, events, logs, metrics. What happens inside is in the modules it puts together here.

use crate::cluster::{Cluster, Node, now_ms};
use crate::events::{About, RuntimeEvent};
use crate::eviction::EvictionThresholds;
use crate::guard::{Guard, GuardCommand, kill_marked};
use crate::inventory::{self, DeploymentStatus, NodeStatus};
use crate::network::Network;
use crate::open_files::OpenFiles;
use crate::plan::Planned;
use crate::pod::Workload;
use crate::process::Spawner;
use crate::replicas::Replicas;
use crate::resolve::ExternalService;
use crate::scale::ScaleState;
use crate::scaled_by::AutoscalerStatus;
use crate::services::{Exposed, Opened};
use crate::status::PodStatus;
use crate::usage::{ContainerReading, Meter, NodeReading};
use crate::volume_stats::VolumeClaim;
use crate::{RuntimeError, cadvisor, data_folder, kafka, kube_state, logs, names, node_exporter};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use tidewatch_manifest::{Autoscaler, Endpoints, Manifests, Settings};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

/// Everything an instance is made from.
#[derive(Clone, Debug, Default)]
pub struct RuntimeSpec {
    /// What to run.
    pub manifests: Arc<Manifests>,
    /// What to run for an image.
    pub settings: Settings,
    /// The folder of `tidewatch.yaml`: `{dir}`, and what relative paths in it are relative to.
    pub settings_folder: PathBuf,
    /// The folder of the programs: `{bin}`.
    pub bin_folder: PathBuf,
    /// Where data goes: `{data}`; pods get `pods/` in it, which is moved to `pods.previous/` at the next start. Folders
    /// of these names that tidewatch did not make are refused.
    pub data_folder: PathBuf,
    /// Port on 127.0.0.1 by Service (`[namespace/]service[:port]`); 0 takes any. Used instead of the settings' own.
    pub expose: BTreeMap<String, u16>,
    /// The tidewatch program, which is started as `sidecar` and `broker`. Without it, pods that ask for a sidecar and Kafka
    /// clusters wait, and say so, unless `settings` name something for the images `daprd` and `kafka`.
    pub program: PathBuf,
    /// Services that are not among the manifests and that this machine serves, e.g. `jaeger` of `monitoring`. Their names
    /// are replaced by these addresses; names of no Service stay as they are.
    pub external: Vec<ExternalService>,
    /// The node's name; the machine's name when empty.
    pub node_name: String,
    /// When the node is under pressure.
    pub eviction: EvictionThresholds,
    /// Folders that stand for volumes, for [`Runtime::cadvisor_metrics`].
    pub claims: Vec<VolumeClaim>,
    /// How to start the guard; without one, grandchildren survive a SIGKILL of this process.
    pub guard: Option<GuardCommand>,
}

/// Where a Kafka cluster that runs here takes its clients' first connections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KafkaBootstrap {
    /// The namespace of the Kafka object.
    pub namespace: String,
    /// The cluster's name.
    pub cluster: String,
    /// The address of its bootstrap Service: open as long as the runtime, whether a broker is ready or not.
    pub address: SocketAddr,
}

/// A running instance. When it is dropped, its processes are killed; [`Runtime::shutdown`] lets them end in order.
#[derive(Debug)]
pub struct Runtime {
    cluster: Arc<Cluster>,
    replicas: Replicas,
    meter: Arc<Meter>,
    tasks: Mutex<JoinSet<()>>,
    exposed: Vec<Exposed>,
    problems: Vec<RuntimeError>,
}

impl Runtime {
    /// Starts everything. What concerns a single Service or Deployment is told by [`Runtime::problems`], what concerns a single pod by
    /// its state and events: the others run. Must be called on a tokio runtime with IO and time.
    ///
    /// # Errors
    /// When nothing can be run at all: no addresses, no data folder, no guard.
    pub fn start(spec: RuntimeSpec) -> Result<Self, RuntimeError> {
        let data_folder = data_folder::prepare(&spec.data_folder)?;
        let network = Network::claim()?;
        let files = OpenFiles::raised();
        let instance = names::uid();
        let guard = match &spec.guard {
            Some(command) => Some(Guard::start(command, &instance).map_err(|error| RuntimeError::Guard {
                program: command.program.clone(),
                source_text: error.to_string(),
            })?),
            None => None,
        };
        let planned = Planned::of(&spec.manifests, &data_folder);
        let mut opened = Opened::open(&planned.services, &network, &spec.expose);
        opened.problems.extend(planned.problems);
        spec.external.iter().for_each(|service| opened.names.add_external(service));
        let cluster = Arc::new(Cluster {
            workloads: planned.workloads,
            services: planned.services,
            program: if spec.program.as_os_str().is_empty() { spec.program } else { absolute(&spec.program) },
            manifests: Arc::clone(&spec.manifests),
            settings: spec.settings,
            settings_folder: absolute(&spec.settings_folder),
            bin_folder: absolute(&spec.bin_folder),
            data_folder,
            eviction: spec.eviction,
            claims: spec.claims,
            instance,
            started_ms: now_ms(),
            node: node(spec.node_name, &network),
            network,
            names: opened.names,
            spawner: Spawner::new().map_err(|error| RuntimeError::Spawner(error.to_string()))?,
            connections: Arc::new(Semaphore::new(files.connections())),
            guard,
            events: Default::default(),
            scaled_by: Default::default(),
            pods: Mutex::default(),
            endpoints: watch::channel(Arc::default()).0,
            ending: false.into(),
            ended: Mutex::default(),
        });
        let (meter, mut tasks) = (Arc::new(Meter::default()), JoinSet::new());
        Opened::serve(opened.waiting, &cluster, &mut tasks);
        tasks.spawn(Arc::clone(&meter).watch(Arc::clone(&cluster)));
        let runtime = Self {
            replicas: Replicas::new(),
            meter,
            tasks: Mutex::new(tasks),
            exposed: opened.exposed,
            problems: opened.problems,
            cluster,
        };
        for workload in &runtime.cluster.workloads {
            let replicas = workload.replicas.load(Ordering::Relaxed);
            runtime.replicas.scale(&runtime.cluster, workload, replicas)?;
        }
        Ok(runtime)
    }

    /// What could not be done at the start, each with its remedy.
    pub fn problems(&self) -> &[RuntimeError] {
        &self.problems
    }

    /// The Services that are reachable on 127.0.0.1.
    pub fn exposed(&self) -> &[Exposed] {
        &self.exposed
    }

    /// The node's name.
    pub fn node_name(&self) -> &str {
        &self.cluster.node.name
    }

    /// The pods behind each Service; changes when they do.
    pub fn endpoints(&self) -> watch::Receiver<Arc<Vec<Endpoints>>> {
        self.cluster.endpoints.subscribe()
    }

    /// All pods as they are now, in the order of namespace and name.
    pub fn pods(&self) -> Vec<PodStatus> {
        self.cluster.pods().iter().map(|pod| pod.status().clone()).collect()
    }

    /// All Deployments as they are now, those without pods included, in the order of the manifests.
    pub fn deployments(&self) -> Vec<DeploymentStatus> {
        inventory::deployments(&self.cluster)
    }

    /// The autoscalers of the manifests, those that ScaledObjects become included, as they are written.
    pub fn autoscalers(&self) -> Vec<Autoscaler> {
        self.cluster.manifests.all_autoscalers()
    }

    /// The machine as a node.
    pub fn node(&self) -> NodeStatus {
        inventory::node(&self.cluster)
    }

    /// What happened lately, the latest last; at most 1,000 kinds of events.
    pub fn events(&self) -> Vec<RuntimeEvent> {
        self.cluster.events.list()
    }

    /// The Kafka clusters that run here, in the order of the manifests.
    pub fn kafka_bootstrap(&self) -> Vec<KafkaBootstrap> {
        let clusters = self.cluster.manifests.kafka_clusters().into_iter();
        let bootstrap = clusters.filter_map(|cluster| {
            let key = (cluster.meta.namespace.clone(), kafka::bootstrap_name(&cluster.meta.name));
            let service = self.cluster.names.addresses.get(&key)?;
            let moved = service.moved.iter().find(|(own, _)| *own == cluster.port);
            let port = moved.map_or(cluster.port, |(_, instead)| *instead);
            let address = SocketAddr::new(service.ip, port);
            Some(KafkaBootstrap { namespace: cluster.meta.namespace, cluster: cluster.meta.name, address })
        });
        bootstrap.collect()
    }

    /// How many replicas a Deployment is to have.
    pub fn replicas(&self, namespace: &str, deployment: &str) -> Option<u32> {
        let workload = self.workload(namespace, deployment)?;
        Some(workload.replicas.load(Ordering::Relaxed))
    }

    fn workload(&self, namespace: &str, name: &str) -> Option<&Arc<Workload>> {
        self.cluster.deployments().find(|workload| workload.namespace == namespace && workload.name == name)
    }

    /// Brings a Deployment to a number of replicas. Returns at once; pods that go end in their own time.
    ///
    /// # Errors
    /// When there is no such Deployment, or the number is more than 500.
    pub fn scale(&self, namespace: &str, deployment: &str, replicas: u32) -> Result<(), RuntimeError> {
        let workload = self.workload(namespace, deployment).ok_or_else(|| {
            RuntimeError::NoSuchDeployment { namespace: namespace.to_owned(), name: deployment.to_owned() }
        })?;
        self.replicas.scale(&self.cluster, workload, replicas)
    }

    /// The number of replicas and the pods of a Deployment, as an autoscaler looks at them.
    ///
    /// # Errors
    /// When there is no such Deployment.
    pub fn scale_state(&self, namespace: &str, deployment: &str) -> Result<ScaleState, RuntimeError> {
        let workload = self.workload(namespace, deployment).ok_or_else(|| {
            RuntimeError::NoSuchDeployment { namespace: namespace.to_owned(), name: deployment.to_owned() }
        })?;
        Ok(ScaleState::of(&self.cluster, workload))
    }

    /// The CPU and memory counters of all running containers. Reads `/proc` once, and two files of each process: takes a
    /// millisecond or two.
    pub fn container_usage(&self) -> Vec<ContainerReading> {
        self.meter.running(&self.cluster).iter().filter_map(|running| running.reading()).collect()
    }

    /// The CPU and memory counters of the machine.
    pub fn node_usage(&self) -> NodeReading {
        let (cpu_seconds_total, working_set_bytes) = node_exporter::used();
        NodeReading { name: self.cluster.node.name.clone(), cpu_seconds_total, working_set_bytes }
    }

    /// Keeps what an autoscaler says of itself, for [`Runtime::kube_state_metrics`].
    pub fn set_autoscaler_status(&self, namespace: &str, name: &str, status: AutoscalerStatus) {
        self.cluster.scaled_by.set(namespace, name, status);
    }

    /// Adds what happened to an object to [`Runtime::events`], e.g. `SuccessfulRescale` of a HorizontalPodAutoscaler.
    pub fn add_event(
        &self,
        warning: bool,
        kind: &str,
        namespace: &str,
        name: &str,
        reason: &str,
        message: &str,
    ) {
        let about = About { kind, namespace, name };
        if warning {
            self.cluster.events.warning(about, reason, message);
        } else {
            self.cluster.events.normal(about, reason, message);
        }
    }

    /// What a container printed in its current run (or its last one, while it waits to be started again); without
    /// `container`, that of a pod's only container or the one named by `kubectl.kubernetes.io/default-container`.
    ///
    /// # Errors
    /// When there is no such pod or container, or the log cannot be read.
    pub fn log(
        &self,
        namespace: &str,
        pod: &str,
        container: Option<&str>,
        tail_lines: Option<usize>,
    ) -> Result<Vec<u8>, RuntimeError> {
        let found = self.cluster.pod(namespace, pod);
        let found = found.ok_or_else(|| RuntimeError::NoSuchPod {
            namespace: namespace.to_owned(),
            name: pod.to_owned(),
        })?;
        let status = found.status().clone();
        let all = || status.init_containers.iter().chain(&status.containers);
        let default =
            status.pod.annotations.get("kubectl.kubernetes.io/default-container").map(String::as_str);
        let chosen = match container.or(default) {
            Some(name) => all().find(|container| container.name == name),
            None => status.containers.first().filter(|_| status.containers.len() == 1),
        };
        let chosen = chosen.ok_or_else(|| RuntimeError::NoSuchContainer {
            pod: pod.to_owned(),
            container: container.unwrap_or_default().to_owned(),
            known: all().map(|container| container.name.as_str()).collect::<Vec<_>>().join(", "),
        })?;
        let path = logs::path_of(&found.container_folder(&chosen.name), chosen.restarts);
        match logs::tail(&path, tail_lines) {
            Ok(text) => Ok(text),
            // It has not been started yet.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(RuntimeError::Log {
                pod: pod.to_owned(),
                container: chosen.name.clone(),
                source_text: error.to_string(),
            }),
        }
    }

    /// Writes what kube-state-metrics would say of the objects here.
    pub fn kube_state_metrics(&self, out: &mut String) {
        kube_state::write(&self.cluster, out);
    }

    /// Writes what the kubelet's cAdvisor would say of the containers here. Reads `/proc`: takes a millisecond or two.
    pub fn cadvisor_metrics(&self, out: &mut String) {
        cadvisor::write(&self.cluster, &self.meter, out);
    }

    /// Writes what node-exporter would say of this machine. Reads `/proc`: takes a millisecond or two.
    pub fn node_metrics(&self, out: &mut String) {
        node_exporter::write(out);
    }

    /// Ends all pods in order (no new connections, preStop, SIGTERM, SIGKILL after the grace period), then everything
    /// else. Nothing is left when it returns. May be called again.
    pub async fn shutdown(&self) {
        self.cluster.ending.store(true, Ordering::Relaxed);
        self.replicas.end_all(&self.cluster).await;
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner).abort_all();
        let cluster = Arc::clone(&self.cluster);
        let cleaned = tokio::task::spawn_blocking(move || {
            kill_marked(&format!("{}={}", crate::guard::INSTANCE_VARIABLE, cluster.instance));
            if let Some(guard) = &cluster.guard {
                guard.finish();
            }
        });
        let _ = cleaned.await;
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner).abort_all();
        for pod in self.cluster.pods() {
            for live in pod.live().into_iter().flatten() {
                live.process.kill();
            }
        }
    }
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

fn node(name: String, network: &Network) -> Node {
    let name = if name.is_empty() {
        rustix::system::uname().nodename().to_string_lossy().to_lowercase()
    } else {
        name
    };
    Node {
        name,
        ip: network.node(),
        cores: std::thread::available_parallelism().map_or(1, |cores| cores.get() as u64),
        memory_bytes: node_exporter::total_memory_bytes(),
    }
}
