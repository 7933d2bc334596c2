//! The segment that is written to: spans become records, columns and filters.
//!
//! Input: batches, or the records of a log after a restart. Output: bytes for the log, a [`View`] for readers, an image when it is sealed.
//! It refuses nothing: what comes in has been judged.

use super::dictionary::{Dictionary, Word};
use super::record::{FILE_HEADER, FRAME_HEADER, Numbered, Place, TraceRef, read_head, walk};
use super::view::{
    BLOCK_SPANS, FILTER_BYTES, Filter, Lookup, Summary, View, duration_class, filter_bits, trace_hash,
};
use crate::batch::{Held, SpanBatch, shape};
use crate::trace::duration_ns;
use crate::wire::{Wire, push_uvarint, push_varint, put_block};
use hashbrown::HashTable;
use std::hash::{BuildHasher, Hasher};

/// Of both files of a segment.
pub(crate) const VERSION: u8 = 1;
/// Resources, scopes, operations and services that a segment may have; with more it is sealed early.
const MAX_DEFINITIONS: usize = 16_384;

/// The open segment.
#[derive(Debug)]
pub(crate) struct Open {
    /// The file, as far as it is written: header and frames.
    pub(super) data: Vec<u8>,
    pub(super) base_ns: u64,
    pub(super) seed: u64,
    /// When the last request came, in nanoseconds since the Unix epoch.
    pub(super) arrival_ns: u64,
    first_arrival_ns: u64,
    dictionary: Dictionary,
    hashes: foldhash::fast::RandomState,
    pub(super) columns: Columns,
    trace_table: HashTable<u32>,
    source_table: HashTable<(u64, u32)>,
    resource_table: HashTable<(u64, u32)>,
    operation_table: HashTable<(u64, u32)>,
    resource_services: Vec<u32>,
    source_resources: Vec<u32>,
    /// The segment's number of each source of the batch that is being taken over.
    batch_sources: Vec<Option<u32>>,
}

/// The columns, as they will be in the index file.
#[derive(Debug, Default)]
pub(super) struct Columns {
    pub(super) operations: Vec<Word>,
    pub(super) traces: Vec<Word>,
    pub(super) records: Vec<Word>,
    pub(super) previous: Vec<Word>,
    pub(super) durations: Vec<u8>,
    pub(super) summaries: Vec<Summary>,
    pub(super) filters: Vec<Filter>,
    pub(super) trace_ids: Vec<[u8; 16]>,
    pub(super) first_spans: Vec<Word>,
    pub(super) last_spans: Vec<Word>,
    pub(super) source_places: Vec<Word>,
    pub(super) resource_places: Vec<Word>,
    pub(super) operation_places: Vec<Word>,
    pub(super) operation_services: Vec<Word>,
    pub(super) services: Vec<String>,
}

fn push(words: &mut Vec<Word>, value: usize) {
    words.push((value as u32).to_le_bytes());
}

impl Open {
    /// An empty segment, with room for so many bytes of records.
    pub(crate) fn new(now_ns: u64, room: usize) -> Self {
        let mut data = Vec::with_capacity(room);
        data.extend_from_slice(b"TWSP");
        data.extend_from_slice(&[VERSION, 0, 0, 0]);
        data.extend_from_slice(&now_ns.to_le_bytes());
        Self::with_data(data, now_ns)
    }

    fn with_data(data: Vec<u8>, base_ns: u64) -> Self {
        let hashes = foldhash::fast::RandomState::default();
        Self {
            data,
            base_ns,
            seed: hashes.hash_one(0u64),
            arrival_ns: base_ns,
            first_arrival_ns: u64::MAX,
            dictionary: Dictionary::default(),
            hashes,
            columns: Columns::default(),
            trace_table: HashTable::new(),
            source_table: HashTable::new(),
            resource_table: HashTable::new(),
            operation_table: HashTable::new(),
            resource_services: Vec::new(),
            source_resources: Vec::new(),
            batch_sources: Vec::new(),
        }
    }

    /// What a log holds, which begins with a header of this version; cut off behind its last sound frame.
    pub(crate) fn replay(mut data: Vec<u8>) -> Self {
        let base_ns = super::log::base_ns(&data).unwrap_or_default();
        let sound = super::log::sound_length(&data);
        data.truncate(sound);
        let mut open = Self::with_data(Vec::new(), base_ns);
        let mut at = FILE_HEADER;
        while let Some(frame) = super::log::frame(&data, at) {
            let end = frame.end;
            if !open.learn_frame(&data[..end], at + FRAME_HEADER) {
                // A sound frame with senseless records: once more, without it.
                data.truncate(at);
                return Self::replay(data);
            }
            open.arrival_ns = frame.arrival_ns;
            open.first_arrival_ns = open.first_arrival_ns.min(frame.arrival_ns);
            at = end;
        }
        open.data = data;
        open
    }

