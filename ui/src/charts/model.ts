/**
 * What a time chart shows, independent of where it comes from: series on one time grid, axes, thresholds. Made by panels/timeseriesModel.ts and by
 * the pages; drawn by TimeChart.tsx.
 */
export type DrawStyle = 'line' | 'bars' | 'points';
export type Interpolation = 'linear' | 'smooth' | 'stepBefore' | 'stepAfter';

export interface SeriesStyle {
  draw: DrawStyle;
  interpolation: Interpolation;
  lineWidth: number;
  /** 0 to 100. */
  fillOpacity: number;
  gradient: boolean;
  dash?: number[];
  points: 'auto' | 'always' | 'never';
  pointSize: number;
  /** Connect over missing values: always, never, or over gaps shorter than this many milliseconds. */
  spanNulls: boolean | number;
  stack: 'none' | 'normal' | 'percent';
  stackGroup: string;
  /** Drawn downwards. */
  negative: boolean;
  /** Fill between this series and the one of that name. */
  fillBelowTo?: string;
}

export interface ChartSeries {
  /** Stable over refreshes. */
  key: string;
  name: string;
  labels: Record<string, string>;
  color: string;
  values: (number | null)[];
  style: SeriesStyle;
  /** The axis it belongs to. */
  scale: string;
  format: (value: number) => string;
  hidden: { legend: boolean; tooltip: boolean; chart: boolean };
}

export interface Threshold {
  /** -Infinity for the base. */
  value: number;
  color: string;
}

export interface ChartAxis {
  scale: string;
  side: 'left' | 'right' | 'hidden';
  label?: string;
  min?: number;
  max?: number;
  softMin?: number;
  softMax?: number;
  /** Bars and stacks always show their foot. */
  fromZero: boolean;
  /** Base of a logarithmic scale. */
  log?: 2 | 10;
  grid: boolean;
  /** At least so wide, in pixels, so that charts one under the other have their times in the same place. */
  minWidth?: number;
  /** Smallest distance of two ticks: where values are shown with fixed decimals, closer ones would read the same. */
  minIncrement?: number;
  /** Ticks at powers of two, for bytes. */
  binary: boolean;
  /** Text of a value with a number of decimals, its number part and its unit. */
  tick: (value: number, decimals: number) => { text: string; number: string };
  thresholds: { steps: Threshold[]; lines: boolean; areas: boolean; dashed: boolean };
}

/** A single measured value, drawn as a diamond. */
export interface ChartExemplar {
  timeMs: number;
  value: number;
  scale: string;
  /** Where a click leads: the trace that it was measured in. */
  href?: string;
  /** What the tooltip says. */
  title: string;
  facts: [string, string][];
}

/** A moment, drawn as a dashed line over the whole height, or what lasted, tinted until its end. */
export interface ChartAnnotation {
  timeMs: number;
  endMs?: number;
  /** Put before its text, where that does not say what it is about. */
  name: string;
  text: string;
  color: string;
  /** Where a click leads. */
  href?: string;
}

export interface ChartModel {
  /** Milliseconds, ascending: since the epoch, or since the beginning of a simulation. */
  times: number[];
  /** Times are read as durations since a beginning, not as moments of a calendar. */
  elapsed?: boolean;
  series: ChartSeries[];
  axes: ChartAxis[];
  exemplars?: ChartExemplar[];
  annotations?: ChartAnnotation[];
}

export const plainStyle: SeriesStyle = {
  draw: 'line',
  interpolation: 'linear',
  lineWidth: 1,
  fillOpacity: 0,
  gradient: false,
  points: 'auto',
  pointSize: 5,
  spanNulls: false,
  stack: 'none',
  stackGroup: 'A',
  negative: false,
};
