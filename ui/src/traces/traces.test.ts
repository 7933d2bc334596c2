import { describe, expect, it, test } from 'vitest';
import type { JaegerReference, JaegerSpan, JaegerTrace, KeyValue } from '../api/jaeger';
import { searchParameters } from '../api/jaeger';
import { serviceSlots } from './colors';
import { criticalPath, pathShares, selfTime } from './criticalPath';
import { diffTraces, summaryOf } from './diff';
import { ago, formatMicros, roundTicks, searchDuration } from './duration';
import { edgePath, layoutGraph, spread } from './graphLayout';
import { alignClocks, isSkewed, mainSpan, traceOf } from './model';
import { isTraceId, mergeFound, queriesOf, readTraceId, searchErrors, searchHref, searchStateOf, sortTraces, togglePick, urlOf } from './searchState';
import { formatTags, parseTags } from './tags';

interface Short {
  id: string;
  at: number;
  for: number;
  up?: string;
  service?: string;
  name?: string;
  tags?: Record<string, unknown>;
  links?: JaegerReference[];
}

const epoch = 1_700_000_000_000_000;
const keyValues = (tags: Record<string, unknown>): KeyValue[] => Object.entries(tags).map(([key, value]) => ({ key, value }));

function raw(spans: Short[], id = 'aa'): JaegerTrace {
  const services = [...new Set(spans.map((s) => s.service ?? 'svc'))];
  return {
    traceID: id,
    processes: Object.fromEntries(services.map((serviceName) => [serviceName, { serviceName, tags: [{ key: 'k8s.pod.name', value: `${serviceName}-0` }] }])),
    spans: spans.map(
      (s): JaegerSpan => ({
        traceID: id,
        spanID: s.id,
        operationName: s.name ?? s.id,
        startTime: epoch + s.at,
        duration: s.for,
        processID: s.service ?? 'svc',
        tags: keyValues(s.tags ?? {}),
        references: [...(s.up ? [{ refType: 'CHILD_OF' as const, traceID: id, spanID: s.up }] : []), ...(s.links ?? [])],
      }),
    ),
  };
}

const trace = (spans: Short[], id?: string) => traceOf(raw(spans, id));
const shape = (spans: Short[]) => trace(spans).spans.map((s) => `${'.'.repeat(s.depth)}${s.id}`).join(' ');

