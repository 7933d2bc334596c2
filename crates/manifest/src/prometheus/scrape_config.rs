//! One scrape job, checked and with all defaults filled in.
//!
//! Made from a `scrape_configs` entry, or by discovery from an endpoint of a ServiceMonitor; read by discovery and by the
//! scraper. Plain data: durations are durations, rules are compiled, secrets do not print.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;
use tidewatch_model::{RelabelRule, TargetGroup};

/// A scrape job.
#[derive(Clone, Debug, PartialEq)]
pub struct ScrapeConfig {
    /// The job's name, unique, e.g. `serviceMonitor/shop/web/0`; the default of the label `job`.
    pub job_name: String,
    /// Time between two scrapes of a target.
    pub scrape_interval: Duration,
    /// Time a scrape may take, body included; at most the interval.
    pub scrape_timeout: Duration,
    /// Path on the target, `/metrics` by default.
    pub metrics_path: String,
    /// `http`; anything else is refused.
    pub scheme: String,
    /// Query parameters, several values each.
    pub params: BTreeMap<String, Vec<String>>,
    /// Whether labels of the page win over those of the target.
    pub honor_labels: bool,
    /// Whether timestamps of the page are used.
    pub honor_timestamps: bool,
    /// Whether series with timestamps of their own get staleness markers too.
    pub track_timestamps_staleness: bool,
    /// Whether answers 3xx with a location are followed, ten at most.
    pub follow_redirects: bool,
    /// Whether gzip is offered.
    pub enable_compression: bool,
    /// The formats offered, the most wanted first.
    pub scrape_protocols: Vec<ScrapeProtocol>,
    /// The format assumed when the `Content-Type` is blank or unknown; without it such pages are refused.
    pub fallback_scrape_protocol: Option<ScrapeProtocol>,
    /// Whether names must be of the classic syntax.
    pub legacy_names: bool,
    /// The `escaping` parameter of the formats that have it, e.g. `allow-utf-8`.
    pub name_escaping: String,
    /// Whether three more report series are kept, e.g. `scrape_sample_limit`.
    pub extra_scrape_metrics: bool,
    /// What fails a scrape.
    pub limits: ScrapeLimits,
    /// How many dropped targets are remembered; 0 is no limit.
    pub keep_dropped_targets: u64,
    /// How the scraper names itself to the target.
    pub auth: Option<HttpAuth>,
    /// Further request headers.
    pub http_headers: BTreeMap<String, Vec<SecretSource>>,
    /// Rules from discovered labels to target labels.
    pub relabel_configs: Vec<RelabelRule>,
    /// Rules from scraped labels to stored labels.
    pub metric_relabel_configs: Vec<RelabelRule>,
    /// Targets written down in the configuration.
    pub static_configs: Vec<TargetGroup>,
    /// Targets listed in files.
    pub file_sd_configs: Vec<FileDiscovery>,
}

impl ScrapeConfig {
    /// A job with Prometheus's defaults: every minute, 10 s at most, `http`, `/metrics`, no limits.
    pub fn new(job_name: impl Into<String>) -> Self {
        Self {
            job_name: job_name.into(),
            scrape_interval: Duration::from_secs(60),
            scrape_timeout: Duration::from_secs(10),
            metrics_path: "/metrics".to_owned(),
            scheme: "http".to_owned(),
            params: BTreeMap::new(),
            honor_labels: false,
            honor_timestamps: true,
            track_timestamps_staleness: false,
            follow_redirects: true,
            enable_compression: true,
            scrape_protocols: ScrapeProtocol::DEFAULT.to_vec(),
            fallback_scrape_protocol: None,
            legacy_names: false,
            name_escaping: "allow-utf-8".to_owned(),
            extra_scrape_metrics: false,
            limits: ScrapeLimits::default(),
            keep_dropped_targets: 0,
            auth: None,
            http_headers: BTreeMap::new(),
            relabel_configs: Vec::new(),
            metric_relabel_configs: Vec::new(),
            static_configs: Vec::new(),
            file_sd_configs: Vec::new(),
        }
    }

