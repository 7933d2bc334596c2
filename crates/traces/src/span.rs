//! A span on its way in: borrowed from the bytes it came in, so that reading one allocates nothing.
//!
//! Input: a decoder, which owns the scratch vectors behind the slices. Output: calls of a [`SpanSink`]. Names and numbers are those of
//! OpenTelemetry's protocol (`opentelemetry/proto/trace/v1/trace.proto`). Deliberately checks nothing: a sink decides what it refuses.

use std::fmt;
use std::ops::Range;
use tidewatch_model::write_hex;

/// The id of a trace: 16 bytes, not all zero in a valid one.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TraceId(pub [u8; 16]);

/// The id of a span: 8 bytes, all zero where there is none.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SpanId(pub [u8; 8]);

impl TraceId {
    /// Whether it is a valid id, that is not zero.
    pub fn is_valid(self) -> bool {
        self.0 != [0; 16]
    }
}

impl SpanId {
    /// Whether it is a valid id, that is not zero.
    pub fn is_valid(self) -> bool {
        self.0 != [0; 8]
    }
}

/// 32 hexadecimal digits.
impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, &self.0)
    }
}

/// 16 hexadecimal digits.
impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, &self.0)
    }
}

impl fmt::Debug for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Debug for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The role of a span, numbered as in the protocol.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum SpanKind {
    /// Not said.
    #[default]
    Unspecified = 0,
    /// Within an application.
    Internal = 1,
    /// The receiving side of a call.
    Server = 2,
    /// The calling side of a call.
    Client = 3,
    /// Hands a message on.
    Producer = 4,
    /// Takes a message.
    Consumer = 5,
}

impl SpanKind {
    /// The kind with a number of the protocol; one that has none is not said.
    #[inline]
    pub fn from_number(number: u32) -> Self {
        match number {
            1 => Self::Internal,
            2 => Self::Server,
            3 => Self::Client,
            4 => Self::Producer,
            5 => Self::Consumer,
            _ => Self::Unspecified,
        }
    }
}

/// How a span ended, numbered as in the protocol.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum StatusCode {
    /// Not said.
    #[default]
    Unset = 0,
    /// Declared good.
    Ok = 1,
    /// Failed.
    Error = 2,
}

impl StatusCode {
    /// The status with a number of the protocol; one that has none is not said.
    #[inline]
    pub fn from_number(number: u32) -> Self {
        match number {
            1 => Self::Ok,
            2 => Self::Error,
            _ => Self::Unset,
        }
    }
}

/// The value of an attribute.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ValueRef<'a> {
    /// No value.
    Empty,
    /// A string.
    Text(&'a str),
    /// A boolean.
    Bool(bool),
    /// A signed integer.
    Int(i64),
    /// A floating-point number.
    Double(f64),
    /// Bytes.
    Bytes(&'a [u8]),
    /// A list: an encoded protobuf `ArrayValue`, checked by the decoder.
    Array(&'a [u8]),
    /// Keys and values: an encoded protobuf `KeyValueList`, checked by the decoder.
    Map(&'a [u8]),
}

/// A key and its value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AttributeRef<'a> {
    /// The key; may be empty in a bad payload.
    pub key: &'a str,
    /// The value.
    pub value: ValueRef<'a>,
}

/// What sent the spans that follow.
#[derive(Clone, Copy, Debug, Default)]
pub struct ResourceRef<'a> {
    /// `service.name` and the like.
    pub attributes: &'a [AttributeRef<'a>],
    /// Attributes the sender left out.
    pub dropped_attributes: u32,
    /// Which conventions the attributes follow; may be empty.
    pub schema_url: &'a str,
}

/// What library made the spans that follow.
#[derive(Clone, Copy, Debug, Default)]
pub struct ScopeRef<'a> {
    /// The library's name; may be empty.
    pub name: &'a str,
    /// The library's version; may be empty.
    pub version: &'a str,
    /// Attributes of the library.
    pub attributes: &'a [AttributeRef<'a>],
    /// Attributes the sender left out.
    pub dropped_attributes: u32,
    /// Which conventions the spans follow; may be empty.
    pub schema_url: &'a str,
}

/// Something that happened during a span.
#[derive(Clone, Debug, Default)]
pub struct EventRef<'a> {
    /// Nanoseconds since the Unix epoch.
    pub time_ns: u64,
    /// What happened.
    pub name: &'a str,
    /// Its attributes, in [`SpanRef::nested_attributes`].
    pub attributes: Range<usize>,
    /// Attributes the sender left out.
    pub dropped_attributes: u32,
}

/// Another span that has to do with a span.
#[derive(Clone, Debug, Default)]
pub struct LinkRef<'a> {
    /// Its trace.
    pub trace_id: TraceId,
    /// The span.
    pub span_id: SpanId,
    /// W3C `tracestate`; may be empty.
    pub trace_state: &'a str,
    /// Its attributes, in [`SpanRef::nested_attributes`].
    pub attributes: Range<usize>,
    /// Attributes the sender left out.
    pub dropped_attributes: u32,
    /// W3C trace flags and the protocol's own bits.
    pub flags: u32,
}

/// A span.
#[derive(Clone, Copy, Debug, Default)]
pub struct SpanRef<'a> {
    /// Its trace; the decoder refuses ids of another length than 16.
    pub trace_id: TraceId,
    /// Its own id; the decoder refuses ids of another length than 8.
    pub span_id: SpanId,
    /// The span that caused it, not valid for a root.
    pub parent_span_id: SpanId,
    /// W3C `tracestate`; may be empty.
    pub trace_state: &'a str,
    /// W3C trace flags and the protocol's own bits.
    pub flags: u32,
    /// The operation.
    pub name: &'a str,
    /// The role.
    pub kind: SpanKind,
    /// Nanoseconds since the Unix epoch.
    pub start_ns: u64,
    /// Nanoseconds since the Unix epoch; may lie before the start in a bad payload.
    pub end_ns: u64,
    /// How it ended.
    pub status: StatusCode,
    /// Why it failed; may be empty.
    pub status_message: &'a str,
    /// Its attributes.
    pub attributes: &'a [AttributeRef<'a>],
    /// Attributes the sender left out.
    pub dropped_attributes: u32,
    /// What happened during it.
    pub events: &'a [EventRef<'a>],
    /// Events the sender left out.
    pub dropped_events: u32,
    /// Other spans it has to do with.
    pub links: &'a [LinkRef<'a>],
    /// Links the sender left out.
    pub dropped_links: u32,
    /// The attributes of all events and links.
    pub nested_attributes: &'a [AttributeRef<'a>],
}

/// Where a decoder puts what it reads: a resource, then its scopes, each with its spans.
pub trait SpanSink {
    /// The following scopes and spans are this resource's.
    fn resource(&mut self, resource: &ResourceRef<'_>);
    /// The following spans are this scope's.
    fn scope(&mut self, scope: &ScopeRef<'_>);
    /// A span of the last resource and scope.
    fn span(&mut self, span: &SpanRef<'_>);
}
