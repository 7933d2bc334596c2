import { describe, expect, it, test } from 'vitest';
import { containersOf } from '../api/kubernetes';
import { routeOf } from '../app/routes';
import { readLogLine, traceIdOf } from './logLine';
import { cores, coresOf } from './format';
import { requestsOf, scalingOf, workloadOfPod, workloadsOf, type PodRow } from './overviewData';
import { podTroubles, reasonOf } from './podTroubles';

describe('log lines', () => {
  const at = '2026-11-22T20:07:41.662Z';
  const clock = (() => {
    const d = new Date(at);
    return `${String(d.getHours()).padStart(2, '0')}:${String(d.getMinutes()).padStart(2, '0')}:41.662`;
  })();

  test.each([
    [`{"timestamp":"${at}","level":"WARN","message":"not sent","failures":1,"reason":"Connect"}`, { clock, level: 'WARN', text: 'not sent  failures=1  reason=Connect' }],
    [`{"time":"${at}","level":"info","msg":"ready"}`, { clock, level: 'INFO', text: 'ready' }],
    [`{"timestamp":"${at}","fields":{"message":"inner","n":2},"target":"x"}`, { clock, level: undefined, text: 'inner  n=2  target=x' }],
    ['{"a":1}', { text: '{"a":1}' }],
    ['{broken', { text: '{broken' }],
    ['plain text', { text: 'plain text' }],
  ])('%s', (line, expected) => expect(readLogLine(line)).toEqual(expected));
});

describe('the trace of a log line', () => {
  const id = '4bf92f3577b34da6a3ce929d0e0e4736';
  test.each([
    [`{"message":"x","trace_id":"${id}"}`, id],
    [`{"fields":{"message":"x"},"span":{"trace_id": "${id.toUpperCase()}"}}`, id],
    [`time=now trace_id=${id} done`, id],
    [`traceId: ${id}`, id],
    [`trace_id=${'0'.repeat(32)}`, undefined],
    [`trace_id=${id}ff`, undefined],
    [`parent_id=${id}`, undefined],
    ['plain text', undefined],
  ])('%s', (line, expected) => expect(traceIdOf(line)).toBe(expected));
});

describe('the requests of the overview', () => {
  const one = (value: number) => [{ labels: {}, value, timeMs: 0 }];
  test.each([
    [[], [], [], {}],
    [one(10), one(1), one(25), { rate: 10, errors: 0.1, p95: 25 }],
    [one(10), [], one(NaN), { rate: 10, errors: 0, p95: undefined }],
    [one(0), [], [], { rate: 0, errors: 0, p95: undefined }],
  ])('%#', (requests, requestErrors, requestP95, expected) => expect(requestsOf({ requests, requestErrors, requestP95 })).toEqual(expected));
});

describe('pods', () => {
  it('have a container that is meant when none is named', () => {
    const pod = (names: string[], annotations?: Record<string, string>) => ({ metadata: { name: 'p', namespace: 'n', annotations }, spec: { containers: names.map((name) => ({ name })) } });
    expect(containersOf(pod(['daprd', 'backend']))).toEqual(['backend', 'daprd']);
    expect(containersOf(pod(['a', 'b'], { 'kubectl.kubernetes.io/default-container': 'b' }))).toEqual(['b', 'a']);
  });

  it('belong to the longest workload that their name begins with', () => {
    expect(workloadOfPod('todo-backend-7d9c5b8f4-x2kqp', ['todo', 'todo-backend'])).toBe('todo-backend');
    expect(workloadOfPod('other-7d9c5b8f4-x2kqp', [])).toBe('other');
  });

  const pod = (change: Partial<PodRow>): PodRow => ({
    namespace: 'ns', name: 'todo-1', workload: 'todo', node: '', ip: '', phase: 'Running', ready: false, restarts: 0, recentRestarts: 0, history: [], created: 0, ...change,
  });

  test.each<[Partial<PodRow>, string | undefined]>([
    [{ ready: true }, undefined],
    [{ ready: true, lastEnd: 'OOMKilled', restarts: 3 }, undefined],
    [{ ready: true, lastEnd: 'OOMKilled', recentRestarts: 1 }, 'restarted after OOMKilled'],
    [{ lastEnd: 'Error', recentRestarts: 1 }, 'restarted after Error, not ready'],
    [{}, 'Not ready'],
    [{ created: 990 }, undefined],
    [{ phase: 'Pending', waiting: 'ContainerCreating', created: 990 }, undefined],
    [{ phase: 'Pending', waiting: 'ContainerCreating' }, 'ContainerCreating'],
    [{ phase: 'Pending', waiting: 'ImagePullBackOff', created: 990 }, 'ImagePullBackOff'],
    [{ waiting: 'CrashLoopBackOff', lastEnd: 'Error', created: 990 }, 'CrashLoopBackOff, last end: Error'],
    [{ phase: 'Failed', lastEnd: 'Error' }, 'Failed: Error'],
    [{ phase: 'Succeeded', lastEnd: 'Completed' }, undefined],
  ])('%j is in trouble because of %s', (change, reason) => expect(reasonOf(pod(change), 1000)).toBe(reason));

  it('in trouble come with their last warning', () => {
    const event = (name: string, type: string, lastTimestamp: string, message: string) => ({ metadata: { name: message }, type, message, lastTimestamp, involvedObject: { name } });
    const events = [
      event('todo-1', 'Warning', '2026-11-22T20:02:00Z', 'last'),
      event('todo-1', 'Warning', '2026-11-22T20:01:00Z', 'first'),
      event('todo-1', 'Normal', '2026-11-22T20:03:00Z', 'normal'),
      event('todo-2', 'Warning', '2026-11-22T20:04:00Z', 'other'),
    ];
    expect(podTroubles([pod({}), pod({ ready: true, name: 'todo-2' })], new Map([['ns', events]]), 1000)).toMatchObject([{ reason: 'Not ready', detail: 'last' }]);
    expect(podTroubles([pod({ namespace: 'elsewhere' })], new Map([['ns', events]]), 1000)).toMatchObject([{ detail: undefined }]);
  });
});

