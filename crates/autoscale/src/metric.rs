//! One metric of an autoscaler: how it is read, what it is called, and what is said when it cannot be read.
//!
//! Input: what a sync sees. Output: the metric's proposal, or the condition, event and error that Kubernetes has for its
//! failure. How samples become a number is the calculator's business.

use crate::replica_calculator::{Calculator, PodMetric, Proposal};
use crate::samples::Samples;
use crate::{Hpa, MetricKey, MetricLabel, MetricSpec, Observed, TargetKind};
use std::fmt::Write as _;
use tidewatch_manifest::{LabelSelector, MetricSource, QuantityFormat};

/// A metric with everything about it that never changes.
#[derive(Clone, Debug)]
pub(crate) struct Metric {
    pub(crate) spec: MetricSpec,
    pub(crate) label: MetricLabel,
    /// As `ValidMetricFound` names it.
    pub(crate) description: String,
    namespace: String,
    key: Option<MetricKey>,
}

/// Why a metric gives no number.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    /// Reason of the condition and the event.
    pub(crate) reason: &'static str,
    /// Message of the event, and in the condition's message.
    pub(crate) message: String,
    /// The error that goes into the sync's own.
    pub(crate) error: String,
}

impl Metric {
    /// The metrics of an autoscaler.
    pub(crate) fn all_of(hpa: &Hpa) -> Vec<Self> {
        let metric = |(index, spec): (usize, &MetricSpec)| Self {
            label: MetricLabel { index, text: label(&spec.source).into() },
            description: describe(spec),
            namespace: hpa.namespace.clone(),
            key: MetricKey::of(&spec.source),
            spec: spec.clone(),
        };
        hpa.metrics.iter().enumerate().map(metric).collect()
    }

    /// What the metric asks for.
    pub(crate) fn propose(
        &self,
        calculator: &mut Calculator<'_>,
        observed: &Observed,
        spec_replicas: i32,
        status_replicas: i32,
    ) -> Result<Proposal, Failure> {
        match &self.spec.source {
            MetricSource::Resource { name } => self
                .resource(calculator, observed, spec_replicas, name, None)
                .map_err(|error| self.failure("FailedGetResourceMetric", error, "")),
            MetricSource::ContainerResource { name, container } => self
                .resource(calculator, observed, spec_replicas, name, Some(container))
                .map_err(|error| self.failure("FailedGetContainerResourceMetric", error, "")),
            MetricSource::Pods { name, .. } => self
                .pods(calculator, observed, spec_replicas, name)
                .map_err(|error| self.failure("FailedGetPodsMetric", error, "")),
            MetricSource::Object { .. } => self.object(calculator, observed, spec_replicas, status_replicas),
            MetricSource::External { .. } => {
                self.external(calculator, observed, spec_replicas, status_replicas)
            }
        }
    }

    /// A failure; `context` goes before the message in the sync's error only.
    fn failure(&self, reason: &'static str, message: String, context: &str) -> Failure {
        let prefix = match &self.spec.source {
            MetricSource::Resource { name } => format!("failed to get {name} resource metric value: "),
            MetricSource::ContainerResource { container, .. } => {
                format!("failed to get {container} container metric value: ")
            }
            MetricSource::Pods { .. } => "failed to get pods metric value: ".to_owned(),
            MetricSource::Object { .. } => "failed to get object metric value: ".to_owned(),
            MetricSource::External { name, .. } => format!("failed to get {name} external metric value: "),
        };
        let error = format!("{prefix}{context}{message}");
        Failure { reason, message, error }
    }

    fn resource(
        &self,
        calculator: &mut Calculator<'_>,
        observed: &Observed,
        replicas: i32,
        resource: &str,
        container: Option<&str>,
    ) -> Result<Proposal, String> {
        let target = &self.spec.target;
        let format = if resource == "memory" { QuantityFormat::BinarySi } else { QuantityFormat::DecimalSi };
        let metric = || {
            let samples = resource_samples(observed, resource, container)
                .map_err(|error| format!("unable to get metrics for resource {resource}: {error}"))?;
            Ok(PodMetric { samples, resource, container, format })
        };
        if let Some(average) = target.average_value {
            return metric()
                .and_then(|metric| calculator.average(replicas, metric, average))
                .map_err(|error: String| format!("failed to get {resource} usage: {error}"));
        }
        let Some(percent) = target.average_utilization else {
            return Err(
                "invalid resource metric source: neither an average utilization target nor an average value \
                        (usage) target was set"
                    .to_owned(),
            );
        };
        metric()
            .and_then(|metric| calculator.utilization(replicas, metric, percent))
            .map_err(|error: String| format!("failed to get {resource} utilization: {error}"))
    }

