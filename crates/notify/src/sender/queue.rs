//! The queue of one Alertmanager, and what empties it.
//!
//! Input: alerts, at any rate. Output: requests, one at a time, with the oldest alerts first; counts of what was sent, failed and
//! dropped. It never makes its caller wait.

use super::SenderOptions;
use super::payload::body;
use crate::receivers::http_client::{self, Reading};
use crate::receivers::secret::Redactor;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tidewatch_manifest::AlertmanagerConfig;
use tidewatch_model::Alert;
use tokio::sync::Notify;

/// Sends to one Alertmanager.
pub(super) struct SendLoop {
    pub(super) url: String,
    pub(super) counts: Counts,
    config: Arc<AlertmanagerConfig>,
    capacity: usize,
    batch_size: usize,
    state: Mutex<State>,
    work: Notify,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Arc<Alert>>,
    phase: Phase,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Phase {
    #[default]
    Open,
    /// Takes nothing more and ends when empty.
    Draining,
    /// Takes and sends nothing more.
    Stopped,
}

/// What became of alerts.
pub(super) struct Counts {
    pub(super) sent: AtomicU64,
    pub(super) errors: AtomicU64,
    pub(super) dropped: AtomicU64,
    /// Seconds that successful requests took: the last ones, and all together.
    pub(super) recent: Mutex<Recent>,
}

/// The last latencies, in seconds.
#[derive(Clone, Debug, Default)]
pub(super) struct Recent {
    pub(super) last: VecDeque<f64>,
    pub(super) sum: f64,
    pub(super) count: u64,
}

/// Latencies that quantiles are taken from.
const RECENT: usize = 500;

impl SendLoop {
    pub(super) fn new(url: &str, config: Arc<AlertmanagerConfig>, options: &SenderOptions) -> Self {
        Self {
            url: url.to_owned(),
            counts: Counts {
                sent: AtomicU64::new(0),
                errors: AtomicU64::new(0),
                dropped: AtomicU64::new(0),
                recent: Mutex::default(),
            },
            config,
            capacity: options.queue_capacity.max(1),
            batch_size: options.max_batch_size.max(1),
            state: Mutex::default(),
            work: Notify::new(),
        }
    }

    /// Queues alerts; the oldest make room.
    pub(super) fn add(&self, alerts: &[Arc<Alert>]) {
        let mut state = self.lock();
        if state.phase != Phase::Open {
            return;
        }
        state.waiting.extend(alerts.iter().cloned());
        let too_many = state.waiting.len().saturating_sub(self.capacity);
        if too_many > 0 {
            state.waiting.drain(..too_many);
            self.counts.dropped.fetch_add(too_many as u64, Ordering::Relaxed);
            tracing::warn!(
                alertmanager = self.url,
                count = too_many,
                "alert notification queue full, dropping alerts"
            );
        }
        drop(state);
        self.work.notify_one();
    }

    /// How many alerts wait.
    pub(super) fn len(&self) -> usize {
        self.lock().waiting.len()
    }

    /// Takes nothing more; ends when all is sent, or a request fails.
    pub(super) fn drain(&self) {
        let mut state = self.lock();
        if state.phase == Phase::Open {
            state.phase = Phase::Draining;
        }
        drop(state);
        self.work.notify_one();
    }

    /// Ends after the request under way.
    pub(super) fn stop(&self) {
        self.lock().phase = Phase::Stopped;
        self.drop_rest();
        self.work.notify_one();
    }

    /// Drops what waits, and counts it.
    pub(super) fn drop_rest(&self) {
        let left = std::mem::take(&mut self.lock().waiting).len();
        if left > 0 {
            self.counts.dropped.fetch_add(left as u64, Ordering::Relaxed);
            tracing::warn!(alertmanager = self.url, count = left, "alerts left at the end are dropped");
        }
    }

    /// Sends until it is stopped, or drained.
    pub(super) async fn run(self: Arc<Self>) {
        loop {
            let (batch, phase) = self.next_batch();
            if phase == Phase::Stopped || (batch.is_empty() && phase == Phase::Draining) {
                return;
            }
            if batch.is_empty() {
                self.work.notified().await;
            } else if !self.send(&batch).await && phase == Phase::Draining {
                self.drop_rest();
                return;
            }
        }
    }

    fn next_batch(&self) -> (Vec<Arc<Alert>>, Phase) {
        let mut state = self.lock();
        let size = state.waiting.len().min(self.batch_size);
        let phase = state.phase;
        (state.waiting.drain(..size).collect(), phase)
    }

    async fn send(&self, batch: &[Arc<Alert>]) -> bool {
        let begin = Instant::now();
        let count = batch.len() as u64;
        let failed = match tokio::time::timeout(self.config.timeout, self.post(batch)).await {
            Ok(Ok(())) => {
                self.counts.observe(begin.elapsed());
                self.counts.sent.fetch_add(count, Ordering::Relaxed);
                return true;
            }
            Ok(Err(message)) => message,
            Err(_) => format!("no answer within {:?}", self.config.timeout),
        };
        self.counts.errors.fetch_add(count, Ordering::Relaxed);
        self.counts.dropped.fetch_add(count, Ordering::Relaxed);
        tracing::error!(alertmanager = self.url, count, error = failed, "error sending alerts");
        false
    }

    async fn post(&self, batch: &[Arc<Alert>]) -> Result<(), String> {
        let mut redactor = Redactor::default();
        let answer =
            http_client::post_json(&self.config.http, &self.url, body(batch), Reading::Errors, &mut redactor);
        let answer = answer.await;
        let answer = answer.map_err(|error| error.message)?;
        match answer.status {
            200..=299 => Ok(()),
            other => Err(format!("bad response status {other}")),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counts {
    fn observe(&self, latency: Duration) {
        let seconds = latency.as_secs_f64();
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        recent.sum += seconds;
        recent.count += 1;
        recent.last.push_back(seconds);
        if recent.last.len() > RECENT {
            recent.last.pop_front();
        }
    }
}
