//! Rules at work, and where their alerts go.
//!
//! Input: the rules of rule files or PrometheusRules, the section `alerting`, the store. Output: running rules behind one handle, and a
//! sender to the Alertmanagers that are named. No decision is taken here: when an alert fires is the rules crate's, how it is sent the
//! notify crate's.

use crate::failure::Failure;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tidewatch_config::ServeSpec;
use tidewatch_manifest::{AlertingConfig, PrometheusRule};
use tidewatch_model::{Clock, Labels};
use tidewatch_notify::{Sender, SenderOptions};
use tidewatch_promql::EngineOptions;
use tidewatch_rules::{LoadOptions, RuleGroup, Rules, RulesDeps, RulesOptions, groups_of, load_rule_files};
use tidewatch_telemetry::Registry;
use tidewatch_tsdb::Tsdb;

/// What is to be evaluated, and who is told.
pub(crate) struct AlertingSpec {
    /// What a reload can change.
    pub(crate) rules: RuleSpec,
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
        let spec =
            Self { groups, external_labels: Labels::empty(), query_offset: Duration::ZERO, alertmanagers };
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
    /// Where the page can be reached, for links.
    pub(crate) external_url: String,
}

impl Alerting {
    /// Starts rules and the sender; `page` is the page's own address.
    ///
    /// # Errors
    /// When two groups have the same file and name.
    pub(crate) fn start(
        spec: AlertingSpec,
        store: &Arc<Tsdb>,
        engine: EngineOptions,
        clock: &Arc<dyn Clock>,
        registry: &Registry,
        page: String,
    ) -> Result<Self, Failure> {
        let RuleSpec { groups, external_labels, query_offset, alertmanagers } = spec.rules;
        let sender = Sender::start(&alertmanagers, external_labels.clone(), spec.sender);
        let external_url = spec.external_url.unwrap_or(page);
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
        Ok(Self { rules, sender, external_url })
    }

    /// Takes other rules and Alertmanagers; what did not change goes on.
    ///
    /// # Errors
    /// When two groups have the same file and name; nothing is changed then.
    pub(crate) async fn reload(&self, spec: RuleSpec) -> Result<(), Failure> {
        let labels = spec.external_labels.clone();
        let reloaded = self.rules.reload_with(spec.groups, spec.external_labels, spec.query_offset).await;
        reloaded.map_err(|e| Failure::from_error(&e))?;
        self.sender.reload(&spec.alertmanagers, labels);
        Ok(())
    }

    /// Ends the rules, then sends what waits.
    pub(crate) async fn stop(&self) {
        self.rules.shutdown().await;
        self.sender.shutdown().await;
    }
}
