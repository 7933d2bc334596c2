//! Who calls whom, counted from pairs of spans.
//!
//! Input: spans as they come in. Output: rows for a store of samples, under the names and labels of the OpenTelemetry Collector's
//! service graph connector (0.130): `traces_service_graph_request_total{client, server, connection_type}`, failures, and the durations
//! seen by either side. A call is a CLIENT or PRODUCER span and the SERVER or CONSUMER span below it; whichever comes first waits
//! for the other for a while. Beyond the connector: a messaging CLIENT span also answers a span above it in another service,
//! because that is how Dapr's sidecars write both sides. Deliberately knows no clock; pairs, nodes and edges are bounded.

use crate::calls::Call;
use crate::duration_histogram::{DurationHistogram, Observed, Unit};
use crate::{SpanId, SpanKind, StatusCode, TraceId};
use hashbrown::HashMap;
use hashbrown::hash_map::Entry;
use std::collections::VecDeque;
use tidewatch_model::{Batch, Labels, METRIC_NAME, SeriesRef};

/// Bounds of a service graph.
#[derive(Clone, Copy, Debug)]
pub struct ServiceGraphOptions {
    /// How long a span waits for its other side, in nanoseconds.
    pub wait_ns: u64,
    /// How many spans may wait; more are counted as dropped.
    pub most_waiting: usize,
    /// How many edges there may be; calls along further ones are counted as dropped.
    pub most_edges: usize,
}

impl Default for ServiceGraphOptions {
    /// 5 s, which covers a message that is delivered at once; 20,000 spans are about 4 MB.
    fn default() -> Self {
        Self { wait_ns: 5_000_000_000, most_waiting: 20_000, most_edges: 2_000 }
    }
}

/// What lies between two services.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Connection {
    Direct,
    Messaging,
    Database,
    /// One side tells of the other, which sends no spans.
    Virtual,
}

impl Connection {
    /// The connector's words.
    fn name(self) -> &'static str {
        match self {
            Self::Direct => "",
            Self::Messaging => "messaging_system",
            Self::Database => "database",
            Self::Virtual => "virtual_node",
        }
    }
}

/// Who a root SERVER span was called by, in the connector's words.
const USER: &str = "user";

type Key = (TraceId, SpanId);

/// One side of a call.
#[derive(Clone, Copy, Debug)]
struct Half {
    service: u32,
    observed: Observed,
    failed: bool,
    messaging: bool,
}

/// The side that waits under the calling span's id.
#[derive(Debug)]
enum Waiting {
    Client {
        half: Half,
        /// What it says of the other side.
        peer: Option<u32>,
        paired: bool,
    },
    Server(Half),
}

#[derive(Debug)]
struct Edge {
    client: u32,
    server: u32,
    connection: Connection,
    calls: u64,
    failed: u64,
    client_seconds: DurationHistogram,
    server_seconds: DurationHistogram,
    series: Vec<(Labels, SeriesRef)>,
}

/// The calls between services.
#[derive(Debug, Default)]
pub struct ServiceGraph {
    options: ServiceGraphOptions,
    waiting: HashMap<Key, Waiting>,
    order: VecDeque<(u64, Key)>,
    names: Vec<Box<str>>,
    name_index: HashMap<Box<str>, u32>,
    last_service: u32,
    user: Option<u32>,
    edges: Vec<Edge>,
    edge_index: HashMap<(u32, u32, Connection), usize>,
    unpaired: u64,
    dropped: u64,
}

impl ServiceGraph {
    /// No calls yet.
    pub fn new(options: ServiceGraphOptions) -> Self {
        Self { options, ..Self::default() }
    }

    /// Spans whose other side never came.
    pub fn unpaired(&self) -> u64 {
        self.unpaired
    }

    /// Spans and calls beyond the bounds.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Takes a span; `now_ns` is in nanoseconds since the Unix epoch. Waiting ends in [`ServiceGraph::expire`].
    pub fn observe(&mut self, span: &Call<'_>, now_ns: u64) {
        match span.kind {
            SpanKind::Client | SpanKind::Producer => self.caller(span, now_ns),
            SpanKind::Server | SpanKind::Consumer if span.parent_span_id.is_valid() => {
                self.callee(span, now_ns);
            }
            SpanKind::Server => {
                let (user, service) = (self.user(), self.service(span));
                let observed = Observed::of(span);
                self.call((user, service, Connection::Virtual), None, Some(observed), is_error(span));
            }
            _ => {}
        }
    }

