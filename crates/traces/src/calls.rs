//! What counting and sampling need to know of the spans of one request, noted while it is decoded.
//!
//! Input: a decoder, or a [`Both`] that also feeds the store. Output: [`Call`]s for `span_metrics`, `service_graph` and
//! `tail_sampling`, which are asked once the whole request turned out to be well-formed. Texts are copied into one buffer that is
//! kept from request to request, so that noting a span allocates nothing and no lock is held while a request is decoded.

use crate::trace::service_name;
use crate::{ResourceRef, ScopeRef, SpanId, SpanKind, SpanRef, SpanSink, StatusCode, TraceId, ValueRef};
use hashbrown::HashSet;
use std::ops::Range;

/// Longer names are cut, so that labels stay small; bytes.
const LONGEST_NAME: usize = 256;

/// A span, as far as counting and sampling care.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// The service.
    pub service: &'a str,
    /// The operation.
    pub name: &'a str,
    /// The role.
    pub kind: SpanKind,
    /// Whether and how it ended.
    pub status: StatusCode,
    /// Its trace.
    pub trace_id: TraceId,
    /// Its id.
    pub span_id: SpanId,
    /// The span that caused it.
    pub parent_span_id: SpanId,
    /// Nanoseconds since the Unix epoch.
    pub end_ns: u64,
    /// How long it took, in nanoseconds; 0 when it ends before it starts.
    pub duration_ns: u64,
    /// The database it asks, if it says that it does.
    pub database: Option<&'a str>,
    /// What it calls, in its own words.
    pub peer: Option<&'a str>,
    /// Whether it is about a message.
    pub messaging: bool,
}

/// The calls of one request.
#[derive(Debug, Default)]
pub struct Calls {
    texts: String,
    service: Range<usize>,
    noted: Vec<Noted>,
}

#[derive(Clone, Debug)]
struct Noted {
    service: Range<usize>,
    name: Range<usize>,
    database: Range<usize>,
    peer: Range<usize>,
    /// The fields that are no texts; its texts are empty.
    call: Call<'static>,
}

impl Calls {
    /// Forgets all and keeps the memory.
    pub fn clear(&mut self) {
        self.texts.clear();
        self.noted.clear();
        self.service = 0..0;
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.noted.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.noted.is_empty()
    }

    /// All, in the order of the request.
    pub fn iter(&self) -> impl Iterator<Item = Call<'_>> {
        let text = |range: &Range<usize>| &self.texts[range.clone()];
        let given = move |range: &Range<usize>| Some(text(range)).filter(|text| !text.is_empty());
        self.noted.iter().map(move |noted| Call {
            service: text(&noted.service),
            name: text(&noted.name),
            database: given(&noted.database),
            peer: given(&noted.peer),
            ..noted.call
        })
    }

    /// Their traces, each once.
    pub fn traces(&self) -> HashSet<TraceId> {
        self.noted.iter().map(|noted| noted.call.trace_id).collect()
    }

    fn text(&mut self, text: &str) -> Range<usize> {
        let start = self.texts.len();
        self.texts.push_str(&text[..text.floor_char_boundary(LONGEST_NAME)]);
        start..self.texts.len()
    }
}

impl SpanSink for Calls {
    fn resource(&mut self, resource: &ResourceRef<'_>) {
        self.service = self.text(service_name(resource.attributes));
    }

    fn scope(&mut self, _scope: &ScopeRef<'_>) {}

    fn span(&mut self, span: &SpanRef<'_>) {
        let facts = match span.kind {
            SpanKind::Client | SpanKind::Producer => Facts::of(span),
            _ => Facts::default(),
        };
        let name = self.text(span.name);
        let (database, peer) = (self.text(facts.database), self.text(facts.peer));
        let call = Call {
            service: "",
            name: "",
            kind: span.kind,
            status: span.status,
            trace_id: span.trace_id,
            span_id: span.span_id,
            parent_span_id: span.parent_span_id,
            end_ns: span.end_ns,
            duration_ns: span.end_ns.saturating_sub(span.start_ns),
            database: None,
            peer: None,
            messaging: facts.messaging || matches!(span.kind, SpanKind::Producer | SpanKind::Consumer),
        };
        self.noted.push(Noted { service: self.service.clone(), name, database, peer, call });
    }
}

/// What the attributes of a calling span say of the other side.
#[derive(Default)]
struct Facts<'a> {
    database: &'a str,
    peer: &'a str,
    messaging: bool,
}

