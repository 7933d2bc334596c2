import { createTheme, FieldType, type DataFrame } from '@grafana/data';
import { describe, expect, it, test, vi } from 'vitest';
import { configResolver } from './fieldConfig';
import { tableFrame, valueColumn } from './frames';
import { interpolateQuery, interpolateText, mentionedVariables, type Scope } from './interpolate';
import { boxOf, heightOf, layoutPanels, narrowCells } from './layout';
import { legendOf, seriesNames } from './legend';
import type { PanelModel } from './model';
import { colorTheme, textOn, withAlpha } from './theme';

const scope: Scope = {
  variables: {
    job: { value: 'todo-backend', text: 'todo-backend', multi: false },
    pods: { value: ['a.b', 'c'], text: ['a.b', 'c'], multi: true },
    one: { value: 'x.y', text: 'x.y', multi: true },
    all: { value: ['a', 'b'], text: 'All', multi: true, verbatim: '.+' },
    quoted: { value: 'a"b\\c', text: 'q', multi: false },
  },
  scoped: { __interval: '30s', __from: '1700000000000' },
};

describe('interpolation in queries', () => {
  test.each([
    ['up{job="$job"}', 'up{job="todo-backend"}'],
    ['up{job="${job}"}', 'up{job="todo-backend"}'],
    ['up{job="[[job]]"}', 'up{job="todo-backend"}'],
    ['up{pod=~"$pods"}', 'up{pod=~"(a\\\\.b|c)"}'],
    ['up{pod=~"$one"}', 'up{pod=~"x\\\\.y"}'],
    ['up{pod=~"$all"}', 'up{pod=~".+"}'],
    ['up{x="$quoted"}', 'up{x="a\\"b\\\\c"}'],
    ['${pods:regex}', '(a\\.b|c)'],
    ['${pods:pipe}', 'a.b|c'],
    ['${pods:csv}', 'a.b,c'],
    ['[[pods:csv]]', 'a.b,c'],
    ['${pods:json}', '["a.b","c"]'],
    ['${pods:doublequote}', '"a.b","c"'],
    ['${all:text}', 'All'],
    ['rate(x[$__interval])', 'rate(x[30s])'],
    ['${__from:date:seconds}', '1700000000'],
    ['${__from:date:iso}', '2023-11-14T22:13:20.000Z'],
    ['$unknown and $', '$unknown and $'],
    ['jobs$jobs', 'jobs$jobs'],
  ])('%s', (text, expected) => expect(interpolateQuery(text, scope)).toBe(expected));

  it('shows texts in titles', () => {
    expect(interpolateText('Pods $pods of ${all}', scope)).toBe('Pods a.b + c of All');
  });

  it('finds the variables a text mentions', () => {
    expect([...mentionedVariables('label_values(up{a="$x"}, ${y:raw}) [[z]]')]).toEqual(['x', 'y', 'z']);
  });
});

describe('names of series', () => {
  it('fills legend templates', () => {
    expect(legendOf('{{job}} on {{ pod }}{{none}}', { job: 'a', pod: 'b' })).toBe('a on b');
  });

  it('names by the only label, by all labels, or by the expression', () => {
    expect(seriesNames([{ job: 'a' }, { job: 'b' }], 'x', '__auto')).toEqual(['a', 'b']);
    expect(seriesNames([{ job: 'a', pod: 'p' }], 'x', '__auto')).toEqual(['{job="a", pod="p"}']);
    expect(seriesNames([{}], 'sum(up)', '__auto')).toEqual(['sum(up)']);
    expect(seriesNames([{ __name__: 'up', job: 'a' }], 'up', undefined)).toEqual(['up{job="a"}']);
  });
});