    fn pods(
        &self,
        calculator: &mut Calculator<'_>,
        observed: &Observed,
        replicas: i32,
        name: &str,
    ) -> Result<Proposal, String> {
        let unable = |error: &str| format!("unable to get metric {name}: {error}");
        let answer = self.key.as_ref().and_then(|key| observed.pods_metrics.get(key));
        let values = match answer {
            Some(Ok(values)) if !values.is_empty() => values,
            Some(Err(error)) => {
                return Err(unable(&format!("unable to fetch metrics from custom metrics API: {error}")));
            }
            _ => return Err(unable("no metrics returned from custom metrics API")),
        };
        let samples = Samples::of_pods(&observed.pods, values);
        let target = self.spec.target.average_value.unwrap_or_default();
        let metric = PodMetric { samples, resource: "", container: None, format: QuantityFormat::DecimalSi };
        calculator.average(replicas, metric, target)
    }

    fn object(
        &self,
        calculator: &mut Calculator<'_>,
        observed: &Observed,
        spec_replicas: i32,
        status_replicas: i32,
    ) -> Result<Proposal, Failure> {
        const REASON: &str = "FailedGetObjectMetric";
        let target = &self.spec.target;
        match (target.kind, target.value, target.average_value) {
            (TargetKind::Value, Some(value), _) => self
                .object_value(observed)
                .and_then(|usage| calculator.whole(spec_replicas, usage, value))
                .map_err(|error| self.failure(REASON, error, "")),
            (TargetKind::AverageValue, _, Some(average)) => {
                let usage = self.object_value(observed).map_err(|error| {
                    let context = format!("failed to get {} object metric: ", self.spec.name());
                    self.failure(REASON, error, &context)
                })?;
                Ok(calculator.per_replica(status_replicas, usage, average, false))
            }
            _ => {
                let message = "invalid object metric source: neither a value target nor an average value target was set";
                Err(self.failure(REASON, message.to_owned(), ""))
            }
        }
    }

    fn object_value(&self, observed: &Observed) -> Result<i64, String> {
        let Some(MetricKey { name, object: Some((kind, object)), .. }) = &self.key else {
            return Err("the metric names no object".to_owned());
        };
        let not_found = || format!("the server could not find the metric {name} for {kind} {object}");
        let answer = self.key.as_ref().and_then(|key| observed.object_metrics.get(key));
        let value = answer.cloned().unwrap_or_else(|| Err(not_found())).map_err(|error| {
            let namespace = &self.namespace;
            // Kubernetes mixes up the order of these
            format!(
                "unable to get metric {name}: {kind} on {namespace} {object}/unable to fetch metrics from custom \
                 metrics API: {error}"
            )
        })?;
        Ok(value.milli_value())
    }

    fn external(
        &self,
        calculator: &mut Calculator<'_>,
        observed: &Observed,
        spec_replicas: i32,
        status_replicas: i32,
    ) -> Result<Proposal, Failure> {
        const REASON: &str = "FailedGetExternalMetric";
        let name = self.spec.name();
        if let Some(average) = self.spec.target.average_value {
            let values = self.external_values(observed).map_err(|error| {
                self.failure(REASON, error, &format!("failed to get {name} external metric: "))
            })?;
            let usage = sum_until_negative(&values);
            return Ok(calculator.per_replica(status_replicas, usage, average, true));
        }
        if let Some(value) = self.spec.target.value {
            return self
                .external_values(observed)
                .and_then(|values| {
                    let usage = values.into_iter().fold(0_i64, i64::wrapping_add);
                    calculator.whole(spec_replicas, usage, value)
                })
                .map_err(|error| {
                    self.failure(REASON, error, &format!("failed to get external metric {name}: "))
                });
        }
        let message =
            "invalid external metric source: neither a value target nor an average value target was set";
        Err(self.failure(REASON, message.to_owned(), ""))
    }

    fn external_values(&self, observed: &Observed) -> Result<Vec<i64>, String> {
        let answer = self.key.as_ref().and_then(|key| observed.external_metrics.get(key));
        let values = match answer {
            Some(Ok(values)) if !values.is_empty() => Ok(values),
            Some(Err(error)) => Err(format!("unable to fetch metrics from external metrics API: {error}")),
            _ => Err("no metrics returned from external metrics API".to_owned()),
        };
        let values = values.map_err(|error| {
            let selector = self.key.as_ref().and_then(|key| key.selector.as_ref());
            let name = self.spec.name();
            format!(
                "unable to get external metric {}/{name}/{}: {error}",
                self.namespace,
                selector_text(selector)
            )
        })?;
        Ok(values.iter().map(|value| value.milli_value()).collect())
    }
}

