//! prometheus.yml: Prometheus's own configuration file.
//!
//! Input: the file's text. Output: a [`PrometheusConfig`] with checked scrape jobs, or every mistake with its line. As in
//! Prometheus an unknown field is refused. What Prometheus has and tidewatch has not yet is a warning where it stands
//! beside scraping (remote storage), and an error where leaving it out would change what is scraped.

mod alerting;
pub(crate) mod http_client;
mod http_settings;
mod job;
mod scrape_config;
mod shown;
mod target_file;
pub(crate) mod values;

pub use alerting::{AlertingConfig, AlertmanagerConfig};
pub use http_settings::{HttpSettings, TlsConfig, TlsVersion};
pub use scrape_config::{FileDiscovery, HttpAuth, ScrapeConfig, ScrapeLimits, ScrapeProtocol, SecretSource};
pub use shown::{shown_alertmanager_config, shown_config};
pub use target_file::parse_target_file;

use crate::ManifestError;
use crate::fields::Fields;
use crate::settings_file::read_settings_file;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;
use tidewatch_model::METRIC_NAME;
pub use values::parse_bytes;
use values::{duration, limit, text, text_map, texts};

/// A checked prometheus.yml.
#[derive(Clone, Debug)]
pub struct PrometheusConfig {
    /// The section `global`.
    pub global: GlobalConfig,
    /// Paths of rule files, relative to the working directory; `*`, `?` and `[…]` stand for several.
    pub rule_files: Vec<String>,
    /// The jobs.
    pub scrape_configs: Vec<ScrapeConfig>,
    /// The section `alerting`.
    pub alerting: AlertingConfig,
    /// `storage.tsdb.retention.time`, if given.
    pub retention: Option<Duration>,
    /// What is legal and not supported yet.
    pub warnings: Vec<ManifestError>,
}

/// Defaults for all jobs.
#[derive(Clone, Debug)]
pub struct GlobalConfig {
    /// Time between scrapes, 1m by default.
    pub scrape_interval: Duration,
    /// Time a scrape may take, 10s by default and at most the interval.
    pub scrape_timeout: Duration,
    /// Time between evaluations of rules, 1m by default.
    pub evaluation_interval: Duration,
    /// How far back in time rules are evaluated whose group says nothing, 0 by default.
    pub rule_query_offset: Duration,
    /// Labels for what leaves this server; `${NAME}` is replaced from the environment.
    pub external_labels: BTreeMap<String, String>,
    /// Limits of jobs that have none.
    pub limits: ScrapeLimits,
    /// How many dropped targets a job remembers; 0 is no limit.
    pub keep_dropped_targets: u64,
    /// The formats offered, the most wanted first.
    pub scrape_protocols: Vec<ScrapeProtocol>,
    /// Whether names must be of the classic syntax.
    pub legacy_names: bool,
    /// How targets are asked to escape names, if set.
    pub name_escaping: Option<String>,
    /// Whether three more report series are kept.
    pub extra_scrape_metrics: bool,
}

impl Default for GlobalConfig {
    fn default() -> Self {
        Self {
            scrape_interval: Duration::from_secs(60),
            scrape_timeout: Duration::from_secs(10),
            evaluation_interval: Duration::from_secs(60),
            rule_query_offset: Duration::ZERO,
            external_labels: BTreeMap::new(),
            limits: ScrapeLimits::default(),
            keep_dropped_targets: 0,
            scrape_protocols: ScrapeProtocol::DEFAULT.to_vec(),
            legacy_names: false,
            name_escaping: None,
            extra_scrape_metrics: false,
        }
    }
}

