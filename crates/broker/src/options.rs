//! What a broker is started with, and the limits it keeps.
//!
//! Input: the program's flags and topic manifests. Output: plain structs for `broker.rs`. Reads no file and no flag itself.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

/// A topic that exists from the start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicSpec {
    /// Name: 1 to 249 letters, digits, `.`, `_` or `-`.
    pub name: String,
    /// Number of partitions, at least 1. An existing topic with fewer gets more; with more it keeps them.
    pub partitions: i32,
    /// Topic configuration in Kafka's words, for example `retention.ms`. See [`crate::topic_of_manifest`] for the known keys.
    pub configs: BTreeMap<String, String>,
}

impl TopicSpec {
    /// A topic of this name and number of partitions with the broker's defaults.
    pub fn new(name: impl Into<String>, partitions: i32) -> Self {
        Self { name: name.into(), partitions, configs: BTreeMap::new() }
    }
}

/// Bounds of everything that clients can make the broker hold.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Connections at once; further ones are closed at once and counted.
    pub connections: usize,
    /// Bytes of the largest request (`socket.request.max.bytes`).
    pub request_bytes: usize,
    /// Bytes of the largest request that carries no messages.
    pub small_request_bytes: usize,
    /// Bytes of requests above 64 KiB and of fetch answers, held at once over all connections.
    pub in_flight_bytes: usize,
    /// Bytes of one fetch answer (`fetch.max.bytes`).
    pub fetch_bytes: usize,
    /// Bytes of any other answer; a connection whose request would get a larger one is closed and counted.
    pub answer_bytes: usize,
    /// Topics.
    pub topics: usize,
    /// Partitions over all topics. Each holds one open file.
    pub partitions: usize,
    /// Consumer groups.
    pub groups: usize,
    /// Members of one group (`group.max.size`).
    pub group_members: usize,
    /// Committed offsets over all groups.
    pub committed_offsets: usize,
    /// Idempotent producers remembered in one partition.
    pub producers: usize,
    /// Shortest session timeout of a group member in milliseconds (`group.min.session.timeout.ms`).
    pub session_timeout_min_ms: i32,
    /// Longest session timeout of a group member in milliseconds (`group.max.session.timeout.ms`).
    pub session_timeout_max_ms: i32,
    /// How long an empty group is kept with its offsets, in milliseconds (`offsets.retention.minutes`).
    pub offsets_retention_ms: i64,
    /// How long a connection may be silent, in milliseconds (`connections.max.idle.ms`).
    pub idle_ms: u64,
    /// How long the rest of a request may take once its first bytes are there, in milliseconds.
    pub body_ms: u64,
    /// How long a client may take to read an answer, in milliseconds.
    pub answer_ms: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 512,
            request_bytes: 100 << 20,
            small_request_bytes: 1 << 20,
            in_flight_bytes: 128 << 20,
            fetch_bytes: 8 << 20,
            answer_bytes: 16 << 20,
            topics: 256,
            partitions: 1024,
            groups: 512,
            group_members: 256,
            committed_offsets: 65_536,
            producers: 1024,
            session_timeout_min_ms: 6_000,
            session_timeout_max_ms: 1_800_000,
            offsets_retention_ms: 7 * 24 * 3_600_000,
            idle_ms: 600_000,
            body_ms: 30_000,
            answer_ms: 60_000,
        }
    }
}

/// Everything a broker is started with.
#[derive(Debug, Clone)]
pub struct BrokerOptions {
    /// Where logs, offsets and groups are kept. Made when missing.
    pub data_folder: PathBuf,
    /// Address of the Kafka listener; port 0 takes a free one. Must be loopback.
    pub listen: SocketAddr,
    /// Host and port that clients are told to connect to; the listener's own by default.
    pub advertised: Option<(String, u16)>,
    /// Address of the metrics page; none, no page. Must be loopback.
    pub metrics_listen: Option<SocketAddr>,
    /// Topics that exist from the start.
    pub topics: Vec<TopicSpec>,
    /// Whether a producer or consumer that names an unknown topic makes it.
    pub auto_create_topics: bool,
    /// Partitions of a topic made without a number (`num.partitions`).
    pub default_partitions: i32,
    /// Id of this broker (`node.id`), at least 0.
    pub node_id: i32,
    /// Id of the cluster; made and kept in the data folder when none is given.
    pub cluster_id: Option<String>,
    /// How long a new group waits for more members before its first generation, in milliseconds
    /// (`group.initial.rebalance.delay.ms`).
    pub initial_rebalance_delay_ms: i64,
    /// Bounds.
    pub limits: Limits,
}

impl BrokerOptions {
    /// A broker over this folder on a free loopback port, without topics and without a metrics page.
    pub fn new(data_folder: impl Into<PathBuf>) -> Self {
        Self {
            data_folder: data_folder.into(),
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            advertised: None,
            metrics_listen: None,
            topics: Vec::new(),
            auto_create_topics: true,
            default_partitions: 1,
            node_id: 0,
            cluster_id: None,
            initial_rebalance_delay_ms: 0,
            limits: Limits::default(),
        }
    }
}
