//! Which service calls which.
//!
//! Input: a snapshot of the segments, of the open one copied in steps so that writers do not wait. Output: edges with counts. A trace counts
//! as a whole, also when its spans are in several segments. What is the same at every call is kept: the calls within each sealed segment,
//! as if it were alone, and which of its traces are in another one as well. Those are taken out again and counted over all segments.

use super::snapshot::Snapshot;
use crate::search::Dependency;
use crate::segment::View;
use crate::span::{SpanId, TraceId};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::RangeInclusive;

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
#[derive(Debug, Default)]
struct OpenEdges {
    services: Vec<String>,
    traces: HashMap<TraceId, Vec<Edge>>,
}

/// Adds the spans of a trace, in the order of their arrival.
fn edges_of(view: &View<'_>, segment: usize, trace: u32, edges: &mut Vec<Edge>) {
    let start = edges.len();
    edges.extend(view.spans_of(trace).filter_map(|span| edge(view, segment, span)));
    edges[start..].reverse();
}

fn edge(view: &View<'_>, segment: usize, span: usize) -> Option<Edge> {
    let (span, parent, service, start_ns) = view.edge(span)?;
    Some(Edge { span, parent, service: (segment, service), start_ns })
}

const OPEN: usize = usize::MAX;
/// Spans of the open segment that are copied in a step.
const STEP: usize = 4096;

impl OpenEdges {
    fn new(snapshot: &Snapshot<'_>) -> Self {
        let mut open = Self::default();
        let mut step = Vec::with_capacity(STEP);
        for start in (0..snapshot.open_spans()).step_by(STEP) {
            let end = (start + STEP).min(snapshot.open_spans());
            let copied = snapshot.with_open(|view| {
                step.extend((start..end).filter_map(|span| {
                    Some((view.trace_id(view.trace_of(span)?)?, edge(view, OPEN, span)?))
                }));
                if end == snapshot.open_spans() {
                    open.services = view.services().to_vec();
                }
            });
            if copied.is_none() {
                // The segment has left the store meanwhile.
                return Self::default();
            }
            for (id, edge) in step.drain(..) {
                open.traces.entry(id).or_default().push(edge);
            }
        }
        open
    }
}

/// Counts by the numbers of services, and puts in names at the end.
#[derive(Default)]
struct Counter {
    calls: HashMap<(Service, Service), i64>,
    services: HashMap<SpanId, Service>,
}

impl Counter {
    /// Adds the calls of a trace if one of its spans is in the window, `times` 1 or -1.
    fn trace(&mut self, edges: &[Edge], window: &RangeInclusive<u64>, times: i64) {
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
                *self.calls.entry((*parent, edge.service)).or_default() += times;
            }
        }
    }
}

/// What is known of sealed segments, by their numbers.
#[derive(Debug, Default)]
pub(super) struct Known(BTreeMap<u64, OfSegment>);

/// What is known of one.
#[derive(Debug, Default)]
struct OfSegment {
    /// The earliest and the latest start of its spans.
    starts: Option<(u64, u64)>,
    /// Its calls, as if there were no other segment, by the numbers of services.
    calls: Vec<((usize, usize), i64)>,
    /// Its traces that are in another sealed segment as well, or were.
    shared: HashSet<TraceId>,
    /// More than is kept: everything is counted anew every time.
    too_much: bool,
}

/// Calls and shared traces kept of a segment.
const MOST_KEPT: usize = 4096;

impl OfSegment {
    fn new(view: &View<'_>) -> Self {
        let (mut counter, mut edges) = (Counter::default(), Vec::new());
        for number in 0..view.trace_count() {
            edges.clear();
            edges_of(view, 0, number as u32, &mut edges);
            counter.trace(&edges, &(0..=u64::MAX), 1);
        }
        let too_much = counter.calls.len() > MOST_KEPT;
        let calls = counter.calls.into_iter().map(|((parent, child), calls)| ((parent.1, child.1), calls));
        let calls = if too_much { Vec::new() } else { calls.collect() };
        Self { starts: view.starts(), calls, shared: HashSet::new(), too_much }
    }

    fn share(&mut self, id: TraceId) {
        self.too_much |= self.shared.len() >= MOST_KEPT;
        if !self.too_much {
            self.shared.insert(id);
        }
    }
}

