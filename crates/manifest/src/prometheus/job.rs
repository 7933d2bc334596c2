//! One entry of `scrape_configs`.
//!
//! Input: its fields and the global settings. Output: a [`ScrapeConfig`]. What would change the targets or their
//! samples and is not supported is an error that names the field.

use super::GlobalConfig;
use super::http_client;
use super::scrape_config::{FileDiscovery, ScrapeConfig, ScrapeLimits, ScrapeProtocol};
use super::values::{RelabelKeys, bytes, duration, limit, list_map, relabel_rules, text, text_map, texts};
use crate::fields::Fields;
use std::path::Path;
use std::time::Duration;
use tidewatch_model::{Labels, TargetGroup};

/// The service discoveries of Prometheus 3.16 besides static and file.
const OTHER_DISCOVERIES: [&str; 31] = [
    "aws_sd_configs",
    "azure_sd_configs",
    "consul_sd_configs",
    "digitalocean_sd_configs",
    "dns_sd_configs",
    "docker_sd_configs",
    "dockerswarm_sd_configs",
    "ec2_sd_configs",
    "eureka_sd_configs",
    "gce_sd_configs",
    "hetzner_sd_configs",
    "http_sd_configs",
    "ionos_sd_configs",
    "kubernetes_sd_configs",
    "kuma_sd_configs",
    "lightsail_sd_configs",
    "linode_sd_configs",
    "marathon_sd_configs",
    "nerve_sd_configs",
    "nomad_sd_configs",
    "oci_sd_configs",
    "openstack_sd_configs",
    "outscale_sd_configs",
    "ovhcloud_sd_configs",
    "puppetdb_sd_configs",
    "scaleway_sd_configs",
    "serverset_sd_configs",
    "stackit_sd_configs",
    "triton_sd_configs",
    "uyuni_sd_configs",
    "vultr_sd_configs",
];

/// Settings of native histograms, of a job or of all. Those come over protobuf only: without it targets send classic ones,
/// so wanting native ones is no mistake; wanting classic ones to become something else would be.
pub(super) fn read_native_histograms(fields: &Fields<'_>) {
    if fields.flag("scrape_native_histograms") == Some(true) {
        let hint = "targets are asked for classic histograms";
        fields.warn("scrape_native_histograms", "not supported yet: native histograms", hint);
    }
    if fields.flag("convert_classic_histograms_to_nhcb") == Some(true) {
        let hint = "remove it or set it to false";
        fields.wrong("convert_classic_histograms_to_nhcb", "native histograms are not supported yet", hint);
    }
    fields.known(&["always_scrape_classic_histograms"]);
}

/// Reads a job; relative paths are below `folder`.
pub(super) fn read(fields: &Fields<'_>, global: &GlobalConfig, folder: &Path) -> ScrapeConfig {
    let mut config = ScrapeConfig::new(text(fields, "job_name").unwrap_or_default());
    if config.job_name.is_empty() {
        fields.wrong("job_name", "job_name is empty", "give every scrape config a name of its own");
    }
    read_times(fields, global, &mut config);
    config.honor_labels = fields.flag("honor_labels").unwrap_or(false);
    config.honor_timestamps = fields.flag("honor_timestamps").unwrap_or(true);
    config.track_timestamps_staleness = fields.flag("track_timestamps_staleness").unwrap_or(false);
    config.enable_compression = fields.flag("enable_compression").unwrap_or(true);
    config.extra_scrape_metrics = fields.flag("extra_scrape_metrics").unwrap_or(global.extra_scrape_metrics);
    config.metrics_path = text(fields, "metrics_path").unwrap_or_else(|| "/metrics".to_owned());
    config.params = list_map(fields, "params");
    read_scheme(fields, &mut config);
    config.limits = limits(fields, &global.limits);
    config.keep_dropped_targets = match limit(fields, "keep_dropped_targets") {
        0 => global.keep_dropped_targets,
        given => given,
    };
    read_protocols(fields, global, &mut config);
    read_names(fields, global, &mut config);
    http_client::read(fields, folder, &mut config);
    config.relabel_configs = relabel_rules(fields, "relabel_configs", &RelabelKeys::PROMETHEUS);
    config.metric_relabel_configs = relabel_rules(fields, "metric_relabel_configs", &RelabelKeys::PROMETHEUS);
    config.static_configs = static_configs(fields, config.relabel_configs.is_empty());
    config.file_sd_configs = file_sd_configs(fields, folder);
    refuse(fields);
    config
}

