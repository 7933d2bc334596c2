/**
 * Turns series into the arrays that are drawn: negated, stacked (normal or percent) by group and direction, short gaps bridged.
 * Input: a chart's series. Output: one array per series, and the bands between neighbours of a stack. What is not finite is a gap. A member of a stack
 * without a value, while others have one, gets the height reached below it, so that the areas above it stay closed; `isAbsent` tells such places.
 */
import type { ChartModel, ChartSeries } from './model';

/** uPlot's convention: null is a gap, undefined is bridged. */
export type Drawn = (number | null | undefined)[];

export interface StackedSeries {
  data: Drawn[];
  /** Indexes of series: fill the first down to the second. */
  bands: [number, number][];
}

function bridgeShortGaps(values: Drawn, times: number[], longest: number): Drawn {
  const bridged = [...values];
  let last = -1;
  for (let i = 0; i < values.length; i++) {
    if (values[i] == null) continue;
    if (last >= 0 && i - last > 1 && (times[i] as number) - (times[last] as number) <= longest) {
      bridged.fill(undefined, last + 1, i);
    }
    last = i;
  }
  return bridged;
}

const isInfinite = (value: number | null) => value !== null && !Number.isFinite(value);

function drawnValues(series: ChartSeries, times: number[]): Drawn {
  let values: Drawn = series.values.some(isInfinite) ? series.values.map((v) => (isInfinite(v) ? null : v)) : series.values;
  if (series.style.negative) values = values.map((v) => (v == null ? v : -v));
  if (typeof series.style.spanNulls === 'number') values = bridgeShortGaps(values, times, series.style.spanNulls);
  return values;
}

interface Pile {
  members: number[];
  totals: Float64Array;
  /** Where at least one member has a value. */
  present: Uint8Array;
}

function pileUp(model: ChartModel, data: Drawn[]): Map<string, Pile> {
  const piles = new Map<string, Pile>();
  model.series.forEach((series, i) => {
    if (series.style.stack === 'none' || series.hidden.chart) return;
    const values = data[i] as Drawn;
    const down = values.some((v) => v != null && v < 0) && !values.some((v) => v != null && v > 0);
    const key = `${series.scale} ${series.style.stack} ${series.style.stackGroup} ${series.style.draw} ${down}`;
    const pile = piles.get(key) ?? { members: [], totals: new Float64Array(model.times.length), present: new Uint8Array(model.times.length) };
    piles.set(key, pile);
    pile.members.push(i);
    for (let t = 0; t < values.length; t++) {
      pile.totals[t] = (pile.totals[t] as number) + (values[t] ?? 0);
      if (values[t] != null) pile.present[t] = 1;
    }
  });
  return piles;
}

/** Whether what is drawn of a series at a time only closes a stack. */
export function isAbsent(series: ChartSeries | undefined, at: number): boolean {
  const value = series?.values[at];
  return value === null || value === undefined || !Number.isFinite(value);
}

export function stackSeries(model: ChartModel): StackedSeries {
  const data = model.series.map((series) => drawnValues(series, model.times));
  const bands: [number, number][] = [];
  for (const { members, totals, present } of pileUp(model, data).values()) {
    const reached = new Float64Array(model.times.length);
    const first = model.series[members[0] as number] as ChartSeries;
    const percent = first.style.stack === 'percent';
    const log = model.axes.some((axis) => axis.scale === first.scale && axis.log);
    members.forEach((index, position) => {
      const values = data[index] as Drawn;
      const { style } = model.series[index] as ChartSeries;
      const closes = style.draw !== 'points' && style.spanNulls !== true && !log;
      data[index] = values.map((value, t) => {
        if (value === null && closes && present[t] === 1) return reached[t];
        if (value == null) return value;
        const share = percent ? (totals[t] === 0 ? 0 : value / Math.abs(totals[t] as number)) : value;
        reached[t] = (reached[t] as number) + share;
        return reached[t];
      });
      if (position > 0) bands.push([index, members[position - 1] as number]);
    });
  }
  model.series.forEach((series, i) => {
    const below = series.style.fillBelowTo;
    const other = below ? model.series.findIndex((s) => s.name === below) : -1;
    if (other >= 0) bands.push([i, other]);
  });
  return { data, bands };
}