impl Known {
    /// Looks at segments that are new, and forgets those that are gone.
    fn update(&mut self, numbers: &[u64], views: &[View<'_>], snapshot: &Snapshot<'_>) {
        self.0.retain(|number, _| numbers.contains(number));
        for (at, view) in views.iter().enumerate() {
            if self.0.contains_key(&numbers[at]) {
                continue;
            }
            let mut new = OfSegment::new(view);
            for (other, with) in views.iter().enumerate() {
                let Some(known) = self.0.get_mut(&numbers[other]) else { continue };
                for id in (0..view.trace_count()).filter_map(|number| view.trace_id(number)) {
                    if with.find_trace(id).is_some() {
                        new.share(id);
                        known.share(id);
                    }
                }
            }
            self.0.insert(numbers[at], new);
            snapshot.let_go(at);
        }
    }
}

/// All that is counted from.
struct Counting<'a> {
    views: Vec<View<'a>>,
    open: OpenEdges,
    window: &'a RangeInclusive<u64>,
    counter: Counter,
    edges: Vec<Edge>,
}

impl Counting<'_> {
    /// Counts a trace over all segments.
    fn whole(&mut self, id: TraceId) {
        self.edges.clear();
        for (at, view) in self.views.iter().enumerate() {
            if let Some(number) = view.find_trace(id) {
                edges_of(view, at, number, &mut self.edges);
            }
        }
        self.edges.extend(self.open.traces.get(&id).into_iter().flatten());
        self.counter.trace(&self.edges, self.window, 1);
    }

    /// Counts a trace as if it were in one segment only.
    fn alone(&mut self, at: usize, number: u32, times: i64) {
        self.edges.clear();
        edges_of(&self.views[at], at, number, &mut self.edges);
        self.counter.trace(&self.edges, self.window, times);
    }

    /// Counts the traces of a segment, without those that are in another one too.
    fn segment(&mut self, at: usize, known: &OfSegment, elsewhere: &HashSet<TraceId>) {
        let Some((first, last)) = known.starts else { return };
        if last < *self.window.start() || first > *self.window.end() {
            return;
        }
        if self.window.contains(&first) && self.window.contains(&last) {
            for ((parent, child), calls) in &known.calls {
                *self.counter.calls.entry(((at, *parent), (at, *child))).or_default() += calls;
            }
            for id in elsewhere {
                if let Some(number) = self.views[at].find_trace(*id) {
                    self.alone(at, number, -1);
                }
            }
            return;
        }
        for number in 0..self.views[at].trace_count() {
            if self.views[at].trace_id(number).is_some_and(|id| !elsewhere.contains(&id)) {
                self.alone(at, number as u32, 1);
            }
        }
    }

    /// Counts every trace over all segments.
    fn everything(&mut self) {
        for id in self.open.traces.keys().copied().collect::<Vec<_>>() {
            self.whole(id);
        }
        for at in 0..self.views.len() {
            for number in 0..self.views[at].trace_count() {
                let Some(id) = self.views[at].trace_id(number) else { continue };
                let earlier = self.views[..at].iter().any(|view| view.find_trace(id).is_some());
                if !earlier && !self.open.traces.contains_key(&id) {
                    self.whole(id);
                }
            }
        }
    }

    fn named(self) -> Vec<Dependency> {
        let name = |(segment, service): Service| {
            let services =
                if segment == OPEN { &self.open.services[..] } else { self.views[segment].services() };
            services.get(service).cloned().unwrap_or_default()
        };
        let mut named: BTreeMap<(String, String), i64> = BTreeMap::new();
        for ((parent, child), calls) in &self.counter.calls {
            *named.entry((name(*parent), name(*child))).or_default() += calls;
        }
        let counted = named.into_iter().filter(|(_, calls)| *calls > 0);
        counted
            .map(|((parent, child), calls)| Dependency { parent, child, calls: calls.unsigned_abs() })
            .collect()
    }
}

pub(super) fn count(
    snapshot: &Snapshot<'_>,
    known: &mut Known,
    window: &RangeInclusive<u64>,
) -> Vec<Dependency> {
    let readable = snapshot.sealed().iter().filter_map(|one| Some((one.number(), one.view()?)));
    let (numbers, views): (Vec<u64>, Vec<View<'_>>) = readable.unzip();
    known.update(&numbers, &views, snapshot);
    let open = OpenEdges::new(snapshot);
    let mut counting = Counting { views, open, window, counter: Counter::default(), edges: Vec::new() };
    if known.0.values().any(|one| one.too_much) {
        counting.everything();
        return counting.named();
    }
    let mut elsewhere: HashSet<TraceId> = known.0.values().flat_map(|one| &one.shared).copied().collect();
    elsewhere.extend(counting.open.traces.keys());
    for (at, number) in numbers.iter().enumerate() {
        counting.segment(at, &known.0[number], &elsewhere);
    }
    for id in elsewhere {
        counting.whole(id);
    }
    counting.named()
}
