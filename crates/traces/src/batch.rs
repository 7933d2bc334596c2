//! Spans held aside: a request's, until it is complete; a trace's, until it is decided whether to keep it.
//!
//! Input: a decoder, or another batch. Output: [`crate::TraceStore::commit`]. A batch copies what it is given into one vector and allocates
//! nothing per span; emptied, it can be used again. Deliberately no dictionary: that is the segment's.
//!
//! ```text
//! resource = dropped attributes (varint)  schema url (length, bytes)  slices
//! scope    = name  version  schema url (each length, bytes)  dropped attributes (varint)  slices
//! body     = kind (1 byte)  name (length, bytes)  shape (varint)
//!            [trace state: slice]  [status message: slice]  [flags: varint]
//!            [dropped attributes, events, links: varints]
//!            number of attributes (varint)  slices
//!            [number of events (varint)  events]  [number of links (varint)  links]
//! event    = time - start (zigzag varint)  name: slice  dropped attributes  number of attributes  slices
//! link     = trace id (16)  span id (8)  trace state: slice  flags  dropped attributes  number of attributes  slices
//! shape    = status (2 bits) | what in [] is there (1 bit each) | whether there is a parent
//! ```

use crate::attribute::{put_slice, put_text_slice};
use crate::span::{
    AttributeRef, EventRef, LinkRef, ResourceRef, ScopeRef, SpanId, SpanKind, SpanRef, SpanSink, StatusCode,
    TraceId,
};
use crate::trace::{duration_ns, service_name};
use crate::wire::{Wire, push_uvarint, push_varint, put_block};
use std::hash::{BuildHasher, Hasher};
use std::ops::Range;

/// The bits of a span's shape.
pub(crate) mod shape {
    pub(crate) const STATUS: u64 = 3;
    pub(crate) const TRACE_STATE: u64 = 1 << 2;
    pub(crate) const MESSAGE: u64 = 1 << 3;
    pub(crate) const PARENT: u64 = 1 << 4;
    pub(crate) const EVENTS: u64 = 1 << 5;
    pub(crate) const LINKS: u64 = 1 << 6;
    pub(crate) const FLAGS: u64 = 1 << 7;
    pub(crate) const DROPPED: u64 = 1 << 8;
}

/// What of a span lies at a fixed place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Held {
    pub(crate) trace_id: TraceId,
    pub(crate) span_id: SpanId,
    pub(crate) parent: SpanId,
    pub(crate) start_ns: u64,
    pub(crate) end_ns: u64,
    /// Of everything in it, its source included.
    pub(crate) hash: u64,
    pub(crate) source: u32,
    body: u32,
    body_end: u32,
    attributes: u32,
}

/// A resource and a scope.
#[derive(Clone, Debug)]
struct Source {
    service: Range<usize>,
    resource: Range<usize>,
    scope: Range<usize>,
    hash: u64,
}

/// Spans that are not stored yet.
#[derive(Clone, Debug, Default)]
pub struct SpanBatch {
    bytes: Vec<u8>,
    sources: Vec<Source>,
    spans: Vec<Held>,
    resource: Option<(Range<usize>, Range<usize>)>,
    hashes: foldhash::fast::FixedState,
}

/// What can be told of a held span without decoding it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HeldSpan<'a> {
    /// Its trace.
    pub trace_id: TraceId,
    /// Its id.
    pub span_id: SpanId,
    /// The span that caused it, not valid for a root.
    pub parent_span_id: SpanId,
    /// The name of its service.
    pub service: &'a str,
    /// The operation.
    pub name: &'a str,
    /// The role.
    pub kind: SpanKind,
    /// How it ended.
    pub status: StatusCode,
    /// Nanoseconds since the Unix epoch.
    pub start_ns: u64,
    /// How long it took in nanoseconds, at least 1.
    pub duration_ns: u64,
}

impl SpanBatch {
    /// An empty batch.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many spans it holds.
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// Whether it holds no span.
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// Bytes of heap it takes.
    pub fn memory_bytes(&self) -> usize {
        self.bytes.capacity()
            + self.spans.capacity() * size_of::<Held>()
            + self.sources.capacity() * size_of::<Source>()
    }

