//! The simulated pods: how they come, are measured, and go.
//!
//! Input: how many there shall be, at each scaling. Output: which pods exist in which state, and what metrics-server would have measured of
//! each. Pods of one Deployment are alike but for their age and what they did.
//!
//! A pod goes through three moments that are known when it is made, and two when it is removed:
//!
//! ```text
//! created ──start──► running ──ready──► ready ────► deleted ──drain──► gone
//! ```

use crate::ServiceModel;
use crate::random::Random;
use std::collections::VecDeque;
use std::sync::Arc;

/// A container that started less than a resolution ago has a usage once it is so old: `freshContainerMinMetricsResolution` of
/// metrics-server.
const FRESH_CONTAINER_MS: i64 = 10_000;
/// Initial pods are so old when the simulation begins.
const OLD_MS: i64 = 3_600_000;

/// One pod.
#[derive(Clone, Debug)]
pub(crate) struct Pod {
    /// Unique; in order of creation.
    pub(crate) id: u64,
    pub(crate) name: Arc<str>,
    pub(crate) created_ms: i64,
    pub(crate) running_ms: i64,
    pub(crate) ready_ms: i64,
    pub(crate) deleted_ms: Option<i64>,
    gone_ms: i64,
    /// Since when its memory grows.
    grows_ms: i64,
    /// CPU of the first container since its start; core-seconds.
    pub(crate) cpu: f64,
    /// CPU of each further container; core-seconds.
    pub(crate) sidecar_cpu: f64,
    /// The newest measurements, oldest first.
    measured: VecDeque<Counters>,
}

/// What is read of a pod at a moment.
#[derive(Clone, Copy, Debug)]
struct Counters {
    at_ms: i64,
    cpu: f64,
    sidecar_cpu: f64,
    memory: f64,
}

/// The resource metrics of a pod as metrics-server serves them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Usage {
    /// End of the window.
    pub(crate) at_ms: i64,
    pub(crate) window_ms: i64,
    /// Cores of the first container.
    pub(crate) cpu: f64,
    /// Cores of each further container.
    pub(crate) sidecar_cpu: f64,
    /// Bytes of the first container.
    pub(crate) memory: f64,
}

impl Pod {
    pub(crate) fn is_running(&self, now: i64) -> bool {
        self.running_ms <= now
    }

    /// Ready and not on its way out: it gets requests.
    pub(crate) fn serves(&self, now: i64) -> bool {
        self.ready_ms <= now && self.deleted_ms.is_none()
    }

    /// The newest usage of which the server knows at `now`, when it learns of a measurement after `lag_ms`.
    pub(crate) fn usage(&self, now: i64, lag_ms: i64, resolution_ms: i64) -> Option<Usage> {
        let known = self.measured.iter().rev().skip_while(|counters| counters.at_ms + lag_ms > now);
        let mut known = known.copied();
        let last = known.next()?;
        let age = last.at_ms - self.running_ms;
        let before = known.next().or_else(|| {
            let fresh = (FRESH_CONTAINER_MS..resolution_ms).contains(&age);
            fresh.then_some(Counters { at_ms: self.running_ms, cpu: 0.0, sidecar_cpu: 0.0, memory: 0.0 })
        })?;
        let seconds = (last.at_ms - before.at_ms) as f64 / 1000.0;
        Some(Usage {
            at_ms: last.at_ms,
            window_ms: last.at_ms - before.at_ms,
            cpu: (last.cpu - before.cpu) / seconds,
            sidecar_cpu: (last.sidecar_cpu - before.sidecar_cpu) / seconds,
            memory: last.memory,
        })
    }
}

/// All pods of the simulated Deployment.
pub(crate) struct Fleet {
    /// In order of creation; those that are gone are left out.
    pub(crate) pods: Vec<Pod>,
    made: u64,
    workload: String,
    start_ms: f64,
    ready_ms: f64,
    jitter: f64,
    drain_ms: i64,
    memory_base: f64,
    memory_growth_per_ms: f64,
    /// Measurements that are kept of a pod: the two newest that the server knows, and those it does not know yet.
    kept: usize,
    random: Random,
}

