//! The broker's own metrics, in the names that Strimzi's JMX exporter gives Kafka's.
//!
//! Input: statistics, topics, groups. Output: text. What only a JVM or a cluster of brokers has is not made up; idle shares and
//! replication are the plain truth of a single broker.

use crate::exposition::{head, sample};
use crate::shared::Shared;
use crate::statistics::{Count, TopicStatistics};
use crate::topics::{Topic, lock};
use std::fmt::Display;
use std::sync::Arc;
use std::sync::atomic::Ordering;

type Row = (&'static str, &'static str, fn(&TopicStatistics) -> &Count);

const BROKER_TOPIC_METRICS: [Row; 7] = [
    ("bytesin", "Bytes of message batches taken in", |s| &s.bytes_in),
    ("bytesout", "Bytes of message batches given out", |s| &s.bytes_out),
    ("messagesin", "Messages taken in", |s| &s.messages_in),
    ("totalproducerequests", "Produce requests, counted per partition", |s| &s.produce_requests),
    ("failedproducerequests", "Produce requests refused, counted per partition", |s| {
        &s.failed_produce_requests
    }),
    ("totalfetchrequests", "Fetch requests, counted per partition", |s| &s.fetch_requests),
    ("failedfetchrequests", "Fetch requests refused, counted per partition", |s| &s.failed_fetch_requests),
];

/// The page. A sample of the brokertopicmetrics with an empty topic counts all topics, as in the JMX exporter.
pub(crate) fn page(shared: &Shared) -> String {
    let mut out = String::with_capacity(8192);
    let topics = shared.topics.all();
    broker_topic_metrics(&mut out, shared, &topics);
    partitions(&mut out, &topics);
    let count = topics.iter().map(|topic| topic.partitions.len()).sum::<usize>();
    let statistics = &shared.statistics;
    let version = env!("CARGO_PKG_VERSION");
    gauge(&mut out, "kafka_server_replicamanager_partitioncount", "Partitions on this broker", count);
    gauge(&mut out, "kafka_server_replicamanager_leadercount", "Partitions that this broker leads", count);
    gauge(
        &mut out,
        "kafka_server_replicamanager_underreplicatedpartitions",
        "Partitions with missing replicas",
        0,
    );
    gauge(
        &mut out,
        "kafka_server_replicamanager_underminisrpartitioncount",
        "Partitions below min.insync.replicas",
        0,
    );
    gauge(&mut out, "kafka_server_replicamanager_offlinereplicacount", "Replicas that are offline", 0);
    gauge(
        &mut out,
        "kafka_controller_kafkacontroller_activecontrollercount",
        "1 if this broker is the controller",
        1,
    );
    gauge(
        &mut out,
        "kafka_controller_kafkacontroller_offlinepartitionscount",
        "Partitions without a leader",
        0,
    );
    gauge(&mut out, "kafka_controller_kafkacontroller_activebrokercount", "Brokers in the cluster", 1);
    gauge(
        &mut out,
        "kafka_controller_kafkacontroller_globaltopiccount",
        "Topics in the cluster",
        topics.len(),
    );
    gauge(
        &mut out,
        "kafka_controller_kafkacontroller_globalpartitioncount",
        "Partitions in the cluster",
        count,
    );
    gauge(&mut out, "kafka_server_kafkaserver_brokerstate", "3: running", 3);
    groups(&mut out, shared);
    let name = "kafka_server_socket_server_metrics_connection_count";
    head(&mut out, name, "gauge", "Open connections");
    let labels: [(&str, &dyn Display); 2] = [("listener", &"PLAIN"), ("networkProcessor", &0)];
    sample(&mut out, name, &labels, statistics.connections.load(Ordering::Relaxed));
    let name = "kafka_server_socket_server_metrics_connection_creation_total";
    head(&mut out, name, "counter", "Connections accepted");
    sample(&mut out, name, &labels, statistics.accepted_connections.get());
    counter(&mut out, "tidewatch_broker_requests_total", "Requests read", &statistics.requests);
    counter(
        &mut out,
        "tidewatch_broker_malformed_requests_total",
        "Connections closed for what is no request",
        &statistics.malformed_requests,
    );
    counter(
        &mut out,
        "tidewatch_broker_oversized_answers_total",
        "Connections closed for a request whose answer would be too large",
        &statistics.oversized_answers,
    );
    counter(
        &mut out,
        "tidewatch_broker_slow_connections_total",
        "Connections closed for a request that did not come whole or an answer that was not read in time",
        &statistics.slow_connections,
    );
    counter(
        &mut out,
        "tidewatch_broker_refused_connections_total",
        "Connections above the limit",
        &statistics.refused_connections,
    );
    counter(
        &mut out,
        "tidewatch_broker_storage_errors_total",
        "Writes that the data folder refused",
        &statistics.storage_errors,
    );
    head(&mut out, "tidewatch_broker_info", "gauge", "Version of the broker");
    sample(
        &mut out,
        "tidewatch_broker_info",
        &[("version", &version), ("cluster_id", &shared.cluster_id)],
        1,
    );
    out
}

