//! Made-up requests: owned spans that can be given to any sink, and proptest strategies for them.
//!
//! Input: seeds. Output: calls of a `SpanSink`. Few different names and ids, so that things meet.

use proptest::collection::vec;
use proptest::prelude::*;
use std::ops::Range;
use tidewatch_traces::*;

pub(crate) const NOW: u64 = 1_760_000_000_000_000_000;
pub(crate) const SECOND: u64 = 1_000_000_000;

/// A span with everything above it.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) trace: TraceId,
    pub(crate) resource: Resource,
    pub(crate) scope: Scope,
    pub(crate) span: Span,
}

fn protobuf(value: &Value) -> Vec<u8> {
    let field = |number: u8, bytes: &[u8]| {
        assert!(bytes.len() < 128 * 128, "made-up values are short");
        let length = [bytes.len() as u8 & 0x7f | 0x80, (bytes.len() >> 7) as u8];
        [&[number << 3 | 2], &length[..], bytes].concat()
    };
    match value {
        Value::Empty => Vec::new(),
        Value::Text(text) => field(1, text.as_bytes()),
        Value::Bool(value) => vec![0x10, u8::from(*value)],
        Value::Int(value) => {
            let mut out = vec![0x18];
            let mut rest = value.cast_unsigned();
            while rest >= 0x80 {
                out.push(rest as u8 | 0x80);
                rest >>= 7;
            }
            out.push(rest as u8);
            out
        }
        Value::Double(value) => [&[0x21], &value.to_le_bytes()[..]].concat(),
        Value::Bytes(bytes) => field(7, bytes),
        Value::Array(_) => field(5, &contents(value)),
        Value::Map(_) => field(6, &contents(value)),
    }
}

/// The message of a list or map.
fn contents(value: &Value) -> Vec<u8> {
    let wrap = |bytes: &[u8], number: u8| {
        [&[number << 3 | 2, bytes.len() as u8 & 0x7f | 0x80, (bytes.len() >> 7) as u8], bytes].concat()
    };
    match value {
        Value::Array(items) => items.iter().flat_map(|item| wrap(&protobuf(item), 1)).collect(),
        Value::Map(pairs) => pairs
            .iter()
            .flat_map(|(key, value)| {
                let pair = [wrap(key.as_bytes(), 1), wrap(&protobuf(value), 2)].concat();
                wrap(&pair, 1)
            })
            .collect(),
        _ => Vec::new(),
    }
}

/// Attributes with the encoded forms of their lists.
struct Lent<'a>(Vec<(&'a Attribute, Vec<u8>)>);

impl<'a> Lent<'a> {
    fn new(attributes: impl IntoIterator<Item = &'a Attribute>) -> Self {
        Self(attributes.into_iter().map(|attribute| (attribute, contents(&attribute.1))).collect())
    }

    fn refs(&self) -> Vec<AttributeRef<'_>> {
        self.0
            .iter()
            .map(|((key, owned), encoded)| {
                let value = match owned {
                    Value::Empty => ValueRef::Empty,
                    Value::Text(text) => ValueRef::Text(text),
                    Value::Bool(value) => ValueRef::Bool(*value),
                    Value::Int(value) => ValueRef::Int(*value),
                    Value::Double(value) => ValueRef::Double(*value),
                    Value::Bytes(bytes) => ValueRef::Bytes(bytes),
                    Value::Array(_) => ValueRef::Array(encoded),
                    Value::Map(_) => ValueRef::Map(encoded),
                };
                AttributeRef { key, value }
            })
            .collect()
    }
}

/// Gives spans to a sink.
pub(crate) fn send(spans: &[Sent], sink: &mut impl SpanSink) {
    for sent in spans {
        let attributes = Lent::new(&sent.resource.attributes);
        sink.resource(&ResourceRef {
            attributes: &attributes.refs(),
            dropped_attributes: sent.resource.dropped_attributes,
            schema_url: &sent.resource.schema_url,
        });
        let attributes = Lent::new(&sent.scope.attributes);
        sink.scope(&ScopeRef {
            name: &sent.scope.name,
            version: &sent.scope.version,
            attributes: &attributes.refs(),
            dropped_attributes: sent.scope.dropped_attributes,
            schema_url: &sent.scope.schema_url,
        });
        send_span(sent, sink);
    }
}

