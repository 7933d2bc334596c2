//! What the targets and metadata APIs show of scraping.

use std::time::Duration;
use tidewatch_exposition::MetricKind;
use tidewatch_model::Labels;

/// Whether the last scrape succeeded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TargetHealth {
    /// Not scraped yet.
    #[default]
    Unknown,
    /// It did.
    Up,
    /// It did not.
    Down,
}

impl TargetHealth {
    /// `unknown`, `up` or `down`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Up => "up",
            Self::Down => "down",
        }
    }
}

/// A target that is scraped.
#[derive(Clone, Debug)]
pub struct TargetStatus {
    /// The job's name.
    pub pool: String,
    /// The labels before relabeling.
    pub discovered_labels: Labels,
    /// The labels its samples get.
    pub labels: Labels,
    /// Where it is scraped.
    pub scrape_url: String,
    /// The same as seen from elsewhere; equal to `scrape_url`, as targets are not renamed.
    pub global_url: String,
    /// Why the last scrape failed; empty when it did not.
    pub last_error: String,
    /// When the last scrape was made, in milliseconds since the Unix epoch.
    pub last_scrape: Option<i64>,
    /// How long it took.
    pub last_scrape_duration: Duration,
    /// Whether it succeeded.
    pub health: TargetHealth,
    /// Time between scrapes.
    pub scrape_interval: Duration,
    /// Time a scrape may take.
    pub scrape_timeout: Duration,
}

/// A target that relabeling dropped.
#[derive(Clone, Debug)]
pub struct DroppedTarget {
    /// The job's name.
    pub pool: String,
    /// The labels before relabeling.
    pub discovered_labels: Labels,
}

/// What a target says of a metric family.
#[derive(Clone, Debug)]
pub struct MetricMetadata {
    /// The family's name.
    pub metric: String,
    /// Its type.
    pub kind: MetricKind,
    /// What it is.
    pub help: String,
    /// Its unit; empty in text 0.0.4.
    pub unit: String,
    /// The labels of the target that says so.
    pub target: Labels,
}
