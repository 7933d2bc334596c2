/** Every slider of the simulator: where it stands by itself, which places it has, and what it changes in the manifest or in the request. Pure. */
import type { SimulationRequest } from '../api/simulation';
import { cpuOf, isScaledByQueue, isScaledObject, maxReplicas, minReplicas, partitionsOf, stabilizationWindow, targetsOf, type Manifest, type NumberIn } from './manifest';

export type SliderGroup = 'Autoscaler' | 'Pods' | 'Measuring' | 'Load' | 'Targets';

export interface Slider {
  /** In the URL. */
  name: string;
  label: string;
  group: SliderGroup;
  unit: string;
  help: string;
  /** Its places, ascending. */
  stops: number[];
  /** Where it stands while it was not moved. */
  standing: (base: Manifest) => number;
  manifest?: (manifest: Manifest, value: number) => void;
  request?: (request: SimulationRequest, value: number) => void;
  /** The request says it even while it was not moved. */
  always?: boolean;
}

const seconds = [0, 1, 2, 3, 5, 8, 10, 15, 20, 30, 45, 60, 90, 120, 180, 240, 300, 420, 600, 900, 1200, 1800, 3600];
const fine = [0, 1, 2, 3, 5, 8, 10, 15, 20, 30, 50, 75, 100, 150, 200, 300, 500, 750, 1000, 1500, 2000, 3000, 5000];
const counts = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 14, 16, 18, 20, 25, 30, 40, 50, 75, 100];
const percents = Array.from({ length: 20 }, (_, i) => 5 * (i + 1));

const from = (stops: number[], least: number, most = Infinity) => stops.filter((stop) => stop >= least && stop <= most);

function ofManifest(slider: Pick<Slider, 'name' | 'label' | 'unit' | 'help' | 'stops'>, { read, write }: NumberIn): Slider {
  return { ...slider, group: 'Autoscaler', standing: (base) => read(base) ?? slider.stops[0] ?? 0, manifest: write };
}

function targets(base: Manifest): Slider[] {
  return targetsOf(base).map((target, i) => {
    const standing = target.read(base) ?? 0;
    const amounts = [0.1, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2, 3, 5, 10].map((factor) => Number((standing * factor).toPrecision(3)));
    return ofManifest(
      { name: `target${i}`, label: `${target.name} target`, unit: target.percent ? '%' : '', help: 'What the metric is held to.', stops: target.percent ? [...percents, 110, 120, 150, 200] : amounts },
      target,
    );
  });
}

const autoscaler = (base: Manifest): Slider[] => [
  ofManifest({ name: 'min', label: 'Min replicas', unit: '', help: 'minReplicas', stops: counts }, minReplicas),
  ofManifest({ name: 'max', label: 'Max replicas', unit: '', help: 'maxReplicas', stops: counts }, maxReplicas),
  ...targets(base),
  ofManifest({ name: 'up', label: 'Stabilisation up', unit: 's', help: 'behavior.scaleUp.stabilizationWindowSeconds: the lowest recommendation of so long counts.', stops: seconds }, stabilizationWindow('up')),
  ofManifest({ name: 'down', label: 'Stabilisation down', unit: 's', help: 'behavior.scaleDown.stabilizationWindowSeconds: the highest recommendation of so long counts.', stops: seconds }, stabilizationWindow('down')),
];

/** Parts of the request that hold numbers. */
type Part = 'service' | 'metrics' | 'controller' | 'targets';

interface Plain {
  name: string;
  label: string;
  group: SliderGroup;
  unit: string;
  help: string;
  stops: number[];
  standing: number | ((base: Manifest) => number);
  at: [Part, string];
  /** The request's unit in this one's: 1000 for milliseconds of seconds. */
  per?: number;
  always?: boolean;
}

function ofRequest({ standing, at: [part, field], per = 1, ...slider }: Plain): Slider {
  return {
    ...slider,
    standing: typeof standing === 'number' ? () => standing : standing,
    request: (request, value) => ((request[part] ??= {}) as Record<string, number>)[field] = value / per,
  };
}

const millicores = [10, 20, 50, 75, 100, 150, 200, 250, 300, 400, 500, 750, 1000, 1500, 2000, 4000];

const pods: Plain[] = [
  { name: 'cost', label: 'CPU per request', group: 'Pods', unit: 'ms', help: 'CPU time that one request (or event) costs a pod.', stops: [0.1, 0.2, 0.5, ...from(fine, 1, 1000)], standing: 5, at: ['service', 'cpuSecondsPerRequest'], per: 1000 },
  { name: 'wait', label: 'Waiting per request', group: 'Pods', unit: 'ms', help: 'Time of a request that is no CPU of the pod: database, network.', stops: fine, standing: 5, at: ['service', 'waitSecondsPerRequest'], per: 1000 },
  { name: 'request', label: 'CPU request', group: 'Pods', unit: 'm', help: 'Of a pod; utilisation is in percent of it.', stops: millicores, standing: (m) => 1000 * (cpuOf(m, 'requests') ?? 0.25), at: ['service', 'cpuRequestCores'], per: 1000 },
  { name: 'limit', label: 'CPU limit', group: 'Pods', unit: 'm', help: 'CPU that a pod can use at most.', stops: millicores, standing: (m) => 1000 * (cpuOf(m, 'limits') ?? 1), at: ['service', 'cpuLimitCores'], per: 1000 },
  { name: 'start', label: 'Start-up delay', group: 'Pods', unit: 's', help: 'From the scaling until the containers run: scheduling, pulling, starting.', stops: from(seconds, 0, 600), standing: 2, at: ['service', 'startSeconds'] },
  { name: 'ready', label: 'Readiness delay', group: 'Pods', unit: 's', help: 'From running until ready.', stops: from(seconds, 0, 600), standing: 8, at: ['service', 'readySeconds'] },
  { name: 'burst', label: 'CPU while starting', group: 'Pods', unit: 'm', help: 'CPU of a pod from its start until it is ready.', stops: [0, ...millicores], standing: 100, at: ['service', 'startCpuCores'], per: 1000 },
  { name: 'drain', label: 'Draining', group: 'Pods', unit: 's', help: 'How long a pod takes to end.', stops: from(seconds, 0, 300), standing: 2, at: ['service', 'drainSeconds'] },
];

