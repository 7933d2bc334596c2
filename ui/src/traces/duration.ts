/** Durations of spans and traces: microseconds to text, and the text of a search's bounds. Pure. */
const units: [number, string][] = [
  [3_600_000_000, 'h'],
  [60_000_000, 'min'],
  [1_000_000, 's'],
  [1000, 'ms'],
];

/** "532 µs", "1.24 ms", "12.4 ms", "3.05 s": three significant digits. */
export function formatMicros(us: number): string {
  const size = Math.abs(us);
  for (const [unit, name] of units) {
    // 999.96 ms is 1.00 s once it is rounded
    if (size >= unit * 0.9995) return `${Number((us / unit).toPrecision(3))} ${name}`;
  }
  return `${Number(us.toPrecision(3))} µs`;
}

/** Steps of a scale from 0 to `span` that a person would choose, at most `most` of them. */
export function roundTicks(from: number, to: number, most: number): number[] {
  const raw = (to - from) / Math.max(1, most);
  if (!(raw > 0)) return [from];
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 2.5, 5, 10].map((digit) => digit * power).find((s) => s >= raw) as number;
  const ticks: number[] = [];
  for (let i = Math.ceil(from / step - 1e-9) + 0; i * step <= to + step * 1e-9; i++) ticks.push(i * step);
  return ticks;
}

/** A bound of a search: Go's durations as Jaeger reads them, "1.5ms", "200us", "1m30s". The text to send, or undefined when it is none. */
export function searchDuration(text: string): string | undefined {
  const compact = text.replace(/\s+/g, '').replace(/[µμ]s/g, 'us');
  return /^(\d+(\.\d+)?(ns|us|ms|s|m|h))+$/.test(compact) ? compact : undefined;
}

/** "just now", "3 min ago". */
export function ago(ms: number, now: number): string {
  const seconds = Math.round((now - ms) / 1000);
  if (seconds < 1) return 'just now';
  if (seconds < 60) return `${seconds} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h ago`;
  return `${Math.floor(seconds / 86_400)} d ago`;
}
