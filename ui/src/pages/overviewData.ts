/**
 * What the overview shows, from PromQL over the metrics of kube-state-metrics, cAdvisor and node-exporter, and from the targets API. Output: plain
 * rows, and what is wrong with pods (podTroubles.ts). Where a metric is missing (tidewatch serve has no Kubernetes) the lists are empty.
 */
import { listEvents, type KubernetesEvent } from '../api/kubernetes';
import { activeTargets, queryInstant, queryRange, type Sample, type Target } from '../api/prometheus';
import type { TimeRange } from '../time/range';
import { alignRange, computeStep } from '../time/step';
import { podTroubles, reasonOf, type PodTrouble } from './podTroubles';

export interface Workload {
  namespace: string;
  name: string;
  desired: number;
  ready: number;
  available: number;
  /** Of its HorizontalPodAutoscaler. */
  limits?: { min: number; max: number };
}

export interface PodRow {
  namespace: string;
  name: string;
  workload: string;
  node: string;
  ip: string;
  phase: string;
  /** CrashLoopBackOff and the like, while it waits. */
  waiting?: string;
  ready: boolean;
  restarts: number;
  /** Of them in the last quarter of an hour. */
  recentRestarts: number;
  /** Why a container of it last ended: OOMKilled, Error, Completed. */
  lastEnd?: string;
  /** Seconds since the epoch. */
  created?: number;
  /** Cores. */
  cpu?: number;
  cpuLimit?: number;
  /** Bytes. */
  memory?: number;
  memoryLimit?: number;
  /** CPU over the time range. */
  history: (number | null)[];
}

export interface Overview {
  workloads: Workload[];
  pods: PodRow[];
  troubles: PodTrouble[];
  targets: Target[];
  /** Of the requests that spans tell about; empty without any. Requests a second, a share from 0 to 1, milliseconds. */
  requests: { rate?: number; errors?: number; p95?: number };
  /** Shares from 0 to 1, and bytes. */
  node: { cpu?: number; memory?: number; memoryUsed?: number; memoryTotal?: number; cores?: number; history: (number | null)[] };
}

const cpuByPod = 'sum by (namespace, pod) (rate(container_cpu_usage_seconds_total{container!=""}[2m]))';
const nodeCpu = '1 - avg(rate(node_cpu_seconds_total{mode="idle"}[2m]))';
const serverSpans = 'span_kind=~".*(SERVER|server)"';

const queries = {
  desired: 'kube_deployment_spec_replicas',
  ready: 'kube_deployment_status_replicas_ready',
  available: 'kube_deployment_status_replicas_available',
  minReplicas: 'kube_horizontalpodautoscaler_spec_min_replicas',
  maxReplicas: 'kube_horizontalpodautoscaler_spec_max_replicas',
  autoscalers: 'kube_horizontalpodautoscaler_info{scaletargetref_kind="Deployment"}',
  pods: 'kube_pod_info',
  created: 'kube_pod_created',
  phases: 'kube_pod_status_phase == 1',
  podReady: 'kube_pod_status_ready{condition="true"} == 1',
  waiting: 'kube_pod_container_status_waiting_reason == 1',
  lastEnds: 'kube_pod_container_status_last_terminated_reason == 1',
  ends: 'kube_pod_container_status_terminated_reason == 1',
  recentRestarts: 'sum by (namespace, pod) (changes(kube_pod_container_status_restarts_total[15m]))',
  restarts: 'sum by (namespace, pod) (kube_pod_container_status_restarts_total)',
  cpu: cpuByPod,
  cpuLimit: 'sum by (namespace, pod) (kube_pod_container_resource_limits{resource="cpu"})',
  memory: 'sum by (namespace, pod) (container_memory_working_set_bytes{container!=""})',
  memoryLimit: 'sum by (namespace, pod) (kube_pod_container_resource_limits{resource="memory"})',
  nodeCpu,
  nodeCores: 'count(node_cpu_seconds_total{mode="idle"})',
  nodeMemory: 'sum(node_memory_MemTotal_bytes)',
  nodeMemoryAvailable: 'sum(node_memory_MemAvailable_bytes)',
  requests: `sum(rate(traces_span_metrics_calls_total{${serverSpans}}[5m]))`,
  requestErrors: `sum(rate(traces_span_metrics_calls_total{${serverSpans},status_code=~".*(ERROR|error)"}[5m]))`,
  requestP95: `histogram_quantile(0.95, sum by (le) (rate(traces_span_metrics_duration_milliseconds_bucket{${serverSpans}}[5m])))`,
};

