//! The metrics of HorizontalPodAutoscalers.
//!
//! Input: the autoscalers of the manifests and the Deployments they scale. Output: `kube_horizontalpodautoscaler_*`.
//! Current and desired replicas are those of the Deployment: whoever scales it has set them there.

use super::Page;
use super::workloads::Counts;
use crate::pod::Workload;
use std::sync::Arc;
use tidewatch_exposition::TextWriter;
use tidewatch_manifest::{Autoscaler, AutoscalerMetric, MetricSource, MetricTarget};

/// Name, help, value from the autoscaler and its Deployment.
type Family = (&'static str, &'static str, fn(&Autoscaler, Option<&Counts<'_>>) -> f64);

const FAMILIES: [Family; 5] = [
    (
        "kube_horizontalpodautoscaler_metadata_generation",
        "The generation observed by the HorizontalPodAutoscaler controller.",
        |_, _| 1.0,
    ),
    (
        "kube_horizontalpodautoscaler_spec_max_replicas",
        "Upper limit for the number of pods that can be set by the autoscaler; cannot be smaller than MinReplicas.",
        |autoscaler, _| autoscaler.max_replicas.into(),
    ),
    (
        "kube_horizontalpodautoscaler_spec_min_replicas",
        "Lower limit for the number of pods that can be set by the autoscaler, default 1.",
        |autoscaler, _| autoscaler.min_replicas.into(),
    ),
    (
        "kube_horizontalpodautoscaler_status_current_replicas",
        "Current number of replicas of pods managed by this autoscaler.",
        |_, counts| counts.map_or(0.0, |counts| counts.present),
    ),
    (
        "kube_horizontalpodautoscaler_status_desired_replicas",
        "Desired number of replicas of pods managed by this autoscaler.",
        |_, counts| counts.map_or(0.0, |counts| counts.wanted),
    ),
];

fn labels(autoscaler: &Autoscaler) -> [(&str, &str); 2] {
    [("namespace", &autoscaler.meta.namespace), ("horizontalpodautoscaler", &autoscaler.meta.name)]
}

pub(super) fn write(page: &mut Page<'_>) {
    let (cluster, statuses) = (page.cluster, page.statuses);
    let autoscalers = &cluster.manifests.autoscalers;
    let target = |autoscaler: &Autoscaler| {
        let own = |workload: &&Arc<Workload>| {
            autoscaler.target_kind == "Deployment"
                && workload.namespace == autoscaler.meta.namespace
                && workload.name == autoscaler.target_name
        };
        cluster.deployments().find(own).map(|workload| Counts::of(workload, statuses))
    };
    for (name, help, value) in FAMILIES {
        page.family(name, help, autoscalers, |writer, name, autoscaler| {
            writer.sample(name, &labels(autoscaler), value(autoscaler, target(autoscaler).as_ref()));
        });
    }
    let help = "Information about this autoscaler.";
    page.family("kube_horizontalpodautoscaler_info", help, autoscalers, |writer, name, autoscaler| {
        let [namespace, own_name] = labels(autoscaler);
        let labels = [
            namespace,
            own_name,
            ("scaletargetref_api_version", "apps/v1"),
            ("scaletargetref_kind", &autoscaler.target_kind),
            ("scaletargetref_name", &autoscaler.target_name),
        ];
        writer.sample(name, &labels, 1.0);
    });
    let help =
        "The metric specifications used by this autoscaler when calculating the desired replica count.";
    let metrics = autoscalers
        .iter()
        .flat_map(|autoscaler| autoscaler.metrics.iter().map(move |metric| (autoscaler, metric)));
    page.family("kube_horizontalpodautoscaler_spec_target_metric", help, metrics, target_metric);
}

fn target_metric(
    writer: &mut TextWriter<'_>,
    name: &str,
    (autoscaler, metric): (&Autoscaler, &AutoscalerMetric),
) {
    let (metric_name, container) = match &metric.source {
        MetricSource::ContainerResource { name, container } => (name, container.as_str()),
        MetricSource::Resource { name }
        | MetricSource::Pods { name, .. }
        | MetricSource::Object { name, .. }
        | MetricSource::External { name, .. } => (name, ""),
    };
    let (kind, value) = match metric.target {
        MetricTarget::Utilization(percent) => ("utilization", f64::from(percent)),
        MetricTarget::Value(value) => ("value", value.as_f64()),
        MetricTarget::AverageValue(value) => ("average", value.as_f64()),
    };
    let [namespace, own_name] = labels(autoscaler);
    let mut labels = vec![namespace, own_name, ("metric_name", metric_name), ("metric_target_type", kind)];
    if !container.is_empty() {
        labels.push(("container", container));
    }
    writer.sample(name, &labels, value);
}
