//! What the exporter found, as text with kafka_exporter's names, types and help.
//!
//! Input: a [`Snapshot`] of a cluster. Output: text of version 0.0.4. It asks nobody and knows no time.
//!
//! Lag follows kafka_exporter 1.9: a group's topic is shown once one of its partitions has a commit; its partitions without one have
//! offset -1 and lag -1, and such a lag is not part of the sum while such an offset is.

use crate::exposition::{head, sample};
use std::collections::BTreeMap;
use std::fmt::Display;

/// A partition as the cluster describes it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct PartitionRow {
    pub(crate) leader: Option<i32>,
    pub(crate) replicas: Vec<i32>,
    pub(crate) in_sync: usize,
    pub(crate) newest: Option<i64>,
    pub(crate) oldest: Option<i64>,
}

/// A group as its coordinator describes it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct GroupRow {
    pub(crate) members: usize,
    /// Committed offsets by topic and partition.
    pub(crate) offsets: BTreeMap<String, BTreeMap<i32, i64>>,
}

/// What was found out about a cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Snapshot {
    /// Id and address of each broker.
    pub(crate) brokers: BTreeMap<i32, String>,
    pub(crate) topics: BTreeMap<String, BTreeMap<i32, PartitionRow>>,
    pub(crate) groups: BTreeMap<String, GroupRow>,
    /// Bytes written to each topic since the exporter began, when throughput is asked for.
    pub(crate) bytes_in: Option<BTreeMap<String, i64>>,
    /// Whether everything could be asked.
    pub(crate) complete: bool,
}

/// A metric and how to find its samples in the snapshot.
struct Metric<'a> {
    out: &'a mut String,
    name: &'static str,
}

impl<'a> Metric<'a> {
    fn gauge(out: &'a mut String, name: &'static str, help: &str) -> Self {
        head(out, name, "gauge", help);
        Self { out, name }
    }

    fn put(&mut self, labels: &[(&str, &dyn Display)], value: impl Display) {
        sample(self.out, self.name, labels, value);
    }
}

type OfPartition = (&'static str, &'static str, fn(&PartitionRow) -> Option<i64>);

const PARTITION_METRICS: [OfPartition; 7] = [
    ("kafka_topic_partition_current_offset", "Current Offset of a Broker at Topic/Partition", |row| {
        row.newest
    }),
    ("kafka_topic_partition_oldest_offset", "Oldest Offset of a Broker at Topic/Partition", |row| row.oldest),
    ("kafka_topic_partition_leader", "Leader Broker ID of this Topic/Partition", |row| {
        row.leader.map(i64::from)
    }),
    (
        "kafka_topic_partition_leader_is_preferred",
        "1 if Topic/Partition is using the Preferred Broker",
        |row| Some(i64::from(row.leader.is_some() && row.leader == row.replicas.first().copied())),
    ),
    ("kafka_topic_partition_replicas", "Number of Replicas for this Topic/Partition", |row| {
        i64::try_from(row.replicas.len()).ok()
    }),
    ("kafka_topic_partition_in_sync_replica", "Number of In-Sync Replicas for this Topic/Partition", |row| {
        i64::try_from(row.in_sync).ok()
    }),
    ("kafka_topic_partition_under_replicated_partition", "1 if Topic/Partition is under Replicated", |row| {
        Some(i64::from(row.in_sync < row.replicas.len()))
    }),
];

/// Writes everything that was found.
pub(crate) fn write(out: &mut String, found: &Snapshot) {
    let mut up =
        Metric::gauge(out, "kafka_exporter_up", "1 if the cluster answered every question of this page");
    up.put(&[], u8::from(found.complete));
    Metric::gauge(out, "kafka_brokers", "Number of Brokers in the Kafka Cluster.")
        .put(&[], found.brokers.len());
    let mut info = Metric::gauge(out, "kafka_broker_info", "Information about the Kafka Broker.");
    for (id, address) in &found.brokers {
        info.put(&[("id", id), ("address", address)], 1);
    }
    let mut partitions = Metric::gauge(out, "kafka_topic_partitions", "Number of partitions for this Topic");
    for (topic, rows) in &found.topics {
        partitions.put(&[("topic", topic)], rows.len());
    }
    for (name, help, value) in PARTITION_METRICS {
        let mut metric = Metric::gauge(out, name, help);
        for (topic, rows) in &found.topics {
            for (index, row) in rows {
                if let Some(value) = value(row) {
                    metric.put(&[("topic", topic), ("partition", index)], value);
                }
            }
        }
    }
    let mut members =
        Metric::gauge(out, "kafka_consumergroup_members", "Amount of members in a consumer group");
    for (group, row) in &found.groups {
        members.put(&[("consumergroup", group)], row.members);
    }
    write_groups(out, &rows_of_groups(found));
    if let Some(bytes_in) = &found.bytes_in {
        write_throughput(out, found, bytes_in);
    }
}

