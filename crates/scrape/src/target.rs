//! Targets: discovered labels → relabeling → what is scraped and which labels its samples get.
//!
//! Input: a job and a group of discovered targets. Output: for each target its labels and address, that it was dropped,
//! or why it makes no target. And [`Target`], the part of a running target that its loop and the API share.

use crate::ScrapeError;
use crate::metadata::Metadata;
use crate::status::{MetricMetadata, TargetHealth, TargetStatus};
use crate::target_url::target_url;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tidewatch_manifest::ScrapeConfig;
use tidewatch_model::{Labels, LabelsBuilder, format_duration, parse_duration, relabel};

/// A target after relabeling.
#[derive(Clone, Debug)]
pub(crate) struct Resolved {
    /// The labels before relabeling.
    pub(crate) discovered: Labels,
    /// The labels after it, without `__meta_*`.
    pub(crate) labels: Labels,
    /// Where it is scraped.
    pub(crate) url: String,
    pub(crate) interval: Duration,
    pub(crate) timeout: Duration,
}

/// The labels of a target before relabeling: its own, those of its group, those of the job.
pub(crate) fn discovered_labels(config: &ScrapeConfig, group: &Labels, target: &Labels) -> LabelsBuilder {
    let mut labels = target.to_builder();
    let mut default = |name: &str, value: &str| {
        if labels.get(name).is_none() {
            labels.set(name, value);
        }
    };
    for (name, value) in group {
        default(name, value);
    }
    default("job", &config.job_name);
    default("__scrape_interval__", &format_duration(config.scrape_interval));
    default("__scrape_timeout__", &format_duration(config.scrape_timeout));
    default("__metrics_path__", &config.metrics_path);
    default("__scheme__", &config.scheme);
    default("__convert_classic_histograms_to_nhcb__", "false");
    default("__always_scrape_classic_histograms__", "false");
    default("__scrape_native_histograms__", "false");
    for (name, values) in &config.params {
        if let Some(first) = values.first() {
            default(&format!("__param_{name}"), first);
        }
    }
    labels
}

/// Relabels a target. `Ok(Err(discovered))` is a dropped one.
///
/// # Errors
/// Why the labels after relabeling make no target.
pub(crate) fn resolve(
    config: &ScrapeConfig,
    group: &Labels,
    target: &Labels,
) -> Result<Result<Resolved, Labels>, String> {
    let mut labels = discovered_labels(config, group, target);
    let discovered = labels.build();
    if !relabel(&mut labels, &config.relabel_configs) {
        return Ok(Err(discovered));
    }
    let Some(address) = labels.get("__address__").map(str::to_owned) else {
        return Err("no address".to_owned());
    };
    if address.contains('/') {
        return Err(format!("{address:?} is not a valid hostname"));
    }
    let interval = time(&labels, "__scrape_interval__", "interval")?;
    let timeout = time(&labels, "__scrape_timeout__", "timeout")?;
    if timeout > interval {
        return Err(format!(
            "scrape timeout cannot be greater than scrape interval ({:?} > {:?})",
            format_duration(timeout),
            format_duration(interval)
        ));
    }
    labels.retain(|name, _| !name.starts_with("__meta_"));
    if labels.get("instance").is_none() {
        labels.set("instance", address);
    }
    let labels = labels.build();
    let url = target_url(&labels, &config.params);
    Ok(Ok(Resolved { discovered, labels, url, interval, timeout }))
}

fn time(labels: &LabelsBuilder, name: &str, what: &str) -> Result<Duration, String> {
    let text = labels.get(name).unwrap_or_default();
    let time = parse_duration(text).map_err(|error| format!("error parsing scrape {what}: {error}"))?;
    if time.is_zero() {
        return Err(format!("scrape {what} cannot be 0"));
    }
    Ok(time)
}

/// A target that is scraped, as its loop and the API see it.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) pool: String,
    /// The labels its samples get: those that do not begin with `__`.
    pub(crate) labels: Labels,
    pub(crate) url: String,
    pub(crate) interval: Duration,
    pub(crate) timeout: Duration,
    state: Mutex<State>,
    metadata: Mutex<Metadata>,
}

#[derive(Debug, Default)]
struct State {
    discovered: Labels,
    /// Why it must not be scraped, if so: targets and limit.
    forced: Option<(u64, u64)>,
    last_error: String,
    last_scrape: Option<i64>,
    last_duration: Duration,
    health: TargetHealth,
}

const NO_PANIC: &str = "no code panics while it holds this lock";

