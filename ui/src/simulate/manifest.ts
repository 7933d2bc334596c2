/**
 * The manifests of a simulation: read from YAML or from the Kubernetes API, changed by the sliders, written as YAML again. A HorizontalPodAutoscaler and KEDA's
 * ScaledObject have the same numbers in different places; `NumberIn` hides which. Pure.
 */
import type { KubernetesObject } from '../api/kubernetes';
import { quantity } from '../scaling/amounts';

type Fields = Record<string, unknown>;

export interface Manifest {
  /** The autoscaler. */
  autoscaler: KubernetesObject;
  /** What it scales, where that is known. */
  deployment?: KubernetesObject;
  /** The KafkaTopic whose lag it is scaled by, where that is known. */
  topic?: KubernetesObject;
}

export interface Policy {
  type: 'Percent' | 'Pods';
  value: number;
  periodSeconds: number;
}

export interface Rules {
  policies: Policy[];
  selectPolicy: 'Max' | 'Min' | 'Disabled';
}

export type Direction = 'up' | 'down';

export const isAutoscaler = ({ kind }: KubernetesObject): boolean => kind === 'HorizontalPodAutoscaler' || kind === 'ScaledObject';
export const isScaledObject = ({ autoscaler }: Manifest): boolean => autoscaler.kind === 'ScaledObject';

export const nameOf = ({ metadata }: KubernetesObject): string => `${metadata?.namespace ?? 'default'}/${metadata?.name ?? ''}`;

/** An autoscaler with its Deployment, found among objects. */
export function manifestOf(autoscaler: KubernetesObject, objects: KubernetesObject[]): Manifest {
  const target = (autoscaler.spec?.scaleTargetRef ?? {}) as { name?: string };
  const namespace = autoscaler.metadata?.namespace ?? 'default';
  const deployment = objects.find((o) => o.kind === 'Deployment' && o.metadata?.name === target.name && (o.metadata?.namespace ?? 'default') === namespace);
  const read = triggersOf(autoscaler).find(isKafka)?.metadata?.topic;
  const topic = objects.find(
    (o) => read !== undefined && o.kind === 'KafkaTopic' && (o.spec?.topicName ?? o.metadata?.name) === read && (o.metadata?.namespace ?? 'default') === namespace,
  );
  return { autoscaler, deployment, ...(topic ? { topic } : {}) };
}

interface Trigger {
  type?: string;
  metadata?: Record<string, string | undefined>;
}

const triggersOf = ({ kind, spec }: KubernetesObject): Trigger[] => (kind === 'ScaledObject' && Array.isArray(spec?.triggers) ? (spec.triggers as Trigger[]) : []);
const isKafka = ({ type }: Trigger): boolean => type === 'kafka';

/** The object at a path, made where it is missing. */
function inside(object: Fields, ...path: (string | number)[]): Fields {
  let at = object;
  for (const step of path) {
    at[step] ??= {};
    at = at[step] as Fields;
  }
  return at;
}

/** The same without making anything. */
function peek(object: unknown, ...path: (string | number)[]): unknown {
  return path.reduce<unknown>((at, step) => (at as Fields | undefined)?.[step], object);
}

const behaviorPath = (m: Manifest): string[] => (isScaledObject(m) ? ['spec', 'advanced', 'horizontalPodAutoscalerConfig', 'behavior'] : ['spec', 'behavior']);
const rulesName = { up: 'scaleUp', down: 'scaleDown' };

/** A number of the autoscaler: undefined where it says nothing and Kubernetes has no default for it. */
export interface NumberIn {
  read: (m: Manifest) => number | undefined;
  write: (m: Manifest, value: number) => void;
}

const replicas = (plain: string, scaled: string, otherwise: (m: Manifest) => number): NumberIn => {
  const field = (m: Manifest) => (isScaledObject(m) ? scaled : plain);
  return {
    read: (m) => (peek(m.autoscaler, 'spec', field(m)) as number | undefined) ?? otherwise(m),
    write: (m, value) => (inside(m.autoscaler, 'spec')[field(m)] = value),
  };
};

export const minReplicas = replicas('minReplicas', 'minReplicaCount', (m) => (isScaledObject(m) ? 0 : 1));
export const maxReplicas = replicas('maxReplicas', 'maxReplicaCount', () => 100);

const windowDefault = { up: 0, down: 300 };

export const stabilizationWindow = (direction: Direction): NumberIn => ({
  read: (m) => (peek(m.autoscaler, ...behaviorPath(m), rulesName[direction], 'stabilizationWindowSeconds') as number | undefined) ?? windowDefault[direction],
  write: (m, value) => (inside(m.autoscaler, ...behaviorPath(m), rulesName[direction]).stabilizationWindowSeconds = value),
});

const rulesDefault: Record<Direction, Rules> = {
  up: { policies: [{ type: 'Percent', value: 100, periodSeconds: 15 }, { type: 'Pods', value: 4, periodSeconds: 15 }], selectPolicy: 'Max' },
  down: { policies: [{ type: 'Percent', value: 100, periodSeconds: 15 }], selectPolicy: 'Max' },
};