    /// Forgets the spans and keeps the memory for the next ones.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.sources.clear();
        self.spans.clear();
        self.resource = None;
    }

    /// The spans it holds, in the order in which they came.
    pub fn spans(&self) -> impl ExactSizeIterator<Item = HeldSpan<'_>> {
        self.spans.iter().map(|held| self.describe(held))
    }

    fn describe(&self, held: &Held) -> HeldSpan<'_> {
        let mut wire = Wire(self.body(held));
        let kind =
            wire.array::<1>().map_or(SpanKind::Unspecified, |[kind]| SpanKind::from_number(kind.into()));
        let name = wire.text().unwrap_or_default();
        HeldSpan {
            trace_id: held.trace_id,
            span_id: held.span_id,
            parent_span_id: held.parent,
            service: self.service(held.source),
            name,
            kind,
            status: status_of(wire.uvarint().unwrap_or_default()),
            start_ns: held.start_ns,
            duration_ns: duration_ns(held.start_ns, held.end_ns),
        }
    }

    /// Takes over a span of another batch, by its place there.
    ///
    /// # Panics
    /// When the other batch has fewer spans.
    pub fn push_from(&mut self, other: &Self, place: usize) {
        let held = other.spans[place];
        let source = &other.sources[held.source as usize];
        let known = self.sources.iter().rposition(|own| {
            own.hash == source.hash
                && self.bytes[own.resource.clone()] == other.bytes[source.resource.clone()]
                && self.bytes[own.scope.clone()] == other.bytes[source.scope.clone()]
        });
        let source = known.unwrap_or_else(|| {
            let copied = Source {
                service: self.copy(&other.bytes[source.service.clone()]),
                resource: self.copy(&other.bytes[source.resource.clone()]),
                scope: self.copy(&other.bytes[source.scope.clone()]),
                hash: source.hash,
            };
            self.sources.push(copied);
            self.sources.len() - 1
        });
        let body = self.copy(other.body(&held));
        self.spans.push(Held {
            source: source as u32,
            body: body.start as u32,
            body_end: body.end as u32,
            ..held
        });
    }

    fn copy(&mut self, bytes: &[u8]) -> Range<usize> {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        start..self.bytes.len()
    }

    pub(crate) fn held(&self) -> &[Held] {
        &self.spans
    }

    pub(crate) fn body(&self, held: &Held) -> &[u8] {
        &self.bytes[held.body as usize..held.body_end as usize]
    }

    /// Bytes of a span, without its ids and times.
    pub(crate) fn size(&self, held: &Held) -> usize {
        (held.body_end - held.body) as usize
    }

    /// Attributes of a span, its events and links together.
    pub(crate) fn attribute_count(&self, held: &Held) -> usize {
        held.attributes as usize
    }

    pub(crate) fn sources(&self) -> usize {
        self.sources.len()
    }

    pub(crate) fn service(&self, source: u32) -> &str {
        let service = self.sources[source as usize].service.clone();
        std::str::from_utf8(&self.bytes[service]).unwrap_or_default()
    }

    /// The resource and the scope of a source.
    pub(crate) fn source(&self, source: u32) -> (&[u8], &[u8]) {
        let source = &self.sources[source as usize];
        (&self.bytes[source.resource.clone()], &self.bytes[source.scope.clone()])
    }

    fn open_source(&mut self, scope: &ScopeRef<'_>) {
        let (service, resource) = self.resource.clone().unwrap_or_else(|| {
            self.resource(&ResourceRef::default());
            self.resource.clone().unwrap_or_default()
        });
        let start = self.bytes.len();
        put_block(&mut self.bytes, scope.name.as_bytes());
        put_block(&mut self.bytes, scope.version.as_bytes());
        put_block(&mut self.bytes, scope.schema_url.as_bytes());
        push_uvarint(&mut self.bytes, scope.dropped_attributes.into());
        scope.attributes.iter().for_each(|attribute| put_slice(&mut self.bytes, attribute));
        let scope = start..self.bytes.len();
        let mut hasher = self.hashes.build_hasher();
        hasher.write(&self.bytes[resource.clone()]);
        hasher.write(&self.bytes[scope.clone()]);
        self.sources.push(Source { service, resource, scope, hash: hasher.finish() });
    }

    #[inline]
    fn put_attributes(&mut self, attributes: &[AttributeRef<'_>]) {
        push_uvarint(&mut self.bytes, attributes.len() as u64);
        attributes.iter().for_each(|attribute| put_slice(&mut self.bytes, attribute));
    }

    fn put_event(&mut self, span: &SpanRef<'_>, event: &EventRef<'_>) {
        push_varint(&mut self.bytes, event.time_ns.wrapping_sub(span.start_ns).cast_signed());
        put_text_slice(&mut self.bytes, event.name);
        push_uvarint(&mut self.bytes, event.dropped_attributes.into());
        self.put_attributes(span.nested_attributes.get(event.attributes.clone()).unwrap_or_default());
    }

    fn put_link(&mut self, span: &SpanRef<'_>, link: &LinkRef<'_>) {
        self.bytes.extend_from_slice(&link.trace_id.0);
        self.bytes.extend_from_slice(&link.span_id.0);
        put_text_slice(&mut self.bytes, link.trace_state);
        push_uvarint(&mut self.bytes, link.flags.into());
        push_uvarint(&mut self.bytes, link.dropped_attributes.into());
        self.put_attributes(span.nested_attributes.get(link.attributes.clone()).unwrap_or_default());
    }

    fn put_body(&mut self, span: &SpanRef<'_>) {
        self.bytes.push(span.kind as u8);
        put_block(&mut self.bytes, span.name.as_bytes());
        let shape = shape_of(span);
        push_uvarint(&mut self.bytes, shape);
        if shape & shape::TRACE_STATE != 0 {
            put_text_slice(&mut self.bytes, span.trace_state);
        }
        if shape & shape::MESSAGE != 0 {
            put_text_slice(&mut self.bytes, span.status_message);
        }
        if shape & shape::FLAGS != 0 {
            push_uvarint(&mut self.bytes, span.flags.into());
        }
        if shape & shape::DROPPED != 0 {
            for dropped in [span.dropped_attributes, span.dropped_events, span.dropped_links] {
                push_uvarint(&mut self.bytes, dropped.into());
            }
        }
        self.put_attributes(span.attributes);
        if shape & shape::EVENTS != 0 {
            push_uvarint(&mut self.bytes, span.events.len() as u64);
            span.events.iter().for_each(|event| self.put_event(span, event));
        }
        if shape & shape::LINKS != 0 {
            push_uvarint(&mut self.bytes, span.links.len() as u64);
            span.links.iter().for_each(|link| self.put_link(span, link));
        }
    }
}

