//! Traces as OTLP in JSON, straight into bytes: ids in hexadecimal digits, times and integers as texts, enums as numbers.
//!
//! Input: traces. Output: one `TracesData` object for all of them, resource by resource. What is 0 or empty is left out, as in Jaeger.

use super::legacy_json::{push_base64, push_double, push_hexadecimal};
use crate::json::push_text;
use std::io::Write;
use tidewatch_traces::{Attribute, Event, Link, Resource, Scope, Span, Trace, Value};

/// An object that is being written: puts commas between its fields.
struct Object<'a> {
    out: &'a mut Vec<u8>,
    is_empty: bool,
}

impl<'a> Object<'a> {
    fn begin(out: &'a mut Vec<u8>) -> Self {
        out.push(b'{');
        Self { out, is_empty: true }
    }

    fn end(self) {
        self.out.push(b'}');
    }

    /// The name of a field, whose value the caller writes.
    fn field(&mut self, name: &str) -> &mut Vec<u8> {
        if !self.is_empty {
            self.out.push(b',');
        }
        self.is_empty = false;
        self.out.push(b'"');
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":");
        self.out
    }

    fn text(&mut self, name: &str, text: &str) {
        if !text.is_empty() {
            push_text(self.field(name), text);
        }
    }

    fn id(&mut self, name: &str, bytes: &[u8]) {
        if bytes.iter().any(|byte| *byte != 0) {
            let out = self.field(name);
            out.push(b'"');
            push_hexadecimal(out, bytes);
            out.push(b'"');
        }
    }

    fn time(&mut self, name: &str, nanoseconds: u64) {
        if nanoseconds != 0 {
            push_formatted(self.field(name), format_args!("\"{nanoseconds}\""));
        }
    }

    fn number(&mut self, name: &str, number: u32) {
        if number != 0 {
            push_formatted(self.field(name), format_args!("{number}"));
        }
    }

    fn attributes(&mut self, attributes: &[Attribute], dropped: u32) {
        self.list("attributes", attributes, push_attribute);
        self.number("droppedAttributesCount", dropped);
    }

    fn list<T>(&mut self, name: &str, items: &[T], push: impl Fn(&mut Vec<u8>, &T)) {
        if !items.is_empty() {
            crate::json::push_list(self.field(name), items, push);
        }
    }
}

fn push_formatted(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("writing into a Vec does not fail");
}

/// Writes all traces as one object.
pub(super) fn push_traces(out: &mut Vec<u8>, traces: &[Trace]) {
    out.extend_from_slice(b"{\"resourceSpans\":[");
    let mut is_first = true;
    for trace in traces {
        let mut spans: Vec<Vec<&Span>> = vec![Vec::new(); trace.scopes.len()];
        for span in &trace.spans {
            spans[span.scope].push(span);
        }
        for (number, resource) in trace.resources.iter().enumerate() {
            let scopes = trace.scopes.iter().zip(&spans);
            let own = scopes.filter(|(scope, spans)| scope.resource == number && !spans.is_empty());
            let own: Vec<(&Scope, &Vec<&Span>)> = own.collect();
            if own.is_empty() {
                continue;
            }
            if !is_first {
                out.push(b',');
            }
            is_first = false;
            push_resource_spans(out, trace, resource, &own);
        }
    }
    out.extend_from_slice(b"]}");
}

fn push_resource_spans(
    out: &mut Vec<u8>,
    trace: &Trace,
    resource: &Resource,
    scopes: &[(&Scope, &Vec<&Span>)],
) {
    let mut object = Object::begin(out);
    let mut inner = Object::begin(object.field("resource"));
    inner.attributes(&resource.attributes, resource.dropped_attributes);
    inner.end();
    object.list("scopeSpans", scopes, |out, (scope, spans)| {
        let mut object = Object::begin(out);
        let mut inner = Object::begin(object.field("scope"));
        inner.text("name", &scope.name);
        inner.text("version", &scope.version);
        inner.attributes(&scope.attributes, scope.dropped_attributes);
        inner.end();
        object.list("spans", spans, |out, span| push_span(out, trace, span));
        object.text("schemaUrl", &scope.schema_url);
        object.end();
    });
    object.text("schemaUrl", &resource.schema_url);
    object.end();
}