impl Target {
    pub(crate) fn new(pool: &str, resolved: &Resolved) -> Self {
        let public = resolved.labels.iter().filter(|(name, _)| !name.starts_with("__"));
        Self {
            pool: pool.to_owned(),
            labels: Labels::from_sorted(public),
            url: resolved.url.clone(),
            interval: resolved.interval,
            timeout: resolved.timeout,
            state: Mutex::new(State { discovered: resolved.discovered.clone(), ..State::default() }),
            metadata: Mutex::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect(NO_PANIC)
    }

    pub(crate) fn metadata(&self) -> MutexGuard<'_, Metadata> {
        // held while a page is ingested; after a panic there a family may lack a part until the next page
        self.metadata.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set_discovered(&self, discovered: Labels) {
        self.state().discovered = discovered;
    }

    /// Lets all scrapes fail because the job has too many targets, or no longer.
    pub(crate) fn set_target_limit_exceeded(&self, exceeded: Option<(u64, u64)>) {
        self.state().forced = exceeded;
    }

    pub(crate) fn forced_error(&self) -> Option<ScrapeError> {
        let (targets, limit) = self.state().forced?;
        Some(ScrapeError::TargetLimit { targets, limit })
    }

    pub(crate) fn report(&self, time: i64, duration: Duration, error: Option<&ScrapeError>) {
        let mut state = self.state();
        state.last_scrape = Some(time);
        state.last_duration = duration;
        state.health = if error.is_none() { TargetHealth::Up } else { TargetHealth::Down };
        state.last_error.clear();
        if let Some(error) = error {
            state.last_error = error.to_string();
        }
    }

    pub(crate) fn status(&self) -> TargetStatus {
        let state = self.state();
        TargetStatus {
            pool: self.pool.clone(),
            discovered_labels: state.discovered.clone(),
            labels: self.labels.clone(),
            scrape_url: self.url.clone(),
            global_url: self.url.clone(),
            last_error: state.last_error.clone(),
            last_scrape: state.last_scrape,
            last_scrape_duration: state.last_duration,
            health: state.health,
            scrape_interval: self.interval,
            scrape_timeout: self.timeout,
        }
    }

    pub(crate) fn list_metadata(&self, into: &mut Vec<MetricMetadata>) {
        self.metadata().list(&self.labels, into);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidewatch_model::RelabelRule;

    fn check(rules: &[RelabelRule], target: &[(&str, &str)], expected: Result<Option<&str>, &str>) {
        let mut config = ScrapeConfig::new("j");
        config.relabel_configs = rules.to_vec();
        let group = Labels::from_pairs([("env", "test"), ("__meta_x", "m")]);
        let found = resolve(&config, &group, &Labels::from_pairs(target.iter().copied()));
        let found =
            found.map(|kept| kept.ok().map(|resolved| Target::new("j", &resolved).labels.to_string()));
        assert_eq!(found.as_ref().map(Option::as_deref).map_err(String::as_str), expected);
    }

    #[test]
    fn labels_come_from_target_group_and_job() {
        check(&[], &[("__address__", "h:1")], Ok(Some("{env=\"test\", instance=\"h:1\", job=\"j\"}")));
        check(
            &[],
            &[("__address__", "h:1"), ("env", "own"), ("job", "k"), ("instance", "i")],
            Ok(Some("{env=\"own\", instance=\"i\", job=\"k\"}")),
        );
        let copy = RelabelRule::replace(&["__meta_x"], "(.*)", "m", "$1").unwrap();
        let expected = "{env=\"test\", instance=\"h:1\", job=\"j\", m=\"m\"}";
        check(&[copy], &[("__address__", "h:1")], Ok(Some(expected)));
    }

    #[test]
    fn metadata_can_be_read_after_a_panic_while_it_was_held() {
        let config = ScrapeConfig::new("j");
        let labels = Labels::from_pairs([("__address__", "h:1")]);
        let target = Target::new("j", &resolve(&config, &Labels::empty(), &labels).unwrap().unwrap());
        target.metadata().set_help("a", "what it is");
        std::thread::scope(|scope| {
            let panicking = scope.spawn(|| {
                let _held = target.metadata();
                std::panic::resume_unwind(Box::new("while ingesting"));
            });
            panicking.join().unwrap_err();
        });
        let mut list = Vec::new();
        target.list_metadata(&mut list);
        assert_eq!(list.len(), 1);
    }

    #[test]
    fn some_make_no_target() {
        check(&[RelabelRule::keep(&["env"], "prod").unwrap()], &[("__address__", "h:1")], Ok(None));
        check(&[], &[], Err("no address"));
        check(&[], &[("__address__", "h:1/x")], Err("\"h:1/x\" is not a valid hostname"));
        check(
            &[],
            &[("__address__", "h:1"), ("__scrape_timeout__", "2m")],
            Err("scrape timeout cannot be greater than scrape interval (\"2m\" > \"1m\")"),
        );
        check(
            &[],
            &[("__address__", "h:1"), ("__scrape_interval__", "0s")],
            Err("scrape interval cannot be 0"),
        );
    }
}