impl PrometheusConfig {
    /// Reads the text of `file`. Relative paths in it are below the file's folder.
    ///
    /// # Errors
    /// All mistakes of the file.
    pub fn parse(file: &str, text: &str) -> Result<Self, Vec<ManifestError>> {
        let folder = Path::new(file).parent().unwrap_or(Path::new(""));
        let read = |fields: &Fields<'_>| {
            let mut config = Self::empty();
            config.read(fields, folder);
            config
        };
        let (mut config, warnings) = read_settings_file(file, text, false, read)?;
        config.warnings = warnings;
        Ok(config)
    }

    fn empty() -> Self {
        Self {
            global: GlobalConfig::default(),
            rule_files: Vec::new(),
            scrape_configs: Vec::new(),
            alerting: AlertingConfig::default(),
            retention: None,
            warnings: Vec::new(),
        }
    }

    fn read(&mut self, fields: &Fields<'_>, folder: &Path) {
        if let Some(section) = fields.section("global") {
            self.global = read_global(&section);
            section.finish();
        }
        let rule_files = texts(fields, "rule_files");
        self.rule_files = rule_files.iter().map(|file| folder.join(file).display().to_string()).collect();
        for job in fields.list("scrape_configs") {
            let config = job::read(&job, &self.global, folder);
            if self.scrape_configs.iter().any(|other| other.job_name == config.job_name) {
                job.wrong(
                    "job_name",
                    format!("found multiple scrape configs with job name {:?}", config.job_name),
                    "give every scrape config a name of its own",
                );
            }
            job.finish();
            self.scrape_configs.push(config);
        }
        if let Some(section) = fields.section("alerting") {
            self.alerting = alerting::read(&section, folder);
            section.finish();
        }
        self.read_storage(fields);
        if fields.raw("scrape_config_files").is_some() {
            fields.wrong("scrape_config_files", "not supported yet", "move their jobs to scrape_configs");
        }
        for (key, hint) in BESIDE_SCRAPING {
            if fields.raw(key).is_some() {
                fields.warn(key, format!("not supported yet: {key}"), hint);
            }
        }
    }

    fn read_storage(&mut self, fields: &Fields<'_>) {
        let Some(storage) = fields.section("storage") else { return };
        if let Some(tsdb) = storage.section("tsdb") {
            if let Some(retention) = tsdb.section("retention") {
                self.retention = duration(&retention, "time").filter(|time| !time.is_zero());
                warn_of(&retention, &["size", "percentage"]);
                retention.finish();
            }
            warn_of(&tsdb, &["out_of_order_time_window", "stale_series_compaction_threshold"]);
            tsdb.known(&["chunk_encoding"]);
            tsdb.finish();
        }
        warn_of(&storage, &["exemplars"]);
        storage.finish();
    }
}

/// Sections beside scraping.
const BESIDE_SCRAPING: [(&str, &str); 5] = [
    ("remote_write", "samples stay in the local store"),
    ("remote_read", "queries read the local store only"),
    ("otlp", "OTLP metrics are not received"),
    ("tracing", "own requests are not traced"),
    ("runtime", "these settings tune Prometheus's own process"),
];

fn warn_of(fields: &Fields<'_>, keys: &[&'static str]) {
    for key in keys {
        if fields.raw(key).is_some() {
            fields.warn(key, format!("not supported yet: {key}"), "it has no effect");
        }
    }
}

fn read_global(fields: &Fields<'_>) -> GlobalConfig {
    let mut global = GlobalConfig::default();
    let nonzero = |key| duration(fields, key).filter(|given| !given.is_zero());
    global.scrape_interval = nonzero("scrape_interval").unwrap_or(global.scrape_interval);
    let timeout = nonzero("scrape_timeout");
    if timeout.is_some_and(|timeout| timeout > global.scrape_interval) {
        fields.wrong(
            "scrape_timeout",
            "global scrape timeout greater than scrape interval",
            "lower scrape_timeout or raise scrape_interval",
        );
    }
    global.scrape_timeout = timeout.unwrap_or(global.scrape_timeout.min(global.scrape_interval));
    global.evaluation_interval = nonzero("evaluation_interval").unwrap_or(global.evaluation_interval);
    global.rule_query_offset = duration(fields, "rule_query_offset").unwrap_or_default();
    let labels = text_map(fields, "external_labels");
    for name in labels.keys().filter(|name| name.is_empty() || *name == METRIC_NAME) {
        let message = format!("{name:?} is not a valid label name");
        fields.wrong("external_labels", message, "rename the label");
    }
    global.external_labels = labels.into_iter().map(|(name, value)| (name, expand(&value))).collect();
    global.limits = job::limits(fields, &ScrapeLimits::default());
    global.keep_dropped_targets = limit(fields, "keep_dropped_targets");
    if let Some(protocols) = job::protocols(fields) {
        global.scrape_protocols = protocols;
    }
    match text(fields, "metric_name_validation_scheme").as_deref() {
        None | Some("" | "utf8") => {}
        Some("legacy") => global.legacy_names = true,
        Some(other) => {
            let message = format!("unknown name validation scheme {other:?}");
            fields.wrong("metric_name_validation_scheme", message, "use utf8 or legacy");
        }
    }
    global.name_escaping = text(fields, "metric_name_escaping_scheme").filter(|scheme| !scheme.is_empty());
    global.extra_scrape_metrics = fields.flag("extra_scrape_metrics").unwrap_or(false);
    job::read_native_histograms(fields);
    warn_of(fields, &["query_log_file", "scrape_failure_log_file"]);
    warn_of(fields, &["query_max_series", "query_max_samples_read", "query_max_duration"]);
    global
}

