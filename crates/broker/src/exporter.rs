//! kafka_exporter over Kafka's own protocol: works on this broker and on any cluster.
//!
//! Input: addresses of brokers. Output: a page of metrics, asked anew each time it is wanted. What it cannot find out is missing on
//! the page, and `kafka_exporter_up` is then 0; there is no cache that would show a dead cluster as healthy.

use crate::client::Client;
use crate::exporter_page::{self, GroupRow, PartitionRow, Snapshot};
use crate::topics::lock;
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::{
    BrokerId, DescribeGroupsRequest, DescribeLogDirsRequest, GroupId, ListGroupsRequest, ListOffsetsRequest,
    MetadataRequest, OffsetFetchRequest, TopicName,
};
use std::collections::BTreeMap;
use std::io;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tokio::time::Instant;

/// Choices of the exporter.
#[derive(Debug, Clone)]
pub struct ExporterOptions {
    /// Time for one page, over all brokers.
    pub timeout: Duration,
    /// Partitions on one page; topics beyond are left out, and `kafka_exporter_up` is 0.
    pub partitions: usize,
    /// Groups on one page; others are left out, and `kafka_exporter_up` is 0.
    pub groups: usize,
    /// Whether to write `kafka_server_brokertopicmetrics_{messagesin,bytesin}_total` from offsets and log sizes, for clusters without
    /// a JMX exporter.
    pub throughput: bool,
}

impl Default for ExporterOptions {
    fn default() -> Self {
        Self { timeout: Duration::from_secs(5), partitions: 10_000, groups: 2_000, throughput: false }
    }
}

/// Asks a Kafka cluster and writes what it finds.
#[derive(Debug)]
pub struct Exporter {
    bootstrap: Vec<String>,
    options: ExporterOptions,
    /// Pages in a row for which the cluster could not be asked.
    failures: AtomicU32,
    growth: Mutex<Growth>,
}

/// Log sizes seen last, and bytes by which each topic has grown.
#[derive(Debug, Default)]
struct Growth {
    sizes: BTreeMap<(i32, String, i32), i64>,
    total: BTreeMap<String, i64>,
}

impl Growth {
    fn note(&mut self, broker: i32, topic: &str, partition: i32, size: i64) {
        let before = self.sizes.insert((broker, topic.to_owned(), partition), size).unwrap_or(0);
        *self.total.entry(topic.to_owned()).or_default() += (size - before).max(0);
    }
}

impl Exporter {
    /// An exporter that finds the cluster through these `host:port` addresses. Connects to nothing yet.
    pub fn new(bootstrap: Vec<String>, options: ExporterOptions) -> Self {
        Self { bootstrap, options, failures: AtomicU32::new(0), growth: Mutex::default() }
    }

    /// Asks the cluster and appends the page (text format 0.0.4) to `out`. A cluster that is away gives `kafka_exporter_up 0` and
    /// `kafka_brokers 0`; the reason goes to the log.
    pub async fn page(&self, out: &mut String) {
        let mut found = Snapshot { complete: true, ..Snapshot::default() };
        let deadline = Instant::now() + self.options.timeout;
        match self.ask(&mut found, deadline).await {
            Ok(()) => self.failures.store(0, Ordering::Relaxed),
            Err(error) => {
                found.complete = false;
                // one alone is a broker that starts, or starts again
                let failures = self.failures.fetch_add(1, Ordering::Relaxed).saturating_add(1);
                if failures > 1 && failures.is_power_of_two() {
                    let bootstrap = self.bootstrap.join(",");
                    tracing::warn!(bootstrap, failures, %error, "the Kafka cluster cannot be asked");
                }
            }
        }
        exporter_page::write(out, &found);
    }

    async fn ask(&self, found: &mut Snapshot, deadline: Instant) -> io::Result<()> {
        let mut first = self.connect(deadline).await?;
        let request = MetadataRequest::default().with_topics(None).with_allow_auto_topic_creation(false);
        let metadata = first.ask(4, &request).await?;
        drop(first);
        for broker in metadata.brokers {
            found.brokers.insert(broker.node_id.0, format!("{}:{}", broker.host.as_str(), broker.port));
        }
        let mut room = self.options.partitions;
        for topic in metadata.topics {
            let Some(name) = topic.name else { continue };
            if topic.partitions.len() > room {
                tracing::warn!(
                    limit = self.options.partitions,
                    topic = name.as_str(),
                    "too many partitions for one page"
                );
                found.complete = false;
                continue;
            }
            room -= topic.partitions.len();
            let rows = topic.partitions.into_iter().map(|partition| {
                let row = PartitionRow {
                    leader: Some(partition.leader_id.0).filter(|leader| *leader >= 0),
                    replicas: partition.replica_nodes.iter().map(|node| node.0).collect(),
                    in_sync: partition.isr_nodes.len(),
                    ..PartitionRow::default()
                };
                (partition.partition_index, row)
            });
            found.topics.insert(name.to_string(), rows.collect());
        }
        for (id, address) in found.brokers.clone() {
            if let Err(error) = self.ask_broker(found, id, &address, deadline).await {
                tracing::warn!(broker = id, address, %error, "the broker cannot be asked");
                found.complete = false;
            }
        }
        if self.options.throughput {
            found.bytes_in = Some(lock(&self.growth).total.clone());
        }
        Ok(())
    }

