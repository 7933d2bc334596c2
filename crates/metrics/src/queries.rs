//! Asks the store, in PromQL, at one time.
//!
//! Input: a query and a time. Output: series with a value each. Nothing is cached: an autoscaler asks every 15 seconds.

use crate::MetricsError;
use std::sync::Arc;
use tidewatch_manifest::Quantity;
use tidewatch_model::{Labels, Select};
use tidewatch_promql::{Cancel, Engine, Value};

/// A store and the engine that queries it; clones share both.
#[derive(Clone)]
pub struct Queries {
    engine: Engine,
    select: Arc<dyn Select>,
}

impl std::fmt::Debug for Queries {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Queries").field("engine", &self.engine).finish_non_exhaustive()
    }
}

impl Queries {
    /// Queries of this store. The engine's timeout bounds how long an autoscaler waits for one.
    pub fn new(engine: Engine, select: Arc<dyn Select>) -> Self {
        Self { engine, select }
    }

    /// The series that a query gives at a time, in milliseconds since the Unix epoch.
    pub(crate) fn series(&self, query: &str, now_ms: i64) -> Result<Vec<(Labels, f64)>, MetricsError> {
        let answer = self.engine.instant(&*self.select, query, now_ms, &Cancel::new());
        let answer = answer.map_err(|error| MetricsError::Query { query: query.to_owned(), error })?;
        let kind = match answer.value {
            Value::Vector(elements) => {
                return Ok(elements.into_iter().map(|one| (one.labels, one.sample.value)).collect());
            }
            Value::Scalar(_) => "scalar",
            Value::Text { .. } => "string",
            Value::Matrix(_) => "matrix",
        };
        Err(MetricsError::NotSeries { query: query.to_owned(), kind })
    }
}

/// A value as the APIs give it, in thousandths; none for NaN and infinities.
pub(crate) fn quantity(value: f64) -> Option<Quantity> {
    if !value.is_finite() {
        return None;
    }
    Quantity::parse_signed(&format!("{value:.3}")).ok()
}
