import { describe, expect, it, test } from 'vitest';
import type { KubernetesObject } from '../api/kubernetes';
import type { SimulationReport, TimelinePoint } from '../api/simulation';
import { colorTheme } from '../grafana/theme';
import { stackSeries } from '../charts/stack';
import { asKind, decodeLoad, encodeLoad, loadPresets, ratesOf, secondsOf } from './load';
import { asWritten, cpuOf, exampleYaml, isScaledByQueue, manifestOf, rulesOf, targetsOf, type Manifest } from './manifest';
import { isQueued, placesOf, placeText, slidersOf } from './sliders';
import { pastedManifests, yamlOf } from './source';
import { changedManifest, decodeRules, encodeRules, readState, requestOf, restRate, writeState } from './state';
import { timelinePanels } from './timeline';

const deployment: KubernetesObject = {
  kind: 'Deployment',
  metadata: { name: 'web', namespace: 'ns' },
  spec: { template: { spec: { containers: [{ resources: { requests: { cpu: '100m' }, limits: { cpu: '1' } } }] } } },
};
const hpa: KubernetesObject = {
  apiVersion: 'autoscaling/v2',
  kind: 'HorizontalPodAutoscaler',
  metadata: { name: 'web-hpa', namespace: 'ns', uid: '1' },
  spec: {
    scaleTargetRef: { kind: 'Deployment', name: 'web' },
    minReplicas: 2,
    maxReplicas: 10,
    metrics: [
      { type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 70 } } },
      { type: 'Pods', pods: { metric: { name: 'rps' }, target: { type: 'AverageValue', averageValue: '1500m' } } },
    ],
    behavior: { scaleDown: { stabilizationWindowSeconds: 90 } },
  },
  status: {},
};
const scaledObject: KubernetesObject = {
  kind: 'ScaledObject',
  metadata: { name: 'queue', namespace: 'ns' },
  spec: { scaleTargetRef: { name: 'worker' }, maxReplicaCount: 5, triggers: [{ type: 'kafka', metadata: { lagThreshold: '50' } }] },
};
const manifest = manifestOf(hpa, [deployment]);
const queue = manifestOf(scaledObject, [deployment]);

const standing = (m: Manifest) => Object.fromEntries(slidersOf(m).map((s) => [s.name, s.standing(m)]));
const state = (search: string) => readState(new URLSearchParams(search));

describe('manifests', () => {
  it('have their Deployment beside them, of the same namespace', () => {
    expect(manifest.deployment).toBe(deployment);
    expect(cpuOf(manifest, 'requests')).toBe(0.1);
    expect(queue.deployment).toBeUndefined();
    expect(manifestOf({ ...hpa, metadata: { name: 'web-hpa' } }, [deployment]).deployment).toBeUndefined();
  });

  it('stand the sliders, with Kubernetes\'s defaults', () => {
    expect(standing(manifest)).toMatchObject({ min: 2, max: 10, target0: 70, target1: 1.5, up: 0, down: 90, request: 100, limit: 1000, cost: 5, sync: 15, tolerance: 10, partitions: 0 });
    expect(standing(queue)).toMatchObject({ min: 0, max: 5, target0: 50, up: 0, down: 300, request: 250, partitions: 5 });
    expect(targetsOf(queue).map((t) => t.name)).toEqual(['kafka lag']);
    expect([manifest, queue].map(isScaledByQueue)).toEqual([false, true]);
  });

  it('are changed by the sliders, without touching the ones that were read', () => {
    const before = JSON.stringify([manifest, queue]);
    const { spec } = changedManifest(manifest, state('max=12&target0=50&target1=2.5&down=30&upPolicies=50%25/60,min')).autoscaler;
    expect(spec).toMatchObject({
      maxReplicas: 12,
      metrics: [{ resource: { target: { averageUtilization: 50 } } }, { pods: { target: { averageValue: '2500m' } } }],
      behavior: { scaleUp: { selectPolicy: 'Min', policies: [{ type: 'Percent', value: 50, periodSeconds: 60 }] }, scaleDown: { stabilizationWindowSeconds: 30 } },
    });
    expect(changedManifest(queue, state('min=1&target0=80&down=60')).autoscaler.spec).toMatchObject({
      minReplicaCount: 1,
      triggers: [{ metadata: { lagThreshold: '80' } }],
      advanced: { horizontalPodAutoscalerConfig: { behavior: { scaleDown: { stabilizationWindowSeconds: 60 } } } },
    });
    expect(JSON.stringify([manifest, queue])).toBe(before);
  });

  it('have the default policies where they give none', () => {
    expect(rulesOf(manifest, 'up').policies.map((p) => [p.type, p.value, p.periodSeconds])).toEqual([['Percent', 100, 15], ['Pods', 4, 15]]);
    expect(rulesOf(manifest, 'down')).toMatchObject({ selectPolicy: 'Max', policies: [{ type: 'Percent', value: 100 }] });
  });

  it('are written without what a server adds', async () => {
    expect(asWritten(hpa)).toEqual({ apiVersion: hpa.apiVersion, kind: hpa.kind, metadata: { name: 'web-hpa', namespace: 'ns' }, spec: hpa.spec });
    expect(await yamlOf({ spec: { minReplicas: 2, name: 'on' } })).toBe('spec:\n  minReplicas: 2\n  name: on\n');
  });

  it('are read from YAML with several documents, lists and what is no autoscaler', async () => {
    const text = `${exampleYaml}---\napiVersion: v1\nkind: List\nitems:\n- kind: Deployment\n  metadata: {name: web}\n- kind: ScaledObject\n  metadata: {name: q}\n  spec: {}\n---\n`;
    const found = await pastedManifests(text);
    expect(found.map((m) => [m.autoscaler.metadata?.name, m.deployment?.metadata?.name])).toEqual([['web', 'web'], ['q', undefined]]);
    await expect(pastedManifests('kind: Service\n')).rejects.toThrow('no HorizontalPodAutoscaler');
    await expect(pastedManifests('a: [1')).rejects.toThrow('document 1');
  });
});

