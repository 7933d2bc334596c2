//! What Jaeger changes in a trace before the legacy API shows it, unless it is asked for raw.
//!
//! Input: a view of a trace. Output: the same view, changed. Each step is a function of the trace alone; their order is Jaeger's.

use super::clock_skew::{self, Finding, Timed};
use super::equal_spans;
use super::legacy_trace::{LegacySpan, LegacyTrace, Process, Tag, TagValue};
use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};
use tidewatch_traces::SpanKind;

/// Tags about the library that belong to the process, not to each of its spans.
pub(super) const LIBRARY_KEYS: [&str; 5] = [
    "telemetry.sdk.language",
    "telemetry.sdk.name",
    "telemetry.sdk.version",
    "telemetry.distro.name",
    "telemetry.distro.version",
];
/// Tags whose numbers are addresses.
const ADDRESS_KEYS: [&str; 2] = ["ip", "peer.ipv4"];

/// All of it.
pub(super) fn adjust(trace: &mut LegacyTrace<'_>) {
    unshare_server_ids(trace);
    sort(trace);
    remove_duplicates(trace);
    warn_of_clock_skew(trace);
    write_out_addresses(trace);
    move_library_tags(trace);
    remove_invalid_references(trace);
    put_parents_first(trace);
}

/// A server's span with the id of its client's gets an id of its own and becomes the client's child, and so do the server's children.
fn unshare_server_ids(trace: &mut LegacyTrace<'_>) {
    let mut clients = HashSet::new();
    let mut taken = HashSet::with_capacity(trace.spans.len());
    for span in &trace.spans {
        taken.insert(span.id);
        if span.is_kind(SpanKind::Client) {
            clients.insert(span.id);
        }
    }
    let mut renamed = HashMap::new();
    let mut free = (1..u64::MAX).filter(|id| !taken.contains(id));
    let id = trace.id;
    for span in trace.spans.iter_mut().filter(|span| clients.contains(&span.id)) {
        if !span.is_kind(SpanKind::Server) {
            continue;
        }
        let Some(new) = free.next() else { return };
        renamed.insert(span.id, new);
        span.replace_parent(id, span.id);
        span.id = new;
    }
    if renamed.is_empty() {
        return;
    }
    for span in &mut trace.spans {
        if let Some(parent) = renamed.get(&span.parent(id)).filter(|parent| **parent != span.id) {
            span.replace_parent(id, *parent);
        }
    }
}

fn rank(value: &TagValue<'_>) -> u8 {
    match value {
        TagValue::Text(_) => 0,
        TagValue::Bool(_) => 1,
        TagValue::Int(_) => 2,
        TagValue::Double(_) => 3,
        TagValue::Bytes(_) => 4,
    }
}

fn compare(a: &Tag<'_>, b: &Tag<'_>) -> Ordering {
    let values = || match (&a.value, &b.value) {
        (TagValue::Text(a), TagValue::Text(b)) => a.cmp(b),
        (TagValue::Bool(a), TagValue::Bool(b)) => a.cmp(b),
        (TagValue::Int(a), TagValue::Int(b)) => a.cmp(b),
        (TagValue::Double(a), TagValue::Double(b)) => a.total_cmp(b),
        (TagValue::Bytes(a), TagValue::Bytes(b)) => a.cmp(b),
        (a, b) => rank(a).cmp(&rank(b)),
    };
    a.key.cmp(b.key).then_with(values)
}

/// Tags and fields by key, the name of an event first.
fn sort(trace: &mut LegacyTrace<'_>) {
    for process in &mut trace.processes {
        process.tags.sort_by(compare);
    }
    for span in &mut trace.spans {
        span.tags.sort_by(compare);
        for log in &mut span.logs {
            let is_name = |tag: &Tag<'_>| tag.key == "event" && matches!(tag.value, TagValue::Text(_));
            let name = log.fields.iter().position(is_name);
            if let Some(at) = name {
                log.fields.swap(0, at);
            }
            log.fields[usize::from(name.is_some())..].sort_by(compare);
        }
    }
}

/// Of spans that are equal in everything, one stays.
fn remove_duplicates(trace: &mut LegacyTrace<'_>) {
    let ids = trace.spans.iter().map(|span| span.id);
    let Some(stays) = equal_spans::staying(ids, |a, b| is_equal(trace, a, b)) else { return };
    let mut stays = stays.into_iter();
    trace.spans.retain(|_| stays.next().unwrap_or(true));
}

