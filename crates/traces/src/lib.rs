//! Spans: how they come in, are kept, sampled, searched and counted.
//!
//! Input: [`SpanRef`]s through a [`SpanSink`]. Output: traces, services and operations, dependencies. Nothing here speaks a network
//! protocol or reads a clock.
//!
//! ```text
//! decoder ─► SpanBatch ─► TraceStore::commit ─► open segment ─► sealed segments ─► removed (age, disk, memory)
//!               ▲ held until a decision            │  .spans = log      │ .spans + .index, mapped
//!               └ sampling                         └──────► find, trace, dependencies ◄┘
//! ```
//!
//! A request is gathered in a [`SpanBatch`] without any lock, then committed under one. Spans are kept in segments, in which whatever occurs
//! again (resources, scopes, operations, attributes) is written once; see `segment` for the bytes.

mod error;
mod span;
mod wire;
mod value;
mod trace;
mod attribute;
mod batch;
mod options;
mod search;
mod segment;
mod store;

mod calls;
mod duration_histogram;
mod service_graph;
mod span_metrics;
mod tail_sampling;

pub use batch::{HeldSpan, SpanBatch};
pub use calls::{Both, Call, Calls};
pub use error::TracesError;
pub use options::StoreOptions;
pub use search::{Dependency, Ingested, Rejected, Search, StoreStats};
pub use service_graph::{ServiceGraph, ServiceGraphOptions};
pub use span::{
    AttributeRef, EventRef, LinkRef, ResourceRef, ScopeRef, SpanId, SpanKind, SpanRef, SpanSink, StatusCode,
    TraceId, ValueRef,
};
pub use span_metrics::SpanMetrics;
pub use store::{TraceStore, Writer};
pub use tail_sampling::{Fate, SamplingReason, TailPolicy, TailSampler, TailStats};
pub use trace::{Attribute, Event, Link, Resource, Scope, Span, Trace, TraceBuilder, service_name};
pub use value::Value;
