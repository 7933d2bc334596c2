//! The columns of a segment, borrowed: from the vectors of the open one, from the file of a sealed one.
//!
//! Input: [`super::Open`] or [`super::Sealed`]. Output: read by scan and assemble, which therefore exist once. A number that leads nowhere
//! (a damaged file) gives `None`, never a panic.

use super::dictionary::Word;
use super::record::{Head, Reference, read_head};
use crate::attribute::split_slice;
use crate::span::TraceId;
use crate::wire::Wire;
use hashbrown::HashTable;

/// Spans that share a summary and a filter.
pub(super) const BLOCK_SPANS: usize = 1024;
/// Bytes of the filter over the tags of a block.
pub(super) const FILTER_BYTES: usize = 4096;
pub(super) type Filter = [u8; FILTER_BYTES];
/// Earliest and latest start (u64 each), shortest and longest duration (class, 1 byte each).
pub(super) type Summary = [u8; 18];

/// How to find a trace by its id.
#[derive(Clone, Copy)]
pub(super) enum Lookup<'a> {
    Table(&'a HashTable<u32>),
    Slots(&'a [Word]),
}

/// The columns of a segment. Those of spans have one entry per span, in the order of arrival; and so on.
#[derive(Clone, Copy)]
pub(crate) struct View<'a> {
    pub(super) data: &'a [u8],
    pub(super) base_ns: u64,
    pub(super) seed: u64,
    pub(super) operations: &'a [Word],
    pub(super) traces: &'a [Word],
    pub(super) records: &'a [Word],
    /// The span before it of the same trace, plus one; 0 for none.
    pub(super) previous: &'a [Word],
    pub(super) durations: &'a [u8],
    pub(super) summaries: &'a [Summary],
    pub(super) filters: &'a [Filter],
    pub(super) trace_ids: &'a [[u8; 16]],
    pub(super) first_spans: &'a [Word],
    pub(super) last_spans: &'a [Word],
    pub(super) symbol_places: &'a [Word],
    pub(super) tag_hashes: &'a [Word],
    pub(super) key_places: &'a [Word],
    pub(super) source_places: &'a [Word],
    pub(super) resource_places: &'a [Word],
    pub(super) operation_places: &'a [Word],
    pub(super) operation_services: &'a [Word],
    pub(super) services: &'a [String],
    pub(super) lookup: Lookup<'a>,
}

#[inline]
pub(super) fn word(words: &[Word], at: usize) -> Option<usize> {
    words.get(at).map(|word| u32::from_le_bytes(*word) as usize)
}