fn gauge(out: &mut String, name: &str, help: &str, value: impl Display) {
    head(out, name, "gauge", help);
    sample(out, name, &[], value);
}

fn counter(out: &mut String, name: &str, help: &str, value: &Count) {
    head(out, name, "counter", help);
    sample(out, name, &[], value.get());
}

fn broker_topic_metrics(out: &mut String, shared: &Shared, topics: &[Arc<Topic>]) {
    for (stem, help, count) in BROKER_TOPIC_METRICS {
        let name = format!("kafka_server_brokertopicmetrics_{stem}_total");
        head(out, &name, "counter", help);
        sample(out, &name, &[("topic", &"")], count(&shared.statistics.all_topics).get());
        for topic in topics {
            sample(out, &name, &[("topic", &topic.name)], count(&topic.statistics).get());
        }
    }
}

/// Topic, partition, bytes, first offset, end offset.
type Bounds<'a> = (&'a String, usize, u64, i64, i64);

fn partitions(out: &mut String, topics: &[Arc<Topic>]) {
    let mut bounds = Vec::new();
    for topic in topics {
        for (index, partition) in topic.partitions.iter().enumerate() {
            let log = lock(&partition.log);
            bounds.push((&topic.name, index, log.size(), log.start_offset(), log.end_offset()));
        }
    }
    let mut metric = |name: &str, help: &str, value: fn(&Bounds<'_>) -> i64| {
        head(out, name, "gauge", help);
        for row in &bounds {
            sample(out, name, &[("topic", row.0), ("partition", &row.1)], value(row));
        }
    };
    metric("kafka_log_log_size", "Bytes of the partition's log", |row| {
        i64::try_from(row.2).unwrap_or(i64::MAX)
    });
    metric("kafka_log_log_logstartoffset", "First offset of the partition's log", |row| row.3);
    metric("kafka_log_log_logendoffset", "Offset that the partition's next message gets", |row| row.4);
    metric("kafka_cluster_partition_underminisr", "1 if the partition is below min.insync.replicas", |_| 0);
    metric(
        "kafka_cluster_partition_atminisr",
        "1 if the partition is at min.insync.replicas of a cluster",
        |_| 0,
    );
    metric("kafka_cluster_partition_underreplicated", "1 if the partition misses replicas", |_| 0);
}

fn groups(out: &mut String, shared: &Shared) {
    let groups = shared.groups.list();
    let name = "kafka_coordinator_group_groupmetadatamanager_numgroups";
    gauge(out, name, "Consumer groups", groups.len());
    for (suffix, state) in [
        ("stable", "Stable"),
        ("empty", "Empty"),
        ("preparingrebalance", "PreparingRebalance"),
        ("completingrebalance", "CompletingRebalance"),
    ] {
        let count = groups.iter().filter(|(_, found, _)| found.name() == state).count();
        gauge(out, &format!("{name}{suffix}"), &format!("Consumer groups in state {state}"), count);
    }
}
