import { afterEach, describe, expect, it, vi } from 'vitest';
import { gridOf } from '../api/prometheus';
import { afterClick } from '../charts/Legend';
import { sparklinePath } from '../charts/Sparkline';
import { isAbsent, stackSeries } from '../charts/stack';
import { logTick, timeTicks, valueTicks } from '../charts/ticks';
import { tooltipRows } from '../charts/tooltip';
import type { PanelModel } from '../grafana/model';
import { colorTheme } from '../grafana/theme';
import { fetchPanel, panelRange, QueryShare, type PanelResult } from './fetch';
import { showFrames, showValue } from './fields';
import { panelFrames } from './fields';
import { reduceFrames } from './reduce';
import { alignSeries, describeInfinite, infiniteSeries, seriesOfResult, timeseriesModel } from './timeseriesModel';

const range = { from: 0, to: 60_000, raw: { from: '', to: '' } };
const theme = colorTheme('dark');
const times = [0, 15_000, 30_000];

function resultOf(series: { labels: Record<string, string>; values: (number | null)[] }[], names: string[], refId = 'A'): PanelResult {
  return {
    targets: [{ target: { refId }, expr: 'x', names, range: { times, series, notices: [] } }],
    notices: [],
    range,
    step: 15_000,
  };
}

const twoSeries = resultOf(
  [
    { labels: { job: 'a' }, values: [1, 2, null] },
    { labels: { job: 'b' }, values: [10, null, 30] },
  ],
  ['a', 'b'],
);

const chart = (panel: Partial<PanelModel>, result = twoSeries) =>
  timeseriesModel({ panel: { type: 'timeseries', ...panel }, series: seriesOfResult(result), step: result.step, theme });

describe('answers of the API', () => {
  it('come onto one grid with null where a sample is missing', () => {
    const query = { expr: 'x', start: 0, end: 45_000, step: 15_000 };
    const grid = gridOf([{ metric: { a: '1' }, values: [[15, '2.5'], [30, 'NaN'], [45, '+Inf']] }], query);
    expect(grid.times).toEqual([0, 15_000, 30_000, 45_000]);
    expect(grid.series[0]?.values).toEqual([null, 2.5, null, Infinity]);
  });
});

describe('fetching', () => {
  afterEach(() => vi.unstubAllGlobals());

  it('shares equal queries and computes the built-in variables', async () => {
    const asked: string[] = [];
    vi.stubGlobal('fetch', (url: string, init: RequestInit) => {
      asked.push(`${url} ${decodeURIComponent(String(init.body)).replaceAll('+', ' ')}`);
      return Promise.resolve(new Response('{"status":"success","data":{"resultType":"matrix","result":[]}}'));
    });
    const share = new QueryShare(new AbortController().signal);
    const panel: PanelModel = { type: 'timeseries', interval: '20s', targets: [{ refId: 'A', expr: 'rate(x[$__rate_interval])' }, { refId: 'B', expr: 'hidden', hide: true }] };
    const request = { panel, scope: { variables: {}, scoped: {} }, range: { ...range, to: 600_000 }, width: 100 };
    await Promise.all([fetchPanel(request, share), fetchPanel(request, share)]);
    expect(asked).toEqual(['/api/v1/query_range query=rate(x[80s])&start=0&end=600&step=20']);
  });

  it('fails with the text of the API', async () => {
    vi.stubGlobal('fetch', () => Promise.resolve(new Response('{"status":"error","error":"parse error: x"}', { status: 400 })));
    const share = new QueryShare(new AbortController().signal);
    const request = { panel: { type: 'stat', targets: [{ refId: 'A', expr: '(', instant: true }] }, scope: { variables: {}, scoped: {} }, range, width: 100 };
    await expect(fetchPanel(request, share)).rejects.toThrow('parse error: x');
  });

  it('moves the range of panels with their own time', () => {
    const now = { from: 0, to: 7_200_000, raw: range.raw };
    expect(panelRange({ type: 'stat', timeFrom: '1h' }, now)).toMatchObject({ from: 3_600_000, to: 7_200_000 });
    expect(panelRange({ type: 'stat', timeShift: '1h' }, now)).toMatchObject({ from: -3_600_000, to: 3_600_000 });
  });
});

