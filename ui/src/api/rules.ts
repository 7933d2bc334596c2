/** The rules of the Prometheus HTTP API, same origin: groups of alerting and recording rules with how each is doing, and the alerts that are active. */
import { getJson, isMissing } from './http';
import { unwrap, type Envelope, type Labels } from './prometheus';

export type AlertState = 'firing' | 'pending' | 'inactive';

export interface ActiveAlert {
  labels: Labels;
  annotations: Labels;
  state: AlertState;
  /** RFC 3339: since when its condition holds. */
  activeAt?: string;
  /** RFC 3339: the condition is over, and it goes on firing for `keepFiringFor`. */
  keepFiringSince?: string;
  /** As Go writes numbers. */
  value: string;
}

interface Evaluated {
  name: string;
  query: string;
  labels?: Labels;
  health: 'ok' | 'err' | 'unknown';
  lastError?: string;
  /** Seconds. */
  evaluationTime: number;
  /** RFC 3339; the year 1 before the first. */
  lastEvaluation: string;
}

export interface AlertingRule extends Evaluated {
  type: 'alerting';
  state: AlertState | 'unknown';
  /** `for`, in seconds. */
  duration: number;
  /** Seconds. */
  keepFiringFor?: number;
  annotations?: Labels;
  alerts?: ActiveAlert[] | null;
}

export interface RecordingRule extends Evaluated {
  type: 'recording';
}

export type Rule = AlertingRule | RecordingRule;

export interface RuleGroup {
  name: string;
  file: string;
  rules: Rule[];
  /** Seconds. */
  interval: number;
  limit?: number;
  /** Seconds. */
  evaluationTime: number;
  lastEvaluation: string;
}

export async function ruleGroups(type?: 'alert' | 'record', signal?: AbortSignal): Promise<RuleGroup[]> {
  return unwrap(await getJson<Envelope<{ groups: RuleGroup[] | null }>>(`/api/v1/rules${type ? `?type=${type}` : ''}`, signal)).groups ?? [];
}

/** None where the server has no rules. */
export async function activeAlerts(signal?: AbortSignal): Promise<ActiveAlert[]> {
  try {
    return unwrap(await getJson<Envelope<{ alerts: ActiveAlert[] | null }>>('/api/v1/alerts', signal)).alerts ?? [];
  } catch (error) {
    if (isMissing(error)) return [];
    throw error;
  }
}
