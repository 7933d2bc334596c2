/** What the decision list shows. Input: decisions, newest first. Pure. */
import type { Decision, DecisionEvent } from '../api/scaling';

/** Those that changed the replicas. */
export const onlyChanges = (all: Decision[]): Decision[] => all.filter((d) => d.scaled || d.currentReplicas !== d.desiredReplicas);

export interface ScalingEvent {
  key: string;
  reason: string;
  message: string;
  warning: boolean;
  count: number;
  /** Of the last one. */
  time: string;
}

const isWarning = (event: DecisionEvent): boolean => event.warning ?? event.type === 'Warning';

/** The events of all decisions, equal ones counted as kubectl does, the latest first. */
export function eventsOf(all: Decision[]): ScalingEvent[] {
  const events = new Map<string, ScalingEvent>();
  for (const decision of all) {
    for (const event of decision.events ?? []) {
      const key = `${event.reason} ${event.message}`;
      const known = events.get(key);
      if (known) known.count++;
      else events.set(key, { key, reason: event.reason, message: event.message, warning: isWarning(event), count: 1, time: decision.time });
    }
  }
  return [...events.values()];
}

/** `2 → 4`, or just `2`. */
export const replicasText = ({ currentReplicas: from, desiredReplicas: to }: Pick<Decision, 'currentReplicas' | 'desiredReplicas'>): string => (from === to ? String(to) : `${from} → ${to}`);