describe('time series', () => {
  it('takes colours from the palette, names from overrides and an axis per unit', () => {
    const model = chart({
      fieldConfig: {
        defaults: { unit: 'bytes' },
        overrides: [{ matcher: { id: 'byName', options: 'b' }, properties: [{ id: 'unit', value: 's' }, { id: 'displayName', value: 'B of ${__field.labels.job}' }] }],
      } as PanelModel['fieldConfig'],
    });
    expect(model.series.map((s) => [s.name, s.color, s.format(2048)])).toEqual([
      ['a', theme.palette[0], '2 KiB'],
      ['B of b', theme.palette[1], '34.1 mins'],
    ]);
    expect(model.axes.map((a) => [a.side, a.grid, a.binary])).toEqual([
      ['left', true, true],
      ['right', false, false],
    ]);
  });

  it('colours by threshold of the last value', () => {
    const model = chart({ fieldConfig: { defaults: { color: { mode: 'thresholds' }, thresholds: { mode: 'absolute', steps: [{ value: null, color: 'green' }, { value: 20, color: 'red' }] } }, overrides: [] } as unknown as PanelModel['fieldConfig'] });
    expect(model.series.map((s) => s.color)).toEqual(['#73BF69', '#F2495C']);
  });

  it('stacks values and closes areas over members without one', () => {
    const model = chart({ fieldConfig: { defaults: { custom: { stacking: { mode: 'normal' } } }, overrides: [] } });
    const { data, bands } = stackSeries(model);
    expect(data).toEqual([
      [1, 2, 0],
      [11, 2, 30],
    ]);
    expect(model.series.map((s) => times.map((_t, at) => isAbsent(s, at)))).toEqual([
      [false, false, true],
      [false, true, false],
    ]);
    expect(bands).toEqual([[1, 0]]);
    const percent = stackSeries(chart({ fieldConfig: { defaults: { custom: { stacking: { mode: 'percent' } } }, overrides: [] } }));
    expect(percent.data[1]).toEqual([1, 1, 1]);
    const nobody = resultOf([{ labels: {}, values: [1, null, 2] }, { labels: {}, values: [3, null, 4] }], ['a', 'b']);
    expect(stackSeries(chart({ fieldConfig: { defaults: { custom: { stacking: { mode: 'normal' } } }, overrides: [] } }, nobody)).data[1]).toEqual([4, null, 6]);
  });

  it('draws nothing for values that are not finite', () => {
    const infinite = resultOf([{ labels: {}, values: [1, Infinity, 3] }], ['x']);
    expect(stackSeries(chart({}, infinite)).data[0]).toEqual([1, null, 3]);
  });

  it('names series that a chart cannot draw', () => {
    const row = (values: (number | null)[]) => ({ refId: 'A', name: 'x', labels: {}, times, values });
    const series = [row([Infinity, null, Infinity]), row([-Infinity, 1, null]), row([null, null, null])];
    expect(infiniteSeries(series)).toEqual([series[0]]);
    expect(describeInfinite(infiniteSeries(series), 3)).toBe('1 of 3 series is +Inf at all times, which a graph cannot show.');
    expect(describeInfinite([row([-Infinity, -Infinity, null])], 1)).toBe('The value is -Inf at all times, which a graph cannot show.');
  });

  it('negates and bridges short gaps', () => {
    const gap = resultOf([{ labels: {}, values: [1, null, 3] }], ['x']);
    const data = (custom: Record<string, unknown>) => stackSeries(chart({ fieldConfig: { defaults: { custom }, overrides: [] } }, gap)).data[0];
    expect(data({ transform: 'negative-Y' })).toEqual([-1, null, -3]);
    expect(data({ spanNulls: 60_000 })).toEqual([1, undefined, 3]);
    expect(data({ spanNulls: 10_000 })).toEqual([1, null, 3]);
  });

  it('joins series of different steps on one list of times', () => {
    const other = { refId: 'B', name: 'y', labels: {}, times: [15_000, 40_000], values: [5, 6] };
    const aligned = alignSeries([...seriesOfResult(twoSeries), other]);
    expect(aligned.times).toEqual([0, 15_000, 30_000, 40_000]);
    expect(aligned.values[2]).toEqual([null, 5, null, 6]);
  });

  it('lists tooltip rows sorted, without missing values', () => {
    const model = chart({});
    expect(tooltipRows(model, 0, { mode: 'multi', sort: 'desc' }, 0).map((r) => r.value)).toEqual([10, 1]);
    expect(tooltipRows(model, 1, { mode: 'multi', sort: 'none' }, 0).map((r) => r.value)).toEqual([2]);
    expect(tooltipRows(model, 0, { mode: 'single', sort: 'none' }, 1).map((r) => r.value)).toEqual([10]);
  });

  it('isolates by a click on the legend and restores with a second', () => {
    const all = ['a', 'b', 'c'];
    const alone = afterClick('b', all, new Set(), false);
    expect([...alone]).toEqual(['a', 'c']);
    expect(afterClick('b', all, alone, false).size).toBe(0);
    expect([...afterClick('a', all, new Set(), true)]).toEqual(['a']);
  });
});

