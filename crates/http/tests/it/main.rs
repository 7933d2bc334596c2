//! The server over real loopback sockets, with doubles for store, scraper and runtime.
//!
//! Expectations of bodies were observed on Prometheus 3.16; `against_prometheus` asks a real one when it is installed.

#![allow(clippy::unwrap_used)] // a test that cannot talk to its server has failed

mod against_kubectl;
mod against_prometheus;
mod alerting;
mod alertmanager;
mod client;
mod dashboards_and_pods;
mod doubles;
mod jaeger;
mod kubernetes;
mod limits;
mod otlp_grpc;
mod otlp_http;
mod prometheus;
mod receiving;
mod remote_sampling;
mod scaling;
mod scaling_doubles;
mod security;
mod served;
