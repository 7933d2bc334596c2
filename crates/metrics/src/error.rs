//! The one error of this crate.
//!
//! Input: what was asked and what stood in its way. Output: the text that ends up in a condition of an autoscaler, so it names the
//! metric and the remedy.

use tidewatch_promql::QueryError;

/// A metric that cannot be given.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MetricsError {
    /// The query could not be evaluated.
    #[error("query {query:?}: {error}")]
    Query {
        /// The query.
        query: String,
        /// Why.
        error: QueryError,
    },
    /// The query gives something that is not a list of series.
    #[error("query {query:?} gives a {kind}, not series; hint: wrap a number into vector(...)")]
    NotSeries {
        /// The query.
        query: String,
        /// What it gives: `scalar`, `string` or `matrix`.
        kind: &'static str,
    },
    /// A trigger's query gives more than one element.
    #[error("prometheus query {query} returned multiple elements; hint: aggregate them, e.g. with sum(...)")]
    SeveralElements {
        /// The query.
        query: String,
    },
    /// A trigger's query gives nothing, or no finite number, and the trigger does not take that for 0.
    #[error("prometheus metrics 'prometheus' target may be lost, the result is {found}; query {query:?}")]
    NoValue {
        /// The query.
        query: String,
        /// What there is instead: `empty`, `NaN`, …
        found: String,
    },
    /// There is no series for a metric.
    #[error(
        "no series for metric {metric:?} of {what}; hint: look for its name and labels on the Explore page"
    )]
    NoSeries {
        /// The metric's name.
        metric: String,
        /// What it was asked for, e.g. `Service/web in namespace shop`.
        what: String,
    },
    /// A label selector that PromQL cannot say.
    #[error("selector key {key:?} of metric {metric:?} is no label name; hint: use letters, digits and '_'")]
    SelectorKey {
        /// The metric's name.
        metric: String,
        /// The key.
        key: String,
    },
    /// Nothing is known of a topic.
    #[error(
        "no series kafka_topic_partition_current_offset for topic {topic:?}; hint: is the topic there, and kafka-exporter \
         scraped?"
    )]
    NoTopic {
        /// The topic.
        topic: String,
    },
    /// A ScaledObject has no trigger with such a metric.
    #[error("ScaledObject {scaled_object:?} has no metric {metric:?}")]
    NoTrigger {
        /// The ScaledObject, as `namespace/name`.
        scaled_object: String,
        /// The metric.
        metric: String,
    },
}
