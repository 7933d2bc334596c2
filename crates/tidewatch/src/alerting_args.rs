//! Flags of rules and of sending their alerts: Prometheus's own, with their defaults.
//!
//! Input: the process's arguments. Output: options for the stages. Nothing is started here.

use crate::alerting::{AlertingSpec, RuleSpec};
use crate::cli::duration;
use clap::Args;
use std::collections::BTreeMap;
use std::time::Duration;
use tidewatch_model::format_duration;
use tidewatch_notify::SenderOptions;
use tidewatch_rules::{RestoreOptions, RulesOptions};

/// When rules make alerts, and how these are sent.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Alerts (the flags of Prometheus)")]
pub(crate) struct AlertingArgs {
    /// How many alerts may wait for each Alertmanager elsewhere
    #[arg(long = "alertmanager.notification-queue-capacity", value_name = "N", default_value_t = 10_000)]
    queue_capacity: usize,

    /// Where the page can be reached, for links in notifications. Default: its own address
    #[arg(long = "web.external-url", value_name = "URL")]
    external_url: Option<String>,

    /// How old the state of a pending alert may be to be taken up again after a restart
    #[arg(long = "rules.alert.for-outage-tolerance", value_name = "DURATION", default_value = "1h", value_parser = duration)]
    outage_tolerance: Duration,

    /// How long an alert that was pending before a restart is pending at least after it
    #[arg(long = "rules.alert.for-grace-period", value_name = "DURATION", default_value = "10m", value_parser = duration)]
    grace_period: Duration,

    /// How long a firing alert is not told again to an Alertmanager
    #[arg(long = "rules.alert.resend-delay", value_name = "DURATION", default_value = "1m", value_parser = duration)]
    resend_delay: Duration,
}

impl AlertingArgs {
    /// What rules and senders are started with.
    pub(crate) fn spec(&self, rules: RuleSpec) -> AlertingSpec {
        let restore =
            RestoreOptions { outage_tolerance: self.outage_tolerance, grace_period: self.grace_period };
        AlertingSpec {
            rules,
            external_url: self.external_url.as_ref().map(|url| url.trim_end_matches('/').to_owned()),
            options: RulesOptions { resend_delay: self.resend_delay, restore, ..RulesOptions::default() },
            sender: SenderOptions { queue_capacity: self.queue_capacity, ..SenderOptions::default() },
        }
    }

    /// The flags in force, for the API.
    pub(crate) fn flags(&self) -> BTreeMap<String, String> {
        let durations = [
            ("rules.alert.for-outage-tolerance", self.outage_tolerance),
            ("rules.alert.for-grace-period", self.grace_period),
            ("rules.alert.resend-delay", self.resend_delay),
        ];
        let mut flags: BTreeMap<String, String> =
            durations.map(|(name, value)| (name.to_owned(), format_duration(value))).into();
        flags.insert("alertmanager.notification-queue-capacity".to_owned(), self.queue_capacity.to_string());
        flags.insert("web.external-url".to_owned(), self.external_url.clone().unwrap_or_default());
        flags
    }
}
