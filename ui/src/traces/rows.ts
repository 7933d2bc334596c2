/** Which spans a waterfall shows and where: collapsed subtrees are left out, opened spans take the height of their details. Pure, apart from the hook. */
import { useLayoutEffect, useState, type RefObject } from 'react';
import { valueText, type Span, type Trace } from './model';

export const rowHeight = 28;
/** Until the details of a span have been measured. */
const guessedDetails = 300;

export function visibleRows(trace: Trace, collapsed: ReadonlySet<string>): Span[] {
  const rows: Span[] = [];
  for (let i = 0; i < trace.spans.length; ) {
    const span = trace.spans[i] as Span;
    rows.push(span);
    i += 1 + (collapsed.has(span.id) ? span.descendants : 0);
  }
  return rows;
}

/** Where each row begins, and last where they end, in pixels. */
export function rowTops(rows: Span[], opened: ReadonlySet<string>, heights: ReadonlyMap<string, number>): Float64Array {
  const tops = new Float64Array(rows.length + 1);
  rows.forEach((span, i) => {
    const details = opened.has(span.id) ? (heights.get(span.id) ?? guessedDetails) : 0;
    tops[i + 1] = (tops[i] as number) + rowHeight + details;
  });
  return tops;
}

/** The last row that begins at or above a place. */
export function rowAt(tops: Float64Array, y: number): number {
  let low = 0;
  let high = tops.length - 2;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if ((tops[middle] as number) <= y) low = middle;
    else high = middle - 1;
  }
  return Math.max(0, low);
}

const overscan = 500;
/** Rows come and go in groups, so that most movements of the scroll bar render nothing. */
const group = 10;

/** First and last (exclusive) row to draw: those near the window. */
export function useWindowRows(tops: Float64Array, holder: RefObject<HTMLElement | null>): [number, number] {
  const [shown, setShown] = useState<[number, number]>([0, 60]);
  useLayoutEffect(() => {
    const measure = () => {
      const box = holder.current?.getBoundingClientRect();
      if (!box) return;
      const first = Math.floor(rowAt(tops, -box.top - overscan) / group) * group;
      const last = Math.ceil((rowAt(tops, window.innerHeight - box.top + overscan) + 1) / group) * group;
      setShown((old) => (old[0] === first && old[1] === last ? old : [first, last]));
    };
    measure();
    window.addEventListener('scroll', measure, { passive: true });
    window.addEventListener('resize', measure);
    return () => {
      window.removeEventListener('scroll', measure);
      window.removeEventListener('resize', measure);
    };
  }, [tops, holder]);
  return [Math.min(shown[0], tops.length - 1), Math.min(shown[1], tops.length - 1)];
}

const texts = new WeakMap<Span, string>();

function textOf(span: Span): string {
  let text = texts.get(span);
  if (text === undefined) {
    const tags = [...span.tags, ...span.resource, ...span.events.flatMap((e) => [{ key: e.name, value: '' }, ...e.fields])];
    text = [span.service, span.operation, span.id, span.kind, span.message ?? '', ...tags.map((t) => `${t.key}=${valueText(t.value)}`)].join('\n').toLowerCase();
    texts.set(span, text);
  }
  return text;
}

/** Indexes of the spans in which every word occurs: in names, ids, attributes, events. */
export function findSpans(trace: Trace, words: string): number[] {
  const wanted = words.toLowerCase().split(/\s+/).filter(Boolean);
  if (wanted.length === 0) return [];
  return trace.spans.filter((span) => wanted.every((word) => textOf(span).includes(word))).map((span) => span.index);
}

/** The next index after (or, backwards, before) one, round the end. */
export function nextOf(indexes: number[], after: number, backwards = false): number | undefined {
  if (indexes.length === 0) return undefined;
  if (backwards) return indexes.findLast((i) => i < after) ?? indexes.at(-1);
  return indexes.find((i) => i > after) ?? indexes[0];
}

/** Ids of the spans above one, from the root. */
export function ancestorsOf(trace: Trace, span: Span): string[] {
  const ids: string[] = [];
  for (let at = trace.spans[span.parent]; at; at = trace.spans[at.parent]) ids.unshift(at.id);
  return ids;
}
