//! A span: begun, described, ended when it is dropped.
//!
//! Input: the current span or a given parent, and attributes. Output: protobuf bytes to the queue of the [`Tracer`] that sampled the
//! trace. Deliberately does nothing at all, beyond carrying ids, for a trace that is not sampled.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::{
    AttributeValue, InContext, TraceContext, Tracer, in_context, random_ids,
    span_encoding::{cut, put_attribute, put_bytes, put_fixed32, put_fixed64, put_length, put_number},
};

/// Most attributes of a span; further ones are counted in it as dropped.
const MAX_ATTRIBUTES: u32 = 64;

// Numbers of the fields of the message `Span`.
const TRACE_ID: u32 = 1;
const SPAN_ID: u32 = 2;
const TRACE_STATE: u32 = 3;
const PARENT_SPAN_ID: u32 = 4;
const NAME: u32 = 5;
const KIND: u32 = 6;
const START: u32 = 7;
const END: u32 = 8;
const ATTRIBUTES: u32 = 9;
const DROPPED_ATTRIBUTES: u32 = 10;
const EVENTS: u32 = 11;
const LINKS: u32 = 13;
const STATUS: u32 = 15;
const FLAGS: u32 = 16;

/// The role of a span, numbered as in the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpanKind {
    /// Within the application.
    Internal = 1,
    /// Answers a call.
    Server = 2,
    /// Calls another service or a database.
    Client = 3,
    /// Hands on a message.
    Producer = 4,
    /// Takes a message.
    Consumer = 5,
}

/// A span under way; dropping it ends it.
#[derive(Debug)]
pub struct Span {
    /// `None` outside of every trace.
    context: Option<TraceContext>,
    /// Only for sampled traces.
    record: Option<Box<Record>>,
}

#[derive(Debug)]
struct Record {
    tracer: Tracer,
    bytes: Vec<u8>,
    attributes: u32,
    /// Set by [`Span::error`]: the description of the failure.
    failure: Option<String>,
}

impl Span {
    /// Begins a span below the current one. Without a current one, or in a trace that is not sampled, nothing is recorded.
    pub fn child(name: &str, kind: SpanKind) -> Self {
        TraceContext::current().map_or_else(Self::none, |parent| Self::below(parent, name, kind))
    }

    /// Like [`Span::child`], with a name that is only made up when it is needed.
    pub fn child_with(kind: SpanKind, name: impl FnOnce() -> String) -> Self {
        match TraceContext::current() {
            Some(parent) if parent.tracer.is_some() => Self::below(parent, &name(), kind),
            Some(parent) => Self::unrecorded(parent),
            None => Self::none(),
        }
    }

    /// A span that is part of nothing.
    pub fn none() -> Self {
        Self { context: None, record: None }
    }

    fn below(parent: TraceContext, name: &str, kind: SpanKind) -> Self {
        match parent.tracer.clone() {
            Some(tracer) => {
                let context = next_context(Some(&parent), parent.flags);
                Self::recorded(tracer, Some(&parent), context, name, kind)
            }
            None => Self { context: Some(parent), record: None },
        }
    }

    /// Begins the recorded span that `context` refers to, below `parent` if there is one.
    pub(crate) fn recorded(
        tracer: Tracer,
        parent: Option<&TraceContext>,
        mut context: TraceContext,
        name: &str,
        kind: SpanKind,
    ) -> Self {
        context.tracer = Some(tracer.clone());
        let mut bytes = Vec::with_capacity(512);
        put_bytes(&mut bytes, TRACE_ID, &context.trace_id.0.to_be_bytes());
        put_bytes(&mut bytes, SPAN_ID, &context.span_id.0.to_be_bytes());
        if let Some(state) = context.tracestate() {
            put_bytes(&mut bytes, TRACE_STATE, state.as_bytes());
        }
        if let Some(parent) = parent {
            put_bytes(&mut bytes, PARENT_SPAN_ID, &parent.span_id.0.to_be_bytes());
        }
        put_bytes(&mut bytes, NAME, cut(name).as_bytes());
        put_number(&mut bytes, KIND, kind as u64);
        put_fixed64(&mut bytes, START, unix_nanoseconds());
        let parent_is_remote = parent.is_some_and(|parent| parent.remote);
        put_fixed32(&mut bytes, FLAGS, flags(context.flags, parent_is_remote));
        let record = Record { tracer, bytes, attributes: 0, failure: None };
        Self { context: Some(context), record: Some(Box::new(record)) }
    }

