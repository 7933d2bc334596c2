//! The simulated world as a sync sees it.
//!
//! Input: the pods with their measurements, and the signals of the other metrics. Output: [`Observed`], refilled for each sync.

use crate::fleet::{Fleet, Pod, Usage};
use crate::subject::Subject;
use crate::{ServiceModel, Signal};
use std::sync::Arc;
use tidewatch_autoscale::{
    ContainerUsage, ContainerView, MetricKey, Observed, PodPhase, PodUsage, PodView, ScaleView,
};
use tidewatch_manifest::{MetricSource, Quantity, QuantityFormat};

/// What other metrics than resources were when they were measured last.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Signals {
    pub(crate) lag: f64,
    pub(crate) rate: f64,
    pub(crate) in_flight: f64,
}

/// Fills what a sync sees.
pub(crate) struct Observer {
    observed: Observed,
    containers: Arc<[ContainerView]>,
    nothing: Arc<[(Arc<str>, Quantity)]>,
    cpu: Arc<str>,
    memory: Arc<str>,
    sidecar_memory: Quantity,
    own: Vec<OwnMetric>,
    lag_ms: i64,
    resolution_ms: i64,
}

/// A metric that is no resource.
struct OwnMetric {
    key: MetricKey,
    kind: OwnKind,
    signal: Signal,
    /// The value is cut off here.
    most: f64,
}

enum OwnKind {
    Pods,
    Object,
    External,
}

impl Observer {
    pub(crate) fn new(subject: &Subject, service: &ServiceModel, lag_ms: i64, resolution_ms: i64) -> Self {
        let view = |container: &crate::subject::PodContainer| ContainerView {
            name: container.name.as_str().into(),
            sidecar: container.sidecar,
            requests: container
                .requests
                .iter()
                .map(|(name, amount)| (name.as_str().into(), *amount))
                .collect(),
        };
        let own = subject.hpa.metrics.iter().filter_map(|metric| {
            let kind = match &metric.source {
                MetricSource::Pods { .. } => OwnKind::Pods,
                MetricSource::Object { .. } => OwnKind::Object,
                MetricSource::External { .. } => OwnKind::External,
                MetricSource::Resource { .. } | MetricSource::ContainerResource { .. } => return None,
            };
            let limit = subject.lag_limits.iter().find(|(name, _)| name == metric.name());
            let most = limit.map_or(f64::INFINITY, |(_, most)| *most);
            let signal = subject.signal(metric, service);
            MetricKey::of(&metric.source).map(|key| OwnMetric { key, kind, signal, most })
        });
        Self {
            observed: Observed::of_scale(0, 0),
            containers: subject.containers.iter().map(view).collect(),
            nothing: Arc::new([]),
            cpu: "cpu".into(),
            memory: "memory".into(),
            sidecar_memory: Quantity::from_bytes(service.sidecar_memory_bytes as u64),
            own: own.collect(),
            lag_ms,
            resolution_ms,
        }
    }

    /// What is seen at `now`.
    pub(crate) fn look(&mut self, fleet: &Fleet, replicas: u32, signals: Signals, now: i64) -> &Observed {
        let alive = fleet.pods.iter().filter(|pod| pod.deleted_ms.is_none()).count();
        self.observed.scale = Ok(ScaleView { spec_replicas: replicas as i32, status_replicas: alive as i32 });
        self.observed.pods.clear();
        let mut usages = std::mem::replace(&mut self.observed.resource, Ok(Vec::new())).unwrap_or_default();
        usages.clear();
        for pod in &fleet.pods {
            self.observed.pods.push(self.view(pod, now));
            if let Some(usage) = pod.usage(now, self.lag_ms, self.resolution_ms) {
                usages.push(self.usage(pod, &usage));
            }
        }
        self.observed.resource = Ok(usages);
        self.look_at_own_metrics(fleet, signals, now);
        &self.observed
    }

    fn view(&self, pod: &Pod, now: i64) -> PodView {
        let ready = pod.ready_ms <= now;
        PodView {
            name: Arc::clone(&pod.name),
            phase: if pod.is_running(now) { PodPhase::Running } else { PodPhase::Pending },
            ready: Some(ready),
            ready_transition_ms: Some(whole_seconds(if ready { pod.ready_ms } else { pod.created_ms })),
            start_ms: Some(whole_seconds(pod.created_ms)),
            deleted: pod.deleted_ms.is_some(),
            requests: Arc::clone(&self.nothing),
            containers: Arc::clone(&self.containers),
        }
    }

    fn usage(&self, pod: &Pod, usage: &Usage) -> PodUsage {
        let nano = |cores: f64| Quantity::from_nano((cores * 1e9).round() as i64);
        let (first, others) = (nano(usage.cpu), nano(usage.sidecar_cpu));
        let containers = self.containers.iter().enumerate().map(|(at, container)| {
            let (cpu, memory) = match at {
                0 => (first, Quantity::from_bytes(usage.memory as u64)),
                _ => (others, self.sidecar_memory),
            };
            let usage = vec![(Arc::clone(&self.cpu), cpu), (Arc::clone(&self.memory), memory)];
            ContainerUsage { name: Arc::clone(&container.name), usage }
        });
        PodUsage {
            pod: Arc::clone(&pod.name),
            timestamp_ms: whole_seconds(usage.at_ms),
            window_ms: usage.window_ms,
            containers: containers.collect(),
        }
    }

    fn look_at_own_metrics(&mut self, fleet: &Fleet, signals: Signals, now: i64) {
        let serving = fleet.serving(now);
        for own in &self.own {
            let value = match own.signal {
                Signal::QueueLag => signals.lag,
                Signal::RequestRate => signals.rate,
                Signal::RequestsInFlight => signals.in_flight,
            };
            let milli = |value: f64| {
                Quantity::from_milli((value.min(own.most) * 1000.0).round() as i64, QuantityFormat::DecimalSi)
            };
            match own.kind {
                OwnKind::Pods => {
                    let each = milli(value / serving.max(1) as f64);
                    let pods = fleet.pods.iter().filter(|pod| pod.serves(now));
                    let values = pods.map(|pod| (Arc::clone(&pod.name), each)).collect();
                    self.observed.pods_metrics.set(own.key.clone(), Ok(values));
                }
                OwnKind::Object => self.observed.object_metrics.set(own.key.clone(), Ok(milli(value))),
                OwnKind::External => {
                    self.observed.external_metrics.set(own.key.clone(), Ok(vec![milli(value)]));
                }
            }
        }
    }
}

/// As the API server keeps times.
fn whole_seconds(milliseconds: i64) -> i64 {
    milliseconds.div_euclid(1000) * 1000
}