/** With Kubernetes's defaults for what is left out. */
export function rulesOf(m: Manifest, direction: Direction): Rules {
  const rules = peek(m.autoscaler, ...behaviorPath(m), rulesName[direction]) as Partial<Rules> | undefined;
  return { policies: rules?.policies?.length ? rules.policies : rulesDefault[direction].policies, selectPolicy: rules?.selectPolicy ?? 'Max' };
}

export function writeRules(m: Manifest, direction: Direction, rules: Rules): void {
  Object.assign(inside(m.autoscaler, ...behaviorPath(m), rulesName[direction]), structuredClone(rules));
}

/** A metric's target that can be changed. */
export interface TargetIn extends NumberIn {
  name: string;
  /** Percent of the requests, otherwise an amount. */
  percent: boolean;
}

const sourceFields: Record<string, string> = { Resource: 'resource', ContainerResource: 'containerResource', Pods: 'pods', Object: 'object', External: 'external' };
const targetFields = ['averageUtilization', 'averageValue', 'value'];

function metricTarget(m: Manifest, index: number): TargetIn | undefined {
  const path = ['spec', 'metrics', index];
  const source = sourceFields[peek(m.autoscaler, ...path, 'type') as string];
  if (!source) return undefined;
  const field = targetFields.find((f) => peek(m.autoscaler, ...path, source, 'target', f) !== undefined);
  if (!field) return undefined;
  const name = (peek(m.autoscaler, ...path, source, 'name') ?? peek(m.autoscaler, ...path, source, 'metric', 'name') ?? '') as string;
  const percent = field === 'averageUtilization';
  return {
    name: name === 'cpu' ? 'CPU' : name,
    percent,
    read: (other) => quantity(peek(other.autoscaler, ...path, source, 'target', field) as string | number | undefined),
    write: (other, value) => (inside(other.autoscaler, ...path, source, 'target')[field] = percent ? Math.round(value) : amount(value)),
  };
}

/** As a quantity: milli units where it is no integer. */
const amount = (value: number): string => (Number.isInteger(value) ? String(value) : `${Math.round(value * 1000)}m`);

const thresholds = ['lagThreshold', 'threshold', 'value', 'queueLength'];

function triggerTarget(m: Manifest, index: number): TargetIn | undefined {
  const path = ['spec', 'triggers', index, 'metadata'];
  const field = thresholds.find((f) => peek(m.autoscaler, ...path, f) !== undefined);
  if (!field) return undefined;
  const type = peek(m.autoscaler, 'spec', 'triggers', index, 'type') as string;
  return {
    name: type === 'cpu' ? 'CPU' : field === 'lagThreshold' ? `${type} lag` : type,
    percent: type === 'cpu' || type === 'memory',
    read: (other) => quantity(peek(other.autoscaler, ...path, field) as string | undefined),
    write: (other, value) => (inside(other.autoscaler, ...path)[field] = String(value)),
  };
}

export function targetsOf(m: Manifest): TargetIn[] {
  const [list, one] = isScaledObject(m) ? (['triggers', triggerTarget] as const) : (['metrics', metricTarget] as const);
  const entries = peek(m.autoscaler, 'spec', list);
  return Array.isArray(entries) ? entries.flatMap((_entry, i) => one(m, i) ?? []) : [];
}

/** As KEDA names the metric of a Kafka trigger in the HorizontalPodAutoscaler that it makes. */
const kedaKafkaMetric = /^s\d+-kafka-/;

/** Whether it is scaled by the lag of a topic, not by what its pods use or how much they are asked. */
export function isScaledByQueue(m: Manifest): boolean {
  if (isScaledObject(m)) return triggersOf(m.autoscaler).some(isKafka);
  const metrics = peek(m.autoscaler, 'spec', 'metrics');
  return Array.isArray(metrics) && metrics.some((metric) => kedaKafkaMetric.test(String(peek(metric, 'external', 'metric', 'name') ?? '')));
}

/** Of the topic that it is scaled by, or what is usual. */
export const partitionsOf = ({ topic }: Manifest): number => (typeof topic?.spec?.partitions === 'number' ? topic.spec.partitions : 5);

/** CPU of the Deployment's first container, in cores. */
export function cpuOf({ deployment }: Manifest, kind: 'requests' | 'limits'): number | undefined {
  return quantity(peek(deployment, 'spec', 'template', 'spec', 'containers', 0, 'resources', kind, 'cpu') as string | undefined);
}

/** As it would stand in a file: without what a server adds. */
export function asWritten({ apiVersion, kind, metadata, spec }: KubernetesObject): KubernetesObject {
  return { apiVersion, kind, metadata: { name: metadata?.name, ...(metadata?.namespace ? { namespace: metadata.namespace } : {}) }, spec };
}

/** For trying it out where nothing runs. */
export const exampleYaml = `apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  name: web
spec:
  scaleTargetRef:
    apiVersion: apps/v1
    kind: Deployment
    name: web
  minReplicas: 2
  maxReplicas: 10
  metrics:
    - type: Resource
      resource:
        name: cpu
        target:
          type: Utilization
          averageUtilization: 70
  behavior:
    scaleDown:
      stabilizationWindowSeconds: 120
`;
