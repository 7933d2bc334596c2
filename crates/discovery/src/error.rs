//! The one error of this crate.

/// An endpoint of a monitor that no scrape configuration can be made of.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DiscoveryError {
    /// A relabel rule that the operator would generate does not compile, e.g. because a label's value is used as an
    /// expression.
    #[error(
        "{source_place}: ServiceMonitor {monitor}: {reason}; hint: the operator uses label values and port names as regular expressions, see that they are valid ones"
    )]
    Relabel {
        /// File and line.
        source_place: String,
        /// `namespace/name`.
        monitor: String,
        /// What the rule lacks.
        reason: String,
    },
    /// The timeout is longer than the interval, one of them being the default.
    #[error(
        "{source_place}: ServiceMonitor {monitor}: scrape timeout {timeout} is greater than scrape interval {interval}; hint: set scrapeTimeout or interval"
    )]
    Timeout {
        /// File and line.
        source_place: String,
        /// `namespace/name`.
        monitor: String,
        /// The timeout, e.g. `10s`.
        timeout: String,
        /// The interval, e.g. `5s`.
        interval: String,
    },
}