impl<'a> Facts<'a> {
    fn of(span: &SpanRef<'a>) -> Self {
        let mut facts = Self::default();
        // the rank of what was found, so that the order of attributes does not matter
        let (mut database_rank, mut peer_rank) = (0, 0);
        for attribute in span.attributes {
            let ValueRef::Text(value) = attribute.value else { continue };
            let (database, peer) = match attribute.key {
                "db.system" | "db.system.name" => (1, 0),
                "db.name" | "db.namespace" => (2, 0),
                // an address is no name of a service: pods and their replacements would each be one
                "peer.service" => (0, 1),
                "messaging.system" => {
                    facts.messaging = true;
                    continue;
                }
                _ => continue,
            };
            if database > database_rank && !value.is_empty() {
                (facts.database, database_rank) = (value, database);
            }
            if peer > peer_rank && !value.is_empty() {
                (facts.peer, peer_rank) = (value, peer);
            }
        }
        facts
    }
}

/// Two sinks that get the same.
#[derive(Debug)]
pub struct Both<A, B>(
    /// Gets everything first.
    pub A,
    /// Gets everything second.
    pub B,
);

impl<A: SpanSink, B: SpanSink> SpanSink for Both<A, B> {
    fn resource(&mut self, resource: &ResourceRef<'_>) {
        self.0.resource(resource);
        self.1.resource(resource);
    }

    fn scope(&mut self, scope: &ScopeRef<'_>) {
        self.0.scope(scope);
        self.1.scope(scope);
    }

    fn span(&mut self, span: &SpanRef<'_>) {
        self.0.span(span);
        self.1.span(span);
    }
}

impl<S: SpanSink + ?Sized> SpanSink for &mut S {
    fn resource(&mut self, resource: &ResourceRef<'_>) {
        (**self).resource(resource);
    }

    fn scope(&mut self, scope: &ScopeRef<'_>) {
        (**self).scope(scope);
    }

    fn span(&mut self, span: &SpanRef<'_>) {
        (**self).span(span);
    }
}

#[cfg(test)]
pub(crate) mod testing {
    //! A call to vary in tests.

    use super::*;

    /// The call of a span that ends at 2 s after a second.
    pub(crate) fn call(kind: SpanKind, id: u8, parent: u8) -> Call<'static> {
        Call {
            service: "shop",
            name: "span",
            kind,
            status: StatusCode::Unset,
            trace_id: TraceId([1; 16]),
            span_id: SpanId([id; 8]),
            parent_span_id: if parent == 0 { SpanId::default() } else { SpanId([parent; 8]) },
            end_ns: 2_000_000_000,
            duration_ns: 1_000_000_000,
            database: None,
            peer: None,
            messaging: matches!(kind, SpanKind::Producer | SpanKind::Consumer),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::AttributeRef;

    #[test]
    fn calls_know_service_peer_and_database() {
        let text = |key, value| AttributeRef { key, value: ValueRef::Text(value) };
        let mut calls = Calls::default();
        let long = "é".repeat(200);
        for service in ["web", &long] {
            calls.resource(&ResourceRef {
                attributes: &[text("service.name", service)],
                ..ResourceRef::default()
            });
            let attributes = [
                text("db.namespace", "tasks"),
                text("db.system.name", "sqlite"),
                text("peer.service", "bank"),
                text("server.address", "10.0.0.1"),
            ];
            let span = SpanRef {
                trace_id: TraceId([1; 16]),
                span_id: SpanId([2; 8]),
                name: "SELECT",
                kind: SpanKind::Client,
                start_ns: 5,
                end_ns: 3,
                status: StatusCode::Error,
                attributes: &attributes,
                ..SpanRef::default()
            };
            calls.span(&span);
            calls.span(&SpanRef { kind: SpanKind::Server, ..span });
        }
        let seen: Vec<_> =
            calls.iter().map(|c| (c.service, c.name, c.database, c.peer, c.duration_ns)).collect();
        assert_eq!(seen[0], ("web", "SELECT", Some("tasks"), Some("bank"), 0));
        assert_eq!(seen[1], ("web", "SELECT", None, None, 0), "only a caller calls");
        assert_eq!(seen[2].0.len(), 256);
        calls.clear();
        assert!(calls.is_empty());
    }
}
