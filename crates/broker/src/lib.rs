//! A Kafka-compatible broker for one machine, and the exporter of Kafka's metrics.
//!
//! Input: a folder, topics, and Kafka clients on a loopback port. Output: what the clients ask for, log segments in Kafka's own format,
//! and two pages of metrics: the broker's, in the names of Strimzi's JMX exporter, and kafka_exporter's, asked of any cluster
//! over the protocol.
//!
//! A produce request goes `connection` → `wire` → `dispatch` → `produce` → `topics` → `partition_log` → `segment`. A
//! consumer group's request ends in `coordinator`, which keeps time and file for the pure state machine `group`.
//!
//! Deliberately absent: replication, transactions, log compaction, the consumer protocol of KIP-848, authentication, TLS. Each is refused by a
//! protocol code or not advertised.

mod error;
mod options;

mod broker;
mod connection;
mod wire;
mod api;
mod dispatch;
mod shared;

mod codes;
mod metadata;
mod produce;
mod fetch;
mod offsets;
mod group_requests;
mod commit_requests;
mod topic_requests;
mod config_requests;

mod topics;
mod topic_config;
mod topic_manifest;
mod partition_log;
mod segment;
mod producers;
mod batch;

mod coordinator;
mod group;
mod journal;

mod statistics;
mod exposition;
mod metrics_page;
mod metrics_listener;

mod exporter;
mod exporter_page;
mod client;

pub use broker::Broker;
pub use error::BrokerError;
pub use exporter::{Exporter, ExporterOptions};
pub use options::{BrokerOptions, Limits, TopicSpec};
pub use topic_manifest::topic_of_manifest;
