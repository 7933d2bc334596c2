//! How many replicas a load needs, to judge an autoscaler by. It is arithmetic on the load, not a decision.
//!
//! Input: the autoscaler's targets, the service model, a rate. Output: [`Need`]: between the least replicas the autoscaler is content
//! with at that rate and the most that it leaves in place. Metrics that do not follow the load (memory) do not count, so that replicas
//! which only they hold are seen as too many.

use crate::capacity::Capacity;
use crate::subject::Subject;
use crate::work::shares;
use crate::{ControllerModel, QueueModel, ServiceModel, Signal};
use tidewatch_autoscale::{MetricSpec, MetricTarget, TargetKind};
use tidewatch_manifest::{MetricSource, Quantity};

/// Replicas for a load.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Need {
    /// At least so many: with one less the autoscaler would add some.
    pub(crate) low: u32,
    /// At most so many: with one more the autoscaler would remove some.
    pub(crate) high: u32,
    /// `low` without the autoscaler's limits.
    pub(crate) unlimited: u32,
}

/// Replicas by rate.
#[derive(Clone, Debug)]
pub(crate) struct Needs {
    metrics: Vec<Follows>,
    queue: Option<QueueNeed>,
    capacity: f64,
    /// How far above its target a metric may be before replicas are added, as a share.
    tolerance_up: f64,
    /// How far below its target a metric may be before replicas are removed, as a share.
    tolerance_down: f64,
    min: u32,
    max: u32,
    /// Fewer replicas than these are never asked for; `min` but for candidates of a search.
    kept: u32,
}

/// A metric that follows the load: with n replicas its ratio to the target is `rate * by_rate / n + idle`.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Follows {
    by_rate: f64,
    idle: f64,
}

#[derive(Clone, Debug)]
struct QueueNeed {
    shares: Vec<f64>,
    in_turn: f64,
}

impl Needs {
    pub(crate) fn of(
        subject: &Subject,
        service: &ServiceModel,
        capacity: &Capacity,
        controller: &ControllerModel,
    ) -> Self {
        let behavior = subject.hpa.behavior.as_ref().filter(|_| controller.configurable_tolerance);
        let tolerance = |own: Option<Quantity>| own.map_or(controller.tolerance, Quantity::approximate_f64);
        let min = subject.hpa.min_replicas.unsigned_abs();
        let in_turn = service.cpu_seconds_per_request + service.wait_seconds_per_request;
        Self {
            metrics: subject
                .hpa
                .metrics
                .iter()
                .filter_map(|metric| Follows::of(metric, subject, service))
                .collect(),
            queue: service
                .queue
                .as_ref()
                .map(|queue: &QueueModel| QueueNeed { shares: shares(queue), in_turn: 1.0 / in_turn }),
            capacity: capacity.per_pod,
            tolerance_up: tolerance(behavior.and_then(|behavior| behavior.scale_up.tolerance)),
            tolerance_down: tolerance(behavior.and_then(|behavior| behavior.scale_down.tolerance)),
            min,
            max: subject.hpa.max_replicas.unsigned_abs(),
            kept: min,
        }
    }

    /// The same need under another least number: fewer may be enough then, and more than the load needs may have to stay.
    pub(crate) fn with_min(self, min: u32) -> Self {
        Self { min: self.min.min(min), kept: min, ..self }
    }

    /// The replicas that a rate needs.
    pub(crate) fn at(&self, rate: f64) -> Need {
        let unlimited = self.least(rate);
        let low = unlimited.clamp(self.min.max(1), self.max);
        let high = self.most(rate).max(self.kept).clamp(low, self.max.max(low));
        Need { low, high, unlimited }
    }

    /// The rate at which `replicas` are just at their target, or at their capacity when no target follows the load.
    pub(crate) fn rate_at_target(&self, replicas: u32) -> f64 {
        let by_metric = self.metrics.iter().filter(|metric| metric.by_rate > 0.0);
        let rates =
            by_metric.map(|metric| (1.0 - metric.idle).max(0.0) * f64::from(replicas) / metric.by_rate);
        let by_queue = self.queue.is_some().then_some(self.capacity * f64::from(replicas));
        let least = rates.chain(by_queue).fold(f64::INFINITY, f64::min);
        if least.is_finite() { least } else { self.capacity * f64::from(replicas) }
    }

    fn least(&self, rate: f64) -> u32 {
        let content = |metric: &Follows| {
            let room = 1.0 + self.tolerance_up - metric.idle;
            if metric.by_rate * rate <= 0.0 {
                0
            } else if room <= 0.0 {
                u32::MAX
            } else {
                (rate * metric.by_rate / room - 1e-9).ceil() as u32
            }
        };
        let by_metrics = self.metrics.iter().map(content).max().unwrap_or(0);
        let by_queue = self.queue.as_ref().map_or(0, |queue| queue.least(rate, self.capacity));
        let by_capacity = if self.metrics.is_empty() && self.queue.is_none() {
            (rate / self.capacity).ceil() as u32
        } else {
            0
        };
        by_metrics.max(by_queue).max(by_capacity)
    }

