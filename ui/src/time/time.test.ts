import { rangeUtil } from '@grafana/data';
import { describe, expect, it, test } from 'vitest';
import { formatDuration, parseDuration } from './duration';
import { describeRange, parseTime, rawRangeOf, resolveRange, zoomOut } from './range';
import { alignRange, computeStep, rateInterval, roundInterval } from './step';

describe('durations', () => {
  test.each([
    ['30s', 30_000],
    ['1h30m', 5_400_000],
    ['500ms', 500],
    ['2d', 172_800_000],
    ['>10s', 10_000],
    ['10', undefined],
    ['5 m', undefined],
    ['', undefined],
  ])('%s', (text, ms) => expect(parseDuration(text)).toBe(ms));

  test.each([
    [15_000, '15s'],
    [60_000, '1m'],
    [90_000, '90s'],
    [7_200_000, '2h'],
    [250, '250ms'],
    [86_400_000, '1d'],
  ])('%d is %s', (ms, text) => expect(formatDuration(ms)).toBe(text));
});

describe('points in time', () => {
  const now = new Date(2026, 10, 22, 14, 30, 15).getTime();
  test.each([
    ['now', now],
    ['now-1h', now - 3_600_000],
    ['now-1h+15m', now - 2_700_000],
    ['1700000000000', 1_700_000_000_000],
    ['2026-11-22 10:00:00', new Date(2026, 10, 22, 10).getTime()],
    ['2026-11-22T10:00:00Z', Date.UTC(2026, 10, 22, 10)],
    ['now/d', new Date(2026, 10, 22).getTime()],
    ['now-1d/d', new Date(2026, 10, 21).getTime()],
    ['yesterday', undefined],
    ['now-', undefined],
  ])('%s', (text, ms) => expect(parseTime(text, now)).toBe(ms));

  it('takes the end of the unit when rounding up', () => {
    expect(parseTime('now/d', now, true)).toBe(new Date(2026, 10, 23).getTime() - 1);
  });

  it('turns a reversed range round and replaces one that cannot be read', () => {
    expect(resolveRange({ from: 'now', to: 'now-1h' }, now)).toMatchObject({ from: now - 3_600_000, to: now });
    expect(resolveRange({ from: 'x', to: 'now' }, now)).toMatchObject({ from: now - 3_600_000, to: now });
  });

  test.each([
    ['', 'now-30m'],
    ['?from=now-6h', 'now-6h'],
    ['?from=garbage&to=now', 'now-30m'],
    ['?from=now-1h&to=yesterday', 'now-30m'],
    ['?from=now&to=now-1h', 'now-30m'],
    ['?from=1700000000000&to=1700000000000', 'now-30m'],
    ['?from=1700000000000&to=1700000001000', '1700000000000'],
  ])('the address %s asks for the range from %s', (search, from) => {
    expect(rawRangeOf(new URL(`http://x/${search}`), { from: 'now-30m', to: 'now' }, now).from).toBe(from);
  });

  it('zooms out to twice the span without going past now', () => {
    const range = resolveRange({ from: 'now-1h', to: 'now' }, now);
    expect(zoomOut(range, now)).toEqual({ from: String(now - 7_200_000), to: String(now) });
  });

  it('names known ranges', () => {
    expect(describeRange({ from: 'now-6h', to: 'now' })).toBe('Last 6 hours');
    expect(describeRange({ from: 'now-7h', to: 'now' })).toBe('now-7h to now');
  });
});

describe('steps', () => {
  const hours = (n: number) => ({ from: 0, to: n * 3_600_000, raw: { from: '', to: '' } });

  it('rounds intervals as Grafana does', () => {
    for (let ms = 1; ms < 5e9; ms = Math.ceil(ms * 1.13)) expect(`${ms}: ${roundInterval(ms)}`).toBe(`${ms}: ${rangeUtil.roundInterval(ms)}`);
  });

  test.each([
    [24, 500, 15_000, 120_000],
    [1, 1000, 15_000, 15_000],
    [6, 600, 15_000, 30_000],
    [1, 60, 30_000, 60_000],
  ])('%d h over %d px at least %d ms is %d ms', (span, maxDataPoints, minInterval, step) => {
    expect(computeStep(hours(span), { maxDataPoints, minInterval })).toBe(step);
  });

  it('never asks for more points than Prometheus answers', () => {
    const step = computeStep(hours(24 * 365), { maxDataPoints: 1e9, minInterval: 1 });
    expect((24 * 365 * 3_600_000) / step).toBeLessThanOrEqual(11_000);
  });

  it('makes the rate interval four scrapes wide, or one scrape wider than the step', () => {
    expect(rateInterval(15_000, 30_000)).toBe(120_000);
    expect(rateInterval(600_000, 30_000)).toBe(630_000);
  });

  it('aligns both ends down to the step', () => {
    expect(alignRange({ from: 61_000, to: 119_000, raw: { from: '', to: '' } }, 30_000)).toEqual({ start: 60_000, end: 90_000 });
  });
});
