//! Records become a trace again.
//!
//! Input: a [`View`] and the number of a trace in it. Output: spans, scopes and resources at the end of a [`Trace`], which may have some of
//! other segments already. A damaged record is left out.

use super::record::{Head, read_reference};
use super::view::View;
use crate::attribute::{owned, read_slices, read_value};
use crate::batch::{shape, status_of};
use crate::span::{SpanId, SpanKind, TraceId, ValueRef};
use crate::trace::{Attribute, Event, Link, Resource, Scope, Span, Trace};
use crate::wire::Wire;

/// A trace that is put together in steps, between which the segment may grow, or be sealed.
pub(crate) struct Assembly {
    /// The spans to come, the last one first.
    spans: Vec<u32>,
    /// Sources, and what scope of the trace each is.
    scopes: Vec<(usize, usize)>,
}

impl Assembly {
    /// Begins with the spans of a trace that are among the first `spans`.
    pub(crate) fn new(view: &View<'_>, number: u32, spans: usize) -> Self {
        let spans = view.spans_of(number).filter(|span| *span < spans).map(|span| span as u32).collect();
        Self { spans, scopes: Vec::new() }
    }

    /// Adds spans, in the order of their arrival, until about `budget` bytes were read. Gives whether more are to come.
    pub(crate) fn step(&mut self, view: &View<'_>, budget: usize, trace: &mut Trace) -> bool {
        let mut left = budget;
        while left > 0 {
            let Some(span) = self.spans.pop() else { return false };
            let span = span as usize;
            left = left.saturating_sub(view.record_bytes(span).max(64));
            let Some(mut read) = view.read_span(span) else { continue };
            let known = self.scopes.iter().find(|(source, _)| *source == read.scope);
            let scope = match known {
                Some((_, scope)) => *scope,
                None => {
                    let Some(scope) = view.add_scope(read.scope as u32, trace) else { continue };
                    self.scopes.push((read.scope, scope));
                    scope
                }
            };
            read.scope = scope;
            trace.spans.push(read);
        }
        !self.spans.is_empty()
    }
}

impl<'a> View<'a> {
    /// The ids of a span and its parent, its service, and when it started.
    pub(crate) fn edge(&self, span: usize) -> Option<(SpanId, SpanId, usize, u64)> {
        let head = self.head(span)?;
        Some((head.span_id, head.parent, self.service_of(head.operation.number as usize)?, head.start_ns))
    }

    fn add_scope(&self, source: u32, trace: &mut Trace) -> Option<usize> {
        let (resource, scope) = self.source(source)?;
        let resource = read_resource(self.resource(resource)?)?;
        let position = trace.resources.iter().position(|known| *known == resource);
        let resource = position.unwrap_or_else(|| {
            trace.resources.push(resource);
            trace.resources.len() - 1
        });
        let scope = read_scope(scope, resource)?;
        let position = trace.scopes.iter().position(|known| *known == scope);
        Some(position.unwrap_or_else(|| {
            trace.scopes.push(scope);
            trace.scopes.len() - 1
        }))
    }

    /// A span whose scope is the number of its source.
    fn read_span(&self, span: usize) -> Option<Span> {
        let head = self.head(span)?;
        let (kind, name) = self.operation(head.operation.number as usize)?;
        let mut span = Span {
            scope: head.source.number as usize,
            id: head.span_id,
            parent: head.parent,
            name: name.to_owned(),
            kind: SpanKind::from_number(kind.into()),
            start_ns: head.start_ns,
            end_ns: head.end_ns,
            status: status_of(head.shape),
            ..Span::default()
        };
        self.read_rest(&head, &mut span)?;
        Some(span)
    }

    fn read_rest(&self, head: &Head<'a>, span: &mut Span) -> Option<()> {
        let mut wire = head.rest;
        let has = |bit: u64| head.shape & bit != 0;
        if has(shape::TRACE_STATE) {
            span.trace_state = self.text(&mut wire)?;
        }
        if has(shape::MESSAGE) {
            span.status_message = self.text(&mut wire)?;
        }
        if has(shape::FLAGS) {
            span.flags = wire.u32()?;
        }
        if has(shape::DROPPED) {
            span.dropped_attributes = wire.u32()?;
            span.dropped_events = wire.u32()?;
            span.dropped_links = wire.u32()?;
        }
        span.attributes = self.attributes(&mut wire)?;
        if has(shape::EVENTS) {
            for _ in 0..wire.uvarint()? {
                span.events.push(Event {
                    time_ns: head.start_ns.wrapping_add_signed(wire.varint()?),
                    name: self.text(&mut wire)?,
                    dropped_attributes: wire.u32()?,
                    attributes: self.attributes(&mut wire)?,
                });
            }
        }
        if has(shape::LINKS) {
            for _ in 0..wire.uvarint()? {
                span.links.push(Link {
                    trace_id: TraceId(wire.array()?),
                    span_id: SpanId(wire.array()?),
                    trace_state: self.text(&mut wire)?,
                    flags: wire.u32()?,
                    dropped_attributes: wire.u32()?,
                    attributes: self.attributes(&mut wire)?,
                });
            }
        }
        Some(())
    }

    fn text(&self, wire: &mut Wire<'a>) -> Option<String> {
        let (_, value) = self.resolve(read_reference(self.data, wire)?)?;
        match read_value(value)? {
            ValueRef::Text(text) => Some(text.to_owned()),
            _ => None,
        }
    }

    fn attributes(&self, wire: &mut Wire<'a>) -> Option<Vec<Attribute>> {
        let count = wire.uvarint()?;
        let mut attributes = Vec::with_capacity(count.min(1024) as usize);
        for _ in 0..count {
            let (key, value) = self.resolve(read_reference(self.data, wire)?)?;
            attributes.push(owned(key, value));
        }
        Some(attributes)
    }
}

fn read_resource(resource: &[u8]) -> Option<Resource> {
    let mut wire = Wire(resource);
    Some(Resource {
        dropped_attributes: wire.u32()?,
        schema_url: wire.text()?.to_owned(),
        attributes: read_slices(wire.0),
    })
}

fn read_scope(scope: &[u8], resource: usize) -> Option<Scope> {
    let mut wire = Wire(scope);
    Some(Scope {
        resource,
        name: wire.text()?.to_owned(),
        version: wire.text()?.to_owned(),
        schema_url: wire.text()?.to_owned(),
        dropped_attributes: wire.u32()?,
        attributes: read_slices(wire.0),
    })
}
