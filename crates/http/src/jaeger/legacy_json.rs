//! The legacy API's JSON of traces, straight into bytes.
//!
//! Input: views of traces, adjusted or raw. Output: one object per trace, as in the list `data`.

use super::legacy_trace::{LegacySpan, LegacyTrace, Log, Process, Reference, Tag, TagValue};
use crate::json::{push_escaped_text, push_list};
use base64::display::Base64Display;
use base64::engine::general_purpose::STANDARD;
use std::collections::HashMap;
use std::io::Write;
use tidewatch_model::hex_digits;
use tidewatch_traces::TraceId;

/// The largest integer that JavaScript's numbers hold exactly, with all below it.
const SAFE_INTEGER: i64 = (1 << 53) - 1;

/// Writes a trace.
pub(super) fn push_trace(out: &mut Vec<u8>, trace: &LegacyTrace<'_>) {
    out.extend_from_slice(b"{\"traceID\":");
    push_trace_id(out, trace.id);
    out.extend_from_slice(b",\"spans\":[");
    let mut processes =
        Processes { numbers: HashMap::new(), written: Vec::new(), of: vec![None; trace.processes.len()] };
    for (at, span) in trace.spans.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        let process = processes.number(trace, span);
        push_span(out, trace.id, span, process);
    }
    out.extend_from_slice(b"],\"processes\":{");
    out.extend_from_slice(&processes.written);
    out.extend_from_slice(b"},\"warnings\":null}");
}

/// The processes of a trace, equal ones once.
struct Processes {
    numbers: HashMap<Vec<u8>, usize>,
    written: Vec<u8>,
    /// The number of a resource's process.
    of: Vec<Option<usize>>,
}

impl Processes {
    fn number(&mut self, trace: &LegacyTrace<'_>, span: &LegacySpan<'_>) -> usize {
        if !span.moved.is_empty() {
            return self.put(&trace.process_with(span));
        }
        match self.of[span.process] {
            Some(number) => number,
            None => {
                let number = self.put(&trace.processes[span.process]);
                self.of[span.process] = Some(number);
                number
            }
        }
    }

    fn put(&mut self, process: &Process<'_>) -> usize {
        let mut json = Vec::with_capacity(128);
        json.extend_from_slice(b"{\"serviceName\":");
        push_escaped_text(&mut json, process.service);
        json.extend_from_slice(b",\"tags\":");
        push_list(&mut json, &process.tags, push_tag);
        json.push(b'}');
        let next = self.numbers.len() + 1;
        if let Some(known) = self.numbers.get(&json) {
            return *known;
        }
        if next > 1 {
            self.written.push(b',');
        }
        push_formatted(&mut self.written, format_args!("\"p{next}\":"));
        self.written.extend_from_slice(&json);
        self.numbers.insert(json, next);
        next
    }
}

fn push_formatted(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("writing into a Vec does not fail");
}

/// An id of which the upper half is zero is printed without it.
pub(super) fn push_trace_id(out: &mut Vec<u8>, id: TraceId) {
    let shown = if id.0[..8] == [0; 8] { &id.0[8..] } else { &id.0[..] };
    out.push(b'"');
    push_hexadecimal(out, shown);
    out.push(b'"');
}

/// Hexadecimal digits, two for each byte.
pub(super) fn push_hexadecimal(out: &mut Vec<u8>, bytes: &[u8]) {
    for byte in bytes {
        out.extend_from_slice(&hex_digits(*byte));
    }
}

/// Base64 with padding.
pub(super) fn push_base64(out: &mut Vec<u8>, bytes: &[u8]) {
    push_formatted(out, format_args!("{}", Base64Display::new(bytes, &STANDARD)));
}

fn push_span_id(out: &mut Vec<u8>, id: u64) {
    out.push(b'"');
    push_hexadecimal(out, &id.to_be_bytes());
    out.push(b'"');
}

fn push_span(out: &mut Vec<u8>, trace: TraceId, span: &LegacySpan<'_>, process: usize) {
    out.extend_from_slice(b"{\"traceID\":");
    push_trace_id(out, trace);
    out.extend_from_slice(b",\"spanID\":");
    push_span_id(out, span.id);
    out.extend_from_slice(b",\"operationName\":");
    push_escaped_text(out, span.name);
    out.extend_from_slice(b",\"references\":");
    push_list(out, &span.references, push_reference);
    let duration = span.duration_ns / 1000;
    push_formatted(
        out,
        format_args!(",\"startTime\":{},\"duration\":{duration},\"tags\":", microseconds(span.start_ns)),
    );
    push_list(out, &span.tags, push_tag);
    out.extend_from_slice(b",\"logs\":");
    push_list(out, &span.logs, push_log);
    push_formatted(out, format_args!(",\"processID\":\"p{process}\",\"warnings\":"));
    if span.warnings.is_empty() {
        out.extend_from_slice(b"null}");
    } else {
        push_list(out, &span.warnings, |out, warning| push_escaped_text(out, warning));
        out.push(b'}');
    }
}

