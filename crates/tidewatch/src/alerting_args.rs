//! Flags of rules, of sending their alerts, and of the Alertmanager that runs here: Prometheus's and Alertmanager's own, with their
//! defaults.
//!
//! Input: the process's arguments. Output: options for the stages. Nothing is started here. Alertmanager's flags are those of its own
//! program with `alertmanager.` before them.

use crate::alerting::{AlertingSpec, RuleSpec};
use crate::cli::duration;
use crate::notifications::AlertmanagerSpec;
use clap::Args;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tidewatch_http::{ListenerSpec, Serves};
use tidewatch_model::format_duration;
use tidewatch_notify::{Config, SenderOptions};
use tidewatch_rules::{RestoreOptions, RulesOptions};

/// When rules make alerts, and how these are sent.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Alerts (the flags of Prometheus and Alertmanager)")]
pub(crate) struct AlertingArgs {
    /// Alertmanager's configuration: who is told of which alert. Default: with `up` the one in a Secret of the manifests, else none
    #[arg(long = "alertmanager.config.file", value_name = "FILE")]
    pub(crate) config_file: Option<PathBuf>,

    /// Address of Alertmanager's API (port 0: any free one)
    #[arg(
        long = "alertmanager.web.listen-address",
        value_name = "IP:PORT",
        default_value = "127.0.0.1:9093"
    )]
    alertmanager_address: SocketAddr,

    /// Where silences and the log of notifications go. Default: the folder alertmanager beside the samples
    #[arg(long = "alertmanager.storage.path", value_name = "DIR")]
    data_folder: Option<PathBuf>,

    /// How long silences that are over and the log of notifications are kept
    #[arg(long = "alertmanager.data.retention", value_name = "DURATION", default_value = "120h", value_parser = duration)]
    data_retention: Duration,

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
    pub(crate) fn spec(
        &self,
        rules: RuleSpec,
        alertmanager: Option<Config>,
        data_dir: &Path,
    ) -> AlertingSpec {
        let restore =
            RestoreOptions { outage_tolerance: self.outage_tolerance, grace_period: self.grace_period };
        AlertingSpec {
            rules,
            alertmanager: alertmanager.map(|config| AlertmanagerSpec {
                config,
                listener: ListenerSpec {
                    address: self.alertmanager_address,
                    flag: "--alertmanager.web.listen-address".to_owned(),
                    serves: Serves::Everything,
                },
                folder: self.data_folder.clone().unwrap_or_else(|| data_dir.join("alertmanager")),
                retention: self.data_retention,
            }),
            external_url: self.external_url.as_ref().map(|url| url.trim_end_matches('/').to_owned()),
            options: RulesOptions { resend_delay: self.resend_delay, restore, ..RulesOptions::default() },
            sender: SenderOptions { queue_capacity: self.queue_capacity, ..SenderOptions::default() },
        }
    }

    /// The flags in force, for the API.
    pub(crate) fn flags(&self) -> BTreeMap<String, String> {
        let durations = [
            ("alertmanager.data.retention", self.data_retention),
            ("rules.alert.for-outage-tolerance", self.outage_tolerance),
            ("rules.alert.for-grace-period", self.grace_period),
            ("rules.alert.resend-delay", self.resend_delay),
        ];
        let mut flags: BTreeMap<String, String> =
            durations.map(|(name, value)| (name.to_owned(), format_duration(value))).into();
        let shown = |path: &Option<PathBuf>| path.iter().map(|path| path.display().to_string()).collect();
        flags.insert("alertmanager.config.file".to_owned(), shown(&self.config_file));
        flags.insert("alertmanager.storage.path".to_owned(), shown(&self.data_folder));
        flags.insert("alertmanager.web.listen-address".to_owned(), self.alertmanager_address.to_string());
        flags.insert("alertmanager.notification-queue-capacity".to_owned(), self.queue_capacity.to_string());
        flags.insert("web.external-url".to_owned(), self.external_url.clone().unwrap_or_default());
        flags
    }
}
