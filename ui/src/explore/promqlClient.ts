/**
 * What the editor's completion asks: metric names with type and help, label names and values, from the Prometheus API of the same origin. Answers are kept
 * for a minute, since completion asks at every key.
 */
import type { PrometheusClient } from '@prometheus-io/codemirror-promql';
import { labelNames, labelValues, metadata } from '../api/prometheus';

const keepMs = 60_000;
/** Labels of the last hour: completion is about what is there now. */
const lookbackMs = 3_600_000;

const kept = new Map<string, { until: number; answer: Promise<unknown> }>();

function once<T>(key: string, ask: () => Promise<T>): Promise<T> {
  const known = kept.get(key);
  if (known && known.until > Date.now()) return known.answer as Promise<T>;
  const answer = ask();
  kept.set(key, { until: Date.now() + keepMs, answer });
  answer.catch(() => kept.delete(key));
  return answer;
}

const recent = () => ({ from: Date.now() - lookbackMs, to: Date.now() });

/** A failing completion must not disturb typing: it completes nothing. */
const orNothing = <T>(promise: Promise<T>, nothing: T): Promise<T> => promise.catch(() => nothing);

const selectorOf = (metric: string | undefined): string[] => (metric ? [metric] : []);

export const knownMetadata = () => once('metadata', () => metadata());
export const knownMetrics = () => once('metrics', () => labelValues('__name__', [], recent()));

export const promqlClient: PrometheusClient = {
  labelNames: (metric) => orNothing(once(`names ${metric}`, () => labelNames(selectorOf(metric), recent())), []),
  labelValues: (label, metric) => {
    if (label === '__name__') return orNothing(knownMetrics(), []);
    return orNothing(once(`values ${label} ${metric}`, () => labelValues(label, selectorOf(metric), recent())), []);
  },
  metricMetadata: () => orNothing(knownMetadata(), {}),
  series: () => Promise.resolve([]),
  metricNames: () => orNothing(knownMetrics(), []),
  flags: () => Promise.resolve({}),
};
