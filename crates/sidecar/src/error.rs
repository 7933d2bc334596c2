//! The one error of this crate.
//!
//! Input: what failed. Output: text that names the thing, the value and the remedy. Which process exit code follows is the caller's.

use std::net::SocketAddr;
use tidewatch_manifest::ManifestError;

/// A sidecar could not be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SidecarError {
    /// Files hold something that cannot be used; one error each.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Resources(Vec<ManifestError>),
    /// A flag has a value that cannot be used.
    #[error("--{flag}={value:?} cannot be used: {reason}\n  hint: {hint}")]
    Option {
        /// The flag's name, without dashes.
        flag: &'static str,
        /// The value given.
        value: String,
        /// What is wrong with it.
        reason: String,
        /// The remedy.
        hint: &'static str,
    },
    /// A component could not be initialised, and does not say `ignoreErrors: true`.
    #[error("component {name} (pubsub.kafka/v1) cannot be initialised: {reason}\n  hint: {hint}")]
    Component {
        /// The component's name.
        name: String,
        /// Why.
        reason: String,
        /// The remedy.
        hint: &'static str,
    },
    /// An address could not be listened on.
    #[error("cannot listen on {address} ({purpose}): {source}\n  hint: {hint}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What for.
        purpose: &'static str,
        /// Why.
        source: std::io::Error,
        /// The remedy.
        hint: &'static str,
    },
}