describe('the address', () => {
  test.each([
    'hpa=ns%2Fweb-hpa&load=c20x120_r20-160.5x60_s20-200x120_d5-90%4016x86400&upPolicies=100%25%2F15%2C4%2F15%2Cmin&downPolicies=disabled&min=3&cost=12.5',
    'yaml=kind%3A+x',
    '',
  ])('%s is what it was made of', (search) => expect(writeState(state(search)).toString()).toBe(search));

  it('leaves out what cannot be read, and what is of the whole page', () => {
    const read = state('load=c20&upPolicies=much&min=abc&from=1700000000000&refresh=5s&max=');
    expect(read).toMatchObject({ load: [], moved: {}, up: undefined });
  });

  it('has policies as text', () => {
    expect(decodeRules('100%/15,4/15')).toEqual({ selectPolicy: 'Max', policies: [{ type: 'Percent', value: 100, periodSeconds: 15 }, { type: 'Pods', value: 4, periodSeconds: 15 }] });
    expect(encodeRules({ selectPolicy: 'Disabled', policies: [] })).toBe('disabled');
    expect(decodeRules('100%')).toBeUndefined();
  });
});

describe('requests', () => {
  it('hold the objects, the targets, and what was moved, in the simulation\'s units', () => {
    const request = requestOf(manifest, state('cost=2.5&request=200&sync=30&tolerance=5&noise=10&factor=2&upWithin=60&load=c10x60'));
    expect(request).toMatchObject({
      hpa: [{ kind: 'HorizontalPodAutoscaler' }, { kind: 'Deployment' }],
      load: { segments: [{ kind: 'constant', rate: 10, seconds: 60 }], factor: 2, noise: 0.1 },
      service: { cpuSecondsPerRequest: 0.0025, cpuRequestCores: 0.2 },
      controller: { syncPeriodSeconds: 30, tolerance: 0.05 },
      targets: { upSeconds: 60, downSeconds: 300 },
    });
    expect(request.service).not.toHaveProperty('queue');
    expect(requestOf(manifest, state(''))).not.toHaveProperty('load');
  });

  it('leave the queue of a ScaledObject to the simulation, with its topic, until the partitions are moved', () => {
    const topic: KubernetesObject = { kind: 'KafkaTopic', metadata: { name: 'events', namespace: 'ns' }, spec: { topicName: 'todo.events', partitions: 12 } };
    const reader = structuredClone(scaledObject);
    (reader.spec?.triggers as { metadata: Record<string, string> }[])[0]!.metadata.topic = 'todo.events';
    const withTopic = manifestOf(reader, [topic, { ...topic, metadata: { name: 'events', namespace: 'other' }, spec: { ...topic.spec, partitions: 3 } }]);
    expect(standing(withTopic)).toMatchObject({ partitions: 12 });
    expect(requestOf(withTopic, state('')).service).toBeUndefined();
    expect(requestOf(withTopic, state('')).hpa).toMatchObject([{ kind: 'ScaledObject' }, { kind: 'KafkaTopic', spec: { partitions: 12 } }]);
    expect(requestOf(withTopic, state('partitions=8')).service).toEqual({ queue: { partitions: 8 } });
    expect(manifestOf(scaledObject, [topic]).topic).toBeUndefined();
    expect([undefined, 0, 8].map((moved) => isQueued(withTopic, moved))).toEqual([true, true, true]);
  });

  it('ask for a queue where KEDA made the autoscaler of a Kafka trigger, and not for other external metrics', () => {
    const external = (name: string) => manifestOf({ ...hpa, spec: { metrics: [{ type: 'External', external: { metric: { name }, target: { averageValue: '50' } } }] } }, []);
    const keda = external('s0-kafka-todo-events');
    expect(standing(keda)).toMatchObject({ partitions: 5 });
    expect(requestOf(keda, state('')).service).toEqual({ queue: {} });
    expect(requestOf(keda, state('partitions=0')).service).toBeUndefined();
    expect([undefined, 0, 8].map((moved) => isQueued(keda, moved))).toEqual([true, false, true]);
    const others = external('s1-prometheus');
    expect(standing(others)).toMatchObject({ partitions: 0 });
    expect(requestOf(others, state('')).service).toBeUndefined();
    expect([undefined, 0, 8].map((moved) => isQueued(others, moved))).toEqual([false, false, true]);
  });

  it('rest at half of what the fewest replicas carry', () => {
    expect(restRate(manifest, state(''))).toBe(14);
    expect(restRate(manifest, state('min=4&cost=1&target0=35'))).toBe(70);
  });
});

