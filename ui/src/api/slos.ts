/** tidewatch's service level objectives, same origin, each with the PromQL of its numbers. */
import { getJson, isMissing } from './http';

export interface Slo {
  name: string;
  namespace: string;
  service: string;
  /** Share of good events that is promised, from 0 to 1. */
  objective: number;
  /** As Prometheus writes durations. */
  window: string;
  kind: 'availability' | 'latency';
  /** Seconds, of a latency objective. */
  threshold?: number;
  series: {
    sliError: string;
    errorBudgetRemaining: string;
    /** By window. */
    burnRate: Record<string, string>;
  };
  /** Names. */
  alerts: string[];
  runbookUrl?: string;
  description: string;
}

/** Undefined where the server knows none of objectives. */
export async function listSlos(signal?: AbortSignal): Promise<Slo[] | undefined> {
  try {
    return (await getJson<{ slos: Slo[] | null }>('/api/tidewatch/v1/slos', signal)).slos ?? [];
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}
