//! The messages of a request, as tables for the JSON reader.
//!
//! Input: `opentelemetry/proto/{collector/trace,trace,resource,common}/v1`. Output: names, numbers and kinds of fields. What is not listed
//! is unknown and ignored.

/// A message: its fields.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) fields: &'static [Field],
}

/// A field of a message.
#[derive(Debug)]
pub(crate) struct Field {
    /// As in JSON.
    pub(crate) name: &'static str,
    /// As in the protocol's own files, which protobuf's JSON also takes.
    pub(crate) original_name: &'static str,
    pub(crate) number: u32,
    pub(crate) kind: Kind,
    pub(crate) repeated: bool,
}

/// What the value of a field is, in JSON and in protobuf.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    Message(&'static Message),
    Text,
    /// Base64 of bytes.
    Bytes,
    /// Hexadecimal digits of bytes: ids, in OTLP's JSON only.
    Hex,
    Bool,
    Int64,
    Uint32,
    Fixed32,
    Fixed64,
    Double,
    /// A number, or a name of which the number is the place.
    Enumeration(&'static [&'static str]),
}

const fn one(name: &'static str, original_name: &'static str, number: u32, kind: Kind) -> Field {
    Field { name, original_name, number, kind, repeated: false }
}

const fn many(name: &'static str, original_name: &'static str, number: u32, kind: Kind) -> Field {
    Field { name, original_name, number, kind, repeated: true }
}

const fn attributes(number: u32) -> Field {
    many("attributes", "attributes", number, Kind::Message(&KEY_VALUE))
}

const fn dropped_attributes(number: u32) -> Field {
    one("droppedAttributesCount", "dropped_attributes_count", number, Kind::Uint32)
}

/// What both `Span` and `Link` begin with.
const TRACE_ID: Field = one("traceId", "trace_id", 1, Kind::Hex);
const SPAN_ID: Field = one("spanId", "span_id", 2, Kind::Hex);
const TRACE_STATE: Field = one("traceState", "trace_state", 3, Kind::Text);

/// What both `ResourceSpans` and `ScopeSpans` end with.
const SCHEMA_URL: Field = one("schemaUrl", "schema_url", 3, Kind::Text);

pub(crate) static REQUEST: Message =
    Message { fields: &[many("resourceSpans", "resource_spans", 1, Kind::Message(&RESOURCE_SPANS))] };

static RESOURCE_SPANS: Message = Message {
    fields: &[
        one("resource", "resource", 1, Kind::Message(&RESOURCE)),
        many("scopeSpans", "scope_spans", 2, Kind::Message(&SCOPE_SPANS)),
        SCHEMA_URL,
    ],
};

static RESOURCE: Message = Message { fields: &[attributes(1), dropped_attributes(2)] };

static SCOPE_SPANS: Message = Message {
    fields: &[
        one("scope", "scope", 1, Kind::Message(&SCOPE)),
        many("spans", "spans", 2, Kind::Message(&SPAN)),
        SCHEMA_URL,
    ],
};

static SCOPE: Message = Message {
    fields: &[
        one("name", "name", 1, Kind::Text),
        one("version", "version", 2, Kind::Text),
        attributes(3),
        dropped_attributes(4),
    ],
};

static SPAN: Message = Message {
    fields: &[
        TRACE_ID,
        SPAN_ID,
        TRACE_STATE,
        one("parentSpanId", "parent_span_id", 4, Kind::Hex),
        one("name", "name", 5, Kind::Text),
        one("kind", "kind", 6, Kind::Enumeration(&SPAN_KINDS)),
        one("startTimeUnixNano", "start_time_unix_nano", 7, Kind::Fixed64),
        one("endTimeUnixNano", "end_time_unix_nano", 8, Kind::Fixed64),
        attributes(9),
        dropped_attributes(10),
        many("events", "events", 11, Kind::Message(&EVENT)),
        one("droppedEventsCount", "dropped_events_count", 12, Kind::Uint32),
        many("links", "links", 13, Kind::Message(&LINK)),
        one("droppedLinksCount", "dropped_links_count", 14, Kind::Uint32),
        one("status", "status", 15, Kind::Message(&STATUS)),
        one("flags", "flags", 16, Kind::Fixed32),
    ],
};

static SPAN_KINDS: [&str; 6] = [
    "SPAN_KIND_UNSPECIFIED",
    "SPAN_KIND_INTERNAL",
    "SPAN_KIND_SERVER",
    "SPAN_KIND_CLIENT",
    "SPAN_KIND_PRODUCER",
    "SPAN_KIND_CONSUMER",
];

static EVENT: Message = Message {
    fields: &[
        one("timeUnixNano", "time_unix_nano", 1, Kind::Fixed64),
        one("name", "name", 2, Kind::Text),
        attributes(3),
        dropped_attributes(4),
    ],
};

static LINK: Message = Message {
    fields: &[
        TRACE_ID,
        SPAN_ID,
        TRACE_STATE,
        attributes(4),
        dropped_attributes(5),
        one("flags", "flags", 6, Kind::Fixed32),
    ],
};

static STATUS: Message = Message {
    fields: &[
        one("message", "message", 2, Kind::Text),
        one("code", "code", 3, Kind::Enumeration(&STATUS_CODES)),
    ],
};

static STATUS_CODES: [&str; 3] = ["STATUS_CODE_UNSET", "STATUS_CODE_OK", "STATUS_CODE_ERROR"];

static KEY_VALUE: Message = Message {
    fields: &[one("key", "key", 1, Kind::Text), one("value", "value", 2, Kind::Message(&ANY_VALUE))],
};

static ANY_VALUE: Message = Message {
    fields: &[
        one("stringValue", "string_value", 1, Kind::Text),
        one("boolValue", "bool_value", 2, Kind::Bool),
        one("intValue", "int_value", 3, Kind::Int64),
        one("doubleValue", "double_value", 4, Kind::Double),
        one("arrayValue", "array_value", 5, Kind::Message(&ARRAY_VALUE)),
        one("kvlistValue", "kvlist_value", 6, Kind::Message(&KEY_VALUE_LIST)),
        one("bytesValue", "bytes_value", 7, Kind::Bytes),
    ],
};

static ARRAY_VALUE: Message = Message { fields: &[many("values", "values", 1, Kind::Message(&ANY_VALUE))] };

static KEY_VALUE_LIST: Message =
    Message { fields: &[many("values", "values", 1, Kind::Message(&KEY_VALUE))] };
