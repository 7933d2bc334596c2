/**
 * The resolution of range queries, computed as Grafana's Prometheus data source does it: step from the panel's width, the rate interval
 * from the step and the scrape interval, and query times aligned to the step.
 */
import type { TimeRange } from './range';

/** Upper bound (exclusive) of the raw interval in milliseconds, and what it is rounded to. */
const roundingTable: [number, number][] = [
  [10, 1],
  [15, 10],
  [35, 20],
  [75, 50],
  [150, 100],
  [350, 200],
  [750, 500],
  [1500, 1000],
  [3500, 2000],
  [7500, 5000],
  [12_500, 10_000],
  [17_500, 15_000],
  [25_000, 20_000],
  [45_000, 30_000],
  [90_000, 60_000],
  [210_000, 120_000],
  [450_000, 300_000],
  [750_000, 600_000],
  [1_050_000, 900_000],
  [1_500_000, 1_200_000],
  [2_700_000, 1_800_000],
  [5_400_000, 3_600_000],
  [9_000_000, 7_200_000],
  [16_200_000, 10_800_000],
  [32_400_000, 21_600_000],
  [86_400_000, 43_200_000],
  [604_800_000, 86_400_000],
  [1_814_400_000, 604_800_000],
  [3_628_800_000, 2_592_000_000],
];

/** A raw interval rounded to one a person would choose. */
export function roundInterval(ms: number): number {
  for (const [below, rounded] of roundingTable) {
    if (ms < below) return rounded;
  }
  return 31_536_000_000;
}

/** Prometheus refuses more points per series than this. */
const maxPoints = 11_000;

export interface StepOptions {
  /** Width of the panel in CSS pixels, or its own maxDataPoints. */
  maxDataPoints: number;
  /** Lower limit in milliseconds: the panel's or the target's own interval, or the scrape interval. */
  minInterval: number;
}

/** Step in milliseconds. */
export function computeStep(range: TimeRange, { maxDataPoints, minInterval }: StepOptions): number {
  const span = Math.max(range.to - range.from, 1);
  const rounded = Math.max(roundInterval(span / Math.max(maxDataPoints, 1)), minInterval);
  const safe = Math.ceil(span / maxPoints / 1000) * 1000;
  return Math.max(rounded, safe, 1);
}

/** `$__rate_interval`: always four scrapes wide, and one scrape wider than the step. */
export function rateInterval(stepMs: number, scrapeIntervalMs: number): number {
  return Math.max(stepMs + scrapeIntervalMs, 4 * scrapeIntervalMs);
}

/** Both ends moved down to a multiple of the step, so that a refresh asks for the same points again. */
export function alignRange(range: TimeRange, stepMs: number): { start: number; end: number } {
  return {
    start: Math.floor(range.from / stepMs) * stepMs,
    end: Math.floor(range.to / stepMs) * stepMs,
  };
}
