/** What the simulator's address says, and the request that it makes of it. Input: query parameters and manifests. Pure. */
import type { SimulationRequest } from '../api/simulation';
import { asWritten, isScaledByQueue, isScaledObject, writeRules, type Direction, type Manifest, type Policy, type Rules } from './manifest';
import { decodeLoad, encodeLoad, type EditableSegment } from './load';
import { slidersOf } from './sliders';

export interface SimulatorState {
  /** `namespace/name` of an autoscaler that runs here. */
  hpa?: string;
  /** Pasted manifests, in place of one that runs. */
  yaml?: string;
  /** Empty: the simulation's own, a step to eight times the rate and back. */
  load: EditableSegment[];
  /** Where sliders stand that were moved, by their names. */
  moved: Record<string, number>;
  up?: Rules;
  down?: Rules;
}

const own = ['hpa', 'yaml', 'load', 'upPolicies', 'downPolicies'];
/** Of the shell: see app/time.ts. */
const foreign = ['from', 'to', 'refresh'];

/** `100%/15,4/15,min` */
export function encodeRules({ policies, selectPolicy }: Rules): string {
  const texts = policies.map((p) => `${p.value}${p.type === 'Percent' ? '%' : ''}/${p.periodSeconds}`);
  return [...texts, ...(selectPolicy === 'Max' ? [] : [selectPolicy.toLowerCase()])].join(',');
}

export function decodeRules(text: string | null): Rules | undefined {
  if (!text) return undefined;
  const policies: Policy[] = [];
  let selectPolicy: Rules['selectPolicy'] = 'Max';
  for (const part of text.split(',')) {
    const policy = /^(\d+)(%?)\/(\d+)$/.exec(part);
    if (policy) policies.push({ type: policy[2] ? 'Percent' : 'Pods', value: Number(policy[1]), periodSeconds: Number(policy[3]) });
    else if (part === 'min') selectPolicy = 'Min';
    else if (part === 'disabled') selectPolicy = 'Disabled';
    else return undefined;
  }
  return policies.length > 0 || selectPolicy === 'Disabled' ? { policies, selectPolicy } : undefined;
}

export function readState(parameters: URLSearchParams): SimulatorState {
  const moved: Record<string, number> = {};
  for (const [name, text] of parameters) {
    if (own.includes(name) || foreign.includes(name) || text.trim() === '' || !Number.isFinite(Number(text))) continue;
    moved[name] = Number(text);
  }
  return {
    hpa: parameters.get('hpa') ?? undefined,
    yaml: parameters.get('yaml') ?? undefined,
    load: decodeLoad(parameters.get('load') ?? '') ?? [],
    moved,
    up: decodeRules(parameters.get('upPolicies')),
    down: decodeRules(parameters.get('downPolicies')),
  };
}

export function writeState(state: SimulatorState): URLSearchParams {
  const parameters = new URLSearchParams();
  const set = (name: string, text: string | undefined) => text !== undefined && text !== '' && parameters.set(name, text);
  set('hpa', state.yaml === undefined ? state.hpa : undefined);
  set('yaml', state.yaml);
  set('load', encodeLoad(state.load));
  set('upPolicies', state.up && encodeRules(state.up));
  set('downPolicies', state.down && encodeRules(state.down));
  for (const [name, value] of Object.entries(state.moved)) set(name, String(value));
  return parameters;
}

/** How many moments of the sync period a load begins at: the verdict is over all of them. */
const phases = 6;

/** The manifest with the moved sliders and the changed policies. */
export function changedManifest(base: Manifest, state: SimulatorState): Manifest {
  const manifest = structuredClone(base);
  for (const slider of slidersOf(base)) {
    const value = state.moved[slider.name];
    if (value !== undefined) slider.manifest?.(manifest, value);
  }
  for (const direction of ['up', 'down'] as Direction[]) {
    const rules = state[direction];
    if (rules) writeRules(manifest, direction, rules);
  }
  return manifest;
}

export function requestOf(base: Manifest, state: SimulatorState): SimulationRequest {
  const manifest = changedManifest(base, state);
  const { autoscaler, deployment, topic } = manifest;
  const objects = [autoscaler, deployment, topic].filter((object) => object !== undefined).map(asWritten);
  const request: SimulationRequest = { hpa: objects, phases };
  if (state.load.length > 0) request.load = { segments: state.load };
  for (const slider of slidersOf(base)) {
    const value = state.moved[slider.name] ?? (slider.always ? slider.standing(base) : undefined);
    if (value !== undefined) slider.request?.(request, value);
  }
  // the simulation finds the queue of a ScaledObject itself; what KEDA made of one does not say that there is one
  if (state.moved.partitions === undefined && isScaledByQueue(base) && !isScaledObject(base)) request.service = { ...request.service, queue: {} };
  return request;
}

/** A rate at which the fewest replicas are at half of their CPU target; what else there is makes no difference to a first guess. */
export function restRate(base: Manifest, state: SimulatorState): number {
  const sliders = new Map(slidersOf(base).map((slider) => [slider.name, slider]));
  const at = (name: string, otherwise: number) => state.moved[name] ?? sliders.get(name)?.standing(base) ?? otherwise;
  const cost = at('cost', 5) / 1000;
  const percent = sliders.get('target0')?.unit === '%' ? at('target0', 70) : 70;
  const cores = at('request', 250) / 1000;
  return Number(((Math.max(1, at('min', 1)) * cores * (percent / 100)) / cost / 2).toPrecision(3));
}
