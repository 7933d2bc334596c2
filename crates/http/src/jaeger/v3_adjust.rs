//! What Jaeger changes in a trace before the stable API shows it: some of it always, the rest unless it is asked for raw.
//!
//! Input: a stored trace. Output: the same trace, changed, and warnings about its spans. Each step is a function of the trace alone; their
//! order is Jaeger's.

use super::clock_skew::{self, Timed};
use super::equal_spans;
use super::legacy_adjust::LIBRARY_KEYS;
use super::legacy_trace::{negative_duration, number};
use std::collections::{HashMap, HashSet};
use tidewatch_traces::{Attribute, Resource, Span, SpanId, SpanKind, Trace, Value};

/// The attribute in which a span carries its warnings.
const WARNINGS_KEY: &str = "@jaeger@warnings";

/// Warnings by the places of spans.
#[derive(Debug, Default)]
pub(super) struct Warnings(HashMap<usize, Vec<String>>);

impl Warnings {
    fn add(&mut self, at: usize, warning: String) {
        self.0.entry(at).or_default().push(warning);
    }

    /// Puts them into the spans.
    pub(super) fn put(self, trace: &mut Trace) {
        for (at, warnings) in self.0 {
            let value = Value::Array(warnings.into_iter().map(Value::Text).collect());
            put(&mut trace.spans[at].attributes, WARNINGS_KEY, value);
        }
    }
}

fn put(attributes: &mut Vec<Attribute>, key: &str, value: Value) {
    match attributes.iter_mut().find(|(other, _)| other == key) {
        Some((_, other)) => *other = value,
        None => attributes.push((key.to_owned(), value)),
    }
}

/// What Jaeger changes already when spans come in: names of services that are none, spans that end before they start.
pub(super) fn sanitize(trace: &mut Trace) -> Warnings {
    let mut warnings = Warnings::default();
    for resource in &mut trace.resources {
        let said = resource.attributes.iter().find(|(key, _)| key == "service.name");
        if !matches!(said, Some((_, Value::Text(name))) if !name.is_empty()) {
            let name = Value::Text(resource.service().to_owned());
            put(&mut resource.attributes, "service.name", name);
        }
    }
    for (at, span) in trace.spans.iter_mut().enumerate() {
        if let Some(warning) = negative_duration(span) {
            span.end_ns = span.start_ns.saturating_add(1);
            warnings.add(at, warning);
        }
    }
    warnings
}

/// The rest.
pub(super) fn adjust(trace: &mut Trace, warnings: &mut Warnings) {
    unshare_server_ids(trace);
    sort(trace);
    remove_duplicates(trace, warnings);
    warn_of_clock_skew(trace, warnings);
    write_out_addresses(trace);
    move_library_attributes(trace, warnings);
    remove_empty_links(trace, warnings);
}

/// A server's span with the id of its client's gets an id of its own and becomes the client's child, and so do the server's children.
fn unshare_server_ids(trace: &mut Trace) {
    let clients: HashSet<SpanId> =
        trace.spans.iter().filter(|span| span.kind == SpanKind::Client).map(|span| span.id).collect();
    let taken: HashSet<u64> = trace.spans.iter().map(|span| number(span.id)).collect();
    let mut free = (1..u64::MAX).filter(|id| !taken.contains(id));
    let mut renamed = HashMap::new();
    for span in &mut trace.spans {
        if span.kind != SpanKind::Server || !clients.contains(&span.id) {
            continue;
        }
        let Some(new) = free.next().map(|id| SpanId(id.to_be_bytes())) else { return };
        renamed.insert(span.id, new);
        span.parent = span.id;
        span.id = new;
    }
    for span in &mut trace.spans {
        if let Some(parent) = renamed.get(&span.parent).filter(|parent| **parent != span.id) {
            span.parent = *parent;
        }
    }
}

/// Attributes by key, one each; events by name.
fn sort(trace: &mut Trace) {
    let sort = |attributes: &mut Vec<Attribute>| {
        attributes.sort_by(|a, b| a.0.cmp(&b.0));
        // Of several with one key the last one counts.
        attributes.reverse();
        attributes.dedup_by(|a, b| a.0 == b.0);
        attributes.reverse();
    };
    trace.resources.iter_mut().for_each(|resource| sort(&mut resource.attributes));
    trace.scopes.iter_mut().for_each(|scope| sort(&mut scope.attributes));
    for span in &mut trace.spans {
        sort(&mut span.attributes);
        span.events.sort_by(|a, b| a.name.cmp(&b.name));
        span.events.iter_mut().for_each(|event| sort(&mut event.attributes));
        span.links.iter_mut().for_each(|link| sort(&mut link.attributes));
    }
}

