//! Fetch: messages out, waiting for them if the consumer asks so.
//!
//! Input: offsets to read from. Output: batches as they lie in the log. The answer is written here and not by the generated codec, so
//! that batches go from the file into the answer without a further copy. Fetch sessions are declined with session id 0: every
//! request then names all of its partitions. Memory for answers is counted over all connections until they are written: when it is in
//! use, a fetch waits a little and then gives no messages. There are no transactions, so every message is committed as soon as it is written.

use crate::batch::LEADER_EPOCH;
use crate::codes;
use crate::shared::Shared;
use crate::topics::{Partition, Topic, lock};
use crate::wire::{self, Malformed, Request};
use bytes::{BufMut, BytesMut};
use kafka_protocol::messages::FetchRequest;
use kafka_protocol::messages::fetch_request::FetchPartition;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, Semaphore, SemaphorePermit};
use tokio::time::Instant;

/// Bytes that a fetch may read when the memory for large answers is in use.
pub(crate) const SCARCE: usize = 64 << 10;
/// How long a fetch waits for that much.
const SCARCE_WAIT: Duration = Duration::from_millis(500);
/// The first version with compact lengths and tagged fields.
const FLEXIBLE: i16 = 12;

/// Answers with what there is, once there is enough of it or the time is over. The permit counts the answer's memory.
pub(crate) async fn fetch<'a>(
    shared: &'a Shared,
    request: &mut Request,
    out: &mut BytesMut,
) -> Result<SemaphorePermit<'a>, Malformed> {
    let message: FetchRequest = request.decode()?;
    let code = if message.session_id == 0 { codes::NONE } else { codes::FETCH_SESSION_ID_NOT_FOUND };
    let topics: Vec<_> = message.topics.iter().map(|topic| shared.topics.get(&topic.topic)).collect();
    if code == codes::NONE {
        wait(&message, &topics).await;
    }
    let most = usize::try_from(message.max_bytes).unwrap_or(0).min(shared.options.limits.fetch_bytes);
    let (permit, granted) = room(&shared.in_flight, most).await?;
    let mut left = granted.unwrap_or(0);

    let shape = Shape { version: request.version, flexible: request.version >= FLEXIBLE };
    let from = wire::begin(out, request.correlation, shape.flexible);
    out.put_i32(0);
    if request.version >= 7 {
        out.put_i16(code);
        out.put_i32(0);
    }
    let answered = if code == codes::NONE { message.topics.len() } else { 0 };
    shape.count(out, answered);
    // The first batch is given whole even when it is larger, or a consumer would never get past it.
    let mut first = granted.is_some();
    for (asked, topic) in message.topics.iter().zip(&topics).take(answered) {
        shape.text(out, &asked.topic);
        shape.count(out, asked.partitions.len());
        for partition in &asked.partitions {
            let bytes = put_partition(shared, &shape, topic.as_deref(), partition, left, first, out);
            left = left.saturating_sub(bytes);
            first &= bytes == 0;
        }
        shape.tags(out);
    }
    shape.tags(out);
    let limits = &shared.options.limits;
    let largest = limits.fetch_bytes.max(limits.request_bytes).saturating_add(limits.answer_bytes);
    request.end(out, from, largest)?;
    Ok(resized(&shared.in_flight, permit, out.len()))
}

fn kib(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(1024)).unwrap_or(u32::MAX)
}

/// Takes room for an answer: `most` bytes, or less when there is little, or after a while none.
async fn room(in_flight: &Semaphore, most: usize) -> Result<(SemaphorePermit<'_>, Option<usize>), Malformed> {
    if let Ok(permit) = in_flight.try_acquire_many(kib(most)) {
        return Ok((permit, Some(most)));
    }
    let little = most.min(SCARCE);
    if let Ok(Ok(permit)) = tokio::time::timeout(SCARCE_WAIT, in_flight.acquire_many(kib(little))).await {
        return Ok((permit, Some(little)));
    }
    let nothing = in_flight.acquire_many(0).await;
    Ok((nothing.map_err(|error| Malformed::Answer(error.to_string()))?, None))
}

