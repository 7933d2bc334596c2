//! Why a load cannot be described or run.
//!
//! Input: nothing. Output: one enum, with texts that name the thing, the value and the remedy. Failed requests are no
//! errors: the report counts them.

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A part of the description cannot be read or is out of range.
    #[error("{what} {value:?}: {problem}\n  hint: {hint}")]
    Invalid {
        /// Which part, e.g. `rate`.
        what: &'static str,
        /// As given.
        value: String,
        /// What is wrong with it.
        problem: String,
        /// What to write instead.
        hint: String,
    },
    /// The host is not this machine, and that was not allowed.
    #[error("{host} is not this machine ({address})\n  hint: add --allow-remote if you may put load on it")]
    Remote {
        /// The host of the URL.
        host: String,
        /// Its first address that is no loopback address.
        address: std::net::IpAddr,
    },
    /// The host has no address.
    #[error("{host} has no address\n  hint: check the URL")]
    Resolve {
        /// The host of the URL.
        host: String,
        /// What the resolver says.
        #[source]
        source: std::io::Error,
    },
    /// The tasks of the scenario could not be made before the load.
    #[error(
        "the scenario's tasks cannot be made: {problem}\n  hint: is {url} the todo backend, and is it ready?"
    )]
    Prepare {
        /// Where they were to be made.
        url: String,
        /// What it answered.
        problem: String,
    },
    /// The operating system gives no timer.
    #[error("no timer")]
    Timer(#[source] std::io::Error),
}

impl Error {
    /// A part of the description that cannot be used.
    pub(crate) fn invalid(
        what: &'static str,
        value: &str,
        problem: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Self::Invalid { what, value: value.to_owned(), problem: problem.into(), hint: hint.into() }
    }
}
