//! What the broker counts about itself.
//!
//! Input: calls from the handlers. Output: numbers for the metrics page. A topic's numbers live as long as the topic in this
//! process, as those of Kafka's JMX beans do.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

/// A number that only grows.
#[derive(Debug, Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    pub(crate) fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Counters of one topic, or of all of them.
#[derive(Debug, Default)]
pub(crate) struct TopicStatistics {
    pub(crate) bytes_in: Count,
    pub(crate) bytes_out: Count,
    pub(crate) messages_in: Count,
    pub(crate) produce_requests: Count,
    pub(crate) failed_produce_requests: Count,
    pub(crate) fetch_requests: Count,
    pub(crate) failed_fetch_requests: Count,
}

/// Counters of the broker.
#[derive(Debug, Default)]
pub(crate) struct Statistics {
    pub(crate) all_topics: TopicStatistics,
    pub(crate) connections: AtomicI64,
    pub(crate) accepted_connections: Count,
    pub(crate) refused_connections: Count,
    /// Requests that could not be read: wrong size, shape or version.
    pub(crate) malformed_requests: Count,
    /// Requests whose answer would have been larger than an answer may be.
    pub(crate) oversized_answers: Count,
    /// Connections closed because a request's rest did not come, or its answer was not read, in time.
    pub(crate) slow_connections: Count,
    pub(crate) requests: Count,
    pub(crate) storage_errors: Count,
}
