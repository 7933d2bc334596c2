//! What the controller says of itself, with the names of kube-controller-manager's metrics.
//!
//! Input: each sync. Output: `horizontal_pod_autoscaler_controller_*` in text exposition.

use crate::{Decision, Hpa, Observed, Step};
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tidewatch_exposition::{MetricKind, TextWriter};
use tidewatch_manifest::MetricSource;

/// Buckets of durations: 1 ms, and twice as much 14 times.
const BUCKETS: usize = 15;

/// A histogram of durations.
#[derive(Clone, Debug, Default)]
struct Durations {
    buckets: [u64; BUCKETS],
    sum: f64,
    count: u64,
}

impl Durations {
    fn add(&mut self, duration: Duration) {
        let seconds = duration.as_secs_f64();
        for (index, bucket) in self.buckets.iter_mut().enumerate() {
            *bucket += u64::from(seconds <= bound(index));
        }
        self.sum += seconds;
        self.count += 1;
    }
}

fn bound(index: usize) -> f64 {
    0.001 * f64::from(1 << index)
}

/// Labels of a metric computation: action, error, type of the metric.
type Computation = (&'static str, &'static str, &'static str);

#[derive(Debug, Default)]
struct Counted {
    /// By action and error.
    reconciliations: BTreeMap<(&'static str, &'static str), Durations>,
    computations: BTreeMap<Computation, Durations>,
    /// By namespace and name.
    desired: BTreeMap<(String, String), i32>,
}

/// The counters of all autoscalers.
#[derive(Debug, Default)]
pub(crate) struct Statistics {
    counted: Mutex<Counted>,
}

impl Statistics {
    pub(crate) fn synced(
        &self,
        hpa: &Hpa,
        observed: &Observed,
        decision: &Decision,
        durations: &[Duration],
        whole: Duration,
    ) {
        let current = observed.scale.as_ref().map_or(decision.current_replicas, |scale| scale.spec_replicas);
        // of this sync: conditions may be of an earlier one, and one metric of several may fail without changing them
        let failed = |step: &Step| {
            matches!(
                step,
                Step::ScaleUnreadable { .. }
                    | Step::SelectorUnusable { .. }
                    | Step::Unavailable { .. }
                    | Step::UpdateFailed { .. }
            )
        };
        let fine = !decision.steps.iter().any(failed);
        let desired = if decision.scaled { decision.desired_replicas } else { current };
        let key = (action(current, desired), if fine { "none" } else { "internal" });
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        counted.reconciliations.entry(key).or_default().add(whole);
        counted.desired.insert((hpa.namespace.clone(), hpa.name.clone()), decision.desired_replicas);
        for (index, duration) in durations.iter().enumerate() {
            let own = || {
                decision.steps.iter().filter(|step| step.metric().is_some_and(|metric| metric.index == index))
            };
            if own().next().is_none() {
                // Metrics were not looked at.
                continue;
            }
            let unavailable = own().any(|step| matches!(step, Step::Unavailable { .. }));
            let proposed = own().rev().find_map(Step::replicas).unwrap_or(current);
            let action = if unavailable { "none" } else { action(current, proposed) };
            let error = if unavailable { "internal" } else { "none" };
            let kind = hpa.metrics.get(index).map_or("", |metric| type_of(&metric.source));
            counted.computations.entry((action, error, kind)).or_default().add(*duration);
        }
    }

    /// Writes the page; `autoscalers` is how many there are.
    pub(crate) fn write(&self, autoscalers: usize, out: &mut String) {
        let counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        let mut writer = TextWriter::new(out);
        let prefix = "horizontal_pod_autoscaler_controller";
        let reconciliations: Vec<_> = counted
            .reconciliations
            .iter()
            .map(|((action, error), durations)| (vec![("action", *action), ("error", *error)], durations))
            .collect();
        let computations: Vec<_> = counted
            .computations
            .iter()
            .map(|((action, error, kind), durations)| {
                (vec![("action", *action), ("error", *error), ("metric_type", *kind)], durations)
            })
            .collect();
        let families = [
            ("reconciliation", "reconciliations", "reconciles the HPA once", &reconciliations),
            ("metric_computation", "metric_computation", "calculates one metric", &computations),
        ];
        for (singular, plural, what, series) in families {
            if series.is_empty() {
                continue;
            }
            let name = format!("{prefix}_{plural}_total");
            let help = format!("Number of times the HPA controller {what}.");
            writer.family(&name, MetricKind::Counter, &help);
            for (labels, durations) in series {
                writer.sample(&name, labels, durations.count as f64);
            }
            let help = format!("The time (in seconds) that the HPA controller takes when it {what}.");
            histogram(&mut writer, &format!("{prefix}_{singular}_duration_seconds"), &help, series);
        }
        let name = format!("{prefix}_num_horizontal_pod_autoscalers");
        let help = "Current number of controlled HPA objects.";
        writer.family(&name, MetricKind::Gauge, help).sample(&name, &[], autoscalers as f64);
        let name = format!("{prefix}_desired_replicas");
        if !counted.desired.is_empty() {
            let help = "Current desired replica count for HPA objects.";
            writer.family(&name, MetricKind::Gauge, help);
        }
        for ((namespace, hpa), desired) in &counted.desired {
            writer.sample(&name, &[("namespace", namespace), ("hpa_name", hpa)], f64::from(*desired));
        }
    }
}

fn histogram(
    writer: &mut TextWriter<'_>,
    name: &str,
    help: &str,
    series: &[(Vec<(&'static str, &'static str)>, &Durations)],
) {
    writer.family(name, MetricKind::Histogram, help);
    for (labels, durations) in series {
        let bucket = format!("{name}_bucket");
        for (index, count) in durations.buckets.iter().enumerate() {
            let bound = bound(index).to_string();
            let labels: Vec<(&str, &str)> = labels.iter().copied().chain([("le", bound.as_str())]).collect();
            writer.sample(&bucket, &labels, *count as f64);
        }
        let infinite: Vec<(&str, &str)> = labels.iter().copied().chain([("le", "+Inf")]).collect();
        writer.sample(&bucket, &infinite, durations.count as f64);
        writer.sample(&format!("{name}_sum"), labels, durations.sum);
        writer.sample(&format!("{name}_count"), labels, durations.count as f64);
    }
}

fn action(from: i32, to: i32) -> &'static str {
    match to.cmp(&from) {
        std::cmp::Ordering::Greater => "scale_up",
        std::cmp::Ordering::Less => "scale_down",
        std::cmp::Ordering::Equal => "none",
    }
}

fn type_of(source: &MetricSource) -> &'static str {
    match source {
        MetricSource::Resource { .. } => "Resource",
        MetricSource::ContainerResource { .. } => "ContainerResource",
        MetricSource::Pods { .. } => "Pods",
        MetricSource::Object { .. } => "Object",
        MetricSource::External { .. } => "External",
    }
}