/// Microseconds since the Unix epoch; of times beyond a signed number of nanoseconds, what Jaeger makes of them.
fn microseconds(nanoseconds: u64) -> u64 {
    (nanoseconds.cast_signed() / 1000).cast_unsigned()
}

fn push_reference(out: &mut Vec<u8>, reference: &Reference) {
    let kind: &[u8] = if reference.is_child { b"CHILD_OF" } else { b"FOLLOWS_FROM" };
    out.extend_from_slice(b"{\"refType\":\"");
    out.extend_from_slice(kind);
    out.extend_from_slice(b"\",\"traceID\":");
    push_trace_id(out, reference.trace);
    out.extend_from_slice(b",\"spanID\":");
    push_span_id(out, reference.span);
    out.push(b'}');
}

fn push_log(out: &mut Vec<u8>, log: &Log<'_>) {
    push_formatted(out, format_args!("{{\"timestamp\":{},\"fields\":", microseconds(log.time_ns)));
    push_list(out, &log.fields, push_tag);
    out.push(b'}');
}

fn push_tag(out: &mut Vec<u8>, tag: &Tag<'_>) {
    out.extend_from_slice(b"{\"key\":");
    push_escaped_text(out, tag.key);
    let mut typed = |name: &str| push_formatted(out, format_args!(",\"type\":\"{name}\",\"value\":"));
    match &tag.value {
        TagValue::Text(text) => {
            typed("string");
            push_escaped_text(out, text);
        }
        TagValue::Bool(value) => {
            typed("bool");
            push_formatted(out, format_args!("{value}"));
        }
        TagValue::Int(value) if value.abs_diff(0) > SAFE_INTEGER.unsigned_abs() => {
            typed("int64");
            push_formatted(out, format_args!("\"{value}\""));
        }
        TagValue::Int(value) => {
            typed("int64");
            push_formatted(out, format_args!("{value}"));
        }
        TagValue::Double(value) => {
            typed("float64");
            push_double(out, *value);
        }
        TagValue::Bytes([]) => {
            typed("binary");
            out.extend_from_slice(b"null");
        }
        TagValue::Bytes(bytes) => {
            typed("binary");
            out.push(b'"');
            push_base64(out, bytes);
            out.push(b'"');
        }
    }
    out.push(b'}');
}

/// A number; what JSON has no number for is a text.
pub(super) fn push_double(out: &mut Vec<u8>, value: f64) {
    if value.is_nan() {
        out.extend_from_slice(b"\"NaN\"");
    } else if value.is_infinite() {
        out.extend_from_slice(if value > 0.0 { b"\"Infinity\"" } else { b"\"-Infinity\"" });
    } else {
        let mut buffer = zmij::Buffer::new();
        let digits = buffer.format_finite(value).as_bytes();
        out.extend_from_slice(digits.strip_suffix(b".0").unwrap_or(digits));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::borrow::Cow;

    #[test]
    fn values_are_written_with_their_types() {
        let check = |value: TagValue<'_>, expected: &str| {
            let mut out = Vec::new();
            push_tag(&mut out, &Tag { key: "k", value });
            assert_eq!(String::from_utf8(out).unwrap(), format!("{{\"key\":\"k\",\"type\":{expected}}}"));
        };
        check(TagValue::Text(Cow::Borrowed("<")), r#""string","value":"\u003c""#);
        check(TagValue::Bool(false), r#""bool","value":false"#);
        check(TagValue::Int(SAFE_INTEGER), r#""int64","value":9007199254740991"#);
        check(TagValue::Int(SAFE_INTEGER + 1), r#""int64","value":"9007199254740992""#);
        check(TagValue::Int(i64::MIN), r#""int64","value":"-9223372036854775808""#);
        check(TagValue::Double(2.0), r#""float64","value":2"#);
        check(TagValue::Double(f64::NAN), r#""float64","value":"NaN""#);
        check(TagValue::Bytes(&[]), r#""binary","value":null"#);
        check(TagValue::Bytes(b"a"), r#""binary","value":"YQ==""#);
        check(TagValue::Bytes(&[1, 2]), r#""binary","value":"AQI=""#);
        check(TagValue::Bytes(b"abc"), r#""binary","value":"YWJj""#);
        check(TagValue::Bytes(&[1, 2, 3, 0xff]), r#""binary","value":"AQID/w==""#);
    }
}
