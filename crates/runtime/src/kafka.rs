//! Kafka on this machine: a Strimzi cluster as one pod that runs tidewatch's own broker.
//!
//! Input: the Kafka clusters of the manifests with their pools and topics. Output: a workload for each cluster, named as Strimzi
//! names its pods, whose container `kafka` runs `tidewatch broker` (or what `tidewatch.yaml` names for its image), and the
//! Services that Strimzi makes. One broker a cluster: more are refused by name. What is stored outlives pods and runs:
//!
//! ```text
//! <data-dir>/kafka/<cluster>/<namespace>_<pool>-<n>/   the broker's own
//! <pod>/_kafka/topics.json                             the KafkaTopic objects, a JSON list
//! ```

use crate::launch;
use crate::pod::{Pod, Workload, WorkloadKind};
use crate::{RuntimeError, names};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tidewatch_manifest::{
    Container, ContainerPort, EnvSource, EnvVar, Handler, KafkaCluster, KafkaPool, ObjectMeta, PodTemplate,
    PortRef, Probe, Service, ServicePort,
};

/// The broker's container, and what `tidewatch` is asked to be for it.
pub(crate) const CONTAINER: &str = "kafka";
pub(crate) const SUBCOMMAND: &str = "broker";
/// The image by the name that `tidewatch.yaml` may map.
const IMAGE: &str = "strimzi/kafka";
/// Where Strimzi's brokers show their metrics.
const METRICS_PORT: u16 = 9404;
/// The pod's folder of topics.
const FOLDER: &str = "_kafka";

/// The Service that clients are given.
pub(crate) fn bootstrap_name(cluster: &str) -> String {
    format!("{cluster}-kafka-bootstrap")
}

/// The workload of a cluster, and what of the cluster is not run.
pub(crate) fn workload(
    cluster: &KafkaCluster,
    data_folder: &Path,
) -> (Option<Workload>, Option<RuntimeError>) {
    let name = format!("{}/{}", cluster.meta.namespace, cluster.meta.name);
    let brokers: u64 = cluster.pools.iter().map(|pool| pool.replicas).sum();
    let Some(pool) = cluster.pools.iter().find(|pool| pool.replicas > 0) else {
        return (None, Some(RuntimeError::NoBroker { cluster: name }));
    };
    let parts = [&cluster.meta.namespace, &cluster.meta.name, &pool.meta.name];
    if let Some(part) = parts.into_iter().find(|part| !names::is_file_name(part)) {
        let deployment = format!("Kafka {name}");
        return (None, Some(RuntimeError::NotAFolderName { deployment, name: part.clone() }));
    }
    let fewer = (brokers > 1).then_some(RuntimeError::OneBroker { cluster: name, brokers });
    let template = PodTemplate {
        labels: cluster.pod_labels(pool),
        containers: vec![container(cluster, pool, data_folder)],
        termination_grace_period: Duration::from_secs(30),
        service_account: format!("{}-kafka", cluster.meta.name),
        ..PodTemplate::default()
    };
    let topics = serde_json::Value::Array(cluster.topics.clone()).to_string();
    let controller = format!("{}-{}", cluster.meta.name, pool.meta.name);
    let workload = Workload {
        namespace: cluster.meta.namespace.clone(),
        name: controller.clone(),
        kind: WorkloadKind::StrimziPodSet,
        containers: template.containers.clone(),
        init: Vec::new(),
        template,
        template_hash: String::new(),
        controller,
        dapr: None,
        topics: Some(topics),
        created_ms: crate::cluster::now_ms(),
        replicas: 1.into(),
    };
    (Some(workload), fewer)
}

fn container(cluster: &KafkaCluster, pool: &KafkaPool, data_folder: &Path) -> Container {
    let data = data_folder
        .join("kafka")
        .join(&cluster.meta.name)
        .join(format!("{}_{}-0", cluster.meta.namespace, pool.meta.name));
    let port = |name: &str, port| ContainerPort { name: name.to_owned(), port, protocol: "TCP".to_owned() };
    let mut args: Vec<String> = [
        "--data-dir",
        &data.to_string_lossy().replace('$', "$$"),
        "--listen-address",
        &format!("$(POD_IP):{}", cluster.port),
        "--metrics-listen-address",
        &format!("$(POD_IP):{METRICS_PORT}"),
        "--topics",
        &format!("$(HOME)/{FOLDER}/topics.json"),
    ]
    .map(str::to_owned)
    .into();
    if !cluster.auto_create_topics {
        args.push("--no-auto-create-topics".to_owned());
    }
    let field =
        |name: &str, path: &str| EnvVar { name: name.to_owned(), source: EnvSource::Field(path.to_owned()) };
    Container {
        name: CONTAINER.to_owned(),
        image: IMAGE.to_owned(),
        args,
        env: vec![field("POD_IP", "status.podIP"), field("POD_NAME", "metadata.name")],
        ports: vec![port("tcp-clients", cluster.port), port("tcp-prometheus", METRICS_PORT)],
        requests: pool.requests.clone(),
        limits: pool.limits.clone(),
        readiness_probe: Some(Probe {
            handler: Handler::TcpSocket { host: None, port: PortRef::Number(cluster.port) },
            initial_delay: Duration::ZERO,
            period: Duration::from_secs(1),
            timeout: Duration::from_secs(1),
            success_threshold: 1,
            failure_threshold: 3,
            termination_grace_period: None,
        }),
        ..Container::default()
    }
}

/// The Services that Strimzi makes of a cluster: the one for clients, and the one without an address.
pub(crate) fn services(cluster: &KafkaCluster) -> [Service; 2] {
    let name = &cluster.meta.name;
    let selector: BTreeMap<String, String> = [
        ("strimzi.io/cluster", name.clone()),
        ("strimzi.io/kind", "Kafka".to_owned()),
        ("strimzi.io/name", format!("{name}-kafka")),
        ("strimzi.io/broker-role", "true".to_owned()),
    ]
    .map(|(key, value)| (key.to_owned(), value))
    .into();
    let service = |service: String, headless| Service {
        meta: ObjectMeta {
            name: service,
            namespace: cluster.meta.namespace.clone(),
            labels: [
                ("strimzi.io/cluster".to_owned(), name.clone()),
                ("strimzi.io/kind".to_owned(), "Kafka".to_owned()),
            ]
            .into(),
            annotations: BTreeMap::new(),
            source: cluster.meta.source.clone(),
        },
        kind: "ClusterIP".to_owned(),
        selector: selector.clone(),
        ports: vec![ServicePort {
            name: "tcp-clients".to_owned(),
            port: cluster.port,
            target: PortRef::Number(cluster.port),
            protocol: "TCP".to_owned(),
        }],
        headless,
        external_name: None,
    };
    [service(bootstrap_name(name), false), service(format!("{name}-kafka-brokers"), true)]
}

/// Writes the topics where the broker's flags say.
///
/// # Errors
/// What cannot be written.
pub(crate) fn provide_files(pod: &Pod, topics: &str) -> Result<(), String> {
    let folder = folder_of(pod);
    fs::create_dir_all(&folder)
        .and_then(|()| launch::write_private(&folder.join("topics.json"), topics.as_bytes()))
        .map_err(|error| format!("cannot fill the folder {}: {error}", folder.display()))
}

/// The pod's folder of topics.
pub(crate) fn folder_of(pod: &Pod) -> PathBuf {
    pod.folder.join(FOLDER)
}
