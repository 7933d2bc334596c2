//! Where spans begin in this process.
//!
//! Input: operations named at the start, and the contexts of callers. Output: spans, recorded when the sampler says so. Without an
//! exporter the contexts of callers are passed on as they came. Deliberately not a global: a process of tests holds several.

use std::{fmt, sync::Arc, time::Instant};

use crate::{
    Operation, Span, SpanKind, TraceContext,
    sampler::{Root, Sampler},
    span::next_context,
    span_queue::SpanQueue,
    trace_context::SAMPLED,
};

/// Makes spans; a clone is the same tracer.
#[derive(Clone)]
pub struct Tracer(Arc<Inner>);

struct Inner {
    sampler: Sampler,
    /// `None` when nothing is exported.
    queue: Option<Arc<SpanQueue>>,
}

impl fmt::Debug for Tracer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tracer")
    }
}

impl Tracer {
    /// A tracer that records nothing and passes contexts on.
    pub fn off() -> Self {
        Self(Arc::new(Inner { sampler: Sampler { parent_based: true, root: Root::Never }, queue: None }))
    }

    pub(crate) fn new(sampler: Sampler, queue: Arc<SpanQueue>) -> Self {
        Self(Arc::new(Inner { sampler, queue: Some(queue) }))
    }

    /// Names what [`Tracer::begin`] begins. Called at the start, once per name: what `name` holds must come from the program, never
    /// from a request.
    pub fn operation(&self, name: &str, kind: SpanKind) -> Operation {
        self.0.sampler.operation(name, kind)
    }

    /// Begins a span below `parent`, which may be from another process or from long ago, or as the root of a new trace. The
    /// sampler decides whether it is recorded.
    pub fn begin(&self, operation: &Operation, parent: Option<&TraceContext>) -> Span {
        self.begin_at(operation, parent, Instant::now())
    }

    pub(crate) fn begin_at(
        &self,
        operation: &Operation,
        parent: Option<&TraceContext>,
        now: Instant,
    ) -> Span {
        if self.0.queue.is_none() {
            // Without a caller there is nothing to pass on: whoever is called may decide for itself.
            return parent.cloned().map_or_else(Span::none, Span::unrecorded);
        }
        let inherited = parent.map_or(0, |parent| parent.flags & !SAMPLED);
        let mut context = next_context(parent, inherited);
        if !self.0.sampler.samples(parent, context.trace_id, operation, now) {
            return Span::unrecorded(context);
        }
        context.flags |= SAMPLED;
        Span::recorded(self.clone(), parent, context, &operation.name, operation.kind)
    }

    /// Takes the bytes of an ended span.
    pub(crate) fn ended(&self, span: &[u8]) {
        if let Some(queue) = &self.0.queue {
            queue.push(span);
        }
    }
}
