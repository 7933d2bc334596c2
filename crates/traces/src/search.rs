//! Questions to the store and its answers about itself.
//!
//! Input: the query APIs. Output: read by `find`; counted by `writer` and `stats`. It decides nothing.

use crate::span::{SpanKind, StatusCode};
use crate::trace::{Attribute, Span, Trace};

/// Which traces to find: those with a span for which everything said here holds at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Search {
    /// The span's service.
    pub service: Option<String>,
    /// The span's name.
    pub operation: Option<String>,
    /// The span's kind.
    pub kind: Option<SpanKind>,
    /// Keys and values that attributes of the span, its events, its scope or its resource have, the values compared as text. What Jaeger
    /// shows as tags although OTLP has fields for it is found too: `span.kind`, `otel.status_code`, and `error` by the status.
    pub tags: Vec<(String, String)>,
    /// The span takes at least so many nanoseconds.
    pub min_duration_ns: Option<u64>,
    /// The span takes at most so many nanoseconds.
    pub max_duration_ns: Option<u64>,
    /// The span starts at or after this, in nanoseconds since the Unix epoch.
    pub start_ns: u64,
    /// The span starts at or before this, in nanoseconds since the Unix epoch.
    pub end_ns: u64,
    /// Traces to return at most: those whose first span arrived last.
    pub limit: usize,
}

impl Default for Search {
    fn default() -> Self {
        Self {
            service: None,
            operation: None,
            kind: None,
            tags: Vec::new(),
            min_duration_ns: None,
            max_duration_ns: None,
            start_ns: 0,
            end_ns: u64::MAX,
            limit: 100,
        }
    }
}

impl Search {
    /// Whether a trace has a span for which everything holds.
    pub fn matches(&self, trace: &Trace) -> bool {
        trace.spans.iter().any(|span| self.matches_span(trace, span))
    }

    fn matches_span(&self, trace: &Trace, span: &Span) -> bool {
        let (scope, resource) = (trace.scope_of(span), trace.resource_of(span));
        let tagged = |(key, text): &(String, String)| {
            let has =
                |attributes: &[Attribute]| attributes.iter().any(|(k, v)| k == key && v.as_text() == *text);
            derived(key, text).is_some_and(|derived| derived.is(span.kind, span.status))
                || has(&span.attributes)
                || span.events.iter().any(|event| has(&event.attributes))
                || has(&scope.attributes)
                || has(&resource.attributes)
        };
        self.service.as_deref().is_none_or(|service| resource.service() == service)
            && self.operation.as_deref().is_none_or(|operation| span.name == operation)
            && self.kind.is_none_or(|kind| span.kind == kind)
            && self.min_duration_ns.is_none_or(|bound| span.duration_ns() >= bound)
            && self.max_duration_ns.is_none_or(|bound| span.duration_ns() <= bound)
            && (self.start_ns..=self.end_ns).contains(&span.start_ns)
            && self.tags.iter().all(tagged)
    }
}

/// A tag that is no attribute.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Derived {
    Kind(SpanKind),
    Status(StatusCode),
}

/// What a tag means besides an attribute.
pub(crate) fn derived(key: &str, text: &str) -> Option<Derived> {
    Some(match (key, text) {
        ("span.kind", "internal") => Derived::Kind(SpanKind::Internal),
        ("span.kind", "server") => Derived::Kind(SpanKind::Server),
        ("span.kind", "client") => Derived::Kind(SpanKind::Client),
        ("span.kind", "producer") => Derived::Kind(SpanKind::Producer),
        ("span.kind", "consumer") => Derived::Kind(SpanKind::Consumer),
        ("otel.status_code", "ERROR") | ("error", "true") => Derived::Status(StatusCode::Error),
        ("otel.status_code", "OK") | ("error", "false") => Derived::Status(StatusCode::Ok),
        _ => return None,
    })
}

impl Derived {
    pub(crate) fn is(self, kind: SpanKind, status: StatusCode) -> bool {
        match self {
            Self::Kind(wanted) => wanted == kind,
            Self::Status(wanted) => wanted == status,
        }
    }
}

/// What became of the spans of a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ingested {
    /// Spans kept.
    pub accepted: u64,
    /// Spans equal to one that is kept already; not kept again. To the sender they are accepted.
    pub duplicates: u64,
    /// Of the accepted: began longer ago than the store keeps spans.
    pub late: u64,
    /// Of the accepted: begin in the future.
    pub skewed: u64,
    /// Spans refused.
    pub rejected: Rejected,
}

/// Why spans were refused, in spans.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rejected {
    /// The trace id is zero.
    pub invalid_trace_id: u64,
    /// The span id is zero.
    pub invalid_span_id: u64,
    /// Larger than [`crate::StoreOptions::max_span_bytes`].
    pub oversized: u64,
    /// More attributes than [`crate::StoreOptions::max_attributes`].
    pub too_many_attributes: u64,
}

impl Rejected {
    /// All refused spans.
    pub fn total(&self) -> u64 {
        self.invalid_trace_id + self.invalid_span_id + self.oversized + self.too_many_attributes
    }
}

impl std::ops::AddAssign for Ingested {
    fn add_assign(&mut self, other: Self) {
        self.accepted += other.accepted;
        self.duplicates += other.duplicates;
        self.late += other.late;
        self.skewed += other.skewed;
        self.rejected.invalid_trace_id += other.rejected.invalid_trace_id;
        self.rejected.invalid_span_id += other.rejected.invalid_span_id;
        self.rejected.oversized += other.rejected.oversized;
        self.rejected.too_many_attributes += other.rejected.too_many_attributes;
    }
}

/// Calls of one service by another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Dependency {
    /// The calling service.
    pub parent: String,
    /// The called service.
    pub child: String,
    /// Spans of the child whose parent span is the parent's.
    pub calls: u64,
}

/// What a store holds and what it has done since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoreStats {
    /// Spans held.
    pub spans: u64,
    /// Segments held, the open one included.
    pub segments: u64,
    /// Bytes of heap that spans and indexes take.
    pub memory_bytes: u64,
    /// Bytes of the files.
    pub disk_bytes: u64,
    /// Spans that came in since the store was opened, by what became of them.
    pub ingested: Ingested,
    /// Spans that left since the store was opened because of a bound on memory or disk.
    pub evicted_spans: u64,
    /// Spans that left since the store was opened because of their age.
    pub expired_spans: u64,
    /// Writes to the log that failed since the store was opened: their spans are in memory only until the segment is closed.
    pub failed_writes: u64,
    /// Segments whose files are damaged; what can be read of them was kept.
    pub damaged_segments: u64,
    /// Spans read from the log or from segments when the store was opened.
    pub recovered_spans: u64,
}
