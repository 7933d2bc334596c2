//! Questions over all segments.
//!
//! Input: the segments, under a shared lock, and a question. Output: whole traces, wherever their spans are.

use super::Segments;
use crate::batch::kind_of;
use crate::search::Search;
use crate::segment::{Scan, View};
use crate::span::{SpanKind, TraceId};
use crate::trace::Trace;
use std::collections::{BTreeSet, HashMap};

/// When a trace arrived: the first segment that has a span of it, and the first span there.
type Arrival = (usize, usize);

fn views(segments: &Segments) -> Vec<View<'_>> {
    let sealed = segments.sealed.iter().filter_map(|segment| segment.view());
    sealed.chain([segments.open.view()]).collect()
}

pub(super) fn services(segments: &Segments) -> Vec<String> {
    let views = views(segments);
    let names: BTreeSet<&String> = views.iter().flat_map(|view| view.services()).collect();
    names.into_iter().cloned().collect()
}

pub(super) fn operations(segments: &Segments, service: &str) -> Vec<(String, SpanKind)> {
    let mut found = BTreeSet::new();
    let views = views(segments);
    for view in &views {
        let Some(service) = view.services().iter().position(|name| name == service) else { continue };
        let of_service =
            (0..view.operation_count()).filter(|number| view.service_of(*number) == Some(service));
        found.extend(of_service.filter_map(|number| view.operation(number)).map(|(kind, name)| (name, kind)));
    }
    found.into_iter().map(|(name, kind)| (name.to_owned(), kind_of(kind))).collect()
}

pub(super) fn trace(segments: &Segments, id: TraceId) -> Option<Trace> {
    assemble(&views(segments), id)
}

fn assemble(views: &[View<'_>], id: TraceId) -> Option<Trace> {
    let mut trace = Trace { id, ..Trace::default() };
    for view in views {
        if let Some(number) = view.find_trace(id) {
            view.assemble(number, &mut trace);
        }
    }
    (!trace.spans.is_empty()).then_some(trace)
}

pub(super) fn find(segments: &Segments, search: &Search) -> Vec<Trace> {
    if search.limit == 0 {
        return Vec::new();
    }
    let views = views(segments);
    let mut found: Vec<(Arrival, TraceId)> =
        candidates(&views, search).into_iter().map(|(id, arrival)| (arrival, id)).collect();
    found.sort_unstable_by(|a, b| b.cmp(a));
    found.truncate(search.limit);
    found.into_iter().filter_map(|(_, id)| assemble(&views, id)).collect()
}

/// The traces that match, at least as many of those that arrived last as are asked for.
///
/// Spans are looked at from the last to the first. A trace that is found further on arrived before that place, so once enough traces
/// arrived behind it, no further one can be among them.
fn candidates(views: &[View<'_>], search: &Search) -> HashMap<TraceId, Arrival> {
    let mut found = HashMap::new();
    for (at, view) in views.iter().enumerate().rev() {
        let Some(mut scan) = Scan::new(*view, search) else { continue };
        for block in (0..scan.blocks()).rev() {
            scan.block(block, |number| {
                if let Some(id) = view.trace_id(number as usize) {
                    found.entry(id).or_insert_with(|| arrival(&views[..=at], id));
                }
            });
            let here = (at, Scan::block_start(block));
            if found.len() >= search.limit
                && found.values().filter(|arrival| **arrival >= here).count() >= search.limit
            {
                return found;
            }
        }
    }
    found
}

fn arrival(views: &[View<'_>], id: TraceId) -> Arrival {
    let first = |(at, view): (usize, &View<'_>)| {
        let number = view.find_trace(id)?;
        Some((at, view.first_span(number)?))
    };
    views.iter().enumerate().find_map(first).unwrap_or_default()
}
