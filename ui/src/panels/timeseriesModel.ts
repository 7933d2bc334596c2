/**
 * From a time series panel's results to a chart model: names, colours, styles, axes by unit, thresholds. Input: results of the targets, or frames
 * after transformations. Follows Grafana's defaults where the panel says nothing. Pure; does not draw.
 */
import {
  FieldColorModeId,
  FieldType,
  formattedValueToString,
  getDisplayProcessor,
  getFieldSeriesColor,
  getValueFormat,
  type DataFrame,
  type Field,
} from '@grafana/data';
import type { ChartAxis, ChartModel, ChartSeries, SeriesStyle } from '../charts/model';
import { configResolver } from '../grafana/fieldConfig';
import type { Options, PanelModel, ResolvedConfig } from '../grafana/model';
import type { ColorTheme } from '../grafana/theme';
import type { PanelResult } from './fetch';
import { displayNameOf } from './fields';

/** A series before it has a style. */
export interface RawSeries {
  refId: string;
  name: string;
  labels: Record<string, string>;
  times: number[];
  values: (number | null)[];
}

/** Drawing more than this at once helps nobody; the panel says so and offers all. */
export const seriesLimit = 1000;

export function seriesOfResult(result: PanelResult): RawSeries[] {
  return result.targets.flatMap(({ target, range, instant, names }) => {
    if (range) {
      return range.series.map((s, i) => ({
        refId: target.refId,
        name: names[i] as string,
        labels: s.labels,
        times: range.times,
        values: s.values,
      }));
    }
    return (instant?.samples ?? []).map((s, i) => ({
      refId: target.refId,
      name: names[i] as string,
      labels: s.labels,
      times: [s.timeMs],
      values: [s.value],
    }));
  });
}

export function seriesOfFrames(frames: DataFrame[]): RawSeries[] {
  return frames.flatMap((frame) => {
    const times = frame.fields.find((f) => f.type === FieldType.time)?.values as number[] | undefined;
    if (!times) return [];
    return frame.fields
      .filter((f) => f.type === FieldType.number)
      .map((f) => ({
        refId: frame.refId ?? '',
        name: f.config.displayName ?? f.config.displayNameFromDS ?? f.name,
        labels: f.labels ?? {},
        times,
        values: f.values as (number | null)[],
      }));
  });
}

/** Series with values of which none is finite: a chart cannot draw them. */
export function infiniteSeries(series: RawSeries[]): RawSeries[] {
  const nothingFinite = ({ values }: RawSeries) => values.some((v) => v !== null) && values.every((v) => v === null || !Number.isFinite(v));
  return series.filter(nothingFinite);
}

/** "2 of 3 series are +Inf everywhere, …" */
export function describeInfinite(infinite: RawSeries[], all: number): string {
  const signs = [...new Set(infinite.flatMap((s) => s.values.filter((v) => v !== null)))].map((v) => (v > 0 ? '+Inf' : '-Inf')).join(' or ');
  if (infinite.length < all) return `${infinite.length} of ${all} series ${infinite.length === 1 ? 'is' : 'are'} ${signs} at all times, which a graph cannot show.`;
  return `The value is ${signs} at all times, which a graph cannot show.`;
}

/** All series on one ascending list of times. Results of one step already share theirs. */
export function alignSeries(series: RawSeries[]): { times: number[]; values: (number | null)[][] } {
  const grids = new Set(series.map((s) => s.times));
  const [first] = grids;
  if (grids.size <= 1 && first) return { times: first, values: series.map((s) => s.values) };
  const times = [...new Set([...grids].flat())].sort((a, b) => a - b);
  const slots = new Map(times.map((time, i) => [time, i]));
  const values = series.map((s) => {
    const row = new Array<number | null>(times.length).fill(null);
    s.times.forEach((time, i) => (row[slots.get(time) as number] = s.values[i] ?? null));
    return row;
  });
  return { times, values };
}

const custom = (config: ResolvedConfig): Options => config.custom ?? {};

