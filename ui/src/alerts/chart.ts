/** The panel of an alert's expression: what is measured, with thresholds as dashed lines, and how the alert's own series stands out. Pure. */
import type { Labels } from '../api/prometheus';
import type { ChartModel } from '../charts/model';
import type { PanelModel } from '../grafana/model';
import { withAlpha, type ColorTheme } from '../grafana/theme';
import { unitOf, type Compared } from './expression';

/** More alternatives are not drawn. */
export const mostParts = 4;
const againstRef = (i: number) => `T${i}`;
const partRef = (i: number) => String.fromCharCode(65 + i);

export function panelOf(parts: Compared[]): PanelModel {
  const thresholds = [...new Set(parts.flatMap(({ threshold }) => (threshold !== undefined && Number.isFinite(threshold) ? [threshold] : [])))].sort((a, b) => a - b);
  const above = parts.every(({ op }) => op === '>' || op === '>=');
  const units = new Set(parts.map(unitOf));
  const most = thresholds.at(-1);
  const least = thresholds[0];
  return {
    type: 'timeseries',
    title: '',
    targets: parts.flatMap((part, i) => [
      { refId: partRef(i), expr: part.expr },
      ...(part.against ? [{ refId: againstRef(i), expr: part.against, legendFormat: 'threshold' }] : []),
    ]),
    fieldConfig: {
      defaults: {
        unit: units.size === 1 ? [...units][0] : undefined,
        custom: {
          lineWidth: 1.5,
          fillOpacity: 0,
          showPoints: 'auto',
          thresholdsStyle: { mode: thresholds.length === 0 ? 'off' : above ? 'dashed+area' : 'dashed' },
          axisSoftMax: most !== undefined && most > 0 ? most * 1.25 : undefined,
          axisSoftMin: least !== undefined && least < 0 ? least * 1.25 : 0,
        },
        thresholds: { mode: 'absolute', steps: [{ value: -Infinity, color: 'transparent' }, ...thresholds.map((value) => ({ value, color: 'red' }))] },
      },
      overrides: parts.flatMap((part, i) =>
        part.against
          ? [{ matcher: { id: 'byFrameRefID', options: againstRef(i) }, properties: [{ id: 'custom.lineStyle', value: { fill: 'dash', dash: [6, 5] } }, { id: 'color', value: { mode: 'fixed', fixedColor: 'red' } }] }]
          : [],
      ),
    } as unknown as PanelModel['fieldConfig'],
  };
}

const belongs = (series: Labels, alert: Labels): boolean => Object.entries(series).every(([name, value]) => name === '__name__' || alert[name] === value);

/** The alert's own series before the others, which are pale. */
export function standOut(model: ChartModel, labels: Labels | undefined, theme: ColorTheme): ChartModel {
  if (!labels) return model;
  const own = model.series.map((s) => !s.style.dash && belongs(s.labels, labels));
  if (own.every((is) => !is) || own.every((is, i) => is || model.series[i]?.style.dash)) return model;
  return {
    ...model,
    series: model.series.map((s, i) => (own[i] ? { ...s, style: { ...s.style, lineWidth: 2.5 } } : s.style.dash ? s : { ...s, color: withAlpha(theme.color('text'), 0.28), style: { ...s.style, lineWidth: 1 } })),
  };
}
