//! The sidecar as an application meets it, over a Kafka that librdkafka plays itself.
//!
//! Input: requests and events. Output: what the application, the bus and the collector see. A real Kafka and a real daprd are
//! `conformance/dapr`'s.

mod api;
mod delivery;
mod fixture;
mod outages;
mod traces;
