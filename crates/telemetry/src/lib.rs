//! What tidewatch says about itself: events on standard error and metrics to scrape.
//!
//! Input: `tracing` events and metric handles from every stage. Output: log lines, and the text that `GET /metrics`
//! answers with. It opens no port and keeps nothing: serving is the http crate's, storing the scraper's.
//!
//! Where a metric means what one of Prometheus's own means, it carries that name (`prometheus_…`), so that dashboards
//! and rules about Prometheus hold for tidewatch; the rest is called `tidewatch_…`. No user data goes into a label.

mod allocator;
mod build_info;
mod classic;
mod error;
mod logging;
mod process;
mod registry;
mod summary;

pub use allocator::return_freed_memory;
pub use build_info::BuildInfo;
pub use error::TelemetryError;
pub use logging::{LogFormat, init_logging};
pub use process::{ProcessStat, cpu_seconds, resident_bytes};
pub use prometheus_client::metrics::counter::Counter;
pub use prometheus_client::metrics::family::Family;
pub use prometheus_client::metrics::gauge::Gauge;
pub use prometheus_client::metrics::histogram::Histogram;
pub use registry::{Exposition, Observations, Registry};
pub use summary::Summary;
