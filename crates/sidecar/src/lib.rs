//! The pub/sub part of a Dapr sidecar, over Kafka.
//!
//! Input: daprd's flags as [`SidecarOptions`], Dapr's Component, Subscription, Resiliency and Configuration files, requests of the
//! application, messages of the bus. Output: events on the bus, events to the application, spans, metrics. An application cannot tell it
//! from daprd by what pub/sub does; the rest of Dapr is not here and says so.

mod error;
mod options;

mod content_type;
mod go_text;
mod random;
mod trace_context;

mod document;
mod expression;
mod topic_scopes;

mod component;
mod configuration;
mod resiliency;
mod resources;
mod subscription;

mod cloud_event;

mod http_client;
mod measures;
mod spans;

mod bus;
mod kafka;
mod kafka_reading;

mod api;
mod api_error;
mod metadata_api;
mod publish;

mod app_channel;
mod app_health;
mod delivery;

mod serve;
mod sidecar;

pub use error::SidecarError;
pub use options::{AppHealthOptions, SidecarOptions};
pub use sidecar::Sidecar;
