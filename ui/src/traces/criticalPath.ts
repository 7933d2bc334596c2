/**
 * The critical path: what the duration of a trace consists of. Of the main root it goes backwards from the end: the child that ended last before that moment
 * is what the span waited for, before it the child that ended last before that one began, and between them the span worked itself. What goes on after the
 * root has ended (a message that is delivered later) is followed from the last end of all back to the root's end, with the time between the end of a
 * span and the start of the one it caused as waiting. Pure.
 */
import { endOf, mainSpan, type Span, type Trace } from './model';

export interface Segment {
  /** Index of the span. */
  span: number;
  /** Microseconds since the start of the trace. */
  from: number;
  to: number;
  /** `work` until the root ended, `later` after it, `wait` while nothing of the trace was under way: before the span, after its parent. */
  kind: 'work' | 'later' | 'wait';
}

/** Whether the parent did not wait for it: linked, received as a message, or begun when the parent had ended. */
function isAsync(span: Span, parent: Span): boolean {
  return span.follows || span.kind === 'consumer' || (span.start >= endOf(parent) && span.duration > 0);
}

interface Visit {
  span: Span;
  from: number;
  to: number;
}

/** The path of a span and what it waited for, between two times. Without recursion, for deep traces. */
function walk(spans: Span[], top: Visit, kind: Segment['kind'], out: Segment[]): void {
  const stack = [top];
  for (let visit = stack.pop(); visit; visit = stack.pop()) {
    const { span, from } = visit;
    let cursor = visit.to;
    const children = span.children
      .map((i) => spans[i] as Span)
      .filter((child) => !isAsync(child, span))
      .map((child) => ({ child, end: Math.min(endOf(child), visit.to) }))
      .sort((a, b) => b.end - a.end || b.child.start - a.child.start);
    for (const { child, end } of children) {
      const start = Math.max(child.start, from);
      if (end > cursor || start >= end) continue;
      if (end < cursor) out.push({ span: span.index, from: end, to: cursor, kind });
      stack.push({ span: child, from: start, to: end });
      cursor = start;
    }
    if (cursor > from) out.push({ span: span.index, from, to: cursor, kind });
  }
}

function lastToEnd(spans: Span[]): Span | undefined {
  let last: Span | undefined;
  for (const span of spans) {
    const later = last === undefined || endOf(span) > endOf(last) || (endOf(span) === endOf(last) && span.depth < last.depth);
    if (later) last = span;
  }
  return last;
}

/** From the last end of all back to `until`, up the spans that caused it. */
function walkLater(spans: Span[], last: Span, until: number, out: Segment[]): void {
  let at: Span | undefined = last;
  let cursor = endOf(last);
  while (at && cursor > until) {
    const to = Math.min(endOf(at), cursor);
    if (to < cursor && to >= 0) {
      // nothing of the chain was under way
      out.push({ span: causedBy(spans, last, at).index, from: Math.max(to, until), to: cursor, kind: 'wait' });
    }
    const from = Math.max(at.start, until);
    if (to > from) walk(spans, { span: at, from, to }, 'later', out);
    cursor = Math.min(cursor, at.start);
    at = spans[at.parent];
  }
}

/** The span below `above` on the way to `below`. */
function causedBy(spans: Span[], below: Span, above: Span): Span {
  let at = below;
  while (at.parent >= 0 && at.parent !== above.index) at = spans[at.parent] as Span;
  return at;
}

export function criticalPath(trace: Trace): Segment[] {
  const root = mainSpan(trace);
  if (!root) return [];
  const out: Segment[] = [];
  walk(trace.spans, { span: root, from: root.start, to: endOf(root) }, 'work', out);
  const below = trace.spans.slice(root.index, root.index + root.descendants + 1);
  const last = lastToEnd(below);
  if (last && endOf(last) > endOf(root)) walkLater(trace.spans, last, endOf(root), out);
  return out.sort((a, b) => a.from - b.from || a.to - b.to);
}

export interface PathShare {
  service: string;
  operation: string;
  /** Microseconds on the path. */
  time: number;
}

/** What the parts of a path consist of, the largest first. */
export function pathShares(trace: Trace, path: Segment[]): PathShare[] {
  const shares = new Map<string, PathShare>();
  for (const { span, from, to } of path) {
    const { service, operation } = trace.spans[span] as Span;
    const key = `${service}\n${operation}`;
    const share = shares.get(key) ?? { service, operation, time: 0 };
    shares.set(key, share);
    share.time += to - from;
  }
  return [...shares.values()].sort((a, b) => b.time - a.time);
}

/** Segments by span, for drawing rows. */
export function segmentsBySpan(path: Segment[]): Map<number, Segment[]> {
  const bySpan = new Map<number, Segment[]>();
  for (const segment of path) {
    const list = bySpan.get(segment.span);
    if (list) list.push(segment);
    else bySpan.set(segment.span, [segment]);
  }
  return bySpan;
}

/** Time of a span in which none of its children was under way, in microseconds. */
export function selfTime(trace: Trace, span: Span): number {
  let self = span.duration;
  let covered = span.start;
  for (const i of span.children) {
    const child = trace.spans[i] as Span;
    const from = Math.max(child.start, covered);
    const to = Math.min(endOf(child), endOf(span));
    if (to > from) {
      self -= to - from;
      covered = to;
    }
  }
  return Math.max(0, self);
}
