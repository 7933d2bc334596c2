/**
 * The Prometheus HTTP API, same origin. Output: range results on one shared time grid, instant vectors, and metadata.
 * At most six queries are under way at once. Does not cache; see panels/fetch.ts for the sharing of equal queries.
 */
import { early } from './early';
import { ApiError, getJson, postForm } from './http';
import { WorkQueue } from './queue';

export type Labels = Record<string, string>;

export interface Envelope<T> {
  status: 'success' | 'error';
  data: T;
  error?: string;
  warnings?: string[];
  infos?: string[];
}

interface QueryData {
  resultType: 'matrix' | 'vector' | 'scalar' | 'string';
  result: unknown;
}

/** Values on the grid `start, start+step, …`; null where the series has no sample. */
export interface GridSeries {
  labels: Labels;
  values: (number | null)[];
}

export interface RangeResult {
  /** Milliseconds since the epoch. */
  times: number[];
  series: GridSeries[];
  notices: string[];
}

export interface Sample {
  labels: Labels;
  timeMs: number;
  value: number;
}

export interface InstantResult {
  samples: Sample[];
  /** Set for a string or scalar expression. */
  resultType: QueryData['resultType'];
  notices: string[];
}

export interface RangeQuery {
  expr: string;
  /** Milliseconds since the epoch, aligned to the step. */
  start: number;
  end: number;
  /** Milliseconds. */
  step: number;
}

const queries = new WorkQueue(6);
const seconds = (ms: number) => String(ms / 1000);

export function unwrap<T>(body: Envelope<T>): T {
  if (body.status !== 'success') throw new ApiError(body.error ?? 'the query failed', 200);
  return body.data;
}

const notices = (body: Envelope<unknown>) => [...(body.warnings ?? []), ...(body.infos ?? [])];

/** Sample values as Prometheus writes them; NaN is treated as absent, as Grafana does when it draws. */
function drawable(text: string): number | null {
  const value = Number(text);
  if (!Number.isNaN(value)) return value;
  if (text === '+Inf' || text === 'Inf') return Infinity;
  if (text === '-Inf') return -Infinity;
  return null;
}

interface MatrixRow {
  metric: Labels;
  values?: [number, string][];
}

export function gridOf(rows: MatrixRow[], query: RangeQuery): Pick<RangeResult, 'times' | 'series'> {
  const { start, step } = query;
  const length = Math.max(0, Math.floor((query.end - start) / step) + 1);
  const times = new Array<number>(length);
  for (let i = 0; i < length; i++) times[i] = start + i * step;
  const series = rows.map((row) => {
    const points = row.values ?? [];
    const values = points.length === length ? new Array<number | null>(length) : new Array<number | null>(length).fill(null);
    for (let i = 0; i < points.length; i++) {
      const point = points[i] as [number, string];
      const slot = Math.round((point[0] * 1000 - start) / step);
      if (slot >= 0 && slot < length) values[slot] = drawable(point[1]);
    }
    return { labels: row.metric, values };
  });
  return { times, series };
}

export function queryRange(query: RangeQuery, signal?: AbortSignal): Promise<RangeResult> {
  return early(`range ${query.start} ${query.end} ${query.step} ${query.expr}`, signal, (own) => askRange(query, own));
}

async function askRange(query: RangeQuery, signal?: AbortSignal): Promise<RangeResult> {
  const form = new URLSearchParams({
    query: query.expr,
    start: seconds(query.start),
    end: seconds(query.end),
    step: seconds(query.step),
  });
  const body = await queries.run(() => postForm<Envelope<QueryData>>('/api/v1/query_range', form, signal), signal);
  const data = unwrap(body);
  return { ...gridOf(data.result as MatrixRow[], query), notices: notices(body) };
}

interface VectorRow {
  metric: Labels;
  value?: [number, string];
  values?: [number, string][];
}

function samplesOf(data: QueryData): Sample[] {
  if (data.resultType === 'scalar' || data.resultType === 'string') {
    const [time, text] = data.result as [number, string];
    return [{ labels: {}, timeMs: time * 1000, value: drawable(text) ?? NaN }];
  }
  return (data.result as VectorRow[]).map((row) => {
    const [time, text] = row.value ?? row.values?.at(-1) ?? [0, 'NaN'];
    return { labels: row.metric, timeMs: time * 1000, value: drawable(text) ?? NaN };
  });
}

