/**
 * What differs between two traces. Spans are matched by their path: the services and operations from the root down to them. Spans of one path count
 * together, so that a query that runs ten times instead of once shows as one row. Output: rows in tree order. Pure.
 */
import type { Span, Trace } from './model';

export interface Side {
  count: number;
  /** Microseconds, of all spans of the path together. */
  duration: number;
  errors: number;
  /** Microseconds since the start of the trace. */
  firstStart: number;
  /** The first span, to open it. */
  spanId: string;
}

export type DiffState = 'same' | 'more' | 'fewer' | 'only-a' | 'only-b';

export interface DiffRow {
  key: string;
  service: string;
  operation: string;
  depth: number;
  a?: Side;
  b?: Side;
  state: DiffState;
  /** Whether this row or one below it is not the same. */
  differs: boolean;
  descendants: number;
}

interface Node {
  service: string;
  operation: string;
  a?: Side;
  b?: Side;
  children: Map<string, Node>;
}

const nodeOf = (service: string, operation: string): Node => ({ service, operation, children: new Map() });

function addTrace(root: Node, trace: Trace, side: 'a' | 'b'): void {
  const nodes: Node[] = [];
  for (const span of trace.spans) {
    const parent = nodes[span.parent] ?? root;
    const name = `${span.service}\n${span.operation}`;
    const node = parent.children.get(name) ?? nodeOf(span.service, span.operation);
    parent.children.set(name, node);
    nodes.push(node);
    addSpan(node, span, side);
  }
}

function addSpan(node: Node, span: Span, side: 'a' | 'b'): void {
  const known = (node[side] ??= { count: 0, duration: 0, errors: 0, firstStart: span.start, spanId: span.id });
  known.count += 1;
  known.duration += span.duration;
  if (span.error) known.errors += 1;
  known.firstStart = Math.min(known.firstStart, span.start);
}

function stateOf({ a, b }: Node): DiffState {
  if (!a) return 'only-b';
  if (!b) return 'only-a';
  if (a.count === b.count) return 'same';
  return b.count > a.count ? 'more' : 'fewer';
}

const startOf = ({ a, b }: Node): number => Math.min(a?.firstStart ?? Infinity, b?.firstStart ?? Infinity);

/** `more` and `fewer` are those of B against A. */
export function diffTraces(a: Trace, b: Trace): DiffRow[] {
  const root = nodeOf('', '');
  addTrace(root, a, 'a');
  addTrace(root, b, 'b');
  const rows: DiffRow[] = [];
  const sorted = (node: Node) => [...node.children].sort(([, x], [, y]) => startOf(y) - startOf(x));
  const stack = sorted(root).map(([name, node]) => ({ node, key: name, depth: 0 }));
  const parents: number[] = [];
  for (let next = stack.pop(); next; next = stack.pop()) {
    const { node, key, depth } = next;
    const state = stateOf(node);
    parents.length = depth;
    rows.push({ key, service: node.service, operation: node.operation, depth, a: node.a, b: node.b, state, differs: state !== 'same', descendants: 0 });
    for (const at of parents) {
      const row = rows[at] as DiffRow;
      row.descendants += 1;
      row.differs ||= state !== 'same';
    }
    parents.push(rows.length - 1);
    for (const [name, child] of sorted(node)) stack.push({ node: child, key: `${key}\n\n${name}`, depth: depth + 1 });
  }
  return rows;
}

export interface DiffSummary {
  /** Spans, not rows. */
  onlyA: number;
  onlyB: number;
  /** Of paths that both have. */
  extra: number;
  missing: number;
}

export function summaryOf(rows: DiffRow[]): DiffSummary {
  const summary = { onlyA: 0, onlyB: 0, extra: 0, missing: 0 };
  for (const { a, b } of rows) {
    if (!b) summary.onlyA += a?.count ?? 0;
    else if (!a) summary.onlyB += b.count;
    else if (b.count > a.count) summary.extra += b.count - a.count;
    else summary.missing += a.count - b.count;
  }
  return summary;
}