fn is_equal(trace: &LegacyTrace<'_>, a: usize, b: usize) -> bool {
    let (a, b) = (&trace.spans[a], &trace.spans[b]);
    let processes = (&trace.processes[a.process], &trace.processes[b.process]);
    let alike = LegacySpan { process: b.process, ..a.clone() };
    alike == *b && processes.0 == processes.1
}

/// The address of a process, from its tag `ip`; empty where there is none.
fn host<'a>(process: &'a Process<'_>) -> Cow<'a, str> {
    let Some(tag) = process.tags.iter().find(|tag| tag.key == "ip") else { return Cow::Borrowed("") };
    match &tag.value {
        TagValue::Text(text) => Cow::Borrowed(text),
        TagValue::Int(number) => Cow::Owned(dotted(*number as u32)),
        TagValue::Bytes(bytes) => match (<[u8; 4]>::try_from(*bytes), <[u8; 16]>::try_from(*bytes)) {
            (Ok(v4), _) => Cow::Owned(std::net::Ipv4Addr::from(v4).to_string()),
            (_, Ok(v6)) => Cow::Owned(std::net::Ipv6Addr::from(v6).to_canonical().to_string()),
            _ => Cow::Borrowed(""),
        },
        TagValue::Bool(_) | TagValue::Double(_) => Cow::Borrowed(""),
    }
}

fn dotted(number: u32) -> String {
    std::net::Ipv4Addr::from(number).to_string()
}

fn warn_of_clock_skew(trace: &mut LegacyTrace<'_>) {
    let hosts: Vec<String> = trace.processes.iter().map(|process| host(process).into_owned()).collect();
    let timed = |span: &LegacySpan<'_>| Timed {
        id: span.id,
        parent: span.parent(trace.id),
        start: span.start_ns.cast_signed(),
        duration: i64::try_from(span.duration_ns).unwrap_or(i64::MAX),
        host: &hosts[span.process],
    };
    let spans: Vec<Timed<'_>> = trace.spans.iter().map(timed).collect();
    let findings = clock_skew::find(&spans);
    for (at, finding) in findings {
        let warning = match finding {
            Finding::MissingParent(id) => {
                format!("invalid parent span IDs={id:016x}; skipping clock skew adjustment")
            }
            other => other.text(),
        };
        trace.spans[at].warnings.push(warning);
    }
}

/// An address as a number becomes a dotted one.
fn write_out_addresses(trace: &mut LegacyTrace<'_>) {
    let write_out = |tag: &mut Tag<'_>| {
        if !ADDRESS_KEYS.contains(&tag.key) {
            return;
        }
        let number = match tag.value {
            TagValue::Int(number) => number as u32,
            TagValue::Double(number) => number as i64 as u32,
            _ => return,
        };
        tag.value = TagValue::Text(Cow::Owned(dotted(number)));
    };
    for process in &mut trace.processes {
        process.tags.iter_mut().for_each(write_out);
        process.tags.sort_by(compare);
    }
    for span in &mut trace.spans {
        span.tags.iter_mut().for_each(write_out);
    }
}

fn move_library_tags(trace: &mut LegacyTrace<'_>) {
    for span in &mut trace.spans {
        if span.tags.iter().any(|tag| LIBRARY_KEYS.contains(&tag.key)) {
            span.moved = span.tags.extract_if(.., |tag| LIBRARY_KEYS.contains(&tag.key)).collect();
        }
    }
}