fn push_span(out: &mut Vec<u8>, trace: &Trace, span: &Span) {
    let mut object = Object::begin(out);
    object.id("traceId", &trace.id.0);
    object.id("spanId", &span.id.0);
    object.text("traceState", &span.trace_state);
    object.id("parentSpanId", &span.parent.0);
    object.number("flags", span.flags);
    object.text("name", &span.name);
    object.number("kind", span.kind as u32);
    object.time("startTimeUnixNano", span.start_ns);
    object.time("endTimeUnixNano", span.end_ns);
    object.attributes(&span.attributes, span.dropped_attributes);
    object.list("events", &span.events, push_event);
    object.number("droppedEventsCount", span.dropped_events);
    object.list("links", &span.links, push_link);
    object.number("droppedLinksCount", span.dropped_links);
    let mut status = Object::begin(object.field("status"));
    status.text("message", &span.status_message);
    status.number("code", span.status as u32);
    status.end();
    object.end();
}

fn push_event(out: &mut Vec<u8>, event: &Event) {
    let mut object = Object::begin(out);
    object.time("timeUnixNano", event.time_ns);
    object.text("name", &event.name);
    object.attributes(&event.attributes, event.dropped_attributes);
    object.end();
}

fn push_link(out: &mut Vec<u8>, link: &Link) {
    let mut object = Object::begin(out);
    object.id("traceId", &link.trace_id.0);
    object.id("spanId", &link.span_id.0);
    object.text("traceState", &link.trace_state);
    object.attributes(&link.attributes, link.dropped_attributes);
    object.number("flags", link.flags);
    object.end();
}

fn push_attribute(out: &mut Vec<u8>, (key, value): &Attribute) {
    let mut object = Object::begin(out);
    object.text("key", key);
    push_value(object.field("value"), value);
    object.end();
}

fn push_value(out: &mut Vec<u8>, value: &Value) {
    let mut object = Object::begin(out);
    match value {
        Value::Empty => {}
        Value::Text(text) => push_text(object.field("stringValue"), text),
        Value::Bool(value) => push_formatted(object.field("boolValue"), format_args!("{value}")),
        Value::Int(value) => push_formatted(object.field("intValue"), format_args!("\"{value}\"")),
        Value::Double(value) => push_double(object.field("doubleValue"), *value),
        Value::Bytes(bytes) => {
            let out = object.field("bytesValue");
            out.push(b'"');
            push_base64(out, bytes);
            out.push(b'"');
        }
        Value::Array(items) => {
            let mut list = Object::begin(object.field("arrayValue"));
            list.list("values", items, push_value);
            list.end();
        }
        Value::Map(pairs) => {
            let mut list = Object::begin(object.field("kvlistValue"));
            list.list("values", pairs, push_attribute);
            list.end();
        }
    }
    object.end();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_has_its_field() {
        let check = |value: Value, expected: &str| {
            let mut out = Vec::new();
            push_value(&mut out, &value);
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        };
        check(Value::Empty, "{}");
        check(Value::Text("<\"".into()), r#"{"stringValue":"<\""}"#);
        check(Value::Text(String::new()), r#"{"stringValue":""}"#);
        check(Value::Int(-1), r#"{"intValue":"-1"}"#);
        check(Value::Double(0.0), r#"{"doubleValue":0}"#);
        check(Value::Bool(false), r#"{"boolValue":false}"#);
        check(Value::Bytes(vec![]), r#"{"bytesValue":""}"#);
        check(Value::Array(vec![]), r#"{"arrayValue":{}}"#);
        let map = Value::Map(vec![("k".into(), Value::Array(vec![Value::Empty, Value::Int(1)]))]);
        check(
            map,
            r#"{"kvlistValue":{"values":[{"key":"k","value":{"arrayValue":{"values":[{},{"intValue":"1"}]}}}]}}"#,
        );
    }
}
