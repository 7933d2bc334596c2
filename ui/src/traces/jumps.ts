/** Links from a span to what else is known of its pod: its metrics in explore, its charts and log in the overview's drawer. Pure. */
import { endOf, tagOf, type Span, type Trace } from './model';

export interface PodOfSpan {
  namespace: string;
  name: string;
}

export function podOfSpan(span: Span): PodOfSpan | undefined {
  const name = tagOf(span.resource, 'k8s.pod.name');
  return name === undefined ? undefined : { namespace: tagOf(span.resource, 'k8s.namespace.name') ?? 'default', name };
}

const around = 10 * 60_000;

/** Ten minutes before and after, not beyond now. */
export function rangeAround(trace: Trace, span: Span, now: number): { from: string; to: string } {
  const start = (trace.start + span.start) / 1000;
  const end = (trace.start + endOf(span)) / 1000;
  return { from: String(Math.round(start - around)), to: String(Math.round(Math.max(end + 1000, Math.min(now, end + around)))) };
}

export function metricsHref({ namespace, name }: PodOfSpan, range: { from: string; to: string }): string {
  const matchers = `namespace="${namespace}",pod="${name}"`;
  const parameters = new URLSearchParams([
    ['q', `histogram_quantile(0.95, sum by (le) (rate(http_request_duration_seconds_bucket{${matchers}}[$__rate_interval])))`],
    ['q', `sum by (container) (rate(container_cpu_usage_seconds_total{${matchers},container!=""}[$__rate_interval]))`],
    ['from', range.from],
    ['to', range.to],
  ]);
  return `/explore?${parameters}`;
}

/** The pod's drawer; with a text, only the lines of its log that have it. */
export function podHref({ namespace, name }: PodOfSpan, range: { from: string; to: string }, log?: string): string {
  const parameters = new URLSearchParams({ pod: `${namespace}/${name}`, from: range.from, to: range.to });
  if (log) parameters.set('log', log);
  return `/?${parameters}`;
}