impl<'a> LegacyTrace<'a> {
    /// The process of a span that has tags of its own for it.
    pub(super) fn process_with(&self, span: &LegacySpan<'a>) -> Process<'a> {
        let mut process = self.processes[span.process].clone();
        process.tags.extend(span.moved.iter().cloned());
        process.tags.sort_by(compare);
        process
    }
}

fn remove_invalid_references(trace: &mut LegacyTrace<'_>) {
    for span in &mut trace.spans {
        for invalid in span.references.extract_if(.., |reference| !reference.trace.is_valid()) {
            let kind = if invalid.is_child { "CHILD_OF" } else { "FOLLOWS_FROM" };
            span.warnings.push(format!(
                "Invalid span reference removed {{TraceID:0000000000000000 SpanID:{:016x} RefType:{kind}}}",
                invalid.span
            ));
        }
    }
}

/// The first parent in the same trace, or else the first reference within it, comes first.
fn put_parents_first(trace: &mut LegacyTrace<'_>) {
    for span in &mut trace.spans {
        let own = |is_parent: bool| {
            span.references.iter().position(|other| other.trace == trace.id && (other.is_child || !is_parent))
        };
        if let Some(at) = own(true).or_else(|| own(false)) {
            span.references.swap(0, at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidewatch_traces::{Link, Resource, Scope, Span, SpanId, StatusCode, Trace, TraceId, Value};

    const TRACE: TraceId = TraceId([7; 16]);

    fn id(number: u64) -> SpanId {
        SpanId(number.to_be_bytes())
    }

    fn span(number: u64, parent: u64, kind: SpanKind) -> Span {
        Span { id: id(number), parent: id(parent), kind, start_ns: 1000, end_ns: 2000, ..Span::default() }
    }

    fn trace(spans: Vec<Span>) -> Trace {
        let resource = Resource {
            attributes: vec![
                ("service.name".into(), Value::Text("a".into())),
                ("ip".into(), Value::Int(0x7f00_0001)),
            ],
            ..Resource::default()
        };
        Trace { id: TRACE, resources: vec![resource], scopes: vec![Scope::default()], spans }
    }

    fn tag<'a>(span: &'a LegacySpan<'_>, key: &str) -> Option<&'a TagValue<'a>> {
        span.tags.iter().find(|tag| tag.key == key).map(|tag| &tag.value)
    }

    #[test]
    fn a_server_that_shares_its_clients_id_becomes_its_child() {
        let spans = vec![
            span(1, 0, SpanKind::Internal),
            span(5, 1, SpanKind::Client),
            span(5, 1, SpanKind::Server),
            span(6, 5, SpanKind::Internal),
        ];
        let trace = trace(spans);
        let mut view = LegacyTrace::of(&trace);
        adjust(&mut view);
        let seen: Vec<_> = view.spans.iter().map(|span| (span.id, span.parent(TRACE))).collect();
        assert_eq!(seen, [(1, 0), (5, 1), (2, 5), (6, 2)]);
    }

    #[test]
    fn equal_spans_are_one_and_others_with_the_id_are_warned_about() {
        let other = Span { name: "other".into(), ..span(1, 0, SpanKind::Internal) };
        let trace = trace(vec![span(1, 0, SpanKind::Internal), span(1, 0, SpanKind::Internal), other]);
        let mut view = LegacyTrace::of(&trace);
        adjust(&mut view);
        assert_eq!(view.spans.len(), 2);
        assert_eq!(view.spans[1].warnings, ["duplicate span IDs; skipping clock skew adjustment"]);
    }

    #[test]
    fn library_tags_move_and_addresses_are_written_out() {
        let mut one = span(1, 0, SpanKind::Internal);
        one.attributes = vec![
            ("telemetry.sdk.name".into(), Value::Text("otel".into())),
            ("peer.ipv4".into(), Value::Double(16_909_060.0)),
        ];
        one.status = StatusCode::Error;
        let trace = trace(vec![one]);
        let mut view = LegacyTrace::of(&trace);
        adjust(&mut view);
        assert_eq!(tag(&view.spans[0], "peer.ipv4"), Some(&TagValue::Text("1.2.3.4".into())));
        assert_eq!(tag(&view.spans[0], "error"), Some(&TagValue::Bool(true)));
        assert_eq!(tag(&view.spans[0], "telemetry.sdk.name"), None);
        let process = view.process_with(&view.spans[0]);
        let keys: Vec<&str> = process.tags.iter().map(|tag| tag.key).collect();
        assert_eq!((process.service, keys), ("a", vec!["ip", "telemetry.sdk.name"]));
        assert_eq!(process.tags[0].value, TagValue::Text("127.0.0.1".into()));
    }

    #[test]
    fn links_that_lead_nowhere_go_and_parents_come_first() {
        let mut one = span(2, 0, SpanKind::Internal);
        let foreign = Link { trace_id: TraceId([9; 16]), span_id: id(3), ..Link::default() };
        let nowhere = Link { span_id: id(4), ..Link::default() };
        let own = Link { trace_id: TRACE, span_id: id(2), ..Link::default() };
        one.links = vec![foreign, nowhere, own];
        let trace = trace(vec![one]);
        let mut view = LegacyTrace::of(&trace);
        adjust(&mut view);
        let spans: Vec<u64> = view.spans[0].references.iter().map(|reference| reference.span).collect();
        assert_eq!(spans, [2, 3]);
        let removed = "Invalid span reference removed {TraceID:0000000000000000 SpanID:0000000000000004 RefType:FOLLOWS_FROM}";
        assert_eq!(view.spans[0].warnings, [removed]);
    }
}
