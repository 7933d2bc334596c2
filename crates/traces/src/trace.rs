//! A trace on its way out: everything OTLP carries, owned.
//!
//! Input: the store's segments, decoded on a query, or any caller of [`TraceBuilder`], which is a [`SpanSink`]. Output: what the query APIs
//! print. Spans are in the order in which they arrived; nothing is adjusted, merged or sorted: that is the API's business.

use crate::span::{
    AttributeRef, EventRef, LinkRef, ResourceRef, ScopeRef, SpanId, SpanKind, SpanRef, SpanSink, StatusCode,
    TraceId,
};
use crate::value::Value;

/// A key and its value, owned.
pub type Attribute = (String, Value);

/// A trace: all spans with its id that are kept.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Trace {
    /// Its id.
    pub id: TraceId,
    /// What sent the spans; each once.
    pub resources: Vec<Resource>,
    /// The libraries that made the spans; each once per resource.
    pub scopes: Vec<Scope>,
    /// The spans, in the order of their arrival.
    pub spans: Vec<Span>,
}

/// What sent a span.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Resource {
    /// `service.name` and the like, as sent.
    pub attributes: Vec<Attribute>,
    /// Attributes the sender left out.
    pub dropped_attributes: u32,
    /// Which conventions the attributes follow; may be empty.
    pub schema_url: String,
}

/// The library that made a span.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scope {
    /// Index into [`Trace::resources`].
    pub resource: usize,
    /// The library's name; may be empty.
    pub name: String,
    /// The library's version; may be empty.
    pub version: String,
    /// Attributes of the library.
    pub attributes: Vec<Attribute>,
    /// Attributes the sender left out.
    pub dropped_attributes: u32,
    /// Which conventions the spans follow; may be empty.
    pub schema_url: String,
}

/// A span, as sent.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Span {
    /// Index into [`Trace::scopes`].
    pub scope: usize,
    /// Its id.
    pub id: SpanId,
    /// The span that caused it, not valid for a root.
    pub parent: SpanId,
    /// W3C `tracestate`; may be empty.
    pub trace_state: String,
    /// W3C trace flags and the protocol's own bits.
    pub flags: u32,
    /// The operation.
    pub name: String,
    /// The role.
    pub kind: SpanKind,
    /// Nanoseconds since the Unix epoch.
    pub start_ns: u64,
    /// Nanoseconds since the Unix epoch; may lie before the start.
    pub end_ns: u64,
    /// How it ended.
    pub status: StatusCode,
    /// Why it failed; may be empty.
    pub status_message: String,
    /// Its attributes.
    pub attributes: Vec<Attribute>,
    /// Attributes the sender left out.
    pub dropped_attributes: u32,
    /// What happened during it.
    pub events: Vec<Event>,
    /// Events the sender left out.
    pub dropped_events: u32,
    /// Other spans it has to do with.
    pub links: Vec<Link>,
    /// Links the sender left out.
    pub dropped_links: u32,
}

/// Something that happened during a span.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Event {
    /// Nanoseconds since the Unix epoch.
    pub time_ns: u64,
    /// What happened.
    pub name: String,
    /// Its attributes.
    pub attributes: Vec<Attribute>,
    /// Attributes the sender left out.
    pub dropped_attributes: u32,
}

/// Another span that has to do with a span.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Link {
    /// Its trace.
    pub trace_id: TraceId,
    /// The span.
    pub span_id: SpanId,
    /// W3C `tracestate`; may be empty.
    pub trace_state: String,
    /// Its attributes.
    pub attributes: Vec<Attribute>,
    /// Attributes the sender left out.
    pub dropped_attributes: u32,
    /// W3C trace flags and the protocol's own bits.
    pub flags: u32,
}

/// The name of the service a resource stands for. A missing, empty or non-text `service.name` gives the names that Jaeger gives.
pub fn service_name<'a>(attributes: &[AttributeRef<'a>]) -> &'a str {
    use crate::span::ValueRef;
    match attributes.iter().find(|attribute| attribute.key == "service.name").map(|attribute| attribute.value)
    {
        None => "missing-service-name",
        Some(ValueRef::Text("")) => "empty-service-name",
        Some(ValueRef::Text(name)) => name,
        Some(_) => "service-name-wrong-type",
    }
}

impl Resource {
    /// The name of the service; see [`service_name`].
    pub fn service(&self) -> &str {
        match self.attributes.iter().find(|(key, _)| key == "service.name").map(|(_, value)| value) {
            None => "missing-service-name",
            Some(Value::Text(name)) if name.is_empty() => "empty-service-name",
            Some(Value::Text(name)) => name,
            Some(_) => "service-name-wrong-type",
        }
    }

