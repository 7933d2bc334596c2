// Autoscalers of the mock, their decisions over the last half hour, and a simulation that only resembles one: utilisation of the moment before, rounded up,
// stabilised, limited. See crates/autoscale and crates/simulate for the real ones.
import { catalog, namespace, workloads } from './metrics.mjs';

const limits = { 'todo-backend': [2, 10], 'todo-frontend': [2, 8], 'event-service': [1, 5] };
export const autoscalerName = (workload) => (workload === 'event-service' ? `keda-hpa-${workload}` : `${workload}-hpa`);
const workloadOf = (name) => name.replace(/^keda-hpa-|-hpa$/g, '');
const iso = (ms) => new Date(ms).toISOString();
const syncMs = 15_000;

const behavior = {
  scaleUp: { stabilizationWindowSeconds: 0, selectPolicy: 'Max', policies: [{ type: 'Percent', value: 100, periodSeconds: 15 }, { type: 'Pods', value: 4, periodSeconds: 15 }] },
  scaleDown: { stabilizationWindowSeconds: 90, selectPolicy: 'Max', policies: [{ type: 'Percent', value: 100, periodSeconds: 15 }] },
};

export const horizontalPodAutoscalers = () =>
  workloads.map(({ name }) => ({
    metadata: { name: autoscalerName(name), namespace, uid: `hpa-${name}`, creationTimestamp: iso(Date.now() - 3.2 * 3600e3) },
    spec: {
      scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name },
      minReplicas: limits[name][0],
      maxReplicas: limits[name][1],
      metrics:
        name === 'event-service'
          ? [{ type: 'External', external: { metric: { name: 's0-kafka-task-events' }, target: { type: 'AverageValue', averageValue: '50' } } }]
          : [{ type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 70 } } }, ...(name === 'todo-backend' ? [{ type: 'Resource', resource: { name: 'memory', target: { type: 'Utilization', averageUtilization: 80 } } }] : [])],
      behavior,
    },
    status: {},
  }));

export const deployments = () =>
  workloads.map(({ name, container }) => ({
    metadata: { name, namespace },
    spec: { template: { spec: { containers: [{ name: container, resources: { requests: { cpu: '100m', memory: '128Mi' }, limits: { cpu: '500m' } } }] } } },
  }));

/** Replicas of a workload at a time: up and down once in a quarter of an hour. */
function replicasAt(name, ms) {
  const [min, max] = limits[name];
  const phase = ((ms / 1000 + name.length * 97) % 900) / 900;
  const share = phase < 0.35 ? 0 : phase < 0.4 ? 0.5 : phase < 0.75 ? 0.8 : phase < 0.8 ? 0.4 : 0;
  return Math.round(min + (max - min) * share);
}

export function decisions(name, limit) {
  const workload = workloadOf(name);
  const [min, max] = limits[workload];
  const last = Math.floor(Date.now() / syncMs) * syncMs;
  return Array.from({ length: Math.min(limit, 240) }, (_, i) => {
    const ms = last - i * syncMs;
    const from = replicasAt(workload, ms - syncMs);
    const to = replicasAt(workload, ms);
    const used = Math.round((70 * to) / from + (i % 7) - 3);
    const asked = Math.ceil((from * used) / 70);
    const steps = [
      { kind: 'metric', text: `CPU is ${used} % of the requests, its target is 70 %: ratio ${(used / 70).toFixed(2)}` },
      from === to ? { kind: 'tolerance', text: `ratio ${(used / 70).toFixed(2)} is within the tolerance of 0.9 to 1.1`, replicas: from } : { kind: 'rounding', text: `ratio ${(used / 70).toFixed(2)} × ${from} pods, rounded up`, replicas: asked },
      ...(from < to ? [{ kind: 'policy', text: `the policy of 100 % in 15 s allows ${Math.min(to, from * 2)}`, replicas: to }] : []),
      ...(from > to ? [{ kind: 'stabilization', text: 'the highest recommendation of the last 90 s counts', replicas: to }] : []),
      { kind: 'limits', text: `between ${min} and ${max}`, replicas: to },
    ];
    const sentence =
      from === to ? `CPU ${used} % of 70 % is near enough: ${to} stay` : from < to ? `CPU ${used} % of 70 % asks for ${asked}; the policy of 100 % in 15 s allows ${to}` : `CPU ${used} % of 70 % asks for ${to}, and so it was all of the last 90 s`;
    const events = from === to ? [] : [{ reason: 'SuccessfulRescale', message: `New size: ${to}; reason: ${from < to ? 'cpu resource utilization (percentage of request) above target' : 'All metrics below target'}`, warning: false }];
    return { time: iso(ms), currentReplicas: from, desiredReplicas: to, scaled: from !== to, sentence, steps, conditions: conditions(workload, ms), events };
  });
}

