import { afterEach, describe, expect, it, test, vi } from 'vitest';
import { loadAnnotations } from '../api/annotations';
import { listAutoscalers, type AutoscalerMetric, type Decision } from '../api/scaling';
import { clusterAnnotations, notesOf } from '../charts/annotations';
import { elapsedText } from '../charts/ticks';
import { colorTheme } from '../grafana/theme';
import { annotationHref, chartAnnotations } from '../panels/annotations';
import { metricState, quantity } from './amounts';
import { autoscalerPanels } from './charts';
import { eventsOf, onlyChanges, replicasText } from './decisions';

describe('quantities', () => {
  test.each<[string | number | null, number | undefined]>([
    ['250m', 0.25],
    ['128Mi', 128 * 2 ** 20],
    ['1.5', 1.5],
    ['1e3', 1000],
    ['2k', 2000],
    ['12345678n', 0.012345678],
    [70, 70],
    [null, undefined],
    ['70 %', undefined],
    ['', undefined],
  ])('%s', (text, number) => {
    const read = quantity(text);
    if (number === undefined) expect(read).toBeUndefined();
    else expect(read).toBeCloseTo(number, 12);
  });
});

describe('a metric of an autoscaler', () => {
  const metric = (change: Partial<AutoscalerMetric>): AutoscalerMetric => ({ type: 'Resource', name: 'cpu', target: { type: 'Utilization', value: 70 }, current: null, ...change });

  test.each<[string, AutoscalerMetric, Record<string, unknown>]>([
    ['in percent', metric({ current: { value: 143, averageUtilization: 143, averageValue: '143m' } }), { name: 'CPU', currentText: '143 %', targetText: '70 %', share: 143 / 70 }],
    ['that cannot be read', metric({}), { currentText: 'unknown', share: undefined }],
    ['per pod', metric({ type: 'External', name: 'lag', target: { type: 'AverageValue', value: '50' }, current: { averageValue: '12500m' } }), { name: 'lag', currentText: '12.5', targetText: '50 per pod', share: 0.25 }],
    ['of a container', metric({ type: 'ContainerResource', container: 'app', target: { type: 'AverageValue', value: '100m' }, current: { averageValue: '50m' } }), { name: 'CPU of app', currentText: '50m', targetText: '100m per pod', share: 0.5 }],
    ['in bytes', metric({ name: 'memory', target: { type: 'AverageValue', value: '100Mi' }, current: { averageValue: '52428800' } }), { currentText: '50 MiB', targetText: '100 MiB per pod', share: 0.5 }],
    ['as a value', metric({ type: 'Object', name: 'waiting', target: { type: 'Value', value: '10' }, current: { value: '5' } }), { currentText: '5', targetText: '10', share: 0.5 }],
  ])('%s', (_name, given, expected) => expect(metricState(given)).toMatchObject(expected));

  it('has series of its own autoscaler, whatever its name', () => {
    const [replicas, metrics] = autoscalerPanels({ namespace: 'ns', name: 'a"b' });
    expect(replicas.targets?.map((t) => t.expr)[0]).toBe('max(kube_horizontalpodautoscaler_status_current_replicas{namespace="ns",horizontalpodautoscaler="a\\"b"})');
    expect(metrics.targets?.[0]?.expr).toMatch(/^100 \* .*_status_target_metric.* \/ .*_spec_target_metric/);
  });
});

describe('decisions', () => {
  const decision = (time: string, from: number, to: number, more: Partial<Decision> = {}): Decision => ({ time, currentReplicas: from, desiredReplicas: to, scaled: from !== to, sentence: '', steps: [], ...more });
  const rescaled = { reason: 'SuccessfulRescale', message: 'New size: 4', warning: false };
  const all = [
    decision('03', 4, 4, { events: [{ reason: 'FailedGetResourceMetric', message: 'none', type: 'Warning' }] }),
    decision('02', 2, 4, { events: [rescaled] }),
    decision('01', 4, 2, { events: [rescaled] }),
  ];

  it('are changes where the replicas changed', () => {
    expect(onlyChanges(all).map((d) => d.time)).toEqual(['02', '01']);
    expect(all.map(replicasText)).toEqual(['4', '2 → 4', '4 → 2']);
  });

  it('have events, equal ones counted, with the time of the last', () => {
    expect(eventsOf(all)).toMatchObject([
      { reason: 'FailedGetResourceMetric', warning: true, count: 1, time: '03' },
      { reason: 'SuccessfulRescale', warning: false, count: 2, time: '02' },
    ]);
  });
});

describe('annotations', () => {
  const at = (timeMs: number) => ({ timeMs, name: '', text: `at ${timeMs}`, color: 'blue' });
  const range = { from: 0, to: 1000 };

  it('outside of the range are left out, and near ones are together', () => {
    const clusters = clusterAnnotations([at(500), at(1001), at(100), at(105), at(-1), at(110)], range, 1000);
    expect(clusters.map((c) => c.map((a) => a.timeMs))).toEqual([[100, 105], [110], [500]]);
    expect(clusterAnnotations([at(100), at(105), at(110)], range, 100)).toHaveLength(1);
  });

  it('say all of what is together, up to a dozen', () => {
    expect(notesOf([at(5)])).toEqual([['', 'at 5']]);
    const many = notesOf(Array.from({ length: 20 }, (_, i) => at(i)));
    expect(many).toHaveLength(13);
    expect(many.at(-1)).toEqual(['', 'and 8 more']);
  });

  it('lead to the autoscaler of their workload', () => {
    const scaling = { id: 1, time: 7, text: 'web: 2 → 4', tags: ['scaling', 'ns', 'web'] };
    expect(chartAnnotations([scaling], colorTheme('dark'))).toMatchObject([{ timeMs: 7, text: 'web: 2 → 4', href: '/scaling?workload=ns%2Fweb' }]);
    expect(annotationHref({ ...scaling, tags: ['deploy'] })).toBeUndefined();
  });
});

describe('a server without autoscaling', () => {
  afterEach(() => vi.unstubAllGlobals());
  const answer = (status: number) => vi.stubGlobal('fetch', () => Promise.resolve(new Response('{"error":"nothing is scaled here"}', { status })));

  it('has no autoscalers and no annotations, and other failures are told', async () => {
    answer(404);
    expect(await listAutoscalers()).toBeUndefined();
    expect(await loadAnnotations({ from: 0, to: 1 })).toBeUndefined();
    answer(500);
    await expect(listAutoscalers()).rejects.toThrow('nothing is scaled here');
  });
});

describe('elapsed times', () => {
  test.each([
    [0, '0s'],
    [45_000, '45s'],
    [120_000, '2m'],
    [150_000, '2m 30s'],
    [3_600_000, '1h'],
    [3_900_000, '1h 5m'],
    [86_400_000 + 3 * 3_600_000, '1d 3h'],
    [86_400_000 + 60_000, '1d'],
    [-90_000, '−1m 30s'],
  ])('%s', (ms, text) => expect(elapsedText(ms)).toBe(text));
});
