//! What an Alertmanager is started with, apart from its configuration file.
//!
//! Input: flags. Output: limits, times, folder and clock, with Alertmanager's defaults where it has one.

use crate::alerts::AlertLimits;
use crate::engine::{EngineOptions, milliseconds};
use crate::silences::SilenceLimits;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tidewatch_model::{Clock, SystemClock};

/// Limits and times of an Alertmanager. A limit of 0 is none.
#[derive(Clone)]
pub struct AlertmanagerOptions {
    /// Where silences and the notification log are kept; nothing outlives the process without.
    pub data_dir: Option<PathBuf>,
    /// How long the log and silences that are over are kept (`--data.retention`, 120 h).
    pub retention: Duration,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Where it can be reached, without a slash at the end; it stands in notifications.
    pub external_url: String,
    /// How often what is no longer needed is left out of the files (`--data.maintenance-interval`, 15 min).
    pub maintenance_interval: Duration,
    /// How often alerts that are over are forgotten (`--alerts.gc-interval`, 30 min).
    pub alert_gc_interval: Duration,
    /// Alerts of one name (`--alerts.per-alertname-limit`, none).
    pub per_alert_name_limit: usize,
    /// Alerts (`--alerts.limit`, 100,000).
    pub max_alerts: usize,
    /// Groups of alerts (`--dispatch.max-groups`, 20,000).
    pub max_groups: usize,
    /// Silences, those that are over included (`--silences.max-silences`, 10,000).
    pub max_silences: usize,
    /// Bytes of a silence as it is written (`--silences.max-silence-size-bytes`, 64 KiB).
    pub max_silence_bytes: usize,
    /// Notifications that are remembered (1000).
    pub history: usize,
    /// How long deliveries under way have at a shutdown (3 s).
    pub shutdown_grace: Duration,
}

impl Default for AlertmanagerOptions {
    fn default() -> Self {
        let EngineOptions { alerts, silences, most_groups, .. } = EngineOptions::default();
        Self {
            data_dir: None,
            retention: Duration::from_secs(120 * 3600),
            clock: Arc::new(SystemClock),
            external_url: String::new(),
            maintenance_interval: Duration::from_secs(15 * 60),
            alert_gc_interval: Duration::from_secs(30 * 60),
            per_alert_name_limit: alerts.per_name,
            max_alerts: alerts.total,
            max_groups: most_groups,
            max_silences: silences.count,
            max_silence_bytes: silences.bytes,
            history: 1000,
            shutdown_grace: Duration::from_secs(3),
        }
    }
}

impl AlertmanagerOptions {
    pub(super) fn engine(&self) -> EngineOptions {
        EngineOptions {
            retention: milliseconds(self.retention),
            alerts: AlertLimits { per_name: self.per_alert_name_limit, total: self.max_alerts },
            silences: SilenceLimits { count: self.max_silences, bytes: self.max_silence_bytes },
            most_groups: self.max_groups,
        }
    }
}
