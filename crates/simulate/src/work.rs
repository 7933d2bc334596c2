//! The work of a moment: what arrives is shared out among the serving pods, done as far as they can, and counted as their CPU.
//!
//! Input: a rate over a short time and the pods. Output: what was done, what failed, what waits, and the pods' CPU counters.
//!
//! Requests go evenly to all serving pods (a Service). What they cannot do waits, at most as long as the timeout. Events of a queue wait in
//! their partitions without limit; a partition is read by one pod at a time, one event after the other; nobody reads while the
//! group rebalances.

use crate::capacity::Capacity;
use crate::fleet::Fleet;
use crate::{QueueModel, ServiceModel};

/// What waits, between two moments.
pub(crate) enum Work {
    /// Requests under way beyond the capacity.
    Requests {
        /// How many wait.
        backlog: f64,
    },
    /// Events in partitions.
    Queue(QueueState),
}

/// The partitions of a queue.
pub(crate) struct QueueState {
    /// Events that wait, by partition.
    lags: Vec<f64>,
    /// Share of the events that comes to each partition.
    shares: Vec<f64>,
    rebalance_ms: i64,
    paused_until: i64,
    /// Pods of the group, by id.
    members: Vec<u64>,
}

/// What was done in a short time.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Done {
    pub(crate) arrived: f64,
    pub(crate) served: f64,
    pub(crate) failed: f64,
}

impl Work {
    pub(crate) fn new(service: &ServiceModel) -> Self {
        match &service.queue {
            None => Self::Requests { backlog: 0.0 },
            Some(queue) => Self::Queue(QueueState {
                lags: shares(queue).iter().map(|share| share * queue.initial_lag).collect(),
                shares: shares(queue),
                rebalance_ms: (queue.rebalance_seconds * 1000.0) as i64,
                paused_until: i64::MIN,
                members: Vec::new(),
            }),
        }
    }

    /// Requests or events that wait.
    pub(crate) fn waiting(&self) -> f64 {
        match self {
            Self::Requests { backlog } => *backlog,
            Self::Queue(queue) => queue.lags.iter().sum(),
        }
    }

    /// Lets `rate` arrive from `now` for `milliseconds`, during which the set of serving pods stays the same.
    pub(crate) fn advance(
        &mut self,
        fleet: &mut Fleet,
        service: &ServiceModel,
        capacity: &Capacity,
        (now, milliseconds): (i64, i64),
        rate: f64,
    ) -> Done {
        let seconds = milliseconds as f64 / 1000.0;
        burn_idle(fleet, service, now, seconds);
        match self {
            Self::Requests { backlog } => {
                let serving = fleet.serving(now);
                let most = serving as f64 * capacity.per_pod * seconds;
                let arrived = rate * seconds;
                let served = (*backlog + arrived).min(most);
                let waits = *backlog + arrived - served;
                let longest = if serving == 0 { rate } else { most / seconds } * service.timeout_seconds;
                let failed = (waits - longest).max(0.0);
                *backlog = waits - failed;
                let each = served / serving.max(1) as f64;
                for pod in fleet.pods.iter_mut().filter(|pod| pod.serves(now)) {
                    pod.cpu += each * service.cpu_seconds_per_request;
                    pod.sidecar_cpu += each * service.sidecar_cpu_seconds_per_request;
                }
                Done { arrived, served, failed }
            }
            Self::Queue(queue) => queue.advance(fleet, service, capacity, now, seconds, rate),
        }
    }
}

/// CPU that pods use without requests.
fn burn_idle(fleet: &mut Fleet, service: &ServiceModel, now: i64, seconds: f64) {
    for pod in fleet.pods.iter_mut().filter(|pod| pod.running_ms <= now) {
        let cores = if pod.ready_ms <= now { service.idle_cpu_cores } else { service.start_cpu_cores };
        pod.cpu += cores * seconds;
        pod.sidecar_cpu += service.sidecar_idle_cpu_cores * seconds;
    }
}

/// Share of the events by partition.
pub(crate) fn shares(queue: &QueueModel) -> Vec<f64> {
    let partitions = queue.partitions.max(1) as usize;
    let even = 1.0 / partitions as f64;
    let fullest = queue.fullest_share.max(even);
    let rest = if partitions == 1 { 0.0 } else { (1.0 - fullest) / (partitions - 1) as f64 };
    (0..partitions).map(|at| if at == 0 { fullest } else { rest }).collect()
}