function conditions(workload, ms) {
  const limited = replicasAt(workload, ms) === limits[workload][0];
  return [
    { type: 'AbleToScale', status: 'True', reason: 'ReadyForNewScale', message: 'recommended size matches current size', lastTransitionTime: iso(ms - 3600e3) },
    process.env.MOCK_TROUBLE && workload === 'todo-frontend'
      ? { type: 'ScalingActive', status: 'False', reason: 'FailedGetResourceMetric', message: 'the HPA was unable to compute the replica count: failed to get cpu utilization: unable to get metrics for resource cpu: no metrics returned from resource metrics API', lastTransitionTime: iso(ms - 600e3) }
      : { type: 'ScalingActive', status: 'True', reason: 'ValidMetricFound', message: 'the HPA was able to successfully calculate a replica count from cpu resource utilization (percentage of request)', lastTransitionTime: iso(ms - 3600e3) },
    { type: 'ScalingLimited', status: limited ? 'True' : 'False', reason: limited ? 'TooFewReplicas' : 'DesiredWithinRange', message: limited ? 'the desired replica count is less than the minimum replica count' : 'the desired count is within the acceptable range', lastTransitionTime: iso(ms - 300e3) },
  ];
}

export function autoscalers() {
  const now = Date.now();
  return workloads.map(({ name }) => {
    const known = decisions(autoscalerName(name), 240);
    const percent = (value, target) => ({ type: 'Resource', name: value, target: { type: 'Utilization', value: target, number: target }, current: { value: 64 + name.length, averageUtilization: 64 + name.length, averageValue: '72m' } });
    const queue = name === 'event-service';
    return {
      namespace,
      name: autoscalerName(name),
      origin: queue ? 'ScaledObject' : 'HorizontalPodAutoscaler',
      target: { kind: 'Deployment', name },
      minReplicas: limits[name][0],
      maxReplicas: limits[name][1],
      currentReplicas: replicasAt(name, now - syncMs),
      desiredReplicas: replicasAt(name, now),
      lastScaleTime: known.find((d) => d.scaled)?.time ?? null,
      conditions: conditions(name, now),
      metrics: queue
        ? [{ type: 'External', name: 's0-kafka-task-events', target: { type: 'AverageValue', value: '50' }, current: process.env.MOCK_TROUBLE ? null : { value: '12', averageValue: '12' } }]
        : [percent('cpu', 70), ...(name === 'todo-backend' ? [percent('memory', 80)] : [])],
    };
  });
}

export function annotations(from, to) {
  return workloads
    .flatMap(({ name }) =>
      decisions(autoscalerName(name), 240)
        .filter((d) => d.scaled)
        .map((d) => ({ id: Date.parse(d.time), time: Date.parse(d.time), text: `${name}: ${d.currentReplicas} → ${d.desiredReplicas} replicas: ${d.sentence}`, tags: ['scaling', namespace, name] })),
    )
    .filter((a) => a.time >= from && a.time <= to);
}

const rateAt = (segments, seconds) => {
  let begin = 0;
  for (const [i, s] of segments.entries()) {
    const length = s.seconds ?? 86_400;
    if (seconds < begin + length || i === segments.length - 1) {
      const share = Math.min(1, (seconds - begin) / length);
      if (s.kind === 'constant') return s.rate;
      if (s.kind === 'ramp') return s.from + (s.to - s.from) * share;
      if (s.kind === 'spike') return s.base + (s.peak - s.base) * (1 - Math.abs(2 * share - 1));
      return s.low + ((s.high - s.low) * (1 + Math.cos(2 * Math.PI * ((seconds - begin) / 86_400 - (s.peakHour ?? 14) / 24)))) / 2;
    }
    begin += length;
  }
  return 0;
};

