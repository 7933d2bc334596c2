/** Grafana's annotations API, same origin: moments of a time range with a text. tidewatch has each change of replicas by its autoscalers, and each firing alert. */
import { getJson, isMissing } from './http';

export interface Annotation {
  id: number | string;
  /** Milliseconds since the epoch. */
  time: number;
  /** When it was over, of what lasted. */
  timeEnd?: number;
  /** Names what it is about. */
  text: string;
  /** Of a scaling: `scaling`, the namespace, the workload. Of an alert: `alert`, its name, its state. */
  tags?: string[];
}

/** Undefined where the server has no annotations. */
export async function loadAnnotations(range: { from: number; to: number }, signal?: AbortSignal): Promise<Annotation[] | undefined> {
  try {
    return await getJson<Annotation[]>(`/api/annotations?from=${Math.floor(range.from)}&to=${Math.ceil(range.to)}&limit=1000`, signal);
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}