describe('a trace', () => {
  it('is in the order of its tree, children by their start', () => {
    expect(shape([{ id: 'c', at: 5, for: 1, up: 'a' }, { id: 'd', at: 6, for: 1, up: 'b' }, { id: 'b', at: 2, for: 9, up: 'a' }, { id: 'a', at: 0, for: 20 }])).toBe('a .b ..d .c');
  });

  it('counts services, errors, levels, descendants and its duration', () => {
    const t = trace([{ id: 'a', at: 0, for: 20, service: 'x' }, { id: 'b', at: 2, for: 30, up: 'a', service: 'y', tags: { error: true } }, { id: 'c', at: 3, for: 1, up: 'b', service: 'y' }]);
    expect(t).toMatchObject({ start: epoch, duration: 32, depth: 3, errors: 1, services: [{ name: 'x', spans: 1, errors: 0 }, { name: 'y', spans: 2, errors: 1 }] });
    expect(t.spans.map((s) => s.descendants)).toEqual([2, 1, 0]);
    expect(t.spans.map((s) => s.children)).toEqual([[1], [2], []]);
  });

  test.each<[Record<string, unknown>, boolean]>([
    [{}, false],
    [{ error: true }, true],
    [{ error: 'true' }, true],
    [{ error: false }, false],
    [{ error: 'false' }, false],
    [{ 'otel.status_code': 'ERROR' }, true],
    [{ 'otel.status_code': 'OK', error: true }, false],
  ])('%j is an error: %s', (tags, error) => expect(trace([{ id: 'a', at: 0, for: 1, tags }]).errors > 0).toBe(error));

  it('keeps spans whose parent is missing as roots, and names itself by one that has all', () => {
    const t = trace([{ id: 'b', at: 1, for: 1, up: 'gone' }, { id: 'a', at: 3, for: 4 }]);
    expect(t.roots).toEqual([0, 1]);
    expect(t.spans[0]?.missingParent).toBe('gone');
    expect(mainSpan(t)?.id).toBe('a');
  });

  it('survives cycles, spans that are their own parent, ids that occur twice, and no spans', () => {
    expect(shape([{ id: 'a', at: 0, for: 1, up: 'b' }, { id: 'b', at: 1, for: 1, up: 'a' }])).toBe('a .b');
    expect(shape([{ id: 'a', at: 0, for: 1, up: 'a' }])).toBe('a');
    expect(trace([{ id: 'a', at: 0, for: 1 }, { id: 'a', at: 1, for: 1 }, { id: 'b', at: 2, for: 1, up: 'a' }]).spans).toHaveLength(3);
    expect(trace([])).toMatchObject({ duration: 0, spans: [], roots: [] });
    expect(mainSpan(trace([]))).toBeUndefined();
  });

  it('hangs a span with only a link below the linked one, and a link elsewhere stays a link', () => {
    const link = (traceID: string, spanID: string): JaegerReference => ({ refType: 'FOLLOWS_FROM', traceID, spanID });
    const t = trace([{ id: 'a', at: 0, for: 1 }, { id: 'b', at: 3, for: 1, links: [link('aa', 'a')] }, { id: 'c', at: 4, for: 1, links: [link('other', 'x')] }]);
    expect(t.spans.map((s) => [s.id, s.parent, s.follows, s.links.length])).toEqual([['a', -1, false, 0], ['b', 0, true, 0], ['c', -1, false, 1]]);
  });

  it('of ten thousand spans in one chain is read', () => {
    const t = trace(Array.from({ length: 10_000 }, (_, i) => ({ id: String(i), at: i, for: 20_000 - 2 * i, up: i > 0 ? String(i - 1) : undefined })));
    expect(t.depth).toBe(10_000);
    expect(criticalPath(t).length).toBeGreaterThan(10_000);
  });

  it('moves spans of other clocks into their parents, with what is below them', () => {
    const t = trace([{ id: 'a', at: 1000, for: 100, service: 'x' }, { id: 'b', at: 0, for: 60, up: 'a', service: 'y' }, { id: 'c', at: 10, for: 20, up: 'b', service: 'y' }]);
    expect(isSkewed(t)).toBe(true);
    const aligned = alignClocks(t);
    expect(aligned.spans.map((s) => s.start)).toEqual([0, 20, 30]);
    expect(aligned).toMatchObject({ start: epoch + 1000, duration: 100 });
    expect(isSkewed(trace([{ id: 'a', at: 1, for: 100 }, { id: 'b', at: 0, for: 60, up: 'a' }]))).toBe(false);
  });
});

describe('the critical path', () => {
  const path = (spans: Short[]) => {
    const t = trace(spans);
    return criticalPath(t).map(({ span, from, to, kind }) => `${t.spans[span]?.id} ${from}-${to}${kind === 'work' ? '' : ` ${kind}`}`);
  };

  test.each<[string, Short[], string[]]>([
    ['of one span is the span', [{ id: 'a', at: 0, for: 10 }], ['a 0-10']],
    ['goes through a child and back', [{ id: 'a', at: 0, for: 10 }, { id: 'b', at: 2, for: 5, up: 'a' }], ['a 0-2', 'b 2-7', 'a 7-10']],
    [
      'takes of parallel children the last one to end, and before it what ended before it began',
      [{ id: 'a', at: 0, for: 20 }, { id: 'b', at: 1, for: 4, up: 'a' }, { id: 'c', at: 6, for: 12, up: 'a' }, { id: 'd', at: 7, for: 3, up: 'a' }],
      ['a 0-1', 'b 1-5', 'a 5-6', 'c 6-18', 'a 18-20'],
    ],
    ['cuts a child that ends after its parent', [{ id: 'a', at: 0, for: 10 }, { id: 'b', at: 5, for: 10, up: 'a' }], ['a 0-5', 'b 5-10', 'b 10-15 later']],
    ['does not go below a child that started before its parent', [{ id: 'a', at: 5, for: 10 }, { id: 'b', at: 0, for: 8, up: 'a' }], ['b 5-8', 'a 8-15']],
    [
      'follows a message that is delivered later, with the time between',
      [{ id: 'a', at: 0, for: 10 }, { id: 'p', at: 8, for: 1, up: 'a', tags: { 'span.kind': 'producer' } }, { id: 'c', at: 15, for: 5, up: 'p', tags: { 'span.kind': 'consumer' } }, { id: 'd', at: 16, for: 2, up: 'c' }],
      ['a 0-8', 'p 8-9', 'a 9-10', 'c 10-15 wait', 'c 15-16 later', 'd 16-18 later', 'c 18-20 later'],
    ],
    ['ignores a second root', [{ id: 'a', at: 0, for: 4 }, { id: 'b', at: 1, for: 9 }], ['a 0-4']],
    ['is empty without spans', [], []],
  ])('%s', (_what, spans, expected) => expect(path(spans)).toEqual(expected));

  it('covers the root without gap or overlap, whatever the children', () => {
    let seed = 7;
    const random = (n: number) => (seed = (seed * 48271) % 2147483647) % n;
    for (let round = 0; round < 200; round++) {
      const spans: Short[] = [{ id: '0', at: 0, for: 1000 }];
      for (let i = 1; i < 30; i++) spans.push({ id: String(i), at: random(1100), for: random(500), up: String(random(i)) });
      const t = trace(spans);
      const root = mainSpan(t);
      let at = root?.start ?? 0;
      for (const { from, to } of criticalPath(t)) {
        expect(from).toBe(at);
        expect(to).toBeGreaterThan(from);
        at = to;
      }
      expect(at).toBeGreaterThanOrEqual((root?.start ?? 0) + 1000);
    }
  });

  it('has shares that add up', () => {
    const t = trace([{ id: 'a', at: 0, for: 10 }, { id: 'b', at: 1, for: 2, up: 'a', name: 'q' }, { id: 'c', at: 4, for: 2, up: 'a', name: 'q' }]);
    expect(pathShares(t, criticalPath(t))).toEqual([{ service: 'svc', operation: 'a', time: 6 }, { service: 'svc', operation: 'q', time: 4 }]);
  });

  it('tells the time in which no child was under way', () => {
    const t = trace([{ id: 'a', at: 0, for: 10 }, { id: 'b', at: 1, for: 4, up: 'a' }, { id: 'c', at: 3, for: 4, up: 'a' }, { id: 'd', at: 9, for: 9, up: 'a' }]);
    expect(t.spans.map((s) => selfTime(t, s))).toEqual([3, 4, 4, 9]);
  });
});