    /// A connection to the first address that answers.
    async fn connect(&self, deadline: Instant) -> io::Result<Client> {
        let mut last = io::Error::new(io::ErrorKind::InvalidInput, "no bootstrap address is given");
        for address in &self.bootstrap {
            match Client::connect(address, deadline).await {
                Ok(client) => return Ok(client),
                Err(error) => last = io::Error::new(error.kind(), format!("{address}: {error}")),
            }
        }
        Err(last)
    }

    async fn ask_broker(
        &self,
        found: &mut Snapshot,
        id: i32,
        address: &str,
        deadline: Instant,
    ) -> io::Result<()> {
        let mut client = Client::connect(address, deadline).await?;
        offsets(found, &mut client, id, -1).await?;
        offsets(found, &mut client, id, -2).await?;
        self.groups(found, &mut client).await?;
        if self.options.throughput {
            let answer = client.ask(1, &DescribeLogDirsRequest::default().with_topics(None)).await?;
            let mut growth = lock(&self.growth);
            for topic in answer.results.iter().flat_map(|result| &result.topics) {
                for partition in topic.partitions.iter().filter(|partition| !partition.is_future_key) {
                    // Replicas hold the same bytes: only the leader's count.
                    let rows = found.topics.get(topic.name.as_str());
                    let row = rows.and_then(|rows| rows.get(&partition.partition_index));
                    if row.is_some_and(|row| row.leader == Some(id)) {
                        growth.note(id, &topic.name, partition.partition_index, partition.partition_size);
                    }
                }
            }
        }
        Ok(())
    }

    async fn groups(&self, found: &mut Snapshot, client: &mut Client) -> io::Result<()> {
        let mut names: Vec<GroupId> = client
            .ask(0, &ListGroupsRequest::default())
            .await?
            .groups
            .into_iter()
            .map(|group| group.group_id)
            .collect();
        let room = self.options.groups.saturating_sub(found.groups.len());
        if names.len() > room {
            tracing::warn!(limit = self.options.groups, "too many consumer groups for one page");
            found.complete = false;
            names.truncate(room);
        }
        if names.is_empty() {
            return Ok(());
        }
        let described = client.ask(0, &DescribeGroupsRequest::default().with_groups(names)).await?;
        for group in described.groups {
            let request =
                OffsetFetchRequest::default().with_group_id(group.group_id.clone()).with_topics(None);
            let answer = client.ask(2, &request).await?;
            let mut row = GroupRow { members: group.members.len(), offsets: BTreeMap::new() };
            for topic in answer.topics {
                let offsets = topic.partitions.iter().filter(|partition| partition.error_code == 0);
                let offsets =
                    offsets.map(|partition| (partition.partition_index, partition.committed_offset));
                row.offsets.insert(topic.name.to_string(), offsets.collect());
            }
            found.groups.insert(group.group_id.to_string(), row);
        }
        Ok(())
    }
}

/// Asks a broker for the newest (-1) or oldest (-2) offsets of the partitions it leads.
async fn offsets(found: &mut Snapshot, client: &mut Client, id: i32, which: i64) -> io::Result<()> {
    let asked = found.topics.iter().map(|(topic, rows)| {
        let led = rows.iter().filter(|(_, row)| row.leader == Some(id));
        let partition =
            |index: i32| ListOffsetsPartition::default().with_partition_index(index).with_timestamp(which);
        let partitions = led.map(|(index, _)| partition(*index)).collect();
        ListOffsetsTopic::default()
            .with_name(TopicName(crate::wire::text(&**topic)))
            .with_partitions(partitions)
    });
    let topics: Vec<_> = asked.filter(|topic| !topic.partitions.is_empty()).collect();
    if topics.is_empty() {
        return Ok(());
    }
    let request = ListOffsetsRequest::default().with_replica_id(BrokerId(-1)).with_topics(topics);
    for topic in client.ask(1, &request).await?.topics {
        for partition in topic.partitions {
            let rows = found.topics.get_mut(topic.name.as_str());
            let Some(row) = rows.and_then(|rows| rows.get_mut(&partition.partition_index)) else { continue };
            if partition.error_code != 0 {
                found.complete = false;
                continue;
            }
            *(if which == -1 { &mut row.newest } else { &mut row.oldest }) = Some(partition.offset);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_cluster_that_is_away_is_said_to_be() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        drop(listener);
        let mut out = String::new();
        Exporter::new(vec![address], ExporterOptions::default()).page(&mut out).await;
        assert!(out.contains("\nkafka_exporter_up 0\n") && out.contains("\nkafka_brokers 0\n"), "{out}");
    }

    #[test]
    fn growth_never_shrinks() {
        let mut growth = Growth::default();
        for size in [100, 150, 20, 60] {
            growth.note(1, "t", 0, size);
        }
        assert_eq!(growth.total["t"], 190);
    }
}
