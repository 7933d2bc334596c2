//! Which program this is: its version and how it was built.
//!
//! Input: what the binary knows of its own build. Output: `prometheus_build_info` and `tidewatch_build_info`, and the
//! answer of `status/buildinfo`. It does not ask git or the clock at run time.

/// The version of a build and where it came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuildInfo {
    /// The release, e.g. `0.1.0`.
    pub version: String,
    /// The commit, or empty when unknown.
    pub revision: String,
    /// The branch, or empty when unknown.
    pub branch: String,
    /// When it was built, or empty when unknown.
    pub build_date: String,
}

impl BuildInfo {
    /// The release whose HTTP API and PromQL tidewatch follows. Clients choose their features by it.
    pub const COMPATIBLE_WITH: &str = "3.16.0";

    /// A build of a release of which nothing else is known.
    pub fn of_version(version: impl Into<String>) -> Self {
        Self {
            version: version.into(),
            revision: String::new(),
            branch: String::new(),
            build_date: String::new(),
        }
    }
}
