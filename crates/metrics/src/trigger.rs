//! The value of a trigger and whether it is active, as KEDA's scalers answer.
//!
//! Input: a trigger, the store, now. Output: [`Reading`], or why there is none. CPU and memory are read by the autoscaler itself.

use crate::kafka_lag::KafkaLag;
use crate::queries::quantity;
use crate::{MetricsError, Queries};
use tidewatch_manifest::{PrometheusTrigger, Quantity, ScaleTrigger, TriggerKind};

/// What a trigger answers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Reading {
    /// What the autoscaler is given.
    pub(crate) value: Quantity,
    /// Whether there is work.
    pub(crate) active: bool,
}

/// What is remembered of a trigger between readings.
#[derive(Clone, Debug, Default)]
pub(crate) struct TriggerState {
    kafka: KafkaLag,
    /// How many readings failed in a row.
    pub(crate) failures: u32,
    /// What the last poll read, for triggers with `useCachedMetrics`.
    pub(crate) cached: Option<Reading>,
}

impl TriggerState {
    /// Reads a trigger; none for cpu and memory.
    pub(crate) fn read(
        &mut self,
        trigger: &ScaleTrigger,
        queries: &Queries,
        now_ms: i64,
    ) -> Option<Result<Reading, MetricsError>> {
        match &trigger.kind {
            TriggerKind::Resource { .. } => None,
            TriggerKind::Prometheus(trigger) => Some(prometheus(trigger, queries, now_ms)),
            TriggerKind::Kafka(trigger) => {
                let lag = self.kafka.measure(trigger, queries, now_ms);
                Some(lag.map(|lag| Reading {
                    value: bounded(lag.scaling as f64),
                    active: lag.activation > trigger.activation_lag_threshold,
                }))
            }
        }
    }
}

/// As a quantity; what is beyond one is the largest there is, which asks for all replicas, never for none.
fn bounded(value: f64) -> Quantity {
    const MOST: f64 = 9.2e15;
    quantity(value.clamp(-MOST, MOST)).unwrap_or_default()
}

fn prometheus(trigger: &PrometheusTrigger, queries: &Queries, now_ms: i64) -> Result<Reading, MetricsError> {
    // KEDA asks for whole seconds.
    let found = queries.series(&trigger.query, now_ms.div_euclid(1000) * 1000)?;
    let value = match found[..] {
        [] => None,
        [(_, value)] => Some(value),
        _ => return Err(MetricsError::SeveralElements { query: trigger.query.clone() }),
    };
    let value = match value.filter(|value| value.is_finite()) {
        Some(value) => value,
        None if trigger.ignore_null_values => 0.0,
        None => {
            let found = value.map_or_else(|| "empty".to_owned(), |value| value.to_string());
            return Err(MetricsError::NoValue { query: trigger.query.clone(), found });
        }
    };
    Ok(Reading { value: bounded(value), active: value > trigger.activation_threshold })
}
