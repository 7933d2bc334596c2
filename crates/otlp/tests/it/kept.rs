//! A sink that keeps everything as text, one line for each call.

use tidewatch_otlp::{Decoded, OtlpError, decode_traces};
use tidewatch_traces::{AttributeRef, ResourceRef, ScopeRef, SpanRef, SpanSink, ValueRef};

#[derive(Debug, Default)]
pub(crate) struct Kept(pub(crate) Vec<String>);

fn attributes(list: &[AttributeRef<'_>]) -> String {
    let shown = |attribute: &AttributeRef<'_>| {
        let value = match attribute.value {
            ValueRef::Empty => "empty".to_owned(),
            ValueRef::Text(text) => format!("{text:?}"),
            ValueRef::Bool(value) => value.to_string(),
            ValueRef::Int(value) => value.to_string(),
            ValueRef::Double(value) => format!("{value:?}"),
            ValueRef::Bytes(bytes) => format!("b{bytes:?}"),
            ValueRef::Array(bytes) => format!("array{bytes:?}"),
            ValueRef::Map(bytes) => format!("map{bytes:?}"),
        };
        format!("{}={value}", attribute.key)
    };
    list.iter().map(shown).collect::<Vec<_>>().join(",")
}

impl SpanSink for Kept {
    fn resource(&mut self, resource: &ResourceRef<'_>) {
        let ResourceRef { dropped_attributes, schema_url, .. } = resource;
        let line =
            format!("resource [{}] -{dropped_attributes} {schema_url:?}", attributes(resource.attributes));
        self.0.push(line);
    }

    fn scope(&mut self, scope: &ScopeRef<'_>) {
        let ScopeRef { name, version, dropped_attributes, schema_url, .. } = scope;
        let list = attributes(scope.attributes);
        self.0.push(format!("scope {name:?} {version:?} [{list}] -{dropped_attributes} {schema_url:?}"));
    }

    fn span(&mut self, span: &SpanRef<'_>) {
        let nested = |range: &std::ops::Range<usize>| attributes(&span.nested_attributes[range.clone()]);
        let events: Vec<String> = span
            .events
            .iter()
            .map(|event| {
                let list = nested(&event.attributes);
                format!("{}@{} [{list}] -{}", event.name, event.time_ns, event.dropped_attributes)
            })
            .collect();
        let links: Vec<String> = span
            .links
            .iter()
            .map(|link| {
                let list = nested(&link.attributes);
                let (trace, span, state) = (link.trace_id, link.span_id, link.trace_state);
                format!("{trace}/{span} {state:?} [{list}] -{} {}", link.dropped_attributes, link.flags)
            })
            .collect();
        self.0.push(format!(
            "span {}/{}<{} {:?} {} {:?} {:?} {}..{} {:?} {:?} [{}] -{} events{events:?} -{} links{links:?} -{}",
            span.trace_id,
            span.span_id,
            span.parent_span_id,
            span.trace_state,
            span.flags,
            span.name,
            span.kind,
            span.start_ns,
            span.end_ns,
            span.status,
            span.status_message,
            attributes(span.attributes),
            span.dropped_attributes,
            span.dropped_events,
            span.dropped_links,
        ));
    }
}

pub(crate) fn decoded(request: &[u8]) -> Result<(Decoded, Vec<String>), OtlpError> {
    let mut kept = Kept::default();
    decode_traces(request, &mut kept).map(|decoded| (decoded, kept.0))
}
