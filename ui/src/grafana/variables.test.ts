import { afterEach, describe, expect, it, test, vi } from 'vitest';
import type { VariableModel } from './model';
import { applyRegex, parseCustom, parseVariableQuery, resolveVariables, sortOptions, valueOf } from './variables';

const range = { from: 0, to: 3_600_000, raw: { from: '', to: '' } };
const none = () => undefined;

/** Answers `path` with the values of `answers[path]`, and records what was asked. */
function serve(answers: Record<string, string[]>): string[] {
  const asked: string[] = [];
  vi.stubGlobal('fetch', (url: string) => {
    const { pathname, searchParams } = new URL(url, 'http://test');
    asked.push(`${pathname} ${searchParams.getAll('match[]').join(' ')}`.trim());
    const data = answers[pathname];
    return Promise.resolve(new Response(JSON.stringify(data ? { status: 'success', data } : { error: 'no such label' }), { status: data ? 200 : 400 }));
  });
  return asked;
}

afterEach(() => vi.unstubAllGlobals());

describe('variable queries', () => {
  test.each([
    ['label_values(job)', { kind: 'labelValues', label: 'job' }],
    ['label_values(up{job="a", x=~"b,c"}, instance)', { kind: 'labelValues', metric: 'up{job="a", x=~"b,c"}', label: 'instance' }],
    ['label_names()', { kind: 'labelNames' }],
    ['metrics(http_.*)', { kind: 'metrics', pattern: 'http_.*' }],
    ['query_result(sum by (job) (up))', { kind: 'queryResult', expr: 'sum by (job) (up)' }],
    ['nonsense(', undefined],
  ])('%s', (text, expected) => expect(parseVariableQuery(text)).toEqual(expected));

  it('extracts with a regular expression', () => {
    expect(applyRegex(['a-1', 'b-2', 'c'], '/(\\w)-\\d/')).toEqual([
      { text: 'a', value: 'a' },
      { text: 'b', value: 'b' },
    ]);
    expect(applyRegex(['x=1'], '/(?<text>\\w)=(?<value>\\d)/')).toEqual([{ text: 'x', value: '1' }]);
    expect(applyRegex(['Ab'], '/^a/i')).toHaveLength(1);
  });

  it('sorts', () => {
    const options = ['b10', 'a9', 'B1'].map((value) => ({ text: value, value }));
    const sorted = (sort: number) => sortOptions(options, sort).map((o) => o.value);
    expect(sorted(0)).toEqual(['b10', 'a9', 'B1']);
    expect(sorted(1)).toEqual(['B1', 'a9', 'b10']);
    expect(sorted(3)).toEqual(['B1', 'a9', 'b10']);
    expect(sorted(4)).toEqual(['b10', 'a9', 'B1']);
    expect(sorted(6)).toEqual(['b10', 'B1', 'a9']);
  });

  it('reads custom lists', () => {
    expect(parseCustom('1m, key : value, a\\,b')).toEqual([
      { text: '1m', value: '1m' },
      { text: 'key', value: 'value' },
      { text: 'a,b', value: 'a,b' },
    ]);
  });
});

describe('resolving', () => {
  const query = (name: string, text: string, more: Partial<VariableModel> = {}): VariableModel => ({ name, type: 'query', query: { query: text }, ...more });

  it('asks dependent variables after those they mention', async () => {
    const asked = serve({ '/api/v1/label/namespace/values': ['prod', 'test'], '/api/v1/label/pod/values': ['p1', 'p2'] });
    const models = [query('ns', 'label_values(kube_pod_info, namespace)'), query('pod', 'label_values(kube_pod_info{namespace="$ns"}, pod)', { multi: true, includeAll: true })];
    const [ns, pod] = await resolveVariables({ models, range, fromUrl: (name) => (name === 'ns' ? ['test'] : undefined) });
    expect(asked).toEqual(['/api/v1/label/namespace/values kube_pod_info', '/api/v1/label/pod/values kube_pod_info{namespace="test"}']);
    expect(ns?.selected).toEqual(['test']);
    expect(pod?.selected).toEqual(['$__all']);
    expect(pod && valueOf(pod, range)).toMatchObject({ value: ['p1', 'p2'], text: 'All', multi: true });
  });

  it('keeps a failing variable’s error and resolves the others', async () => {
    serve({ '/api/v1/label/b/values': ['1'] });
    const [a, b] = await resolveVariables({ models: [query('a', 'label_values(a)'), query('b', 'label_values(b)')], range, fromUrl: none });
    expect(a?.error).toBe('no such label');
    expect(b?.selected).toEqual(['1']);
  });

  it('uses the dashboard’s choice while it exists, else the first option', async () => {
    serve({ '/api/v1/label/x/values': ['a', 'b'] });
    const chosen = async (value: string) => {
      const [v] = await resolveVariables({ models: [query('x', 'label_values(x)', { current: { text: value, value } })], range, fromUrl: none });
      return v?.selected;
    };
    expect(await chosen('b')).toEqual(['b']);
    expect(await chosen('gone')).toEqual(['a']);
  });

  it('passes allValue on as it stands', async () => {
    serve({ '/api/v1/label/x/values': ['a', 'b'] });
    const [v] = await resolveVariables({ models: [query('x', 'label_values(x)', { includeAll: true, allValue: '.*' })], range, fromUrl: () => ['All'] });
    expect(v && valueOf(v, range).verbatim).toBe('.*');
  });

  it('computes automatic intervals and reads constants and text boxes', async () => {
    const models: VariableModel[] = [
      { name: 'i', type: 'interval', query: '1m,5m', auto: true, auto_count: 60, auto_min: '10s', current: { value: '$__auto_interval_i', text: 'auto' } },
      { name: 'c', type: 'constant', query: 'fixed' },
      { name: 't', type: 'textbox', query: 'start' },
      { name: 'd', type: 'datasource', query: 'prometheus' },
    ];
    const variables = await resolveVariables({ models, range, fromUrl: (name) => (name === 't' ? ['typed'] : undefined) });
    expect(variables.map((v) => valueOf(v, range).value)).toEqual(['1m', 'fixed', 'typed', 'prometheus']);
  });
});
