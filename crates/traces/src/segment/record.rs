//! One record: the head that every search looks at, and a walk over the references behind it.
//!
//! Input: the bytes of a segment and the place of a record. Output: values borrowed from them, or `None` where they are damaged.

use crate::batch::shape;
use crate::span::SpanId;
use crate::wire::Wire;

pub(crate) const FILE_HEADER: usize = 16;
pub(crate) const FRAME_HEADER: usize = 16;

/// A definition or a reference to one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Numbered {
    pub(super) number: u32,
    /// Where its definition begins, if it is here.
    pub(super) defined: Option<u32>,
}

/// Where a record's trace id is.
#[derive(Clone, Copy, Debug)]
pub(super) enum TraceRef {
    New([u8; 16]),
    Back(u32),
}

/// The part of a record that is always there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head<'a> {
    pub(super) trace: TraceRef,
    pub(super) source: Numbered,
    /// The resource of a source that is defined here.
    pub(super) resource: Option<Numbered>,
    pub(super) operation: Numbered,
    pub(super) shape: u64,
    pub(super) span_id: SpanId,
    pub(super) parent: SpanId,
    pub(super) start_ns: u64,
    pub(super) end_ns: u64,
    pub(super) rest: Wire<'a>,
}

/// How a record says which slice it means.
#[derive(Clone, Copy, Debug)]
pub(super) enum Reference<'a> {
    Literal(&'a [u8]),
    Keyed { key: u32, value: &'a [u8] },
    Symbol(u32),
    Definition { number: u32, place: u32, slice: &'a [u8] },
}

/// What a reference is used as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    SpanAttribute,
    EventAttribute,
    LinkAttribute,
    Text,
}

fn place(data: &[u8], wire: Wire<'_>) -> u32 {
    (data.len() - wire.0.len()) as u32
}

fn numbered(data: &[u8], wire: &mut Wire<'_>) -> Option<Numbered> {
    let value = wire.uvarint()?;
    let number = u32::try_from(value >> 1).ok()?;
    Some(Numbered { number, defined: (value & 1 != 0).then(|| place(data, *wire)) })
}

/// Reads the head of the record at a place. `data` ends where the records end, so that places can be told.
#[inline]
pub(super) fn read_head<'a>(data: &'a [u8], at: usize, base_ns: u64) -> Option<Head<'a>> {
    let mut wire = Wire(data.get(at..)?);
    let trace = match wire.u32()? {
        0 => TraceRef::New(wire.array()?),
        back => TraceRef::Back(back),
    };
    let source = numbered(data, &mut wire)?;
    let mut resource = None;
    if source.defined.is_some() {
        let numbered = numbered(data, &mut wire)?;
        if numbered.defined.is_some() {
            wire.block()?;
        }
        resource = Some(numbered);
        wire.block()?;
    }
    let operation = numbered(data, &mut wire)?;
    if operation.defined.is_some() {
        wire.take(1)?;
        wire.block()?;
    }
    let shape = wire.uvarint()?;
    let span_id = SpanId(wire.array()?);
    let parent = if shape & shape::PARENT != 0 { SpanId(wire.array()?) } else { SpanId::default() };
    let start_ns = base_ns.wrapping_add_signed(wire.varint()?);
    let end_ns = start_ns.wrapping_add_signed(wire.varint()?);
    Some(Head { trace, source, resource, operation, shape, span_id, parent, start_ns, end_ns, rest: wire })
}

#[inline]
pub(super) fn read_reference<'a>(data: &[u8], wire: &mut Wire<'a>) -> Option<Reference<'a>> {
    Some(match wire.uvarint()? {
        0 => Reference::Literal(wire.block()?),
        1 => Reference::Keyed { key: wire.u32()?, value: wire.block()? },
        value => {
            let number = u32::try_from((value - 2) >> 1).ok()?;
            if value & 1 == 0 {
                Reference::Symbol(number)
            } else {
                let place = place(data, *wire);
                Reference::Definition { number, place, slice: wire.block()? }
            }
        }
    })
}

/// Calls `on` with every reference of a record, in order, until it says `false` or the record ends. Gives what follows the record.
pub(super) fn walk<'a>(
    data: &[u8],
    head: &Head<'a>,
    mut on: impl FnMut(Place, Reference<'a>) -> bool,
) -> Option<Wire<'a>> {
    let mut wire = head.rest;
    for bit in [shape::TRACE_STATE, shape::MESSAGE] {
        if head.shape & bit != 0 && !on(Place::Text, read_reference(data, &mut wire)?) {
            return Some(wire);
        }
    }
    if head.shape & shape::FLAGS != 0 {
        wire.uvarint()?;
    }
    if head.shape & shape::DROPPED != 0 {
        for _ in 0..3 {
            wire.uvarint()?;
        }
    }
    for _ in 0..wire.uvarint()? {
        if !on(Place::SpanAttribute, read_reference(data, &mut wire)?) {
            return Some(wire);
        }
    }
    for (bit, attribute) in [(shape::EVENTS, Place::EventAttribute), (shape::LINKS, Place::LinkAttribute)] {
        let count = if head.shape & bit != 0 { wire.uvarint()? } else { 0 };
        for _ in 0..count {
            if bit == shape::EVENTS {
                wire.uvarint()?;
            } else {
                wire.take(24)?;
            }
            if !on(Place::Text, read_reference(data, &mut wire)?) {
                return Some(wire);
            }
            if bit == shape::LINKS {
                wire.uvarint()?;
            }
            wire.uvarint()?;
            for _ in 0..wire.uvarint()? {
                if !on(attribute, read_reference(data, &mut wire)?) {
                    return Some(wire);
                }
            }
        }
    }
    Some(wire)
}
