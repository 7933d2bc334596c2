//! What is done from time to time: alerts, silences and entries of the log that no longer matter are forgotten, and the files kept small.
//!
//! Input: the time. Output: less of everything. What could not be written before is tried again here.

use super::{Alertmanager, State};
use crate::engine::milliseconds;

/// How often the log is brought to the disk, in milliseconds. Silences are there at once.
const SYNC_INTERVAL: i64 = 1000;

impl Alertmanager {
    pub(super) fn maintain(&self, state: &mut State, now: i64) {
        if now >= state.next_sync {
            state.next_sync = now.saturating_add(SYNC_INTERVAL);
            state.settle();
        }
        if now >= state.next_collection {
            state.next_collection = now.saturating_add(milliseconds(self.options.alert_gc_interval));
            state.engine.collect_alerts(now);
        }
        if now >= state.next_maintenance {
            state.next_maintenance = now.saturating_add(milliseconds(self.options.maintenance_interval));
            state.engine.silences.collect_garbage(now);
            state.engine.log.collect_garbage(now);
            self.metrics.maintenances.inc();
            let State { storage, engine, .. } = state;
            let compacted =
                storage.as_mut().map_or(Ok(()), |storage| storage.compact(&engine.silences, &engine.log));
            if let Err(error) = compacted {
                self.metrics.failed_maintenances.inc();
                tracing::error!(
                    "cannot make the files of notifications smaller: {error}; hint: make room on the volume"
                );
            }
        }
    }
}
