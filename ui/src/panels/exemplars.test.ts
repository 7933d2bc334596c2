import { afterEach, describe, expect, it, test, vi } from 'vitest';
import type { Exemplar } from '../api/prometheus';
import { thinExemplars, withExemplars } from '../charts/exemplars';
import { colorTheme } from '../grafana/theme';
import { chartExemplars, exemplarHref } from './exemplars';
import { fetchPanel, QueryShare, type PanelResult } from './fetch';
import { seriesOfResult, timeseriesModel } from './timeseriesModel';

const exemplar = (labels: Record<string, string>, timeMs = 1000, value = 0.5): Exemplar => ({ labels, series: { job: 'a' }, value, timeMs });

describe('exemplars', () => {
  test.each<[Record<string, string>, string | undefined]>([
    [{ trace_id: 'ab' }, '/trace/ab'],
    [{ trace_id: 'ab', span_id: 'cd' }, '/trace/ab?span=cd'],
    [{ traceID: 'ab' }, '/trace/ab'],
    [{ trace_id: '', user: 'x' }, undefined],
    [{}, undefined],
  ])('with %j lead to %s', (labels, href) => expect(exemplarHref(exemplar(labels))).toBe(href));

  it('are thinned to the highest and lowest of each span of time', () => {
    const all = [1, 2, 3, 4].map((value, i) => ({ timeMs: i * 10, value }));
    const kept = thinExemplars([...all, { timeMs: 60, value: 9 }, { timeMs: -1, value: 1 }, { timeMs: 101, value: 1 }, { timeMs: 5, value: NaN }], { from: 0, to: 100 }, 2);
    expect(kept.map((e) => e.value)).toEqual([1, 4, 9]);
    expect(thinExemplars(Array.from({ length: 5000 }, (_, i) => ({ timeMs: i, value: i % 17 })), { from: 0, to: 5000 }, 90).length).toBeLessThanOrEqual(180);
  });

  test.each<[number[], [number, number]]>([
    [[], [1, 2]],
    [[1.5], [1, 2]],
    [[0.2, 3], [0.2, 3]],
    [[100], [1, 4]],
  ])('%j make the axis of 1 to 2 reach over %j', (values, reach) => expect(withExemplars(1, 2, values)).toEqual(reach));

  const result = (exemplars: Exemplar[]): PanelResult => ({
    targets: [{ target: { refId: 'A', exemplar: true }, expr: 'x', names: ['x'], exemplars, range: { times: [0, 15_000], series: [{ labels: {}, values: [1, 2] }], notices: [] } }],
    notices: [],
    range: { from: 0, to: 60_000, raw: { from: '', to: '' } },
    step: 15_000,
  });
  const chart = (given: PanelResult) => timeseriesModel({ panel: { type: 'timeseries', fieldConfig: { defaults: { unit: 's' }, overrides: [] } }, series: seriesOfResult(given), step: 15_000, theme: colorTheme('dark') });

  it('are drawn once, in the unit of the panel', () => {
    const given = result([exemplar({ trace_id: 'ab' }), { ...exemplar({ trace_id: 'ab' }), series: { job: 'a', le: '1' } }, exemplar({ trace_id: 'cd' }, 50_000, 2)]);
    const shown = chartExemplars(given, chart(given)) ?? [];
    expect(shown.map((e) => [e.timeMs, e.href])).toEqual([[1000, '/trace/ab'], [50_000, '/trace/cd']]);
    expect(shown[0]?.title).toMatch(/^500 ms at /);
    expect(Object.fromEntries(shown[0]?.facts ?? [])).toMatchObject({ trace_id: 'ab', click: 'opens the trace' });
    expect(chartExemplars(result([]), chart(result([])))).toBeUndefined();
  });
});

describe('asking for exemplars', () => {
  afterEach(() => vi.unstubAllGlobals());

  const ask = async (exemplarsAnswer: () => Response, asksForThem = true) => {
    const asked: string[] = [];
    vi.stubGlobal('fetch', (url: string) => {
      asked.push(url);
      return Promise.resolve(url.includes('exemplars') ? exemplarsAnswer() : new Response('{"status":"success","data":{"resultType":"matrix","result":[]}}'));
    });
    const panel = { type: 'timeseries', targets: [{ refId: 'A', expr: `x${Math.random()}`, exemplar: asksForThem }] };
    const range = { from: 0, to: 60_000, raw: { from: '', to: '' } };
    return { asked, got: await fetchPanel({ panel, range, width: 100, scope: { variables: {}, scoped: {} } }, new QueryShare(new AbortController().signal)) };
  };

  it('happens only where a target wants them', async () => {
    expect((await ask(() => new Response('{}'), false)).asked).toEqual(['/api/v1/query_range']);
  });

  it('reads Prometheus’ answer', async () => {
    const { got } = await ask(() => new Response('{"status":"success","data":[{"seriesLabels":{"job":"a"},"exemplars":[{"labels":{"trace_id":"ab"},"value":"0.25","timestamp":12.5}]}]}'));
    expect(got.targets[0]?.exemplars).toEqual([{ labels: { trace_id: 'ab' }, series: { job: 'a' }, value: 0.25, timeMs: 12_500 }]);
  });

  it('that fails leaves the panel, with a notice', async () => {
    const { got } = await ask(() => new Response('{"status":"error","error":"no exemplar storage"}', { status: 500 }));
    expect(got.notices).toEqual(['exemplars could not be read: no exemplar storage']);
  });
});
