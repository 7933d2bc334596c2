//! The task that starts deliveries when they are due and keeps the files small.
//!
//! Input: the time, and a nudge when something changed. Output: one task for each delivery. It ends with the Alertmanager.

use super::Alertmanager;
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::task::JoinSet;

/// The longest that it sleeps, so that a clock that jumps is noticed.
const LONGEST_SLEEP: Duration = Duration::from_secs(1);

pub(super) async fn run(alertmanager: Weak<Alertmanager>) {
    let mut deliveries = JoinSet::new();
    loop {
        let Some(this) = alertmanager.upgrade() else { return };
        while deliveries.try_join_next().is_some() {}
        if *this.stopping.borrow() {
            this.end(&mut deliveries).await;
            return;
        }
        let sleep = this.step(&mut deliveries);
        let wake = Arc::clone(&this.wake);
        drop(this);
        tokio::select! {
            () = wake.notified() => {}
            () = tokio::time::sleep(sleep) => {}
        }
    }
}

impl Alertmanager {
    /// Starts what is due; returns how long nothing will be. A reload comes before or after all of it.
    fn step(self: &Arc<Self>, deliveries: &mut JoinSet<()>) -> Duration {
        let mut state = self.lock();
        let now = self.now();
        let effects = state.engine.due(now);
        state.take(effects);
        self.maintain(&mut state, now);
        for delivery in std::mem::take(&mut state.queued) {
            let receiver = &delivery.notification.receiver;
            let integration = state.integrations.get(receiver, delivery.integration_position);
            let integration = integration.expect("the engine has the receivers of the same configuration");
            let id = delivery.id;
            let handle = deliveries.spawn(Arc::clone(self).deliver(delivery, integration));
            state.running.insert(id, handle);
        }
        let next = state.engine.next_due().unwrap_or(i64::MAX).saturating_sub(now).max(0);
        Duration::from_millis(next.unsigned_abs()).min(LONGEST_SLEEP)
    }

    /// Gives deliveries under way a moment, and ends the others.
    async fn end(&self, deliveries: &mut JoinSet<()>) {
        let all = async { while deliveries.join_next().await.is_some() {} };
        if tokio::time::timeout(self.options.shutdown_grace, all).await.is_err() {
            deliveries.abort_all();
            while deliveries.join_next().await.is_some() {}
        }
    }
}