/// Of spans that are equal in everything, attributes of scope and resource included, one stays.
fn remove_duplicates(trace: &mut Trace, warnings: &mut Warnings) {
    let ids = trace.spans.iter().map(|span| span.id);
    let Some(stays) = equal_spans::staying(ids, |a, b| is_equal(trace, a, b)) else { return };
    let moved = |at: &usize| stays[..*at].iter().filter(|stays| **stays).count();
    let kept = warnings.0.iter().filter(|(at, _)| stays[**at]);
    warnings.0 = kept.map(|(at, texts)| (moved(at), texts.clone())).collect();
    let mut stays = stays.into_iter();
    trace.spans.retain(|_| stays.next().unwrap_or(true));
}

fn is_equal(trace: &Trace, a: usize, b: usize) -> bool {
    let (a, b) = (&trace.spans[a], &trace.spans[b]);
    trace.scope_of(a).attributes == trace.scope_of(b).attributes
        && trace.resource_of(a).attributes == trace.resource_of(b).attributes
        && Span { scope: b.scope, ..a.clone() } == *b
}

/// What tells the host of a resource; empty where nothing does.
fn host(resource: &Resource) -> String {
    let find = |key: &str| resource.attributes.iter().find(|(other, _)| other == key).map(|(_, value)| value);
    let text = |value: &Value| match value {
        Value::Text(text) => text.clone(),
        _ => String::new(),
    };
    match (find("host.id"), find("host.ip")) {
        (Some(id), _) => return text(id),
        (None, Some(Value::Text(address))) => return address.clone(),
        (None, Some(Value::Array(addresses))) if !addresses.is_empty() => return addresses[0].as_text(),
        _ => {}
    }
    find("host.name").map(text).unwrap_or_default()
}

fn warn_of_clock_skew(trace: &Trace, warnings: &mut Warnings) {
    let hosts: Vec<String> = trace.resources.iter().map(host).collect();
    let timed = |span: &Span| Timed {
        id: number(span.id),
        parent: number(span.parent),
        start: span.start_ns.cast_signed(),
        duration: i64::try_from(span.duration_ns()).unwrap_or(i64::MAX),
        host: &hosts[trace.scopes[span.scope].resource],
    };
    let spans: Vec<Timed<'_>> = trace.spans.iter().map(timed).collect();
    for (at, finding) in clock_skew::find(&spans) {
        warnings.add(at, finding.text());
    }
}

/// An address as a number becomes a dotted one.
fn write_out_addresses(trace: &mut Trace) {
    let write_out = |attributes: &mut Vec<Attribute>| {
        for (_, value) in attributes.iter_mut().filter(|(key, _)| matches!(key.as_str(), "ip" | "peer.ipv4"))
        {
            let address = match value {
                Value::Int(number) => *number as u32,
                Value::Double(number) => *number as i64 as u32,
                _ => continue,
            };
            *value = Value::Text(std::net::Ipv4Addr::from(address).to_string());
        }
    };
    trace.resources.iter_mut().for_each(|resource| write_out(&mut resource.attributes));
    trace.spans.iter_mut().for_each(|span| write_out(&mut span.attributes));
}

/// What spans say about their library belongs to their resource, unless that says otherwise.
fn move_library_attributes(trace: &mut Trace, warnings: &mut Warnings) {
    for (at, span) in trace.spans.iter_mut().enumerate() {
        if !span.attributes.iter().any(|(key, _)| LIBRARY_KEYS.contains(&key.as_str())) {
            continue;
        }
        let resource = &mut trace.resources[trace.scopes[span.scope].resource];
        span.attributes.retain(|(key, value)| {
            if !LIBRARY_KEYS.contains(&key.as_str()) {
                return true;
            }
            let other = resource.attributes.iter().find(|(other, _)| other == key);
            if other.is_some_and(|(_, other)| other != value) {
                let text = format!("conflicting values between Span and Resource for attribute {key}");
                warnings.add(at, text);
                return true;
            }
            put(&mut resource.attributes, key, value.clone());
            false
        });
    }
}

