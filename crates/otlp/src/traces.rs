//! An `ExportTraceServiceRequest` (or `TracesData`, which is the same bytes) as spans.
//!
//! Input: protobuf bytes. Output: resources, scopes and spans, lent to a sink in this order, whatever their order in the message: what a
//! resource or scope says of itself is looked for before its spans are read. Nothing is allocated per span. Unknown fields are skipped,
//! of repeated scalars the last holds, messages that come in parts are joined, unknown numbers of enumerations mean "not said".
//! Deliberately not judged: zero ids, missing names and times; the sink does.

use crate::attributes::Troubles;
use crate::wire::{BYTES, FIXED32, FIXED64, Fault, Fields, VARINT, known, tag};
use crate::{Decoded, OtlpError, Refusal};
use tidewatch_traces::{
    AttributeRef, EventRef, LinkRef, ResourceRef, ScopeRef, SpanId, SpanKind, SpanRef, SpanSink, StatusCode,
    TraceId, ValueRef,
};

/// The name of a span whose own is not UTF-8, and the attribute that then has its bytes; both as in Jaeger.
const INVALID_SPAN_NAME: &str = "invalid-span-name";

/// Reads a request into `sink`.
///
/// # Errors
/// When the bytes are no such message. The sink may have been given spans by then: one that keeps only whole requests forgets them.
pub fn decode_traces<S: SpanSink + ?Sized>(request: &[u8], sink: &mut S) -> Result<Decoded, OtlpError> {
    let mut decoder = Decoder {
        sink,
        attributes: Vec::new(),
        nested_attributes: Vec::new(),
        events: Vec::new(),
        links: Vec::new(),
        decoded: Decoded::default(),
    };
    match decoder.request(request) {
        Ok(()) => Ok(decoder.decoded),
        Err(fault) => Err(OtlpError::Malformed { at: fault.offset(request), what: fault.what }),
    }
}

struct Decoder<'a, 's, S: ?Sized> {
    sink: &'s mut S,
    /// Of the resource, scope or span that is being read.
    attributes: Vec<AttributeRef<'a>>,
    nested_attributes: Vec<AttributeRef<'a>>,
    events: Vec<EventRef<'a>>,
    links: Vec<LinkRef<'a>>,
    decoded: Decoded,
}

const RESOURCE_SPANS: u32 = tag(1, BYTES);

/// The parts of both `ResourceSpans` and `ScopeSpans`: what they are about, what they hold, and the schema of it.
const ABOUT: u32 = tag(1, BYTES);
const CONTENT: u32 = tag(2, BYTES);
const SCHEMA_URL: u32 = tag(3, BYTES);