export function simulation(request) {
  const [hpa, deployment] = request.hpa;
  const { minReplicas = 1, maxReplicas } = hpa.spec;
  if (minReplicas > maxReplicas) return { error: `hpa.spec.minReplicas: ${minReplicas} is above maxReplicas ${maxReplicas}; hint: lower it`, field: 'hpa.spec.minReplicas' };
  const target = hpa.spec.metrics?.[0]?.resource?.target?.averageUtilization ?? 70;
  const service = { cpuSecondsPerRequest: 0.005, startSeconds: 2, readySeconds: 8, ...request.service };
  const cores = service.cpuRequestCores ?? (deployment ? 0.1 : 0.25);
  const perPod = (cores * target) / 100 / service.cpuSecondsPerRequest;
  const rest = Number(((minReplicas * perPod) / 2).toPrecision(3));
  const step = [{ kind: 'constant', rate: rest, seconds: 120 }, { kind: 'constant', rate: 8 * rest, seconds: 600 }, { kind: 'constant', rate: rest, seconds: 900 }];
  const segments = request.load?.segments?.length ? request.load.segments : step;
  const factor = request.load?.factor ?? 1;
  const duration = segments.reduce((sum, s) => sum + (s.seconds ?? 86_400), 0);
  const tick = Math.max(15, Math.ceil(duration / 2000 / 15) * 15);
  const down = hpa.spec.behavior?.scaleDown?.stabilizationWindowSeconds ?? 300;
  const clamp = (n) => Math.min(maxReplicas, Math.max(minReplicas, n));
  const asked = [];
  const [timeline, scalings] = [[], []];
  let replicas = minReplicas;
  for (let t = tick; t <= duration; t += tick) {
    const arrivalRate = factor * rateAt(segments, t - tick / 2);
    const seen = factor * rateAt(segments, Math.max(0, t - tick - (request.metrics?.lagSeconds ?? 0)));
    asked.push(clamp(Math.ceil(seen / perPod)));
    const back = asked.slice(-Math.max(1, Math.ceil(down / tick)));
    const wanted = Math.max(Math.min(asked.at(-1), Math.max(replicas * 2, replicas + 4)), Math.min(replicas, Math.max(...back)));
    if (wanted !== replicas) scalings.push({ timeSeconds: t, from: replicas, to: wanted, sentence: `CPU asks for ${asked.at(-1)}; the policies allow ${wanted}` });
    const readyBefore = timeline.at(-1)?.readyReplicas ?? replicas;
    const readyReplicas = service.startSeconds + service.readySeconds > tick ? Math.min(wanted, readyBefore + (timeline.at(-1)?.replicas > readyBefore ? timeline.at(-1).replicas - readyBefore : 0)) : wanted;
    replicas = wanted;
    const utilization = Math.min(400, (100 * arrivalRate * service.cpuSecondsPerRequest) / cores / readyReplicas);
    const busy = Math.min(0.97, utilization / 400);
    const mean = 0.01 / (1 - busy);
    timeline.push({ timeSeconds: t, arrivalRate, servedRate: arrivalRate * (utilization >= 400 ? 0.8 : 1), failedRate: utilization >= 400 ? arrivalRate * 0.2 : 0, replicas, readyReplicas, neededReplicas: clamp(Math.ceil(arrivalRate / perPod)), cpuCoresPerPod: (utilization * cores) / 100, cpuUtilization: utilization, memoryBytesPerPod: 7e7, waiting: service.queue ? Math.max(0, utilization - 90) * 10 : 0, latencyMeanSeconds: mean, latencyP99Seconds: mean * 4.6 });
  }
  const sum = (of) => timeline.reduce((total, p) => total + of(p), 0);
  const changes = [];
  timeline.forEach((p, i) => {
    const before = timeline[i - 1]?.neededReplicas ?? p.neededReplicas;
    if (p.neededReplicas === before) return;
    const up = p.neededReplicas > before;
    const begin = timeline[i - 1].timeSeconds;
    const done = timeline.slice(i).find((q) => (up ? q.readyReplicas >= p.neededReplicas : q.replicas <= p.neededReplicas));
    changes.push({ timeSeconds: begin, direction: up ? 'up' : 'down', from: before, to: p.neededReplicas, seconds: done ? done.timeSeconds - begin : null, firstScalingSeconds: scalings.find((s) => s.timeSeconds >= begin)?.timeSeconds - begin || null, superseded: false, waitedSeconds: done ? done.timeSeconds - begin : duration - begin });
  });
  const worst = (direction) => Math.max(...changes.filter((c) => c.direction === direction).map((c) => c.seconds ?? Infinity));
  const checks = [['up', request.targets?.upSeconds], ['down', request.targets?.downSeconds]].flatMap(([direction, limit]) => (limit === undefined ? [] : [{ target: `${direction} within ${limit} s`, limit, worst: worst(direction), passed: worst(direction) <= limit, text: Number.isFinite(worst(direction)) ? `${worst(direction)} s at most` : 'nothing to judge' }]));
  const spreadOf = (direction) => (Number.isFinite(worst(direction)) ? { min: worst(direction) - 15, median: worst(direction), max: worst(direction) } : null);
  return {
    autoscaler: { namespace, name: hpa.metadata.name, origin: hpa.kind, target: `Deployment/${hpa.spec.scaleTargetRef.name}`, minReplicas, maxReplicas },
    load: { segments, factor, noise: 0 },
    durationSeconds: duration,
    timelineSeconds: tick,
    timeline,
    scalings,
    changes,
    summary: {
      arrived: sum((p) => p.arrivalRate) * tick, failed: sum((p) => p.failedRate) * tick, podMinutes: (sum((p) => p.replicas) * tick) / 60,
      underProvisionedPodMinutes: (sum((p) => Math.max(0, p.neededReplicas - p.readyReplicas)) * tick) / 60, overProvisionedPodMinutes: (sum((p) => Math.max(0, p.replicas - p.neededReplicas)) * tick) / 60,
      scaleUps: scalings.filter((s) => s.to > s.from).length, scaleDowns: scalings.filter((s) => s.to < s.from).length, flaps: 0, mostReplicas: Math.max(...timeline.map((p) => p.replicas)), secondsAtMax: 0,
      latencyMeanSeconds: sum((p) => p.latencyMeanSeconds) / timeline.length, latencyP99WorstSeconds: Math.max(...timeline.map((p) => p.latencyP99Seconds)), mostWaiting: Math.max(...timeline.map((p) => p.waiting)),
    },
    phases: { count: request.phases ?? 1, upSeconds: spreadOf('up'), downSeconds: spreadOf('down'), podMinutes: {}, superseded: 0, flaps: {} },
    verdict: { passed: checks.every((c) => c.passed), checks },
    models: ['This is the mock: it only resembles a simulation.'],
    warnings: segments.some((s) => (s.rate ?? 0) * factor > perPod * maxReplicas) ? [`the load needs more than the ${maxReplicas} replicas that maxReplicas allows`] : [],
  };
}

