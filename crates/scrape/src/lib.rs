//! Scraping: jobs and their targets → samples in the store.
//!
//! Input: [`Job`]s from discovery, pages over HTTP, the time from a [`Clock`](tidewatch_model::Clock). Output: batches for
//! an [`Append`](tidewatch_model::Append), and what the targets API shows. Which labels a sample gets, when a series is
//! stale, what fails a scrape and with which words is Prometheus's; where it differs, the module says so. It stores
//! nothing itself and serves nothing.
//!
//! A page goes one way: `fetch` (bytes) → `ingest` (entries, through the `cache` of series) → `Append` → `report` (up and
//! friends), driven by one `scrape_loop` per target, which `scraper` starts and stops.

#[cfg(test)]
mod allocations;

mod error;
mod options;
mod stats;
mod status;

mod target;
mod target_url;

mod fetch;
mod request;

mod cache;
mod ingest;
mod limits;
mod metadata;
mod mutate;
mod report;

mod processing;
mod schedule;
mod scrape_loop;
mod scraper;

pub use error::ScrapeError;
pub use options::ScrapeOptions;
pub use scraper::{Job, Scraper, TargetFailure};
pub use stats::{IntervalLength, PoolStats, ScrapeStats};
pub use status::{DroppedTarget, MetricMetadata, TargetHealth, TargetStatus};