function styleOf(config: ResolvedConfig, step: number, merged: boolean): SeriesStyle {
  const c = custom(config);
  const stacking = (c.stacking ?? {}) as { mode?: string; group?: string };
  const line = (c.lineStyle ?? {}) as { fill?: string; dash?: number[] };
  const dash = line.fill === 'dash' ? (line.dash ?? [10, 10]) : line.fill === 'dot' ? (line.dash ?? [0, 10]) : undefined;
  const nulls = c.spanNulls as boolean | number | undefined;
  return {
    draw: (c.drawStyle as SeriesStyle['draw']) ?? 'line',
    interpolation: (c.lineInterpolation as SeriesStyle['interpolation']) ?? 'linear',
    lineWidth: (c.lineWidth as number) ?? 1,
    fillOpacity: (c.fillOpacity as number) ?? 0,
    gradient: (c.gradientMode ?? 'none') !== 'none',
    dash,
    points: (c.showPoints as SeriesStyle['points']) ?? 'auto',
    pointSize: (c.pointSize as number) ?? 5,
    // series of different steps have holes at each other's times
    spanNulls: nulls === true ? true : typeof nulls === 'number' ? nulls : merged ? 2 * step : false,
    stack: stacking.mode === 'normal' || stacking.mode === 'percent' ? stacking.mode : 'none',
    stackGroup: stacking.group ?? 'A',
    negative: c.transform === 'negative-Y',
    fillBelowTo: c.fillBelowTo as string | undefined,
  };
}

const binaryUnits = new Set(['bytes', 'bits', 'kbytes', 'mbytes', 'gbytes', 'tbytes', 'pbytes', 'binBps', 'binbps', 'KiBs', 'MiBs', 'GiBs']);

function scaleKey(config: ResolvedConfig): string {
  const c = custom(config);
  const percentStack = (c.stacking as { mode?: string } | undefined)?.mode === 'percent';
  return JSON.stringify([
    percentStack ? 'percentunit' : (config.unit ?? ''),
    c.axisPlacement ?? 'auto',
    config.min,
    config.max,
    c.axisSoftMin,
    c.axisSoftMax,
    c.scaleDistribution,
    c.axisLabel,
  ]);
}

/** Known for units that are not scaled. */
function minIncrement(unit: string | undefined, decimals: number | null | undefined): number | undefined {
  if (decimals == null) return undefined;
  if (unit === 'percentunit') return 10 ** -(decimals + 2);
  return [undefined, '', 'none', 'short', 'percent'].includes(unit) ? 10 ** -decimals : undefined;
}

function axisOf(scale: string, config: ResolvedConfig, position: number, theme: ColorTheme): ChartAxis {
  const c = custom(config);
  const percentStack = (c.stacking as { mode?: string } | undefined)?.mode === 'percent';
  const unit = percentStack ? 'percentunit' : config.unit;
  const placement = (c.axisPlacement as string) ?? 'auto';
  const mode = ((c.thresholdsStyle as { mode?: string } | undefined)?.mode ?? 'off') as string;
  const distribution = (c.scaleDistribution ?? {}) as { type?: string; log?: number };
  const format = getValueFormat(unit ?? 'none');
  const percentMode = config.thresholds?.mode === 'percentage';
  const min = config.min ?? 0;
  const max = config.max ?? 100;
  return {
    scale,
    side: placement === 'hidden' ? 'hidden' : placement === 'right' || (placement === 'auto' && position > 0) ? 'right' : 'left',
    label: (c.axisLabel as string) || undefined,
    min: config.min ?? undefined,
    max: config.max ?? undefined,
    softMin: c.axisSoftMin as number | undefined,
    softMax: c.axisSoftMax as number | undefined,
    fromZero: c.drawStyle === 'bars' || ['normal', 'percent'].includes(String((c.stacking as { mode?: string } | undefined)?.mode)),
    log: distribution.type === 'log' ? (distribution.log === 2 ? 2 : 10) : undefined,
    grid: position === 0,
    minIncrement: minIncrement(unit, config.decimals),
    binary: binaryUnits.has(unit ?? ''),
    tick: (value, decimals) => {
      const formatted = format(value, config.decimals ?? decimals);
      return { text: formattedValueToString(formatted), number: formatted.text };
    },
    thresholds: {
      steps: (config.thresholds?.steps ?? []).map((step) => ({
        value: percentMode && Number.isFinite(step.value) ? min + (step.value / 100) * (max - min) : step.value,
        color: theme.color(step.color),
      })),
      lines: mode.includes('line') || mode.includes('dashed'),
      areas: mode.includes('area'),
      dashed: mode.includes('dashed'),
    },
  };
}

