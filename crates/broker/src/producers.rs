//! Idempotent producers of one partition: which batch comes next, and which came already.
//!
//! Input: headers of batches, on their way in or found by recovery. Output: append, or the offset at which the same batch lies
//! already, or a protocol code. It is rebuilt from the log after a restart and has no file of its own, so a
//! producer whose batches were all removed by retention may begin with any sequence number, as in Kafka.

use crate::batch::{BatchHeader, add_sequence};
use crate::codes;
use std::collections::{HashMap, VecDeque};

/// Batches of a producer that are remembered, as in Kafka: as many as a client has in flight.
const REMEMBERED: usize = 5;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Written {
    first: i32,
    last: i32,
    base_offset: i64,
}

#[derive(Debug)]
struct Producer {
    epoch: i16,
    batches: VecDeque<Written>,
    /// Offset behind the newest batch: the producer with the smallest is forgotten first.
    next_offset: i64,
}

/// What to do with a batch.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Append,
    /// It lies at this offset already.
    Duplicate(i64),
    /// It must be refused with this protocol code.
    Refuse(i16),
}

/// The idempotent producers of a partition.
#[derive(Debug, Default)]
pub(crate) struct Producers {
    by_id: HashMap<i64, Producer>,
}

impl Producers {
    /// What to do with a batch of this header.
    pub(crate) fn judge(&self, header: &BatchHeader) -> Verdict {
        if header.producer_id < 0 {
            return Verdict::Append;
        }
        let Some(producer) = self.by_id.get(&header.producer_id) else { return Verdict::Append };
        if header.producer_epoch < producer.epoch {
            return Verdict::Refuse(codes::INVALID_PRODUCER_EPOCH);
        }
        if header.producer_epoch > producer.epoch {
            return match header.base_sequence {
                0 => Verdict::Append,
                _ => Verdict::Refuse(codes::OUT_OF_ORDER_SEQUENCE_NUMBER),
            };
        }
        let same =
            |batch: &&Written| batch.first == header.base_sequence && batch.last == header.last_sequence();
        if let Some(batch) = producer.batches.iter().find(same) {
            return Verdict::Duplicate(batch.base_offset);
        }
        match producer.batches.back() {
            Some(newest) if add_sequence(newest.last, 1) != header.base_sequence => {
                Verdict::Refuse(codes::OUT_OF_ORDER_SEQUENCE_NUMBER)
            }
            _ => Verdict::Append,
        }
    }

    /// Remembers a batch that was written at `base_offset`; keeps at most `limit` producers.
    pub(crate) fn remember(&mut self, header: &BatchHeader, base_offset: i64, limit: usize) {
        if header.producer_id < 0 {
            return;
        }
        if self.by_id.len() >= limit.max(1) && !self.by_id.contains_key(&header.producer_id) {
            let oldest =
                self.by_id.iter().min_by_key(|(_, producer)| producer.next_offset).map(|(id, _)| *id);
            if let Some(oldest) = oldest {
                self.by_id.remove(&oldest);
            }
        }
        let new = || Producer { epoch: header.producer_epoch, batches: VecDeque::new(), next_offset: 0 };
        let producer = self.by_id.entry(header.producer_id).or_insert_with(new);
        if producer.epoch != header.producer_epoch {
            *producer = new();
        }
        if producer.batches.len() == REMEMBERED {
            producer.batches.pop_front();
        }
        producer.batches.push_back(Written {
            first: header.base_sequence,
            last: header.last_sequence(),
            base_offset,
        });
        producer.next_offset = base_offset + i64::from(header.last_offset_delta) + 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::tests::batch;

    fn header(producer: i64, epoch: i16, sequence: i32, records: usize) -> BatchHeader {
        BatchHeader::parse(&batch(&vec![b"x".as_slice(); records], 0, (producer, epoch, sequence))).unwrap()
    }

    fn check(written: &[(i64, i16, i32, usize)], next: (i64, i16, i32, usize), expected: &Verdict) {
        let mut producers = Producers::default();
        let mut offset = 100;
        for &(id, epoch, sequence, records) in written {
            let header = header(id, epoch, sequence, records);
            assert_eq!(producers.judge(&header), Verdict::Append, "{written:?}");
            producers.remember(&header, offset, 8);
            offset += records as i64;
        }
        let verdict = producers.judge(&header(next.0, next.1, next.2, next.3));
        assert_eq!(&verdict, expected, "{written:?} then {next:?}");
    }

    #[test]
    fn sequences_decide() {
        let out_of_order = Verdict::Refuse(codes::OUT_OF_ORDER_SEQUENCE_NUMBER);
        check(&[], (7, 0, 12, 1), &Verdict::Append);
        check(&[(7, 0, 0, 3)], (7, 0, 3, 1), &Verdict::Append);
        check(&[(7, 0, 0, 3)], (7, 0, 0, 3), &Verdict::Duplicate(100));
        check(&[(7, 0, 0, 3), (7, 0, 3, 2)], (7, 0, 3, 2), &Verdict::Duplicate(103));
        check(&[(7, 0, 0, 3)], (7, 0, 4, 1), &out_of_order);
        check(&[(7, 0, 0, 3)], (7, 0, 1, 1), &out_of_order);
        check(&[(7, 3, 0, 1)], (7, 2, 1, 1), &Verdict::Refuse(codes::INVALID_PRODUCER_EPOCH));
        check(&[(7, 3, 0, 1)], (7, 4, 0, 1), &Verdict::Append);
        check(&[(7, 3, 0, 1)], (7, 4, 1, 1), &out_of_order);
        check(&[(7, 0, i32::MAX, 1)], (7, 0, 0, 1), &Verdict::Append);
        check(&[(7, 0, 0, 1)], (-1, -1, -1, 1), &Verdict::Append);
        let six: Vec<_> = (0..6).map(|n| (7, 0, n, 1)).collect();
        check(&six, (7, 0, 1, 1), &Verdict::Duplicate(101));
        check(&six, (7, 0, 0, 1), &out_of_order);
    }

    #[test]
    fn the_producer_silent_for_longest_is_forgotten() {
        let mut producers = Producers::default();
        for id in 0..10 {
            producers.remember(&header(id, 0, 0, 1), id, 4);
        }
        assert_eq!(producers.by_id.len(), 4);
        assert_eq!(producers.judge(&header(9, 0, 0, 1)), Verdict::Duplicate(9));
        assert_eq!(producers.judge(&header(0, 0, 0, 1)), Verdict::Append);
    }
}
