//! Why a scrape failed. What Prometheus says of it in a target's last error is said in the same words.

use std::time::Duration;
use tidewatch_exposition::{ContentTypeError, ParseError};
use tidewatch_model::{AppendError, format_duration};

/// A scrape that failed as a whole: `up` is 0 and nothing of the page is stored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ScrapeError {
    /// No connection, or it broke.
    #[error("Get {url:?}: {reason}")]
    Http {
        /// The page.
        url: String,
        /// What happened.
        reason: String,
    },
    /// The answer was not complete in time.
    #[error("Get {url:?}: context deadline exceeded: no complete answer within the scrape timeout of {}", format_duration(*timeout))]
    Timeout {
        /// The page.
        url: String,
        /// The timeout of the job.
        timeout: Duration,
    },
    /// An answer other than 200.
    #[error("server returned HTTP status {0}")]
    Status(String),
    /// The page is larger than `body_size_limit`.
    #[error("body size limit exceeded")]
    BodySize,
    /// The page is larger than any page may be.
    #[error("page larger than {0} bytes; hint: set body_size_limit, or scrape less")]
    HugeBody(u64),
    /// The page says it is gzip and is not.
    #[error("gzip: invalid data: {0}")]
    Gzip(String),
    /// No parser may read the page.
    #[error(transparent)]
    ContentType(#[from] ContentTypeError),
    /// The page breaks the rules of its format.
    #[error(transparent)]
    Parse(#[from] ParseError),
    /// More samples than `sample_limit`.
    #[error("sample limit exceeded")]
    SampleLimit,
    /// More labels than `label_limit`, or a longer name or value than allowed.
    #[error("{0}")]
    LabelLimit(String),
    /// More targets than `target_limit`.
    #[error("target_limit exceeded (number of targets: {targets}, limit: {limit})")]
    TargetLimit {
        /// Targets of the job.
        targets: u64,
        /// What is allowed.
        limit: u64,
    },
    /// Relabeling removed the metric's name.
    #[error("missing metric name (__name__ label)")]
    MissingName,
    /// A name that is not legal under the job's naming scheme.
    #[error("invalid metric name or label names: {0}")]
    InvalidName(String),
    /// A series that has a label twice.
    #[error("label name {0:?} is not unique: invalid sample")]
    DuplicateLabel(String),
    /// Ingesting or storing the page panicked.
    #[error(
        "defect while ingesting the page: {0}; hint: this is a mistake in tidewatch, please report it with the page"
    )]
    Defect(String),
    /// The store could not take the samples.
    #[error(transparent)]
    Append(#[from] AppendError),
    /// A file with a secret could not be read.
    #[error(
        "unable to read {path}: {reason}; hint: check the file named in the job's authentication or headers"
    )]
    Secret {
        /// The file.
        path: String,
        /// What happened.
        reason: String,
    },
    /// The target's address, scheme or headers make no request.
    #[error("cannot make a request to {url:?}: {reason}")]
    Request {
        /// The page.
        url: String,
        /// What is wrong.
        reason: String,
    },
}
