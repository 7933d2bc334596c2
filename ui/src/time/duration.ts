/**
 * Durations as Prometheus and Grafana write them ("30s", "1h30m", "2d") to milliseconds and back.
 * Does not know about points in time: see range.ts.
 */
const unitMs: Record<string, number> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
  M: 2_592_000_000,
  y: 31_536_000_000,
};

/** Milliseconds of a duration, or undefined when the text is not one. Grafana's leading ">" (minimum) is accepted. */
export function parseDuration(text: string): number | undefined {
  const trimmed = text.trim().replace(/^>/, '');
  const parts = trimmed.match(/\d+(?:\.\d+)?(?:ms|[smhdwMy])/g);
  if (!parts || parts.join('') !== trimmed) return undefined;
  let total = 0;
  for (const part of parts) {
    const [, amount, unit] = /^([\d.]+)(\D+)$/.exec(part) ?? [];
    total += Number(amount) * (unitMs[unit ?? ''] ?? 0);
  }
  return total;
}

/** The duration in its largest unit that divides it, as PromQL accepts it: 90000 → "90s", 60000 → "1m", 250 → "250ms". */
export function formatDuration(ms: number): string {
  for (const unit of ['d', 'h', 'm', 's'] as const) {
    const size = unitMs[unit] as number;
    if (ms >= size && ms % size === 0) return `${ms / size}${unit}`;
  }
  return `${Math.max(1, Math.round(ms))}ms`;
}
