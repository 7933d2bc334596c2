/**
 * A trace as the pages show it, from Jaeger's JSON: spans in the order of the tree, each with its parent, depth and children. Sound whatever comes in:
 * several roots, spans whose parent is missing, ids that occur twice, cycles of parents, clocks that differ. Pure.
 */
import type { JaegerReference, JaegerSpan, JaegerTrace, KeyValue } from '../api/jaeger';

export interface SpanEvent {
  /** Microseconds since the start of the trace. */
  at: number;
  name: string;
  fields: KeyValue[];
}

export interface Span {
  /** Place in `Trace.spans`. */
  index: number;
  id: string;
  service: string;
  operation: string;
  /** server, client, producer, consumer, internal, or empty. */
  kind: string;
  /** Microseconds since the start of the trace. */
  start: number;
  /** Microseconds. */
  duration: number;
  error: boolean;
  /** Of an error. */
  message?: string;
  tags: KeyValue[];
  resource: KeyValue[];
  events: SpanEvent[];
  /** All but the parent. */
  links: JaegerReference[];
  warnings: string[];
  /** Index of the parent; -1 for a root. */
  parent: number;
  /** Whether a link, not a parent, made it the child of its parent. */
  follows: boolean;
  /** The parent's id where that span is not in the trace. */
  missingParent?: string;
  /** Microseconds by which it starts before its parent, which only clocks that differ can explain. */
  early: number;
  depth: number;
  children: number[];
  /** Children, their children and so on. They follow the span directly. */
  descendants: number;
}

export interface ServiceCount {
  name: string;
  spans: number;
  errors: number;
}

export interface Trace {
  id: string;
  /** Microseconds since the epoch. */
  start: number;
  /** Microseconds, from the first start to the last end. */
  duration: number;
  spans: Span[];
  /** Indexes, by time. */
  roots: number[];
  services: ServiceCount[];
  /** Levels of the tree. */
  depth: number;
  errors: number;
  warnings: string[];
}

/** A tag's value as text. */
export function valueText(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value) ?? '';
}

export function tagOf(tags: KeyValue[], ...keys: string[]): string | undefined {
  for (const key of keys) {
    const found = tags.find((tag) => tag.key === key);
    if (found && found.value !== '' && found.value !== null) return valueText(found.value);
  }
  return undefined;
}

/** The status says it, else the derived tag, which is also there where an application only wrote `error`. */
function isError(tags: KeyValue[]): boolean {
  const status = tagOf(tags, 'otel.status_code');
  if (status !== undefined) return status === 'ERROR';
  const error = tagOf(tags, 'error');
  return error !== undefined && error !== 'false';
}

function eventOf(log: { timestamp: number; fields: KeyValue[] }, traceStart: number): SpanEvent {
  const fields = log.fields ?? [];
  const name = tagOf(fields, 'event', 'message') ?? 'event';
  return { at: log.timestamp - traceStart, name, fields: fields.filter((f) => !(f.key === 'event' && valueText(f.value) === name)) };
}

type Draft = Omit<Span, 'index' | 'depth' | 'descendants' | 'children' | 'parent' | 'early'> & { up: number; below: number[] };

function draftOf(span: JaegerSpan, trace: JaegerTrace, traceStart: number): Draft {
  const tags = span.tags ?? [];
  const process = trace.processes[span.processID];
  return {
    id: span.spanID,
    service: process?.serviceName || 'unknown service',
    operation: span.operationName,
    kind: tagOf(tags, 'span.kind') ?? '',
    start: span.startTime - traceStart,
    duration: Math.max(0, span.duration),
    error: isError(tags),
    message: tagOf(tags, 'otel.status_description'),
    tags,
    resource: process?.tags ?? [],
    events: (span.logs ?? []).map((log) => eventOf(log, traceStart)).sort((a, b) => a.at - b.at),
    links: [],
    warnings: span.warnings ?? [],
    follows: false,
    up: -1,
    below: [],
  };
}

/** The reference that makes the tree: a parent, else a link to a span of the same trace. */
function parentOf(span: JaegerSpan, known: Map<string, number>): JaegerReference | undefined {
  const own = (span.references ?? []).filter((r) => r.traceID === span.traceID && r.spanID !== span.spanID);
  return own.find((r) => r.refType === 'CHILD_OF') ?? own.find((r) => known.has(r.spanID));
}

function connect(drafts: Draft[], spans: JaegerSpan[]): void {
  const known = new Map<string, number>();
  spans.forEach((span, i) => {
    if (!known.has(span.spanID)) known.set(span.spanID, i);
  });
  spans.forEach((span, i) => {
    const draft = drafts[i] as Draft;
    const parent = parentOf(span, known);
    draft.links = (span.references ?? []).filter((r) => r !== parent);
    if (!parent) return;
    const at = known.get(parent.spanID);
    if (at === undefined) draft.missingParent = parent.spanID;
    else if (at !== i) {
      draft.up = at;
      draft.follows = parent.refType === 'FOLLOWS_FROM';
    }
  });
}