fn shape_of(span: &SpanRef<'_>) -> u64 {
    let bit = |is: bool, bit: u64| if is { bit } else { 0 };
    let dropped = span.dropped_attributes | span.dropped_events | span.dropped_links;
    span.status as u64
        | bit(!span.trace_state.is_empty(), shape::TRACE_STATE)
        | bit(!span.status_message.is_empty(), shape::MESSAGE)
        | bit(span.parent_span_id.is_valid(), shape::PARENT)
        | bit(!span.events.is_empty(), shape::EVENTS)
        | bit(!span.links.is_empty(), shape::LINKS)
        | bit(span.flags != 0, shape::FLAGS)
        | bit(dropped != 0, shape::DROPPED)
}

pub(crate) fn status_of(shape: u64) -> StatusCode {
    StatusCode::from_number((shape & shape::STATUS) as u32)
}

impl SpanSink for SpanBatch {
    fn resource(&mut self, resource: &ResourceRef<'_>) {
        let service = self.copy(service_name(resource.attributes).as_bytes());
        let start = self.bytes.len();
        push_uvarint(&mut self.bytes, resource.dropped_attributes.into());
        put_block(&mut self.bytes, resource.schema_url.as_bytes());
        resource.attributes.iter().for_each(|attribute| put_slice(&mut self.bytes, attribute));
        self.resource = Some((service, start..self.bytes.len()));
        // Spans that come before a scope does have none.
        self.open_source(&ScopeRef::default());
    }

    fn scope(&mut self, scope: &ScopeRef<'_>) {
        self.open_source(scope);
    }

    fn span(&mut self, span: &SpanRef<'_>) {
        if self.sources.is_empty() {
            self.resource(&ResourceRef::default());
        }
        let body = self.bytes.len();
        self.put_body(span);
        let source = self.sources.len() - 1;
        let mut hasher = self.hashes.build_hasher();
        hasher.write(&self.bytes[body..]);
        hasher.write_u64(self.sources[source].hash);
        hasher.write_u128(u128::from_ne_bytes(span.trace_id.0));
        hasher.write_u64(u64::from_ne_bytes(span.span_id.0));
        hasher.write_u64(u64::from_ne_bytes(span.parent_span_id.0));
        hasher.write_u64(span.start_ns);
        hasher.write_u64(span.end_ns);
        self.spans.push(Held {
            trace_id: span.trace_id,
            span_id: span.span_id,
            parent: span.parent_span_id,
            start_ns: span.start_ns,
            end_ns: span.end_ns,
            hash: hasher.finish(),
            source: source as u32,
            body: body as u32,
            body_end: self.bytes.len() as u32,
            attributes: (span.attributes.len() + span.nested_attributes.len()) as u32,
        });
    }
}