/// A number for a trace id that nobody outside can foresee.
#[inline]
pub(super) fn trace_hash(seed: u64, id: &[u8; 16]) -> u64 {
    let (high, low) = id.split_at(8);
    let half = |bytes: &[u8]| u64::from_le_bytes(bytes.try_into().unwrap_or_default());
    let product =
        u128::from(half(high) ^ seed) * u128::from(half(low) ^ seed.rotate_left(32) ^ 0x9e37_79b9_7f4a_7c15);
    let folded = (product as u64) ^ ((product >> 64) as u64);
    folded.wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// The bits of a filter that stand for a tag.
#[inline]
pub(super) fn filter_bits(hash: u32) -> [usize; 3] {
    let mixed = (u64::from(hash) + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    [49, 34, 19].map(|shift| (mixed >> shift) as usize & (FILTER_BYTES * 8 - 1))
}

/// A duration's class: its power of two and the two bits below.
#[inline]
pub(super) fn duration_class(duration_ns: u64) -> u8 {
    let power = 63 - (duration_ns | 1).leading_zeros();
    let below = if power >= 2 { duration_ns >> (power - 2) & 3 } else { 0 };
    (power as u8) << 2 | below as u8
}

impl<'a> View<'a> {
    pub(crate) fn spans(&self) -> usize {
        self.operations.len()
    }

    /// The number of a trace.
    pub(crate) fn find_trace(&self, id: TraceId) -> Option<u32> {
        let hash = trace_hash(self.seed, &id.0);
        match self.lookup {
            Lookup::Table(table) => {
                table.find(hash, |number| self.trace_ids.get(*number as usize) == Some(&id.0)).copied()
            }
            Lookup::Slots([]) => None,
            Lookup::Slots(slots) => {
                let start = slot_of(hash, slots.len());
                for step in 0..slots.len() {
                    match word(slots, (start + step) & (slots.len() - 1))?.checked_sub(1) {
                        None => return None,
                        Some(number) if self.trace_ids.get(number) == Some(&id.0) => {
                            return Some(number as u32);
                        }
                        Some(_) => {}
                    }
                }
                None
            }
        }
    }

    pub(super) fn head(&self, span: usize) -> Option<Head<'a>> {
        read_head(self.data, word(self.records, span)?, self.base_ns)
    }

    /// Bytes of a record, with what is defined in it.
    pub(super) fn record_bytes(&self, span: usize) -> usize {
        let end = word(self.records, span + 1).unwrap_or(self.data.len());
        word(self.records, span).map_or(0, |at| end.saturating_sub(at))
    }

    fn block(&self, places: &'a [Word], number: u32) -> Option<&'a [u8]> {
        Wire(self.data.get(word(places, number as usize)?..)?).block()
    }

    /// The key and the value that a reference means.
    #[inline]
    pub(super) fn resolve(&self, reference: Reference<'a>) -> Option<(&'a [u8], &'a [u8])> {
        match reference {
            Reference::Literal(slice) | Reference::Definition { slice, .. } => split_slice(slice),
            Reference::Keyed { key, value } => Some((self.block(self.key_places, key)?, value)),
            Reference::Symbol(number) => split_slice(self.block(self.symbol_places, number)?),
        }
    }

    pub(super) fn key(&self, number: u32) -> Option<&'a [u8]> {
        self.block(self.key_places, number)
    }

    pub(super) fn symbol(&self, number: u32) -> Option<&'a [u8]> {
        self.block(self.symbol_places, number)
    }

    /// The number of a source's resource, and its scope.
    pub(super) fn source(&self, number: u32) -> Option<(u32, &'a [u8])> {
        let mut wire = Wire(self.data.get(word(self.source_places, number as usize)?..)?);
        let resource = wire.uvarint()?;
        if resource & 1 != 0 {
            wire.block()?;
        }
        Some((u32::try_from(resource >> 1).ok()?, wire.block()?))
    }

    pub(super) fn resource(&self, number: u32) -> Option<&'a [u8]> {
        self.block(self.resource_places, number)
    }

    /// The kind and the name of an operation.
    pub(crate) fn operation(&self, number: usize) -> Option<(u8, &'a str)> {
        let mut wire = Wire(self.data.get(word(self.operation_places, number)?..)?);
        let [kind] = wire.array()?;
        Some((kind, wire.text()?))
    }

    pub(crate) fn operation_count(&self) -> usize {
        self.operation_places.len()
    }

    pub(crate) fn services(&self) -> &'a [String] {
        self.services
    }

    /// The number of an operation's service.
    pub(crate) fn service_of(&self, operation: usize) -> Option<usize> {
        word(self.operation_services, operation)
    }

    /// The number of a span's trace.
    pub(crate) fn trace_of(&self, span: usize) -> Option<usize> {
        word(self.traces, span)
    }

    /// The earliest and the latest start of a span.
    pub(crate) fn starts(&self) -> Option<(u64, u64)> {
        let starts = self.summaries.iter().map(|summary| {
            let (first, last, ..) = super::open::unpack_summary(summary);
            (first, last)
        });
        starts.reduce(|all, one| (all.0.min(one.0), all.1.max(one.1)))
    }

    /// The first span of a trace here.
    pub(crate) fn first_span(&self, trace: u32) -> Option<usize> {
        word(self.first_spans, trace as usize)
    }

    pub(crate) fn trace_id(&self, trace: usize) -> Option<TraceId> {
        self.trace_ids.get(trace).copied().map(TraceId)
    }

    pub(crate) fn trace_count(&self) -> usize {
        self.trace_ids.len()
    }

    /// The spans of a trace, the last one first.
    pub(crate) fn spans_of(&self, trace: u32) -> impl Iterator<Item = usize> {
        let previous = self.previous;
        let mut next = word(self.last_spans, trace as usize);
        std::iter::from_fn(move || {
            let span = next?;
            // Towards the front only: a damaged file must not lead in a circle.
            next = word(previous, span).and_then(|at| at.checked_sub(1)).filter(|at| *at < span);
            Some(span)
        })
    }
}

/// The first slot to look at; `slots` is a power of two.
pub(super) fn slot_of(hash: u64, slots: usize) -> usize {
    (hash >> 32) as usize & (slots - 1)
}
