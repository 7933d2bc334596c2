//! The triggers of ScaledObjects: prometheus, kafka, cpu and memory, as KEDA 2.20 reads them.
//!
//! Input: an item of `spec.triggers`. Output: [`ScaleTrigger`] with KEDA's defaults. What only says how KEDA reaches a server
//! (addresses, authentication, TLS, headers, versions) is legal and not interpreted: tidewatch answers from its own store.
//! What would change the answer and is not supported is refused by name.

use crate::fields::Fields;
use crate::{MetricTarget, Quantity};

/// A trigger.
#[derive(Clone, Debug, PartialEq)]
pub struct ScaleTrigger {
    /// Its place in the list, from 0; part of its metric's name.
    pub index: usize,
    /// Its name; empty when it has none.
    pub name: String,
    /// Whether the autoscaler is given what the last poll found.
    pub use_cached_metrics: bool,
    /// Whether the whole is held to the threshold (`metricType: Value`) instead of the share per replica.
    pub whole: bool,
    /// What it looks at.
    pub kind: TriggerKind,
}

/// What a trigger looks at.
#[derive(Clone, Debug, PartialEq)]
pub enum TriggerKind {
    /// The answer of a PromQL query.
    Prometheus(PrometheusTrigger),
    /// The lag of a consumer group.
    Kafka(KafkaTrigger),
    /// CPU or memory of the pods.
    Resource {
        /// `cpu` or `memory`.
        resource: String,
        /// The container, if only one counts.
        container: Option<String>,
        /// What it is held to.
        target: MetricTarget,
    },
}

/// A trigger of type `prometheus`.
#[derive(Clone, Debug, PartialEq)]
pub struct PrometheusTrigger {
    /// The query; must give one element at most.
    pub query: String,
    /// What its value is held to; positive.
    pub threshold: f64,
    /// The trigger is active above this value.
    pub activation_threshold: f64,
    /// Whether no element, NaN and Inf count as 0 rather than as failure.
    pub ignore_null_values: bool,
}

/// A trigger of type `kafka`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KafkaTrigger {
    /// The consumer group.
    pub consumer_group: String,
    /// The topic; empty for all topics the group has offsets of.
    pub topic: String,
    /// The partitions that count; all when empty.
    pub partitions: Vec<i32>,
    /// Messages a replica is given; positive.
    pub lag_threshold: i64,
    /// The trigger is active above this lag.
    pub activation_lag_threshold: i64,
    /// Whether a group without an offset begins with the first message (`earliest`) instead of the next (`latest`).
    pub from_earliest: bool,
    /// Whether there may be more replicas than partitions.
    pub allow_idle_consumers: bool,
    /// Whether a partition without an offset has lag 0 instead of 1 or all.
    pub scale_to_zero_on_invalid_offset: bool,
    /// Whether the lag of a partition whose offset stands still does not count.
    pub exclude_persistent_lag: bool,
    /// Whether there are at most as many replicas as partitions with lag.
    pub limit_to_partitions_with_lag: bool,
    /// Whether the number of replicas is a divisor of the number of partitions.
    pub ensure_even_distribution: bool,
}

impl ScaleTrigger {
    pub(crate) fn read(fields: &Fields<'_>, index: usize) -> Option<Self> {
        let kind = fields.required_text("type");
        let metric_type = fields.text("metricType").unwrap_or_default();
        let name = fields.text("name").unwrap_or_default();
        let use_cached_metrics = fields.flag("useCachedMetrics").unwrap_or(false);
        // Says who may ask; here everybody may.
        fields.known(&["authenticationRef"]);
        let metadata = fields.required_section("metadata");
        if use_cached_metrics && (kind == "cpu" || kind == "memory") {
            fields.wrong("useCachedMetrics", format!("is not supported for {kind}"), "remove it");
        }
        let whole = match (kind.as_str(), metric_type.as_str()) {
            ("cpu" | "memory", _) | (_, "" | "AverageValue") => false,
            (_, "Value") => true,
            (_, other) => {
                let hint = "use AverageValue or Value";
                fields.wrong("metricType", format!("unsupported metric type {other:?}"), hint);
                false
            }
        };
        let metadata = metadata?;
        let read = match kind.as_str() {
            "prometheus" => PrometheusTrigger::read(&metadata).map(TriggerKind::Prometheus),
            "kafka" => KafkaTrigger::read(&metadata).map(TriggerKind::Kafka),
            "cpu" | "memory" => resource(fields, &metadata, &kind, &metric_type),
            "" => return None,
            other => {
                let hint = "tidewatch runs prometheus, kafka, cpu and memory; most numbers of other systems are in \
                            Prometheus too, so a prometheus trigger can query them";
                fields.wrong("type", format!("unsupported trigger type {other:?}"), hint);
                return None;
            }
        };
        metadata.finish();
        fields.finish_ref();
        Some(Self { index, name, use_cached_metrics, whole, kind: read? })
    }

