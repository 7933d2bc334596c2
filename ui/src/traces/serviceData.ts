/**
 * The services and the calls between them, from the series made of spans, and, for edges those do not have, from Jaeger's dependencies. Output: plain rows; a
 * number that no series gives is undefined. Rates are means over the page's time range.
 */
import { dependencies, type Dependency } from '../api/jaeger';
import { ApiError } from '../api/http';
import { queryInstant, type Sample } from '../api/prometheus';
import type { TimeRange } from '../time/range';

export interface ServiceNode {
  name: string;
  /** Requests a second. */
  rate?: number;
  /** Share from 0 to 1. */
  errors?: number;
  /** Microseconds. */
  p95?: number;
  /** The service whose traces tell about it: its own, or, where it sends no spans (users, databases), one beside it. */
  tracedBy: string;
}

export interface ServiceEdge {
  from: string;
  to: string;
  /** Calls a second. */
  rate?: number;
  errors?: number;
  p95?: number;
  /** Calls in the kept traces, where no series has the edge. */
  calls?: number;
}

export interface ServiceMap {
  nodes: ServiceNode[];
  edges: ServiceEdge[];
  /** Where the edges come from. */
  source: 'series' | 'traces' | 'both' | 'none';
}

const received = 'span_kind=~".*(SERVER|CONSUMER|server|consumer)"';

export function serviceQueries(window: string) {
  const calls = `traces_span_metrics_calls_total{${received}}`;
  return {
    rate: `sum by (service_name) (rate(${calls}[${window}]))`,
    failed: `sum by (service_name) (rate(traces_span_metrics_calls_total{${received},status_code=~".*(ERROR|error)"}[${window}]))`,
    p95: `histogram_quantile(0.95, sum by (service_name, le) (rate(traces_span_metrics_duration_milliseconds_bucket{${received}}[${window}])))`,
    edgeRate: `sum by (client, server) (rate(traces_service_graph_request_total[${window}]))`,
    edgeFailed: `sum by (client, server) (rate(traces_service_graph_request_failed_total[${window}]))`,
    edgeP95: `histogram_quantile(0.95, sum by (client, server, le) (rate(traces_service_graph_request_server_seconds_bucket[${window}])))`,
  };
}

export type ServiceAnswers = Record<keyof ReturnType<typeof serviceQueries>, Sample[]>;

const edgeKey = (l: Record<string, string>) => `${l.client ?? ''}\n${l.server ?? ''}`;
const nodeKey = (l: Record<string, string>) => l.service_name ?? '';

function numbers(samples: Sample[], key: (labels: Record<string, string>) => string): Map<string, number> {
  return new Map(samples.filter((s) => Number.isFinite(s.value)).map((s) => [key(s.labels), s.value]));
}

const shareOf = (failed: number | undefined, all: number | undefined): number | undefined => (all === undefined || all <= 0 ? undefined : Math.min(1, (failed ?? 0) / all));

/** A node that sends no spans: its numbers are those of the calls to it, or, where nobody calls it, of the calls it makes. */
function silentNode(name: string, edges: ServiceEdge[]): ServiceNode {
  const calledBy = edges.filter((e) => e.to === name);
  const calls = calledBy.length > 0 ? calledBy : edges.filter((e) => e.from === name);
  const rate = calls.reduce((sum, e) => sum + (e.rate ?? 0), 0);
  const failed = calls.reduce((sum, e) => sum + (e.rate ?? 0) * (e.errors ?? 0), 0);
  const first = calls[0];
  return { name, rate, errors: shareOf(failed, rate), tracedBy: first ? (first.from === name ? first.to : first.from) : name };
}

export function serviceMapOf(a: ServiceAnswers, seen: Dependency[]): ServiceMap {
  const [rate, failed, p95] = [numbers(a.rate, nodeKey), numbers(a.failed, nodeKey), numbers(a.p95, nodeKey)];
  const [edgeRate, edgeFailed, edgeP95] = [numbers(a.edgeRate, edgeKey), numbers(a.edgeFailed, edgeKey), numbers(a.edgeP95, edgeKey)];
  const edges = new Map<string, ServiceEdge>();
  for (const [key, value] of edgeRate) {
    const [from = '', to = ''] = key.split('\n');
    if (value <= 0 || from === to || !from || !to) continue;
    const seconds = edgeP95.get(key);
    edges.set(key, { from, to, rate: value, errors: shareOf(edgeFailed.get(key), value), p95: seconds === undefined ? undefined : seconds * 1e6 });
  }
  const fromSeries = edges.size;
  for (const { parent, child, callCount } of seen) {
    const key = `${parent}\n${child}`;
    if (parent !== child && callCount > 0 && !edges.has(key)) edges.set(key, { from: parent, to: child, calls: callCount });
  }
  const ends = [...edges.values()].flatMap((e) => [e.from, e.to]);
  const names = new Set([...[...rate].filter(([, r]) => r > 0).map(([name]) => name), ...ends, ...seen.flatMap((d) => [d.parent, d.child])]);
  names.delete('');
  const nodes = [...names].sort().map((name): ServiceNode => {
    const ms = p95.get(name);
    if (rate.has(name) || seen.some((d) => d.parent === name || d.child === name)) {
      return { name, rate: rate.get(name), errors: shareOf(failed.get(name), rate.get(name)), p95: ms === undefined ? undefined : ms * 1000, tracedBy: name };
    }
    return silentNode(name, [...edges.values()]);
  });
  const source = edges.size === 0 ? 'none' : fromSeries === 0 ? 'traces' : fromSeries === edges.size ? 'series' : 'both';
  return { nodes, edges: [...edges.values()], source };
}

/** A server without Jaeger's API may still have the series. */
function noneIfUnknown(error: unknown): Dependency[] {
  if (error instanceof ApiError && error.status === 404) return [];
  throw error;
}

export async function loadServiceMap(range: TimeRange, signal: AbortSignal): Promise<ServiceMap> {
  const seconds = Math.max(60, Math.round((range.to - range.from) / 1000));
  const queries = serviceQueries(`${seconds}s`);
  const names = Object.keys(queries) as (keyof typeof queries)[];
  const [seen, ...answers] = await Promise.all([
    dependencies(range.to, range.to - range.from, signal).catch(noneIfUnknown),
    ...names.map((name) => queryInstant(queries[name], range.to, signal)),
  ]);
  return serviceMapOf(Object.fromEntries(names.map((name, i) => [name, answers[i]?.samples ?? []])) as ServiceAnswers, seen);
}