    fn learn_frame(&mut self, data: &[u8], mut at: usize) -> bool {
        while at < data.len() {
            match self.learn(data, at) {
                Some(next) => at = next,
                None => return false,
            }
        }
        true
    }

    /// Takes over a record from a log. Gives the place of the next one.
    fn learn(&mut self, data: &[u8], at: usize) -> Option<usize> {
        let head = read_head(data, at, self.base_ns)?;
        let trace = match head.trace {
            TraceRef::New(id) => self.new_trace(id),
            TraceRef::Back(back) => (self.columns.trace_ids.len() as u32).checked_sub(back)?,
        };
        if let Numbered { defined: Some(place), number } = head.source {
            self.learn_source(data, number, place, head.resource?)?;
        }
        self.columns.source_places.get(head.source.number as usize)?;
        if let Numbered { defined: Some(place), number } = head.operation {
            (number as usize == self.columns.operation_places.len()).then_some(())?;
            let mut wire = Wire(data.get(place as usize..)?);
            let start = wire.0;
            wire.take(1)?;
            wire.block()?;
            let named = &start[..start.len() - wire.0.len()];
            let service = self.service_of_source(head.source.number);
            self.define_operation(service, named, place as usize);
        }
        self.columns.operation_places.get(head.operation.number as usize)?;
        let span = self.index(trace, head.operation.number, at, head.start_ns, head.end_ns);
        let filter = span / BLOCK_SPANS;
        let mut sound = true;
        let (dictionary, filters) = (&mut self.dictionary, &mut self.columns.filters);
        let rest = walk(data, &head, |place, reference| {
            let tag = dictionary.learn(data, reference);
            if let (Some(tag), Place::SpanAttribute | Place::EventAttribute) = (tag, place) {
                note_tag(&mut filters[filter], tag);
            }
            sound &= tag.is_some();
            sound
        })?;
        sound.then(|| data.len() - rest.0.len())
    }

    fn learn_source(&mut self, data: &[u8], number: u32, place: u32, resource: Numbered) -> Option<()> {
        (number as usize == self.columns.source_places.len()).then_some(())?;
        let mut wire = Wire(data.get(place as usize..)?);
        wire.uvarint()?;
        if let Some(defined) = resource.defined {
            (resource.number as usize == self.columns.resource_places.len()).then_some(())?;
            let bytes = wire.block()?;
            let service = service_in(bytes);
            self.define_resource(&service, bytes, defined as usize);
        }
        self.columns.resource_places.get(resource.number as usize)?;
        let scope = wire.block()?;
        self.define_source(resource.number, scope, place as usize);
        Some(())
    }

    /// Begins a frame. Gives its place, for [`Self::end_frame`].
    pub(crate) fn begin_frame(&mut self) -> usize {
        self.batch_sources.clear();
        self.data.extend_from_slice(&[0; FRAME_HEADER]);
        self.data.len() - FRAME_HEADER
    }

    /// Completes a frame. Gives its bytes, for the log.
    pub(crate) fn end_frame(&mut self, at: usize, now_ns: u64) -> &[u8] {
        if self.data.len() == at + FRAME_HEADER {
            self.data.truncate(at);
            return &[];
        }
        self.arrival_ns = now_ns;
        self.first_arrival_ns = self.first_arrival_ns.min(now_ns);
        super::log::seal_frame(&mut self.data[at..], now_ns);
        &self.data[at..]
    }

    /// Takes over a span of a batch.
    pub(crate) fn push(&mut self, batch: &SpanBatch, held: &Held) {
        let at = self.data.len();
        let known = self.columns.trace_ids.len();
        let trace = self.put_trace(&held.trace_id.0);
        debug_assert!(trace as usize <= known, "traces are numbered in order");
        let source = self.put_source(batch, held.source);
        let body = batch.body(held);
        let operation = self.put_operation(self.service_of_source(source), body);
        let span = self.index(trace, operation, at, held.start_ns, held.end_ns);
        // The body was written by this process: were it cut short, the record would be too, and is left out of nothing else.
        let _complete = self.put_body(held, Wire(&body[operation_length(body)..]), span / BLOCK_SPANS);
    }