export type Answers = Record<keyof typeof queries, Sample[]>;

const podKey = (labels: Record<string, string>) => `${labels.namespace ?? ''}/${labels.pod ?? ''}`;

function byKey(samples: Sample[], keyOf: (labels: Record<string, string>) => string): Map<string, Sample> {
  return new Map(samples.map((s) => [keyOf(s.labels), s]));
}

/** Names of the autoscalers by the Deployment that they scale. */
function autoscalersOf(samples: Sample[]): Map<string, string> {
  return new Map(samples.map(({ labels: l }) => [`${l.namespace ?? ''}/${l.scaletargetref_name ?? ''}`, `${l.namespace ?? ''}/${l.horizontalpodautoscaler ?? ''}`]));
}

export function workloadsOf(a: Pick<Answers, 'desired' | 'ready' | 'available' | 'minReplicas' | 'maxReplicas' | 'autoscalers'>): Workload[] {
  const key = (l: Record<string, string>) => `${l.namespace ?? ''}/${l.deployment ?? l.horizontalpodautoscaler ?? ''}`;
  const autoscalers = autoscalersOf(a.autoscalers);
  const ready = byKey(a.ready, key);
  const available = byKey(a.available, key);
  const min = byKey(a.minReplicas, key);
  const max = byKey(a.maxReplicas, key);
  return a.desired
    .map(({ labels, value }) => {
      const id = key(labels);
      const autoscaler = autoscalers.get(id) ?? '';
      const low = min.get(autoscaler);
      const high = max.get(autoscaler);
      return {
        namespace: labels.namespace ?? '',
        name: labels.deployment ?? '',
        desired: value,
        ready: ready.get(id)?.value ?? 0,
        available: available.get(id)?.value ?? 0,
        limits: low && high ? { min: low.value, max: high.value } : undefined,
      };
    })
    .sort((x, y) => x.namespace.localeCompare(y.namespace) || x.name.localeCompare(y.name));
}

/** Of all workloads that are autoscaled together; undefined where none is. */
export function scalingOf(workloads: Workload[]): { replicas: number; most: number; atMost: number } | undefined {
  const scaled = workloads.flatMap(({ desired, limits }) => (limits ? { desired, most: limits.max } : []));
  if (scaled.length === 0) return undefined;
  const sum = (numbers: number[]) => numbers.reduce((total, n) => total + n, 0);
  return { replicas: sum(scaled.map((w) => w.desired)), most: sum(scaled.map((w) => w.most)), atMost: scaled.filter((w) => w.desired >= w.most).length };
}

/** "todo-backend-7d9c5b8f4-x2kqp" → "todo-backend". */
export function workloadOfPod(name: string, workloads: string[]): string {
  const owner = workloads.filter((w) => name.startsWith(`${w}-`)).sort((a, b) => b.length - a.length)[0];
  return owner ?? name.replace(/-[a-z0-9]+-[a-z0-9]+$/, '');
}