/** Cuts cycles: the first span of each becomes a root. */
function cutCycles(drafts: Draft[]): void {
  // 0 not seen, 1 on the way up from the current span, 2 known to lead to a root
  const state = new Uint8Array(drafts.length);
  drafts.forEach((_draft, first) => {
    const way: number[] = [];
    let at = first;
    while (at >= 0 && state[at] === 0) {
      state[at] = 1;
      way.push(at);
      at = (drafts[at] as Draft).up;
    }
    if (at >= 0 && state[at] === 1) (drafts[at] as Draft).up = -1;
    for (const passed of way) state[passed] = 2;
  });
}

/** Depth first, without recursion: a chain may be thousands of spans deep. */
function inTreeOrder(drafts: Draft[]): Span[] {
  const byStart = (a: number, b: number) => (drafts[a] as Draft).start - (drafts[b] as Draft).start || a - b;
  const roots: number[] = [];
  drafts.forEach(({ up }, i) => (up < 0 ? roots : (drafts[up] as Draft).below).push(i));
  for (const draft of drafts) draft.below.sort(byStart);
  const spans: Span[] = [];
  const stack = roots.sort(byStart).reverse().map((draft) => ({ draft, parent: -1 }));
  for (let next = stack.pop(); next; next = stack.pop()) {
    const { up: _up, below, ...draft } = drafts[next.draft] as Draft;
    const parent = spans[next.parent];
    const index = spans.length;
    parent?.children.push(index);
    spans.push({
      ...draft,
      index,
      parent: next.parent,
      depth: parent ? parent.depth + 1 : 0,
      early: parent ? Math.max(0, parent.start - draft.start) : 0,
      children: [],
      descendants: 0,
    });
    for (let i = below.length - 1; i >= 0; i--) stack.push({ draft: below[i] as number, parent: index });
  }
  for (let i = spans.length - 1; i >= 0; i--) {
    const { parent, descendants } = spans[i] as Span;
    if (parent >= 0) (spans[parent] as Span).descendants += descendants + 1;
  }
  return spans;
}

/** By their first span. */
function servicesOf(spans: Span[]): ServiceCount[] {
  const counts = new Map<string, ServiceCount>();
  for (const { service, error } of spans) {
    const count = counts.get(service) ?? { name: service, spans: 0, errors: 0 };
    counts.set(service, count);
    count.spans += 1;
    if (error) count.errors += 1;
  }
  return [...counts.values()];
}

function summed(id: string, start: number, spans: Span[], warnings: string[]): Trace {
  let end = 0;
  let depth = 0;
  for (const span of spans) {
    end = Math.max(end, span.start + span.duration);
    depth = Math.max(depth, span.depth + 1);
  }
  return {
    id,
    start,
    duration: end,
    spans,
    roots: spans.filter((s) => s.parent < 0).map((s) => s.index),
    services: servicesOf(spans),
    depth,
    errors: spans.filter((s) => s.error).length,
    warnings,
  };
}

export function traceOf(raw: JaegerTrace): Trace {
  let start = Infinity;
  for (const span of raw.spans) start = Math.min(start, span.startTime);
  if (raw.spans.length === 0) start = 0;
  const drafts = raw.spans.map((span) => draftOf(span, raw, start));
  connect(drafts, raw.spans);
  cutCycles(drafts);
  return summed(raw.traceID, start, inTreeOrder(drafts), raw.warnings ?? []);
}

/** The span that names the trace: the first root whose parent is not merely missing, else the first span. */
export function mainSpan(trace: Trace): Span | undefined {
  const roots = trace.roots.map((i) => trace.spans[i] as Span);
  return roots.find((s) => s.missingParent === undefined) ?? roots[0];
}

export const endOf = (span: Span): number => span.start + span.duration;

/** Whether clocks that differ make the trace hard to read: a span starts before its parent by more than the parent lasts. */
export const isSkewed = (trace: Trace): boolean => trace.spans.some((s) => s.early > 0 && s.early > (trace.spans[s.parent] as Span).duration);

/**
 * The trace with every span that starts before its parent moved, with all below it, into the middle of the parent, or to its start where it is longer.
 * Spans of the parent's own process share its clock and move only with it.
 */
export function alignClocks(trace: Trace): Trace {
  const moved = new Float64Array(trace.spans.length);
  let first = Infinity;
  trace.spans.forEach((span, i) => {
    const parent = trace.spans[span.parent];
    if (parent) {
      const shift = moved[parent.index] as number;
      const own = span.service === parent.service || span.early === 0;
      const room = Math.max(0, parent.duration - span.duration) / 2;
      moved[i] = own ? shift : shift + span.early + Math.round(room);
    }
    first = Math.min(first, span.start + (moved[i] as number));
  });
  const spans = trace.spans.map((span, i): Span => {
    const by = (moved[i] as number) - first;
    return { ...span, start: span.start + by, events: span.events.map((e) => ({ ...e, at: e.at + by })) };
  });
  return summed(trace.id, trace.start + (Number.isFinite(first) ? first : 0), spans, trace.warnings);
}