    fn put_trace(&mut self, id: &[u8; 16]) -> u32 {
        let hash = trace_hash(self.seed, id);
        let ids = &self.columns.trace_ids;
        if let Some(known) = self.trace_table.find(hash, |number| ids[*number as usize] == *id) {
            push_uvarint(&mut self.data, ids.len() as u64 - u64::from(*known));
            return *known;
        }
        self.data.push(0);
        self.data.extend_from_slice(id);
        self.new_trace(*id)
    }

    fn new_trace(&mut self, id: [u8; 16]) -> u32 {
        let number = self.columns.trace_ids.len() as u32;
        self.columns.trace_ids.push(id);
        push(&mut self.columns.first_spans, self.columns.operations.len());
        self.columns.last_spans.push(u32::MAX.to_le_bytes());
        let (ids, seed) = (&self.columns.trace_ids, self.seed);
        let hash = |number: &u32| trace_hash(seed, &ids[*number as usize]);
        self.trace_table.insert_unique(trace_hash(seed, &id), number, hash);
        number
    }

    #[inline]
    fn put_source(&mut self, batch: &SpanBatch, source: u32) -> u32 {
        let at = source as usize;
        if let Some(Some(known)) = self.batch_sources.get(at) {
            push_uvarint(&mut self.data, u64::from(*known) << 1);
            return *known;
        }
        self.batch_sources.resize(self.batch_sources.len().max(batch.sources()), None);
        let number = self.intern_source(batch, source);
        self.batch_sources[at] = Some(number);
        number
    }

    fn hash(&self, bytes: &[u8], with: u32) -> u64 {
        let mut hasher = self.hashes.build_hasher();
        hasher.write_u32(with);
        hasher.write(bytes);
        hasher.finish()
    }

    fn intern_source(&mut self, batch: &SpanBatch, source: u32) -> u32 {
        let (resource, scope) = batch.source(source);
        let resource_hash = self.hash(resource, 0);
        let view = self.view();
        let same = |(_, number): &(u64, u32)| view.resource(*number) == Some(resource);
        let known = self.resource_table.find(resource_hash, same).map(|(_, number)| *number);
        if let Some(known) = known {
            let same = |(_, number): &(u64, u32)| view.source(*number) == Some((known, scope));
            if let Some((_, number)) = self.source_table.find(self.hash(scope, known), same).copied() {
                push_uvarint(&mut self.data, u64::from(number) << 1);
                return number;
            }
        }
        push_uvarint(&mut self.data, (self.columns.source_places.len() as u64) << 1 | 1);
        let place = self.data.len();
        let number = known.unwrap_or(self.columns.resource_places.len() as u32);
        push_uvarint(&mut self.data, u64::from(number) << 1 | u64::from(known.is_none()));
        if known.is_none() {
            let resource_place = self.data.len();
            put_block(&mut self.data, resource);
            self.define_resource(batch.service(source), resource, resource_place);
        }
        put_block(&mut self.data, scope);
        self.define_source(number, scope, place)
    }

    fn define_resource(&mut self, service: &str, resource: &[u8], place: usize) {
        let services = &mut self.columns.services;
        let service = services.iter().position(|name| name == service).unwrap_or_else(|| {
            services.push(service.to_owned());
            services.len() - 1
        });
        self.resource_services.push(service as u32);
        let number = self.columns.resource_places.len() as u32;
        push(&mut self.columns.resource_places, place);
        let hash = self.hash(resource, 0);
        self.resource_table.insert_unique(hash, (hash, number), |(hash, _)| *hash);
    }

    fn define_source(&mut self, resource: u32, scope: &[u8], place: usize) -> u32 {
        let number = self.columns.source_places.len() as u32;
        push(&mut self.columns.source_places, place);
        self.source_resources.push(resource);
        let hash = self.hash(scope, resource);
        self.source_table.insert_unique(hash, (hash, number), |(hash, _)| *hash);
        number
    }

    fn service_of_source(&self, source: u32) -> u32 {
        self.resource_services[self.source_resources[source as usize] as usize]
    }