    fn caller(&mut self, span: &Call<'_>, now_ns: u64) {
        if let Some(database) = span.database.filter(|_| span.kind == SpanKind::Client) {
            let (client, server) = (self.service(span), self.name(database));
            let observed = Observed::of(span);
            self.call((client, server, Connection::Database), Some(observed), None, is_error(span));
            return;
        }
        if span.messaging && span.kind == SpanKind::Client && span.parent_span_id.is_valid() {
            self.callee(span, now_ns);
        }
        let (half, peer) = (self.half(span), span.peer.map(|peer| self.name(peer)));
        let key = (span.trace_id, span.span_id);
        let is_full = self.is_full();
        let server = match self.waiting.entry(key) {
            Entry::Vacant(_) if is_full => {
                self.dropped += 1;
                return;
            }
            Entry::Vacant(place) => {
                place.insert(Waiting::Client { half, peer, paired: false });
                self.order.push_back((now_ns.saturating_add(self.options.wait_ns), key));
                return;
            }
            Entry::Occupied(mut place) => match *place.get() {
                Waiting::Client { .. } => {
                    place.insert(Waiting::Client { half, peer, paired: false });
                    return;
                }
                Waiting::Server(server) => {
                    if half.messaging || server.messaging {
                        place.insert(Waiting::Client { half, peer, paired: true });
                    } else {
                        place.remove();
                    }
                    server
                }
            },
        };
        self.pair(&half, &server);
    }

    fn callee(&mut self, span: &Call<'_>, now_ns: u64) {
        let half = self.half(span);
        let key = (span.trace_id, span.parent_span_id);
        let is_full = self.is_full();
        let client = match self.waiting.entry(key) {
            Entry::Vacant(_) if is_full => {
                self.dropped += 1;
                return;
            }
            Entry::Vacant(place) => {
                place.insert(Waiting::Server(half));
                self.order.push_back((now_ns.saturating_add(self.options.wait_ns), key));
                return;
            }
            Entry::Occupied(mut place) => match place.get_mut() {
                Waiting::Server(server) => {
                    *server = half;
                    return;
                }
                Waiting::Client { half: client, paired, .. } => {
                    let client = *client;
                    // a message may have several takers
                    if client.messaging || half.messaging {
                        *paired = true;
                    } else {
                        place.remove();
                    }
                    client
                }
            },
        };
        self.pair(&client, &half);
    }

    fn is_full(&self) -> bool {
        self.waiting.len() >= self.options.most_waiting
    }

    /// Counts a call of which both sides are known.
    fn pair(&mut self, client: &Half, server: &Half) {
        let messaging = client.messaging || server.messaging;
        // an application and its sidecar are one service
        if messaging && client.service == server.service {
            return;
        }
        let connection = if messaging { Connection::Messaging } else { Connection::Direct };
        let failed = client.failed || server.failed;
        let edge = (client.service, server.service, connection);
        self.call(edge, Some(client.observed), Some(server.observed), failed);
    }

    fn half(&mut self, span: &Call<'_>) -> Half {
        Half {
            service: self.service(span),
            observed: Observed::of(span),
            failed: is_error(span),
            messaging: span.messaging,
        }
    }

    /// Ends the waiting of spans whose time is over.
    pub fn expire(&mut self, now_ns: u64) {
        while self.order.front().is_some_and(|(expires, _)| *expires <= now_ns) {
            let Some((_, key)) = self.order.pop_front() else { return };
            match self.waiting.remove(&key) {
                None | Some(Waiting::Client { paired: true, .. }) => {}
                Some(Waiting::Client { half, peer: Some(peer), .. }) if peer != half.service => {
                    let edge = (half.service, peer, Connection::Virtual);
                    self.call(edge, Some(half.observed), None, half.failed);
                }
                Some(Waiting::Client { .. } | Waiting::Server(_)) => self.unpaired += 1,
            }
        }
    }

    fn call(
        &mut self,
        edge: (u32, u32, Connection),
        client: Option<Observed>,
        server: Option<Observed>,
        failed: bool,
    ) {
        let at = match self.edge_index.get(&edge) {
            Some(at) => *at,
            None if self.edges.len() >= self.options.most_edges => {
                self.dropped += 1;
                return;
            }
            None => {
                self.edge_index.insert(edge, self.edges.len());
                self.edges.push(Edge::new(edge));
                self.edges.len() - 1
            }
        };
        let edge = &mut self.edges[at];
        edge.calls += 1;
        edge.failed += u64::from(failed);
        // as the connector: the side that is not known has the other's duration
        if let Some(client) = client.or(server) {
            edge.client_seconds.observe(client);
        }
        if let Some(server) = server.or(client) {
            edge.server_seconds.observe(server);
        }
    }

