import { describe, expect, it, test } from 'vitest';
import type { Sample } from '../api/prometheus';
import { metricsHref, podHref, podOfSpan, rangeAround } from './jumps';
import { traceOf, type Trace } from './model';
import { rateText, shareText } from './rates';
import { ancestorsOf, findSpans, nextOf, rowAt, rowHeight, rowTops, visibleRows } from './rows';
import { durationScale, timeScale } from './scale';
import { serviceMapOf, serviceQueries, type ServiceAnswers } from './serviceData';
import { actionOf } from './useTraceKeys';

/** A root with two children, the first of which has a child. */
function sample(): Trace {
  const span = (spanID: string, at: number, up?: string, tags: Record<string, string> = {}) => ({
    traceID: 'aa',
    spanID,
    operationName: `op ${spanID}`,
    startTime: 1e15 + at,
    duration: 10,
    processID: 'p',
    references: up ? [{ refType: 'CHILD_OF' as const, traceID: 'aa', spanID: up }] : [],
    tags: Object.entries(tags).map(([key, value]) => ({ key, value })),
  });
  return traceOf({
    traceID: 'aa',
    processes: { p: { serviceName: 'shop', tags: [{ key: 'k8s.pod.name', value: 'shop-1' }, { key: 'k8s.namespace.name', value: 'prod' }] } },
    spans: [span('a', 0), span('b', 1, 'a', { 'db.query.text': 'SELECT Tasks' }), span('c', 2, 'b'), span('d', 3, 'a')],
  });
}

describe('the rows of a waterfall', () => {
  const trace = sample();
  const ids = (collapsed: string[]) => visibleRows(trace, new Set(collapsed)).map((s) => s.id).join('');

  it('leave out what is collapsed', () => {
    expect(ids([])).toBe('abcd');
    expect(ids(['b'])).toBe('abd');
    expect(ids(['a', 'b'])).toBe('a');
    expect(ids(['c', 'gone'])).toBe('abcd');
  });

  it('stand below the details of opened ones', () => {
    const tops = rowTops(visibleRows(trace, new Set()), new Set(['b']), new Map([['b', 100]]));
    expect([...tops]).toEqual([0, rowHeight, 2 * rowHeight + 100, 3 * rowHeight + 100, 4 * rowHeight + 100]);
    expect([-5, 0, rowHeight, rowHeight + 90, 2 * rowHeight + 100, 1e6].map((y) => rowAt(tops, y))).toEqual([0, 0, 1, 1, 2, 3]);
    expect(rowAt(new Float64Array(1), 0)).toBe(0);
  });

  test.each<[string, number[]]>([
    ['select tasks', [1]],
    ['SHOP op', [0, 1, 2, 3]],
    ['db.query.text=select', [1]],
    ['shop-1', [0, 1, 2, 3]],
    ['nothing', []],
    ['  ', []],
  ])('are found by “%s”', (words, found) => expect(findSpans(trace, words)).toEqual(found));

  test.each([[[1, 5], 0, false, 1], [[1, 5], 1, false, 5], [[1, 5], 5, false, 1], [[1, 5], 5, true, 1], [[1, 5], 1, true, 5], [[], 3, false, undefined]] as const)(
    'after %j at %d (backwards: %s → %s)',
    (indexes, at, backwards, next) => expect(nextOf([...indexes], at, backwards)).toBe(next),
  );

  it('know the spans above them', () => {
    expect(ancestorsOf(trace, trace.spans[2] as Trace['spans'][0])).toEqual(['a', 'b']);
    expect(ancestorsOf(trace, trace.spans[0] as Trace['spans'][0])).toEqual([]);
  });
});

describe('the keys', () => {
  const press = (key: string, place: 'field' | 'tree' | 'control' | 'page', more = {}) => actionOf({ key, ctrlKey: false, metaKey: false, altKey: false, ...more }, place);

  it('are letters everywhere but in fields, and arrows in the tree only', () => {
    expect(press('j', 'page')).toBe('next');
    expect(press('j', 'field')).toBeUndefined();
    expect(press('ArrowDown', 'tree')).toBe('next');
    expect(press('ArrowDown', 'page')).toBeUndefined();
    expect(press('Enter', 'control')).toBeUndefined();
    expect(press('n', 'page', { ctrlKey: true })).toBeUndefined();
  });
});

describe('jumps from a span', () => {
  const trace = sample();
  const span = trace.spans[1] as Trace['spans'][0];

  it('lead to its pod, ten minutes around it', () => {
    const pod = podOfSpan(span);
    expect(pod).toEqual({ namespace: 'prod', name: 'shop-1' });
    const start = 1e12;
    const range = rangeAround(trace, span, start + 5000);
    expect(range).toEqual({ from: String(start - 600_000), to: String(start + 5000) });
    const url = new URL(metricsHref({ namespace: 'prod', name: 'shop-1' }, range), 'http://x');
    expect(url.searchParams.getAll('q')).toHaveLength(2);
    expect(url.searchParams.get('q')).toContain('namespace="prod",pod="shop-1"');
    expect(podHref({ namespace: 'prod', name: 'shop-1' }, range, 'aa')).toBe(`/?pod=prod%2Fshop-1&from=${range.from}&to=${range.to}&log=aa`);
  });

  it('need the name of a pod', () => expect(podOfSpan({ ...span, resource: [] })).toBeUndefined());
});

