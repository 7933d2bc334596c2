//! `db_query_duration_seconds` and `db_connections_active`.
//!
//! Input: finished database calls and the connection pool. Output: one histogram per kind of statement, held as handles, and a
//! gauge read from the pool at each scrape. Deliberately knows no statement's text.

use std::{fmt, time::Duration};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeLabelSet},
    metrics::{MetricType, family::Family},
    registry::Registry,
};
use sqlx::AnyPool;

use crate::LatencyHistogram;

/// The label `query_type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueryType {
    /// Reads rows.
    Select,
    /// Adds rows.
    Insert,
    /// Changes rows.
    Update,
    /// Removes rows.
    Delete,
}

impl QueryType {
    const ALL: [(Self, &'static str); 4] = [
        (Self::Select, "select"),
        (Self::Insert, "insert"),
        (Self::Update, "update"),
        (Self::Delete, "delete"),
    ];

    /// Whether it changes the database.
    pub(crate) fn writes(self) -> bool {
        self != Self::Select
    }
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct QueryLabels {
    query_type: &'static str,
}

/// The histograms of one process, by [`QueryType`].
#[derive(Clone, Debug)]
pub struct QueryMetrics([LatencyHistogram; QueryType::ALL.len()]);

impl QueryMetrics {
    /// Creates the histograms, and the gauge of `pool`'s connections, in `registry`.
    pub(crate) fn register(registry: &mut Registry, pool: &AnyPool) -> Self {
        let family = Family::<QueryLabels, LatencyHistogram>::default();
        registry.register(
            "db_query_duration_seconds",
            "Seconds a database call took, with the wait for a connection",
            family.clone(),
        );
        registry.register_collector(Box::new(ActiveConnections(pool.clone())));
        Self(QueryType::ALL.map(|(_, query_type)| family.get_or_create_owned(&QueryLabels { query_type })))
    }

    pub(crate) fn observe(&self, query_type: QueryType, duration: Duration) {
        self.0[query_type as usize].observe(duration);
    }
}

#[derive(Debug)]
struct ActiveConnections(AnyPool);

impl Collector for ActiveConnections {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let active = u64::from(self.0.size()).saturating_sub(self.0.num_idle() as u64);
        encoder
            .encode_descriptor(
                "db_connections_active",
                "Database connections in use at the moment of the scrape",
                None,
                MetricType::Gauge,
            )?
            .encode_gauge(&active)
    }
}
