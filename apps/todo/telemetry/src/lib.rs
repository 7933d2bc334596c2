//! What the three processes of the todo application share: how they are configured, served, drained, measured and logged.
//!
//! Input: environment variables, HTTP connections, `/proc/self`. Output: HTTP answers, `problem+json` refusals, metrics in
//! the Prometheus text format and OpenMetrics, spans over OTLP, JSON log lines. Deliberately knows nothing about tasks or activities.
//!
//! Traces: [`Routes::traced`] gives every request a SERVER span below its caller's, and what runs in the handler is in it. Further spans:
//!
//! ```no_run
//! # use todo_telemetry::*;
//! # async fn example(tracer: &Tracer, headers: &mut axum::http::HeaderMap) {
//! // Work within a request; ends when dropped. A spawned task is wrapped in `in_current_context`.
//! let mut span = Span::child("process task-events", SpanKind::Consumer);
//! span.attribute("messaging.operation.type", "process");
//! span.run(async { /* spans made and lines logged here are in it */ }).await;
//!
//! // What is done later, or elsewhere: keep the two texts, and continue from them.
//! let kept = TraceContext::current().map(|now| (now.traceparent(), now.tracestate().map(str::to_owned)));
//! let parent = kept.and_then(|(parent, state)| TraceContext::parse(&parent, state.as_deref()));
//! let send = tracer.operation("send task-events", SpanKind::Producer); // once, at the start
//! let mut span = tracer.begin(&send, parent.as_ref());
//! if let Some(context) = span.context() {
//!     context.inject(headers);
//! }
//! span.error("timeout", "the sidecar did not answer in time");
//! # }
//! ```

mod error;
mod settings;

mod random_ids;
mod trace_context;

mod current_context;

mod remote_sampler;
mod sampler;

mod span_encoding;

mod span;
mod tracer;

mod export_metrics;
mod span_queue;

mod resource;

mod exporter;

mod trace_settings;

mod trace_pipeline;

mod logs;

mod latency;

mod exposition;
mod process_metrics;

mod problem;

mod http_metrics;
mod server_span;

mod fault;
mod fault_memory;
mod fault_work;
mod faults;

mod fault_routes;

mod observe;
mod routes;

mod json_body;

mod lifecycle;

mod health;

mod serve;

mod client;

mod start;

#[cfg(any(test, feature = "testing"))]
pub mod testing;

#[cfg(feature = "database")]
mod database;
#[cfg(feature = "database")]
mod migrate;
#[cfg(feature = "database")]
mod prepare;
#[cfg(feature = "database")]
mod query_metrics;
#[cfg(feature = "database")]
mod query_span;
#[cfg(feature = "database")]
mod transaction;

pub use client::{BaseUrl, HttpClient, http_client};
pub use current_context::{InContext, in_context, in_current_context};
#[cfg(feature = "database")]
pub use database::{Database, DatabaseKind};
pub use error::{Error, Result};
pub use exposition::{metrics_routes, new_registry};
pub use faults::{FaultSettings, FaultSurface, Faults};
pub use health::{Probe, health_routes};
pub use http_metrics::{HttpMetrics, LATENCY_BUCKETS};
pub use json_body::{check_declared_length, discard, read_json};
pub use latency::LatencyHistogram;
pub use lifecycle::{Lifecycle, Stop, stop_signal};
pub use logs::{LogLevel, init_json_logs};
#[cfg(feature = "database")]
pub use migrate::{Migration, Migrations};
#[cfg(feature = "database")]
pub use prepare::prepare_database;
pub use problem::{FieldError, MAX_BODY_BYTES, Problem};
#[cfg(feature = "database")]
pub use query_metrics::{QueryMetrics, QueryType};
pub use routes::Routes;
pub use sampler::Operation;
pub use serve::{Listeners, ServeOutcome};
pub use settings::{Environment, ListenSettings};
pub use span::{Span, SpanKind};
pub use span_encoding::AttributeValue;
pub use start::start;
pub use trace_context::{SpanId, TraceContext, TraceId};
pub use trace_pipeline::TracePipeline;
pub use trace_settings::TraceSettings;
pub use tracer::Tracer;
#[cfg(feature = "database")]
pub use transaction::Transaction;
