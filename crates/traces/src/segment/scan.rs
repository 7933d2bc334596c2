//! A search in one segment: from the last span to the first, passing over blocks in which nothing can match.
//!
//! Input: a [`Search`] and a [`View`]. Output: the traces with a span for which everything holds. Services, operations and tags are looked
//! up once per segment, so that a span is compared by numbers. It goes on in steps, each with a view of its own: between two of them the
//! segment may grow, or be sealed. It keeps no order among traces: the caller does.

use super::open::unpack_summary;
use super::record::{Head, Place, Reference, walk};
use super::view::{BLOCK_SPANS, View, duration_class, filter_bits, word};
use crate::attribute::{any_slice_is, split_slice, tag_hash, value_is};
use crate::batch::status_of;
use crate::search::{Derived, Search, derived};
use crate::span::SpanKind;
use crate::trace::duration_ns;
use crate::wire::Wire;

/// A search, prepared for a segment.
pub(crate) struct Scan<'a> {
    search: &'a Search,
    /// Whether an operation matches; nothing where all do.
    operations: Option<Vec<bool>>,
    tags: Vec<Tag<'a>>,
    classes: (u8, u8),
    seen: Vec<u64>,
    /// The spans from here on have been looked at.
    next: usize,
}

/// A tag, prepared for a segment.
struct Tag<'a> {
    key: &'a str,
    text: &'a str,
    bits: [usize; 3],
    /// The numbers of the attributes that are it.
    symbols: Vec<u32>,
    keys: Vec<u32>,
    /// Whether a source has it.
    sources: Vec<bool>,
    any_source: bool,
    /// What it means besides an attribute.
    derived: Option<Derived>,
}

/// What passing over a span or a block costs, against the bytes of a record.
const PASS: usize = 16;

impl<'a> Scan<'a> {
    /// Prepares a search among the first `spans` spans, or gives nothing where none can match.
    pub(crate) fn new(view: &View<'_>, search: &'a Search, spans: usize) -> Option<Self> {
        let operations = matching_operations(view, search);
        if operations.as_ref().is_some_and(|matching| !matching.contains(&true)) {
            return None;
        }
        let tags = search.tags.iter().map(|(key, text)| Tag::new(view, key, text)).collect();
        let shortest = search.min_duration_ns.map_or(0, duration_class);
        let longest = search.max_duration_ns.map_or(u8::MAX, duration_class);
        let seen = vec![0; view.trace_count().div_ceil(64)];
        let next = spans.min(view.spans());
        Some(Self { search, operations, tags, classes: (shortest, longest), seen, next })
    }

    /// Goes on until about `budget` bytes were looked at, and calls `found` with the number of every trace with a match that had none
    /// before. Gives the first of the spans that have been looked at; 0 when there are no more.
    pub(crate) fn step(&mut self, view: &View<'_>, budget: usize, mut found: impl FnMut(u32)) -> usize {
        let mut left = budget;
        while self.next > 0 && left > 0 {
            let block = (self.next - 1) / BLOCK_SPANS;
            let start = block * BLOCK_SPANS;
            let Some(inside) = self.may_be_in(view, block) else {
                self.next = start;
                left = left.saturating_sub(PASS);
                continue;
            };
            while self.next > start && left > 0 {
                self.next -= 1;
                left = left.saturating_sub(self.look_at(view, self.next, inside, &mut found));
            }
        }
        self.next
    }

    /// Whether a block can have a match, and then whether all its spans start in the time that is asked for.
    fn may_be_in(&self, view: &View<'_>, block: usize) -> Option<bool> {
        let (first, last, shortest, longest) = unpack_summary(view.summaries.get(block)?);
        let search = self.search;
        let may_be = last >= search.start_ns
            && first <= search.end_ns
            && longest >= self.classes.0
            && shortest <= self.classes.1
            && self.tags.iter().all(|tag| tag.may_be_in(view, block));
        may_be.then_some(first >= search.start_ns && last <= search.end_ns)
    }

    /// Looks at a span. Gives what that costs.
    #[inline]
    fn look_at(&mut self, view: &View<'_>, span: usize, inside: bool, found: &mut impl FnMut(u32)) -> usize {
        if let Some(operations) = &self.operations
            && word(view.operations, span).is_none_or(|number| operations.get(number) != Some(&true))
        {
            return PASS;
        }
        let Some(trace) = word(view.traces, span) else { return PASS };
        let Some(seen) = self.seen.get(trace / 64) else { return PASS };
        if seen >> (trace % 64) & 1 != 0 || !self.duration_may_match(view, span) {
            return PASS;
        }
        if self.matches(view, span, inside) {
            self.seen[trace / 64] |= 1 << (trace % 64);
            found(trace as u32);
        }
        PASS + view.record_bytes(span)
    }

    #[inline]
    fn duration_may_match(&self, view: &View<'_>, span: usize) -> bool {
        view.durations.get(span).is_some_and(|class| (self.classes.0..=self.classes.1).contains(class))
    }

    fn matches(&self, view: &View<'_>, span: usize, inside: bool) -> bool {
        let search = self.search;
        let bounded = search.min_duration_ns.is_some() || search.max_duration_ns.is_some();
        if inside && !bounded && self.tags.is_empty() {
            return true;
        }
        let Some(head) = view.head(span) else { return false };
        let duration = duration_ns(head.start_ns, head.end_ns);
        (search.start_ns..=search.end_ns).contains(&head.start_ns)
            && search.min_duration_ns.is_none_or(|bound| duration >= bound)
            && search.max_duration_ns.is_none_or(|bound| duration <= bound)
            && self.tags.chunks(64).all(|tags| all_on(tags, view, &head))
    }
}

