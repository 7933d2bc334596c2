/**
 * What an alert's expression measures, over time, with what it is compared with: a dashed line for a number, a dashed series for an expression. Input: the
 * expression, the alert's labels; series come from the Prometheus API. The alert's own series stands out. Loaded when an alert is opened.
 */
import { useEffect, useMemo, useRef, useState } from 'react';
import { useTheme } from '../app/theme';
import { zoomOutFrom, zoomTo } from '../app/time';
import { useLoad } from '../app/useLoad';
import type { Labels } from '../api/prometheus';
import type { ChartAnnotation, ChartModel } from '../charts/model';
import { TimeChart } from '../charts/TimeChart';
import type { PanelModel } from '../grafana/model';
import { withAlpha, type ColorTheme } from '../grafana/theme';
import { fetchPanel, QueryShare } from '../panels/fetch';
import { seriesOfResult, timeseriesModel } from '../panels/timeseriesModel';
import type { TimeRange } from '../time/range';
import { comparedIn, unitOf, type Compared } from './expression';
import { timeOf } from './text';

const mostParts = 4;
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

interface ExpressionChartProps {
  query: string;
  /** Of the alert; without them no series stands out. */
  labels?: Labels;
  range: TimeRange;
  /** RFC 3339: since when it is active. */
  activeAt?: string;
  /** Seconds until it fires. */
  pendingFor?: number;
  firing?: boolean;
  label: string;
}

function momentsOf({ activeAt, pendingFor = 0, firing }: ExpressionChartProps, theme: ColorTheme): ChartAnnotation[] {
  const from = timeOf(activeAt);
  if (from === undefined) return [];
  const color = theme.color('red');
  const moments: ChartAnnotation[] = [];
  if (pendingFor > 0) moments.push({ timeMs: from, name: '', text: 'the condition holds from here on: pending', color: theme.color('orange') });
  if (firing) moments.push({ timeMs: from + pendingFor * 1000, name: '', text: 'fires', color });
  return moments;
}

export function ExpressionChart(props: ExpressionChartProps) {
  const { query, labels, range, activeAt, pendingFor, firing, label } = props;
  const theme = useTheme();
  const parts = useMemo(() => comparedIn(query).slice(0, mostParts), [query]);
  const panel = useMemo(() => panelOf(parts), [parts]);
  const element = useRef<HTMLElement>(null);
  const [width, setWidth] = useState(0);
  useEffect(() => setWidth(element.current?.clientWidth ?? 0), []);
  const { value: result, error } = useLoad(
    (signal) => (width === 0 ? Promise.resolve(undefined) : fetchPanel({ panel, range, width, scope: { variables: {}, scoped: {} } }, new QueryShare(signal))),
    [panel, range, width],
  );
  const essence = JSON.stringify(labels);
  const model = useMemo(() => {
    if (!result) return undefined;
    const plain = timeseriesModel({ panel, series: seriesOfResult(result), step: result.step, theme });
    return { ...standOut(plain, labels, theme), annotations: momentsOf(props, theme) };
  }, [panel, result, theme, essence, activeAt, pendingFor, firing]);
  const empty = model?.series.every((s) => s.values.every((v) => v === null));
  return (
    <figure className="alert-chart" ref={element}>
      <figcaption className="chart-parts">
        {parts.map(({ expr, op, threshold, against, besides }, i) => (
          <span key={i}>
            {i > 0 && 'or '}
            {op && (
              <b>
                {op} {threshold ?? (against && 'threshold')}
              </b>
            )}
            {!op && 'all of the expression'} {besides && <span className="muted" title={besides}>{`and more: ${besides.length > 70 ? `${besides.slice(0, 70)}…` : besides}`}</span>}
            <span className="visually-hidden"> of {expr}</span>
          </span>
        ))}
      </figcaption>
      {error && <p className="notice error">The expression could not be asked: {error}</p>}
      {!error && empty && <p className="empty">No series in this time range: nothing is measured, or nothing that fits.</p>}
      {!error && !model && <p className="empty">…</p>}
      {model && result && !empty && (
        <TimeChart model={model} range={result.range} theme={theme} tooltip={{ mode: 'multi', sort: 'desc' }} syncKey="alerts" onZoom={zoomTo} onZoomOut={() => zoomOutFrom(result.range)} label={label} />
      )}
    </figure>
  );
}
