/**
 * uPlot options of a chart model: scales, axes, series, thresholds. Input: the model, the theme's colours and callbacks of TimeChart.tsx.
 * Output: options for `new uPlot`. Draws nothing itself apart from threshold lines and areas in uPlot's hooks.
 */
import uPlot from 'uplot';
import { withAlpha, type ColorTheme } from '../grafana/theme';
import { withExemplars } from './exemplars';
import type { ChartAxis, ChartExemplar, ChartModel, ChartSeries } from './model';
import type { StackedSeries } from './stack';
import { elapsedText, logTick, timeTicks, valueTicks } from './ticks';

const font = '11px system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif';

const lines = {
  dark: { text: '#8fa1ae', grid: 'rgba(150, 180, 200, 0.09)', tick: 'rgba(150, 180, 200, 0.18)' },
  light: { text: '#56677a', grid: 'rgba(20, 50, 80, 0.08)', tick: 'rgba(20, 50, 80, 0.16)' },
};

/** Powers of two from a millionth to an exabyte. */
const binaryIncrements = Array.from({ length: 81 }, (_, i) => 2 ** (i - 20));

/** 1, 2, 2.5 and 5 times powers of ten. */
const decimalIncrements = Array.from({ length: 33 }, (_, i) => i - 16).flatMap((power) => [1, 2, 2.5, 5].map((digit) => digit * 10 ** power));

function increments({ binary, minIncrement }: ChartAxis): number[] | undefined {
  if (binary) return binaryIncrements;
  return minIncrement === undefined ? undefined : decimalIncrements.filter((step) => step >= minIncrement * 0.999 && (step / minIncrement) % 1 < 0.001);
}

function yRange(axis: ChartAxis, exemplars: OptionsInput['exemplars']): uPlot.Scale.Range {
  return (_u, dataMin: number | null, dataMax: number | null) => {
    const values = dataMax === null ? [] : exemplars().filter((e) => e.scale === axis.scale).map((e) => e.value);
    const [low, high] = withExemplars(dataMin ?? 0, dataMax ?? 1, values);
    if (axis.log) {
      const [logMin, logMax] = uPlot.rangeLog(low > 0 ? low : 1, high > 0 ? high : 10, axis.log, true);
      return [axis.min ?? logMin, axis.max ?? logMax];
    }
    const flatZero = low === 0 && high === 0;
    const [min, max] = uPlot.rangeNum(low, flatZero ? 1 : high, {
      min: { pad: 0.1, hard: axis.min ?? -Infinity, soft: axis.softMin ?? 0, mode: axis.softMin === undefined && !axis.fromZero ? 3 : 1 },
      max: { pad: 0.1, hard: axis.max ?? Infinity, soft: axis.softMax ?? 0, mode: axis.softMax === undefined ? 3 : 1 },
    });
    return [axis.min ?? min, axis.max ?? max];
  };
}

/** Powers of the base, thinned to what fits the height. */
function logSplits(axis: ChartAxis) {
  return (u: uPlot, _axis: number, min: number, max: number): number[] => {
    const base = axis.log ?? 10;
    const first = Math.ceil(Math.log(min) / Math.log(base) - 1e-9);
    const last = Math.floor(Math.log(max) / Math.log(base) + 1e-9);
    const room = Math.max(2, u.bbox.height / devicePixelRatio / 28);
    const stride = Math.max(1, Math.ceil((last - first + 1) / room));
    const splits: number[] = [];
    for (let power = first; power <= last; power += stride) splits.push(base ** power);
    return splits;
  };
}

