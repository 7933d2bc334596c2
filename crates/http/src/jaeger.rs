//! Jaeger's query APIs, as Jaeger v2 answers them: the one its page and Grafana's data source call, and `/api/v3`.
//!
//! Input: calls of those clients, the store of spans, and for `/api/metrics` the store of samples. Output: JSON written straight into
//! bytes. In reading order: `ask` reads what is asked, `envelope` writes answers that are no traces and errors, `legacy` and `v3` are the
//! two APIs; each has its own view of a trace (`legacy_trace`, `otlp_json`) with the adjustments that Jaeger makes before it shows one
//! (`legacy_adjust`, `v3_adjust`, and `clock_skew` and `equal_spans` for both).
//!
//! Deliberately not here: archives (refused), deep dependencies, the quality of traces and trace summaries (not known as a format, or
//! made-up data in Jaeger itself), and the gRPC form of the same questions.

mod ask;
mod clock_skew;
mod duration;
mod envelope;
mod equal_spans;
mod legacy;
mod legacy_adjust;
mod legacy_json;
mod legacy_trace;
mod otlp_json;
mod service_metrics;
mod v3;
mod v3_adjust;

use crate::Shared;
use crate::endpoint::Takes::{Get, GetOrHead, PostOrPut};
use crate::endpoint::{endpoint, when_ready};
use axum::Router;
use axum::middleware::from_fn_with_state;

/// The routes below `/api` that no other API has.
pub(crate) fn routes(shared: &Shared) -> Router<Shared> {
    let legacy = Router::new()
        .route("/api/services", endpoint(GetOrHead, legacy::services))
        .route("/api/services/{service}/operations", endpoint(GetOrHead, legacy::operation_names))
        .route("/api/operations", endpoint(GetOrHead, legacy::operations))
        .route("/api/traces", endpoint(Get, legacy::search))
        .route("/api/traces/{id}", endpoint(Get, legacy::trace))
        .route("/api/dependencies", endpoint(Get, legacy::dependencies))
        .route("/api/transform", endpoint(PostOrPut, legacy::transform))
        .route("/api/archive/{id}", endpoint(PostOrPut, legacy::archive))
        .route("/api/deep-dependencies", endpoint(Get, legacy::deep_dependencies))
        .route("/api/quality-metrics", endpoint(Get, legacy::quality_metrics))
        .route("/api/metrics/latencies", endpoint(Get, service_metrics::latencies))
        .route("/api/metrics/calls", endpoint(Get, service_metrics::calls))
        .route("/api/metrics/errors", endpoint(Get, service_metrics::errors))
        .route("/api/metrics/minstep", endpoint(Get, service_metrics::min_step));
    let v3 = Router::new()
        .route("/api/v3/services", endpoint(GetOrHead, v3::services))
        .route("/api/v3/operations", endpoint(GetOrHead, v3::operations))
        .route("/api/v3/traces", endpoint(Get, v3::search))
        .route("/api/v3/traces/{id}", endpoint(Get, v3::trace))
        .route("/api/v3/trace-summaries", endpoint(Get, v3::trace_summaries));
    legacy.merge(v3).route_layer(from_fn_with_state(shared.clone(), when_ready))
}