/// Gives back what an answer of `bytes` does not need; for a batch larger than the room there was, takes more if there is.
fn resized<'a>(
    in_flight: &'a Semaphore,
    mut permit: SemaphorePermit<'a>,
    bytes: usize,
) -> SemaphorePermit<'a> {
    let (held, needed) = (permit.num_permits(), kib(bytes) as usize);
    if held > needed {
        drop(permit.split(held - needed));
    } else if let Ok(more) = in_flight.try_acquire_many(u32::try_from(needed - held).unwrap_or(0)) {
        permit.merge(more);
    }
    permit
}

/// Waits until the partitions hold `min_bytes`, one of them is in error, or `max_wait` is over.
async fn wait(message: &FetchRequest, topics: &[Option<Arc<Topic>>]) {
    let wanted = u64::try_from(message.min_bytes).unwrap_or(0);
    let millis = u64::try_from(message.max_wait_ms).unwrap_or(0);
    let deadline = Instant::now() + Duration::from_millis(millis.min(300_000));
    let notify = Arc::new(Notify::new());
    loop {
        let mut bytes = 0;
        for (asked, topic) in message.topics.iter().zip(topics) {
            for asked in &asked.partitions {
                let Some(partition) = topic.as_ref().and_then(|topic| topic.partition(asked.partition))
                else {
                    return;
                };
                // Registered before looking, so that no append falls between.
                partition.wake_later(&notify);
                match readable(partition, asked.fetch_offset) {
                    Some(more) => bytes += more,
                    None => return,
                }
            }
        }
        if bytes >= wanted || tokio::time::timeout_at(deadline, notify.notified()).await.is_err() {
            return;
        }
    }
}

/// Bytes that can be read from an offset; none when it is out of range, or the log is gone or cannot be read.
fn readable(partition: &Partition, offset: i64) -> Option<u64> {
    let mut log = lock(&partition.log);
    if log.is_deleted() {
        return None;
    }
    if offset == log.end_offset() {
        return Some(0);
    }
    if !(log.start_offset()..log.end_offset()).contains(&offset) {
        return None;
    }
    log.bytes_from(offset).ok()
}

/// Writes the answer for one partition; gives the bytes of batches in it.
fn put_partition(
    shared: &Shared,
    shape: &Shape,
    topic: Option<&Topic>,
    asked: &FetchPartition,
    left: usize,
    first: bool,
    out: &mut BytesMut,
) -> usize {
    let head = out.len();
    shape.put_partition_head(out, asked.partition, codes::NONE, -1, -1);
    let records = out.len();
    out.put_u32(0);
    if shape.flexible {
        // The widest length is written first, since it is known only behind the batches.
        out.put_u8(0);
    }
    let body = out.len();
    let most = usize::try_from(asked.partition_max_bytes).unwrap_or(0).min(left);
    let (code, end, start) = match topic.and_then(|topic| topic.partition(asked.partition)) {
        None => (codes::UNKNOWN_TOPIC_OR_PARTITION, -1, -1),
        Some(partition) => read(partition, asked, most, first, out),
    };
    let bytes = out.len() - body;
    let head_bytes = shape.partition_head(asked.partition, code, end, start);
    out[head..head + head_bytes.len()].copy_from_slice(&head_bytes);
    shape.fill_length(&mut out[records..body], bytes);
    shape.tags(out);
    if let Some(topic) = topic {
        for counts in [&*topic.statistics, &shared.statistics.all_topics] {
            counts.fetch_requests.add(1);
            counts.bytes_out.add(bytes as u64);
            counts.failed_fetch_requests.add(u64::from(code != codes::NONE));
        }
    }
    bytes
}