    /// The number of a span's service, which is mostly that of the span before.
    fn service(&mut self, span: &Call<'_>) -> u32 {
        let last = self.last_service;
        if self.names.get(last as usize).is_some_and(|name| **name == *span.service) {
            return last;
        }
        self.last_service = self.name(span.service);
        self.last_service
    }

    fn user(&mut self) -> u32 {
        let user = self.user.unwrap_or_else(|| self.name(USER));
        *self.user.insert(user)
    }

    /// The number of a name. Names beyond the bound share one.
    fn name(&mut self, name: &str) -> u32 {
        if let Some(at) = self.name_index.get(name) {
            return *at;
        }
        // two new names an edge at most
        let name = if self.names.len() > 2 * self.options.most_edges { "other" } else { name };
        if let Some(at) = self.name_index.get(name) {
            return *at;
        }
        let at = u32::try_from(self.names.len()).expect("the bound is below 2^32");
        self.names.push(name.into());
        self.name_index.insert(name.into(), at);
        at
    }

    /// Adds the rows of all edges. `now_ms` is in milliseconds since the Unix epoch.
    pub fn write(&mut self, batch: &mut Batch, now_ms: i64) {
        for edge in &mut self.edges {
            edge.write(batch, &self.names, now_ms);
        }
    }

    /// Keeps the handles that a store gave to the rows of [`ServiceGraph::write`], which begin at `first` in the batch. Gives
    /// where they end.
    pub fn learn(&mut self, batch: &Batch, first: usize) -> usize {
        let rows = &batch.rows[first.min(batch.rows.len())..];
        let mut learnt = first;
        for ((_, handle), row) in self.edges.iter_mut().flat_map(|edge| &mut edge.series).zip(rows) {
            *handle = row.series;
            learnt += 1;
        }
        learnt
    }
}

fn is_error(span: &Call<'_>) -> bool {
    span.status == StatusCode::Error
}

impl Edge {
    fn new((client, server, connection): (u32, u32, Connection)) -> Self {
        Self {
            client,
            server,
            connection,
            calls: 0,
            failed: 0,
            client_seconds: DurationHistogram::new(Unit::Seconds),
            server_seconds: DurationHistogram::new(Unit::Seconds),
            series: Vec::new(),
        }
    }

    fn write(&mut self, batch: &mut Batch, names: &[Box<str>], now_ms: i64) {
        if self.series.is_empty() {
            self.series = self.label_sets(names).into_iter().map(|l| (l, SeriesRef::UNKNOWN)).collect();
        }
        for ((labels, handle), value) in self.series.iter().zip([self.calls, self.failed]) {
            batch.push(*handle, labels.clone(), now_ms, value as f64);
        }
        let (client, server) = self.series[2..].split_at((self.series.len() - 2) / 2);
        self.client_seconds.write(batch, client, now_ms);
        self.server_seconds.write(batch, server, now_ms);
    }

