//! A trace as the legacy API shows it: spans with references, tags and logs, and processes apart.
//!
//! Input: a stored trace. Output: borrowed views, adjusted by `legacy_adjust` and written by `legacy_json`. Names and kinds that OTLP
//! has fields for become tags here, as Jaeger's translation does it; parts OTLP has and Jaeger's model has not (flags, schemas, counts of
//! what was left out) are gone.

use super::ask::kind_name;
use super::duration::time_text;
use std::borrow::Cow;
use tidewatch_traces::{
    Attribute, Event, Link, Resource, Scope, Span, SpanKind, StatusCode, Trace, TraceId, Value,
};

/// A tag or a field of a log.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Tag<'a> {
    pub(super) key: &'a str,
    pub(super) value: TagValue<'a>,
}

/// The value of a tag; lists and maps are text.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum TagValue<'a> {
    Text(Cow<'a, str>),
    Bool(bool),
    Int(i64),
    Double(f64),
    Bytes(&'a [u8]),
}

/// What happened during a span.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Log<'a> {
    pub(super) time_ns: u64,
    pub(super) fields: Vec<Tag<'a>>,
}

/// A span that has to do with a span.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reference {
    pub(super) trace: TraceId,
    pub(super) span: u64,
    pub(super) is_child: bool,
}

/// What sent a span.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Process<'a> {
    pub(super) service: &'a str,
    pub(super) tags: Vec<Tag<'a>>,
}

/// A span.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct LegacySpan<'a> {
    pub(super) id: u64,
    pub(super) name: &'a str,
    pub(super) references: Vec<Reference>,
    pub(super) start_ns: u64,
    pub(super) duration_ns: u64,
    pub(super) tags: Vec<Tag<'a>>,
    pub(super) logs: Vec<Log<'a>>,
    /// Index into the processes.
    pub(super) process: usize,
    /// Tags of the span that belong to its process.
    pub(super) moved: Vec<Tag<'a>>,
    pub(super) warnings: Vec<String>,
}

/// A trace.
#[derive(Clone, Debug)]
pub(super) struct LegacyTrace<'a> {
    pub(super) id: TraceId,
    pub(super) spans: Vec<LegacySpan<'a>>,
    /// One per resource of the stored trace.
    pub(super) processes: Vec<Process<'a>>,
}

impl<'a> LegacyTrace<'a> {
    /// The view of a stored trace, nothing adjusted.
    pub(super) fn of(trace: &'a Trace) -> Self {
        Self {
            id: trace.id,
            spans: trace.spans.iter().map(|span| LegacySpan::of(trace, span)).collect(),
            processes: trace.resources.iter().map(Process::of).collect(),
        }
    }
}

impl<'a> Process<'a> {
    fn of(resource: &'a Resource) -> Self {
        let tags = resource.attributes.iter().filter(|(key, _)| key != "service.name");
        Self { service: resource.service(), tags: tags.map(tag).collect() }
    }
}

/// A span's id as a number.
pub(super) fn number(id: tidewatch_traces::SpanId) -> u64 {
    u64::from_be_bytes(id.0)
}

/// The warning about a span that ends before or as it starts.
pub(super) fn negative_duration(span: &Span) -> Option<String> {
    (span.end_ns <= span.start_ns).then(|| {
        let shown = |ns: u64| time_text(ns.cast_signed());
        format!(
            "Negative duration detected, sanitizing end timestamp. Original end timestamp: {}, adjusted to: {}",
            shown(span.end_ns),
            shown(span.start_ns.wrapping_add(1)),
        )
    })
}

impl<'a> LegacySpan<'a> {
    fn of(trace: &'a Trace, span: &'a Span) -> Self {
        let scope = trace.scope_of(span);
        Self {
            id: number(span.id),
            name: &span.name,
            references: references(trace.id, span),
            start_ns: span.start_ns,
            duration_ns: span.duration_ns(),
            tags: tags(scope, span),
            logs: span.events.iter().map(log).collect(),
            process: scope.resource,
            moved: Vec::new(),
            warnings: negative_duration(span).into_iter().collect(),
        }
    }

