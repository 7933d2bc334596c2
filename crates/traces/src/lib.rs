//! Spans: how they come in, are kept, sampled, searched and counted.
//!
//! Input: [`SpanRef`]s through a [`SpanSink`]. Output: traces, services and operations, dependencies. Nothing here speaks a network
//! protocol or reads a clock.

mod span;

pub use span::{
    AttributeRef, EventRef, LinkRef, ResourceRef, ScopeRef, SpanId, SpanKind, SpanRef, SpanSink, StatusCode,
    TraceId, ValueRef,
};
