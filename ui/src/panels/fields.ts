/**
 * Panel results as fields that are ready to show: name, configuration after overrides, text and colour of every value.
 * Used by the panels of single values and tables; the time series panel has its own faster way (timeseriesModel.ts).
 */
import {
  FieldType,
  formattedValueToString,
  getDisplayProcessor,
  type DataFrame,
  type DisplayProcessor,
  type DisplayValue,
  type Field,
} from '@grafana/data';
import { configResolver } from '../grafana/fieldConfig';
import { instantFrames, rangeFrames, rangeTable, tableFrame, valueColumn } from '../grafana/frames';
import type { PanelModel, ResolvedConfig } from '../grafana/model';
import type { ColorTheme } from '../grafana/theme';
import type { PanelResult, TargetResult } from './fetch';

export interface ShownField {
  field: Field;
  name: string;
  config: ResolvedConfig;
  type: FieldType;
  display: DisplayProcessor;
  frame: DataFrame;
}

export interface ShownFrame {
  frame: DataFrame;
  fields: ShownField[];
}

function framesOf(result: TargetResult, queries: number): DataFrame[] {
  const { target, range, instant, names } = result;
  if (target.format === 'table') {
    const column = valueColumn(target.refId, queries);
    if (instant) return [tableFrame(target.refId, instant.samples, column)];
    return range ? [rangeTable(target.refId, range, column)] : [];
  }
  if (instant) return instantFrames(target.refId, instant, names);
  return range ? rangeFrames(target.refId, range, names) : [];
}

/** The frames of a panel after its transformations. */
export async function panelFrames(
  panel: PanelModel,
  result: PanelResult,
  interpolate: (text: string) => string,
): Promise<DataFrame[]> {
  const frames = result.targets.flatMap((target) => framesOf(target, result.targets.length));
  if (!panel.transformations?.some((t) => !t.disabled)) return frames;
  const { transform } = await import('../grafana/transform');
  return transform(panel.transformations, frames, interpolate);
}

/** Replaces `${__field.labels.x}`, `${__field.name}` and `${__series.name}` in a display name. */
export function displayNameOf(template: string, field: Field, name: string): string {
  return template
    .replace(/\$\{__(?:field|series)\.(?:name|displayName)\}/g, name)
    .replace(/\$\{__field\.labels\.([^}]+)\}/g, (_m, label: string) => field.labels?.[label] ?? '')
    .replace(/\$\{__field\.labels\}/g, () => JSON.stringify(field.labels ?? {}));
}

function globalRange(frames: DataFrame[]): { min: number; max: number } {
  let min = Infinity;
  let max = -Infinity;
  for (const frame of frames) {
    for (const { type, values } of frame.fields) {
      if (type !== FieldType.number) continue;
      for (const value of values as (number | null)[]) {
        if (value === null || !Number.isFinite(value)) continue;
        if (value < min) min = value;
        if (value > max) max = value;
      }
    }
  }
  return min <= max ? { min, max } : { min: 0, max: 100 };
}

export function showFrames(panel: PanelModel, frames: DataFrame[], theme: ColorTheme): ShownFrame[] {
  const resolve = configResolver(panel.fieldConfig);
  const all = globalRange(frames);
  let seriesIndex = 0;
  return frames.map((frame) => ({
    frame,
    fields: frame.fields.map((field) => {
      const base = field.config.displayName ?? field.config.displayNameFromDS ?? field.name;
      const config = {
        ...resolve({ name: base, column: field.name, type: field.type, refId: frame.refId }),
      };
      const min = config.min ?? all.min;
      const max = config.max ?? all.max;
      const shown: Field = {
        ...field,
        config,
        state: { seriesIndex, range: { min, max, delta: max - min } },
      };
      if (field.type !== FieldType.time) seriesIndex++;
      const name = config.displayName ? displayNameOf(config.displayName, field, base) : base;
      return {
        field: shown,
        name,
        config,
        type: field.type,
        display: getDisplayProcessor({ field: shown, theme: theme.grafana, timeZone: 'browser' }),
        frame,
      };
    }),
  }));
}

export const textOf = (value: DisplayValue): string => formattedValueToString(value);

/** Text and colour of a value, `noValue` or "No data" when there is none. */
export function showValue(shown: ShownField, value: unknown): { text: string; color: string; percent: number } {
  if (value === null || value === undefined || Number.isNaN(value)) {
    return { text: shown.config.noValue ?? 'No data', color: 'var(--muted)', percent: 0 };
  }
  const display = shown.display(value);
  return { text: textOf(display), color: display.color ?? 'var(--text)', percent: display.percent ?? 0 };
}
