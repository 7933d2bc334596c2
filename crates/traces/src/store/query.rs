//! Questions over all segments.
//!
//! Input: a snapshot of the segments, and a question. Output: whole traces, wherever their spans are, as of the snapshot. The lock is held
//! for steps through the open segment only, each about a millisecond long, so that no writer waits for a question.

use super::snapshot::Snapshot;
use crate::search::Search;
use crate::segment::{Assembly, Scan, View};
use crate::span::{SpanKind, TraceId};
use crate::trace::Trace;
use std::collections::{BTreeSet, HashMap};

/// When a trace arrived: the first segment that has a span of it, and the first span there.
type Arrival = (usize, usize);

/// Bytes of records that are looked at in a step at most.
const SCANNED: usize = 256 << 10;
/// Bytes of records that are looked at in the first step, for each trace that is asked for: a few spans. Each step is twice as long as
/// the one before, so that what is common is found without looking at thousands of traces that nobody asked for.
const FIRST_SCANNED: usize = 512;
/// Bytes of records that are made into spans in a step.
const ASSEMBLED: usize = 64 << 10;

pub(super) fn services(snapshot: &Snapshot<'_>) -> Vec<String> {
    let open = snapshot.with_open(|view| view.services().to_vec()).unwrap_or_default();
    let views = snapshot.views();
    let names: BTreeSet<&String> = views.iter().flat_map(|view| view.services()).chain(&open).collect();
    names.into_iter().cloned().collect()
}

pub(super) fn operations(snapshot: &Snapshot<'_>, service: &str) -> Vec<(String, SpanKind)> {
    let mut found = BTreeSet::new();
    for view in &snapshot.views() {
        operations_of(view, service, &mut found);
    }
    snapshot.with_open(|view| operations_of(view, service, &mut found));
    found.into_iter().map(|(name, kind)| (name, SpanKind::from_number(kind.into()))).collect()
}

fn operations_of(view: &View<'_>, service: &str, found: &mut BTreeSet<(String, u8)>) {
    let Some(service) = view.services().iter().position(|name| name == service) else { return };
    let of_service = (0..view.operation_count()).filter(|number| view.service_of(*number) == Some(service));
    let named = of_service.filter_map(|number| view.operation(number));
    found.extend(named.map(|(kind, name)| (name.to_owned(), kind)));
}

pub(super) fn trace(snapshot: &Snapshot<'_>, id: TraceId) -> Option<Trace> {
    assemble(snapshot, &snapshot.views(), id)
}

fn assemble(snapshot: &Snapshot<'_>, sealed: &[View<'_>], id: TraceId) -> Option<Trace> {
    let mut trace = Trace { id, ..Trace::default() };
    for view in sealed {
        if let Some(number) = view.find_trace(id) {
            Assembly::new(view, number, usize::MAX).step(view, usize::MAX, &mut trace);
        }
    }
    let begun = trace.spans.len();
    let begin = |view: &View<'_>| Some(Assembly::new(view, view.find_trace(id)?, snapshot.open_spans()));
    let mut rest = snapshot.with_open(begin).flatten();
    while let Some(assembly) = &mut rest {
        match snapshot.with_open(|view| assembly.step(view, ASSEMBLED, &mut trace)) {
            Some(true) => {}
            Some(false) => rest = None,
            None => {
                // The segment has left the store meanwhile, and all of it with it.
                trace.spans.truncate(begun);
                rest = None;
            }
        }
    }
    (!trace.spans.is_empty()).then_some(trace)
}

pub(super) fn find(snapshot: &Snapshot<'_>, search: &Search) -> Vec<Trace> {
    if search.limit == 0 {
        return Vec::new();
    }
    let views = snapshot.views();
    let mut found: Vec<(Arrival, TraceId)> =
        candidates(snapshot, &views, search).into_iter().map(|(id, arrival)| (arrival, id)).collect();
    found.sort_unstable_by(|a, b| b.cmp(a));
    found.truncate(search.limit);
    found.into_iter().filter_map(|(_, id)| assemble(snapshot, &views, id)).collect()
}

/// The traces that match, at least as many of those that arrived last as are asked for.
///
/// Spans are looked at from the last to the first. A trace that is found further on arrived before that place, so once enough traces
/// arrived behind it, no further one can be among them.
fn candidates(snapshot: &Snapshot<'_>, sealed: &[View<'_>], search: &Search) -> HashMap<TraceId, Arrival> {
    let mut found = HashMap::new();
    let enough = |found: &HashMap<TraceId, Arrival>, here: Arrival| {
        found.len() >= search.limit
            && found.values().filter(|arrival| **arrival >= here).count() >= search.limit
    };
    let mut budget = search.limit.saturating_mul(FIRST_SCANNED).min(SCANNED);
    let mut longer = || {
        let now = budget;
        budget = (2 * budget).min(SCANNED);
        now
    };
    let mut step = Vec::new();
    let mut scan = snapshot.with_open(|view| Scan::new(view, search, snapshot.open_spans())).flatten();
    while let Some(going_on) = &mut scan {
        let bytes = longer();
        let place = snapshot.with_open(|view| {
            going_on.step(view, bytes, |number| {
                step.extend(view.trace_id(number as usize).zip(view.first_span(number)));
            })
        });
        for (id, first) in step.drain(..) {
            found.entry(id).or_insert_with(|| arrival(sealed, id).unwrap_or((sealed.len(), first)));
        }
        match place {
            None | Some(0) => scan = None,
            Some(place) if enough(&found, (sealed.len(), place)) => return found,
            Some(_) => {}
        }
    }
    for (at, view) in sealed.iter().enumerate().rev() {
        if enough(&found, (at + 1, 0)) {
            return found;
        }
        let Some(mut scan) = Scan::new(view, search, usize::MAX) else { continue };
        loop {
            let place = scan.step(view, longer(), |number| {
                if let Some(id) = view.trace_id(number as usize) {
                    found.entry(id).or_insert_with(|| arrival(&sealed[..=at], id).unwrap_or_default());
                }
            });
            if enough(&found, (at, place)) {
                return found;
            }
            if place == 0 {
                break;
            }
        }
        snapshot.let_go(at);
    }
    found
}

fn arrival(views: &[View<'_>], id: TraceId) -> Option<Arrival> {
    let first = |(at, view): (usize, &View<'_>)| {
        let number = view.find_trace(id)?;
        Some((at, view.first_span(number)?))
    };
    views.iter().enumerate().find_map(first)
}