describe('layout', () => {
  const panel = (id: number, y: number, more: Partial<PanelModel> = {}): PanelModel => ({
    id,
    type: 'stat',
    gridPos: { x: 0, y, w: 12, h: 4 },
    ...more,
  });
  const none = () => [];
  const places = (cells: ReturnType<typeof layoutPanels>) => cells.map((c) => [c.key, c.pos.x, c.pos.y, c.pos.w]);

  it('keeps places, and closes up under a collapsed row', () => {
    const hidden = panel(3, 6);
    const panels = [panel(1, 0), { ...panel(2, 4, { type: 'row', collapsed: true, panels: [hidden] }) }, panel(4, 30, { type: 'row' }), panel(5, 31)];
    expect(places(layoutPanels(panels, none, new Set()))).toEqual([
      ['top-1', 0, 0, 12],
      ['row-2', 0, 4, 24],
      ['row-4', 0, 5, 24],
      ['row-4-5', 0, 6, 12],
    ]);
    const opened = layoutPanels(panels, none, new Set(['row-2']));
    expect(places(opened).slice(1)).toEqual([
      ['row-2', 0, 4, 24],
      ['row-2-3', 0, 5, 12],
      ['row-4', 0, 9, 24],
      ['row-4-5', 0, 10, 12],
    ]);
  });

  it('hides the panels of an open row that the reader closes', () => {
    const panels = [panel(1, 0, { type: 'row' }), panel(2, 1)];
    const [row, ...rest] = layoutPanels(panels, none, new Set(['row-1']));
    expect(row?.hiddenPanels).toBe(1);
    expect(rest).toEqual([]);
  });

  it('repeats panels side by side and pushes down what is below', () => {
    const panels = [panel(1, 0, { repeat: 'pod', maxPerRow: 2 }), panel(2, 4)];
    const cells = layoutPanels(panels, () => ['a', 'b', 'c'], new Set());
    expect(places(cells)).toEqual([
      ['top-1-a', 0, 0, 12],
      ['top-1-b', 12, 0, 12],
      ['top-1-c', 0, 4, 12],
      ['top-2', 0, 8, 12],
    ]);
    expect(cells[1]?.scoped).toEqual({ pod: 'b' });
  });

  it('repeats rows with their panels', () => {
    const panels = [panel(1, 0, { type: 'row', repeat: 'ns' }), panel(2, 1)];
    const cells = layoutPanels(panels, () => ['a', 'b'], new Set());
    expect(cells.map((c) => [c.key, c.pos.y, c.scoped.ns])).toEqual([
      ['row-1-a', 0, 'a'],
      ['row-1-2', 1, 'a'],
      ['row-1-b', 5, 'b'],
      ['row-1-2', 6, 'b'],
    ].map(([key, y, ns], i) => [i === 1 ? 'row-1-a-2' : i === 3 ? 'row-1-b-2' : key, y, ns]));
  });

  it('fills the width with 24 columns and 8 px between panels', () => {
    const left = boxOf({ x: 0, y: 0, w: 12, h: 8 }, 1200);
    const right = boxOf({ x: 12, y: 8, w: 12, h: 1 }, 1200);
    expect(left).toEqual({ left: 0, top: 0, width: 596, height: 296 });
    expect(right).toEqual({ left: 604, top: 304, width: 596, height: 30 });
    expect(heightOf(layoutPanels([panel(1, 0)], none, new Set()))).toBe(152);
  });

  it('stands below each other on a narrow page, small panels two abreast', () => {
    const wide = [[0, 4], [4, 4], [8, 6], [0, 24], [12, 12]].map(([x = 0, w = 0], i) => ({ ...panel(i, 0), gridPos: { x, y: i, w, h: 4 } }));
    const cells = narrowCells(layoutPanels(wide, none, new Set()));
    expect(cells.map(({ pos }) => [pos.x, pos.y, pos.w])).toEqual([[0, 0, 12], [12, 0, 12], [0, 4, 12], [0, 8, 24], [0, 12, 24]]);
  });
});

