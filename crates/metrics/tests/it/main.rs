//! Custom and external metrics out of a store, and ScaledObjects at work on it.

mod mapping;
mod metrics_server;
mod scaled_objects;

use std::sync::Arc;
use tidewatch_metrics::Queries;
use tidewatch_promql::{Engine, EngineOptions};
use tidewatch_testkit::Memory;

/// A store with a sample every 15 seconds.
fn store(lines: &str) -> Queries {
    Queries::new(Engine::new(EngineOptions::default()), Arc::new(Memory::load(15_000, lines)))
}
