//! Custom and external metrics out of the store.
//!
//! Input: what an autoscaler asks for: a metric's name, its selector, pods or an object. Output: quantities.
//!
//! The mapping is that of prometheus-adapter's default rules. For a metric `name` of pods or of an object, the first of these
//! that gives anything:
//! 1. `sum by (pod) (name{…})`
//! 2. `sum by (pod) (rate(name_total{…}[5m]))`: a counter goes by its name without `_total`
//! 3. `sum by (pod) (rate(name_seconds_total{…}[5m]))`
//!
//! where `…` is the namespace, the metric's own selector, and for
//! - **Pods** metrics: `pod=~"…"`, the pods that are asked for; a pod without a series is left out;
//! - **Object** metrics: the label that is called like the object's kind in lower case, `service="web"` of a Service; for a
//!   Namespace, `namespace` alone. The sum is over everything.
//!
//! An **External** metric `name` is `sum(name{…})` with the metric's selector and nothing else: what is measured outside of the
//! namespace, like the lag of a queue, has no label of it. Without a series there is no value, which an autoscaler takes for
//! a failure; 0 would scale down in silence. The metrics of ScaledObjects (names like `s0-kafka-orders`, selector
//! `scaledobject.keda.sh/name`) are not looked for here: [`crate::Scaler`] answers them by their trigger.
//!
//! NaN and infinities are no values. Values are rounded to thousandths.

use crate::queries::quantity;
use crate::selector::SeriesSelector;
use crate::{MetricsError, Queries};
use tidewatch_manifest::{LabelSelector, Quantity};

/// Over which time counters are turned into rates.
const RATE_WINDOW: &str = "5m";

/// Custom and external metrics.
#[derive(Clone, Debug)]
pub struct CustomMetrics {
    queries: Queries,
}

impl CustomMetrics {
    /// The metrics of a store.
    pub fn new(queries: Queries) -> Self {
        Self { queries }
    }

    /// A metric of each of these pods, by the pod's name; pods that do not have it are left out.
    ///
    /// # Errors
    /// When the store cannot be asked, or the selector has a key that is no label name.
    pub fn pods(
        &self,
        namespace: &str,
        metric: &str,
        selector: Option<&LabelSelector>,
        pods: &[&str],
        now_ms: i64,
    ) -> Result<Vec<(String, Quantity)>, MetricsError> {
        if pods.is_empty() {
            return Ok(Vec::new());
        }
        let found = self.first_of(metric, "sum by (pod) ", now_ms, |name| {
            let series = SeriesSelector::named(name).equal("namespace", namespace);
            series.any_of("pod", pods.iter().copied()).and(metric, selector)
        })?;
        let value = |(labels, value): (tidewatch_model::Labels, f64)| {
            Some((labels.get("pod")?.to_owned(), quantity(value)?))
        };
        Ok(found.into_iter().filter_map(value).collect())
    }

    /// A metric of an object of a namespace.
    ///
    /// # Errors
    /// As [`CustomMetrics::pods`], and when there is no series.
    pub fn object(
        &self,
        namespace: &str,
        (kind, name): (&str, &str),
        metric: &str,
        selector: Option<&LabelSelector>,
        now_ms: i64,
    ) -> Result<Quantity, MetricsError> {
        let label = kind.to_lowercase();
        let found = self.first_of(metric, "sum ", now_ms, |metric_name| {
            let series = SeriesSelector::named(metric_name);
            let series = match label.as_str() {
                "namespace" => series.equal("namespace", name),
                _ => series.equal("namespace", namespace).equal(&label, name),
            };
            series.and(metric, selector)
        })?;
        let value = found.first().and_then(|(_, value)| quantity(*value));
        value.ok_or_else(|| MetricsError::NoSeries {
            metric: metric.to_owned(),
            what: format!("{kind}/{name} in namespace {namespace}"),
        })
    }

    /// A metric from outside: its value, or none when there is no series.
    ///
    /// # Errors
    /// As [`CustomMetrics::pods`].
    pub fn external(
        &self,
        metric: &str,
        selector: Option<&LabelSelector>,
        now_ms: i64,
    ) -> Result<Vec<Quantity>, MetricsError> {
        let series = SeriesSelector::named(metric).and(metric, selector)?;
        let found = self.queries.series(&format!("sum({series})"), now_ms)?;
        Ok(found.into_iter().filter_map(|(_, value)| quantity(value)).collect())
    }

    /// The first query that gives something, of the name itself and the names of its counters.
    fn first_of(
        &self,
        metric: &str,
        sum: &str,
        now_ms: i64,
        series: impl Fn(&str) -> Result<SeriesSelector, MetricsError>,
    ) -> Result<Vec<(tidewatch_model::Labels, f64)>, MetricsError> {
        let found = self.queries.series(&format!("{sum}({})", series(metric)?), now_ms)?;
        if !found.is_empty() {
            return Ok(found);
        }
        for suffix in ["_total", "_seconds_total"] {
            let counter = series(&format!("{metric}{suffix}"))?;
            let found = self.queries.series(&format!("{sum}(rate({counter}[{RATE_WINDOW}]))"), now_ms)?;
            if !found.is_empty() {
                return Ok(found);
            }
        }
        Ok(Vec::new())
    }
}