fn send_span(sent: &Sent, sink: &mut impl SpanSink) {
    let span = &sent.span;
    let mut nested = Vec::new();
    let mut range = |attributes: &[Attribute]| -> Range<usize> {
        let start = nested.len();
        nested.extend_from_slice(attributes);
        start..nested.len()
    };
    let events: Vec<_> = span
        .events
        .iter()
        .map(|event| EventRef {
            time_ns: event.time_ns,
            name: &event.name,
            attributes: range(&event.attributes),
            dropped_attributes: event.dropped_attributes,
        })
        .collect();
    let links: Vec<_> = span
        .links
        .iter()
        .map(|link| LinkRef {
            trace_id: link.trace_id,
            span_id: link.span_id,
            trace_state: &link.trace_state,
            attributes: range(&link.attributes),
            dropped_attributes: link.dropped_attributes,
            flags: link.flags,
        })
        .collect();
    let (attributes, nested) = (Lent::new(&span.attributes), Lent::new(&nested));
    sink.span(&SpanRef {
        trace_id: sent.trace,
        span_id: span.id,
        parent_span_id: span.parent,
        trace_state: &span.trace_state,
        flags: span.flags,
        name: &span.name,
        kind: span.kind,
        start_ns: span.start_ns,
        end_ns: span.end_ns,
        status: span.status,
        status_message: &span.status_message,
        attributes: &attributes.refs(),
        dropped_attributes: span.dropped_attributes,
        events: &events,
        dropped_events: span.dropped_events,
        links: &links,
        dropped_links: span.dropped_links,
        nested_attributes: &nested.refs(),
    });
}

/// A span as applications send them.
pub(crate) fn plain(trace: u64, span: u64) -> Sent {
    let text = |key: &str, value: &str| (key.to_owned(), Value::Text(value.to_owned()));
    let mut id = [7; 16];
    id[..8].copy_from_slice(&trace.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
    Sent {
        trace: TraceId(id),
        resource: Resource {
            attributes: vec![text("service.name", ["front", "back", "events"][span as usize % 3])],
            ..Resource::default()
        },
        scope: Scope { name: "test".to_owned(), ..Scope::default() },
        span: Span {
            id: SpanId((trace * 64 + span + 1).to_be_bytes()),
            parent: if span == 0 { SpanId::default() } else { SpanId((trace * 64 + span).to_be_bytes()) },
            name: format!("GET /{}", span % 4),
            kind: SpanKind::Server,
            start_ns: NOW + trace * 1_000_000,
            end_ns: NOW + trace * 1_000_000 + (trace % 100 + 1) * 1_000_000,
            attributes: vec![
                text("http.request.method", "GET"),
                text("task.id", &format!("task-{trace}")),
                (
                    "http.response.status_code".to_owned(),
                    Value::Int(if trace.is_multiple_of(10) { 500 } else { 200 }),
                ),
            ],
            ..Span::default()
        },
    }
}

fn word() -> impl Strategy<Value = String> {
    prop_oneof![Just(String::new()), "[a-c]", "[a-z]{0,12}", "\\PC{0,20}"]
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Empty),
        word().prop_map(Value::Text),
        any::<bool>().prop_map(Value::Bool),
        prop_oneof![0..5i64, any::<i64>()].prop_map(Value::Int),
        prop_oneof![Just(2.0), -1e30..1e30].prop_map(Value::Double),
        vec(any::<u8>(), 0..5).prop_map(Value::Bytes),
        "[x]{1100,1200}".prop_map(Value::Text),
    ];
    leaf.prop_recursive(2, 8, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..3).prop_map(Value::Array),
            vec((word(), inner), 0..3).prop_map(Value::Map),
        ]
    })
}