describe('loads', () => {
  test.each(['x20x120', 'c20', 'c-5x10', 'r5x', '', 'c20x120_'])('%s is none', (text) => expect(decodeLoad(text)).toBeUndefined());

  it('of presets are the same after the address', () => {
    for (const preset of loadPresets) {
      const segments = preset.segments(13.7);
      expect(decodeLoad(encodeLoad(segments)), preset.name).toEqual(segments);
      expect(segments.every((s) => secondsOf(s) > 0 && ratesOf(s).every((rate) => rate >= 0))).toBe(true);
    }
  });

  it('keep their rates when they become another kind', () => {
    const constant = { kind: 'constant', rate: 10, seconds: 60 } as const;
    expect(asKind(constant, 'ramp')).toEqual({ kind: 'ramp', from: 10, to: 40, seconds: 60 });
    expect(asKind({ kind: 'ramp', from: 1, to: 2, seconds: 60 }, 'spike')).toEqual({ kind: 'spike', base: 1, peak: 2, seconds: 60 });
    expect(asKind(constant, 'daily')).toMatchObject({ kind: 'daily', seconds: 86_400 });
    expect(asKind({ kind: 'daily', low: 1, high: 2 }, 'constant')).toEqual({ kind: 'constant', rate: 1, seconds: 600 });
  });
});

describe('sliders', () => {
  it('have ascending places, where they stand among them, and names of their own', () => {
    for (const base of [manifest, queue]) {
      const sliders = slidersOf(base);
      expect(new Set(sliders.map((s) => s.name)).size).toBe(sliders.length);
      for (const slider of sliders) {
        const places = placesOf(slider, slider.standing(base), 17.5);
        expect(places).toContain(slider.standing(base));
        expect(places).toContain(17.5);
        expect([...places].sort((a, b) => a - b)).toEqual(places);
        expect(Boolean(slider.manifest) || Boolean(slider.request), slider.name).toBe(true);
      }
    }
  });

  test.each([
    [90, 's', '90 s'],
    [300, 's', '5 min'],
    [250, 'm', '250m'],
    [70, '%', '70 %'],
    [4, '', '4'],
  ])('%s%s reads %s', (value, unit, text) => expect(placeText(value, unit)).toBe(text));
});

describe('the timeline', () => {
  const point = (timeSeconds: number, needed: number, ready: number): TimelinePoint => ({
    timeSeconds, arrivalRate: 1, servedRate: 1, failedRate: 0, replicas: needed, readyReplicas: ready, neededReplicas: needed, cpuCoresPerPod: 0.1, cpuUtilization: 50, memoryBytesPerPod: 1, waiting: 0, latencyMeanSeconds: 0.1, latencyP99Seconds: 0.2,
  });
  const report = { autoscaler: { maxReplicas: 9 }, timelineSeconds: 15, timeline: [point(15, 2, 2), point(30, 4, 2)], scalings: [{ timeSeconds: 30, from: 2, to: 4, sentence: 'why' }] } as unknown as SimulationReport;

  it('has elapsed times, and between ready and needed what is missing', () => {
    const panels = timelinePanels(report, false, colorTheme('dark'));
    expect(panels.map((p) => p.key)).toEqual(['load', 'replicas', 'cpu', 'latency']);
    const { model } = panels[1] as (typeof panels)[number];
    expect(model).toMatchObject({ elapsed: true, times: [15_000, 30_000], annotations: [{ timeMs: 30_000, name: '2 → 4', text: 'why' }] });
    expect(model.series.map((s) => [s.name, s.values])).toEqual([['too few', [2, 4]], ['ready', [2, 2]], ['asked for', [2, 4]], ['needed', [2, 4]]]);
    expect(stackSeries(model).bands).toEqual([[0, 1]]);
  });

  it('shows what waits where there is a queue', () => {
    expect(timelinePanels(report, true, colorTheme('light')).map((p) => p.key)).toContain('waiting');
  });
});