describe('a comparison', () => {
  const base: Short[] = [{ id: '1', at: 0, for: 10, name: 'root' }, { id: '2', at: 1, for: 2, up: '1', name: 'query' }, { id: '3', at: 4, for: 2, up: '1', name: 'send' }];
  const other: Short[] = [{ id: '1', at: 0, for: 30, name: 'root' }, { id: '2', at: 1, for: 2, up: '1', name: 'query' }, { id: '4', at: 4, for: 2, up: '1', name: 'query', tags: { error: true } }, { id: '5', at: 7, for: 1, up: '1', name: 'cache' }];

  it('matches by path, counts repetitions, and orders by time', () => {
    const rows = diffTraces(trace(base), trace(other));
    expect(rows.map((r) => [r.operation, r.depth, r.state, r.a?.count, r.b?.count])).toEqual([
      ['root', 0, 'same', 1, 1],
      ['query', 1, 'more', 1, 2],
      ['send', 1, 'only-a', 1, undefined],
      ['cache', 1, 'only-b', undefined, 1],
    ]);
    expect(rows[0]).toMatchObject({ differs: true, descendants: 3, a: { duration: 10 }, b: { duration: 30 } });
    expect(rows[1]?.b).toMatchObject({ duration: 4, errors: 1, spanId: '2' });
    expect(summaryOf(rows)).toEqual({ onlyA: 1, onlyB: 1, extra: 1, missing: 0 });
  });

  it('of a trace with itself shows nothing', () => {
    const rows = diffTraces(trace(base), trace(base));
    expect(rows.some((r) => r.differs)).toBe(false);
    expect(summaryOf(rows)).toEqual({ onlyA: 0, onlyB: 0, extra: 0, missing: 0 });
  });

  it('turned round turns its states', () => {
    const states = (rows: ReturnType<typeof diffTraces>) => new Map(rows.map((r) => [r.key, r.state]));
    const turned: Record<string, string> = { same: 'same', more: 'fewer', fewer: 'more', 'only-a': 'only-b', 'only-b': 'only-a' };
    const [there, back] = [states(diffTraces(trace(base), trace(other))), states(diffTraces(trace(other), trace(base)))];
    for (const [key, state] of there) expect(back.get(key)).toBe(turned[state]);
  });
});