    #[inline]
    fn put_operation(&mut self, service: u32, body: &[u8]) -> u32 {
        let named = &body[..operation_length(body)];
        let hash = self.hash(named, service);
        let (places, services, data) =
            (&self.columns.operation_places, &self.columns.operation_services, &self.data);
        let same = |(other, number): &(u64, u32)| {
            let place = u32::from_le_bytes(places[*number as usize]) as usize;
            *other == hash
                && u32::from_le_bytes(services[*number as usize]) == service
                && data.get(place..place + named.len()) == Some(named)
        };
        if let Some((_, number)) = self.operation_table.find(hash, same).copied() {
            push_uvarint(&mut self.data, u64::from(number) << 1);
            return number;
        }
        push_uvarint(&mut self.data, (self.columns.operation_places.len() as u64) << 1 | 1);
        let place = self.data.len();
        self.data.extend_from_slice(named);
        self.define_operation(service, named, place)
    }

    fn define_operation(&mut self, service: u32, named: &[u8], place: usize) -> u32 {
        let number = self.columns.operation_places.len() as u32;
        push(&mut self.columns.operation_places, place);
        push(&mut self.columns.operation_services, service as usize);
        let hash = self.hash(named, service);
        self.operation_table.insert_unique(hash, (hash, number), |(hash, _)| *hash);
        number
    }

    /// Adds a span to the columns. Gives its number.
    #[inline]
    fn index(&mut self, trace: u32, operation: u32, at: usize, start_ns: u64, end_ns: u64) -> usize {
        let columns = &mut self.columns;
        let span = columns.operations.len();
        columns.operations.push(operation.to_le_bytes());
        columns.traces.push(trace.to_le_bytes());
        push(&mut columns.records, at);
        let last = std::mem::replace(&mut columns.last_spans[trace as usize], (span as u32).to_le_bytes());
        push(&mut columns.previous, u32::from_le_bytes(last).wrapping_add(1) as usize);
        let class = duration_class(duration_ns(start_ns, end_ns));
        columns.durations.push(class);
        if span.is_multiple_of(BLOCK_SPANS) {
            columns.summaries.push(pack_summary(start_ns, start_ns, class, class));
            columns.filters.push([0; FILTER_BYTES]);
        } else if let Some(summary) = columns.summaries.last_mut() {
            let (first, last, short, long) = unpack_summary(summary);
            *summary =
                pack_summary(first.min(start_ns), last.max(start_ns), short.min(class), long.max(class));
        }
        span
    }

    /// Writes the rest of a record: the body with references in place of slices.
    fn put_body(&mut self, held: &Held, mut body: Wire<'_>, block: usize) -> Option<()> {
        let shape = body.uvarint()?;
        let data = &mut self.data;
        push_uvarint(data, shape);
        data.extend_from_slice(&held.span_id.0);
        if shape & shape::PARENT != 0 {
            data.extend_from_slice(&held.parent.0);
        }
        push_varint(data, held.start_ns.wrapping_sub(self.base_ns).cast_signed());
        push_varint(data, held.end_ns.wrapping_sub(held.start_ns).cast_signed());
        let filter = self.columns.filters.get_mut(block)?;
        let mut to = Target { data, dictionary: &mut self.dictionary, filter };
        for bit in [shape::TRACE_STATE, shape::MESSAGE] {
            if shape & bit != 0 {
                to.text(&mut body)?;
            }
        }
        if shape & shape::FLAGS != 0 {
            to.number(&mut body)?;
        }
        if shape & shape::DROPPED != 0 {
            (0..3).try_for_each(|_| to.number(&mut body).map(drop))?;
        }
        to.attributes(&mut body, true)?;
        if shape & shape::EVENTS != 0 {
            for _ in 0..to.number(&mut body)? {
                to.number(&mut body)?;
                to.text(&mut body)?;
                to.number(&mut body)?;
                to.attributes(&mut body, true)?;
            }
        }
        if shape & shape::LINKS != 0 {
            for _ in 0..to.number(&mut body)? {
                to.data.extend_from_slice(body.take(24)?);
                to.text(&mut body)?;
                to.number(&mut body)?;
                to.number(&mut body)?;
                to.attributes(&mut body, false)?;
            }
        }
        Some(())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.columns.operations.is_empty()
    }

    pub(crate) fn spans(&self) -> usize {
        self.columns.operations.len()
    }

    /// The file so far.
    pub(crate) fn file_bytes(&self) -> &[u8] {
        &self.data
    }

    /// Bytes of spans and index that are in use.
    pub(crate) fn used_bytes(&self) -> usize {
        let columns = &self.columns;
        self.data.len()
            + columns.operations.len() * 17
            + columns.filters.len() * (FILTER_BYTES + 18)
            + columns.trace_ids.len() * 32
            + self.dictionary.memory_bytes()
    }

