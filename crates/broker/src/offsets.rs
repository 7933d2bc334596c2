//! ListOffsets, OffsetForLeaderEpoch, DeleteRecords: where a partition begins and ends, and where a time lies in it.
//!
//! Input: partitions with a timestamp, an epoch or an offset. Output: offsets of the logs. Committed offsets are the groups' and not here.

use crate::batch::LEADER_EPOCH;
use crate::codes;
use crate::shared::Shared;
use crate::topics::{Partition, lock};
use kafka_protocol::messages::delete_records_response::{
    DeleteRecordsPartitionResult, DeleteRecordsResponse, DeleteRecordsTopicResult,
};
use kafka_protocol::messages::list_offsets_response::{
    ListOffsetsPartitionResponse, ListOffsetsResponse, ListOffsetsTopicResponse,
};
use kafka_protocol::messages::offset_for_leader_epoch_response::{
    EpochEndOffset, OffsetForLeaderEpochResponse, OffsetForLeaderTopicResult,
};
use kafka_protocol::messages::{DeleteRecordsRequest, ListOffsetsRequest, OffsetForLeaderEpochRequest};
use std::sync::Arc;

const LATEST: i64 = -1;
const EARLIEST: i64 = -2;
const LARGEST_TIMESTAMP: i64 = -3;
const EARLIEST_LOCAL: i64 = -4;
const LATEST_TIERED: i64 = -5;

fn partition(shared: &Shared, topic: &str, index: i32) -> Option<Arc<Partition>> {
    shared.topics.get(topic)?.partition(index).cloned()
}

/// The offset for each timestamp; timestamp and offset are -1 when there is none.
pub(crate) fn list(shared: &Shared, version: i16, message: ListOffsetsRequest) -> ListOffsetsResponse {
    let topics = message.topics.into_iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|asked| {
            let found = match partition(shared, &topic.name, asked.partition_index) {
                None => Err(codes::UNKNOWN_TOPIC_OR_PARTITION),
                Some(_) if asked.current_leader_epoch > LEADER_EPOCH => Err(codes::UNKNOWN_LEADER_EPOCH),
                Some(partition) => at(&partition, asked.timestamp),
            };
            let answer = ListOffsetsPartitionResponse::default().with_partition_index(asked.partition_index);
            match found {
                Err(code) => answer.with_error_code(code),
                Ok(None) => answer,
                Ok(Some((offset, timestamp))) => {
                    let epoch = if version >= 4 { LEADER_EPOCH } else { -1 };
                    answer.with_offset(offset).with_timestamp(timestamp).with_leader_epoch(epoch)
                }
            }
        });
        let partitions = partitions.collect();
        ListOffsetsTopicResponse::default().with_name(topic.name).with_partitions(partitions)
    });
    ListOffsetsResponse::default().with_topics(topics.collect())
}

fn at(partition: &Partition, timestamp: i64) -> Result<Option<(i64, i64)>, i16> {
    let log = lock(&partition.log);
    let found = match timestamp {
        LATEST => Ok(Some((log.end_offset(), -1))),
        EARLIEST | EARLIEST_LOCAL => Ok(Some((log.start_offset(), -1))),
        LARGEST_TIMESTAMP => log.latest_time(),
        LATEST_TIERED => Ok(None),
        _ => log.offset_at_time(timestamp),
    };
    found.map_err(|error| {
        tracing::warn!(%error, "cannot look up a time in a log");
        codes::KAFKA_STORAGE_ERROR
    })
}

/// The end of each partition: there is one epoch.
pub(crate) fn for_leader_epoch(
    shared: &Shared,
    message: OffsetForLeaderEpochRequest,
) -> OffsetForLeaderEpochResponse {
    let topics = message.topics.into_iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|asked| {
            let answer = EpochEndOffset::default().with_partition(asked.partition);
            match partition(shared, &topic.topic, asked.partition) {
                None => answer.with_error_code(codes::UNKNOWN_TOPIC_OR_PARTITION),
                Some(_) if asked.current_leader_epoch > LEADER_EPOCH => {
                    answer.with_error_code(codes::UNKNOWN_LEADER_EPOCH)
                }
                Some(_) if asked.leader_epoch > LEADER_EPOCH => answer,
                Some(partition) => {
                    answer.with_leader_epoch(LEADER_EPOCH).with_end_offset(lock(&partition.log).end_offset())
                }
            }
        });
        let partitions = partitions.collect();
        OffsetForLeaderTopicResult::default().with_topic(topic.topic).with_partitions(partitions)
    });
    OffsetForLeaderEpochResponse::default().with_topics(topics.collect())
}

/// Moves the beginning of each partition forward; offset -1 means to its end.
pub(crate) fn delete_records(shared: &Shared, message: DeleteRecordsRequest) -> DeleteRecordsResponse {
    let topics = message.topics.into_iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|asked| {
            let answer = DeleteRecordsPartitionResult::default().with_partition_index(asked.partition_index);
            let deleted = match partition(shared, &topic.name, asked.partition_index) {
                None => Err(codes::UNKNOWN_TOPIC_OR_PARTITION),
                Some(partition) => delete_before(&partition, asked.offset),
            };
            match deleted {
                Ok(start) => answer.with_low_watermark(start),
                Err(code) => answer.with_low_watermark(-1).with_error_code(code),
            }
        });
        let partitions = partitions.collect();
        DeleteRecordsTopicResult::default().with_name(topic.name).with_partitions(partitions)
    });
    DeleteRecordsResponse::default().with_topics(topics.collect())
}

fn delete_before(partition: &Partition, offset: i64) -> Result<i64, i16> {
    let mut log = lock(&partition.log);
    if log.is_deleted() {
        return Err(codes::UNKNOWN_TOPIC_OR_PARTITION);
    }
    let offset = if offset == -1 { log.end_offset() } else { offset };
    if !(0..=log.end_offset()).contains(&offset) {
        return Err(codes::OFFSET_OUT_OF_RANGE);
    }
    match log.delete_before(offset) {
        Ok(()) => Ok(log.start_offset()),
        Err(error) => {
            tracing::warn!(%error, "cannot delete records");
            Err(codes::KAFKA_STORAGE_ERROR)
        }
    }
}
