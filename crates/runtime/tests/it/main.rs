//! What a cluster does with pods and Services, done here with real processes: one module for each side of it.

mod lifecycle;
mod limits;
mod metrics;
mod mistakes;
mod networking;
mod survivors;
mod world;
