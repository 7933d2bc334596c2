//! ServiceMonitors → scrape jobs, as the Prometheus operator makes them.
//!
//! Input: monitors and the defaults of the server. Output: one [`MonitorJob`] per endpoint of each monitor, compiled once;
//! and, for a snapshot of all endpoints, the groups of each job. Like the operator it selects Services by relabeling, so
//! that what is not selected shows up as a dropped target.

use crate::endpoints::target_group;
use crate::relabelings;
use crate::{DiscoveryError, Job};
use std::time::Duration;
use tidewatch_manifest::{
    Endpoints, HttpAuth, MonitorEndpoint, NamespaceSelector, ScrapeConfig, SecretSource, ServiceMonitor,
};
use tidewatch_model::format_duration;

/// What a monitor's endpoint gets when it does not say.
#[derive(Clone, Copy, Debug)]
pub struct MonitorDefaults {
    /// Time between scrapes; 30 s unless set.
    pub interval: Duration,
    /// Time a scrape may take, at most the interval; 10 s unless set.
    pub timeout: Duration,
}

impl Default for MonitorDefaults {
    fn default() -> Self {
        Self { interval: Duration::from_secs(30), timeout: Duration::from_secs(10) }
    }
}

/// The job of one endpoint of a monitor, before it has targets.
#[derive(Clone, Debug)]
pub struct MonitorJob {
    /// The job.
    pub config: ScrapeConfig,
    /// The namespaces whose Services it looks at; `None` for all.
    pub namespaces: Option<Vec<String>>,
}

/// The jobs of monitors, ordered by namespace, name and endpoint. The job's name is
/// `serviceMonitor/<namespace>/<name>/<index>`.
///
/// An endpoint that no job can be made of, because a rule that follows from it does not compile or a timeout exceeds its
/// interval, is left out and comes back as an error; all others are scraped.
pub fn monitor_jobs(
    monitors: &[ServiceMonitor],
    defaults: MonitorDefaults,
) -> (Vec<MonitorJob>, Vec<DiscoveryError>) {
    let mut sorted: Vec<&ServiceMonitor> = monitors.iter().collect();
    sorted.sort_by_key(|monitor| (&monitor.meta.namespace, &monitor.meta.name));
    let (mut jobs, mut errors) = (Vec::new(), Vec::new());
    for monitor in sorted {
        for (index, endpoint) in monitor.endpoints.iter().enumerate() {
            match scrape_config(monitor, index, endpoint, defaults) {
                Ok(config) => jobs.push(MonitorJob { config, namespaces: namespaces(monitor) }),
                Err(error) => errors.push(error),
            }
        }
    }
    (jobs, errors)
}

impl MonitorJob {
    /// The job with its targets among `endpoints`.
    pub fn with_targets(&self, endpoints: &[Endpoints]) -> Job {
        let seen = endpoints.iter().filter(|service| {
            self.namespaces.as_ref().is_none_or(|names| names.contains(&service.namespace))
        });
        (self.config.clone(), seen.map(target_group).collect())
    }
}

/// The namespaces a monitor looks at; `None` for all.
pub(crate) fn namespaces(monitor: &ServiceMonitor) -> Option<Vec<String>> {
    match &monitor.namespaces {
        NamespaceSelector::Any => None,
        NamespaceSelector::Own => Some(vec![monitor.meta.namespace.clone()]),
        NamespaceSelector::Names(names) => Some(names.clone()),
    }
}

/// The name of the job of a monitor's endpoint.
pub(crate) fn job_name(monitor: &ServiceMonitor, index: usize) -> String {
    format!("serviceMonitor/{}/{}/{index}", monitor.meta.namespace, monitor.meta.name)
}

fn scrape_config(
    monitor: &ServiceMonitor,
    index: usize,
    endpoint: &MonitorEndpoint,
    defaults: MonitorDefaults,
) -> Result<ScrapeConfig, DiscoveryError> {
    let place = || {
        let name = format!("{}/{}", monitor.meta.namespace, monitor.meta.name);
        (monitor.meta.source.to_string(), name)
    };
    let relabel_configs = relabelings::generate(monitor, endpoint).map_err(|error| {
        let (source_place, monitor) = place();
        DiscoveryError::Relabel { source_place, monitor, reason: error.to_string() }
    })?;
    let interval = endpoint.interval.unwrap_or(defaults.interval);
    let timeout = endpoint.scrape_timeout.unwrap_or(defaults.timeout.min(interval));
    if timeout > interval {
        let (source_place, monitor) = place();
        let (timeout, interval) = (format_duration(timeout), format_duration(interval));
        return Err(DiscoveryError::Timeout { source_place, monitor, timeout, interval });
    }
    let mut config = ScrapeConfig::new(job_name(monitor, index));
    config.scrape_interval = interval;
    config.scrape_timeout = timeout;
    if let Some(path) = &endpoint.path {
        config.metrics_path.clone_from(path);
    }
    config.params.clone_from(&endpoint.params);
    config.honor_labels = endpoint.honor_labels;
    config.honor_timestamps = endpoint.honor_timestamps;
    config.track_timestamps_staleness = endpoint.track_timestamps_staleness;
    config.follow_redirects = endpoint.follow_redirects;
    config.auth = endpoint.bearer_token_file.as_ref().map(|file| HttpAuth::Header {
        kind: "Bearer".to_owned(),
        credentials: SecretSource::File(file.into()),
    });
    if !monitor.scrape_protocols.is_empty() {
        config.scrape_protocols.clone_from(&monitor.scrape_protocols);
    }
    config.fallback_scrape_protocol = monitor.fallback_scrape_protocol;
    config.limits = monitor.limits;
    config.keep_dropped_targets = monitor.keep_dropped_targets;
    config.relabel_configs = relabel_configs;
    config.metric_relabel_configs.clone_from(&endpoint.metric_relabelings);
    Ok(config)
}
