/**
 * What an alert's expression measures, over time, with what it is compared with: a dashed line for a number, a dashed series for an expression. Input: the
 * expression, the alert's labels; series come from the Prometheus API. The alert's own series stands out. Loaded when an alert is opened.
 */
import { useEffect, useMemo, useRef, useState } from 'react';
import { useTheme } from '../app/theme';
import { zoomOutFrom, zoomTo } from '../app/time';
import { useLoad } from '../app/useLoad';
import type { Labels } from '../api/prometheus';
import type { ChartAnnotation } from '../charts/model';
import { TimeChart } from '../charts/TimeChart';
import type { ColorTheme } from '../grafana/theme';
import { fetchPanel, QueryShare } from '../panels/fetch';
import { seriesOfResult, timeseriesModel } from '../panels/timeseriesModel';
import type { TimeRange } from '../time/range';
import { mostParts, panelOf, standOut } from './chart';
import { comparedIn } from './expression';
import { timeOf } from './text';

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
