//! The files of `kubernetes/monitoring` as they are shipped: read from the repository, checked as a cluster would take
//! them, compared with `docs/metrics-used.md`. Starts nothing.

#![allow(clippy::unwrap_used)] // a test that cannot read its input has failed

mod alertmanager;
mod files;
mod metrics;
mod rules;
mod runbooks;
mod shipped;
