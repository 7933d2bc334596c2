//! The index file of a sealed segment: the columns of the open one, one after the other.
//!
//! ```text
//! image   = "TWIX" version(1) 0 0 0  crc32c of all that follows (u32)  0 (u32)  head  sections      integers little endian
//! head    = 14 numbers (u64): base time, latest arrival, seed, bytes of the .spans file, and the lengths of spans, blocks, traces,
//!           slots, symbols, keys, sources, resources, operations, bytes of service names
//! section = the entries of a column, without gaps: see `sections`; the names of services are separated by zero bytes
//! slots   = a power of two of places for traces: number + 1, or 0 for a free one; a trace is in the first place free from the one that
//!           its hash gives on
//! ```
//!
//! Input: an [`Open`] segment. Output: bytes, and a [`View`] over them. An image that is not sound is made again from the spans.

use super::dictionary::Word;
use super::open::{Open, VERSION};
use super::view::{FILTER_BYTES, Lookup, View, slot_of, trace_hash};

const HEADER: usize = 16;
const HEAD: usize = 14;

/// What is at the front of an image.
#[derive(Clone, Debug)]
pub(super) struct ImageHead {
    numbers: [u64; HEAD],
    pub(super) services: Vec<String>,
}

fn slots(open: &Open) -> Vec<Word> {
    let traces = &open.columns.trace_ids;
    let count = (traces.len() * 3 / 2).next_power_of_two().max(1);
    let mut slots = vec![[0; 4]; if traces.is_empty() { 0 } else { count.max(2) }];
    for (number, id) in traces.iter().enumerate() {
        let mut at = slot_of(trace_hash(open.seed, id), slots.len());
        while slots[at] != [0; 4] {
            at = (at + 1) & (slots.len() - 1);
        }
        slots[at] = (number as u32 + 1).to_le_bytes();
    }
    slots
}

/// The image of a segment.
pub(super) fn write(open: &Open) -> Vec<u8> {
    let (view, slots) = (open.view(), slots(open));
    let services = view.services.join("\0");
    let numbers = [
        open.base_ns,
        open.arrival_ns,
        open.seed,
        open.data.len() as u64,
        view.operations.len() as u64,
        view.summaries.len() as u64,
        view.trace_ids.len() as u64,
        slots.len() as u64,
        view.symbol_places.len() as u64,
        view.key_places.len() as u64,
        view.source_places.len() as u64,
        view.resource_places.len() as u64,
        view.operation_places.len() as u64,
        services.len() as u64,
    ];
    let mut out = Vec::with_capacity(HEADER + HEAD * 8 + view.operations.len() * 26 + slots.len() * 4);
    out.extend_from_slice(b"TWIX");
    out.extend_from_slice(&[VERSION, 0, 0, 0]);
    out.extend_from_slice(&[0; 8]);
    numbers.iter().for_each(|number| out.extend_from_slice(&number.to_le_bytes()));
    for words in [view.operations, view.traces, view.records, view.previous] {
        out.extend_from_slice(words.as_flattened());
    }
    out.extend_from_slice(view.durations);
    out.extend_from_slice(view.summaries.as_flattened());
    out.extend_from_slice(view.filters.as_flattened());
    out.extend_from_slice(view.trace_ids.as_flattened());
    for words in
        [view.first_spans, view.last_spans, &slots, view.symbol_places, view.tag_hashes, view.key_places]
    {
        out.extend_from_slice(words.as_flattened());
    }
    for words in [view.source_places, view.resource_places, view.operation_places, view.operation_services] {
        out.extend_from_slice(words.as_flattened());
    }
    out.extend_from_slice(services.as_bytes());
    let checksum = crc32c::crc32c(&out[HEADER..]);
    out[8..12].copy_from_slice(&checksum.to_le_bytes());
    out
}

/// Reads the front of an image, if all of it is sound.
pub(super) fn read_head(image: &[u8], data_length: usize) -> Option<ImageHead> {
    let checksum = u32::from_le_bytes(image.get(8..12)?.try_into().ok()?);
    (image.get(..4)? == b"TWIX" && image[4] == VERSION).then_some(())?;
    (crc32c::crc32c(&image[HEADER..]) == checksum).then_some(())?;
    let (numbers, _) = image.get(HEADER..HEADER + HEAD * 8)?.as_chunks::<8>();
    let mut head = ImageHead { numbers: [0; HEAD], services: Vec::new() };
    for (number, bytes) in head.numbers.iter_mut().zip(numbers) {
        *number = u64::from_le_bytes(*bytes);
    }
    (head.numbers[3] == data_length as u64).then_some(())?;
    let services = image.get(image.len().checked_sub(head.number(13))?..)?;
    if !services.is_empty() {
        head.services = String::from_utf8_lossy(services).split('\0').map(str::to_owned).collect();
    }
    head.view(image, &[]).map(drop)?;
    Some(head)
}

/// Takes sections from the front.
struct Sections<'a>(&'a [u8]);

impl<'a> Sections<'a> {
    fn next<const N: usize>(&mut self, count: usize) -> Option<&'a [[u8; N]]> {
        let (section, rest) = self.0.split_at_checked(count.checked_mul(N)?)?;
        self.0 = rest;
        Some(section.as_chunks().0)
    }
}

impl ImageHead {
    fn number(&self, at: usize) -> usize {
        self.numbers[at] as usize
    }

    pub(super) fn base_ns(&self) -> u64 {
        self.numbers[0]
    }

    pub(super) fn arrival_ns(&self) -> u64 {
        self.numbers[1]
    }

    pub(super) fn spans(&self) -> usize {
        self.number(4)
    }

    /// The columns, or nothing where the image is too short for them.
    pub(super) fn view<'a>(&'a self, image: &'a [u8], data: &'a [u8]) -> Option<View<'a>> {
        let mut sections = Sections(image.get(HEADER + HEAD * 8..)?);
        let [spans, blocks, traces, slots, symbols, keys, sources, resources, operations] =
            std::array::from_fn(|at| self.number(4 + at));
        Some(View {
            data,
            base_ns: self.numbers[0],
            seed: self.numbers[2],
            operations: sections.next(spans)?,
            traces: sections.next(spans)?,
            records: sections.next(spans)?,
            previous: sections.next(spans)?,
            durations: sections.next::<1>(spans)?.as_flattened(),
            summaries: sections.next(blocks)?,
            filters: sections.next::<FILTER_BYTES>(blocks)?,
            trace_ids: sections.next(traces)?,
            first_spans: sections.next(traces)?,
            last_spans: sections.next(traces)?,
            lookup: Lookup::Slots(sections.next(slots)?),
            symbol_places: sections.next(symbols)?,
            tag_hashes: sections.next(symbols)?,
            key_places: sections.next(keys)?,
            source_places: sections.next(sources)?,
            resource_places: sections.next(resources)?,
            operation_places: sections.next(operations)?,
            operation_services: sections.next(operations)?,
            services: &self.services,
        })
    }
}
