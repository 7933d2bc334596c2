//! What the server counts about itself: requests, connections, queries.
//!
//! Input: the middleware and the gate. Output: families in the registry, with Prometheus's names where the meaning is the
//! same. The `handler` label is the route's pattern, never a path as it was sent.

use std::sync::Arc;
use tidewatch_telemetry::{Counter, Family, Gauge, Histogram, Registry};

type Labels<const N: usize> = [(&'static str, String); N];
type Histograms = Family<Labels<1>, Histogram>;

/// Families of metrics of the server.
#[derive(Debug)]
pub(crate) struct HttpMetrics {
    requests: Family<Labels<2>, Counter>,
    durations: Histograms,
    rejected: Family<Labels<1>, Counter>,
    query_durations: Histograms,
    samples_read: Counter,
    queries: Gauge,
    pub(crate) queries_max: Gauge,
    pub(crate) connections: Gauge,
    /// Times a listener had no place left.
    pub(crate) full: Counter,
}

impl HttpMetrics {
    pub(crate) fn new(registry: &Registry) -> Arc<Self> {
        let durations = || Histogram::new([0.1, 0.2, 0.4, 1.0, 3.0, 8.0, 20.0, 60.0, 120.0]);
        let parts = || Histogram::new([0.01, 0.1, 1.0, 10.0]);
        let metrics = Self {
            requests: Family::default(),
            durations: Family::new_with_constructor(durations),
            rejected: Family::default(),
            query_durations: Family::new_with_constructor(parts),
            samples_read: Counter::default(),
            queries: Gauge::default(),
            queries_max: Gauge::default(),
            connections: Gauge::default(),
            full: Counter::default(),
        };
        for reason in ["host", "origin"] {
            let _ = metrics.rejected.get_or_create(&[("reason", reason.to_owned())]);
        }
        metrics.register(registry);
        Arc::new(metrics)
    }

    fn register(&self, registry: &Registry) {
        let help = "Counter of HTTP requests";
        registry.register("prometheus_http_requests_total", help, self.requests.clone());
        let help = "Histogram of latencies for HTTP requests";
        registry.register("prometheus_http_request_duration_seconds", help, self.durations.clone());
        let help = "Requests refused because of where they come from, by reason";
        registry.register("tidewatch_http_rejected_total", help, self.rejected.clone());
        let help = "The duration of various parts of PromQL query execution";
        let name = "prometheus_engine_query_duration_histogram_seconds";
        registry.register(name, help, self.query_durations.clone());
        let help = "The total number of samples read by all queries";
        registry.register("prometheus_engine_query_samples_read_total", help, self.samples_read.clone());
        let help = "The current number of queries being executed or waiting";
        registry.register("prometheus_engine_queries", help, self.queries.clone());
        let help = "The max number of concurrent queries";
        registry.register("prometheus_engine_queries_concurrent_max", help, self.queries_max.clone());
        let help = "Connections that had to wait because all places of their listener were taken";
        registry.register("tidewatch_http_connections_full", help, self.full.clone());
        let help = "Open HTTP connections";
        registry.register("tidewatch_http_connections", help, self.connections.clone());
    }

    pub(crate) fn request(&self, handler: &str, code: u16, seconds: f64) {
        let handler = [("handler", handler.to_owned())];
        self.durations.get_or_create(&handler).observe(seconds);
        let [handler] = handler;
        self.requests.get_or_create(&[("code", code.to_string()), handler]).inc();
    }

    pub(crate) fn rejected(&self, reason: &str) {
        self.rejected.get_or_create(&[("reason", reason.to_owned())]).inc();
    }

    pub(crate) fn query_timed(&self, slice: &str, seconds: f64) {
        self.query_durations.get_or_create(&[("slice", slice.to_owned())]).observe(seconds);
    }

    pub(crate) fn samples_read(&self, samples: usize) {
        self.samples_read.inc_by(samples as u64);
    }

    /// Counts a query until the returned guard is dropped.
    pub(crate) fn query_started(&self) -> GaugeGuard {
        GaugeGuard::new(&self.queries)
    }
}

/// One more of something, for as long as this lives.
#[derive(Debug)]
pub(crate) struct GaugeGuard(Gauge);

impl GaugeGuard {
    pub(crate) fn new(gauge: &Gauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for GaugeGuard {
    fn drop(&mut self) {
        self.0.dec();
    }
}
