/**
 * Points in time and ranges as Grafana writes them in URLs and dashboards: "now", "now-6h", "now/d", epoch milliseconds, ISO dates.
 * Pure: the current time is always an argument.
 */
export interface RawRange {
  from: string;
  to: string;
}

export interface TimeRange {
  /** Milliseconds since the epoch. */
  from: number;
  to: number;
  raw: RawRange;
}

export const defaultRange: RawRange = { from: 'now-1h', to: 'now' };

export interface QuickRange extends RawRange {
  label: string;
}

const quick = (label: string, span: string): QuickRange => ({ label, from: `now-${span}`, to: 'now' });

export const quickRanges: QuickRange[] = [
  quick('Last 5 minutes', '5m'),
  quick('Last 15 minutes', '15m'),
  quick('Last 30 minutes', '30m'),
  quick('Last 1 hour', '1h'),
  quick('Last 3 hours', '3h'),
  quick('Last 6 hours', '6h'),
  quick('Last 12 hours', '12h'),
  quick('Last 24 hours', '24h'),
  quick('Last 2 days', '2d'),
  quick('Last 7 days', '7d'),
  { label: 'Today so far', from: 'now/d', to: 'now' },
];

type Unit = 's' | 'm' | 'h' | 'd' | 'w' | 'M' | 'y';

function shift(date: Date, amount: number, unit: Unit): void {
  if (unit === 'M') date.setMonth(date.getMonth() + amount);
  else if (unit === 'y') date.setFullYear(date.getFullYear() + amount);
  else if (unit === 'd') date.setDate(date.getDate() + amount);
  else if (unit === 'w') date.setDate(date.getDate() + 7 * amount);
  else {
    const ms = { s: 1000, m: 60_000, h: 3_600_000 }[unit];
    date.setTime(date.getTime() + amount * ms);
  }
}

function startOf(date: Date, unit: Unit): void {
  if (unit === 's') date.setMilliseconds(0);
  if (unit === 'm') date.setSeconds(0, 0);
  if (unit === 'h') date.setMinutes(0, 0, 0);
  if (unit === 'd') date.setHours(0, 0, 0, 0);
  if (unit === 'w') {
    date.setHours(0, 0, 0, 0);
    date.setDate(date.getDate() - ((date.getDay() + 6) % 7));
  }
  if (unit === 'M') {
    date.setHours(0, 0, 0, 0);
    date.setDate(1);
  }
  if (unit === 'y') {
    date.setHours(0, 0, 0, 0);
    date.setMonth(0, 1);
  }
}

/** Milliseconds since the epoch, or undefined for text that is not a time. `roundUp` takes the end of the unit in "now/d". */
export function parseTime(text: string, now: number, roundUp = false): number | undefined {
  const trimmed = text.trim();
  if (/^\d{9,}$/.test(trimmed)) return Number(trimmed);
  const relative = /^now((?:[+-]\d+[smhdwMy]|\/[smhdwMy])*)$/.exec(trimmed);
  if (!relative) {
    const absolute = Date.parse(trimmed.includes('T') ? trimmed : trimmed.replace(' ', 'T'));
    return Number.isNaN(absolute) ? undefined : absolute;
  }
  const date = new Date(now);
  for (const [, sign, amount, unit, rounded] of (relative[1] ?? '').matchAll(/([+-])(\d+)([smhdwMy])|\/([smhdwMy])/g)) {
    if (rounded) {
      if (roundUp) shift(date, 1, rounded as Unit);
      startOf(date, rounded as Unit);
      if (roundUp) date.setMilliseconds(-1);
    } else {
      shift(date, (sign === '-' ? -1 : 1) * Number(amount), unit as Unit);
    }
  }
  return date.getTime();
}

/** The range at `now`; text that cannot be read falls back to the last hour, and a reversed range is turned round. */
export function resolveRange(raw: RawRange, now: number): TimeRange {
  const from = parseTime(raw.from, now);
  const to = parseTime(raw.to, now, true);
  if (from === undefined || to === undefined) {
    return { from: now - 3_600_000, to: now, raw: defaultRange };
  }
  return from <= to ? { from, to, raw } : { from: to, to: from, raw };
}

/** Whether both ends can be read and the first comes before the last. */
export function isRange(raw: RawRange, now: number): boolean {
  const from = parseTime(raw.from, now);
  const to = parseTime(raw.to, now, true);
  return from !== undefined && to !== undefined && from < to;
}

/** What the URL says, with `fallback` for what it leaves out, or for all of it where it is no range. */
export function rawRangeOf(url: URL, fallback: RawRange, now: number): RawRange {
  const { searchParams } = url;
  const raw = { from: searchParams.get('from') ?? fallback.from, to: searchParams.get('to') ?? fallback.to };
  return isRange(raw, now) ? raw : fallback;
}

const two = (n: number) => String(n).padStart(2, '0');

/** "2026-11-22 09:05:00" in the browser's time zone, which parseTime reads back. */
export function formatAbsolute(ms: number): string {
  const d = new Date(ms);
  return `${d.getFullYear()}-${two(d.getMonth() + 1)}-${two(d.getDate())} ${two(d.getHours())}:${two(d.getMinutes())}:${two(d.getSeconds())}`;
}

/** What the time picker's button says. */
export function describeRange(raw: RawRange): string {
  const known = quickRanges.find((q) => q.from === raw.from && q.to === raw.to);
  if (known) return known.label;
  const text = (value: string) => (/^\d+$/.test(value) ? formatAbsolute(Number(value)) : value);
  return `${text(raw.from)} to ${text(raw.to)}`;
}

/** Twice the span around the same centre, ending no later than now. */
export function zoomOut(range: TimeRange, now: number): RawRange {
  const span = Math.max(range.to - range.from, 1000);
  const to = Math.min(range.to + span / 2, now);
  return { from: String(Math.round(to - 2 * span)), to: String(Math.round(to)) };
}
