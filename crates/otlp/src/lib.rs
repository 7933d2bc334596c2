//! OTLP: the protocol in which applications send their spans.
//!
//! Input: the bytes of an `ExportTraceServiceRequest`, protobuf or JSON. Output: spans in a `SpanSink`, and the bytes of the answer.
//!
//! In reading order: [`decode_traces`] walks the protobuf message and lends each span to the sink; `attributes` reads keys and values,
//! `wire` the fields themselves. [`json_to_protobuf`] rewrites a JSON request, driven by the tables of `schema`, so that there is one
//! path. [`export_response`] and [`status`] are what a sender gets back.
//!
//! [`Recorder`] takes requests: it decodes, counts calls, samples, and fills the store.
//!
//! Deliberately not here: sockets, compression, metrics and logs of the protocol, and any judgement of a span beyond its form.

mod attributes;
mod error;
mod json;
mod put;
mod recorder;
mod refusal;
mod reply;
mod schema;
mod traces;
mod wire;

pub use attributes::MAX_VALUE_DEPTH;
pub use error::OtlpError;
pub use json::json_to_protobuf;
pub use recorder::{RecordError, Recorded, Recorder, RecorderOptions, RecorderStats};
pub use refusal::{Decoded, Refusal};
pub use reply::{Code, Notation, export_response, status};
pub use traces::decode_traces;