function yAxis(axis: ChartAxis, theme: ColorTheme): uPlot.Axis {
  const colors = lines[theme.name];
  return {
    scale: axis.scale,
    show: axis.side !== 'hidden',
    side: axis.side === 'right' ? 1 : 3,
    label: axis.label,
    labelFont: font,
    labelSize: axis.label ? 18 : 0,
    labelGap: 0,
    font,
    stroke: colors.text,
    gap: 5,
    space: 26,
    incrs: increments(axis),
    grid: { show: axis.grid, stroke: colors.grid, width: 1 },
    ticks: { show: false },
    border: { show: false },
    ...(axis.log ? { splits: logSplits(axis), filter: (_u: uPlot, splits: number[]) => splits } : {}),
    values: (_u, splits) => (axis.log ? splits.map((v) => logTick(axis.tick, v)) : valueTicks(axis.tick, splits)),
    size: (u, values) => {
      if (!values) return Math.max(36, axis.minWidth ?? 0);
      u.ctx.save();
      u.ctx.font = font;
      const widest = Math.max(0, ...values.map((v) => u.ctx.measureText(v ?? '').width));
      u.ctx.restore();
      return Math.max(Math.ceil(widest) + 10, axis.minWidth ?? 0);
    },
  };
}

/** Half of "20:30": most last labels fit then, and the others are left out. */
const edgePadding = 16;

/** Without the labels, centred on their ticks, that would reach beyond the canvas. */
function whatFits(u: uPlot, splits: number[], labels: string[]): string[] {
  u.ctx.save();
  u.ctx.font = font;
  const fitting = labels.map((label, i) => {
    const at = u.bbox.left / devicePixelRatio + u.valToPos(splits[i] as number, 'x');
    const half = u.ctx.measureText(label).width / 2;
    return at - half >= 0 && at + half <= u.width ? label : '';
  });
  u.ctx.restore();
  return fitting;
}

/** Distances of ticks that read as durations; milliseconds. */
const elapsedIncrements = [1, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400, 172_800, 604_800].map((s) => s * 1000);

function xAxis(theme: ColorTheme, elapsed: boolean | undefined): uPlot.Axis {
  const colors = lines[theme.name];
  return {
    scale: 'x',
    font,
    stroke: colors.text,
    size: 24,
    gap: 5,
    space: 64,
    grid: { show: true, stroke: colors.grid, width: 1 },
    ticks: { show: true, stroke: colors.tick, size: 4, width: 1 },
    border: { show: false },
    ...(elapsed ? { incrs: elapsedIncrements } : {}),
    values: (u, splits, _axis, _space, increment) => {
      if (elapsed) return whatFits(u, splits, splits.map(elapsedText));
      const { min = 0, max = 0 } = u.scales.x ?? {};
      return whatFits(u, splits, timeTicks(splits, increment, (max ?? 0) - (min ?? 0)));
    },
  };
}

type Paths = uPlot.Series.PathBuilder;
const builders: Record<string, Paths | undefined> = {
  linear: uPlot.paths.linear?.(),
  smooth: uPlot.paths.spline?.(),
  stepBefore: uPlot.paths.stepped?.({ align: -1 }),
  stepAfter: uPlot.paths.stepped?.({ align: 1 }),
  bars: uPlot.paths.bars?.({ size: [0.9, 60] }),
  points: () => null,
};

function fillOf({ color, style }: ChartSeries): uPlot.Series.Fill | undefined {
  const alpha = style.fillOpacity / 100;
  if (alpha <= 0) return undefined;
  if (!style.gradient || style.stack !== 'none') return withAlpha(color, alpha);
  return (u: uPlot) => {
    const { top, height } = u.bbox;
    const gradient = u.ctx.createLinearGradient(0, top, 0, top + height);
    gradient.addColorStop(0, withAlpha(color, alpha));
    gradient.addColorStop(1, withAlpha(color, 0));
    return gradient;
  };
}

type Absent = OptionsInput['absent'];

/** Values between two gaps: a line cannot show them, so they get a point. */
function isolatedPoints(absent: Absent) {
  return (u: uPlot, seriesIndex: number, shown: boolean): number[] | null => {
    const values = u.data[seriesIndex];
    if (shown || !values) return null;
    const missing = (i: number) => values[i] == null || absent(seriesIndex - 1, i);
    const isolated: number[] = [];
    for (let i = 0; i < values.length; i++) {
      if (!missing(i) && missing(i - 1) && missing(i + 1)) isolated.push(i);
    }
    return isolated.length > 0 ? isolated : null;
  };
}

