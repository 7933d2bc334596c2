/** tidewatch's own API of its autoscalers, and their Kubernetes objects. Same origin. */
import { ApiError, getJson } from './http';

export interface Condition {
  type: string;
  status: string;
  reason: string;
  message: string;
  /** RFC 3339, as all times here. */
  lastTransitionTime?: string | null;
}

/** Amounts are Kubernetes quantities: "350m", "128Mi"; utilisations are in percent of the requests. */
export interface AutoscalerMetric {
  /** Resource, ContainerResource, Pods, Object or External. */
  type: string;
  name: string;
  container?: string | null;
  target: { type: string; value: string | number };
  current: { value?: string | number | null; averageValue?: string | number | null; averageUtilization?: number | null } | null;
}

export interface Autoscaler {
  namespace: string;
  name: string;
  origin: string;
  target: { kind: string; name: string };
  minReplicas: number;
  maxReplicas: number;
  currentReplicas: number;
  desiredReplicas: number;
  lastScaleTime?: string | null;
  conditions: Condition[];
  metrics: AutoscalerMetric[];
  /** What it was made of, where that is no HorizontalPodAutoscaler. */
  scaledObject?: { name: string; failures?: string[] };
}

export interface DecisionStep {
  /** metric, pods, tolerance, rounding, highest, stabilization, policy, limits or scale. */
  kind: string;
  text: string;
  /** After the step, where it made a number. */
  replicas?: number | null;
}

export interface DecisionEvent {
  reason: string;
  message: string;
  warning?: boolean;
  /** Kubernetes writes it so. */
  type?: string;
}

export interface Decision {
  time: string;
  currentReplicas: number;
  desiredReplicas: number;
  scaled: boolean;
  sentence: string;
  steps: DecisionStep[];
  conditions?: Condition[];
  events?: DecisionEvent[];
}

/** Undefined where the server does not autoscale (`tidewatch serve`). */
export async function listAutoscalers(signal?: AbortSignal): Promise<Autoscaler[] | undefined> {
  try {
    return (await getJson<{ autoscalers?: Autoscaler[] | null }>('/api/tidewatch/v1/autoscalers', signal)).autoscalers ?? [];
  } catch (error) {
    if (error instanceof ApiError && [404, 405, 501].includes(error.status)) return undefined;
    throw error;
  }
}

/** Newest first. */
export async function listDecisions(of: { namespace: string; name: string }, limit: number, signal?: AbortSignal): Promise<Decision[]> {
  const path = `/api/tidewatch/v1/autoscalers/${encodeURIComponent(of.namespace)}/${encodeURIComponent(of.name)}/decisions?limit=${limit}`;
  return (await getJson<{ decisions?: Decision[] | null }>(path, signal)).decisions ?? [];
}
