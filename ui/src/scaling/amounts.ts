/** Metrics of autoscalers as numbers and as texts. Input: the API's quantities. Output: shares of the target, and what a person reads. Pure. */
import { formattedValueToString, getValueFormat } from '@grafana/data';
import type { AutoscalerMetric } from '../api/scaling';

const suffixes: Record<string, number> = {
  n: 1e-9, u: 1e-6, m: 1e-3, '': 1, k: 1e3, M: 1e6, G: 1e9, T: 1e12, P: 1e15, E: 1e18,
  Ki: 2 ** 10, Mi: 2 ** 20, Gi: 2 ** 30, Ti: 2 ** 40, Pi: 2 ** 50, Ei: 2 ** 60,
};

/** A Kubernetes quantity as a number; undefined for what is none. */
export function quantity(text: string | number | null | undefined): number | undefined {
  if (text == null) return undefined;
  if (typeof text === 'number') return text;
  const match = /^([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)([numkMGTPE]|[KMGTPE]i)?$/.exec(text.trim());
  return match ? Number(match[1]) * (suffixes[match[2] ?? ''] as number) : undefined;
}

export interface MetricState {
  name: string;
  /** Undefined while it cannot be read. */
  current?: number;
  target: number;
  /** Of the target: 1 is just enough. */
  share?: number;
  currentText: string;
  targetText: string;
}

const compact = (value: number): string => formattedValueToString(getValueFormat('short')(value));

function amountText(metric: AutoscalerMetric, value: number): string {
  if (metric.target.type === 'Utilization') return `${Math.round(value)} %`;
  if (metric.name === 'memory') return formattedValueToString(getValueFormat('bytes')(value));
  if (metric.name === 'cpu') return value < 1 ? `${Math.round(value * 1000)}m` : String(Number(value.toFixed(2)));
  return compact(Number(value.toPrecision(4)));
}

export function metricName({ name, container }: Pick<AutoscalerMetric, 'name' | 'container'>): string {
  const text = name === 'cpu' ? 'CPU' : name;
  return container ? `${text} of ${container}` : text;
}

/** What the target is compared with, as `kubectl get hpa` shows it. */
function currentOf({ target, current }: AutoscalerMetric): number | undefined {
  if (!current) return undefined;
  if (target.type === 'Utilization') return current.averageUtilization ?? undefined;
  return quantity(target.type === 'AverageValue' ? (current.averageValue ?? current.value) : current.value);
}

export function metricState(metric: AutoscalerMetric): MetricState {
  const current = currentOf(metric);
  const target = quantity(metric.target.value) ?? NaN;
  const perPod = metric.target.type === 'AverageValue' ? ' per pod' : '';
  return {
    name: metricName(metric),
    current,
    target,
    share: current !== undefined && target > 0 ? current / target : undefined,
    currentText: current === undefined ? 'unknown' : amountText(metric, current),
    targetText: amountText(metric, target) + perPod,
  };
}