    /// The span that caused it, or 0.
    pub(super) fn parent(&self, trace: TraceId) -> u64 {
        let own = || self.references.iter().filter(|reference| reference.trace == trace);
        let parent = own().find(|reference| reference.is_child).or_else(|| own().next());
        parent.map_or(0, |reference| reference.span)
    }

    /// Makes another span the one that caused it.
    pub(super) fn replace_parent(&mut self, trace: TraceId, parent: u64) {
        let old = self.parent(trace);
        let mut own = self.references.iter_mut();
        match own.find(|reference| reference.trace == trace && reference.span == old) {
            Some(reference) => reference.span = parent,
            None => self.references.insert(0, Reference { trace, span: parent, is_child: true }),
        }
    }

    /// Its role, which an attribute may say too.
    pub(super) fn is_kind(&self, kind: SpanKind) -> bool {
        let said = self.tags.iter().find(|tag| tag.key == "span.kind");
        said.is_some_and(|tag| matches!(&tag.value, TagValue::Text(text) if text == kind_name(kind)))
    }
}

fn text<'a>(key: &'static str, text: &'a str) -> Tag<'a> {
    Tag { key, value: TagValue::Text(Cow::Borrowed(text)) }
}

fn tag((key, value): &Attribute) -> Tag<'_> {
    let value = match value {
        Value::Empty => TagValue::Text(Cow::Borrowed("")),
        Value::Text(text) => TagValue::Text(Cow::Borrowed(text)),
        Value::Bool(value) => TagValue::Bool(*value),
        Value::Int(value) => TagValue::Int(*value),
        Value::Double(value) => TagValue::Double(*value),
        Value::Bytes(bytes) => TagValue::Bytes(bytes),
        Value::Array(_) | Value::Map(_) => TagValue::Text(Cow::Owned(value.as_text())),
    };
    Tag { key, value }
}

/// The tags of a span, in Jaeger's order: of its scope, its own, and what OTLP has fields for.
fn tags<'a>(scope: &'a Scope, span: &'a Span) -> Vec<Tag<'a>> {
    let mut tags = Vec::with_capacity(span.attributes.len() + 7);
    let said = |tags: &mut Vec<Tag<'a>>, key, value: &'a str| {
        if !value.is_empty() {
            tags.push(text(key, value));
        }
    };
    said(&mut tags, "otel.scope.name", &scope.name);
    said(&mut tags, "otel.scope.version", &scope.version);
    tags.extend(span.attributes.iter().map(tag));
    said(&mut tags, "span.kind", kind_name(span.kind));
    let status = match span.status {
        StatusCode::Unset => "",
        StatusCode::Ok => "OK",
        StatusCode::Error => "ERROR",
    };
    said(&mut tags, "otel.status_code", status);
    if span.status == StatusCode::Error {
        tags.push(Tag { key: "error", value: TagValue::Bool(true) });
    }
    said(&mut tags, "otel.status_description", &span.status_message);
    said(&mut tags, "w3c.tracestate", &span.trace_state);
    tags
}

fn references(trace: TraceId, span: &Span) -> Vec<Reference> {
    let parent =
        span.parent.is_valid().then(|| Reference { trace, span: number(span.parent), is_child: true });
    let mut references: Vec<Reference> = parent.into_iter().collect();
    for link in &span.links {
        let reference =
            Reference { trace: link.trace_id, span: number(link.span_id), is_child: is_child(link) };
        match (references.first_mut(), span.parent.is_valid()) {
            (Some(parent), true) if parent.trace == reference.trace && parent.span == reference.span => {
                parent.is_child = reference.is_child;
            }
            _ => references.push(reference),
        }
    }
    references
}

fn is_child(link: &Link) -> bool {
    let said = link.attributes.iter().find(|(key, _)| key == "opentracing.ref_type");
    matches!(said, Some((_, Value::Text(text))) if text == "child_of")
}

fn log(event: &Event) -> Log<'_> {
    let named = event.attributes.iter().any(|(key, _)| key == "event");
    let name = (!event.name.is_empty() && !named).then(|| text("event", &event.name));
    Log { time_ns: event.time_ns, fields: name.into_iter().chain(event.attributes.iter().map(tag)).collect() }
}
