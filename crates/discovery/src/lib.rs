//! What is to be scraped: ServiceMonitors, static lists and target files → jobs with their groups of targets.
//!
//! Input: checked configuration, and the addresses behind Services as they change. Output: [`Job`]s for the scraper, in
//! which every label is still a discovered one: relabeling is the scraper's. Everything but [`follow`] is a pure function;
//! a ServiceMonitor becomes exactly the scrape configuration the Prometheus operator makes of it.

mod error;

mod endpoints;
mod monitor;
mod relabelings;

mod diagnose;

mod file;
mod follow;

pub use diagnose::{Diagnosis, diagnose, not_scraped};
pub use endpoints::target_group;
pub use error::DiscoveryError;
pub use file::FileTargets;
pub use follow::{Discovery, FollowOptions, follow};
pub use monitor::{MonitorDefaults, MonitorJob, monitor_jobs};

/// A job and its discovered targets, as the scraper takes them.
pub type Job = (tidewatch_manifest::ScrapeConfig, Vec<tidewatch_model::TargetGroup>);
