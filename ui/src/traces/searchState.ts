/**
 * A trace search as the URL holds it, and the answer's order. Everything a search depends on is in the URL; the time range is the page's own (`from`,
 * `to`). Pure, apart from `runSearch`, which asks Jaeger's API.
 */
import { searchTraces, type JaegerTrace, type TraceQuery } from '../api/jaeger';
import { searchDuration } from './duration';
import { mainSpan, traceOf, type Trace } from './model';
import { parseTags } from './tags';

export type Order = 'recent' | 'longest' | 'shortest' | 'spans' | 'errors';

export const orders: Record<Order, string> = {
  recent: 'Newest first',
  longest: 'Longest first',
  shortest: 'Shortest first',
  spans: 'Most spans first',
  errors: 'Most errors first',
};

export const limits = [20, 50, 100, 200, 500, 1000];
export const defaultLimit = 100;

/** Searching all services asks once for each of them; with more than these a service has to be chosen. */
export const mostServicesAtOnce = 16;

export interface SearchState {
  /** Empty for all services. */
  service: string;
  operation: string;
  tags: string;
  min: string;
  max: string;
  limit: number;
  order: Order;
  /** Ids of the traces chosen for a comparison, at most two. */
  picked: string[];
}

export function searchStateOf({ searchParams }: URL): SearchState {
  const text = (name: string) => searchParams.get(name) ?? '';
  const limit = Number(text('limit'));
  const order = text('order');
  return {
    service: text('service'),
    operation: text('service') ? text('operation') : '',
    tags: text('tags'),
    min: text('min'),
    max: text('max'),
    limit: Number.isInteger(limit) && limit >= 1 && limit <= 1500 ? limit : defaultLimit,
    order: order in orders ? (order as Order) : 'recent',
    picked: searchParams.getAll('pick').slice(0, 2),
  };
}

/** For setParameters: what has its default value is not in the URL. */
export function urlOf(state: SearchState): Record<string, string | string[] | undefined> {
  return {
    service: state.service || undefined,
    operation: state.operation || undefined,
    tags: state.tags || undefined,
    min: state.min || undefined,
    max: state.max || undefined,
    limit: state.limit === defaultLimit ? undefined : String(state.limit),
    order: state.order === 'recent' ? undefined : state.order,
    pick: state.picked,
  };
}

/** A link to a search from other pages; the time range is left to the caller. */
export function searchHref(state: Partial<SearchState>, range?: { from: string; to: string }): string {
  const whole = { service: '', operation: '', tags: '', min: '', max: '', limit: defaultLimit, order: 'recent' as Order, picked: [], ...state };
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(urlOf(whole))) {
    for (const item of value === undefined ? [] : [value].flat()) parameters.append(name, item);
  }
  if (range) {
    parameters.set('from', range.from);
    parameters.set('to', range.to);
  }
  const text = parameters.toString();
  return text ? `/traces?${text}` : '/traces';
}

/** What is wrong with the fields, by field. */
export function searchErrors({ tags, min, max }: Pick<SearchState, 'tags' | 'min' | 'max'>): { tags?: string; min?: string; max?: string } {
  const bad = (text: string) => (text !== '' && searchDuration(text) === undefined ? `“${text}” is no duration; hint: 1.5ms, 200us, 2s` : undefined);
  return { tags: parseTags(tags).error, min: bad(min), max: bad(max) };
}

export const hasErrors = (errors: Record<string, string | undefined>): boolean => Object.values(errors).some((e) => e !== undefined);

export function queriesOf(state: SearchState, services: string[], range: { from: number; to: number }): TraceQuery[] {
  const shared = {
    operation: state.operation || undefined,
    tags: parseTags(state.tags).tags,
    minDuration: searchDuration(state.min),
    maxDuration: searchDuration(state.max),
    fromMs: range.from,
    toMs: range.to,
    limit: state.limit,
  };
  const asked = state.service ? [state.service] : services.slice(0, mostServicesAtOnce);
  return asked.map((service) => ({ service, ...shared }));
}

/** One trace once, however many services found it; the newest `limit`. */
export function mergeFound(answers: JaegerTrace[][], limit: number): Trace[] {
  const byId = new Map<string, JaegerTrace>();
  for (const trace of answers.flat()) {
    const known = byId.get(trace.traceID);
    if (!known || known.spans.length < trace.spans.length) byId.set(trace.traceID, trace);
  }
  return [...byId.values()]
    .filter((raw) => raw.spans.length > 0)
    .map(traceOf)
    .sort((a, b) => b.start - a.start)
    .slice(0, limit);
}

export async function runSearch(state: SearchState, services: string[], range: { from: number; to: number }, signal: AbortSignal): Promise<Trace[]> {
  return mergeFound(await Promise.all(queriesOf(state, services, range).map((query) => searchTraces(query, signal))), state.limit);
}

export function sortTraces(traces: Trace[], order: Order): Trace[] {
  const keys: Record<Order, (t: Trace) => number> = {
    recent: (t) => -t.start,
    longest: (t) => -t.duration,
    shortest: (t) => t.duration,
    spans: (t) => -t.spans.length,
    errors: (t) => -t.errors,
  };
  const key = keys[order];
  return [...traces].sort((a, b) => key(a) - key(b) || b.start - a.start);
}

/** Another pick; of three the oldest goes. */
export function togglePick(picked: string[], id: string): string[] {
  return picked.includes(id) ? picked.filter((p) => p !== id) : [...picked, id].slice(-2);
}

/** Whether the API can be asked for it. */
export const isTraceId = (id: string): boolean => /^[\da-f]{1,32}$/i.test(id);

export const traceIdHelp = 'A trace id is 1 to 32 hexadecimal digits: 0 to 9 and a to f.';

/** The id of a trace as a person pastes it: hexadecimal, up to 32 digits, dashes and an URL around it are taken off. */
export function readTraceId(text: string): string | undefined {
  const trimmed = text.trim().replace(/[?#].*$/, '').replace(/^.*\//, '').replace(/-/g, '').toLowerCase();
  return /^[\da-f]{1,32}$/.test(trimmed) && !/^0+$/.test(trimmed) ? trimmed : undefined;
}

export const traceHref = (id: string, span?: string): string => `/trace/${encodeURIComponent(id)}${span ? `?span=${encodeURIComponent(span)}` : ''}`;

export const compareHref = (a: string, b: string): string => `/traces/compare?${new URLSearchParams({ a, b })}`;

/** "todo-frontend: POST /tasks". */
export function titleOf(trace: Trace): { service: string; operation: string } {
  const main = mainSpan(trace);
  return { service: main?.service ?? '', operation: main?.operation ?? 'no spans' };
}