fn matching_operations(view: &View<'_>, search: &Search) -> Option<Vec<bool>> {
    if search.service.is_none() && search.operation.is_none() && search.kind.is_none() {
        return None;
    }
    let services: Vec<bool> = match &search.service {
        Some(service) => view.services.iter().map(|name| name == service).collect(),
        None => vec![true; view.services.len()],
    };
    let named = search.operation.is_some() || search.kind.is_some();
    let matches = |number: usize| {
        let service = view.service_of(number).and_then(|service| services.get(service));
        service == Some(&true)
            && (!named
                || view.operation(number).is_some_and(|(kind, name)| {
                    search.operation.as_deref().is_none_or(|operation| operation == name)
                        && search.kind.is_none_or(|wanted| wanted as u8 == kind)
                }))
    };
    Some((0..view.operation_count()).map(matches).collect())
}

impl<'a> Tag<'a> {
    fn new(view: &View<'_>, key: &'a str, text: &'a str) -> Self {
        let hash = tag_hash(key.as_bytes(), text.as_bytes());
        let is_it = |number: &u32| {
            let slice = view.symbol(*number).and_then(split_slice);
            slice.is_some_and(|(k, value)| k == key.as_bytes() && value_is(value, text))
        };
        let hashed = hash.to_le_bytes();
        let symbols = view.tag_hashes.iter().enumerate().filter(|(_, other)| **other == hashed);
        let symbols = symbols.map(|(number, _)| number as u32).filter(is_it).collect();
        let keys = 0..view.key_places.len() as u32;
        let sources: Vec<bool> =
            (0..view.source_places.len() as u32).map(|n| source_is(view, n, key, text)).collect();
        Self {
            key,
            text,
            bits: filter_bits(hash),
            symbols,
            keys: keys.filter(|number| view.key(*number) == Some(key.as_bytes())).collect(),
            any_source: sources.contains(&true),
            sources,
            derived: derived(key, text),
        }
    }

    /// Whether the filter of a block lets it be on a span or an event there.
    fn may_be_in(&self, view: &View<'_>, block: usize) -> bool {
        self.any_source
            || self.derived.is_some()
            || view
                .filters
                .get(block)
                .is_some_and(|filter| self.bits.iter().all(|bit| filter[bit / 8] >> (bit % 8) & 1 != 0))
    }

    /// Whether it is on a span without being an attribute of it or of its events.
    fn is_around(&self, view: &View<'_>, head: &Head<'_>) -> bool {
        self.any_source && self.sources.get(head.source.number as usize) == Some(&true)
            || self.derived.is_some_and(|derived| is_derived(view, head, derived))
    }

    #[inline]
    fn is(&self, reference: Reference<'_>) -> bool {
        match reference {
            Reference::Symbol(number) | Reference::Definition { number, .. } => {
                self.symbols.contains(&number)
            }
            Reference::Keyed { key, value } => self.keys.contains(&key) && value_is(value, self.text),
            Reference::Literal(slice) => split_slice(slice)
                .is_some_and(|(key, value)| key == self.key.as_bytes() && value_is(value, self.text)),
        }
    }
}

/// Whether all of up to 64 tags are on a span; its attributes are gone through once.
fn all_on(tags: &[Tag<'_>], view: &View<'_>, head: &Head<'_>) -> bool {
    let missing = tags.iter().enumerate().filter(|(_, tag)| !tag.is_around(view, head));
    let mut missing = missing.fold(0u64, |bits, (at, _)| bits | 1 << at);
    if missing == 0 {
        return true;
    }
    let walked = walk(view.data, head, |place, reference| {
        if matches!(place, Place::SpanAttribute | Place::EventAttribute) {
            let mut left = missing;
            while left != 0 {
                let at = left.trailing_zeros();
                left &= left - 1;
                if tags[at as usize].is(reference) {
                    missing &= !(1 << at);
                }
            }
        }
        missing != 0
    });
    missing == 0 && walked.is_some()
}

/// Whether the kind or the status of a span is the one that a tag means.
fn is_derived(view: &View<'_>, head: &Head<'_>, derived: Derived) -> bool {
    let kind =
        view.operation(head.operation.number as usize).map(|(kind, _)| SpanKind::from_number(kind.into()));
    kind.is_some_and(|kind| derived.is(kind, status_of(head.shape)))
}

/// Whether the resource or the scope of a source has a tag.
fn source_is(view: &View<'_>, number: u32, key: &str, text: &str) -> bool {
    let Some((resource, scope)) = view.source(number) else { return false };
    let of_resource = view.resource(resource).and_then(resource_slices);
    let of_scope = scope_slices(scope);
    [of_resource, of_scope].into_iter().flatten().any(|slices| any_slice_is(slices, key, text))
}

/// The attributes behind the front of a resource.
fn resource_slices(resource: &[u8]) -> Option<&[u8]> {
    let mut wire = Wire(resource);
    wire.uvarint()?;
    wire.block()?;
    Some(wire.0)
}

/// The attributes behind the front of a scope.
fn scope_slices(scope: &[u8]) -> Option<&[u8]> {
    let mut wire = Wire(scope);
    (0..3).try_for_each(|_| wire.block().map(drop))?;
    wire.uvarint()?;
    Some(wire.0)
}