/** Where a stacked line is drawn: nowhere next to a value that only closes the stack. Undefined when there is none. */
function lineClip(u: uPlot, seriesIndex: number, absent: Absent): Path2D | undefined {
  const values = u.data[seriesIndex] ?? [];
  const closing = (i: number) => values[i] != null && absent(seriesIndex - 1, i);
  if (!Array.from(values, (_v, i) => closing(i)).includes(true)) return undefined;
  const clip = new Path2D();
  const x = (i: number) => u.valToPos(u.data[0][i] as number, 'x', true);
  let begun = -1;
  for (let i = 0; i <= values.length; i++) {
    const drawn = i < values.length && !closing(i);
    if (drawn && begun < 0) begun = i;
    if (!drawn && begun >= 0) {
      clip.rect(x(begun), u.bbox.top, x(i - 1) - x(begun), u.bbox.height);
      begun = -1;
    }
  }
  return clip;
}

/** A series' paths; `_stroke` replaces its colour, which is how uPlot's own point paths do it. */
interface ClippedPaths extends uPlot.Series.Paths {
  _stroke?: string;
  lineClip?: Path2D;
}

/** The fill of all values, and no line where `drawClippedLine` draws it instead. */
function closedPaths(build: Paths, absent: Absent): Paths {
  return (u, seriesIndex, first, last) => {
    const paths = build(u, seriesIndex, first, last);
    const clip = paths && lineClip(u, seriesIndex, absent);
    return clip ? ({ ...paths, _stroke: 'transparent', lineClip: clip } as ClippedPaths) : paths;
  };
}

function drawClippedLine(u: uPlot, seriesIndex: number, { color, style }: ChartSeries): void {
  const { stroke, clip, lineClip: visible } = ((u.series[seriesIndex] as { _paths?: ClippedPaths } | undefined)?._paths ?? {}) as ClippedPaths;
  if (!visible || !(stroke instanceof Path2D) || style.lineWidth === 0) return;
  const { ctx } = u;
  ctx.save();
  if (clip) ctx.clip(clip);
  ctx.clip(visible);
  ctx.strokeStyle = color;
  ctx.lineWidth = style.lineWidth * devicePixelRatio;
  ctx.lineJoin = 'round';
  ctx.setLineDash((style.dash ?? []).map((length) => length * devicePixelRatio));
  ctx.stroke(stroke);
  ctx.restore();
}

function seriesOptions(series: ChartSeries, absent: Absent): uPlot.Series {
  const { style } = series;
  const build = builders[style.draw === 'line' ? style.interpolation : style.draw];
  const paths = build && style.stack !== 'none' && style.draw === 'line' ? closedPaths(build, absent) : build;
  const always = style.draw === 'points' || style.points === 'always';
  return {
    label: series.name,
    scale: series.scale,
    show: !series.hidden.chart,
    stroke: series.color,
    width: style.draw === 'points' ? 0 : style.lineWidth,
    dash: style.dash,
    fill: fillOf(series),
    paths,
    spanGaps: style.spanNulls === true,
    pxAlign: style.draw === 'bars',
    points: {
      size: style.pointSize,
      width: 1,
      stroke: series.color,
      fill: series.color,
      ...(always ? { show: true } : style.points === 'never' || style.draw === 'bars' ? { show: false } : {}),
      ...(style.draw === 'bars' ? {} : { filter: isolatedPoints(absent) as uPlot.Series.Points.Filter }),
    },
  };
}

