//! `events_outbox_depth`, `events_outbox_oldest_age_seconds` and `events_outbox_refused`.
//!
//! Input: this replica's commits and removals at once, and a count of the whole table now and then. Output: gauges, computed at the scrape.
//! Deliberately not exact between two counts while several replicas share the table: each reports all of it, so take the maximum of
//! them, not the sum.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering::Relaxed},
    },
};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{MetricType, gauge::ConstGauge},
    registry::Registry,
};

use crate::{outbox::Depth, task::Timestamp};

/// What this replica believes about the table; a clone is the same belief.
#[derive(Clone, Debug, Default)]
pub(crate) struct OutboxGauges(Arc<Belief>);

#[derive(Debug, Default)]
struct Belief {
    waiting: AtomicI64,
    /// When the oldest was committed, in milliseconds since the epoch; 0 when that is not known.
    oldest: AtomicI64,
    refused: AtomicI64,
}

impl OutboxGauges {
    pub(crate) fn register(&self, registry: &mut Registry) {
        registry.register_collector(Box::new(self.clone()));
    }

    /// A row was committed by this replica.
    pub(crate) fn added(&self, now: Timestamp) {
        self.0.waiting.fetch_add(1, Relaxed);
        let _ = self.0.oldest.compare_exchange(0, now.0, Relaxed, Relaxed);
    }

    /// Rows were removed by this replica.
    pub(crate) fn removed(&self, rows: usize) {
        let rows = i64::try_from(rows).unwrap_or(i64::MAX);
        if self.0.waiting.fetch_sub(rows, Relaxed) <= rows {
            self.0.oldest.store(0, Relaxed);
        }
    }

    pub(crate) fn set(&self, depth: Depth) {
        self.0.waiting.store(depth.waiting, Relaxed);
        self.0.oldest.store(depth.oldest.unwrap_or(0), Relaxed);
        self.0.refused.store(depth.refused, Relaxed);
    }

    /// Rows waiting.
    pub(crate) fn waiting(&self) -> i64 {
        self.0.waiting.load(Relaxed).max(0)
    }

    /// Age of the oldest row in seconds; 0 when none waits.
    pub(crate) fn oldest_age(&self, now: Timestamp) -> f64 {
        match self.0.oldest.load(Relaxed) {
            0 => 0.0,
            oldest => (now.0 - oldest).max(0) as f64 / 1000.0,
        }
    }
}

impl Collector for OutboxGauges {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut gauge = |name: &str, help: &str, value: f64| {
            let encoder = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            ConstGauge::new(value).encode(encoder)
        };
        gauge(
            "events_outbox_depth",
            "Events of all replicas that wait to be published",
            self.waiting() as f64,
        )?;
        gauge(
            "events_outbox_oldest_age_seconds",
            "Age of the oldest event of all replicas that waits to be published",
            self.oldest_age(Timestamp::now()),
        )?;
        gauge(
            "events_outbox_refused",
            "Events of all replicas that were refused and are kept aside",
            self.0.refused.load(Relaxed) as f64,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_this_replica_does_shows_before_the_next_count() {
        let gauges = OutboxGauges::default();
        let check = |waiting: i64, age: f64| {
            assert_eq!((gauges.waiting(), gauges.oldest_age(Timestamp(10_000))), (waiting, age));
        };
        check(0, 0.0);
        gauges.added(Timestamp(4000));
        gauges.added(Timestamp(9000));
        check(2, 6.0);
        gauges.removed(1);
        check(1, 6.0);
        gauges.removed(1);
        check(0, 0.0);
        gauges.set(Depth { waiting: 5, oldest: Some(9500), refused: 0 });
        check(5, 0.5);
    }
}
