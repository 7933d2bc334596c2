//! The body of `POST /api/v2/alerts`.
//!
//! Input: alerts. Output: JSON as Prometheus's client of Alertmanager writes it: times in UTC with milliseconds, labels sorted, what is
//! empty left out.

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use std::sync::Arc;
use tidewatch_model::{Alert, Labels, format_timestamp};

/// The body for some alerts.
pub(super) fn body(alerts: &[Arc<Alert>]) -> Vec<u8> {
    let posted: Vec<Posted<'_>> = alerts.iter().map(|alert| Posted::of(alert)).collect();
    let mut bytes = crate::receivers::go_json::encode(&posted);
    bytes.pop();
    bytes
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Posted<'a> {
    #[serde(skip_serializing_if = "Pairs::is_empty")]
    annotations: Pairs<'a>,
    ends_at: String,
    starts_at: String,
    #[serde(rename = "generatorURL", skip_serializing_if = "str::is_empty")]
    generator_url: &'a str,
    labels: Pairs<'a>,
}

impl<'a> Posted<'a> {
    fn of(alert: &'a Alert) -> Self {
        Self {
            annotations: Pairs(&alert.annotations),
            ends_at: time(alert.ends_at),
            starts_at: time(alert.starts_at),
            generator_url: &alert.generator_url,
            labels: Pairs(&alert.labels),
        }
    }
}

/// A time with exactly three decimals; 0 is Go's time of nothing.
fn time(ms: i64) -> String {
    if ms == 0 {
        return "0001-01-01T00:00:00.000Z".to_owned();
    }
    let whole = format_timestamp(ms - ms.rem_euclid(1000));
    format!("{}.{:03}Z", whole.trim_end_matches('Z'), ms.rem_euclid(1000))
}

struct Pairs<'a>(&'a Labels);

impl Pairs<'_> {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for Pairs<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in self.0.iter() {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}