impl Fleet {
    /// No pods yet. The server knows of all measurements but the newest `unknown_measurements`.
    pub(crate) fn new(
        workload: &str,
        service: &ServiceModel,
        unknown_measurements: usize,
        random: Random,
    ) -> Self {
        Self {
            pods: Vec::new(),
            made: 0,
            workload: workload.to_owned(),
            start_ms: service.start_seconds * 1000.0,
            ready_ms: service.ready_seconds * 1000.0,
            jitter: service.delay_jitter,
            drain_ms: (service.drain_seconds * 1000.0) as i64,
            memory_base: service.memory_base_bytes,
            memory_growth_per_ms: service.memory_growth_bytes_per_hour / 3.6e6,
            kept: 2 + unknown_measurements,
            random,
        }
    }

    /// The same with `replicas` pods that are ready for long.
    pub(crate) fn with_old_pods(mut self, replicas: u32, now: i64) -> Self {
        self.scale(replicas, now - OLD_MS);
        for pod in &mut self.pods {
            (pod.running_ms, pod.ready_ms, pod.grows_ms) = (pod.created_ms, pod.created_ms, now);
        }
        self
    }

    /// Makes or removes pods until `replicas` are there that are not on their way out.
    pub(crate) fn scale(&mut self, replicas: u32, now: i64) {
        let mut there = self.pods.iter().filter(|pod| pod.deleted_ms.is_none()).count();
        while there < replicas as usize {
            self.add(now);
            there += 1;
        }
        if there > replicas as usize {
            self.remove(there - replicas as usize, now);
        }
    }

    fn add(&mut self, now: i64) {
        let running_ms = now + self.delay(self.start_ms);
        let ready_ms = running_ms + self.delay(self.ready_ms);
        self.made += 1;
        self.pods.push(Pod {
            id: self.made,
            name: format!("{}-{}", self.workload, self.made).into(),
            created_ms: now,
            running_ms,
            ready_ms,
            deleted_ms: None,
            gone_ms: i64::MAX,
            grows_ms: running_ms,
            cpu: 0.0,
            sidecar_cpu: 0.0,
            measured: VecDeque::with_capacity(self.kept + 1),
        });
    }

    fn delay(&mut self, mean_ms: f64) -> i64 {
        let share =
            if self.jitter > 0.0 { 1.0 + self.jitter * (2.0 * self.random.uniform() - 1.0) } else { 1.0 };
        (mean_ms * share).round() as i64
    }

    /// In the order of the ReplicaSet controller: not running before running, not ready before ready, ready for a shorter time before
    /// longer, younger before older.
    fn remove(&mut self, count: usize, now: i64) {
        let mut alive: Vec<&mut Pod> = self.pods.iter_mut().filter(|pod| pod.deleted_ms.is_none()).collect();
        alive.sort_by_key(|pod| {
            let (pending, unready) = (pod.running_ms > now, pod.ready_ms > now);
            (pending, unready, if unready { 0 } else { pod.ready_ms }, pod.id)
        });
        for pod in alive.into_iter().rev().take(count) {
            pod.deleted_ms = Some(now);
            pod.gone_ms = now + if pod.running_ms > now { 0 } else { self.drain_ms };
        }
    }

    /// Forgets pods that have ended.
    pub(crate) fn bury(&mut self, now: i64) {
        self.pods.retain(|pod| pod.gone_ms > now);
    }

    /// The next moment at which a pod starts to run, becomes ready or is gone.
    pub(crate) fn next_change(&self, now: i64) -> Option<i64> {
        let moments = self.pods.iter().flat_map(|pod| [pod.running_ms, pod.ready_ms, pod.gone_ms]);
        moments.filter(|moment| *moment > now && *moment < i64::MAX).min()
    }

    /// Pods that get requests.
    pub(crate) fn serving(&self, now: i64) -> usize {
        self.pods.iter().filter(|pod| pod.serves(now)).count()
    }

    /// Memory of a pod's first container when `in_flight` bytes belong to requests.
    pub(crate) fn memory(&self, pod: &Pod, now: i64, in_flight: f64) -> f64 {
        let age = (now - pod.grows_ms).max(0) as f64;
        self.memory_base + self.memory_growth_per_ms * age + in_flight
    }