/** `timeMs` undefined asks for the server's current time. */
export function queryInstant(expr: string, timeMs?: number, signal?: AbortSignal): Promise<InstantResult> {
  return early(`instant ${timeMs} ${expr}`, signal, (own) => askInstant(expr, timeMs, own));
}

async function askInstant(expr: string, timeMs?: number, signal?: AbortSignal): Promise<InstantResult> {
  const form = new URLSearchParams({ query: expr });
  if (timeMs !== undefined) form.set('time', seconds(timeMs));
  const body = await queries.run(() => postForm<Envelope<QueryData>>('/api/v1/query', form, signal), signal);
  const data = unwrap(body);
  return { samples: samplesOf(data), resultType: data.resultType, notices: notices(body) };
}

/** One measured value of a histogram or counter, with the labels that say where it comes from: usually the id of a trace. */
export interface Exemplar {
  labels: Labels;
  /** Of the series that it belongs to. */
  series: Labels;
  value: number;
  timeMs: number;
}

interface ExemplarRow {
  seriesLabels: Labels;
  exemplars: { labels: Labels; value: string; timestamp: number }[];
}

/** The exemplars of all series that an expression reads. */
export function queryExemplars(expr: string, start: number, end: number, signal?: AbortSignal): Promise<Exemplar[]> {
  return early(`exemplars ${start} ${end} ${expr}`, signal, async (own) => {
    const form = new URLSearchParams({ query: expr, start: seconds(start), end: seconds(end) });
    const body = await queries.run(() => postForm<Envelope<ExemplarRow[] | null>>('/api/v1/query_exemplars', form, own), own);
    return (unwrap(body) ?? []).flatMap(({ seriesLabels, exemplars }) =>
      exemplars.map(({ labels, value, timestamp }) => ({ labels, series: seriesLabels, value: Number(value), timeMs: timestamp * 1000 })),
    );
  });
}

function windowed(path: string, matchers: string[], range?: { from: number; to: number }): string {
  const parameters = new URLSearchParams();
  for (const matcher of matchers) parameters.append('match[]', matcher);
  if (range) {
    parameters.set('start', seconds(range.from));
    parameters.set('end', seconds(range.to));
  }
  const text = parameters.toString();
  return text ? `${path}?${text}` : path;
}

export async function labelValues(
  label: string,
  matchers: string[],
  range?: { from: number; to: number },
  signal?: AbortSignal,
): Promise<string[]> {
  const path = windowed(`/api/v1/label/${encodeURIComponent(label)}/values`, matchers, range);
  return unwrap(await early(path, signal, (own) => getJson<Envelope<string[]>>(path, own)));
}

export async function labelNames(
  matchers: string[],
  range?: { from: number; to: number },
  signal?: AbortSignal,
): Promise<string[]> {
  return unwrap(await getJson<Envelope<string[]>>(windowed('/api/v1/labels', matchers, range), signal));
}

export interface MetricMetadata {
  type: string;
  help: string;
  unit: string;
}

export async function metadata(signal?: AbortSignal): Promise<Record<string, MetricMetadata[]>> {
  return unwrap(await getJson<Envelope<Record<string, MetricMetadata[]>>>('/api/v1/metadata', signal));
}

export interface Target {
  discoveredLabels: Labels;
  labels: Labels;
  scrapePool: string;
  scrapeUrl: string;
  globalUrl?: string;
  lastError: string;
  /** RFC 3339. */
  lastScrape: string;
  /** Seconds. */
  lastScrapeDuration: number;
  health: 'up' | 'down' | 'unknown';
  scrapeInterval?: string;
  scrapeTimeout?: string;
}

export async function activeTargets(signal?: AbortSignal): Promise<Target[]> {
  const data = unwrap(
    await getJson<Envelope<{ activeTargets: Target[] | null }>>('/api/v1/targets?state=active', signal),
  );
  return data.activeTargets ?? [];
}

export async function buildVersion(signal?: AbortSignal): Promise<string> {
  return unwrap(await getJson<Envelope<{ version: string }>>('/api/v1/status/buildinfo', signal)).version;
}
