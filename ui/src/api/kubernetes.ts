/** The Kubernetes API as far as the overview needs it: pods, their logs, and events where the server has them. */
import { ApiError, getJson, getText } from './http';

interface ContainerState {
  waiting?: { reason?: string; message?: string };
  running?: { startedAt?: string };
  terminated?: { reason?: string; exitCode?: number; message?: string };
}

export interface Pod {
  metadata: { name: string; namespace: string; creationTimestamp?: string; labels?: Record<string, string>; annotations?: Record<string, string> };
  spec?: { nodeName?: string; containers?: { name: string; image?: string }[] };
  status?: {
    phase?: string;
    podIP?: string;
    startTime?: string;
    conditions?: { type: string; status: string; reason?: string; message?: string }[];
    containerStatuses?: {
      name: string;
      ready?: boolean;
      restartCount?: number;
      image?: string;
      state?: ContainerState;
      lastState?: ContainerState;
    }[];
  };
}

export interface KubernetesEvent {
  metadata: { name: string; creationTimestamp?: string };
  type?: string;
  reason?: string;
  message?: string;
  count?: number;
  lastTimestamp?: string;
  eventTime?: string;
  involvedObject?: { kind?: string; name?: string };
}

const namespaced = (namespace: string, rest: string) => `/api/v1/namespaces/${encodeURIComponent(namespace)}/${rest}`;

export async function listPods(namespace: string, signal?: AbortSignal): Promise<Pod[]> {
  return (await getJson<{ items?: Pod[] }>(namespaced(namespace, 'pods'), signal)).items ?? [];
}

/** The containers of a pod, the one that is meant when none is named first: as kubectl does, by the annotation, else a sidecar comes last. */
export function containersOf(pod: Pod): string[] {
  const names = (pod.spec?.containers ?? []).map((c) => c.name);
  const meant = pod.metadata.annotations?.['kubectl.kubernetes.io/default-container'];
  const rank = (name: string) => (name === meant ? 0 : name === 'daprd' ? 2 : 1);
  return names.sort((a, b) => rank(a) - rank(b));
}

/** The last `tailLines` lines a container wrote. */
export function podLog(
  pod: { namespace: string; name: string; container?: string },
  tailLines: number,
  signal?: AbortSignal,
): Promise<string> {
  const parameters = new URLSearchParams({ tailLines: String(tailLines) });
  if (pod.container) parameters.set('container', pod.container);
  return getText(namespaced(pod.namespace, `pods/${encodeURIComponent(pod.name)}/log?${parameters}`), signal);
}

/** Undefined where the server has no events API. */
export async function listEvents(namespace: string, signal?: AbortSignal): Promise<KubernetesEvent[] | undefined> {
  try {
    return (await getJson<{ items?: KubernetesEvent[] }>(namespaced(namespace, 'events'), signal)).items ?? [];
  } catch (error) {
    if (error instanceof ApiError && [404, 405, 501].includes(error.status)) return undefined;
    throw error;
  }
}

/** An object of any kind, as its manifest has it. */
export type KubernetesObject = { apiVersion?: string; kind?: string; metadata?: { name?: string; namespace?: string; [field: string]: unknown }; spec?: Record<string, unknown>; [field: string]: unknown };

/** Undefined where the server does not have the API. */
async function listObjects(path: string, apiVersion: string, kind: string, signal?: AbortSignal): Promise<KubernetesObject[] | undefined> {
  try {
    const { items } = await getJson<{ items?: KubernetesObject[] | null }>(path, signal);
    return (items ?? []).map((item) => ({ apiVersion, kind, ...item }));
  } catch (error) {
    if (error instanceof ApiError && [404, 405, 501].includes(error.status)) return undefined;
    throw error;
  }
}

export const listHorizontalPodAutoscalers = (signal?: AbortSignal) =>
  listObjects('/apis/autoscaling/v2/horizontalpodautoscalers', 'autoscaling/v2', 'HorizontalPodAutoscaler', signal);

export const listDeployments = (signal?: AbortSignal) => listObjects('/apis/apps/v1/deployments', 'apps/v1', 'Deployment', signal);
