//! Produce: messages in.
//!
//! Input: record batches as a producer made them. Output: the same bytes in the partition's log, with their offset, and an
//! answer per partition. Batches are checked by form, checksum and sequence number; records inside are not unpacked.
//!
//! `acks` 1 and all are the same here: there is one copy, and it is acknowledged when the operating system has it.

use crate::batch::BatchHeader;
use crate::codes;
use crate::partition_log::Appended;
use crate::shared::Shared;
use crate::statistics::TopicStatistics;
use crate::topics::{Topic, lock};
use crate::wire::{Malformed, Request, text};
use bytes::BytesMut;
use kafka_protocol::messages::produce_request::PartitionProduceData;
use kafka_protocol::messages::produce_response::{
    PartitionProduceResponse, ProduceResponse, TopicProduceResponse,
};
use kafka_protocol::messages::{ProduceRequest, TopicName};

/// Appends what the request brings; with `acks` 0 there is no answer.
pub(crate) fn produce(shared: &Shared, request: &mut Request, out: &mut BytesMut) -> Result<(), Malformed> {
    let message: ProduceRequest = request.decode()?;
    let refusal = match message.acks {
        _ if message.transactional_id.is_some() => Some(codes::TRANSACTIONAL_ID_AUTHORIZATION_FAILED),
        -1..=1 => None,
        _ => Some(codes::INVALID_REQUIRED_ACKS),
    };
    let silent = message.acks == 0;
    let mut answer = ProduceResponse::default();
    for topic in message.topic_data {
        let found = shared.topics.get(&topic.name);
        let partitions = topic.partition_data.into_iter().map(|data| match (refusal, &found) {
            (Some(code), _) => failed(data.index, code, codes::NO_TRANSACTIONS),
            (None, None) => failed(data.index, codes::UNKNOWN_TOPIC_OR_PARTITION, "there is no such topic"),
            (None, Some(topic)) => append(shared, topic, &data),
        });
        answer.responses.push(answer_of(topic.name, partitions.collect()));
    }
    if silent { Ok(()) } else { request.answer(&answer, out) }
}

fn answer_of(name: TopicName, partitions: Vec<PartitionProduceResponse>) -> TopicProduceResponse {
    TopicProduceResponse::default().with_name(name).with_partition_responses(partitions)
}

fn failed(index: i32, code: i16, why: &str) -> PartitionProduceResponse {
    PartitionProduceResponse::default()
        .with_index(index)
        .with_error_code(code)
        .with_base_offset(-1)
        .with_log_append_time_ms(-1)
        .with_error_message(Some(text(why)))
}

fn append(shared: &Shared, topic: &Topic, data: &PartitionProduceData) -> PartitionProduceResponse {
    let counts = [&*topic.statistics, &shared.statistics.all_topics];
    let count = |add: &dyn Fn(&TopicStatistics)| counts.iter().for_each(|counts| add(counts));
    count(&|counts| counts.produce_requests.add(1));
    let result = checked(topic, data).and_then(|(header, batch)| {
        let partition = topic
            .partition(data.index)
            .ok_or((codes::UNKNOWN_TOPIC_OR_PARTITION, "there is no such partition"))?;
        let mut log = lock(&partition.log);
        let appended = log.append(&header, batch, topic.config.segment_bytes);
        let start = log.start_offset();
        drop(log);
        match appended {
            Ok(Appended::At(offset)) => {
                partition.wake();
                Ok((header, offset, start))
            }
            Ok(Appended::Deleted) => Err((codes::UNKNOWN_TOPIC_OR_PARTITION, "the topic was deleted")),
            Ok(Appended::Refused(code)) => {
                Err((code, "the producer's epoch or sequence number does not fit"))
            }
            Err(error) => {
                tracing::warn!(topic = topic.name, partition = data.index, %error, "cannot append");
                shared.statistics.storage_errors.add(1);
                Err((codes::KAFKA_STORAGE_ERROR, "the log cannot be written"))
            }
        }
    });
    match result {
        Ok((header, offset, start)) => {
            count(&|counts| {
                counts.bytes_in.add(header.size as u64);
                counts.messages_in.add(u64::try_from(header.count).unwrap_or(0));
            });
            PartitionProduceResponse::default()
                .with_index(data.index)
                .with_base_offset(offset)
                .with_log_append_time_ms(-1)
                .with_log_start_offset(start)
        }
        Err((code, why)) => {
            count(&|counts| counts.failed_produce_requests.add(1));
            failed(data.index, code, why)
        }
    }
}

/// The one batch of a partition's data, if it is whole and allowed.
fn checked<'a>(
    topic: &Topic,
    data: &'a PartitionProduceData,
) -> Result<(BatchHeader, &'a [u8]), (i16, &'static str)> {
    let Some(batch) = data.records.as_deref() else {
        return Err((codes::INVALID_RECORD, "there are no records"));
    };
    if batch.get(16).is_some_and(|magic| *magic < 2) {
        return Err((codes::UNSUPPORTED_FOR_MESSAGE_FORMAT, "messages older than version 2 are not taken"));
    }
    let header = BatchHeader::parse(batch).ok_or((codes::CORRUPT_MESSAGE, "the batch has no header"))?;
    if header.size < batch.len() {
        return Err((codes::INVALID_RECORD, "there is more than one batch for the partition"));
    }
    if !header.is_whole(batch) {
        return Err((codes::CORRUPT_MESSAGE, "the batch's checksum or length is wrong"));
    }
    if header.is_transactional() {
        return Err((codes::TRANSACTIONAL_ID_AUTHORIZATION_FAILED, codes::NO_TRANSACTIONS));
    }
    if header.is_control() || header.count < 1 || header.count - 1 != header.last_offset_delta {
        return Err((codes::INVALID_RECORD, "the batch's record count or kind is wrong"));
    }
    if header.producer_id >= 0 && (header.producer_epoch < 0 || header.base_sequence < 0) {
        return Err((codes::INVALID_RECORD, "an idempotent batch needs an epoch and a sequence number"));
    }
    if batch.len() > topic.config.max_message_bytes {
        return Err((codes::MESSAGE_TOO_LARGE, "the batch is larger than the topic's max.message.bytes"));
    }
    Ok((header, batch))
}
