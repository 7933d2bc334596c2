//! Rules at work, and where their alerts go.
//!
//! Input: the rules of rule files or PrometheusRules, the section `alerting`, Alertmanager's configuration, the store. Output: running
//! rules behind one handle, the Alertmanager that runs here, and a sender to it and to those that are named. No decision is taken here: when an alert fires is the rules crate's, how it is sent the
//! notify crate's.

use crate::failure::Failure;
use crate::notifications::AlertmanagerSpec;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tidewatch_config::ServeSpec;
use tidewatch_http::AlertTargets;
use tidewatch_manifest::{AlertingConfig, PrometheusRule};
use tidewatch_model::{AlertSink, Clock, Labels};
use tidewatch_notify::{Alertmanager, Alertmanagers, Config, Sender, SenderOptions};
use tidewatch_promql::EngineOptions;
use tidewatch_rules::{LoadOptions, RuleGroup, Rules, RulesDeps, RulesOptions, groups_of, load_rule_files};
use tidewatch_telemetry::Registry;
use tidewatch_tsdb::Tsdb;

/// What is to be evaluated, and who is told.
pub(crate) struct AlertingSpec {
    /// What a reload can change.
    pub(crate) rules: RuleSpec,
    /// The Alertmanager that runs here, if any does.
    pub(crate) alertmanager: Option<AlertmanagerSpec>,
    /// Where the page can be reached, if not at its own address.
    pub(crate) external_url: Option<String>,
    /// When alerts are sent again and how they are restored.
    pub(crate) options: RulesOptions,
    /// How many alerts wait.
    pub(crate) sender: SenderOptions,
}

/// What a reload can change.
pub(crate) struct RuleSpec {
    /// The rules.
    pub(crate) groups: Vec<RuleGroup>,
    /// Labels for what leaves this server.
    pub(crate) external_labels: Labels,
    /// How far back in time groups are evaluated that do not say it themselves.
    pub(crate) query_offset: Duration,
    /// Alertmanagers elsewhere.
    pub(crate) alertmanagers: AlertingConfig,
    /// What the Alertmanager that runs here is to do from now on; at a start it stands in [`AlertingSpec`].
    pub(crate) notifications: Option<Config>,
}

impl RuleSpec {
    /// What a prometheus.yml asks for.
    ///
    /// # Errors
    /// When a rule file has mistakes, or Alertmanagers are named in a way that is not there yet.
    pub(crate) fn of_serve(spec: &ServeSpec, engine: &EngineOptions) -> Result<Self, Failure> {
        let config = &spec.prometheus;
        let options = load_options(config.global.evaluation_interval, engine);
        let options = LoadOptions { legacy_names: config.global.legacy_names, ..options };
        let groups = load_rule_files(&config.rule_files, &options).map_err(|e| Failure::from_error(&e))?;
        if let Some(at) =
            config.alerting.alertmanagers.iter().position(|entry| !entry.file_sd_configs.is_empty())
        {
            let what = format!("alerting.alertmanagers[{at}].file_sd_configs is not supported yet");
            return Err(Failure::new(what).hint("write the Alertmanagers into static_configs"));
        }
        Ok(Self {
            groups,
            external_labels: labels(&config.global.external_labels),
            query_offset: config.global.rule_query_offset,
            alertmanagers: config.alerting.clone(),
            notifications: None,
        })
    }

    /// The rules of manifests, and what is wrong with those that are left out.
    pub(crate) fn of_manifests(
        objects: &[PrometheusRule],
        interval: Duration,
        engine: &EngineOptions,
    ) -> (Self, Vec<String>) {
        let options = load_options(interval, engine);
        let (mut groups, mut problems) = (Vec::new(), Vec::new());
        for object in objects {
            match groups_of(object, &options) {
                Ok(found) => groups.extend(found),
                Err(errors) => problems.push(errors.to_string()),
            }
        }
        let alertmanagers = AlertingConfig::default();
        let spec = Self {
            groups,
            external_labels: Labels::empty(),
            query_offset: Duration::ZERO,
            alertmanagers,
            notifications: None,
        };
        (spec, problems)
    }
}