fn read_times(fields: &Fields<'_>, global: &GlobalConfig, config: &mut ScrapeConfig) {
    let nonzero = |key| duration(fields, key).filter(|given| !given.is_zero());
    config.scrape_interval = nonzero("scrape_interval").unwrap_or(global.scrape_interval);
    let timeout = nonzero("scrape_timeout");
    if timeout.is_some_and(|timeout| timeout > config.scrape_interval) {
        fields.wrong(
            "scrape_timeout",
            format!(
                "scrape timeout greater than scrape interval for scrape config with job name {:?}",
                config.job_name
            ),
            "lower scrape_timeout or raise scrape_interval",
        );
    }
    config.scrape_timeout = timeout.unwrap_or(global.scrape_timeout.min(config.scrape_interval));
}

fn read_scheme(fields: &Fields<'_>, config: &mut ScrapeConfig) {
    config.scheme = text(fields, "scheme").unwrap_or_else(|| "http".to_owned());
    if config.scheme != "http" {
        fields.wrong(
            "scheme",
            format!("scheme {:?} is not supported yet", config.scheme),
            "only http targets are scraped; use scheme: http",
        );
    }
}

/// The limits in `fields`; what is absent or 0 is taken from `fallback`.
pub(super) fn limits(fields: &Fields<'_>, fallback: &ScrapeLimits) -> ScrapeLimits {
    let or = |given: u64, fallback: u64| if given == 0 { fallback } else { given };
    ScrapeLimits {
        body_bytes: or(bytes(fields, "body_size_limit").unwrap_or_default(), fallback.body_bytes),
        samples: or(limit(fields, "sample_limit"), fallback.samples),
        targets: or(limit(fields, "target_limit"), fallback.targets),
        labels: or(limit(fields, "label_limit"), fallback.labels),
        label_name_bytes: or(limit(fields, "label_name_length_limit"), fallback.label_name_bytes),
        label_value_bytes: or(limit(fields, "label_value_length_limit"), fallback.label_value_bytes),
    }
}

fn read_protocols(fields: &Fields<'_>, global: &GlobalConfig, config: &mut ScrapeConfig) {
    config.scrape_protocols = protocols(fields).unwrap_or_else(|| global.scrape_protocols.clone());
    if let Some(name) = text(fields, "fallback_scrape_protocol").filter(|name| !name.is_empty()) {
        config.fallback_scrape_protocol = protocol(fields, "fallback_scrape_protocol", &name);
    }
}

/// The list `scrape_protocols`, if given. Protobuf is left out with a warning while something else remains.
pub(super) fn protocols(fields: &Fields<'_>) -> Option<Vec<ScrapeProtocol>> {
    fields.raw("scrape_protocols")?;
    let names = texts(fields, "scrape_protocols");
    let mut protocols = Vec::new();
    for name in &names {
        if matches!(name.as_str(), "PrometheusProto" | "OpenMetricsText2.0.0") && names.len() > 1 {
            fields.warn(
                "scrape_protocols",
                format!("not supported yet: {name}"),
                "it is not offered to targets",
            );
            continue;
        }
        match protocol(fields, "scrape_protocols", name) {
            Some(known) if protocols.contains(&known) => {
                fields.wrong("scrape_protocols", format!("duplicated protocol {name:?}"), "keep one of them");
            }
            Some(known) => protocols.push(known),
            None => {}
        }
    }
    if names.is_empty() {
        fields.wrong("scrape_protocols", "must not be empty", "remove it to get the default");
    }
    Some(protocols)
}

fn protocol(fields: &Fields<'_>, key: &'static str, name: &str) -> Option<ScrapeProtocol> {
    let found = ScrapeProtocol::from_name(name);
    if found.is_none() {
        fields.wrong(
            key,
            format!("unknown or unsupported scrape protocol {name:?}"),
            "use OpenMetricsText1.0.0, OpenMetricsText0.0.1, PrometheusText1.0.0 or PrometheusText0.0.4",
        );
    }
    found
}