impl<'a, S: SpanSink + ?Sized> Decoder<'a, '_, S> {
    fn request(&mut self, message: &'a [u8]) -> Result<(), Fault> {
        let mut fields = Fields::new(message);
        while let Some(tag) = fields.tag()? {
            match tag {
                RESOURCE_SPANS => self.resource_spans(fields.bytes()?)?,
                _ => fields.skip(tag, known(1..=1))?,
            }
        }
        Ok(())
    }

    fn resource_spans(&mut self, message: &'a [u8]) -> Result<(), Fault> {
        let mut troubles = Troubles::default();
        let (mut schema_url, mut dropped_attributes) = ("", 0);
        self.attributes.clear();
        let mut fields = Fields::new(message);
        while let Some(tag) = fields.tag()? {
            match tag {
                ABOUT => self.resource(fields.bytes()?, &mut dropped_attributes, &mut troubles)?,
                CONTENT => drop(fields.bytes()?),
                SCHEMA_URL => schema_url = troubles.text(fields.bytes()?),
                _ => fields.skip(tag, known(1..=3))?,
            }
        }
        self.decoded.repaired_texts += troubles.repaired_texts;
        if troubles.refusal.is_none() {
            self.sink.resource(&ResourceRef { attributes: &self.attributes, dropped_attributes, schema_url });
        }
        let mut fields = Fields::new(message);
        while let Some(tag) = fields.tag()? {
            match tag {
                CONTENT => self.scope_spans(fields.bytes()?, troubles.refusal)?,
                _ => fields.skip(tag, 0)?,
            }
        }
        Ok(())
    }

    fn resource(
        &mut self,
        message: &'a [u8],
        dropped_attributes: &mut u32,
        troubles: &mut Troubles,
    ) -> Result<(), Fault> {
        const ATTRIBUTES: u32 = tag(1, BYTES);
        const DROPPED_ATTRIBUTES: u32 = tag(2, VARINT);
        let mut fields = Fields::new(message);
        while let Some(tag) = fields.tag()? {
            match tag {
                ATTRIBUTES => self.attributes.push(troubles.attribute(fields.bytes()?)?),
                DROPPED_ATTRIBUTES => *dropped_attributes = low_bits(fields.varint()?),
                _ => fields.skip(tag, known(1..=2))?,
            }
        }
        Ok(())
    }

    /// `refusal` is the resource's, and so that of all its spans.
    fn scope_spans(&mut self, message: &'a [u8], refusal: Option<Refusal>) -> Result<(), Fault> {
        let mut troubles = Troubles { refusal, ..Troubles::default() };
        let mut scope = ScopeRef::default();
        self.attributes.clear();
        let mut fields = Fields::new(message);
        while let Some(tag) = fields.tag()? {
            match tag {
                ABOUT => {
                    let bytes = fields.bytes()?;
                    read_scope(bytes, &mut scope, &mut self.attributes, &mut troubles)?;
                }
                CONTENT => drop(fields.bytes()?),
                SCHEMA_URL => scope.schema_url = troubles.text(fields.bytes()?),
                _ => fields.skip(tag, known(1..=3))?,
            }
        }
        self.decoded.repaired_texts += troubles.repaired_texts;
        if troubles.refusal.is_none() {
            self.sink.scope(&ScopeRef { attributes: &self.attributes, ..scope });
        }
        let mut fields = Fields::new(message);
        while let Some(tag) = fields.tag()? {
            match tag {
                CONTENT => self.span(fields.bytes()?, troubles.refusal)?,
                _ => fields.skip(tag, 0)?,
            }
        }
        Ok(())
    }

    fn span(&mut self, message: &'a [u8], refusal: Option<Refusal>) -> Result<(), Fault> {
        let mut troubles = Troubles { refusal, ..Troubles::default() };
        self.attributes.clear();
        self.nested_attributes.clear();
        self.events.clear();
        self.links.clear();
        let mut span = SpanRef::default();
        let mut fields = Fields::new(message);
        while let Some(tag) = fields.tag()? {
            match tag {
                span::TRACE_ID => span.trace_id = TraceId(troubles.id(fields.bytes()?)),
                span::SPAN_ID => span.span_id = SpanId(troubles.id(fields.bytes()?)),
                span::TRACE_STATE => span.trace_state = troubles.text(fields.bytes()?),
                span::PARENT_SPAN_ID => span.parent_span_id = SpanId(troubles.id(fields.bytes()?)),
                span::NAME => span.name = self.span_name(fields.bytes()?, &mut troubles),
                span::KIND => span.kind = SpanKind::from_number(low_bits(fields.varint()?)),
                span::START => span.start_ns = fields.fixed64()?,
                span::END => span.end_ns = fields.fixed64()?,
                span::ATTRIBUTES => self.attributes.push(troubles.attribute(fields.bytes()?)?),
                span::DROPPED_ATTRIBUTES => span.dropped_attributes = low_bits(fields.varint()?),
                span::EVENTS => self.event(fields.bytes()?, &mut troubles)?,
                span::DROPPED_EVENTS => span.dropped_events = low_bits(fields.varint()?),
                span::LINKS => self.link(fields.bytes()?, &mut troubles)?,
                span::DROPPED_LINKS => span.dropped_links = low_bits(fields.varint()?),
                span::STATUS => read_status(fields.bytes()?, &mut span, &mut troubles)?,
                span::FLAGS => span.flags = fields.fixed32()?,
                _ => fields.skip(tag, known(1..=16))?,
            }
        }
        self.decoded.repaired_texts += troubles.repaired_texts;
        match troubles.refusal {
            Some(reason) => self.decoded.refuse(reason),
            None => {
                self.decoded.spans += 1;
                self.sink.span(&SpanRef {
                    attributes: &self.attributes,
                    events: &self.events,
                    links: &self.links,
                    nested_attributes: &self.nested_attributes,
                    ..span
                });
            }
        }
        Ok(())
    }

    fn span_name(&mut self, bytes: &'a [u8], troubles: &mut Troubles) -> &'a str {
        str::from_utf8(bytes).unwrap_or_else(|_| {
            troubles.repaired_texts += 1;
            self.attributes.push(AttributeRef { key: INVALID_SPAN_NAME, value: ValueRef::Bytes(bytes) });
            INVALID_SPAN_NAME
        })
    }

    fn event(&mut self, message: &'a [u8], troubles: &mut Troubles) -> Result<(), Fault> {
        const TIME: u32 = tag(1, FIXED64);
        const NAME: u32 = tag(2, BYTES);
        const ATTRIBUTES: u32 = tag(3, BYTES);
        const DROPPED_ATTRIBUTES: u32 = tag(4, VARINT);
        let first = self.nested_attributes.len();
        let mut event = EventRef { attributes: first..first, ..EventRef::default() };
        let mut fields = Fields::new(message);
        while let Some(tag) = fields.tag()? {
            match tag {
                TIME => event.time_ns = fields.fixed64()?,
                NAME => event.name = troubles.text(fields.bytes()?),
                ATTRIBUTES => self.nested_attributes.push(troubles.attribute(fields.bytes()?)?),
                DROPPED_ATTRIBUTES => event.dropped_attributes = low_bits(fields.varint()?),
                _ => fields.skip(tag, known(1..=4))?,
            }
        }
        event.attributes.end = self.nested_attributes.len();
        self.events.push(event);
        Ok(())
    }

    fn link(&mut self, message: &'a [u8], troubles: &mut Troubles) -> Result<(), Fault> {
        const TRACE_ID: u32 = tag(1, BYTES);
        const SPAN_ID: u32 = tag(2, BYTES);
        const TRACE_STATE: u32 = tag(3, BYTES);
        const ATTRIBUTES: u32 = tag(4, BYTES);
        const DROPPED_ATTRIBUTES: u32 = tag(5, VARINT);
        const FLAGS: u32 = tag(6, FIXED32);
        let first = self.nested_attributes.len();
        let mut link = LinkRef { attributes: first..first, ..LinkRef::default() };
        let mut fields = Fields::new(message);
        while let Some(tag) = fields.tag()? {
            match tag {
                TRACE_ID => link.trace_id = TraceId(troubles.id(fields.bytes()?)),
                SPAN_ID => link.span_id = SpanId(troubles.id(fields.bytes()?)),
                TRACE_STATE => link.trace_state = troubles.text(fields.bytes()?),
                ATTRIBUTES => self.nested_attributes.push(troubles.attribute(fields.bytes()?)?),
                DROPPED_ATTRIBUTES => link.dropped_attributes = low_bits(fields.varint()?),
                FLAGS => link.flags = fields.fixed32()?,
                _ => fields.skip(tag, known(1..=6))?,
            }
        }
        link.attributes.end = self.nested_attributes.len();
        self.links.push(link);
        Ok(())
    }
}

