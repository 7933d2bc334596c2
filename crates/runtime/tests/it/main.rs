//! What a cluster does with pods and Services, done here with real processes: one module for each side of it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

mod lifecycle;
mod limits;
mod messaging;
mod metrics;
mod mistakes;
mod networking;
mod survivors;
mod world;