/// A group's progress in one topic.
struct Progress<'a> {
    group: &'a str,
    topic: &'a str,
    /// Partition, committed offset, and lag where the end of the partition is known.
    partitions: Vec<(i32, i64, Option<i64>)>,
}

fn rows_of_groups(found: &Snapshot) -> Vec<Progress<'_>> {
    let mut rows = Vec::new();
    for (group, row) in &found.groups {
        for (topic, offsets) in
            row.offsets.iter().filter(|(_, offsets)| offsets.values().any(|offset| *offset != -1))
        {
            let none = BTreeMap::new();
            let described = found.topics.get(topic).unwrap_or(&none);
            let indexes: std::collections::BTreeSet<i32> =
                offsets.keys().chain(described.keys()).copied().collect();
            let partitions = indexes.into_iter().map(|index| {
                let offset = offsets.get(&index).copied().unwrap_or(-1);
                let newest = described.get(&index).and_then(|row| row.newest);
                (index, offset, newest.map(|newest| if offset == -1 { -1 } else { newest - offset }))
            });
            rows.push(Progress { group, topic, partitions: partitions.collect() });
        }
    }
    rows
}

fn write_groups(out: &mut String, rows: &[Progress<'_>]) {
    let help = "Current Offset of a ConsumerGroup at Topic/Partition";
    let mut metric = Metric::gauge(out, "kafka_consumergroup_current_offset", help);
    for row in rows {
        for (index, offset, _) in &row.partitions {
            metric.put(&[("consumergroup", &row.group), ("topic", &row.topic), ("partition", index)], offset);
        }
    }
    let help = "Current Offset of a ConsumerGroup at Topic for all partitions";
    let mut metric = Metric::gauge(out, "kafka_consumergroup_current_offset_sum", help);
    for row in rows {
        let sum: i64 = row.partitions.iter().map(|(_, offset, _)| offset).sum();
        metric.put(&[("consumergroup", &row.group), ("topic", &row.topic)], sum);
    }
    let help = "Current Approximate Lag of a ConsumerGroup at Topic/Partition";
    let mut metric = Metric::gauge(out, "kafka_consumergroup_lag", help);
    for row in rows {
        for (index, _, lag) in &row.partitions {
            if let Some(lag) = lag {
                metric
                    .put(&[("consumergroup", &row.group), ("topic", &row.topic), ("partition", index)], lag);
            }
        }
    }
    let help = "Current Approximate Lag of a ConsumerGroup at Topic for all partitions";
    let mut metric = Metric::gauge(out, "kafka_consumergroup_lag_sum", help);
    for row in rows {
        let lags = row.partitions.iter().filter(|(_, offset, _)| *offset != -1).filter_map(|(.., lag)| *lag);
        metric.put(&[("consumergroup", &row.group), ("topic", &row.topic)], lags.sum::<i64>());
    }
}

fn write_throughput(out: &mut String, found: &Snapshot, bytes_in: &BTreeMap<String, i64>) {
    let name = "kafka_server_brokertopicmetrics_messagesin_total";
    head(out, name, "counter", "Messages taken in: the sum of the end offsets");
    let messages =
        |rows: &BTreeMap<i32, PartitionRow>| rows.values().filter_map(|row| row.newest).sum::<i64>();
    sample(out, name, &[("topic", &"")], found.topics.values().map(messages).sum::<i64>());
    for (topic, rows) in &found.topics {
        sample(out, name, &[("topic", topic)], messages(rows));
    }
    let name = "kafka_server_brokertopicmetrics_bytesin_total";
    head(out, name, "counter", "Bytes taken in: the growth of the logs");
    sample(out, name, &[("topic", &"")], bytes_in.values().sum::<i64>());
    for (topic, bytes) in bytes_in {
        sample(out, name, &[("topic", topic)], bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn partition(newest: i64) -> PartitionRow {
        PartitionRow {
            leader: Some(1),
            replicas: vec![1, 2],
            in_sync: 1,
            newest: Some(newest),
            oldest: Some(2),
        }
    }

    fn check(out: &str, lines: &[&str]) {
        for line in lines {
            assert!(out.lines().any(|found| found == *line), "{line} is not in\n{out}");
        }
    }

    #[test]
    fn a_page_has_kafka_exporters_names_and_convention_for_missing_commits() {
        let mut found = Snapshot { complete: true, ..Snapshot::default() };
        found.brokers.insert(1, "10.0.0.1:9092".into());
        found.topics.insert("events".into(), BTreeMap::from([(0, partition(10)), (1, partition(7))]));
        found.topics.insert("other".into(), BTreeMap::from([(0, partition(3))]));
        let offsets = BTreeMap::from([
            ("events".to_owned(), BTreeMap::from([(0, 4)])),
            ("gone".into(), BTreeMap::from([(0, 9)])),
        ]);
        found.groups.insert("g\"1".into(), GroupRow { members: 2, offsets });
        found.groups.insert("idle".into(), GroupRow::default());
        let mut out = String::new();
        write(&mut out, &found);
        check(
            &out,
            &[
                "kafka_exporter_up 1",
                "# HELP kafka_brokers Number of Brokers in the Kafka Cluster.",
                "# TYPE kafka_brokers gauge",
                "kafka_brokers 1",
                "kafka_broker_info{id=\"1\",address=\"10.0.0.1:9092\"} 1",
                "kafka_topic_partitions{topic=\"events\"} 2",
                "kafka_topic_partition_current_offset{topic=\"events\",partition=\"1\"} 7",
                "kafka_topic_partition_oldest_offset{topic=\"other\",partition=\"0\"} 2",
                "kafka_topic_partition_leader_is_preferred{topic=\"events\",partition=\"0\"} 1",
                "kafka_topic_partition_under_replicated_partition{topic=\"events\",partition=\"0\"} 1",
                "kafka_consumergroup_members{consumergroup=\"g\\\"1\"} 2",
                "kafka_consumergroup_members{consumergroup=\"idle\"} 0",
                "kafka_consumergroup_current_offset{consumergroup=\"g\\\"1\",topic=\"events\",partition=\"1\"} -1",
                "kafka_consumergroup_current_offset_sum{consumergroup=\"g\\\"1\",topic=\"events\"} 3",
                "kafka_consumergroup_lag{consumergroup=\"g\\\"1\",topic=\"events\",partition=\"0\"} 6",
                "kafka_consumergroup_lag{consumergroup=\"g\\\"1\",topic=\"events\",partition=\"1\"} -1",
                "kafka_consumergroup_lag_sum{consumergroup=\"g\\\"1\",topic=\"events\"} 6",
                "kafka_consumergroup_lag_sum{consumergroup=\"g\\\"1\",topic=\"gone\"} 0",
            ],
        );
        assert!(
            !out.contains("lag{consumergroup=\"g\\\"1\",topic=\"gone\""),
            "the end of an unknown topic is unknown"
        );
        assert!(!out.contains("brokertopicmetrics"));
    }

    #[test]
    fn throughput_is_there_when_asked_for() {
        let mut found =
            Snapshot { bytes_in: Some(BTreeMap::from([("events".into(), 900)])), ..Snapshot::default() };
        found.topics.insert("events".into(), BTreeMap::from([(0, partition(10)), (1, partition(7))]));
        let mut out = String::new();
        write(&mut out, &found);
        check(
            &out,
            &[
                "kafka_exporter_up 0",
                "kafka_brokers 0",
                "kafka_server_brokertopicmetrics_messagesin_total{topic=\"\"} 17",
                "kafka_server_brokertopicmetrics_bytesin_total{topic=\"events\"} 900",
            ],
        );
    }
}