    /// The name of the external metric that KEDA gives the autoscaler, e.g. `s0-prometheus`.
    pub fn metric_name(&self) -> String {
        let name = match &self.kind {
            TriggerKind::Prometheus(_) => "prometheus".to_owned(),
            TriggerKind::Kafka(trigger) if trigger.topic.is_empty() => {
                format!("kafka-{}-topics", trigger.consumer_group)
            }
            TriggerKind::Kafka(trigger) => format!("kafka-{}", trigger.topic),
            TriggerKind::Resource { resource, .. } => resource.clone(),
        };
        format!("s{}-{}", self.index, name.replace(['/', '.', ':', '%', '(', ')'], "-"))
    }

    pub(crate) fn hold_to(&self, amount: Quantity) -> MetricTarget {
        if self.whole { MetricTarget::Value(amount) } else { MetricTarget::AverageValue(amount) }
    }
}

impl PrometheusTrigger {
    fn read(metadata: &Fields<'_>) -> Option<Self> {
        for key in ["queryParameters", "namespace"] {
            if metadata.has(key) {
                let message = "is not supported: it would change what the query sees";
                metadata.wrong(key, message, "narrow the query with label matchers instead");
            }
        }
        metadata.known(&["queryParameters", "namespace", "customHeaders", "unsafeSsl", "awsRegion"]);
        metadata.known(&["timeout", "identityOwner", "authModes", "cortexOrgID"]);
        metadata.required_text("serverAddress");
        let (query, given) = (metadata.required_text("query"), metadata.has("threshold"));
        if !given {
            metadata.required_text("threshold");
        }
        let threshold = number(metadata, "threshold");
        if let Some(threshold) = threshold.filter(|threshold| *threshold < 0.0005) {
            metadata.wrong("threshold", format!("must be at least 0.001, is {threshold}"), "");
        }
        let trigger = Self {
            query,
            threshold: threshold.unwrap_or(1.0),
            activation_threshold: number(metadata, "activationThreshold").unwrap_or(0.0),
            ignore_null_values: flag(metadata, "ignoreNullValues").unwrap_or(true),
        };
        threshold.is_some().then_some(trigger)
    }

    /// The threshold in the autoscaler, rounded to thousandths.
    pub fn threshold_quantity(&self) -> Quantity {
        Quantity::parse(&format!("{:.3}", self.threshold)).unwrap_or_default()
    }
}

impl KafkaTrigger {
    fn read(metadata: &Fields<'_>) -> Option<Self> {
        for key in ["topicFromEnv", "consumerGroupFromEnv"] {
            if metadata.has(key) {
                metadata.wrong(
                    key,
                    "variables of the target's containers are not read",
                    "write the name itself",
                );
            }
        }
        metadata.known(&["topicFromEnv", "consumerGroupFromEnv", "bootstrapServersFromEnv"]);
        metadata.known(&["version", "sasl", "saslTokenProvider", "tls", "unsafeSsl", "awsRegion"]);
        if !metadata.has("bootstrapServersFromEnv") {
            metadata.required_text("bootstrapServers");
        }
        metadata.known(&["bootstrapServers"]);
        let yes = |key| flag(metadata, key).unwrap_or(false);
        let trigger = Self {
            consumer_group: metadata.required_text("consumerGroup"),
            topic: metadata.text("topic").unwrap_or_default(),
            partitions: partitions(metadata),
            lag_threshold: whole(metadata, "lagThreshold", 1).unwrap_or(10),
            activation_lag_threshold: whole(metadata, "activationLagThreshold", 0).unwrap_or(0),
            from_earliest: match metadata.text("offsetResetPolicy").as_deref() {
                None | Some("latest") => false,
                Some("earliest") => true,
                Some(other) => {
                    let message = format!("unknown policy {other:?}");
                    metadata.wrong("offsetResetPolicy", message, "use latest or earliest");
                    false
                }
            },
            allow_idle_consumers: yes("allowIdleConsumers"),
            scale_to_zero_on_invalid_offset: yes("scaleToZeroOnInvalidOffset"),
            exclude_persistent_lag: yes("excludePersistentLag"),
            limit_to_partitions_with_lag: yes("limitToPartitionsWithLag"),
            ensure_even_distribution: yes("ensureEvenDistributionOfPartitions"),
        };
        trigger.check(metadata);
        Some(trigger)
    }

