//! What happened in one phase, as it is recorded while it runs.
//!
//! Input: each short time and each scaling of the engine. Output: the timeline, sums, and when replicas and needs changed. Nothing is
//! recorded of the warm-up.

use crate::capacity::Capacity;
use crate::need::Need;
use crate::work::Done;
use crate::{Scaling, Summary, TimelinePoint};

/// A number of replicas from a moment on.
pub(crate) type Steps<T> = Vec<(i64, T)>;

/// The record of a phase.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trace {
    pub(crate) timeline: Vec<TimelinePoint>,
    pub(crate) scalings: Vec<Scaling>,
    /// Of each scaling: when, from, to.
    pub(crate) moves: Vec<(i64, u32, u32)>,
    /// What the load needs.
    pub(crate) needs: Steps<Need>,
    /// Ready pods.
    pub(crate) ready: Steps<u32>,
    /// Replicas asked for.
    pub(crate) replicas: Steps<u32>,
    pub(crate) summary: Summary,
    /// Highest 99th percentile of the points throughout which as many pods were ready as needed; seconds.
    /// None while there was no such point.
    pub(crate) settled_p99: Option<f64>,
    /// Most replicas that the load would need without the autoscaler's limits.
    pub(crate) most_needed: u32,
    /// Longest that a condition said the metrics cannot be had, in syncs.
    pub(crate) syncs_without_metrics: u32,
    pub(crate) syncs: u32,
    pub(crate) problem: Option<String>,
    /// Latencies times what was served, and what was served.
    pub(crate) latency_sum: f64,
    pub(crate) served: f64,
}

/// A short time in which pods and rate stayed the same.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    pub(crate) from_ms: i64,
    pub(crate) milliseconds: i64,
    pub(crate) done: Done,
    pub(crate) need: Need,
    /// Replicas asked for.
    pub(crate) replicas: u32,
    pub(crate) ready: u32,
    /// Pods that exist, with those that end.
    pub(crate) pods: u32,
    pub(crate) waiting: f64,
    pub(crate) at_max: bool,
}

/// Constants of the simulated service that figures of the timeline need.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Figures {
    pub(crate) capacity: Capacity,
    /// Events per second that all partitions allow.
    pub(crate) most_served: f64,
    pub(crate) cpu_per_request: f64,
    pub(crate) idle_cpu: f64,
    pub(crate) cpu_request: Option<f64>,
    pub(crate) timeout_seconds: f64,
}

/// Collects the moments of one point of the timeline.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Bucket {
    seconds: f64,
    arrived: f64,
    served: f64,
    failed: f64,
    ready_seconds: f64,
    waiting_seconds: f64,
    /// Whether fewer pods than needed were ready at any time.
    lacking: bool,
}

impl Trace {
    /// Adds a moment to the sums and to the point that is being collected.
    pub(crate) fn add(&mut self, bucket: &mut Bucket, moment: &Moment) {
        let seconds = moment.milliseconds as f64 / 1000.0;
        bucket.seconds += seconds;
        bucket.arrived += moment.done.arrived;
        bucket.served += moment.done.served;
        bucket.failed += moment.done.failed;
        bucket.ready_seconds += f64::from(moment.ready) * seconds;
        bucket.waiting_seconds += moment.waiting * seconds;
        bucket.lacking |= moment.ready < moment.need.low;
        changed(&mut self.needs, moment.from_ms, moment.need);
        changed(&mut self.ready, moment.from_ms, moment.ready);
        changed(&mut self.replicas, moment.from_ms, moment.replicas);
        let minutes = seconds / 60.0;
        let sums = &mut self.summary;
        sums.arrived += moment.done.arrived;
        sums.failed += moment.done.failed;
        sums.pod_minutes += f64::from(moment.pods) * minutes;
        sums.under_provisioned_pod_minutes +=
            f64::from(moment.need.low.saturating_sub(moment.ready)) * minutes;
        sums.over_provisioned_pod_minutes +=
            f64::from(moment.replicas.saturating_sub(moment.need.high)) * minutes;
        sums.most_replicas = sums.most_replicas.max(moment.replicas);
        sums.seconds_at_max += if moment.at_max { seconds } else { 0.0 };
        sums.most_waiting = sums.most_waiting.max(moment.waiting);
        self.most_needed = self.most_needed.max(moment.need.unlimited);
    }