    /// Bytes of heap it takes, what is set aside for more included.
    pub(crate) fn memory_bytes(&self) -> usize {
        let columns = &self.columns;
        self.data.capacity()
            + columns.operations.capacity() * 17
            + columns.filters.capacity() * (FILTER_BYTES + 18)
            + columns.trace_ids.capacity() * 24
            + self.trace_table.capacity() * 5
            + (columns.operation_places.capacity() + columns.source_places.capacity()) * 32
            + columns.resource_places.capacity() * 32
            + self.dictionary.memory_bytes()
    }

    /// Whether some table has as many entries as it may have.
    pub(crate) fn is_full(&self) -> bool {
        let columns = &self.columns;
        columns.source_places.len().max(columns.operation_places.len()) >= MAX_DEFINITIONS
            // services are looked for one after the other
            || columns.services.len() >= 1024
    }

    /// When the first span came, in nanoseconds since the Unix epoch; `u64::MAX` while there is none.
    pub(crate) fn first_arrival_ns(&self) -> u64 {
        self.first_arrival_ns
    }

    pub(crate) fn view(&self) -> View<'_> {
        let columns = &self.columns;
        View {
            data: &self.data,
            base_ns: self.base_ns,
            seed: self.seed,
            operations: &columns.operations,
            traces: &columns.traces,
            records: &columns.records,
            previous: &columns.previous,
            durations: &columns.durations,
            summaries: &columns.summaries,
            filters: &columns.filters,
            trace_ids: &columns.trace_ids,
            first_spans: &columns.first_spans,
            last_spans: &columns.last_spans,
            symbol_places: &self.dictionary.symbol_places,
            tag_hashes: &self.dictionary.tag_hashes,
            key_places: &self.dictionary.key_places,
            source_places: &columns.source_places,
            resource_places: &columns.resource_places,
            operation_places: &columns.operation_places,
            operation_services: &columns.operation_services,
            services: &columns.services,
            lookup: Lookup::Table(&self.trace_table),
        }
    }
}

/// Bytes of kind and name at the beginning of a body.
#[inline]
fn operation_length(body: &[u8]) -> usize {
    let mut wire = Wire(body);
    let read = wire.take(1).and_then(|_| wire.block());
    debug_assert!(read.is_some(), "a body begins with kind and name");
    body.len() - wire.0.len()
}

/// The service of a resource in a log.
fn service_in(resource: &[u8]) -> String {
    let mut wire = Wire(resource);
    let attributes = wire.uvarint().and_then(|_| wire.block()).map_or(&[][..], |_| wire.0);
    let attributes = crate::attribute::read_slices(attributes);
    crate::trace::Resource { attributes, ..Default::default() }.service().to_owned()
}

/// Where the rest of a record goes.
struct Target<'a> {
    data: &'a mut Vec<u8>,
    dictionary: &'a mut Dictionary,
    filter: &'a mut Filter,
}

impl Target<'_> {
    #[inline]
    fn number(&mut self, body: &mut Wire<'_>) -> Option<u64> {
        let number = body.uvarint()?;
        push_uvarint(self.data, number);
        Some(number)
    }

    fn text(&mut self, body: &mut Wire<'_>) -> Option<()> {
        self.dictionary.put(self.data, body.block()?);
        Some(())
    }

    #[inline]
    fn attributes(&mut self, body: &mut Wire<'_>, searched: bool) -> Option<()> {
        for _ in 0..self.number(body)? {
            let tag = self.dictionary.put(self.data, body.block()?);
            if searched {
                note_tag(self.filter, tag);
            }
        }
        Some(())
    }
}

#[inline]
fn note_tag(filter: &mut Filter, tag: u32) {
    for bit in filter_bits(tag) {
        filter[bit / 8] |= 1 << (bit % 8);
    }
}

fn pack_summary(first_ns: u64, last_ns: u64, shortest: u8, longest: u8) -> Summary {
    let mut summary = [0; 18];
    summary[..8].copy_from_slice(&first_ns.to_le_bytes());
    summary[8..16].copy_from_slice(&last_ns.to_le_bytes());
    (summary[16], summary[17]) = (shortest, longest);
    summary
}

pub(super) fn unpack_summary(summary: &Summary) -> (u64, u64, u8, u8) {
    let number =
        |at: usize| summary[at..at + 8].iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte));
    (number(0), number(8), summary[16], summary[17])
}