/// The tags of `Span`.
mod span {
    use super::{BYTES, FIXED32, FIXED64, VARINT, tag};

    pub(super) const TRACE_ID: u32 = tag(1, BYTES);
    pub(super) const SPAN_ID: u32 = tag(2, BYTES);
    pub(super) const TRACE_STATE: u32 = tag(3, BYTES);
    pub(super) const PARENT_SPAN_ID: u32 = tag(4, BYTES);
    pub(super) const NAME: u32 = tag(5, BYTES);
    pub(super) const KIND: u32 = tag(6, VARINT);
    pub(super) const START: u32 = tag(7, FIXED64);
    pub(super) const END: u32 = tag(8, FIXED64);
    pub(super) const ATTRIBUTES: u32 = tag(9, BYTES);
    pub(super) const DROPPED_ATTRIBUTES: u32 = tag(10, VARINT);
    pub(super) const EVENTS: u32 = tag(11, BYTES);
    pub(super) const DROPPED_EVENTS: u32 = tag(12, VARINT);
    pub(super) const LINKS: u32 = tag(13, BYTES);
    pub(super) const DROPPED_LINKS: u32 = tag(14, VARINT);
    pub(super) const STATUS: u32 = tag(15, BYTES);
    pub(super) const FLAGS: u32 = tag(16, FIXED32);
}

fn read_scope<'a>(
    message: &'a [u8],
    scope: &mut ScopeRef<'a>,
    attributes: &mut Vec<AttributeRef<'a>>,
    troubles: &mut Troubles,
) -> Result<(), Fault> {
    const NAME: u32 = tag(1, BYTES);
    const VERSION: u32 = tag(2, BYTES);
    const ATTRIBUTES: u32 = tag(3, BYTES);
    const DROPPED_ATTRIBUTES: u32 = tag(4, VARINT);
    let mut fields = Fields::new(message);
    while let Some(tag) = fields.tag()? {
        match tag {
            NAME => scope.name = troubles.text(fields.bytes()?),
            VERSION => scope.version = troubles.text(fields.bytes()?),
            ATTRIBUTES => attributes.push(troubles.attribute(fields.bytes()?)?),
            DROPPED_ATTRIBUTES => scope.dropped_attributes = low_bits(fields.varint()?),
            _ => fields.skip(tag, known(1..=4))?,
        }
    }
    Ok(())
}

fn read_status<'a>(message: &'a [u8], span: &mut SpanRef<'a>, troubles: &mut Troubles) -> Result<(), Fault> {
    const MESSAGE: u32 = tag(2, BYTES);
    const CODE: u32 = tag(3, VARINT);
    let mut fields = Fields::new(message);
    while let Some(tag) = fields.tag()? {
        match tag {
            MESSAGE => span.status_message = troubles.text(fields.bytes()?),
            CODE => span.status = StatusCode::from_number(low_bits(fields.varint()?)),
            _ => fields.skip(tag, known(2..=3))?,
        }
    }
    Ok(())
}

/// A 32-bit number is sent as a varint of 64 bits, of which protobuf takes the lower half.
fn low_bits(number: u64) -> u32 {
    (number & u64::from(u32::MAX)) as u32
}
