/** The simulation of an autoscaler: what is asked and what is answered, as crates/simulate has it. Times are seconds since the load's beginning. */
import { postJson } from './http';

export type Segment =
  | { kind: 'constant'; rate: number; seconds: number }
  | { kind: 'ramp'; from: number; to: number; seconds: number }
  | { kind: 'spike'; base: number; peak: number; seconds: number }
  | { kind: 'daily'; low: number; high: number; peakHour?: number; seconds?: number }
  | { kind: 'recorded'; points: [number, number][] };

export interface Load {
  segments: Segment[];
  factor?: number;
  noise?: number;
}

export interface QueueModel {
  partitions?: number;
  fullestShare?: number;
  rebalanceSeconds?: number;
  initialLag?: number;
}

/** What is left out has the simulation's default. */
export interface SimulationRequest {
  /** Objects: the autoscaler, and the Deployment that it scales. */
  hpa: unknown;
  name?: string;
  load?: Load;
  service?: Record<string, number | QueueModel | Record<string, string> | undefined> & { queue?: QueueModel };
  metrics?: Record<string, number>;
  controller?: Record<string, number | boolean>;
  targets?: { upSeconds?: number; downSeconds?: number; failedShare?: number; latencyP99Seconds?: number; flaps?: number };
  phases?: number;
  seed?: number;
}

export interface TimelinePoint {
  timeSeconds: number;
  arrivalRate: number;
  servedRate: number;
  failedRate: number;
  replicas: number;
  readyReplicas: number;
  neededReplicas: number;
  cpuCoresPerPod: number;
  cpuUtilization?: number | null;
  memoryBytesPerPod: number;
  waiting: number;
  latencyMeanSeconds: number;
  latencyP99Seconds: number;
}

export interface Change {
  timeSeconds: number;
  direction: 'up' | 'down';
  from: number;
  to: number;
  /** None if it was never reached. */
  seconds?: number | null;
  firstScalingSeconds?: number | null;
  superseded: boolean;
  /** The simulation ended while it was still being answered. */
  unfinished?: boolean;
  waitedSeconds: number;
}

export interface Spread {
  min: number;
  median: number;
  max: number;
}

export interface SimulationReport {
  autoscaler: { namespace: string; name: string; origin: string; target: string; minReplicas: number; maxReplicas: number };
  load: Load;
  durationSeconds: number;
  timelineSeconds: number;
  timeline: TimelinePoint[];
  scalings: { timeSeconds: number; from: number; to: number; sentence: string }[];
  changes: Change[];
  summary: {
    arrived: number;
    failed: number;
    podMinutes: number;
    underProvisionedPodMinutes: number;
    overProvisionedPodMinutes: number;
    scaleUps: number;
    scaleDowns: number;
    flaps: number;
    mostReplicas: number;
    secondsAtMax: number;
    latencyMeanSeconds: number;
    latencyP99WorstSeconds: number;
    mostWaiting: number;
  };
  phases: { count: number; upSeconds?: Spread | null; downSeconds?: Spread | null };
  verdict: { passed: boolean; checks: { target: string; limit: number; worst?: number | null; passed: boolean; text: string }[] };
  models: string[];
  warnings: string[];
}

export function simulate(request: SimulationRequest, signal?: AbortSignal): Promise<SimulationReport> {
  return postJson<SimulationReport>('/api/tidewatch/v1/simulation', request, signal);
}
