/**
 * A time chart: owns one uPlot instance, gives it new data without rebuilding it where the series stay the same, shows the tooltip and reports
 * zooming. Input: a chart model and a time range. The size is that of its container.
 */
import { useEffect, useLayoutEffect, useRef } from 'react';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import type { ColorTheme } from '../grafana/theme';
import { AnnotationLayer } from './annotations';
import { ExemplarLayer } from './exemplars';
import type { ChartAnnotation, ChartExemplar, ChartModel } from './model';
import { isAbsent, stackSeries } from './stack';
import { timeText, Tooltip, tooltipRows, type TooltipOptions } from './tooltip';
import { uplotOptions } from './uplotOptions';

export interface TimeChartProps {
  model: ChartModel;
  /** Milliseconds. */
  range: { from: number; to: number };
  theme: ColorTheme;
  tooltip: TooltipOptions;
  /** Charts with the same key share their crosshair. */
  syncKey?: string;
  /** Every chart of the group shows its tooltip, not only the one under the pointer. */
  sharedTooltip?: boolean;
  onZoom?: (fromMs: number, toMs: number) => void;
  onZoomOut?: () => void;
  onDrawn?: () => void;
  /** Opens what an exemplar leads to. */
  onFollow?: (href: string) => void;
  label: string;
}

const none: ChartExemplar[] = [];
const nothing: ChartAnnotation[] = [];

/** What cannot change without a new uPlot instance. */
function structureOf(model: ChartModel, theme: ColorTheme): string {
  const series = model.series.map((s) => [s.key, s.color, s.scale, s.hidden.chart, s.style]);
  const axes = model.axes.map(({ tick: _tick, ...axis }) => axis);
  return JSON.stringify([theme.name, series, axes, model.elapsed]);
}

/** Index of the series whose drawn point is nearest to the pointer. */
function nearestSeries(u: uPlot, model: ChartModel, at: number): number | undefined {
  const pointer = u.cursor.top ?? 0;
  let best: number | undefined;
  let distance = Infinity;
  model.series.forEach((series, i) => {
    const value = u.data[i + 1]?.[at];
    if (value == null || isAbsent(series, at) || series.hidden.tooltip || series.hidden.chart) return;
    const away = Math.abs(u.valToPos(value, series.scale) - pointer);
    if (away < distance) {
      distance = away;
      best = i;
    }
  });
  return best;
}

class ChartInstance {
  readonly u: uPlot;
  readonly structure: string;
  private readonly tooltip = new Tooltip();
  private readonly exemplars = new ExemplarLayer(this.tooltip, (href) => this.props.onFollow?.(href));
  private readonly annotations = new AnnotationLayer(
    this.tooltip,
    () => this.props.model.annotations ?? nothing,
    (href) => this.props.onFollow?.(href),
  );
  private hovered = false;

  constructor(
    host: HTMLElement,
    private props: TimeChartProps,
  ) {
    const { model, theme, syncKey } = props;
    this.structure = structureOf(model, theme);
    const stacked = stackSeries(model);
    const options = uplotOptions({
      model,
      stacked,
      theme,
      syncKey,
      width: Math.max(host.clientWidth, 40),
      height: Math.max(host.clientHeight, 40),
      range: () => this.props.range,
      exemplars: () => this.props.model.exemplars ?? none,
      absent: (series, at) => isAbsent(this.props.model.series[series], at),
      hooks: {
        setCursor: [() => this.showTooltip()],
        setSelect: [(u) => this.zoom(u)],
        draw: [(u) => this.exemplars.place(u), (u) => this.annotations.draw(u), () => this.props.onDrawn?.()],
      },
    });
    this.u = new uPlot(options, [model.times, ...stacked.data] as uPlot.AlignedData, host);
    this.exemplars.set(this.u, model.exemplars ?? none);
    this.u.over.addEventListener('mouseenter', () => (this.hovered = true));
    this.u.over.addEventListener('mouseleave', () => {
      this.hovered = false;
      this.tooltip.hide();
    });
    this.u.over.addEventListener('dblclick', () => this.props.onZoomOut?.());
  }

  update(props: TimeChartProps): void {
    this.props = props;
    const { data } = stackSeries(props.model);
    this.exemplars.set(this.u, props.model.exemplars ?? none);
    this.u.setData([props.model.times, ...data] as uPlot.AlignedData);
  }

  resize(host: HTMLElement): void {
    const width = host.clientWidth;
    const height = host.clientHeight;
    if (width > 0 && height > 0 && (width !== this.u.width || height !== this.u.height)) this.u.setSize({ width, height });
  }

  destroy(): void {
    this.tooltip.remove();
    this.u.destroy();
  }

  private zoom(u: uPlot): void {
    const { left, width } = u.select;
    if (width < 4) return;
    const from = u.posToVal(left, 'x');
    const to = u.posToVal(left + width, 'x');
    u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
    this.props.onZoom?.(from, to);
  }

  private showTooltip(): void {
    const { u } = this;
    const { model, tooltip } = this.props;
    const at = u.cursor.idx;
    const { left = -1, top = 0 } = u.cursor;
    if (this.exemplars.hovered || this.annotations.hovered) return;
    if (tooltip.mode === 'none' || at == null || left < 0 || !(this.hovered || this.props.sharedTooltip)) {
      this.tooltip.hide();
      return;
    }
    const near = this.hovered ? nearestSeries(u, model, at) : undefined;
    const options = this.hovered ? tooltip : { ...tooltip, mode: 'multi' as const };
    const rows = tooltipRows(model, at, options, near);
    const box = u.over.getBoundingClientRect();
    const visible = box.bottom > 60 && box.top < window.innerHeight;
    if (rows.length === 0 || !visible) this.tooltip.hide();
    else this.tooltip.show(timeText(model.times[at] as number, model.elapsed), rows, near === undefined ? undefined : model.series[near], { x: box.left + left, y: box.top + top });
  }
}

export function TimeChart(props: TimeChartProps) {
  const { model, theme, range } = props;
  const host = useRef<HTMLDivElement>(null);
  const chart = useRef<ChartInstance | null>(null);

  useLayoutEffect(() => {
    const element = host.current as HTMLDivElement;
    if (chart.current && chart.current.structure === structureOf(model, theme)) {
      chart.current.update(props);
      return;
    }
    chart.current?.destroy();
    chart.current = new ChartInstance(element, props);
  }, [model, theme, range.from, range.to]);

  useEffect(() => {
    const element = host.current as HTMLDivElement;
    const observer = new ResizeObserver(() => chart.current?.resize(element));
    observer.observe(element);
    return () => {
      observer.disconnect();
      chart.current?.destroy();
      chart.current = null;
    };
  }, []);

  return <div className="chart" ref={host} role="img" aria-label={props.label} />;
}