    fn check(&self, metadata: &Fields<'_>) {
        let (limit, even) = ("limitToPartitionsWithLag", "ensureEvenDistributionOfPartitions");
        let both = |one: (bool, &str), other: (bool, &str)| {
            if one.0 && other.0 {
                metadata.wrong(
                    other.1,
                    format!("cannot be set together with {}", one.1),
                    "remove one of the two",
                );
            }
        };
        both((self.allow_idle_consumers, "allowIdleConsumers"), (self.limit_to_partitions_with_lag, limit));
        both((self.limit_to_partitions_with_lag, limit), (self.ensure_even_distribution, even));
        for (set, key) in [(self.limit_to_partitions_with_lag, limit), (self.ensure_even_distribution, even)]
        {
            if set && self.topic.is_empty() {
                metadata.wrong(key, "needs a topic", "name the topic");
            }
        }
    }

    /// The lag threshold in the autoscaler.
    pub fn lag_threshold_quantity(&self) -> Quantity {
        Quantity::from_units(self.lag_threshold.unsigned_abs())
    }
}

fn resource(
    fields: &Fields<'_>,
    metadata: &Fields<'_>,
    resource: &str,
    metric_type: &str,
) -> Option<TriggerKind> {
    if metadata.has("type") {
        metadata.wrong("type", "was removed in KEDA 2.18", "write metricType beside metadata instead");
    }
    metadata.known(&["type"]);
    let container = metadata.text("containerName").filter(|name| !name.is_empty());
    let value = metadata.required_text("value");
    let target = match metric_type {
        "Utilization" => {
            match value.parse::<u32>().ok().filter(|percent| (1..=i32::MAX as u32).contains(percent)) {
                Some(percent) => MetricTarget::Utilization(percent),
                None if value.is_empty() => return None,
                None => {
                    let message = format!("must be a whole positive number of percent, is {value:?}");
                    metadata.wrong("value", message, "");
                    return None;
                }
            }
        }
        "AverageValue" => MetricTarget::AverageValue(metadata.quantity("value")?),
        other => {
            let message = format!("unsupported metric type {other:?} for {resource}");
            fields.wrong("metricType", message, "use Utilization or AverageValue");
            return None;
        }
    };
    Some(TriggerKind::Resource { resource: resource.to_owned(), container, target })
}

/// A number in a text.
fn number(metadata: &Fields<'_>, key: &'static str) -> Option<f64> {
    let text = metadata.text(key)?;
    let parsed = text.parse::<f64>().ok().filter(|number| number.is_finite());
    if parsed.is_none() {
        metadata.wrong(key, format!("is no number: {text:?}"), "write e.g. \"5\" or \"0.5\"");
    }
    parsed
}

/// A whole number in a text.
fn whole(metadata: &Fields<'_>, key: &'static str, least: i64) -> Option<i64> {
    let text = metadata.text(key)?;
    let parsed = text.parse::<i64>().ok().filter(|number| (least..=i64::MAX / 1000).contains(number));
    if parsed.is_none() {
        metadata.wrong(key, format!("must be a whole number from {least} on, is {text:?}"), "");
    }
    parsed
}

