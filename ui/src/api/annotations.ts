/** Grafana's annotations API, same origin: moments of a time range with a text. tidewatch has those of its autoscalers: each change of replicas. */
import { ApiError, getJson } from './http';

export interface Annotation {
  id: number | string;
  /** Milliseconds since the epoch. */
  time: number;
  /** Names what it is about. */
  text: string;
  /** Of a scaling: `scaling`, the namespace, the workload. */
  tags?: string[];
}

/** Undefined where the server has no annotations. */
export async function loadAnnotations(range: { from: number; to: number }, signal?: AbortSignal): Promise<Annotation[] | undefined> {
  try {
    return await getJson<Annotation[]>(`/api/annotations?from=${Math.floor(range.from)}&to=${Math.ceil(range.to)}&limit=1000`, signal);
  } catch (error) {
    if (error instanceof ApiError && [404, 405, 501].includes(error.status)) return undefined;
    throw error;
  }
}
