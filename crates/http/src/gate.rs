//! The gate all work on the store passes: at most so many at once, each with a deadline, none for a client that has left.
//!
//! Input: a closure that reads or evaluates, on its way to a blocking thread. Output: what it returns, or the API's error
//! for a time-out, a cancellation or a panic. The slot is free again when the work has really stopped, not when the
//! client has its answer. It does not order or weigh queries: first come, first served.

use crate::error::{ApiError, ErrorType};
use crate::metrics::HttpMetrics;
use std::sync::Arc;
use std::time::Duration;
use tidewatch_promql::Cancel;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};

/// Bounds on the queries of all clients.
#[derive(Clone, Copy, Debug)]
pub struct QueryLimits {
    /// How many run at once; more wait.
    pub max_concurrency: usize,
    /// How long a query may take, waiting included.
    pub timeout: Duration,
}

impl Default for QueryLimits {
    /// Prometheus's defaults: 20 at once, two minutes each.
    fn default() -> Self {
        Self { max_concurrency: 20, timeout: Duration::from_secs(120) }
    }
}

/// Runs blocking work within the limits.
#[derive(Debug)]
pub(crate) struct Gate {
    slots: Arc<Semaphore>,
    timeout: Duration,
    metrics: Arc<HttpMetrics>,
}

/// Stops the work when the answer is no longer awaited: hyper drops the handler when its client disconnects.
struct CancelOnDrop(Cancel);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

/// What work is, for the metrics about queries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    /// An expression is evaluated.
    Query,
    /// The index is read.
    Lookup,
}

/// How long a piece of work waited and ran, in seconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timings {
    pub(crate) queue: f64,
    pub(crate) started: Instant,
}

impl Gate {
    pub(crate) fn new(limits: QueryLimits, metrics: Arc<HttpMetrics>) -> Self {
        metrics.queries_max.set(i64::try_from(limits.max_concurrency).unwrap_or(i64::MAX));
        Self {
            slots: Arc::new(Semaphore::new(limits.max_concurrency.max(1))),
            timeout: limits.timeout,
            metrics,
        }
    }

    /// Runs `work` on a blocking thread; a shorter `timeout` than the configured one holds instead.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        kind: Work,
        timeout: Option<Duration>,
        work: impl FnOnce(&Cancel, Timings) -> Result<T, ApiError> + Send + 'static,
    ) -> Result<T, ApiError> {
        let queued = Instant::now();
        let deadline = queued + timeout.map_or(self.timeout, |timeout| timeout.min(self.timeout));
        let is_query = kind == Work::Query;
        let counted = is_query.then(|| self.metrics.query_started());
        let slot = match timeout_at(deadline, Arc::clone(&self.slots).acquire_owned()).await {
            Ok(slot) => slot.expect("the semaphore is never closed"),
            Err(_) => return Err(timed_out("query queue")),
        };
        let started = Instant::now();
        let timings = Timings { queue: (started - queued).as_secs_f64(), started };
        let cancel = Cancel::new();
        let on_drop = CancelOnDrop(cancel.clone());
        let metrics = Arc::clone(&self.metrics);
        let running = tokio::task::spawn_blocking(move || {
            let done = work(&cancel, timings);
            if is_query {
                metrics.query_timed("queue_time", timings.queue);
                metrics.query_timed("inner_eval", started.elapsed().as_secs_f64());
            }
            drop((slot, counted));
            done
        });
        let outcome = timeout_at(deadline, running).await;
        drop(on_drop);
        match outcome {
            Ok(Ok(done)) => done,
            Ok(Err(failure)) => {
                tracing::error!(%failure, "a query ended in a panic");
                Err(ApiError::new(
                    ErrorType::Internal,
                    "the query ended in a defect of tidewatch, see its log",
                ))
            }
            Err(_) => Err(timed_out("expression evaluation")),
        }
    }
}

fn timed_out(stage: &str) -> ApiError {
    ApiError::new(ErrorType::Timeout, format!("query timed out in {stage}"))
}