/// Reads batches of a partition behind `out`; gives code, end and start of the log.
fn read(
    partition: &Partition,
    asked: &FetchPartition,
    most: usize,
    first: bool,
    out: &mut BytesMut,
) -> (i16, i64, i64) {
    let mut log = lock(&partition.log);
    let (start, end) = (log.start_offset(), log.end_offset());
    if log.is_deleted() {
        return (codes::UNKNOWN_TOPIC_OR_PARTITION, -1, -1);
    }
    if asked.current_leader_epoch > LEADER_EPOCH {
        return (codes::UNKNOWN_LEADER_EPOCH, -1, -1);
    }
    if !(start..=end).contains(&asked.fetch_offset) {
        return (codes::OFFSET_OUT_OF_RANGE, -1, -1);
    }
    let place = log.place(asked.fetch_offset);
    drop(log);
    let read = place.and_then(|place| place.map_or(Ok(None), |place| place.read(most, first, out)));
    match read {
        Ok(Some(read_end)) => lock(&partition.log).remember_read(read_end),
        Ok(None) => {}
        Err(error) => {
            tracing::warn!(partition = asked.partition, %error, "cannot read a log");
            return (codes::KAFKA_STORAGE_ERROR, end, start);
        }
    }
    (codes::NONE, end, start)
}

/// How lengths are written in a version of the answer.
struct Shape {
    version: i16,
    flexible: bool,
}

impl Shape {
    fn count(&self, out: &mut BytesMut, count: usize) {
        if self.flexible {
            put_varint(out, count + 1);
        } else {
            out.put_i32(i32::try_from(count).unwrap_or(0));
        }
    }

    fn text(&self, out: &mut BytesMut, text: &str) {
        if self.flexible {
            put_varint(out, text.len() + 1);
        } else {
            out.put_i16(i16::try_from(text.len()).unwrap_or(0));
        }
        out.put_slice(text.as_bytes());
    }

    fn tags(&self, out: &mut BytesMut) {
        if self.flexible {
            out.put_u8(0);
        }
    }

    fn put_partition_head(&self, out: &mut BytesMut, index: i32, code: i16, end: i64, start: i64) {
        let head = self.partition_head(index, code, end, start);
        out.put_slice(&head);
    }

    /// The fields before the batches, always of the same size in a version.
    fn partition_head(&self, index: i32, code: i16, end: i64, start: i64) -> Vec<u8> {
        let mut head = Vec::with_capacity(48);
        head.put_i32(index);
        head.put_i16(code);
        head.put_i64(end);
        head.put_i64(end);
        if self.version >= 5 {
            head.put_i64(start);
        }
        // Aborted transactions: null.
        if self.flexible {
            head.put_u8(0);
        } else {
            head.put_i32(-1);
        }
        if self.version >= 11 {
            head.put_i32(-1);
        }
        head
    }

    /// Fills the room for the batches' length: four bytes, or a varint of five.
    fn fill_length(&self, room: &mut [u8], bytes: usize) {
        if self.flexible {
            let mut rest = bytes + 1;
            for byte in &mut room[..4] {
                *byte = (rest & 0x7f) as u8 | 0x80;
                rest >>= 7;
            }
            room[4] = rest as u8;
        } else {
            room.copy_from_slice(&u32::try_from(bytes).unwrap_or(0).to_be_bytes());
        }
    }
}

fn put_varint(out: &mut BytesMut, mut value: usize) {
    while value >= 0x80 {
        out.put_u8((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.put_u8(value as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn memory_of_answers_is_counted_until_they_are_written() {
        let in_flight = Semaphore::new(100);
        let (all, granted) = room(&in_flight, 100 << 10).await.unwrap();
        assert_eq!((granted, in_flight.available_permits()), (Some(100 << 10), 0));
        let (none, granted) = room(&in_flight, 100 << 10).await.unwrap();
        assert_eq!((granted, none.num_permits()), (None, 0), "all of it is in use");
        let written = resized(&in_flight, all, 1025);
        assert_eq!((written.num_permits(), in_flight.available_permits()), (2, 98));
        let (little, granted) = room(&in_flight, 100 << 10).await.unwrap();
        assert_eq!((granted, in_flight.available_permits()), (Some(SCARCE), 34));
        let larger = resized(&in_flight, little, SCARCE + 4096);
        assert_eq!(in_flight.available_permits(), 30);
        drop((larger, written));
        assert_eq!(in_flight.available_permits(), 100);
    }
}