fn resource_samples(observed: &Observed, resource: &str, container: Option<&str>) -> Result<Samples, String> {
    let usages = observed
        .resource
        .as_ref()
        .map_err(|error| format!("unable to fetch metrics from resource metrics API: {error}"))?;
    if usages.is_empty() {
        return Err("no metrics returned from resource metrics API".to_owned());
    }
    Ok(Samples::of_resource(&observed.pods, usages, resource, container))
}

/// The sum; below zero it is taken for an overflow, and for the largest number.
fn sum_until_negative(values: &[i64]) -> i64 {
    let mut sum = 0_i64;
    for value in values {
        sum = sum.wrapping_add(*value);
        if sum < 0 {
            return i64::MAX;
        }
    }
    sum
}

fn label(source: &MetricSource) -> String {
    let resource = |name: &str| if name == "cpu" { "CPU".to_owned() } else { name.to_owned() };
    match source {
        MetricSource::Resource { name } => resource(name),
        MetricSource::ContainerResource { name, container } => {
            format!("{} of container {container}", resource(name))
        }
        MetricSource::Object { name, object_kind, object_name, .. } => {
            format!("{name} of {object_kind}/{object_name}")
        }
        MetricSource::Pods { name, .. } | MetricSource::External { name, .. } => name.clone(),
    }
}

fn describe(spec: &MetricSpec) -> String {
    let by_selector = |name: &str, selector: &Option<LabelSelector>| {
        format!("external metric {name}({})", selector_text(selector.as_ref()))
    };
    match &spec.source {
        MetricSource::Resource { name } | MetricSource::ContainerResource { name, .. }
            if spec.target.average_value.is_some() =>
        {
            format!("{name} resource")
        }
        MetricSource::Resource { name } => format!("{name} resource utilization (percentage of request)"),
        MetricSource::ContainerResource { name, .. } => {
            format!("{name} container resource utilization (percentage of request)")
        }
        MetricSource::Pods { name, .. } => format!("pods metric {name}"),
        MetricSource::Object { name, object_kind, .. } if spec.target.kind == TargetKind::Value => {
            format!("{object_kind} metric {name}")
        }
        MetricSource::Object { name, selector, .. } | MetricSource::External { name, selector } => {
            by_selector(name, selector)
        }
    }
}

/// A selector as Kubernetes prints it in messages.
fn selector_text(selector: Option<&LabelSelector>) -> String {
    let Some(selector) = selector else { return "nil".to_owned() };
    let mut text = "&LabelSelector{MatchLabels:map[string]string{".to_owned();
    for (key, value) in &selector.match_labels {
        let _ = write!(text, "{key}: {value},");
    }
    text.push_str("},MatchExpressions:[]LabelSelectorRequirement{");
    for requirement in &selector.match_expressions {
        let (key, operator, values) = (&requirement.key, &requirement.operator, requirement.values.join(" "));
        let _ = write!(text, "LabelSelectorRequirement{{Key:{key},Operator:{operator},Values:[{values}],}},");
    }
    text.push_str("},}");
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidewatch_manifest::SelectorRequirement;

    #[test]
    fn negative_sums_are_taken_for_overflows() {
        let check = |values: &[i64], sum: i64| assert_eq!(sum_until_negative(values), sum, "{values:?}");
        check(&[], 0);
        check(&[1, 2], 3);
        check(&[5, -3], 2);
        check(&[-3, 5], i64::MAX);
        check(&[i64::MAX, 1, 7], i64::MAX);
    }

    #[test]
    fn selectors_read_as_in_kubernetes() {
        let check = |selector: Option<LabelSelector>, text: &str| {
            assert_eq!(selector_text(selector.as_ref()), text);
        };
        check(None, "nil");
        let requirement = SelectorRequirement {
            key: "topic".into(),
            operator: "In".into(),
            values: vec!["a".into(), "b".into()],
        };
        let selector = LabelSelector {
            match_labels: [("app".to_owned(), "web".to_owned())].into(),
            match_expressions: vec![requirement],
        };
        check(
            Some(selector),
            "&LabelSelector{MatchLabels:map[string]string{app: web,},MatchExpressions:[]LabelSelectorRequirement{\
             LabelSelectorRequirement{Key:topic,Operator:In,Values:[a b],},},}",
        );
    }

    #[test]
    fn labels_are_short() {
        let check = |source: MetricSource, text: &str| assert_eq!(label(&source), text);
        check(MetricSource::Resource { name: "cpu".into() }, "CPU");
        let container = MetricSource::ContainerResource { name: "memory".into(), container: "app".into() };
        check(container, "memory of container app");
        check(MetricSource::External { name: "queue".into(), selector: None }, "queue");
    }
}