    /// Ends a point of the timeline.
    pub(crate) fn end_point(&mut self, bucket: &mut Bucket, last: &Moment, figures: &Figures, memory: f64) {
        if bucket.seconds <= 0.0 {
            return;
        }
        let ended = std::mem::take(bucket);
        let ready = ended.ready_seconds / ended.seconds;
        let served_rate = ended.served / ended.seconds;
        let waiting = ended.waiting_seconds / ended.seconds;
        let per_pod = if ready > 0.0 { served_rate / ready } else { 0.0 };
        let capacity = (ready * figures.capacity.per_pod).min(figures.most_served);
        let backlog = if capacity > 0.0 { waiting / capacity } else { figures.timeout_seconds };
        let latency = figures.capacity.latency(per_pod, backlog);
        let cores = per_pod * figures.cpu_per_request + figures.idle_cpu;
        self.latency_sum += latency.mean * ended.served;
        self.served += ended.served;
        self.summary.latency_p99_worst_seconds = self.summary.latency_p99_worst_seconds.max(latency.p99);
        if !ended.lacking {
            self.settled_p99 = Some(self.settled_p99.unwrap_or(0.0).max(latency.p99));
        }
        self.timeline.push(TimelinePoint {
            time_seconds: (last.from_ms + last.milliseconds) as f64 / 1000.0,
            arrival_rate: ended.arrived / ended.seconds,
            served_rate,
            failed_rate: ended.failed / ended.seconds,
            replicas: last.replicas,
            ready_replicas: last.ready,
            needed_replicas: last.need.low,
            cpu_cores_per_pod: cores,
            cpu_utilization: figures.cpu_request.map(|request| cores / request * 100.0),
            memory_bytes_per_pod: memory,
            waiting: last.waiting,
            latency_mean_seconds: latency.mean,
            latency_p99_seconds: latency.p99,
        });
    }

    /// Notes a scaling.
    pub(crate) fn scaled(&mut self, now: i64, from: u32, to: u32, sentence: String) {
        self.moves.push((now, from, to));
        self.scalings.push(Scaling { time_seconds: now as f64 / 1000.0, from, to, sentence });
        if to > from {
            self.summary.scale_ups += 1;
        } else {
            self.summary.scale_downs += 1;
        }
    }

    /// Fills in what needs the whole phase.
    pub(crate) fn finish(&mut self) {
        if self.served > 0.0 {
            self.summary.latency_mean_seconds = self.latency_sum / self.served;
        }
    }
}

fn changed<T: PartialEq>(steps: &mut Steps<T>, now: i64, value: T) {
    if steps.last().is_none_or(|(_, last)| *last != value) {
        steps.push((now, value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ServiceModel;

    fn settled(ready: &[u32]) -> Option<f64> {
        let figures = Figures {
            capacity: Capacity::of(&ServiceModel::default(), 1.0),
            most_served: f64::INFINITY,
            cpu_per_request: 0.005,
            idle_cpu: 0.0,
            cpu_request: None,
            timeout_seconds: 30.0,
        };
        let (mut trace, mut bucket) = (Trace::default(), Bucket::default());
        let moments: Vec<Moment> =
            ready.iter().enumerate().map(|(at, ready)| moment(at as i64, *ready)).collect();
        for moment in &moments {
            trace.add(&mut bucket, moment);
        }
        trace.end_point(&mut bucket, moments.last().expect("one at least"), &figures, 0.0);
        trace.settled_p99
    }

    fn moment(second: i64, ready: u32) -> Moment {
        Moment {
            from_ms: second * 1000,
            milliseconds: 1000,
            done: Done { arrived: 10.0, served: 10.0, failed: 0.0 },
            need: Need { low: 4, high: 4, unlimited: 4 },
            replicas: 4,
            ready,
            pods: 4,
            waiting: 0.0,
            at_max: false,
        }
    }

    #[test]
    fn a_point_in_which_pods_were_missing_is_not_settled() {
        assert!(settled(&[4, 5, 4]).is_some());
        assert_eq!(settled(&[3, 3, 4]), None, "enough at its end only");
        assert_eq!(settled(&[4, 3, 4]), None);
    }
}