    /// Carries a context that is not recorded.
    pub(crate) fn unrecorded(context: TraceContext) -> Self {
        Self { context: Some(context), record: None }
    }

    /// Whether attributes are kept: ask before computing an expensive one.
    pub fn is_recording(&self) -> bool {
        self.record.is_some()
    }

    /// How others refer to this span; for one that is not recorded, to the nearest one above. `None` outside of every trace.
    pub fn context(&self) -> Option<&TraceContext> {
        self.context.as_ref()
    }

    /// Describes the span.
    pub fn attribute<'a>(&mut self, key: &'static str, value: impl Into<AttributeValue<'a>>) {
        let Some(record) = &mut self.record else { return };
        record.attributes += 1;
        if record.attributes <= MAX_ATTRIBUTES {
            put_attribute(&mut record.bytes, ATTRIBUTES, key, value.into());
        }
    }

    /// Declares the span failed. `error_type` is one of few words (a status code, an error's kind); `description` may be any text
    /// for people, without user data, and may be empty.
    pub fn error(&mut self, error_type: &str, description: &str) {
        self.attribute("error.type", error_type);
        if let Some(record) = &mut self.record {
            record.failure = Some(cut(description).to_owned());
        }
    }

    /// Notes the moment at which something happened.
    pub fn event(&mut self, name: &'static str) {
        let Some(record) = &mut self.record else { return };
        let mut event = Vec::with_capacity(name.len() + 16);
        put_fixed64(&mut event, 1, unix_nanoseconds());
        put_bytes(&mut event, 2, name.as_bytes());
        put_bytes(&mut record.bytes, EVENTS, &event);
    }

    /// Refers to another span that this one has to do with, such as that of each message of a batch.
    pub fn link(&mut self, other: &TraceContext) {
        let Some(record) = &mut self.record else { return };
        let mut link = Vec::with_capacity(48);
        put_bytes(&mut link, 1, &other.trace_id.0.to_be_bytes());
        put_bytes(&mut link, 2, &other.span_id.0.to_be_bytes());
        if let Some(state) = other.tracestate() {
            put_bytes(&mut link, 3, state.as_bytes());
        }
        put_fixed32(&mut link, 6, flags(other.flags, other.remote));
        put_bytes(&mut record.bytes, LINKS, &link);
    }

    /// Runs `future` in this span: spans made in it are below this one, and its log lines carry this one's ids.
    pub fn run<F: Future>(&self, future: F) -> InContext<F> {
        in_context(self.context.clone(), future)
    }
}

impl Drop for Span {
    fn drop(&mut self) {
        let Some(record) = self.record.take() else { return };
        let Record { tracer, mut bytes, attributes, failure } = *record;
        if attributes > MAX_ATTRIBUTES {
            put_number(&mut bytes, DROPPED_ATTRIBUTES, u64::from(attributes - MAX_ATTRIBUTES));
        }
        if let Some(description) = failure {
            const ERROR: [u8; 2] = [3 << 3, 2];
            let mut status = Vec::with_capacity(description.len() + 8);
            if !description.is_empty() {
                put_bytes(&mut status, 2, description.as_bytes());
            }
            status.extend_from_slice(&ERROR);
            put_length(&mut bytes, STATUS, status.len());
            bytes.extend_from_slice(&status);
        }
        put_fixed64(&mut bytes, END, unix_nanoseconds());
        tracer.ended(&bytes);
    }
}

/// The W3C flags, and whether the context they are about came from another process.
fn flags(w3c: u8, remote: bool) -> u32 {
    u32::from(w3c) | 0x100 | if remote { 0x200 } else { 0 }
}

fn unix_nanoseconds() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

/// A span id below the same trace.
pub(crate) fn next_context(trace: Option<&TraceContext>, flags: u8) -> TraceContext {
    TraceContext {
        trace_id: trace.map_or_else(random_ids::trace_id, |trace| trace.trace_id),
        span_id: random_ids::span_id(),
        flags,
        remote: false,
        state: trace.and_then(|trace| trace.state.clone()),
        tracer: None,
    }
}
