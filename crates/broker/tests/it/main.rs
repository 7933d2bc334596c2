//! The broker as clients see it: librdkafka produces and consumes, processes are killed, garbage is sent.
//!
//! Input: brokers on free loopback ports over temporary folders. Output: assertions. Everything is polled with a deadline.

#![allow(clippy::unwrap_used, clippy::needless_pass_by_value)]

mod clients;
mod crash;
mod exporter;
mod garbage;
mod groups;
mod limits;
mod messages;
mod versions;
