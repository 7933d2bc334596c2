/** How the pages of alerts write times and numbers. Pure. */
import { elapsedText } from '../charts/ticks';

/** Milliseconds since the epoch; undefined for what is not there, and for the year 1, which means never. */
export function timeOf(text: string | undefined): number | undefined {
  if (!text || text.startsWith('0001')) return undefined;
  const ms = Date.parse(text);
  return Number.isNaN(ms) ? undefined : ms;
}

/** "12m 4s", the time that has passed. */
export function sinceText(text: string | undefined, now: number): string {
  const ms = timeOf(text);
  return ms === undefined ? '–' : elapsedText(Math.max(0, now - ms));
}

/** "4m ago", "now", "never". */
export function agoText(text: string | undefined, now: number): string {
  const ms = timeOf(text);
  if (ms === undefined) return 'never';
  return now - ms < 1000 ? 'now' : `${elapsedText(now - ms).split(' ')[0]} ago`;
}

/** "in 2h 5m", or how long it is over. */
export function untilText(text: string, now: number): string {
  const ms = timeOf(text);
  if (ms === undefined) return '–';
  return ms >= now ? `in ${elapsedText(ms - now)}` : `${elapsedText(now - ms)} ago`;
}

/** Go's `3e+00` as people write it, with five digits at most. */
export function valueText(text: string | undefined): string {
  if (text === undefined || text === '') return '–';
  const value = Number(text.replace(/Inf$/, 'Infinity'));
  if (!Number.isFinite(value)) return text;
  return Math.abs(value) >= 1e9 || (value !== 0 && Math.abs(value) < 1e-4) ? value.toPrecision(3) : String(Number(value.toPrecision(5)));
}

/** "40 µs", "1.3 ms", "2 s". */
export function secondsText(seconds: number): string {
  if (seconds >= 100) return elapsedText(seconds * 1000);
  if (seconds >= 1) return `${Number(seconds.toPrecision(3))} s`;
  return seconds >= 1e-4 || seconds === 0 ? `${Number((seconds * 1000).toPrecision(2))} ms` : `${Math.max(1, Math.round(seconds * 1e6))} µs`;
}
