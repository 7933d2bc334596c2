//! The one error of this crate: what could not be done, and the remedy.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Something the runtime could not do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RuntimeError {
    /// Every loopback range is taken, or loopback addresses cannot be used at all.
    #[error(
        "no free loopback range among 127.64.0.0/16 to 127.250.0.0/16: {0}\n  hint: tidewatch gives every pod its own \
         address 127.x.y.z, which Linux allows by default; stop other instances, or whatever listens on port 10900 of \
         all addresses"
    )]
    NoAddressRange(io::Error),
    /// The folder for pods cannot be made.
    #[error("cannot use the data directory {path}: {source_text}\n  hint: check its permissions and free space, or choose another with --data-dir", path = path.display())]
    DataDirectory {
        /// The folder.
        path: PathBuf,
        /// What the operating system says.
        source_text: String,
    },
    /// A folder with the name of one of tidewatch's own is in the data directory.
    #[error("the folder {} is not tidewatch's own: it would be moved away, and removed later\n  hint: choose another data directory with --data-dir, or move the folder away", .0.display())]
    ForeignFolder(PathBuf),
    /// The process that cleans up after a killed tidewatch does not start.
    #[error("cannot start the guard process {program}: {source_text}", program = program.display())]
    Guard {
        /// The program.
        program: PathBuf,
        /// What the operating system says.
        source_text: String,
    },
    /// The thread that starts processes could not be made.
    #[error("cannot start the thread that starts processes: {0}")]
    Spawner(String),
    /// A fixed port is taken.
    #[error("cannot listen on {address} for Service {service}: {source_text}\n  hint: {hint}")]
    Expose {
        /// The address.
        address: SocketAddr,
        /// The Service as `namespace/name`.
        service: String,
        /// What the operating system says.
        source_text: String,
        /// The remedy.
        hint: String,
    },
    /// `expose` names something that is not there.
    #[error("cannot expose {name:?}: {problem}\n  hint: {hint}")]
    ExposeUnknown {
        /// As written.
        name: String,
        /// What is wrong.
        problem: String,
        /// The remedy.
        hint: String,
    },
    /// A Service's own address cannot be listened on.
    #[error("Service {service} cannot listen on {address}: {source_text}\n  hint: another program listens on port {port} of all addresses; stop it, or let it listen on 127.0.0.1 only", port = address.port())]
    ServiceAddress {
        /// The Service as `namespace/name`.
        service: String,
        /// The address.
        address: SocketAddr,
        /// What the operating system says.
        source_text: String,
    },
    /// A name would lead out of the folder of a pod.
    #[error(
        "Deployment {deployment} is not run: {name:?} cannot be a folder's name\n  hint: use lower case letters, digits and '-'"
    )]
    NotAFolderName {
        /// The Deployment as `namespace/name`.
        deployment: String,
        /// The name of a namespace, container or volume.
        name: String,
    },
    /// The annotations of a pod's sidecar cannot be used.
    #[error("Deployment {deployment} is not run: {message}")]
    Sidecar {
        /// The Deployment as `namespace/name`.
        deployment: String,
        /// Which annotation, and the remedy.
        message: String,
    },
    /// A Kafka cluster without a node that could be a broker.
    #[error(
        "Kafka {cluster} is not run: it has no broker\n  hint: add a KafkaNodePool with the role broker, one replica or more, and the label strimzi.io/cluster"
    )]
    NoBroker {
        /// The cluster as `namespace/name`.
        cluster: String,
    },
    /// A Kafka cluster of several brokers.
    #[error(
        "Kafka {cluster} asks for {brokers} brokers, one is run: the local broker replicates nothing\n  hint: several brokers need a cluster; the topics and their partitions are the same with one"
    )]
    OneBroker {
        /// The cluster as `namespace/name`.
        cluster: String,
        /// How many the node pools ask for.
        brokers: u64,
    },
    /// No such Deployment.
    #[error("there is no Deployment {namespace}/{name}")]
    NoSuchDeployment {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
    /// No such pod.
    #[error("there is no pod {namespace}/{name}")]
    NoSuchPod {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
    /// A pod has no such container, or has several and none was named.
    #[error("pod {pod} has no container {container:?}; hint: it has {known}")]
    NoSuchContainer {
        /// The pod's name.
        pod: String,
        /// The container asked for; empty when none was named.
        container: String,
        /// The containers it has.
        known: String,
    },
    /// A log cannot be read.
    #[error("cannot read the log of {pod}/{container}: {source_text}")]
    Log {
        /// The pod's name.
        pod: String,
        /// The container's name.
        container: String,
        /// What the operating system says.
        source_text: String,
    },
    /// A threshold of the node that cannot be read.
    #[error("eviction threshold {text:?}: {reason}; hint: write e.g. memory.available<500Mi")]
    Eviction {
        /// The threshold as it was written.
        text: String,
        /// What is wrong with it.
        reason: String,
    },
    /// More replicas than one machine is let run.
    #[error("cannot scale {name} to {replicas} replicas; hint: at most {most} run on one machine")]
    TooManyReplicas {
        /// The Deployment.
        name: String,
        /// What was asked for.
        replicas: u32,
        /// The most.
        most: u32,
    },
}