describe('tags', () => {
  test.each<[string, Record<string, string>]>([
    ['', {}],
    ['error=true', { error: 'true' }],
    ['  http.response.status_code=500   error=true ', { 'http.response.status_code': '500', error: 'true' }],
    ['db.query.text="select 1"', { 'db.query.text': 'select 1' }],
    ['a="say \\"hi\\"" "b c"=1', { a: 'say "hi"', 'b c': '1' }],
    ['url=/x?y=z', { url: '/x?y=z' }],
    ['empty=', { empty: '' }],
  ])('%s', (text, tags) => {
    expect(parseTags(text)).toEqual({ tags });
    expect(parseTags(formatTags(tags))).toEqual({ tags });
  });

  test.each([['error', 'error=value'], ['a=1 b', 'b=value'], ['a="open', 'quotes'], ['=x', 'key=value']])('%s is refused with a hint', (text, hint) => expect(parseTags(text).error).toContain(hint));
});

describe('durations', () => {
  test.each([
    [0, '0 µs'],
    [7, '7 µs'],
    [1240, '1.24 ms'],
    [12_440, '12.4 ms'],
    [999_960, '1 s'],
    [3_050_000, '3.05 s'],
    [90_000_000, '1.5 min'],
    [7_200_000_000, '2 h'],
    [-1500, '-1.5 ms'],
  ])('%d µs is %s', (us, text) => expect(formatMicros(us)).toBe(text));

  test.each([['1.5ms', '1.5ms'], [' 200 µs', '200us'], ['1m30s', '1m30s'], ['5', undefined], ['abc', undefined], ['1.ms', undefined]])('%s is sent as %s', (text, sent) => expect(searchDuration(text)).toBe(sent));

  it('have round ticks', () => {
    expect(roundTicks(0, 100, 5)).toEqual([0, 20, 40, 60, 80, 100]);
    expect(roundTicks(130, 410, 4)).toEqual([200, 300, 400]);
    expect(roundTicks(0, 0, 4)).toEqual([0]);
  });

  test.each([[0, 'just now'], [59_000, '59 s ago'], [119_000, '1 min ago'], [7_300_000, '2 h ago'], [200_000_000, '2 d ago']])('%d ms before is %s', (ms, text) => expect(ago(1e12 - ms, 1e12)).toBe(text));
});

describe('a search', () => {
  const url = (query: string) => new URL(`http://x/traces${query}`);

  it('is whole in the URL', () => {
    const state = { service: 'a b', operation: 'GET /x', tags: 'error=true', min: '1ms', max: '2s', limit: 20, order: 'longest' as const, picked: ['1', '2'] };
    expect(searchStateOf(url(searchHref(state).replace('/traces', '')))).toEqual(state);
    expect(searchHref({})).toBe('/traces');
    expect(searchHref({ service: 's' }, { from: 'now-1h', to: 'now' })).toBe('/traces?service=s&from=now-1h&to=now');
  });

  it('falls back where the URL says nonsense', () => {
    expect(searchStateOf(url('?limit=-3&order=sideways&operation=x&pick=1&pick=2&pick=3'))).toMatchObject({ limit: 100, order: 'recent', operation: '', picked: ['1', '2'] });
    expect(urlOf(searchStateOf(url('')))).toEqual({ pick: [] });
  });

  it('asks Jaeger in its own units', () => {
    const state = searchStateOf(url('?service=s&tags=error%3Dtrue&min=1.5ms&limit=20'));
    const [query] = queriesOf(state, ['s', 't'], { from: 1000, to: 2000 });
    expect(Object.fromEntries(searchParameters(query as never))).toEqual({ service: 's', tags: '{"error":"true"}', minDuration: '1.5ms', start: '1000000', end: '2000000', limit: '20' });
    expect(queriesOf(searchStateOf(url('')), ['s', 't'], { from: 0, to: 1 }).map((q) => q.service)).toEqual(['s', 't']);
  });

  it('finds each trace once, the fullest answer of it, the newest first', () => {
    const found = mergeFound([[raw([{ id: 'a', at: 0, for: 1 }], '1')], [raw([{ id: 'a', at: 0, for: 1 }, { id: 'b', at: 1, for: 1, up: 'a' }], '1'), raw([{ id: 'c', at: 9, for: 5 }], '2')]], 10);
    expect(found.map((t) => [t.id, t.spans.length])).toEqual([['2', 1], ['1', 2]]);
    expect(sortTraces(found, 'spans').map((t) => t.id)).toEqual(['1', '2']);
    expect(sortTraces(found, 'shortest').map((t) => t.id)).toEqual(['1', '2']);
    expect(sortTraces(found, 'longest').map((t) => t.id)).toEqual(['2', '1']);
  });

  it('names what is wrong, by field', () => {
    expect(searchErrors({ tags: 'x', min: '5', max: '1s' })).toMatchObject({ tags: expect.stringContaining('x=value'), min: expect.stringContaining('1.5ms'), max: undefined });
  });

  it('keeps the last two picks', () => {
    expect(togglePick(['1'], '2')).toEqual(['1', '2']);
    expect(togglePick(['1', '2'], '3')).toEqual(['2', '3']);
    expect(togglePick(['1', '2'], '1')).toEqual(['2']);
  });

  test.each([
    ['4BF92f3577b34da6a3ce929d0e0e4736', '4bf92f3577b34da6a3ce929d0e0e4736'],
    [' ab12 ', 'ab12'],
    ['http://host:16686/trace/ab12?x=1', 'ab12'],
    ['4bf92f35-77b3-4da6-a3ce-929d0e0e4736', '4bf92f3577b34da6a3ce929d0e0e4736'],
    ['xyz', undefined],
    ['0000', undefined],
    ['', undefined],
  ])('the id “%s” is read as %s', (text, id) => expect(readTraceId(text)).toBe(id));

  test.each([['a', true], ['0AF7651916cd43dd8448eb211c80319c', true], ['', false], ['zzz', false], ['a'.repeat(33), false], ['%zz', false]])('“%s” can be asked for: %s', (id, can) => expect(isTraceId(id)).toBe(can));
});

