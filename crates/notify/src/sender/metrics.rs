//! The sender's own metrics, by Prometheus's names.
//!
//! Input: the counts of the queues. Output: families in a [`Registry`], observed at each scrape. The label `alertmanager` is the URL as
//! configured, which holds no credentials.

use super::queue::{Recent, SendLoop};
use super::{Running, Sender};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError};
use tidewatch_telemetry::{Observations, Registry, Summary};

type Family = (&'static str, &'static str, fn(&SendLoop) -> f64);

/// Counters of each Alertmanager.
const COUNTERS: [Family; 3] = [
    ("prometheus_notifications_errors_total", "Total number of sent alerts affected by errors.", |queue| {
        load(&queue.counts.errors)
    }),
    ("prometheus_notifications_sent_total", "Total number of alerts sent.", |queue| load(&queue.counts.sent)),
    (
        "prometheus_notifications_dropped_total",
        "Total number of alerts dropped due to errors when sending to Alertmanager.",
        |queue| load(&queue.counts.dropped),
    ),
];

fn load(counter: &AtomicU64) -> f64 {
    counter.load(Ordering::Relaxed) as f64
}

impl Sender {
    /// Adds `prometheus_notifications_*`. To be called once.
    pub fn register_metrics(self: &Arc<Self>, registry: &Registry) {
        let sender = Arc::clone(self);
        registry.observe(move |out| sender.observe(out));
        let sender = Arc::clone(self);
        let help = "Latency quantiles for sending alert notifications";
        registry.observe_summaries("prometheus_notifications_latency_seconds", help, move || {
            sender.queues().iter().map(|queue| summary(queue)).collect()
        });
    }

    fn queues(&self) -> Vec<Arc<SendLoop>> {
        let state = self.lock();
        let running = state.sets.iter().flat_map(|set| set.loops.values());
        running.map(|Running { queue, .. }| Arc::clone(queue)).collect()
    }

    fn observe(&self, out: &mut Observations<'_>) {
        let queues = self.queues();
        let of_each = |value: fn(&SendLoop) -> f64| {
            queues.iter().map(move |queue| (vec![("alertmanager", queue.url.clone())], value(queue)))
        };
        for (name, help, value) in COUNTERS {
            out.counters(name, help, of_each(value));
        }
        let help = "The number of alert notifications in the queue.";
        out.gauges("prometheus_notifications_queue_length", help, of_each(|queue| queue.len() as f64));
        let help = "The capacity of the alert notifications queue.";
        out.gauge("prometheus_notifications_queue_capacity", help, self.options.queue_capacity as f64);
        let help = "The number of alertmanagers discovered and active.";
        out.gauge("prometheus_notifications_alertmanagers_discovered", help, queues.len() as f64);
    }
}

fn summary(queue: &SendLoop) -> Summary {
    let recent = queue.counts.recent.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let Recent { last, sum, count } = recent;
    let mut sorted: Vec<f64> = last.into();
    sorted.sort_by(f64::total_cmp);
    let rank = |quantile: f64| ((sorted.len() as f64 * quantile).ceil() as usize).saturating_sub(1);
    let value = |quantile: f64| sorted.get(rank(quantile)).copied().unwrap_or(f64::NAN);
    Summary {
        labels: vec![("alertmanager", queue.url.clone())],
        quantiles: [0.5, 0.9, 0.99].map(|quantile| (quantile, value(quantile))).to_vec(),
        sum,
        count,
    }
}
