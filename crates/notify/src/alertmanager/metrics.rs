//! Alertmanager's own metrics, by its names.
//!
//! Input: attempts as they are made, and at each scrape what is known. Output: families in a [`Registry`]. Labels are kinds of receivers,
//! states and reasons; no user data. `alertmanager_alerts`, `_silences` and so on are counted when somebody asks.

use super::Alertmanager;
use super::delivery::FailureReason;
use crate::dispatcher::Handling;
use std::sync::Arc;
use tidewatch_telemetry::{Counter, Family, Histogram, Observations, Registry};

type ByIntegration = [(&'static str, String); 1];

/// The kinds of receivers, as they are counted from the start.
const KINDS: [&str; 7] = ["webhook", "email", "pagerduty", "slack", "discord", "msteams", "msteamsv2"];

fn latency_buckets() -> Histogram {
    Histogram::new([1.0, 5.0, 10.0, 15.0, 20.0])
}

/// What is counted while it happens.
pub(super) struct Metrics {
    notifications: Family<ByIntegration, Counter>,
    failed: Family<[(&'static str, String); 2], Counter>,
    requests: Family<ByIntegration, Counter>,
    failed_requests: Family<ByIntegration, Counter>,
    latency: Family<ByIntegration, Histogram, fn() -> Histogram>,
    pub(super) maintenances: Counter,
    pub(super) failed_maintenances: Counter,
}

fn of(name: &str) -> ByIntegration {
    [("integration", name.to_owned())]
}

impl Metrics {
    pub(super) fn new() -> Self {
        let metrics = Self {
            notifications: Family::default(),
            failed: Family::default(),
            requests: Family::default(),
            failed_requests: Family::default(),
            latency: Family::new_with_constructor(latency_buckets as fn() -> Histogram),
            maintenances: Counter::default(),
            failed_maintenances: Counter::default(),
        };
        for kind in KINDS {
            metrics.notifications(kind);
            metrics.requests(kind);
            metrics.failed_requests(kind);
            metrics.latency(kind);
            for reason in FailureReason::ALL {
                metrics.failed(kind, reason);
            }
        }
        metrics
    }

    pub(super) fn notifications(&self, integration: &str) -> Counter {
        self.notifications.get_or_create_owned(&of(integration))
    }

    pub(super) fn requests(&self, integration: &str) -> Counter {
        self.requests.get_or_create_owned(&of(integration))
    }

    pub(super) fn failed_requests(&self, integration: &str) -> Counter {
        self.failed_requests.get_or_create_owned(&of(integration))
    }

    pub(super) fn failed(&self, integration: &str, reason: FailureReason) -> Counter {
        let [integration] = of(integration);
        self.failed.get_or_create_owned(&[integration, ("reason", reason.as_str().to_owned())])
    }

    pub(super) fn latency(&self, integration: &str) -> Histogram {
        self.latency.get_or_create_owned(&of(integration))
    }
}

impl Alertmanager {
    /// Adds `alertmanager_*`. To be called once.
    pub fn register_metrics(self: &Arc<Self>, registry: &Registry) {
        let metrics = &self.metrics;
        let families = [
            (
                "alertmanager_notifications_total",
                "The total number of attempted notifications",
                &metrics.notifications,
            ),
            (
                "alertmanager_notification_requests_total",
                "The total number of attempted notification requests",
                &metrics.requests,
            ),
            (
                "alertmanager_notification_requests_failed_total",
                "The total number of failed notification requests",
                &metrics.failed_requests,
            ),
        ];
        for (name, help, family) in families {
            registry.register(name, help, family.clone());
        }
        let help = "The total number of failed notifications";
        registry.register("alertmanager_notifications_failed_total", help, metrics.failed.clone());
        let help = "The latency of notifications in seconds";
        registry.register("alertmanager_notification_latency_seconds", help, metrics.latency.clone());
        let help = "How many maintenances were executed for the notification log";
        registry.register("alertmanager_nflog_maintenance_total", help, metrics.maintenances.clone());
        let help = "How many maintenances were executed for the notification log that failed";
        registry.register(
            "alertmanager_nflog_maintenance_errors_total",
            help,
            metrics.failed_maintenances.clone(),
        );
        let this = Arc::downgrade(self);
        registry.observe(move |out| {
            if let Some(alertmanager) = this.upgrade() {
                alertmanager.observe(out);
            }
        });
    }

    fn observe(&self, out: &mut Observations<'_>) {
        self.observe_alerts(out);
        self.observe_counts(out);
        self.observe_storage(out);
        self.observe_config(out);
    }

    fn observe_alerts(&self, out: &mut Observations<'_>) {
        let (alerts, silences, groups) = {
            let state = self.lock();
            let now = self.now();
            let engine = &state.engine;
            (engine.dispatcher.handling(now), engine.silences.counts(now), engine.dispatcher.len())
        };
        let count = |handling: Handling| alerts.values().filter(|known| **known == handling).count() as f64;
        let states = [
            ("active", Handling::Active),
            ("suppressed", Handling::Suppressed),
            ("unprocessed", Handling::Unprocessed),
        ];
        let states = states.map(|(state, handling)| (vec![("state", state.to_owned())], count(handling)));
        out.gauges("alertmanager_alerts", "How many alerts by state.", states);
        let states =
            silences.map(|(state, count)| (vec![("state", state.as_str().to_owned())], count as f64));
        out.gauges("alertmanager_silences", "How many silences by state.", states);
        let help = "Number of active aggregation groups";
        out.gauge("alertmanager_dispatcher_aggregation_groups", help, groups as f64);
    }

    fn observe_counts(&self, out: &mut Observations<'_>) {
        let counts = self.lock().engine.counts;
        let v2 = || ("version", "v2".to_owned());
        let received = [("firing", counts.received_firing), ("resolved", counts.received_resolved)];
        let received =
            received.map(|(status, count)| (vec![("status", status.to_owned()), v2()], count as f64));
        out.counters("alertmanager_alerts_received_total", "The total number of received alerts.", received);
        let help = "The total number of received alerts that were invalid.";
        out.counters("alertmanager_alerts_invalid_total", help, [(vec![v2()], counts.invalid as f64)]);
        let help = "Current limit on number of alerts per alert name";
        out.gauge("alertmanager_alerts_per_alert_limit", help, self.options.per_alert_name_limit as f64);
        let help = "Total number of alerts that were dropped due to a limit on alerts.";
        out.counter("alertmanager_alerts_limited_total", help, counts.limited as f64);
        let help = "Number of times when dispatcher failed to create new aggregation group due to limit.";
        let name = "alertmanager_dispatcher_aggregation_group_limit_reached_total";
        out.counter(name, help, counts.groups_limited as f64);
        let help = "The total number of notifications suppressed for being silenced, inhibited, outside of active time \
                    intervals or within muted time intervals.";
        let suppressed = [
            ("silence", counts.suppressed_by_silence),
            ("inhibition", counts.suppressed_by_inhibition),
            ("mute_time_interval", counts.suppressed_by_mute_time),
            ("active_time_interval", counts.suppressed_by_active_time),
        ];
        let suppressed =
            suppressed.map(|(reason, count)| (vec![("reason", reason.to_owned())], count as f64));
        out.counters("alertmanager_notifications_suppressed_total", help, suppressed);
        let help = "Number of notification log queries were received.";
        out.counter("alertmanager_nflog_queries_total", help, counts.log_queries as f64);
    }

    fn observe_storage(&self, out: &mut Observations<'_>) {
        let (bytes, entries, behind) = {
            let state = self.lock();
            let bytes = state.storage.as_ref().map_or((0, 0), |storage| storage.bytes());
            let behind = state.storage.as_ref().is_some_and(|storage| storage.behind().is_some());
            (bytes, state.engine.log.len(), behind)
        };
        let help = "Size of the silences on disk in bytes.";
        out.gauge("alertmanager_silences_snapshot_size_bytes", help, bytes.0 as f64);
        let help = "Size of the notification log on disk in bytes.";
        out.gauge("alertmanager_nflog_snapshot_size_bytes", help, bytes.1 as f64);
        let help = "Entries of the notification log.";
        out.gauge("tidewatch_nflog_entries", help, entries as f64);
        let help = "Whether the notification log could not be written and is behind what is known.";
        out.gauge("tidewatch_nflog_behind", help, f64::from(u8::from(behind)));
    }

    fn observe_config(&self, out: &mut Observations<'_>) {
        let (config, integrations, ok, at) = {
            let state = self.lock();
            let integrations = state.integrations.len();
            (Arc::clone(&state.config), integrations, state.last_reload_ok, state.last_reload_at)
        };
        out.gauge(
            "alertmanager_config_hash",
            "Hash of the currently loaded alertmanager configuration.",
            config.hash(),
        );
        let help = "Whether the last configuration reload attempt was successful.";
        out.gauge("alertmanager_config_last_reload_successful", help, f64::from(u8::from(ok)));
        let help = "Timestamp of the last successful configuration reload.";
        out.gauge("alertmanager_config_last_reload_success_timestamp_seconds", help, at as f64 / 1000.0);
        out.gauge("alertmanager_receivers", "Number of configured receivers.", config.receivers.len() as f64);
        out.gauge("alertmanager_integrations", "Number of configured integrations.", integrations as f64);
        let help = "Number of configured inhibition rules.";
        out.gauge("alertmanager_inhibition_rules", help, config.inhibit_rules.len() as f64);
    }
}