describe('colours of services', () => {
  it('do not depend on the order, and differ while there are enough', () => {
    const names = Array.from({ length: 12 }, (_, i) => `service-${i}`);
    expect(serviceSlots(names, 12)).toEqual(serviceSlots([...names].reverse(), 12));
    expect(new Set(serviceSlots(names, 12).values()).size).toBe(12);
    expect(serviceSlots([...names, 'one-more'], 12).size).toBe(13);
  });
});

describe('the layout of a graph', () => {
  const options = { nodeWidth: 100, nodeHeight: 40, layerGap: 60, nodeGap: 20 };
  const lay = (edges: [string, string][], more: string[] = []) =>
    layoutGraph([...edges.flat(), ...more], edges.map(([from, to]) => ({ from, to })), options);
  const layers = (layout: ReturnType<typeof lay>) => Object.fromEntries(layout.nodes.map((n) => [n.name, n.layer]));

  it('puts callers left of what they call', () => {
    expect(layers(lay([['f', 'b'], ['b', 'd'], ['f', 'd']]))).toEqual({ f: 0, b: 1, d: 2 });
    expect(lay([['f', 'b'], ['b', 'd'], ['f', 'd']]).edges.map((e) => e.points.length)).toEqual([2, 2, 4]);
  });

  it('cuts cycles, leaves out calls of oneself and unknown ends, and places lonely nodes', () => {
    const layout = lay([['a', 'b'], ['b', 'c'], ['c', 'a'], ['b', 'b']], ['alone']);
    expect(layers(layout)).toEqual({ a: 0, b: 1, c: 2, alone: 0 });
    expect(layout.edges.filter((e) => e.back).map((e) => [e.from, e.to])).toEqual([['c', 'a']]);
    expect(layoutGraph(['a'], [{ from: 'a', to: 'gone' }], options).edges).toEqual([]);
    expect(layoutGraph([], [], options).nodes).toEqual([]);
  });

  it('of fifty services has no boxes on one another, stays inside, and is the same each time', () => {
    let seed = 3;
    const random = (n: number) => (seed = (seed * 48271) % 2147483647) % n;
    const edges = Array.from({ length: 110 }, (): [string, string] => [`s${random(50)}`, `s${random(50)}`]);
    const layout = lay(edges);
    for (const a of layout.nodes) {
      expect(a.y).toBeGreaterThanOrEqual(20);
      expect(a.x + 50).toBeLessThanOrEqual(layout.width);
      expect(a.y + 20).toBeLessThanOrEqual(layout.height);
      for (const b of layout.nodes) if (a !== b && a.layer === b.layer) expect(Math.abs(a.y - b.y)).toBeGreaterThanOrEqual(59.9);
    }
    expect(lay(edges)).toEqual(layout);
    expect(edgePath(layout.edges[0]?.points ?? [])).toMatch(/^M[\d.]+ [\d.]+[CL]/);
  });

  it('keeps boxes at their places where there is room', () => {
    expect(spread([10, 10], [0, 100])).toEqual([0, 100]);
    expect(spread([10, 10], [0, 0])).toEqual([-5, 5]);
    expect(spread([10, 10, 10], [0, 0, 0])).toEqual([-10, 0, 10]);
  });
});