    /// Reads the counters of all running pods; `in_flight` is the memory of requests at each serving pod.
    pub(crate) fn measure(&mut self, now: i64, in_flight: f64) {
        let kept = self.kept;
        for at in 0..self.pods.len() {
            let pod = &self.pods[at];
            if !pod.is_running(now) {
                continue;
            }
            let memory = self.memory(pod, now, if pod.serves(now) { in_flight } else { 0.0 });
            let pod = &mut self.pods[at];
            if pod.measured.len() == kept {
                pod.measured.pop_front();
            }
            let (cpu, sidecar_cpu) = (pod.cpu, pod.sidecar_cpu);
            pod.measured.push_back(Counters { at_ms: now, cpu, sidecar_cpu, memory });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fleet(replicas: u32) -> Fleet {
        let service = ServiceModel {
            start_seconds: 2.0,
            ready_seconds: 8.0,
            drain_seconds: 5.0,
            ..ServiceModel::default()
        };
        Fleet::new("web", &service, 0, Random::new(1)).with_old_pods(replicas, 0)
    }

    #[test]
    fn pods_start_become_ready_and_drain() {
        let mut fleet = fleet(2);
        assert_eq!(fleet.serving(0), 2);
        fleet.scale(4, 1000);
        assert_eq!(fleet.next_change(1000), Some(3000));
        assert_eq!(fleet.next_change(3000), Some(11_000));
        assert_eq!((fleet.serving(10_999), fleet.serving(11_000)), (2, 4));
        fleet.scale(1, 20_000);
        assert_eq!(fleet.serving(20_000), 1);
        fleet.bury(24_999);
        assert_eq!(fleet.pods.len(), 4);
        fleet.bury(25_000);
        assert_eq!(fleet.pods.iter().map(|pod| pod.id).collect::<Vec<_>>(), [1]);
    }

    #[test]
    fn pods_that_are_not_ready_go_first() {
        let mut fleet = fleet(2);
        fleet.scale(3, 0);
        fleet.scale(4, 9000);
        fleet.scale(3, 10_500);
        let left: Vec<u64> =
            fleet.pods.iter().filter(|pod| pod.deleted_ms.is_none()).map(|pod| pod.id).collect();
        assert_eq!(left, [1, 2, 3]);
    }

    #[test]
    fn usage_is_what_happened_between_two_measurements() {
        let mut fleet = fleet(1);
        fleet.measure(0, 0.0);
        assert_eq!(fleet.pods[0].usage(5000, 0, 15_000), None);
        fleet.pods[0].cpu += 3.0;
        fleet.measure(15_000, 10.0);
        let usage = fleet.pods[0].usage(16_000, 0, 15_000).unwrap();
        assert_eq!((usage.at_ms, usage.window_ms), (15_000, 15_000));
        assert!((usage.cpu - 0.2).abs() < 1e-12);
        assert!((usage.memory - 67_108_874.0).abs() < 1e-6);
    }

    #[test]
    fn a_young_pod_has_no_usage_unless_its_container_was_measured_ten_seconds_after_its_start() {
        let check = |measured_at: i64, window: Option<i64>| {
            let mut fleet = fleet(0);
            fleet.scale(1, 0);
            fleet.measure(1999, 0.0);
            fleet.measure(measured_at, 0.0);
            let usage = fleet.pods[0].usage(measured_at, 0, 15_000);
            assert_eq!(usage.map(|usage| usage.window_ms), window, "{measured_at}");
        };
        check(1999, None);
        check(11_999, None);
        check(12_000, Some(10_000));
        check(16_999, Some(14_999));
        check(17_000, None);
    }

    #[test]
    fn a_measurement_is_known_after_its_lag() {
        let service = ServiceModel::default();
        let mut fleet = Fleet::new("web", &service, 1, Random::new(1)).with_old_pods(1, 0);
        for at in [0, 15_000, 30_000] {
            fleet.pods[0].cpu = at as f64;
            fleet.measure(at, 0.0);
        }
        assert_eq!(fleet.pods[0].usage(34_999, 5000, 15_000).map(|usage| usage.at_ms), Some(15_000));
        assert_eq!(fleet.pods[0].usage(35_000, 5000, 15_000).map(|usage| usage.at_ms), Some(30_000));
    }
}
