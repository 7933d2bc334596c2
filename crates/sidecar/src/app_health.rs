//! Whether the application is healthy, by asking it.
//!
//! Input: probes at intervals. Output: a watched boolean, false until the first success. What follows from it is the sidecar's.

use crate::AppHealthOptions;
use crate::app_channel::AppChannel;
use std::sync::Arc;
use tokio::sync::watch;

/// Probes for ever.
pub(crate) async fn probe(app: Arc<AppChannel>, options: AppHealthOptions, healthy: watch::Sender<bool>) {
    let mut ticks = tokio::time::interval(options.interval);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut failures = options.threshold;
    loop {
        ticks.tick().await;
        failures =
            if app.probe(&options.path, options.timeout).await { 0 } else { failures.saturating_add(1) };
        let is_healthy = failures < options.threshold;
        let changed = healthy.send_if_modified(|was| std::mem::replace(was, is_healthy) != is_healthy);
        match (changed, is_healthy) {
            (true, true) => tracing::info!("the application is healthy"),
            (true, false) => tracing::warn!(failures, "the application is unhealthy: deliveries pause"),
            (false, _) => {}
        }
    }
}
