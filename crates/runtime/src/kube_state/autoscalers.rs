//! The metrics of HorizontalPodAutoscalers.
//!
//! Input: the autoscalers of the manifests, those that ScaledObjects become, and what each last said of itself. Output:
//! `kube_horizontalpodautoscaler_*`. An autoscaler that has not said anything yet has no status, as in a cluster before its
//! first sync: 0 replicas and no condition.

use super::{Page, STATUSES, one_if};
use crate::scaled_by::{AutoscalerCurrent, Told};
use tidewatch_exposition::TextWriter;
use tidewatch_manifest::{Autoscaler, AutoscalerMetric, MetricSource, MetricTarget};

/// Name, help, value.
type Family = (&'static str, &'static str, fn(&Told) -> f64);

const FAMILIES: [Family; 5] = [
    (
        "kube_horizontalpodautoscaler_metadata_generation",
        "The generation observed by the HorizontalPodAutoscaler controller.",
        |_| 1.0,
    ),
    (
        "kube_horizontalpodautoscaler_spec_max_replicas",
        "Upper limit for the number of pods that can be set by the autoscaler; cannot be smaller than MinReplicas.",
        |told| told.autoscaler.max_replicas.into(),
    ),
    (
        "kube_horizontalpodautoscaler_spec_min_replicas",
        "Lower limit for the number of pods that can be set by the autoscaler, default 1.",
        |told| told.autoscaler.min_replicas.into(),
    ),
    (
        "kube_horizontalpodautoscaler_status_current_replicas",
        "Current number of replicas of pods managed by this autoscaler.",
        |told| told.status.as_ref().map_or(0.0, |status| status.current_replicas.into()),
    ),
    (
        "kube_horizontalpodautoscaler_status_desired_replicas",
        "Desired number of replicas of pods managed by this autoscaler.",
        |told| told.status.as_ref().map_or(0.0, |status| status.desired_replicas.into()),
    ),
];

fn labels(autoscaler: &Autoscaler) -> [(&str, &str); 2] {
    [("namespace", &autoscaler.meta.namespace), ("horizontalpodautoscaler", &autoscaler.meta.name)]
}

pub(super) fn write(page: &mut Page<'_>) {
    let cluster = page.cluster;
    let all = cluster.scaled_by.of(cluster.manifests.all_autoscalers());
    for (name, help, value) in FAMILIES {
        page.family(name, help, &all, |writer, name, told| {
            writer.sample(name, &labels(&told.autoscaler), value(told));
        });
    }
    let help = "Information about this autoscaler.";
    page.family("kube_horizontalpodautoscaler_info", help, &all, |writer, name, told| {
        let [namespace, own_name] = labels(&told.autoscaler);
        let labels = [
            namespace,
            own_name,
            ("scaletargetref_api_version", "apps/v1"),
            ("scaletargetref_kind", &told.autoscaler.target_kind),
            ("scaletargetref_name", &told.autoscaler.target_name),
        ];
        writer.sample(name, &labels, 1.0);
    });
    let help =
        "The metric specifications used by this autoscaler when calculating the desired replica count.";
    let metrics =
        all.iter().flat_map(|told| told.autoscaler.metrics.iter().map(|metric| (&told.autoscaler, metric)));
    page.family("kube_horizontalpodautoscaler_spec_target_metric", help, metrics, spec_target_metric);
    let help =
        "The current metric status used by this autoscaler when calculating the desired replica count.";
    let found = all.iter().flat_map(|told| {
        let metrics = told.status.iter().flat_map(|status| &status.metrics);
        metrics.flat_map(move |metric| {
            values(metric).map(move |(kind, value)| (&told.autoscaler, metric, kind, value))
        })
    });
    page.family("kube_horizontalpodautoscaler_status_target_metric", help, found, status_target_metric);
    let help = "The condition of this autoscaler.";
    let conditions = all.iter().flat_map(|told| {
        told.status
            .iter()
            .flat_map(|status| &status.conditions)
            .map(|condition| (&told.autoscaler, condition))
    });
    page.family(
        "kube_horizontalpodautoscaler_status_condition",
        help,
        conditions,
        |writer, name, (autoscaler, condition)| {
            let [namespace, own_name] = labels(autoscaler);
            for answer in STATUSES {
                let labels =
                    [namespace, own_name, ("condition", condition.kind.as_str()), ("status", answer)];
                writer.sample(name, &labels, one_if(condition.status.eq_ignore_ascii_case(answer)));
            }
        },
    );
}

fn spec_target_metric(
    writer: &mut TextWriter<'_>,
    name: &str,
    (autoscaler, metric): (&Autoscaler, &AutoscalerMetric),
) {
    let (metric_name, container) = match &metric.source {
        MetricSource::ContainerResource { name, container } => (name, Some(container.as_str())),
        MetricSource::Resource { name }
        | MetricSource::Pods { name, .. }
        | MetricSource::Object { name, .. }
        | MetricSource::External { name, .. } => (name, None),
    };
    let (kind, value) = match metric.target {
        MetricTarget::Utilization(percent) => ("utilization", f64::from(percent)),
        MetricTarget::Value(value) => ("value", value.as_f64()),
        MetricTarget::AverageValue(value) => ("average", value.as_f64()),
    };
    target_metric(writer, name, autoscaler, metric_name, container, (kind, value));
}

fn status_target_metric(
    writer: &mut TextWriter<'_>,
    name: &str,
    (autoscaler, metric, kind, value): (&Autoscaler, &AutoscalerCurrent, &'static str, f64),
) {
    target_metric(writer, name, autoscaler, &metric.name, metric.container.as_deref(), (kind, value));
}

fn target_metric(
    writer: &mut TextWriter<'_>,
    name: &str,
    autoscaler: &Autoscaler,
    metric_name: &str,
    container: Option<&str>,
    (kind, value): (&str, f64),
) {
    let [namespace, own_name] = labels(autoscaler);
    let mut labels = vec![namespace, own_name, ("metric_name", metric_name), ("metric_target_type", kind)];
    labels.extend(container.map(|container| ("container", container)));
    writer.sample(name, &labels, value);
}

/// The values of a metric by the type of target they would be held to.
fn values(metric: &AutoscalerCurrent) -> impl Iterator<Item = (&'static str, f64)> {
    let utilization = metric.average_utilization.map(f64::from);
    [("value", metric.value), ("average", metric.average_value), ("utilization", utilization)]
        .into_iter()
        .filter_map(|(kind, value)| Some((kind, value?)))
}