fn remove_empty_links(trace: &mut Trace, warnings: &mut Warnings) {
    for (at, span) in trace.spans.iter_mut().enumerate() {
        let before = span.links.len();
        span.links.retain(|link| link.trace_id.is_valid());
        for _ in span.links.len()..before {
            warnings.add(at, "Invalid span link removed".to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidewatch_traces::{Link, Scope, TraceId};

    fn id(number: u64) -> SpanId {
        SpanId(number.to_be_bytes())
    }

    fn span(number: u64, parent: u64, kind: SpanKind) -> Span {
        Span { id: id(number), parent: id(parent), kind, start_ns: 1000, end_ns: 2000, ..Span::default() }
    }

    fn text(text: &str) -> Value {
        Value::Text(text.to_owned())
    }

    fn adjusted(resource: Vec<Attribute>, spans: Vec<Span>) -> Trace {
        let resources = vec![Resource { attributes: resource, ..Resource::default() }];
        let mut trace = Trace { id: TraceId([7; 16]), resources, scopes: vec![Scope::default()], spans };
        let mut warnings = sanitize(&mut trace);
        adjust(&mut trace, &mut warnings);
        warnings.put(&mut trace);
        trace
    }

    fn warnings(span: &Span) -> Vec<String> {
        match span.attributes.iter().find(|(key, _)| key == WARNINGS_KEY) {
            Some((_, Value::Array(texts))) => texts.iter().map(Value::as_text).collect(),
            _ => Vec::new(),
        }
    }

    #[test]
    fn services_without_a_name_get_one() {
        let check = |resource: Vec<Attribute>, expected: &str| {
            let trace = adjusted(resource, vec![span(1, 0, SpanKind::Internal)]);
            assert_eq!(trace.resources[0].attributes, [("service.name".to_owned(), text(expected))]);
        };
        check(Vec::new(), "missing-service-name");
        check(vec![("service.name".into(), text(""))], "empty-service-name");
        check(vec![("service.name".into(), Value::Int(1))], "service-name-wrong-type");
        check(vec![("service.name".into(), text("a"))], "a");
    }

    #[test]
    fn ids_are_unshared_and_duplicates_go() {
        let trace = adjusted(
            Vec::new(),
            vec![
                span(5, 0, SpanKind::Client),
                span(5, 0, SpanKind::Server),
                span(6, 5, SpanKind::Internal),
                span(6, 5, SpanKind::Internal),
            ],
        );
        let seen: Vec<_> = trace.spans.iter().map(|span| (number(span.id), number(span.parent))).collect();
        assert_eq!(seen, [(5, 0), (1, 5), (6, 1)]);
    }

    #[test]
    fn warnings_stay_with_their_spans_when_duplicates_go() {
        let short = Span { end_ns: 0, ..span(3, 0, SpanKind::Internal) };
        let twice = span(1, 0, SpanKind::Internal);
        let trace = adjusted(Vec::new(), vec![twice.clone(), twice, short]);
        assert_eq!(trace.spans.len(), 2);
        assert_eq!((trace.spans[1].end_ns, warnings(&trace.spans[1]).len()), (1001, 1));
    }

    #[test]
    fn library_attributes_move_unless_they_conflict() {
        let one = |value: &str| {
            let mut one = span(1, 0, SpanKind::Internal);
            one.attributes = vec![("telemetry.sdk.name".into(), text(value)), ("ip".into(), Value::Int(1))];
            one
        };
        let trace = adjusted(Vec::new(), vec![one("x")]);
        assert_eq!(trace.spans[0].attributes, [("ip".to_owned(), text("0.0.0.1"))]);
        assert!(trace.resources[0].attributes.contains(&("telemetry.sdk.name".to_owned(), text("x"))));
        let trace = adjusted(vec![("telemetry.sdk.name".into(), text("y"))], vec![one("x")]);
        assert_eq!(
            warnings(&trace.spans[0]),
            ["conflicting values between Span and Resource for attribute telemetry.sdk.name"]
        );
    }

    #[test]
    fn links_that_lead_nowhere_go() {
        let mut one = span(1, 0, SpanKind::Internal);
        one.links = vec![Link::default(), Link { trace_id: TraceId([1; 16]), ..Link::default() }];
        let trace = adjusted(Vec::new(), vec![one]);
        assert_eq!(trace.spans[0].links.len(), 1);
        assert_eq!(warnings(&trace.spans[0]), ["Invalid span link removed"]);
    }
}
