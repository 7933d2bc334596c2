/**
 * Jaeger's query API, same origin: services, operations, traces, dependencies. Output: Jaeger's own JSON shapes; traces/model.ts makes traces of them.
 * Times and durations are in microseconds here, as Jaeger has them, except where a name says otherwise.
 */
import { ApiError, getJson } from './http';
import { WorkQueue } from './queue';

export interface KeyValue {
  key: string;
  type?: string;
  value: unknown;
}

export interface JaegerReference {
  refType: 'CHILD_OF' | 'FOLLOWS_FROM';
  traceID: string;
  spanID: string;
}

export interface JaegerSpan {
  traceID: string;
  spanID: string;
  operationName: string;
  references?: JaegerReference[] | null;
  startTime: number;
  duration: number;
  tags?: KeyValue[] | null;
  logs?: { timestamp: number; fields: KeyValue[] }[] | null;
  processID: string;
  warnings?: string[] | null;
}

export interface JaegerTrace {
  traceID: string;
  spans: JaegerSpan[];
  processes: Record<string, { serviceName: string; tags?: KeyValue[] | null }>;
  warnings?: string[] | null;
}

export interface Operation {
  name: string;
  spanKind: string;
}

export interface Dependency {
  parent: string;
  child: string;
  callCount: number;
}

export interface TraceQuery {
  service: string;
  operation?: string;
  /** Every one has to be there, on one span. */
  tags?: Record<string, string>;
  /** As Jaeger writes durations: "1.5ms", "200us". */
  minDuration?: string;
  maxDuration?: string;
  fromMs: number;
  toMs: number;
  limit: number;
}

interface Envelope<T> {
  data: T | null;
  errors?: { code?: number; msg: string; traceID?: string }[] | null;
}

/** Answers of many traces are large: a few at a time. */
const searches = new WorkQueue(4);

async function ask<T>(path: string, signal?: AbortSignal): Promise<T | null> {
  const { data, errors } = await getJson<Envelope<T>>(path, signal);
  if (data === null && errors?.[0]) throw new ApiError(errors[0].msg, errors[0].code ?? 200);
  return data;
}

export async function traceServices(signal?: AbortSignal): Promise<string[]> {
  return [...((await ask<string[]>('/api/services', signal)) ?? [])].sort();
}

export async function traceOperations(service: string, signal?: AbortSignal): Promise<Operation[]> {
  return (await ask<Operation[]>(`/api/operations?${new URLSearchParams({ service })}`, signal)) ?? [];
}

export function searchParameters(query: TraceQuery): URLSearchParams {
  const parameters = new URLSearchParams({ service: query.service });
  if (query.operation) parameters.set('operation', query.operation);
  if (query.tags && Object.keys(query.tags).length > 0) parameters.set('tags', JSON.stringify(query.tags));
  if (query.minDuration) parameters.set('minDuration', query.minDuration);
  if (query.maxDuration) parameters.set('maxDuration', query.maxDuration);
  parameters.set('start', String(Math.round(query.fromMs * 1000)));
  parameters.set('end', String(Math.round(query.toMs * 1000)));
  parameters.set('limit', String(query.limit));
  return parameters;
}

export async function searchTraces(query: TraceQuery, signal?: AbortSignal): Promise<JaegerTrace[]> {
  return (await searches.run(() => ask<JaegerTrace[]>(`/api/traces?${searchParameters(query)}`, signal), signal)) ?? [];
}

/** Undefined where the server does not know the trace. */
export async function loadTrace(id: string, signal?: AbortSignal): Promise<JaegerTrace | undefined> {
  try {
    return (await ask<JaegerTrace[]>(`/api/traces/${encodeURIComponent(id)}`, signal))?.[0];
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) return undefined;
    throw error;
  }
}

export async function dependencies(toMs: number, lookbackMs: number, signal?: AbortSignal): Promise<Dependency[]> {
  const parameters = new URLSearchParams({ endTs: String(Math.round(toMs)), lookback: String(Math.round(lookbackMs)) });
  return (await ask<Dependency[]>(`/api/dependencies?${parameters}`, signal)) ?? [];
}