describe('workloads', () => {
  const sample = (labels: Record<string, string>, value: number) => ({ labels: { namespace: 'ns', ...labels }, value, timeMs: 0 });

  it('have the limits of the autoscaler that targets them, whatever its name', () => {
    const rows = workloadsOf({
      desired: [sample({ deployment: 'a' }, 2), sample({ deployment: 'b' }, 1)],
      ready: [],
      available: [],
      minReplicas: [sample({ horizontalpodautoscaler: 'a-hpa' }, 2), sample({ horizontalpodautoscaler: 'b' }, 1)],
      maxReplicas: [sample({ horizontalpodautoscaler: 'a-hpa' }, 9), sample({ horizontalpodautoscaler: 'b' }, 5)],
      autoscalers: [sample({ horizontalpodautoscaler: 'a-hpa', scaletargetref_name: 'a' }, 1)],
    });
    expect(rows.map((w) => w.limits)).toEqual([{ min: 2, max: 9 }, undefined]);
  });

  it('that are autoscaled are counted together', () => {
    const workload = (desired: number, max?: number) => ({ namespace: 'ns', name: '', desired, ready: desired, available: desired, limits: max === undefined ? undefined : { min: 1, max } });
    expect(scalingOf([workload(2, 10), workload(5, 5), workload(7)])).toEqual({ replicas: 7, most: 15, atMost: 1 });
    expect(scalingOf([workload(7)])).toBeUndefined();
  });
});

describe('numbers', () => {
  test.each([
    [0, '0 m'],
    [0.0000766, '0.077 m'],
    [0.0000001, '< 0.001 m'],
    [0.00512, '5.1 m'],
    [0.25, '250 m'],
    [1.5, '1.50'],
    [undefined, '–'],
  ])('%s cores', (value, text) => expect(cores(value)).toBe(text));

  it('of a limit have its unit', () => {
    expect(coresOf(0.0012, 1)).toBe('1.2 m / 1000 m');
    expect(coresOf(1.25, 2)).toBe('1.25 / 2.00');
  });
});

describe('the page of a path', () => {
  test.each([
    ['/', { page: '/', uid: '' }],
    ['/trace/0af7', { page: '/trace', uid: '0af7' }],
    ['/d/a%2Fb', { page: '/d', uid: 'a/b' }],
    ['/scaling', { page: '/scaling', uid: '' }],
    ['/scaling/simulate', { page: '/scaling/simulate', uid: '' }],
    ['/d', { page: undefined, uid: '' }],
    ['/trace/%zz', { page: undefined, uid: '', hint: expect.stringContaining('%25') as string }],
    ['/d/%', { page: undefined, uid: '', hint: expect.stringContaining('%25') as string }],
  ])('%s', (path, route) => expect(routeOf(path)).toEqual(route));
});
