/**
 * What is wrong with pods, in words. Input: the overview's pods and the cluster's events. Output: one line per pod in trouble. A pod that is only starting is
 * not in trouble. Pure.
 */
import type { KubernetesEvent } from '../api/kubernetes';
import type { PodRow } from './overviewData';

export interface PodTrouble {
  pod: PodRow;
  reason: string;
  /** Of the pod's last warning, where the server has events. */
  detail?: string;
}

/** How long a pod may take to start before it is in trouble, in seconds. */
const startSeconds = 60;

const starting = new Set(['ContainerCreating', 'PodInitializing']);

/** Why a pod is in trouble at `nowSeconds` since the epoch, or undefined. */
export function reasonOf(pod: PodRow, nowSeconds: number): string | undefined {
  const ended = pod.lastEnd && pod.lastEnd !== 'Completed' ? pod.lastEnd : undefined;
  if (pod.waiting && !starting.has(pod.waiting)) return ended ? `${pod.waiting}, last end: ${ended}` : pod.waiting;
  if (pod.phase === 'Failed' || pod.phase === 'Unknown') return ended ? `${pod.phase}: ${ended}` : pod.phase;
  if (pod.phase === 'Succeeded') return undefined;
  if (ended && pod.recentRestarts > 0) return `restarted after ${ended}${pod.ready ? '' : ', not ready'}`;
  const young = pod.created !== undefined && nowSeconds - pod.created < startSeconds;
  if (pod.ready || young) return undefined;
  return pod.phase === 'Pending' ? (pod.waiting ?? 'Pending') : 'Not ready';
}

/** Milliseconds since the epoch of an event's last occurrence; 0 when it says none. */
export const eventTime = (event: KubernetesEvent): number =>
  Date.parse(event.lastTimestamp ?? event.eventTime ?? event.metadata.creationTimestamp ?? '') || 0;

/** Events of one pod, the oldest first. */
export function eventsOf(pod: { name: string }, events: KubernetesEvent[]): KubernetesEvent[] {
  return events.filter((e) => e.involvedObject?.name === pod.name).sort((a, b) => eventTime(a) - eventTime(b));
}

/** `events` by namespace. */
export function podTroubles(pods: PodRow[], events: Map<string, KubernetesEvent[]>, nowSeconds: number): PodTrouble[] {
  return pods.flatMap((pod) => {
    const reason = reasonOf(pod, nowSeconds);
    if (reason === undefined) return [];
    const warning = eventsOf(pod, events.get(pod.namespace) ?? []).findLast((e) => e.type === 'Warning');
    return [{ pod, reason, detail: warning?.message }];
  });
}