function podsOf(a: Answers, history: Map<string, (number | null)[]>): PodRow[] {
  const phase = byKey(a.phases, podKey);
  const ready = byKey(a.podReady, podKey);
  const waiting = byKey(a.waiting, podKey);
  const restarts = byKey(a.restarts, podKey);
  const recentRestarts = byKey(a.recentRestarts, podKey);
  const ends = byKey([...a.lastEnds, ...a.ends], podKey);
  const created = byKey(a.created, podKey);
  const cpu = byKey(a.cpu, podKey);
  const cpuLimit = byKey(a.cpuLimit, podKey);
  const memory = byKey(a.memory, podKey);
  const memoryLimit = byKey(a.memoryLimit, podKey);
  const deployments = a.desired.map((s) => s.labels.deployment ?? '');
  return a.pods
    .map(({ labels }) => {
      const key = podKey(labels);
      const name = labels.pod ?? '';
      return {
        namespace: labels.namespace ?? '',
        name,
        workload: workloadOfPod(name, deployments),
        node: labels.node ?? '',
        ip: labels.pod_ip ?? '',
        phase: phase.get(key)?.labels.phase ?? 'Unknown',
        waiting: waiting.get(key)?.labels.reason,
        ready: ready.has(key),
        restarts: restarts.get(key)?.value ?? 0,
        recentRestarts: recentRestarts.get(key)?.value ?? 0,
        lastEnd: ends.get(key)?.labels.reason,
        created: created.get(key)?.value,
        cpu: cpu.get(key)?.value,
        cpuLimit: cpuLimit.get(key)?.value,
        memory: memory.get(key)?.value,
        memoryLimit: memoryLimit.get(key)?.value,
        history: history.get(key) ?? [],
      };
    })
    .sort((x, y) => x.namespace.localeCompare(y.namespace) || x.name.localeCompare(y.name));
}

/** Events of the namespaces with pods in trouble; without them the reasons alone are shown. */
async function troublesOf(pods: PodRow[], signal: AbortSignal): Promise<PodTrouble[]> {
  const now = Date.now() / 1000;
  const namespaces = [...new Set(pods.filter((p) => reasonOf(p, now) !== undefined).map((p) => p.namespace))];
  const events = await Promise.all(
    namespaces.map(async (namespace): Promise<[string, KubernetesEvent[]]> => [namespace, (await listEvents(namespace, signal).catch(() => undefined)) ?? []]),
  );
  return podTroubles(pods, new Map(events), now);
}

async function history(expr: string, range: TimeRange, signal: AbortSignal) {
  const step = computeStep(range, { maxDataPoints: 80, minInterval: 15_000 });
  const { start, end } = alignRange(range, step);
  return queryRange({ expr, start, end, step }, signal);
}

/** From the series made of spans, where there are spans. */
export function requestsOf(a: Pick<Answers, 'requests' | 'requestErrors' | 'requestP95'>): Overview['requests'] {
  const finite = (samples: Sample[]) => samples.map((s) => s.value).find(Number.isFinite);
  const rate = finite(a.requests);
  if (rate === undefined) return {};
  return { rate, errors: rate > 0 ? Math.min(1, (finite(a.requestErrors) ?? 0) / rate) : 0, p95: finite(a.requestP95) };
}

export async function loadOverview(range: TimeRange, signal: AbortSignal): Promise<Overview> {
  const names = Object.keys(queries) as (keyof typeof queries)[];
  const [answers, podHistory, nodeHistory, targets] = await Promise.all([
    Promise.all(names.map((name) => queryInstant(queries[name], undefined, signal))),
    history(cpuByPod, range, signal),
    history(nodeCpu, range, signal),
    activeTargets(signal),
  ]);
  const a = Object.fromEntries(names.map((name, i) => [name, answers[i]?.samples ?? []])) as Answers;
  const total = a.nodeMemory[0]?.value;
  const free = a.nodeMemoryAvailable[0]?.value;
  const used = total !== undefined && free !== undefined ? total - free : undefined;
  const pods = podsOf(a, new Map(podHistory.series.map((s) => [podKey(s.labels), s.values])));
  return {
    workloads: workloadsOf(a),
    pods,
    troubles: await troublesOf(pods, signal),
    targets,
    requests: requestsOf(a),
    node: {
      cpu: a.nodeCpu[0]?.value,
      cores: a.nodeCores[0]?.value,
      memoryTotal: total,
      memoryUsed: used,
      memory: used !== undefined && total ? used / total : undefined,
      history: nodeHistory.series[0]?.values ?? [],
    },
  };
}
