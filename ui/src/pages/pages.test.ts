import { describe, expect, it, test } from 'vitest';
import { readLogLine } from './logLine';
import { workloadOfPod } from './overviewData';

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

describe('pods', () => {
  it('belong to the longest workload that their name begins with', () => {
    expect(workloadOfPod('todo-backend-7d9c5b8f4-x2kqp', ['todo', 'todo-backend'])).toBe('todo-backend');
    expect(workloadOfPod('other-7d9c5b8f4-x2kqp', [])).toBe('other');
  });
});
