//! Tests that hold the repository to its own rules.

mod chart_is_fresh;
mod manifests;
mod tidy;