/** The series that kube-state-metrics has of autoscalers. */
export function addSeries() {
  const kube = { job: 'kube-state-metrics', instance: '127.0.0.1:3100', namespace };
  const own = workloads.map(({ name }) => ({ ...kube, horizontalpodautoscaler: autoscalerName(name) }));
  const limit = (which) => (l) => limits[workloadOf(l.horizontalpodautoscaler)][which];
  const add = (name, help, series, more) => (catalog[`kube_horizontalpodautoscaler_${name}`] = { type: 'gauge', help, series, constant: true, level: 1, ...more });
  add('info', 'Information about an autoscaler.', own.map((l) => ({ ...l, scaletargetref_api_version: 'apps/v1', scaletargetref_kind: 'Deployment', scaletargetref_name: workloadOf(l.horizontalpodautoscaler) })));
  add('spec_min_replicas', 'Lower limit for the number of pods.', own, { level: limit(0) });
  add('spec_max_replicas', 'Upper limit for the number of pods.', own, { level: limit(1) });
  const at = (delay) => (l) => (t) => replicasAt(workloadOf(l.horizontalpodautoscaler), 1000 * (t - delay));
  add('status_desired_replicas', 'Desired number of replicas.', own, { at: at(0) });
  add('status_current_replicas', 'Current number of replicas.', own, { at: at(15) });
  const metrics = own.flatMap((l) => (l.horizontalpodautoscaler.startsWith('keda') ? ['s0-kafka-task-events'] : l.horizontalpodautoscaler === 'todo-backend-hpa' ? ['cpu', 'memory'] : ['cpu']).map((metric_name) => ({ ...l, metric_name, metric_target_type: metric_name.startsWith('s0') ? 'average' : 'utilization' })));
  add('spec_target_metric', 'Targets of metrics.', metrics, { level: 70 });
  add('status_target_metric', 'Values of metrics.', metrics, { level: 70, constant: false });
}