impl QueueState {
    fn advance(
        &mut self,
        fleet: &mut Fleet,
        service: &ServiceModel,
        capacity: &Capacity,
        now: i64,
        seconds: f64,
        rate: f64,
    ) -> Done {
        let members: Vec<u64> = fleet.pods.iter().filter(|pod| pod.serves(now)).map(|pod| pod.id).collect();
        if members != self.members {
            if !self.members.is_empty() {
                self.paused_until = now + self.rebalance_ms;
            }
            self.members = members;
        }
        for (lag, share) in self.lags.iter_mut().zip(&self.shares) {
            *lag += share * rate * seconds;
        }
        let arrived = rate * seconds;
        if now < self.paused_until || self.members.is_empty() {
            return Done { arrived, ..Done::default() };
        }
        let in_turn = seconds / (service.cpu_seconds_per_request + service.wait_seconds_per_request);
        let readers = self.members.len();
        let mut served = 0.0;
        for (reader, pod) in fleet.pods.iter_mut().filter(|pod| pod.serves(now)).enumerate() {
            let own = || (reader..self.lags.len()).step_by(readers);
            let wanted: f64 = own().map(|at| self.lags[at].min(in_turn)).sum();
            let granted = (capacity.per_pod * seconds / wanted).min(1.0);
            if wanted <= 0.0 {
                continue;
            }
            for at in own() {
                self.lags[at] -= self.lags[at].min(in_turn) * granted;
            }
            served += wanted * granted;
            pod.cpu += wanted * granted * service.cpu_seconds_per_request;
            pod.sidecar_cpu += wanted * granted * service.sidecar_cpu_seconds_per_request;
        }
        Done { arrived, served, failed: 0.0 }
    }

    /// The next moment at which reading begins again.
    pub(crate) fn resumes(&self, now: i64) -> Option<i64> {
        (self.paused_until > now).then_some(self.paused_until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    fn near(value: f64, expected: f64) {
        assert!((value - expected).abs() < 1e-9, "{value} is not {expected}");
    }

    fn service() -> ServiceModel {
        ServiceModel {
            cpu_seconds_per_request: 0.1,
            wait_seconds_per_request: 0.0,
            idle_cpu_cores: 0.0,
            timeout_seconds: 4.0,
            ..ServiceModel::default()
        }
    }

    fn run(service: &ServiceModel, pods: u32, rates: &[f64]) -> (Work, Fleet, Vec<Done>) {
        let mut work = Work::new(service);
        let mut fleet = Fleet::new("web", service, 0, Random::new(0)).with_old_pods(pods, 0);
        let capacity = Capacity::of(service, 1.0);
        let done = rates.iter().enumerate().map(|(second, rate)| {
            work.advance(&mut fleet, service, &capacity, (second as i64 * 1000, 1000), *rate)
        });
        let done = done.collect();
        (work, fleet, done)
    }

    #[test]
    fn what_is_beyond_the_capacity_waits_and_then_fails() {
        let (work, fleet, done) = run(&service(), 2, &[10.0, 50.0]);
        near(done[0].served, 10.0);
        near(done[1].served, 20.0);
        near(work.waiting(), 30.0);
        near(fleet.pods[0].cpu, 1.5);
        let (work, _, done) = run(&service(), 2, &[200.0, 0.0]);
        near(done[0].failed, 180.0 - 80.0);
        near(done[1].failed, 0.0);
        near(work.waiting(), 60.0);
    }

    #[test]
    fn partitions_are_shared_out_and_a_reader_takes_what_its_cpu_allows() {
        let queue = QueueModel { partitions: 3, initial_lag: 90.0, ..QueueModel::default() };
        let service = ServiceModel { queue: Some(queue), ..service() };
        let (work, fleet, done) = run(&service, 2, &[0.0]);
        near(done[0].served, 20.0);
        near(work.waiting(), 70.0);
        near(fleet.pods[0].cpu, 1.0);
        // four readers, three partitions: one has nothing to do
        let (_, fleet, done) = run(&service, 4, &[0.0]);
        near(done[0].served, 30.0);
        near(fleet.pods[3].cpu, 0.0);
    }

    #[test]
    fn a_partition_is_read_in_turn() {
        let queue = QueueModel { partitions: 1, initial_lag: 90.0, ..QueueModel::default() };
        let service = ServiceModel { queue: Some(queue), wait_seconds_per_request: 0.4, ..service() };
        let (_, _, done) = run(&service, 1, &[0.0]);
        near(done[0].served, 2.0);
    }

    #[test]
    fn nobody_reads_while_the_group_rebalances() {
        let queue = QueueModel { initial_lag: 90.0, rebalance_seconds: 2.0, ..QueueModel::default() };
        let service = ServiceModel { queue: Some(queue), ..service() };
        let mut work = Work::new(&service);
        let mut fleet = Fleet::new("web", &service, 0, Random::new(0)).with_old_pods(1, 0);
        let capacity = Capacity::of(&service, 1.0);
        let mut step =
            |fleet: &mut Fleet, now: i64| work.advance(fleet, &service, &capacity, (now, 1000), 0.0).served;
        near(step(&mut fleet, 0), 10.0);
        fleet.scale(2, 1000);
        near(step(&mut fleet, 1000), 10.0);
        near(step(&mut fleet, 11_000), 0.0);
        near(step(&mut fleet, 12_000), 0.0);
        near(step(&mut fleet, 13_000), 20.0);
    }

    #[test]
    fn the_fullest_partition_takes_its_share() {
        let queue = QueueModel { partitions: 5, fullest_share: 0.6, ..QueueModel::default() };
        let shares = shares(&queue);
        near(shares[0], 0.6);
        near(shares.iter().sum::<f64>(), 1.0);
    }
}