    fn label_sets(&self, names: &[Box<str>]) -> Vec<Labels> {
        let own = [
            ("client", &*names[self.client as usize]),
            ("server", &*names[self.server as usize]),
            ("connection_type", self.connection.name()),
        ];
        let counter = |name: &'static str| Labels::from_pairs(own.into_iter().chain([(METRIC_NAME, name)]));
        let mut sets = vec![
            counter("traces_service_graph_request_total"),
            counter("traces_service_graph_request_failed_total"),
        ];
        sets.extend(self.client_seconds.label_sets("traces_service_graph_request_client_seconds", &own));
        sets.extend(self.server_seconds.label_sets("traces_service_graph_request_server_seconds", &own));
        sets
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calls::testing::call;

    const SECOND: u64 = 1_000_000_000;

    fn of<'a>(service: &'a str, call: Call<'a>) -> Call<'a> {
        Call { service, ..call }
    }

    /// The edges with calls and failures, after everything that waits has expired.
    fn edges(graph: &mut ServiceGraph) -> Vec<String> {
        graph.expire(u64::MAX);
        let mut batch = Batch::default();
        graph.write(&mut batch, 1);
        let value = |labels: &Labels| {
            let same = |row: &&tidewatch_model::Row| row.labels == *labels;
            batch.rows.iter().find(same).map(|row| row.value).unwrap()
        };
        let total = "traces_service_graph_request_total";
        let calls = batch.rows.iter().filter(|row| row.labels.get(METRIC_NAME) == Some(total));
        let mut edges: Vec<String> = calls
            .map(|row| {
                let get = |name| row.labels.get(name).unwrap_or_default();
                let failed = row.labels.iter().map(|(name, value)| {
                    (
                        name,
                        if name == METRIC_NAME { "traces_service_graph_request_failed_total" } else { value },
                    )
                });
                let failed = value(&Labels::from_pairs(failed));
                let (client, server, kind) = (get("client"), get("server"), get("connection_type"));
                format!("{client} > {server} [{kind}] {} {failed}", row.value)
            })
            .collect();
        edges.sort();
        edges
    }

    #[test]
    fn either_side_may_come_first() {
        let mut graph = ServiceGraph::new(ServiceGraphOptions::default());
        graph.observe(&of("web", call(SpanKind::Client, 1, 9)), SECOND);
        graph.observe(&of("shop", call(SpanKind::Server, 2, 1)), SECOND);
        let failed = Call { status: StatusCode::Error, ..call(SpanKind::Server, 4, 3) };
        graph.observe(&of("shop", failed), SECOND);
        graph.observe(&of("web", call(SpanKind::Client, 3, 9)), SECOND);
        graph.observe(&of("web", call(SpanKind::Server, 9, 0)), SECOND);
        assert_eq!(edges(&mut graph), ["user > web [virtual_node] 1 0", "web > shop [] 2 1"]);
        assert_eq!((graph.unpaired(), graph.dropped()), (0, 0));
    }

    #[test]
    fn what_sends_no_spans_is_a_node_where_the_caller_names_it() {
        let mut graph = ServiceGraph::new(ServiceGraphOptions::default());
        graph.observe(&Call { database: Some("tasks"), ..call(SpanKind::Client, 1, 9) }, SECOND);
        graph.observe(&Call { peer: Some("bank"), ..call(SpanKind::Client, 2, 9) }, SECOND);
        graph.observe(&call(SpanKind::Client, 3, 9), SECOND);
        graph.observe(&call(SpanKind::Server, 4, 8), SECOND);
        assert_eq!(edges(&mut graph), ["shop > bank [virtual_node] 1 0", "shop > tasks [database] 1 0"]);
        assert_eq!(graph.unpaired(), 2);
    }

    #[test]
    fn a_message_through_sidecars_leads_from_one_service_to_the_others() {
        let mut graph = ServiceGraph::new(ServiceGraphOptions::default());
        let sidecar = |id, parent| Call { messaging: true, ..call(SpanKind::Client, id, parent) };
        graph.observe(&call(SpanKind::Producer, 1, 9), SECOND);
        // the sidecar of the shop, and those of two takers, all write CLIENT spans
        graph.observe(&sidecar(2, 1), SECOND);
        graph.observe(&of("mail", sidecar(3, 2)), SECOND);
        graph.observe(&of("mail", call(SpanKind::Server, 5, 3)), SECOND);
        graph.observe(&of("audit", sidecar(4, 2)), SECOND);
        let expected = ["shop > audit [messaging_system] 1 0", "shop > mail [messaging_system] 1 0"];
        assert_eq!(edges(&mut graph), expected);
        assert_eq!(graph.unpaired(), 1, "the call of audit's sidecar to its application");
    }

    #[test]
    fn everything_is_bounded() {
        let options = ServiceGraphOptions { most_waiting: 2, most_edges: 1, wait_ns: 10 };
        let mut graph = ServiceGraph::new(options);
        for id in 1..5 {
            graph.observe(&of("web", call(SpanKind::Client, id, 9)), 0);
        }
        assert_eq!(graph.dropped(), 2);
        graph.expire(10);
        graph.observe(&of("web", call(SpanKind::Client, 5, 9)), 10);
        assert_eq!(graph.unpaired(), 2, "their time is over");
        graph.observe(&of("a", call(SpanKind::Server, 6, 5)), 10);
        graph.observe(&of("b", call(SpanKind::Server, 7, 0)), 10);
        assert_eq!(edges(&mut graph), ["web > a [] 1 0"]);
        assert_eq!(graph.dropped(), 3);
    }
}
