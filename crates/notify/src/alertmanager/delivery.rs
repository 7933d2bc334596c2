//! Makes one delivery: attempt after attempt until it is taken, cannot succeed, or the group's next turn comes.
//!
//! Input: a delivery and the integration that sends. Output: what became of it, to the engine, the history and the metrics. Nothing is
//! lost with a delivery that fails: the log does not know of it, so the group's next turn tells again.

use super::Alertmanager;
use super::integrations::Integration;
use crate::SendError;
use crate::backoff::{Backoff, Next};
use crate::engine::Delivery;
use crate::history::{NotificationRecord, Outcome};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::SemaphorePermit;
use tokio::time::Instant;

/// Why a delivery ended without success, as Alertmanager counts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FailureReason {
    Other,
    ClientError,
    ServerError,
    Canceled,
    DeadlineExceeded,
    Auth,
    RateLimited,
}

impl FailureReason {
    pub(super) const ALL: [Self; 7] = [
        Self::Other,
        Self::ClientError,
        Self::ServerError,
        Self::Canceled,
        Self::DeadlineExceeded,
        Self::Auth,
        Self::RateLimited,
    ];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Other => "other",
            Self::ClientError => "clientError",
            Self::ServerError => "serverError",
            Self::Canceled => "contextCanceled",
            Self::DeadlineExceeded => "contextDeadlineExceeded",
            Self::Auth => "authError",
            Self::RateLimited => "rateLimited",
        }
    }

    /// By the status that an error names.
    fn of(error: &SendError) -> Self {
        let status = error.message.split_once("status code ").map(|(_, rest)| rest);
        let status = status.and_then(|rest| rest.get(..3)).and_then(|digits| digits.parse().ok());
        match status {
            Some(401 | 403) => Self::Auth,
            Some(429) => Self::RateLimited,
            Some(400..=499u16) => Self::ClientError,
            Some(500..=599) => Self::ServerError,
            _ => Self::Other,
        }
    }
}

/// A delivery while it is made.
struct Attempts<'a> {
    alertmanager: &'a Alertmanager,
    delivery: &'a Delivery,
    integration: &'a Integration,
    deadline: Instant,
    record: NotificationRecord,
    last_error: Option<SendError>,
}

/// Ends a delivery that is dropped on the way, or panics, so that its group does not wait for it.
struct Unfinished {
    alertmanager: Arc<Alertmanager>,
    delivery: Arc<Delivery>,
    finished: bool,
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if !self.finished {
            self.alertmanager.history_lock().end(self.delivery.id, "ended before it was delivered");
            self.alertmanager.finish(&self.delivery, false);
        }
    }
}

impl Alertmanager {
    pub(super) async fn deliver(self: Arc<Self>, delivery: Arc<Delivery>, integration: Arc<Integration>) {
        let (alertmanager, of) = (Arc::clone(&self), Arc::clone(&delivery));
        let mut unfinished = Unfinished { alertmanager, delivery: of, finished: false };
        let now = self.now();
        let left = delivery.deadline.saturating_sub(now).max(0);
        let spec = &delivery.integration;
        let name = format!("{}[{}]", spec.name, spec.index);
        let mut attempts = Attempts {
            alertmanager: &self,
            delivery: &delivery,
            integration: &integration,
            deadline: Instant::now() + Duration::from_millis(left.unsigned_abs()),
            record: NotificationRecord::new(&delivery.notification, name, now),
            last_error: None,
        };
        self.metrics.notifications(spec.name).inc();
        let failed = attempts.make().await.err();
        let Attempts { mut record, last_error, .. } = attempts;
        record.duration_ms = self.now().saturating_sub(now);
        record.outcome = if failed.is_some() { Outcome::Failed } else { Outcome::Delivered };
        record.error =
            failed.map(|reason| last_error.map_or_else(|| reason.as_str().to_owned(), |e| e.message));
        if let Some(reason) = failed {
            self.metrics.failed(spec.name, reason).inc();
        }
        if integration.is_news(record.error.as_deref()) {
            tell(&record);
        }
        self.history_lock().put(delivery.id, record);
        unfinished.finished = true;
        self.finish(&delivery, failed.is_none());
    }

