//! Settings of the scraper as a whole; those of a job are in its configuration.

/// Settings of a [`Scraper`](crate::Scraper).
#[derive(Clone, Debug)]
pub struct ScrapeOptions {
    /// How many targets may be fetched, or wait with their page to be parsed, at the same time; 256 unless set.
    pub concurrent_fetches: usize,
    /// How many pages may be parsed and stored at the same time; the number of cores unless set.
    pub concurrent_ingests: usize,
    /// The largest page without a `body_size_limit` of its own, in bytes; 256 MiB unless set.
    pub max_body_bytes: u64,
    /// The value of the header `User-Agent`.
    pub user_agent: String,
}

impl Default for ScrapeOptions {
    fn default() -> Self {
        Self {
            concurrent_fetches: 256,
            concurrent_ingests: std::thread::available_parallelism().map_or(2, usize::from),
            max_body_bytes: 256 << 20,
            user_agent: concat!("tidewatch/", env!("CARGO_PKG_VERSION")).to_owned(),
        }
    }
}