/// A boolean in a text, in any spelling that Go takes.
fn flag(metadata: &Fields<'_>, key: &'static str) -> Option<bool> {
    let text = metadata.text(key)?;
    match text.as_str() {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Some(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Some(false),
        _ => {
            let message = format!("must be true or false, is {text:?}");
            metadata.wrong(key, message, "write \"true\" or \"false\", in quotes");
            None
        }
    }
}

/// A list like `1,3,5-8`.
fn partitions(metadata: &Fields<'_>) -> Vec<i32> {
    let Some(text) = metadata.text("partitionLimitation").filter(|text| !text.trim().is_empty()) else {
        return Vec::new();
    };
    let mut list = Vec::new();
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let parse =
            |number: &str| number.trim().parse::<i32>().ok().filter(|number| (0..100_000).contains(number));
        let (Some(first), Some(last)) = (parse(first), parse(last)) else {
            let message = format!("{part:?} is no partition and no range of partitions");
            metadata.wrong("partitionLimitation", message, "write e.g. \"0,2,4-7\"");
            return Vec::new();
        };
        list.extend(first..=last);
    }
    list
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load_text;

    const HEAD: &str = "apiVersion: keda.sh/v1alpha1\nkind: ScaledObject\nmetadata: {name: w}\n\
                        spec:\n  scaleTargetRef: {name: w}\n  triggers:\n";

    fn trigger(text: &str) -> Result<ScaleTrigger, String> {
        let read = load_text("so.yaml", &format!("{HEAD}    - {{{text}}}\n"));
        read.map(|manifests| manifests.scaled_objects[0].triggers[0].clone())
            .map_err(|errors| errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
    }

    #[test]
    fn defaults_are_kedas() {
        let kafka =
            trigger("type: kafka, metadata: {bootstrapServers: 'k:1', consumerGroup: g/x, version: '1.0.0'}")
                .unwrap();
        assert_eq!(kafka.metric_name(), "s0-kafka-g-x-topics");
        let expected = KafkaTrigger {
            consumer_group: "g/x".to_owned(),
            topic: String::new(),
            partitions: Vec::new(),
            lag_threshold: 10,
            activation_lag_threshold: 0,
            from_earliest: false,
            allow_idle_consumers: false,
            scale_to_zero_on_invalid_offset: false,
            exclude_persistent_lag: false,
            limit_to_partitions_with_lag: false,
            ensure_even_distribution: false,
        };
        assert_eq!(kafka.kind, TriggerKind::Kafka(expected));
        let prometheus = trigger(
            "type: prometheus, metadata: {serverAddress: 'http://p', query: 'sum(x)', threshold: '1.5'}",
        )
        .unwrap();
        let expected = PrometheusTrigger {
            query: "sum(x)".to_owned(),
            threshold: 1.5,
            activation_threshold: 0.0,
            ignore_null_values: true,
        };
        assert_eq!(prometheus.kind, TriggerKind::Prometheus(expected));
        assert_eq!(prometheus.target(), MetricTarget::AverageValue(Quantity::parse("1500m").unwrap()));
    }

    #[test]
    fn partitions_are_numbers_and_ranges() {
        let of = |list: &str| {
            trigger(&format!(
                "type: kafka, metadata: {{bootstrapServers: 'k:1', consumerGroup: g, topic: t, partitionLimitation: '{list}'}}"
            ))
        };
        let check = |list: &str, expected: &[i32]| {
            let TriggerKind::Kafka(kafka) = of(list).unwrap().kind else { panic!("{list}") };
            assert_eq!(kafka.partitions, expected, "{list}");
        };
        check("", &[]);
        check("3", &[3]);
        check("0, 2,4 - 6", &[0, 2, 4, 5, 6]);
        for wrong in ["a", "1-", "-1", "1-2-3", "1,,2"] {
            let error = of(wrong).unwrap_err();
            assert!(error.contains("is no partition and no range of partitions"), "{wrong}: {error}");
        }
    }

    #[test]
    fn what_is_not_supported_is_refused_by_name() {
        let kafka = |more: &str| {
            format!("type: kafka, metadata: {{bootstrapServers: 'k:1', consumerGroup: g, {more}}}")
        };
        let check = |text: &str, expected: &str| {
            let error = trigger(text).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        };
        check(
            &kafka("lagThreshold: '0'"),
            "metadata.lagThreshold: must be a whole number from 1 on, is \"0\"",
        );
        check(&kafka("lagThreshold: 5"), "metadata.lagThreshold: must be text, is number 5");
        check(
            &kafka("offsetResetPolicy: none"),
            "offsetResetPolicy: unknown policy \"none\"\n  hint: use latest or earliest",
        );
        check(
            &kafka("topic: t, allowIdleConsumers: 'true', limitToPartitionsWithLag: 'true'"),
            "metadata.limitToPartitionsWithLag: cannot be set together with allowIdleConsumers",
        );
        check(&kafka("limitToPartitionsWithLag: 'true'"), "metadata.limitToPartitionsWithLag: needs a topic");
        check(
            &kafka("topicFromEnv: TOPIC"),
            "topicFromEnv: variables of the target's containers are not read",
        );
        check(&kafka("allowIdleConsumers: sure"), "allowIdleConsumers: must be true or false, is \"sure\"");
        let prometheus = |more: &str| {
            format!("type: prometheus, metadata: {{serverAddress: 'http://p', query: up, {more}}}")
        };
        check(&prometheus("x: ''"), "metadata.threshold: required field is missing");
        check(&prometheus("threshold: '0'"), "metadata.threshold: must be at least 0.001, is 0");
        check(&prometheus("threshold: many"), "metadata.threshold: is no number: \"many\"");
        check(&prometheus("threshold: '1', namespace: x"), "metadata.namespace: is not supported");
        check(
            &format!("metricType: Utilization, {}", prometheus("threshold: '1'")),
            "metricType: unsupported metric type \"Utilization\"\n  hint: use AverageValue or Value",
        );
        check("type: cpu, metadata: {value: '50'}", "metricType: unsupported metric type \"\" for cpu");
        check(
            "type: cpu, metricType: Utilization, metadata: {value: '50', type: Utilization}",
            "metadata.type: was removed in KEDA 2.18",
        );
        check("type: cpu, metricType: Utilization, metadata: {value: half}", "is \"half\"");
        check(
            "type: memory, metricType: AverageValue, useCachedMetrics: true, metadata: {value: 1Gi}",
            "useCachedMetrics: is not supported for memory",
        );
    }
}