fn read_names(fields: &Fields<'_>, global: &GlobalConfig, config: &mut ScrapeConfig) {
    let scheme = text(fields, "metric_name_validation_scheme").filter(|scheme| !scheme.is_empty());
    config.legacy_names = match scheme.as_deref() {
        None => global.legacy_names,
        Some("legacy") => true,
        Some("utf8") => false,
        Some(other) => {
            fields.wrong(
                "metric_name_validation_scheme",
                format!("unknown name validation scheme {other:?}"),
                "use utf8 or legacy",
            );
            false
        }
    };
    let default = if config.legacy_names { "underscores" } else { "allow-utf-8" };
    let escaping = text(fields, "metric_name_escaping_scheme").filter(|scheme| !scheme.is_empty());
    let inherited = global.name_escaping.clone().filter(|_| scheme.is_none());
    config.name_escaping = escaping.or(inherited).unwrap_or_else(|| default.to_owned());
    if !["allow-utf-8", "underscores", "dots", "values"].contains(&config.name_escaping.as_str()) {
        fields.wrong(
            "metric_name_escaping_scheme",
            format!("unknown name escaping scheme {:?}", config.name_escaping),
            "use allow-utf-8, underscores, dots or values",
        );
    }
    if config.legacy_names && config.name_escaping == "allow-utf-8" {
        fields.wrong(
            "metric_name_escaping_scheme",
            "utf8 metric names requested but validation scheme is not set to UTF8",
            "use underscores, dots or values with legacy names",
        );
    }
}

/// Targets written down; without relabeling each has to be an address as it stands.
pub(super) fn static_configs(fields: &Fields<'_>, as_it_stands: bool) -> Vec<TargetGroup> {
    let mut groups = Vec::new();
    for (index, group) in fields.list("static_configs").into_iter().enumerate() {
        let targets = texts(&group, "targets");
        for target in targets.iter().filter(|target| as_it_stands && target.contains('/')) {
            group.wrong(
                "targets",
                format!("{target:?} is not a valid hostname"),
                "write host:port without scheme and path; they are fields of their own",
            );
        }
        groups.push(TargetGroup {
            source: index.to_string(),
            labels: Labels::from_pairs(text_map(&group, "labels")),
            targets: targets
                .into_iter()
                .map(|target| Labels::from_pairs([("__address__", target)]))
                .collect(),
        });
        group.finish();
    }
    groups
}

/// Files that list targets; relative paths are below `folder`.
pub(super) fn file_sd_configs(fields: &Fields<'_>, folder: &Path) -> Vec<FileDiscovery> {
    let mut discoveries = Vec::new();
    for section in fields.list("file_sd_configs") {
        let files = texts(&section, "files");
        if files.is_empty() {
            section.wrong(
                "files",
                "file service discovery must contain at least one path name",
                "name the files",
            );
        }
        for file in &files {
            let name = file.rsplit('/').next().unwrap_or_default();
            let known = [".json", ".yml", ".yaml"].iter().any(|end| name.ends_with(end));
            if !known || name.matches('*').count() > 1 || file[..file.len() - name.len()].contains('*') {
                section.wrong(
                    "files",
                    format!("path name {file:?} is not valid for file discovery"),
                    "end it with .json, .yml or .yaml; one * is allowed, in the last part",
                );
            }
        }
        discoveries.push(FileDiscovery {
            files: files.iter().map(|file| folder.join(file).display().to_string()).collect(),
            refresh_interval: duration(&section, "refresh_interval").unwrap_or(Duration::from_secs(300)),
        });
        section.finish();
    }
    discoveries
}

fn refuse(fields: &Fields<'_>) {
    refuse_other_discoveries(fields);
    read_native_histograms(fields);
    fields.known(&["native_histogram_bucket_limit", "native_histogram_min_bucket_factor"]);
    if fields.raw("scrape_failure_log_file").is_some() {
        fields.warn("scrape_failure_log_file", "not supported yet", "failures are shown by /api/v1/targets");
    }
}

/// Refuses every service discovery besides static and file.
pub(super) fn refuse_other_discoveries(fields: &Fields<'_>) {
    for key in OTHER_DISCOVERIES {
        if fields.raw(key).is_some() {
            let hint = match key {
                "kubernetes_sd_configs" => {
                    "use ServiceMonitors (tidewatch up), static_configs or file_sd_configs"
                }
                _ => "use static_configs or file_sd_configs",
            };
            fields.wrong(key, "not supported yet", hint);
        }
    }
}
