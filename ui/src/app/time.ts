/**
 * The time range and refresh interval that all pages share. Both are in the URL (`from`, `to`, `refresh`), so that every view can be shared; a page
 * may give defaults. `useTimeRange` resolves "now" anew at every refresh.
 */
import { useEffect, useMemo } from 'react';
import { pageNow } from '../api/early';
import { parseDuration } from '../time/duration';
import { defaultRange, isRange, rawRangeOf, resolveRange, zoomOut, type RawRange, type TimeRange } from '../time/range';
import { setParameters, useUrl } from './router';
import { Store, useStore } from './store';

export const refreshIntervals = ['off', '5s', '10s', '30s', '1m', '5m', '15m'];

/** Counts refreshes; everything that shows data depends on it. */
const tick = new Store(0);

export interface PageDefaults {
  range: RawRange;
  refresh: string;
}

/** What the current page uses where the URL says nothing: a dashboard's own time and refresh. */
const defaults = new Store<PageDefaults>({ range: defaultRange, refresh: '30s' });

export function usePageDefaults(range: RawRange | undefined, refresh: string | undefined): void {
  const from = range?.from ?? defaultRange.from;
  const to = range?.to ?? defaultRange.to;
  useEffect(() => {
    defaults.set({ range: { from, to }, refresh: refresh ?? '30s' });
  }, [from, to, refresh]);
}

export function refreshNow(): void {
  tick.set(tick.get() + 1);
}

export function useRawRange(fallback?: RawRange): RawRange {
  const url = useUrl();
  const page = useStore(defaults);
  const { from, to } = rawRangeOf(url, fallback ?? page.range, pageNow());
  return useMemo(() => ({ from, to }), [from, to]);
}

export function useTimeRange(fallback?: RawRange): TimeRange {
  const raw = useRawRange(fallback);
  const count = useStore(tick);
  // every tick resolves "now" again
  return useMemo(() => resolveRange(raw, pageNow()), [raw, count]);
}

export function useTick(): number {
  return useStore(tick);
}

export function useRefreshInterval(): string {
  const url = useUrl();
  const page = useStore(defaults);
  return url.searchParams.get('refresh') ?? page.refresh;
}

/** Runs the refreshes while the page is visible; mounted once. */
export function useRefreshLoop(): void {
  const interval = useRefreshInterval();
  useEffect(() => {
    const ms = interval === 'off' ? undefined : parseDuration(interval);
    if (!ms) return undefined;
    const timer = window.setInterval(() => {
      if (document.visibilityState === 'visible') refreshNow();
    }, Math.max(ms, 1000));
    return () => window.clearInterval(timer);
  }, [interval]);
}

/** Takes a range out of the address that cannot be shown, so that the address says what the page shows; mounted once. */
export function useRangeRepair(): void {
  const url = useUrl();
  const page = useStore(defaults);
  const asked = url.searchParams.has('from') || url.searchParams.has('to');
  const ends = { from: url.searchParams.get('from') ?? page.range.from, to: url.searchParams.get('to') ?? page.range.to };
  const wrong = asked && !isRange(ends, pageNow());
  useEffect(() => {
    if (wrong) setParameters({ from: undefined, to: undefined }, { replace: true });
  }, [wrong]);
}

export function setRange({ from, to }: RawRange): void {
  setParameters({ from, to });
}

export function zoomTo(fromMs: number, toMs: number): void {
  setRange({ from: String(Math.round(fromMs)), to: String(Math.round(toMs)) });
}

export function zoomOutFrom(range: TimeRange): void {
  setRange(zoomOut(range, Date.now()));
}
