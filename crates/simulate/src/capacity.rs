//! What a pod can do, and how long requests take.
//!
//! Input: the [`ServiceModel`] and a pod's CPU limit. Output: requests per second that a pod can do, and latencies at a rate.
//!
//! The model of latency: each pod is a queue M/M/c of its own (Erlang's delay formula; Kleinrock, Queueing Systems 1, 3.5; the
//! distribution of response times under first come, first served), with c the whole cores it may use, or its concurrency where
//! that is what binds. Waits are corrected for other than exponential times by Allen and Cunneen's factor (1 + cv²) / 2. What comes
//! above the capacity waits as a fluid: a backlog that drains at the capacity.

use crate::ServiceModel;

/// A pod's servers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Capacity {
    /// Requests per second at most.
    pub(crate) per_pod: f64,
    /// Requests that are worked on at the same time.
    servers: u32,
    /// Mean time a server needs for a request; seconds.
    service_seconds: f64,
    /// Time of a request outside of the server; seconds.
    wait_seconds: f64,
    /// (1 + cv²) / 2.
    variability: f64,
}

/// Mean and 99th percentile; seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Latency {
    pub(crate) mean: f64,
    pub(crate) p99: f64,
}

impl Capacity {
    /// Of a pod that may use so many cores.
    pub(crate) fn of(service: &ServiceModel, cpu_limit_cores: f64) -> Self {
        let cpu = service.cpu_seconds_per_request;
        let cores = (cpu_limit_cores - service.idle_cpu_cores).max(cpu_limit_cores * 0.01);
        let by_cpu = cores / cpu;
        let variability = f64::midpoint(1.0, service.variability);
        let by_concurrency = match service.concurrency {
            0 => f64::INFINITY,
            most => f64::from(most) / (cpu + service.wait_seconds_per_request),
        };
        if by_concurrency < by_cpu {
            return Self {
                per_pod: by_concurrency,
                servers: service.concurrency,
                service_seconds: cpu + service.wait_seconds_per_request,
                wait_seconds: 0.0,
                variability,
            };
        }
        let servers = (cores.floor() as u32).clamp(1, 1024);
        Self {
            per_pod: by_cpu,
            servers,
            service_seconds: f64::from(servers) / by_cpu,
            wait_seconds: service.wait_seconds_per_request,
            variability,
        }
    }

    /// Requests that a pod works on at the same time; 1 to 1,024.
    pub(crate) fn servers(&self) -> u32 {
        self.servers
    }

    /// Of requests that come to one pod at a rate (at most its capacity) when `backlog_seconds` of work wait before them.
    pub(crate) fn latency(&self, rate_per_pod: f64, backlog_seconds: f64) -> Latency {
        let outside = self.wait_seconds + backlog_seconds;
        let load = (rate_per_pod / self.per_pod).min(0.995);
        if load <= 0.0 {
            let p99 = self.service_seconds * 100f64.ln();
            return Latency { mean: outside + self.service_seconds, p99: outside + p99 };
        }
        let waits = erlang_delay(self.servers, load * f64::from(self.servers));
        // waits of those that wait are exponential with this rate
        let end_of_wait = (1.0 - load) * self.per_pod / self.variability;
        let mean = outside + self.service_seconds + waits / end_of_wait;
        Latency { mean, p99: outside + quantile(1.0 / self.service_seconds, end_of_wait, waits, 0.01) }
    }
}

/// Erlang's C: the share of requests that wait at c servers under a load of `erlangs`.
fn erlang_delay(servers: u32, erlangs: f64) -> f64 {
    let mut blocked = 1.0;
    for server in 1..=servers {
        blocked = erlangs * blocked / (f64::from(server) + erlangs * blocked);
    }
    let free = 1.0 - erlangs / f64::from(servers);
    blocked / (free + (1.0 - free) * blocked)
}

/// The time that a share of requests exceeds: service exponential with rate `served`, and before it for a share `waits` a
/// wait that is exponential with rate `ended`.
fn quantile(served: f64, ended: f64, waits: f64, share: f64) -> f64 {
    let exceeds = |time: f64| {
        let service = (-served * time).exp();
        let both = if (ended - served).abs() < served * 1e-6 {
            (1.0 + served * time) * service
        } else {
            (ended * service - served * (-ended * time).exp()) / (ended - served)
        };
        (1.0 - waits) * service + waits * both
    };
    let (mut low, mut high) = (0.0, 1.0 / served + 1.0 / ended);
    while exceeds(high) > share {
        high *= 2.0;
    }
    for _ in 0..30 {
        let middle = f64::midpoint(low, high);
        if exceeds(middle) > share { low = middle } else { high = middle }
    }
    high
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(value: f64, expected: f64, share: f64) {
        assert!((value - expected).abs() <= expected.abs() * share, "{value} is not {expected}");
    }

    #[test]
    fn delays_are_those_of_the_tables() {
        // one server: the share that waits is the load
        near(erlang_delay(1, 0.5), 0.5, 1e-9);
        near(erlang_delay(1, 0.9), 0.9, 1e-9);
        // two servers at one erlang: a third; five at four: 0.5541 (tables of Erlang C)
        near(erlang_delay(2, 1.0), 1.0 / 3.0, 1e-9);
        near(erlang_delay(5, 4.0), 0.5541, 1e-3);
    }

    #[test]
    fn one_server_has_the_exponential_response_of_an_mm1_queue() {
        let service = ServiceModel {
            cpu_seconds_per_request: 0.01,
            wait_seconds_per_request: 0.0,
            idle_cpu_cores: 0.0,
            ..ServiceModel::default()
        };
        let capacity = Capacity::of(&service, 1.0);
        near(capacity.per_pod, 100.0, 1e-9);
        for rate in [10.0, 50.0, 90.0] {
            let latency = capacity.latency(rate, 0.0);
            near(latency.mean, 1.0 / (100.0 - rate), 1e-6);
            near(latency.p99, 100f64.ln() / (100.0 - rate), 1e-4);
        }
        near(capacity.latency(50.0, 3.0).mean, 3.02, 1e-6);
    }

    #[test]
    fn the_concurrency_binds_where_it_is_less_than_the_cores_could_do() {
        let service = ServiceModel {
            cpu_seconds_per_request: 0.01,
            wait_seconds_per_request: 0.09,
            concurrency: 4,
            idle_cpu_cores: 0.0,
            ..ServiceModel::default()
        };
        near(Capacity::of(&service, 1.0).per_pod, 40.0, 1e-9);
        near(Capacity::of(&service, 0.2).per_pod, 20.0, 1e-9);
        near(Capacity::of(&service, 1.0).latency(0.0, 0.0).mean, 0.1, 1e-9);
    }
}