describe('the scatter', () => {
  it('is linear while the durations are alike, else logarithmic', () => {
    const linear = durationScale([100, 200], 5);
    expect(linear.place(108)).toBeCloseTo(0.5);
    expect(linear.ticks[0]).toBe(0);
    const log = durationScale([1000, 1_000_000], 5);
    expect(log.ticks).toEqual([1000, 10_000, 100_000, 1_000_000]);
    expect(log.place(31_623)).toBeCloseTo(0.5, 2);
  });

  it('stands nothing and equal values', () => {
    expect(durationScale([], 5).place(0)).toBe(0);
    expect(durationScale([5], 5).place(5)).toBeLessThanOrEqual(1);
    expect(durationScale([0, 1000], 5).ticks.every(Number.isFinite)).toBe(true);
  });

  it('has no more time ticks than fit, at round times', () => {
    for (const minutes of [1, 7, 60, 61, 1500, 20_000]) {
      const { ticks, step } = timeScale({ from: 1.7e12, to: 1.7e12 + minutes * 60_000 }, 8);
      expect(ticks.length).toBeLessThanOrEqual(9);
      expect(ticks.length).toBeGreaterThan(1);
      expect(ticks.slice(1).every((t, i) => t - (ticks[i] as number) === step)).toBe(true);
    }
  });
});

describe('the map of services', () => {
  const of = (labels: Record<string, string>, value: number): Sample => ({ labels, value, timeMs: 0 });
  const none: ServiceAnswers = { rate: [], failed: [], p95: [], edgeRate: [], edgeFailed: [], edgeP95: [] };

  it('takes numbers from the series', () => {
    const map = serviceMapOf(
      {
        rate: [of({ service_name: 'a' }, 10), of({ service_name: 'idle' }, 0)],
        failed: [of({ service_name: 'a' }, 1)],
        p95: [of({ service_name: 'a' }, 12), of({ service_name: 'b' }, NaN)],
        edgeRate: [of({ client: 'a', server: 'b' }, 4), of({ client: 'a', server: 'a' }, 4), of({ client: 'a', server: 'c' }, 0)],
        edgeFailed: [of({ client: 'a', server: 'b' }, 1)],
        edgeP95: [of({ client: 'a', server: 'b' }, 0.002)],
      },
      [],
    );
    expect(map).toEqual({
      nodes: [{ name: 'a', rate: 10, errors: 0.1, p95: 12_000, tracedBy: 'a' }, { name: 'b', rate: 4, errors: 0.25, tracedBy: 'a' }],
      edges: [{ from: 'a', to: 'b', rate: 4, errors: 0.25, p95: 2000 }],
      source: 'series',
    });
  });

  it('adds edges that only the kept traces have', () => {
    const seen = [{ parent: 'a', child: 'b', callCount: 3 }, { parent: 'a', child: 'a', callCount: 9 }, { parent: 'lonely', child: 'lonely', callCount: 1 }];
    expect(serviceMapOf(none, seen)).toMatchObject({ nodes: [{ name: 'a' }, { name: 'b' }, { name: 'lonely' }], edges: [{ from: 'a', to: 'b', calls: 3 }], source: 'traces' });
    expect(serviceMapOf({ ...none, edgeRate: [of({ client: 'x', server: 'y' }, 1)] }, seen).source).toBe('both');
    expect(serviceMapOf(none, [])).toEqual({ nodes: [], edges: [], source: 'none' });
  });

  it('gives what sends no spans the numbers of the calls beside it', () => {
    const map = serviceMapOf({ ...none, rate: [of({ service_name: 'shop' }, 5)], edgeRate: [of({ client: 'user', server: 'shop' }, 5), of({ client: 'shop', server: 'db' }, 9)] }, []);
    expect(map.nodes.map(({ name, rate, tracedBy }) => [name, rate, tracedBy])).toEqual([['db', 9, 'shop'], ['shop', 5, 'shop'], ['user', 5, 'shop']]);
  });

  it('asks over the whole range', () => expect(Object.values(serviceQueries('900s')).every((q) => q.includes('[900s]'))).toBe(true));

  test.each([[undefined, '–'], [0, '0/s'], [12.345, '12.3/s'], [0.05, '3/min']])('%s is %s', (rate, text) => expect(rateText(rate)).toBe(text));
  test.each([[undefined, '–'], [0, '0 %'], [0.0004, '< 0.1 %'], [0.018, '1.8 %'], [0.5, '50 %']])('%s is %s', (share, text) => expect(shareText(share)).toBe(text));
});