    fn read(resource: &ResourceRef<'_>) -> Self {
        Self {
            attributes: owned(resource.attributes),
            dropped_attributes: resource.dropped_attributes,
            schema_url: resource.schema_url.to_owned(),
        }
    }
}

impl Scope {
    fn read(scope: &ScopeRef<'_>, resource: usize) -> Self {
        Self {
            resource,
            name: scope.name.to_owned(),
            version: scope.version.to_owned(),
            attributes: owned(scope.attributes),
            dropped_attributes: scope.dropped_attributes,
            schema_url: scope.schema_url.to_owned(),
        }
    }
}

impl Span {
    /// How long it took in nanoseconds; 1 where the end is not after the start, as Jaeger has it.
    pub fn duration_ns(&self) -> u64 {
        duration_ns(self.start_ns, self.end_ns)
    }

    fn read(span: &SpanRef<'_>, scope: usize) -> Self {
        let nested = |range: &std::ops::Range<usize>| {
            owned(span.nested_attributes.get(range.clone()).unwrap_or_default())
        };
        let event = |event: &EventRef<'_>| Event {
            time_ns: event.time_ns,
            name: event.name.to_owned(),
            attributes: nested(&event.attributes),
            dropped_attributes: event.dropped_attributes,
        };
        let link = |link: &LinkRef<'_>| Link {
            trace_id: link.trace_id,
            span_id: link.span_id,
            trace_state: link.trace_state.to_owned(),
            attributes: nested(&link.attributes),
            dropped_attributes: link.dropped_attributes,
            flags: link.flags,
        };
        Self {
            scope,
            id: span.span_id,
            parent: span.parent_span_id,
            trace_state: span.trace_state.to_owned(),
            flags: span.flags,
            name: span.name.to_owned(),
            kind: span.kind,
            start_ns: span.start_ns,
            end_ns: span.end_ns,
            status: span.status,
            status_message: span.status_message.to_owned(),
            attributes: owned(span.attributes),
            dropped_attributes: span.dropped_attributes,
            events: span.events.iter().map(event).collect(),
            dropped_events: span.dropped_events,
            links: span.links.iter().map(link).collect(),
            dropped_links: span.dropped_links,
        }
    }
}

/// How long a span took in nanoseconds; 1 where the end is not after the start, as Jaeger has it.
pub(crate) fn duration_ns(start_ns: u64, end_ns: u64) -> u64 {
    end_ns.saturating_sub(start_ns).max(1)
}

impl Trace {
    /// The resource of a span.
    ///
    /// # Panics
    /// When the span is not of this trace.
    pub fn resource_of(&self, span: &Span) -> &Resource {
        &self.resources[self.scopes[span.scope].resource]
    }

    /// The scope of a span.
    ///
    /// # Panics
    /// When the span is not of this trace.
    pub fn scope_of(&self, span: &Span) -> &Scope {
        &self.scopes[span.scope]
    }
}

fn owned(attributes: &[AttributeRef<'_>]) -> Vec<Attribute> {
    attributes.iter().map(|attribute| (attribute.key.to_owned(), Value::from(attribute.value))).collect()
}

/// Builds the traces of one or several requests, in the order in which they arrive.
///
/// Equal resources and scopes become one, as in a store. For tests and small amounts: a trace is found by going through all.
#[derive(Debug, Default)]
pub struct TraceBuilder {
    traces: Vec<Trace>,
    resource: Resource,
    scope: Scope,
}

impl TraceBuilder {
    /// The traces so far, in the order of their first spans.
    pub fn traces(&self) -> &[Trace] {
        &self.traces
    }

    /// The traces so far, in the order of their first spans.
    pub fn finish(self) -> Vec<Trace> {
        self.traces
    }
}

fn position<T: PartialEq>(list: &mut Vec<T>, item: T) -> usize {
    list.iter().position(|other| *other == item).unwrap_or_else(|| {
        list.push(item);
        list.len() - 1
    })
}

impl SpanSink for TraceBuilder {
    fn resource(&mut self, resource: &ResourceRef<'_>) {
        self.resource = Resource::read(resource);
        self.scope = Scope::default();
    }

    fn scope(&mut self, scope: &ScopeRef<'_>) {
        self.scope = Scope::read(scope, 0);
    }

    fn span(&mut self, span: &SpanRef<'_>) {
        let at = self.traces.iter().position(|trace| trace.id == span.trace_id).unwrap_or_else(|| {
            self.traces.push(Trace { id: span.trace_id, ..Trace::default() });
            self.traces.len() - 1
        });
        let trace = &mut self.traces[at];
        let resource = position(&mut trace.resources, self.resource.clone());
        let scope = position(&mut trace.scopes, Scope { resource, ..self.scope.clone() });
        trace.spans.push(Span::read(span, scope));
    }
}