/** The palette by position, a fixed colour, or by value where the panel colours by thresholds. */
function colorOf(config: ResolvedConfig, index: number, field: () => Field, theme: ColorTheme): string {
  const mode = config.color?.mode ?? FieldColorModeId.PaletteClassic;
  if (mode === FieldColorModeId.PaletteClassic) return theme.palette[index % theme.palette.length] as string;
  if (mode === FieldColorModeId.Fixed) return theme.color(config.color?.fixedColor ?? 'green');
  return theme.color(getFieldSeriesColor(field(), theme.grafana).color);
}

export interface ModelInput {
  panel: PanelModel;
  series: RawSeries[];
  step: number;
  theme: ColorTheme;
}

/** One display processor per configuration: it is the costly part, and only the unit and mappings matter for the text. */
function formatter(theme: ColorTheme): (config: ResolvedConfig) => (value: number) => string {
  const known = new Map<ResolvedConfig, (value: number) => string>();
  return (config) => {
    let format = known.get(config);
    if (!format) {
      const field = { name: '', type: FieldType.number, values: [], config, state: { range: { min: 0, max: 100, delta: 100 } } };
      const display = getDisplayProcessor({ field: field as Field, theme: theme.grafana });
      format = (value) => formattedValueToString(display(value));
      known.set(config, format);
    }
    return format;
  };
}

export function timeseriesModel({ panel, series, step, theme }: ModelInput): ChartModel {
  const { times, values } = alignSeries(series);
  const merged = new Set(series.map((s) => s.times)).size > 1;
  const resolve = configResolver(panel.fieldConfig);
  const formatOf = formatter(theme);
  const axes = new Map<string, ChartAxis>();
  const styles = new Map<ResolvedConfig, { scale: string; style: SeriesStyle }>();
  const seen = new Map<string, number>();
  const shown = series.map((raw, index): ChartSeries => {
    const config = resolve({ name: raw.name, column: 'Value', type: 'number', refId: raw.refId });
    let shared = styles.get(config);
    if (!shared) {
      shared = { scale: scaleKey(config), style: styleOf(config, step, merged) };
      styles.set(config, shared);
    }
    if (!axes.has(shared.scale)) axes.set(shared.scale, axisOf(shared.scale, config, axes.size, theme));
    const field = (): Field => ({
      name: raw.name,
      type: FieldType.number,
      values: raw.values,
      labels: raw.labels,
      config,
      state: { seriesIndex: index },
    });
    const name = config.displayName ? displayNameOf(config.displayName, field(), raw.name) : raw.name;
    const id = `${raw.refId} ${name}`;
    const copy = seen.get(id) ?? 0;
    seen.set(id, copy + 1);
    const hide = (custom(config).hideFrom ?? {}) as { legend?: boolean; tooltip?: boolean; viz?: boolean };
    return {
      key: copy === 0 ? id : `${id} ${copy}`,
      name,
      labels: raw.labels,
      color: colorOf(config, index, field, theme),
      values: values[index] as (number | null)[],
      style: shared.style,
      scale: shared.scale,
      format: formatOf(config),
      hidden: { legend: Boolean(hide.legend), tooltip: Boolean(hide.tooltip), chart: Boolean(hide.viz) },
    };
  });
  return { times, series: shown, axes: [...axes.values()] };
}