    fn finish(&self, delivery: &Delivery, delivered: bool) {
        let mut state = self.lock();
        state.running.remove(&delivery.id);
        let now = self.now();
        let effects = state.engine.finished(delivery, delivered, now);
        state.take(effects);
        drop(state);
        self.wake.notify_one();
    }
}

/// Says that an integration began to fail, fails for another reason, or works again.
fn tell(record: &NotificationRecord) {
    let NotificationRecord { receiver, integration, group_key, attempts, .. } = record;
    match &record.error {
        Some(error) => tracing::error!(
            receiver,
            integration,
            group = group_key,
            attempts,
            error,
            "a notification failed; the same again is only counted and kept"
        ),
        None => tracing::info!(receiver, integration, "notifications are delivered again"),
    }
}

impl<'a> Attempts<'a> {
    /// Tries until the end.
    async fn make(&mut self) -> Result<(), FailureReason> {
        let mut backoff = Backoff::new();
        let mut stopping = self.alertmanager.stopping.subscribe();
        loop {
            let turn = tokio::select! {
                _ = stopping.wait_for(|stopping| *stopping) => return Err(FailureReason::Canceled),
                turn = self.wait_for_turn() => turn?,
            };
            let Err(error) = self.attempt().await else { return Ok(()) };
            drop(turn);
            let left = self.deadline.saturating_duration_since(Instant::now());
            let next = backoff.after(&error, left, fastrand::f64());
            if let Some(wait) = error.retry_after {
                self.integration.be_quiet_until(Instant::now() + wait);
            }
            let reason = FailureReason::of(&error);
            self.note(&error);
            self.last_error = Some(error);
            let Next::Retry(wait) = next else { return Err(reason) };
            tokio::select! {
                _ = stopping.wait_for(|stopping| *stopping) => return Err(FailureReason::Canceled),
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    /// Waits while too many attempts are under way, or the other side wants to be left alone, if that ends in time.
    async fn wait_for_turn(&self) -> Result<SemaphorePermit<'a>, FailureReason> {
        let turn = tokio::time::timeout_at(self.deadline, self.integration.attempts.acquire()).await;
        let turn = turn.map_err(|_| FailureReason::DeadlineExceeded)?.map_err(|_| FailureReason::Canceled)?;
        while let Some(until) = self.integration.quiet_until().filter(|until| *until > Instant::now()) {
            if until >= self.deadline {
                return Err(FailureReason::RateLimited);
            }
            tokio::time::sleep_until(until).await;
        }
        Ok(turn)
    }

    async fn attempt(&mut self) -> Result<(), SendError> {
        let metrics = &self.alertmanager.metrics;
        let name = self.delivery.integration.name;
        let sent = async {
            let begin = Instant::now();
            let sent = self.integration.receiver.notify(&self.delivery.notification).await;
            metrics.latency(name).observe(begin.elapsed().as_secs_f64());
            sent
        };
        let sent = tokio::time::timeout_at(self.deadline, sent).await;
        self.record.attempts += 1;
        metrics.requests(name).inc();
        let sent =
            sent.unwrap_or_else(|_| Err(SendError::recoverable("no answer before the group's next turn")));
        if sent.is_err() {
            metrics.failed_requests(name).inc();
        }
        sent
    }

    /// Shows an attempt that failed.
    fn note(&mut self, error: &SendError) {
        self.record.error = Some(error.message.clone());
        let so_far = self.alertmanager.now().saturating_sub(self.record.time);
        self.record.duration_ms = so_far;
        self.alertmanager.history_lock().put(self.delivery.id, self.record.clone());
        let same = self.last_error.as_ref().is_some_and(|last| last.message == error.message);
        if error.retry && !same && !self.integration.is_failing() {
            let NotificationRecord { receiver, integration, attempts, .. } = &self.record;
            tracing::warn!(receiver, integration, attempts, error = %error, "an attempt to notify failed, trying again later");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_counted_by_what_the_other_side_says() {
        let check = |message: &str, expected: FailureReason| {
            assert_eq!(FailureReason::of(&SendError::recoverable(message)), expected, "{message}");
        };
        check("unexpected status code 404: x", FailureReason::ClientError);
        check("unexpected status code 429", FailureReason::RateLimited);
        check("unexpected status code 403", FailureReason::Auth);
        check("unexpected status code 503: status code 400", FailureReason::ServerError);
        check("unexpected status code 302", FailureReason::Other);
        check("connection refused", FailureReason::Other);
    }
}
