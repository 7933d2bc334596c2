//! OffsetCommit, OffsetFetch, OffsetDelete: how far groups have come.
//!
//! Input: offsets by topic and partition. Output: what the coordinator keeps, in the protocol's form. A partition without a commit
//! has offset -1.

use crate::codes;
use crate::coordinator::{Commit, Committed, Offsets};
use crate::shared::Shared;
use crate::wire::text;
use kafka_protocol::messages::offset_commit_response::{
    OffsetCommitResponse, OffsetCommitResponsePartition, OffsetCommitResponseTopic,
};
use kafka_protocol::messages::offset_delete_response::{
    OffsetDeleteResponse, OffsetDeleteResponsePartition, OffsetDeleteResponseTopic,
};
use kafka_protocol::messages::offset_fetch_response::{
    OffsetFetchResponse, OffsetFetchResponseGroup, OffsetFetchResponsePartition,
    OffsetFetchResponsePartitions, OffsetFetchResponseTopic, OffsetFetchResponseTopics,
};
use kafka_protocol::messages::{OffsetCommitRequest, OffsetDeleteRequest, OffsetFetchRequest, TopicName};
use kafka_protocol::protocol::StrBytes;
use std::collections::{HashMap, HashSet};

pub(crate) fn commit(shared: &Shared, message: OffsetCommitRequest) -> OffsetCommitResponse {
    let mut commits = Vec::new();
    for topic in &message.topics {
        let known = shared.topics.get(&topic.name);
        for partition in &topic.partitions {
            let exists =
                known.as_ref().is_some_and(|topic| topic.partition(partition.partition_index).is_some());
            commits.push(exists.then(|| Commit {
                topic: topic.name.to_string(),
                partition: partition.partition_index,
                offset: partition.committed_offset,
                leader_epoch: partition.committed_leader_epoch,
                metadata: partition.committed_metadata.as_ref().map(ToString::to_string).unwrap_or_default(),
            }));
        }
    }
    let known: Vec<Commit> = commits.iter().flatten().cloned().collect();
    let instance = message.group_instance_id.as_ref().map(StrBytes::as_str);
    let member = (message.member_id.as_str(), instance, message.generation_id_or_member_epoch);
    let mut results = shared.groups.commit(&message.group_id, member, &known).into_iter();
    let mut codes = commits.iter().map(|commit| match commit {
        Some(_) => results.next().unwrap_or(codes::UNKNOWN_SERVER_ERROR),
        None => codes::UNKNOWN_TOPIC_OR_PARTITION,
    });
    let topics = message.topics.into_iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|partition| {
            OffsetCommitResponsePartition::default()
                .with_partition_index(partition.partition_index)
                .with_error_code(codes.next().unwrap_or(codes::UNKNOWN_SERVER_ERROR))
        });
        let partitions = partitions.collect();
        OffsetCommitResponseTopic::default().with_name(topic.name).with_partitions(partitions)
    });
    OffsetCommitResponse::default().with_topics(topics.collect())
}

/// The partitions that a request names, each once: one that it names again and again, in four bytes, could have four KiB of
/// metadata each time.
fn once(topics: impl Iterator<Item = (TopicName, Vec<i32>)>) -> Vec<(TopicName, Vec<i32>)> {
    let mut named: HashMap<TopicName, HashSet<i32>> = HashMap::new();
    let topics = topics.filter_map(|(topic, mut indexes)| {
        let again = named.contains_key(&topic);
        let seen = named.entry(topic.clone()).or_default();
        indexes.retain(|&index| seen.insert(index));
        (!again || !indexes.is_empty()).then_some((topic, indexes))
    });
    topics.collect()
}

/// The committed offsets asked for, or all of the group's.
fn wanted(
    offsets: &Offsets,
    asked: Option<Vec<(TopicName, Vec<i32>)>>,
) -> Vec<(TopicName, Vec<(i32, Committed)>)> {
    let of = |topic: &str, index: i32| {
        offsets
            .get(topic)
            .and_then(|partitions| partitions.get(&index))
            .cloned()
            .unwrap_or_else(Committed::none)
    };
    match asked {
        Some(topics) => topics
            .into_iter()
            .map(|(topic, indexes)| {
                let found = indexes.into_iter().map(|index| (index, of(&topic, index))).collect();
                (topic, found)
            })
            .collect(),
        None => offsets
            .iter()
            .map(|(topic, partitions)| {
                let found = partitions.iter().map(|(&index, value)| (index, value.clone())).collect();
                (TopicName(text(&**topic)), found)
            })
            .collect(),
    }
}

pub(crate) fn fetch(shared: &Shared, version: i16, message: OffsetFetchRequest) -> OffsetFetchResponse {
    if version < 8 {
        let asked =
            message.topics.map(|topics| once(topics.into_iter().map(|t| (t.name, t.partition_indexes))));
        let topics =
            wanted(&shared.groups.offsets(&message.group_id), asked).into_iter().map(|(name, partitions)| {
                let partitions = partitions.into_iter().map(|(index, value)| {
                    OffsetFetchResponsePartition::default()
                        .with_partition_index(index)
                        .with_committed_offset(value.offset)
                        .with_committed_leader_epoch(value.leader_epoch)
                        .with_metadata(Some(text(value.metadata)))
                });
                OffsetFetchResponseTopic::default().with_name(name).with_partitions(partitions.collect())
            });
        return OffsetFetchResponse::default().with_topics(topics.collect());
    }
    // Each once: a request that names a group again and again would get all of its offsets each time.
    let mut named = HashSet::new();
    let groups = message.groups.into_iter().filter(|group| named.insert(group.group_id.clone()));
    let groups = groups.map(|group| {
        let asked =
            group.topics.map(|topics| once(topics.into_iter().map(|t| (t.name, t.partition_indexes))));
        let topics =
            wanted(&shared.groups.offsets(&group.group_id), asked).into_iter().map(|(name, partitions)| {
                let partitions = partitions.into_iter().map(|(index, value)| {
                    OffsetFetchResponsePartitions::default()
                        .with_partition_index(index)
                        .with_committed_offset(value.offset)
                        .with_committed_leader_epoch(value.leader_epoch)
                        .with_metadata(Some(text(value.metadata)))
                });
                OffsetFetchResponseTopics::default().with_name(name).with_partitions(partitions.collect())
            });
        let topics = topics.collect();
        OffsetFetchResponseGroup::default().with_group_id(group.group_id).with_topics(topics)
    });
    OffsetFetchResponse::default().with_groups(groups.collect())
}

pub(crate) fn delete(shared: &Shared, message: OffsetDeleteRequest) -> OffsetDeleteResponse {
    let which: Vec<(String, i32)> = message
        .topics
        .iter()
        .flat_map(|topic| topic.partitions.iter().map(|p| (topic.name.to_string(), p.partition_index)))
        .collect();
    let mut results = match shared.groups.delete_offsets(&message.group_id, &which) {
        Ok(codes) => codes.into_iter(),
        Err(code) => return OffsetDeleteResponse::default().with_error_code(code),
    };
    let topics = message.topics.into_iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|partition| {
            OffsetDeleteResponsePartition::default()
                .with_partition_index(partition.partition_index)
                .with_error_code(results.next().unwrap_or(codes::UNKNOWN_SERVER_ERROR))
        });
        let partitions = partitions.collect();
        OffsetDeleteResponseTopic::default().with_name(topic.name).with_partitions(partitions)
    });
    OffsetDeleteResponse::default().with_topics(topics.collect())
}