const measuring: Plain[] = [
  { name: 'resolution', label: 'Metrics every', group: 'Measuring', unit: 's', help: "metrics-server's --metric-resolution, which is also the window of CPU usage.", stops: from(seconds, 1, 300), standing: 15, at: ['metrics', 'resolutionSeconds'] },
  { name: 'lag', label: 'Metric lag', group: 'Measuring', unit: 's', help: 'Age of the counters when they are scraped: kubelets measure every 10 to 15 s.', stops: from(seconds, 0, 300), standing: 0, at: ['metrics', 'lagSeconds'] },
  { name: 'window', label: 'Rate window', group: 'Measuring', unit: 's', help: 'Over which time rates of Pods, Object and External metrics are averaged.', stops: from(seconds, 15, 1800), standing: 60, at: ['metrics', 'rateWindowSeconds'] },
  { name: 'sync', label: 'Sync period', group: 'Measuring', unit: 's', help: '--horizontal-pod-autoscaler-sync-period', stops: from(seconds, 1, 300), standing: 15, at: ['controller', 'syncPeriodSeconds'] },
  { name: 'tolerance', label: 'Tolerance', group: 'Measuring', unit: '%', help: '--horizontal-pod-autoscaler-tolerance', stops: [0, 1, 2, 5, 10, 15, 20, 30, 50], standing: 10, at: ['controller', 'tolerance'], per: 100 },
  { name: 'initialization', label: 'CPU initialisation', group: 'Measuring', unit: 's', help: '--horizontal-pod-autoscaler-cpu-initialization-period', stops: from(seconds, 0, 900), standing: 300, at: ['controller', 'cpuInitializationPeriodSeconds'] },
];

const wanted: Plain[] = [
  { name: 'upWithin', label: 'Up within', group: 'Targets', unit: 's', help: 'From a rise of the load until the ready replicas are what it needs.', stops: from(seconds, 10), standing: 120, at: ['targets', 'upSeconds'], always: true },
  { name: 'downWithin', label: 'Down within', group: 'Targets', unit: 's', help: 'From a fall of the load until no more replicas are left than it needs.', stops: from(seconds, 10), standing: 300, at: ['targets', 'downSeconds'], always: true },
];

const load: Slider[] = [
  { name: 'factor', label: 'Load factor', group: 'Load', unit: '×', help: 'Factor on all rates.', stops: [0.1, 0.25, 0.5, 0.75, 1, 1.25, 1.5, 2, 3, 4, 5, 8, 10], standing: () => 1, request: (r, value) => (r.load = { segments: [], ...r.load, factor: value }) },
  { name: 'noise', label: 'Noise', group: 'Load', unit: '%', help: "Random variation of each second's rate.", stops: [0, 1, 2, 5, 10, 15, 20, 30, 50, 75, 100], standing: () => 0, request: (r, value) => (r.load = { segments: [], ...r.load, noise: value / 100 }) },
];

/** The simulation itself takes the topic of a ScaledObject's trigger for the queue, whatever is asked: its partitions can be others, but not none. */
const isAlwaysQueued = (base: Manifest): boolean => isScaledObject(base) && isScaledByQueue(base);

/** Whether the simulated service reads a queue. */
export function isQueued(base: Manifest, partitions: number | undefined): boolean {
  return isAlwaysQueued(base) || (partitions === undefined ? isScaledByQueue(base) : partitions > 0);
}

/** Of a service that reads a partitioned queue. */
const queue = (base: Manifest): Slider => ({
  name: 'partitions',
  label: 'Partitions',
  group: 'Pods',
  unit: '',
  help: isAlwaysQueued(base) ? 'Of the topic that the pods read.' : 'Of the queue that the pods read; 0: they answer requests and read no queue.',
  stops: isAlwaysQueued(base) ? counts : [0, ...counts],
  standing: () => (isScaledByQueue(base) ? partitionsOf(base) : 0),
  request: (request, value) => {
    if (value > 0) request.service = { ...request.service, queue: { partitions: value } };
  },
});

export function slidersOf(base: Manifest): Slider[] {
  return [...autoscaler(base), ...load, ...[...pods, ...measuring, ...wanted].map(ofRequest), queue(base)];
}

export const sliderGroups: SliderGroup[] = ['Autoscaler', 'Load', 'Pods', 'Measuring', 'Targets'];

/** Its places with the one it stands on among them. */
export function placesOf(slider: Slider, ...values: number[]): number[] {
  return [...new Set([...slider.stops, ...values])].sort((a, b) => a - b);
}

/** "90 s", "2 min", "70 %", "250m". */
export function placeText(value: number, unit: string): string {
  if (unit === 's' && value >= 120 && value % 60 === 0) return `${value / 60} min`;
  if (unit === 'm') return `${Number(value.toFixed(3))}m`;
  return unit === '' ? String(value) : `${value} ${unit}`;
}
