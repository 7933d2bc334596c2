//! The files users write, as plain types: Kubernetes objects and Prometheus's own configuration.
//!
//! Input: text from files, folders or standard input. Output: checked plain types, or an error that names file, line,
//! field, value and remedy. It reads no file by itself, resolves no reference between objects and runs nothing.

mod endpoints;
mod error;

pub use endpoints::{EndpointAddress, EndpointPort, Endpoints, PodRef};
pub use error::ManifestError;