    /// Whether series texts cached under `self` mean the same under `other`: all that makes labels is equal.
    pub fn makes_the_same_labels_as(&self, other: &Self) -> bool {
        self.honor_labels == other.honor_labels
            && self.honor_timestamps == other.honor_timestamps
            && self.track_timestamps_staleness == other.track_timestamps_staleness
            && self.legacy_names == other.legacy_names
            && self.metric_relabel_configs == other.metric_relabel_configs
            && ScrapeLimits { samples: 0, body_bytes: 0, targets: 0, ..self.limits }
                == ScrapeLimits { samples: 0, body_bytes: 0, targets: 0, ..other.limits }
    }
}

/// Limits beyond which a scrape fails as a whole; 0 is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ScrapeLimits {
    /// Bytes of an uncompressed page.
    pub body_bytes: u64,
    /// Samples left after relabeling.
    pub samples: u64,
    /// Targets of the job after relabeling; beyond it all of them fail.
    pub targets: u64,
    /// Labels of a series after relabeling.
    pub labels: u64,
    /// Bytes of a label's name.
    pub label_name_bytes: u64,
    /// Bytes of a label's value.
    pub label_value_bytes: u64,
}

/// An exposition format that can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ScrapeProtocol {
    /// `OpenMetricsText1.0.0`
    OpenMetricsText1_0_0,
    /// `OpenMetricsText0.0.1`
    OpenMetricsText0_0_1,
    /// `PrometheusText1.0.0`
    PrometheusText1_0_0,
    /// `PrometheusText0.0.4`
    PrometheusText0_0_4,
}

impl ScrapeProtocol {
    /// What is offered unless configured otherwise.
    pub const DEFAULT: [Self; 4] = [
        Self::OpenMetricsText1_0_0,
        Self::OpenMetricsText0_0_1,
        Self::PrometheusText1_0_0,
        Self::PrometheusText0_0_4,
    ];

    /// The protocol of a name as Prometheus spells it; protobuf and OpenMetrics 2.0 are not spoken.
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "OpenMetricsText1.0.0" => Self::OpenMetricsText1_0_0,
            "OpenMetricsText0.0.1" => Self::OpenMetricsText0_0_1,
            "PrometheusText1.0.0" => Self::PrometheusText1_0_0,
            "PrometheusText0.0.4" => Self::PrometheusText0_0_4,
            _ => return None,
        })
    }

    /// The media type with its version, as in an `Accept` header.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::OpenMetricsText1_0_0 => "application/openmetrics-text;version=1.0.0",
            Self::OpenMetricsText0_0_1 => "application/openmetrics-text;version=0.0.1",
            Self::PrometheusText1_0_0 => "text/plain;version=1.0.0",
            Self::PrometheusText0_0_4 => "text/plain;version=0.0.4",
        }
    }

    /// Whether the format is OpenMetrics rather than Prometheus text.
    pub fn is_open_metrics(self) -> bool {
        matches!(self, Self::OpenMetricsText1_0_0 | Self::OpenMetricsText0_0_1)
    }

    /// Whether the format knows the `escaping` parameter.
    pub fn has_escaping(self) -> bool {
        matches!(self, Self::OpenMetricsText1_0_0 | Self::PrometheusText1_0_0)
    }
}

/// How requests are authenticated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HttpAuth {
    /// `basic_auth`
    Basic {
        /// The user.
        username: SecretSource,
        /// The password.
        password: SecretSource,
    },
    /// `authorization`, `bearer_token`, `bearer_token_file`
    Header {
        /// The scheme, `Bearer` by default.
        kind: String,
        /// What follows it.
        credentials: SecretSource,
    },
}

/// A value that may be secret: written in the configuration, or read from a file at every use.
#[derive(Clone, PartialEq, Eq)]
pub enum SecretSource {
    /// The value itself.
    Inline(String),
    /// A file whose content, without blanks around it, is the value.
    File(PathBuf),
}

impl fmt::Debug for SecretSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inline(_) => f.write_str("<secret>"),
            Self::File(path) => write!(f, "<secret from {}>", path.display()),
        }
    }
}

/// Files that list targets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileDiscovery {
    /// Paths; the last part may hold one `*`. Ends with `.json`, `.yml` or `.yaml`.
    pub files: Vec<String>,
    /// How often they are read even if nothing seems to have changed.
    pub refresh_interval: Duration,
}