fn load_options(default_interval: Duration, engine: &EngineOptions) -> LoadOptions {
    let experimental_functions = engine.experimental_functions;
    LoadOptions { default_interval, experimental_functions, ..LoadOptions::default() }
}

fn labels(pairs: &BTreeMap<String, String>) -> Labels {
    Labels::from_pairs(pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())))
}

/// Rules at work.
pub(crate) struct Alerting {
    pub(crate) rules: Arc<Rules>,
    pub(crate) sender: Arc<Sender>,
    pub(crate) alertmanager: Option<Arc<Alertmanager>>,
    /// Where alerts go.
    pub(crate) targets: Arc<Targets>,
    /// Where the page can be reached, for links.
    pub(crate) external_url: String,
}

impl Alerting {
    /// Starts rules, the sender and the Alertmanager; `page` is the page's own address, `own` the one of the Alertmanager's API.
    ///
    /// # Errors
    /// When two groups have the same file and name, or the Alertmanager cannot be started.
    pub(crate) fn start(
        spec: AlertingSpec,
        store: &Arc<Tsdb>,
        engine: EngineOptions,
        clock: &Arc<dyn Clock>,
        registry: &Registry,
        page: String,
        own: Option<SocketAddr>,
    ) -> Result<Self, Failure> {
        let RuleSpec { groups, external_labels, query_offset, alertmanagers, .. } = spec.rules;
        let external_url = spec.external_url.unwrap_or(page);
        let alertmanager = spec.alertmanager.map(|spec| spec.start(clock, &external_url)).transpose()?;
        let local = alertmanager.as_ref().map(|alertmanager| Arc::clone(alertmanager) as Arc<dyn AlertSink>);
        let sender = Sender::start_with(local, &alertmanagers, external_labels.clone(), spec.sender);
        let targets = Arc::new(Targets {
            own: own.map(|address| format!("http://{address}/api/v2/alerts")),
            sender: Arc::clone(&sender),
        });
        let deps = RulesDeps {
            read: Arc::clone(store) as _,
            append: Arc::clone(store) as _,
            engine,
            clock: Arc::clone(clock),
            sink: Arc::clone(&sender) as _,
            external_labels,
            external_url: external_url.clone(),
        };
        let options = RulesOptions { query_offset, ..spec.options };
        let rules = Rules::start(groups, deps, options).map_err(|e| Failure::from_error(&e))?;
        rules.register(registry);
        sender.register_metrics(registry);
        if let Some(alertmanager) = &alertmanager {
            alertmanager.register_metrics(registry);
        }
        Ok(Self { rules, sender, alertmanager, targets, external_url })
    }

    /// Takes other rules, Alertmanagers and notifications; what did not change goes on.
    ///
    /// # Errors
    /// When two groups have the same file and name; nothing is changed then. When a template file of notifications became wrong since
    /// it was checked; the notifications before stay in force then.
    pub(crate) async fn reload(&self, spec: RuleSpec) -> Result<(), Failure> {
        let labels = spec.external_labels.clone();
        let reloaded = self.rules.reload_with(spec.groups, spec.external_labels, spec.query_offset).await;
        reloaded.map_err(|e| Failure::from_error(&e))?;
        self.sender.reload(&spec.alertmanagers, labels);
        if let (Some(alertmanager), Some(config)) = (&self.alertmanager, spec.notifications) {
            alertmanager.reload(config).map_err(|e| Failure::from_error(&e))?;
        }
        Ok(())
    }

    /// Notes that a new configuration could not be read.
    pub(crate) fn reload_failed(&self) {
        if let Some(alertmanager) = &self.alertmanager {
            alertmanager.reload_failed();
        }
    }

    /// Ends the rules, then sends what waits.
    pub(crate) async fn stop(&self) {
        self.rules.shutdown().await;
        self.sender.shutdown().await;
        if let Some(alertmanager) = &self.alertmanager {
            alertmanager.shutdown().await;
        }
    }
}

/// Where alerts go: to the Alertmanager that runs here, and to those elsewhere.
pub(crate) struct Targets {
    own: Option<String>,
    sender: Arc<Sender>,
}

impl AlertTargets for Targets {
    fn alertmanagers(&self) -> Alertmanagers {
        let mut all = self.sender.alertmanagers();
        all.active.splice(0..0, self.own.clone());
        all
    }
}