describe('field configuration', () => {
  const resolve = configResolver({
    defaults: { unit: 's', thresholds: { mode: 'absolute', steps: [{ value: null, color: 'green' }, { value: 80, color: 'red' }] } },
    overrides: [
      { matcher: { id: 'byName', options: 'p99' }, properties: [{ id: 'unit', value: 'ms' }, { id: 'custom.lineWidth', value: 3 }] },
      { matcher: { id: 'byRegexp', options: '/^err/i' }, properties: [{ id: 'color', value: { mode: 'fixed', fixedColor: 'red' } }] },
      { matcher: { id: 'byFrameRefID', options: 'B' }, properties: [{ id: 'decimals', value: 1 }] },
      { matcher: { id: 'byType', options: 'string' }, properties: [{ id: 'noValue', value: '-' }] },
    ],
  } as unknown as Parameters<typeof configResolver>[0]);

  it('applies overrides by name, pattern, query and type', () => {
    expect(resolve({ name: 'p99', type: 'number' })).toMatchObject({ unit: 'ms', custom: { lineWidth: 3 } });
    expect(resolve({ name: 'Errors', type: 'number' }).color).toEqual({ mode: 'fixed', fixedColor: 'red' });
    expect(resolve({ name: 'x', type: 'number', refId: 'B' })).toMatchObject({ unit: 's', decimals: 1 });
    expect(resolve({ name: 'x', type: 'string' }).noValue).toBe('-');
  });

  it('reads the base threshold from null and shares untouched configurations', () => {
    const plain = resolve({ name: 'a', type: 'number' });
    expect(plain.thresholds?.steps[0]?.value).toBe(-Infinity);
    expect(resolve({ name: 'b', type: 'number' })).toBe(plain);
    expect(resolve({ name: 'p99', type: 'number' })).not.toBe(plain);
  });
});

describe('tables', () => {
  const frame = (refId: string, value: number): DataFrame =>
    tableFrame(refId, [{ labels: { pod: 'a', ns: 'n' }, timeMs: 1, value }, { labels: { pod: 'b' }, timeMs: 1, value: value + 1 }], valueColumn(refId, 2));

  it('has a column for every label', () => {
    const { fields, length } = frame('A', 1);
    expect(fields.map((f) => [f.name, f.type, f.values])).toEqual([
      ['Time', FieldType.time, [1, 1]],
      ['ns', FieldType.string, ['n', '']],
      ['pod', FieldType.string, ['a', 'b']],
      ['Value #A', FieldType.number, [1, 2]],
    ]);
    expect(length).toBe(2);
  });

  it('is merged and organized by Grafana’s transformations, and unknown ones are refused by name', async () => {
    const { transform } = await import('./transform');
    vi.stubGlobal('window', globalThis); // where the transformations look for Grafana's scenes
    const merged = await transform(
      [
        { id: 'merge', options: {} },
        { id: 'organize', options: { excludeByName: { Time: true, ns: true }, renameByName: { 'Value #A': 'CPU', 'Value #B': 'Memory' } } },
      ],
      [frame('A', 1), frame('B', 10)],
      (text) => text,
    );
    expect(merged[0]?.fields.map((f) => [f.config.displayName ?? f.name, f.values])).toEqual([
      ['pod', ['a', 'b']],
      ['CPU', [1, 2]],
      ['Memory', [10, 11]],
    ]);
    expect(() => transform([{ id: 'magic', options: {} }], [], String)).toThrow('transformation "magic" is not supported');
  });
});

describe('colours', () => {
  it('are Grafana’s', () => {
    for (const mode of ['dark', 'light'] as const) {
      const { visualization } = createTheme({ colors: { mode } });
      const ours = colorTheme(mode);
      expect(ours.palette).toEqual(visualization.palette.map((name) => visualization.getColorByName(name)));
      for (const name of ['green', 'semi-dark-red', 'super-light-purple']) expect(ours.color(name)).toBe(visualization.getColorByName(name));
    }
    expect(colorTheme('dark').color('#abc')).toBe('#abc');
  });

  it('take an opacity and a readable text', () => {
    expect(withAlpha('#ff0080', 0.5)).toBe('rgba(255, 0, 128, 0.5)');
    expect(withAlpha('#f08', 0.5)).toBe('rgba(255, 0, 136, 0.5)');
    expect(withAlpha('rgb(1, 2, 3)', 0.1)).toBe('rgba(1, 2, 3, 0.1)');
    expect(textOn('#ffffff')).toBe('#12191f');
    expect(textOn('#000000')).toBe('#ffffff');
  });
});