describe('ticks', () => {
  const plain = (value: number, decimals: number) => ({ text: value.toFixed(decimals), number: value.toFixed(decimals) });

  it('have the fewest decimals that show every value', () => {
    expect(valueTicks(plain, [0, 1, 2])).toEqual(['0', '1', '2']);
    expect(valueTicks(plain, [0, 0.5, 1])).toEqual(['0.0', '0.5', '1.0']);
    expect(valueTicks(plain, [0, 0.25])).toEqual(['0.00', '0.25']);
    expect(valueTicks((v) => plain(v, 0), [0, 0.4, 1])).toEqual(['0', '', '1']);
    expect(valueTicks(plain, [0, 0.00005, 0.0001])).toEqual(['0.00000', '0.00005', '0.00010']);
    expect(valueTicks(plain, [0, 0.000000025])).toEqual(['0.000000000', '0.000000025']);
    expect(logTick(plain, 1e-9)).toBe('1e-9');
    expect(logTick(plain, 100)).toBe('100');
  });

  it('show seconds, minutes or dates', () => {
    const noon = new Date(2026, 10, 22, 12).getTime();
    const midnight = new Date(2026, 10, 23).getTime();
    expect(timeTicks([noon], 15_000, 600_000)).toEqual(['12:00:00']);
    expect(timeTicks([noon, midnight], 43_200_000, 172_800_000)).toEqual(['12:00', '11/23']);
    expect(timeTicks([noon], 86_400_000, 864_000_000)).toEqual(['11/22']);
  });
});

describe('single values', () => {
  const panel: PanelModel = {
    type: 'stat',
    fieldConfig: {
      defaults: { unit: 'percentunit', decimals: 1, thresholds: { mode: 'absolute', steps: [{ value: null, color: 'green' }, { value: 0.5, color: 'red' }] }, mappings: [{ type: 'value', options: { 30: { text: 'thirty', color: 'blue' } } }] },
      overrides: [],
    } as unknown as PanelModel['fieldConfig'],
  };

  it('are reduced, mapped and coloured', async () => {
    const frames = showFrames(panel, await panelFrames(panel, twoSeries, String), theme);
    const [a, b] = reduceFrames(frames, { calcs: ['lastNotNull'] });
    expect(a && [a.name, a.value, showValue(a.shown, a.value)]).toMatchObject(['a', 2, { text: '200.0%', color: '#F2495C' }]);
    expect(b && showValue(b.shown, b.value)).toMatchObject({ text: 'thirty', color: '#5794F2' });
    expect(a && showValue(a.shown, null).text).toBe('No data');
    expect(reduceFrames(frames, { calcs: ['min', 'max'] }).map((r) => r.value)).toEqual([1, 2, 10, 30]);
  });

  it('draw sparklines with gaps', () => {
    expect(sparklinePath([0, 1, null, 1], 30, 12, {})).toBe('M0.0 11.0L10.0 1.0M30.0 1.0');
    expect(sparklinePath([null], 30, 12, {})).toBe('');
  });
});