function drawThresholds(u: uPlot, axis: ChartAxis, part: 'areas' | 'lines'): void {
  const { ctx, bbox } = u;
  const { min, max } = u.scales[axis.scale] ?? {};
  if (min == null || max == null) return;
  const y = (value: number) => u.valToPos(Math.min(Math.max(value, min), max), axis.scale, true);
  ctx.save();
  axis.thresholds.steps.forEach((step, i, steps) => {
    if (part === 'areas') {
      const top = y(steps[i + 1]?.value ?? Infinity);
      ctx.fillStyle = withAlpha(step.color, 0.09);
      ctx.fillRect(bbox.left, top, bbox.width, y(step.value) - top);
    } else if (Number.isFinite(step.value) && step.value >= min && step.value <= max) {
      ctx.strokeStyle = withAlpha(step.color, 0.85);
      ctx.lineWidth = 1.5 * devicePixelRatio;
      ctx.setLineDash(axis.thresholds.dashed ? [8, 6] : []);
      ctx.beginPath();
      ctx.moveTo(bbox.left, Math.round(y(step.value)));
      ctx.lineTo(bbox.left + bbox.width, Math.round(y(step.value)));
      ctx.stroke();
    }
  });
  ctx.restore();
}

export interface OptionsInput {
  model: ChartModel;
  stacked: StackedSeries;
  theme: ColorTheme;
  width: number;
  height: number;
  syncKey?: string;
  range: () => { from: number; to: number };
  exemplars: () => ChartExemplar[];
  /** Whether a series has no value of its own at an index: what is drawn there only closes a stack. */
  absent: (series: number, at: number) => boolean;
  hooks: uPlot.Hooks.Arrays;
}

const localEvents = new Set(['mousedown', 'mouseup', 'dblclick', 'click']);

export function uplotOptions(input: OptionsInput): uPlot.Options {
  const { model, stacked, theme, range, hooks } = input;
  const scales: uPlot.Scales = {
    x: { time: !model.elapsed, range: () => [range().from, range().to] },
  };
  for (const axis of model.axes) {
    scales[axis.scale] = { range: yRange(axis, input.exemplars), ...(axis.log ? { distr: 3, log: axis.log } : {}) };
  }
  const areas = model.axes.filter((a) => a.thresholds.areas);
  const thresholdLines = model.axes.filter((a) => a.thresholds.lines);
  return {
    width: input.width,
    height: input.height,
    ms: 1,
    padding: [8, model.axes.some((a) => a.side === 'right') ? 10 : edgePadding, 0, model.axes.some((a) => a.side === 'left') ? 0 : edgePadding],
    legend: { show: false },
    focus: { alpha: 1 },
    cursor: {
      points: { size: 7, width: 1.5 },
      dataIdx: (_u, seriesIndex, at) => (seriesIndex > 0 && input.absent(seriesIndex - 1, at) ? (null as unknown as number) : at),
      drag: { x: true, y: false, setScale: false, dist: 4 },
      focus: { prox: 24 },
      ...(input.syncKey
        ? {
            sync: {
              key: input.syncKey,
              setSeries: false,
              scales: ['x', null],
              filters: { pub: (type: string) => !localEvents.has(type), sub: (type: string) => !localEvents.has(type) },
            },
          }
        : {}),
    },
    scales,
    axes: [xAxis(theme, model.elapsed), ...model.axes.map((axis) => yAxis(axis, theme))],
    series: [{}, ...model.series.map((series) => seriesOptions(series, input.absent))],
    bands: stacked.bands.map(([upper, lower]) => ({ series: [upper + 1, lower + 1] })),
    hooks: {
      ...hooks,
      drawSeries: [(u, i) => i > 0 && drawClippedLine(u, i, model.series[i - 1] as ChartSeries)],
      drawClear: [(u) => areas.forEach((axis) => drawThresholds(u, axis, 'areas'))],
      draw: [(u) => thresholdLines.forEach((axis) => drawThresholds(u, axis, 'lines')), ...(hooks.draw ?? [])],
    },
  } as uPlot.Options;
}