fn attributes() -> impl Strategy<Value = Vec<Attribute>> {
    vec((word(), value()), 0..4)
}

fn dropped() -> impl Strategy<Value = u32> {
    prop_oneof![3 => Just(0), 1 => any::<u32>()]
}

fn time() -> impl Strategy<Value = u64> {
    prop_oneof![3 => NOW..NOW + 20, 1 => any::<u64>()]
}

fn resource() -> impl Strategy<Value = Resource> {
    let named = prop_oneof!["[ab]".prop_map(|name| Some(Value::Text(name))), proptest::option::of(value())];
    (named, attributes(), dropped(), word()).prop_map(
        |(name, mut attributes, dropped_attributes, schema_url)| {
            attributes.extend(name.map(|name| ("service.name".to_owned(), name)));
            Resource { attributes, dropped_attributes, schema_url }
        },
    )
}

fn scope() -> impl Strategy<Value = Scope> {
    (word(), word(), attributes(), dropped(), word()).prop_map(
        |(name, version, attributes, dropped_attributes, schema_url)| Scope {
            resource: 0,
            name,
            version,
            attributes,
            dropped_attributes,
            schema_url,
        },
    )
}

fn event() -> impl Strategy<Value = Event> {
    (time(), word(), attributes(), dropped()).prop_map(|(time_ns, name, attributes, dropped_attributes)| {
        Event { time_ns, name, attributes, dropped_attributes }
    })
}

fn link() -> impl Strategy<Value = Link> {
    (any::<[u8; 16]>(), any::<[u8; 8]>(), word(), attributes(), dropped(), any::<u32>()).prop_map(
        |(trace_id, span_id, trace_state, attributes, dropped_attributes, flags)| Link {
            trace_id: TraceId(trace_id),
            span_id: SpanId(span_id),
            trace_state,
            attributes,
            dropped_attributes,
            flags,
        },
    )
}

fn span() -> impl Strategy<Value = Span> {
    let kinds = [
        SpanKind::Unspecified,
        SpanKind::Internal,
        SpanKind::Server,
        SpanKind::Client,
        SpanKind::Producer,
        SpanKind::Consumer,
    ];
    let statuses = [StatusCode::Unset, StatusCode::Ok, StatusCode::Error];
    let ids = (1..6u8, 0..6u8, word(), prop_oneof![Just(0), Just(0x101), any::<u32>()]);
    let what = ("[a-c]", proptest::sample::select(kinds.to_vec()), time(), time());
    let status = (proptest::sample::select(statuses.to_vec()), word());
    let lists = (attributes(), vec(event(), 0..3), vec(link(), 0..3), (dropped(), dropped(), dropped()));
    (ids, what, status, lists).prop_map(
        |(
            (id, parent, trace_state, flags),
            (name, kind, start_ns, end_ns),
            (status, status_message),
            lists,
        )| Span {
            scope: 0,
            id: SpanId([id; 8]),
            parent: SpanId([parent; 8]),
            trace_state,
            flags,
            name,
            kind,
            start_ns,
            end_ns,
            status,
            status_message,
            attributes: lists.0,
            dropped_attributes: lists.3.0,
            events: lists.1,
            dropped_events: lists.3.1,
            links: lists.2,
            dropped_links: lists.3.2,
        },
    )
}

/// A request with up to so many spans.
pub(crate) fn request(spans: usize) -> impl Strategy<Value = Vec<Sent>> {
    let sources = vec((resource(), scope()), 1..4);
    let places = vec((any::<prop::sample::Index>(), 1..6u8, span()), 1..=spans);
    (sources, places).prop_map(|(sources, places)| {
        let sent = |(source, trace, span): (prop::sample::Index, u8, Span)| {
            let (resource, scope) = source.get(&sources).clone();
            Sent { trace: TraceId([trace; 16]), resource, scope, span }
        };
        places.into_iter().map(sent).collect()
    })
}