    /// The most replicas n that some metric keeps: it is within the tolerance, or the ratio times n rounds up to n.
    fn most(&self, rate: f64) -> u32 {
        let keeps = |metric: &Follows, replicas: u32| {
            let ratio = rate * metric.by_rate / f64::from(replicas) + metric.idle;
            ratio >= 1.0 - self.tolerance_down
                || (ratio * f64::from(replicas) - 1e-9).ceil() >= f64::from(replicas)
        };
        let highest = |metric: &Follows| {
            let (mut low, mut high) = (0, self.max + 1);
            while high - low > 1 {
                let middle = u32::midpoint(low, high);
                if keeps(metric, middle) { low = middle } else { high = middle }
            }
            low
        };
        self.metrics.iter().map(highest).max().unwrap_or(0)
    }
}

impl QueueNeed {
    /// The fewest readers that keep up.
    fn least(&self, rate: f64, capacity: f64) -> u32 {
        let keeps_up = |readers: usize| {
            (0..readers).all(|reader| {
                let own = self.shares.iter().skip(reader).step_by(readers);
                own.map(|share| share * rate).sum::<f64>() <= capacity * 1.000_001
            })
        };
        let partitions = self.shares.len();
        let in_turn = self.shares.iter().all(|share| share * rate <= self.in_turn);
        let readers = (1..=partitions).find(|readers| keeps_up(*readers)).unwrap_or(partitions);
        if rate <= 0.0 {
            0
        } else if in_turn {
            readers as u32
        } else {
            partitions as u32
        }
    }
}

impl Follows {
    fn of(metric: &MetricSpec, subject: &Subject, service: &ServiceModel) -> Option<Self> {
        let (work, idle) = (service.cpu_seconds_per_request, service.idle_cpu_cores);
        let (side_work, side_idle) =
            (service.sidecar_cpu_seconds_per_request, service.sidecar_idle_cpu_cores);
        let by_cpu = |request: Option<f64>, by_rate: f64, idle: f64| {
            let target = cores(&metric.target, request)?;
            Some(Self { by_rate: by_rate / target, idle: idle / target })
        };
        match &metric.source {
            MetricSource::Resource { name } if name == "cpu" => {
                let more = subject.sidecars();
                by_cpu(subject.request("cpu"), work + more * side_work, idle + more * side_idle)
            }
            MetricSource::ContainerResource { name, container } if name == "cpu" => {
                let at = subject.containers.iter().position(|own| own.name == *container)?;
                let request = subject.containers[at].request("cpu");
                if at == 0 { by_cpu(request, work, idle) } else { by_cpu(request, side_work, side_idle) }
            }
            MetricSource::Resource { .. } | MetricSource::ContainerResource { .. } => None,
            MetricSource::Pods { .. } | MetricSource::Object { .. } | MetricSource::External { .. } => {
                let target = metric.target.average_value?.as_f64();
                let each = match subject.signal(metric, service) {
                    Signal::QueueLag => return None,
                    Signal::RequestRate => 1.0,
                    Signal::RequestsInFlight => work + service.wait_seconds_per_request,
                };
                Some(Self { by_rate: each / target, idle: 0.0 })
            }
        }
    }
}

/// Cores per pod that a target asks for.
fn cores(target: &MetricTarget, request: Option<f64>) -> Option<f64> {
    match target.kind {
        TargetKind::Utilization => Some(f64::from(target.average_utilization?) / 100.0 * request?),
        TargetKind::AverageValue | TargetKind::Value => target.average_value.map(|cores| cores.as_f64()),
    }
    .filter(|cores| *cores > 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SimulationRequest;
    use crate::subject::manifests_of;

    const HPA: &str = "apiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {name: web}\nspec:\n  minReplicas: 2\n  \
        maxReplicas: 20\n  scaleTargetRef: {kind: Deployment, name: web}\n  metrics:\n    - type: Resource\n      \
        resource: {name: cpu, target: {type: Utilization, averageUtilization: 50}}\n";
    /// A pod at its target does 25 per second, idle ones use nothing.
    const RATE: f64 = 25.0 * 10.0;

    fn needs(behavior: &str, configurable_tolerance: bool) -> Needs {
        let mut request =
            SimulationRequest { hpa: format!("{HPA}{behavior}").into(), ..SimulationRequest::default() };
        request.service.idle_cpu_cores = 0.0;
        request.controller.configurable_tolerance = configurable_tolerance;
        let manifests = manifests_of(&request.hpa).expect("a manifest");
        let subject = Subject::of(&manifests, &request).expect("an autoscaler");
        let capacity = Capacity::of(&request.service, subject.cpu_limit);
        Needs::of(&subject, &request.service, &capacity, &request.controller)
    }

    #[test]
    fn each_direction_has_its_own_tolerance_where_that_counts() {
        let own = "  behavior: {scaleUp: {tolerance: 500m}, scaleDown: {tolerance: 0}}\n";
        let check = |behavior: &str, configurable: bool, low: u32, high: u32| {
            let need = needs(behavior, configurable).at(RATE);
            assert_eq!((need.low, need.high), (low, high), "{behavior:?} {configurable}");
        };
        check("", true, 10, 11);
        check(own, false, 10, 11);
        check(own, true, 7, 10);
    }

    #[test]
    fn another_least_number_changes_only_what_may_stay_or_may_go() {
        let check = |min: u32, rate: f64, low: u32, high: u32| {
            let need = needs("", false).with_min(min).at(rate);
            assert_eq!((need.low, need.high), (low, high), "{min} {rate}");
        };
        check(2, 0.0, 2, 2);
        check(1, 0.0, 1, 1);
        check(5, 0.0, 2, 5);
        check(5, RATE, 10, 11);
    }
}