/// Replaces `${NAME}` and `$NAME` from the environment, `$$` by `$`; unset variables are empty.
fn expand(value: &str) -> String {
    let (mut out, mut rest) = (String::new(), value);
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let braced = rest.strip_prefix('{').and_then(|inner| inner.split_once('}'));
        let (name, after) = match braced {
            Some(found) => found,
            None if rest.starts_with('$') => {
                out.push('$');
                rest = &rest[1..];
                continue;
            }
            None => {
                let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
                rest.split_at(end)
            }
        };
        out.push_str(&std::env::var(name).unwrap_or_default());
        rest = after;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn errors(text: &str) -> Vec<String> {
        let errors = PrometheusConfig::parse("dir/p.yml", text).err().unwrap_or_default();
        errors.iter().map(|error| error.to_string().replace('\n', "")).collect()
    }

    #[test]
    fn an_empty_file_has_prometheuss_defaults() {
        for text in ["", "global:\n", "scrape_configs:\n  - job_name: a\n"] {
            let config = PrometheusConfig::parse("p.yml", text).unwrap();
            assert_eq!(config.global.scrape_interval, Duration::from_secs(60));
            assert_eq!(config.global.scrape_timeout, Duration::from_secs(10));
            assert!(config.scrape_configs.iter().all(|job| *job == ScrapeConfig::new("a")));
        }
    }

    #[test]
    fn a_job_takes_what_it_lacks_from_the_globals() {
        let text = "global:\n  scrape_interval: 15s\n  sample_limit: 10\n  external_labels: {zone: 1}\n\
                    scrape_configs:\n  - job_name: a\n    scrape_timeout: 5s\n    label_limit: 3\n    body_size_limit: 1MB\n\
                    \x20   params: {x: [1, b]}\n    bearer_token_file: token\n\
                    \x20   static_configs:\n      - targets: ['h:1', 'h:2']\n        labels: {shard: 1}\n\
                    \x20   file_sd_configs:\n      - files: ['t/*.json', /abs.yml]\n\
                    \x20   relabel_configs:\n      - {source_labels: [__address__], regex: '(.*):1', target_label: host}\n\
                    \x20 - job_name: b\n    scrape_interval: 5s\n";
        let config = PrometheusConfig::parse("dir/p.yml", text).unwrap();
        let [a, b] = config.scrape_configs.as_slice() else { panic!("{config:?}") };
        assert_eq!((a.scrape_interval, a.scrape_timeout), (Duration::from_secs(15), Duration::from_secs(5)));
        assert_eq!((b.scrape_interval, b.scrape_timeout), (Duration::from_secs(5), Duration::from_secs(5)));
        let expected =
            ScrapeLimits { samples: 10, labels: 3, body_bytes: 1 << 20, ..ScrapeLimits::default() };
        assert_eq!(a.limits, expected);
        assert_eq!(a.params["x"], ["1", "b"]);
        assert_eq!(a.static_configs[0].labels, Labels::from_pairs([("shard", "1")]));
        assert_eq!(a.static_configs[0].targets[1], Labels::from_pairs([("__address__", "h:2")]));
        assert_eq!(a.file_sd_configs[0].files, ["dir/t/*.json", "/abs.yml"]);
        let token = SecretSource::File("dir/token".into());
        assert_eq!(a.auth, Some(HttpAuth::Header { kind: "Bearer".into(), credentials: token }));
        assert_eq!(a.relabel_configs.len(), 1);
        assert_eq!(config.global.external_labels["zone"], "1");
    }

    #[test]
    fn mistakes_name_line_field_and_remedy() {
        let check = |text: &str, expected: &str| {
            let found = errors(text);
            assert!(found.len() == 1 && found[0].contains(expected), "{text}\n{found:#?} lacks {expected}");
        };
        let job = |line: &str| format!("scrape_configs:\n  - job_name: a\n    {line}\n");
        check("globl: {}\n", "dir/p.yml:1:1: globl: unknown field  hint: did you mean global?");
        check(
            &job("scrape_intervall: 5s"),
            "dir/p.yml:3:5: scrape_configs[0].scrape_intervall: unknown field",
        );
        check(
            &job("scrape_interval: 5"),
            "dir/p.yml:3:22: scrape_configs[0].scrape_interval: invalid duration \"5\"",
        );
        check(
            &job("scrape_timeout: 2m"),
            "scrape timeout greater than scrape interval for scrape config with job name \"a\"",
        );
        check("global: {scrape_timeout: 2m}", "global scrape timeout greater than scrape interval");
        check(
            &job("scheme: https"),
            "scheme: scheme \"https\" is not supported yet  hint: only http targets",
        );
        check(&job("tls_config: {insecure_skip_verify: true}"), "tls_config: not supported yet");
        check(
            &job("kubernetes_sd_configs: [{role: pod}]"),
            "kubernetes_sd_configs: not supported yet  hint: use ServiceMonitors",
        );
        check(
            &job("static_configs: [{targets: ['http://h:1/m']}]"),
            "\"http://h:1/m\" is not a valid hostname",
        );
        check(&job("relabel_configs: [{regex: '('}]"), "relabel action Replace needs a target label");
        check(
            &job("metric_relabel_configs: [{action: keep, regex: '('}]"),
            "metric_relabel_configs[0].regex: invalid regular expression",
        );
        check(
            &job("relabel_configs: [{action: labeldrop, regex: a, source_labels: [b]}]"),
            "source_labels must not be set for action labeldrop  hint: it takes regex only",
        );
        check(
            &job("relabel_configs: [{action: keepequal, source_labels: [b], target_label: c, regex: d}]"),
            "regex must not be set for action keepequal",
        );
        check(
            &job(
                "relabel_configs: [{action: lowercase, source_labels: [b], target_label: c, replacement: d}]",
            ),
            "replacement must not be set for action lowercase",
        );
        check("global: {metric_name_validation_scheme: x}", "unknown name validation scheme \"x\"");
        check(&job("relabel_configs: [{action: shred}]"), "unknown relabel action \"shred\"");
        check(&job("sample_limit: -1"), "sample_limit: must be from 0");
        check(&job("body_size_limit: 10"), "invalid size \"10\"");
        check(
            &job("scrape_protocols: [PrometheusProto]"),
            "unknown or unsupported scrape protocol \"PrometheusProto\"",
        );
        check(
            &job("file_sd_configs: [{files: ['a.txt']}]"),
            "path name \"a.txt\" is not valid for file discovery",
        );
        check(&job("authorization: {type: Basic}"), "authorization.type: must not be \"basic\"");
        check(
            "scrape_configs: [{job_name: a}, {job_name: a}]",
            "found multiple scrape configs with job name \"a\"",
        );
        check("scrape_configs: [{scheme: http}]", "job_name is empty");
        check("scrape_config_files: [x.yml]", "scrape_config_files: not supported yet");
        check("a: [\n", "not valid YAML");
    }

    #[test]
    fn what_stands_beside_scraping_is_a_warning() {
        let text = "rule_files: [r.yml]\notlp:\n  promote_resource_attributes: []\nremote_write:\n  - url: http://x\n\
                    storage: {tsdb: {retention: {time: 3d, size: 1GB}}}\n";
        let config = PrometheusConfig::parse("p.yml", text).unwrap();
        let lines: Vec<_> =
            config.warnings.iter().map(|w| (w.position.unwrap().0, w.message.as_str())).collect();
        for expected in [
            (3, "not supported yet: otlp"),
            (5, "not supported yet: remote_write"),
            (6, "not supported yet: size"),
        ] {
            assert!(lines.contains(&expected), "{lines:?} lacks {expected:?}");
        }
        assert_eq!(lines.len(), 3, "{lines:?}");
        assert_eq!(config.rule_files, ["r.yml"]);
        assert_eq!(config.retention, Some(Duration::from_secs(3 * 86_400)));
    }

    #[test]
    fn secrets_do_not_print() {
        let text = "scrape_configs: [{job_name: a, basic_auth: {username: u, password: hush}}]";
        let config = PrometheusConfig::parse("p.yml", text).unwrap();
        assert!(!format!("{config:?}").contains("hush"));
    }

    #[test]
    fn labels_are_the_text_that_is_written() {
        let text = "scrape_configs: [{job_name: 010, honor_labels: true, sample_limit: 7, static_configs: [{targets: [], labels: {é: 1, v: 1.10, w: yes, x: 0x10, y: 1e3, z: y}}]}]";
        let job = PrometheusConfig::parse("p.yml", text).unwrap().scrape_configs.remove(0);
        assert_eq!(
            job.static_configs[0].labels.to_string(),
            r#"{v="1.10", w="yes", x="0x10", y="1e3", z="y", "é"="1"}"#
        );
        assert_eq!((job.job_name.as_str(), job.honor_labels, job.limits.samples), ("010", true, 7));
    }

    #[test]
    fn external_labels_are_expanded() {
        assert_eq!(expand("a$$b${TIDEWATCH_SURELY_UNSET}c"), "a$bc");
    }

    use tidewatch_model::Labels;
}
