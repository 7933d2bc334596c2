//! Which service calls which.
//!
//! Input: the sealed segments, and what is needed of the open one, copied so that writers do not wait. Output: edges with counts. A trace
//! counts as a whole, also when its spans are in several segments: with the last segment that has it.

use crate::search::Dependency;
use crate::segment::{Sealed, View};
use crate::span::{SpanId, TraceId};
use std::collections::{BTreeMap, HashMap};
use std::ops::RangeInclusive;
use std::sync::Arc;

/// A segment, and the number of a service there.
type Service = (usize, usize);

/// What counts of a span.
#[derive(Clone, Copy, Debug)]
struct Edge {
    span: SpanId,
    parent: SpanId,
    service: Service,
    start_ns: u64,
}

/// The spans of the open segment, trace by trace.
#[derive(Debug)]
pub(super) struct OpenEdges {
    services: Vec<String>,
    traces: HashMap<TraceId, Vec<Edge>>,
}

/// Adds the spans of a trace, in the order of their arrival.
fn edges_of(view: &View<'_>, segment: usize, trace: u32, edges: &mut Vec<Edge>) {
    let start = edges.len();
    edges.extend(view.spans_of(trace).filter_map(|span| {
        let (span, parent, service, start_ns) = view.edge(span)?;
        Some(Edge { span, parent, service: (segment, service), start_ns })
    }));
    edges[start..].reverse();
}

const OPEN: usize = usize::MAX;

impl OpenEdges {
    pub(super) fn new(view: &View<'_>) -> Self {
        let mut traces = HashMap::with_capacity(view.trace_count());
        for number in 0..view.trace_count() {
            if let Some(id) = view.trace_id(number) {
                let mut edges = Vec::new();
                edges_of(view, OPEN, number as u32, &mut edges);
                traces.insert(id, edges);
            }
        }
        Self { services: view.services().to_vec(), traces }
    }
}

/// Counts by the numbers of services, and puts in names at the end.
#[derive(Default)]
struct Counter {
    calls: HashMap<(Service, Service), u64>,
    services: HashMap<SpanId, Service>,
}

impl Counter {
    fn trace(&mut self, edges: &[Edge], window: &RangeInclusive<u64>) {
        if !edges.iter().any(|edge| window.contains(&edge.start_ns)) {
            return;
        }
        self.services.clear();
        for edge in edges {
            // Of several spans with one id, the first that came counts as the parent.
            self.services.entry(edge.span).or_insert(edge.service);
        }
        for edge in edges.iter().filter(|edge| edge.parent.is_valid()) {
            if let Some(parent) = self.services.get(&edge.parent) {
                *self.calls.entry((*parent, edge.service)).or_default() += 1;
            }
        }
    }
}

pub(super) fn count(
    sealed: &[Arc<Sealed>],
    open: &OpenEdges,
    window: &RangeInclusive<u64>,
) -> Vec<Dependency> {
    let views: Vec<View<'_>> = sealed.iter().filter_map(|segment| segment.view()).collect();
    let mut counter = Counter::default();
    let mut edges = Vec::new();
    let older = |segments: &[View<'_>], id: TraceId, edges: &mut Vec<Edge>| {
        for (at, view) in segments.iter().enumerate() {
            if let Some(number) = view.find_trace(id) {
                edges_of(view, at, number, edges);
            }
        }
    };
    for (id, own) in &open.traces {
        edges.clear();
        older(&views, *id, &mut edges);
        edges.extend_from_slice(own);
        counter.trace(&edges, window);
    }
    for (at, view) in views.iter().enumerate().rev() {
        for number in 0..view.trace_count() {
            let Some(id) = view.trace_id(number) else { continue };
            if open.traces.contains_key(&id)
                || views[at + 1..].iter().any(|later| later.find_trace(id).is_some())
            {
                continue;
            }
            edges.clear();
            older(&views[..at], id, &mut edges);
            edges_of(view, at, number as u32, &mut edges);
            counter.trace(&edges, window);
        }
    }
    let name = |(segment, service): Service| {
        let services = if segment == OPEN { &open.services[..] } else { views[segment].services() };
        services.get(service).cloned().unwrap_or_default()
    };
    let mut named: BTreeMap<(String, String), u64> = BTreeMap::new();
    for ((parent, child), calls) in counter.calls {
        *named.entry((name(parent), name(child))).or_default() += calls;
    }
    named.into_iter().map(|((parent, child), calls)| Dependency { parent, child, calls }).collect()
}
