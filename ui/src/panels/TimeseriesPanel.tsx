/** The time series panel: chart, legend, and a limit on how many series are drawn at once. Input: the panel's result. */
import { useContext, useMemo, useState } from 'react';
import { navigate } from '../app/router';
import { zoomOutFrom, zoomTo } from '../app/time';
import { Legend, type LegendOptions } from '../charts/Legend';
import type { ChartModel } from '../charts/model';
import { TimeChart } from '../charts/TimeChart';
import type { TooltipOptions } from '../charts/tooltip';
import { PanelAnnotations } from './annotations';
import { chartExemplars } from './exemplars';
import { NoData } from './NoData';
import { describeInfinite, infiniteSeries, seriesLimit, seriesOfFrames, seriesOfResult, timeseriesModel } from './timeseriesModel';
import type { PanelProps } from './types';

export function legendOptions(options: Record<string, unknown> | undefined): LegendOptions {
  const legend = (options?.legend ?? {}) as Partial<Record<string, unknown>>;
  const hidden = legend.showLegend === false || legend.displayMode === 'hidden';
  return {
    mode: hidden ? 'hidden' : legend.displayMode === 'table' ? 'table' : 'list',
    placement: legend.placement === 'right' ? 'right' : 'bottom',
    calcs: (legend.calcs as string[] | undefined) ?? [],
    sortBy: legend.sortBy as string | undefined,
    sortDesc: legend.sortDesc as boolean | undefined,
  };
}

export function tooltipOptions(options: Record<string, unknown> | undefined): TooltipOptions {
  const tooltip = (options?.tooltip ?? {}) as Partial<TooltipOptions>;
  return { mode: tooltip.mode ?? 'single', sort: tooltip.sort ?? 'none' };
}

export function withHidden(model: ChartModel, hidden: ReadonlySet<string>): ChartModel {
  if (hidden.size === 0) return model;
  const series = model.series.map((s) => (hidden.has(s.key) ? { ...s, hidden: { ...s.hidden, chart: true } } : s));
  return { ...model, series };
}

export function TimeseriesPanel({ panel, result, frames, theme, syncKey, sharedTooltip, onDrawn }: PanelProps) {
  const [all, setAll] = useState(false);
  const [hidden, setHidden] = useState<Set<string>>(new Set());
  const transformed = panel.transformations?.some((t) => !t.disabled);
  const series = useMemo(
    () => (transformed ? seriesOfFrames(frames) : seriesOfResult(result)),
    [transformed, frames, result],
  );
  const limited = !all && series.length > seriesLimit;
  const model = useMemo(() => {
    const drawn = limited ? series.slice(0, seriesLimit) : series;
    const drawable = timeseriesModel({ panel, series: drawn, step: result.step, theme });
    return { ...drawable, exemplars: chartExemplars(result, drawable) };
  }, [panel, series, limited, result, theme]);
  const annotations = useContext(PanelAnnotations);
  const visible = useMemo(() => ({ ...withHidden(model, hidden), annotations }), [model, hidden, annotations]);
  const legend = useMemo(() => legendOptions(panel.options), [panel.options]);
  const empty = series.length === 0 || series.every((s) => s.values.every((v) => v === null));
  if (empty) return <NoData panel={panel} onDrawn={onDrawn} />;
  const infinite = infiniteSeries(series);
  const infinity = infinite.length > 0 ? describeInfinite(infinite, series.length) : undefined;
  if (infinite.length === series.length) return <NoData panel={panel} onDrawn={onDrawn} because={infinity} />;
  return (
    <div className={`timeseries legend-at-${legend.placement}`}>
      {limited && (
        <p className="series-limit" role="status">
          Showing {seriesLimit} of {series.length} series.
          <button type="button" className="text-button" onClick={() => setAll(true)}>
            Show all
          </button>
        </p>
      )}
      {infinity && (
        <p className="series-limit" role="status">
          {infinity}
        </p>
      )}
      <div className="timeseries-body">
        <TimeChart
          model={visible}
          range={result.range}
          theme={theme}
          tooltip={tooltipOptions(panel.options)}
          syncKey={syncKey}
          sharedTooltip={sharedTooltip}
          onZoom={zoomTo}
          onZoomOut={() => zoomOutFrom(result.range)}
          onDrawn={onDrawn}
          onFollow={navigate}
          label={`${panel.title || 'Panel'}: time series chart of ${series.length} series`}
        />
        {legend.mode !== 'hidden' && <Legend series={model.series} options={legend} hidden={hidden} onHide={setHidden} />}
      </div>
    </div>
  );
}
