/** The panels of a report's timeline as chart models. Pure. */
import type { SimulationReport, TimelinePoint } from '../api/simulation';
import type { ChartAnnotation, ChartModel } from '../charts/model';
import type { PanelModel } from '../grafana/model';
import type { ColorTheme } from '../grafana/theme';
import { timeseriesModel, type RawSeries } from '../panels/timeseriesModel';

interface Line {
  name: string;
  color: string;
  of: (point: TimelinePoint) => number | null;
  custom?: Record<string, unknown>;
}

export interface TimelinePanel {
  key: string;
  title: string;
  model: ChartModel;
}

interface Plan {
  key: string;
  title: string;
  unit?: string;
  decimals?: number;
  lines: Line[];
  custom?: Record<string, unknown>;
  limit?: number;
}

/** Room for "100 ms" and "120 req/s" alike; pixels. */
const axisWidth = 58;

/** Pods that were needed and not ready, as the area between. */
const missing = 'too few';

function plansOf(report: SimulationReport, queued: boolean): Plan[] {
  const counts = { lineInterpolation: 'stepAfter', axisSoftMax: 2 };
  const { autoscaler, timeline } = report;
  const reached = timeline.some((p) => p.replicas >= autoscaler.maxReplicas || p.neededReplicas >= autoscaler.maxReplicas);
  const target = report.timeline.some((p) => p.cpuUtilization != null);
  return [
    {
      key: 'load',
      title: queued ? 'Events per second' : 'Requests per second',
      custom: { lineInterpolation: 'stepBefore' },
      lines: [
        { name: 'arriving', color: 'blue', of: (p) => p.arrivalRate, custom: { fillOpacity: 14 } },
        { name: 'served', color: 'green', of: (p) => p.servedRate, custom: { lineWidth: 1 } },
        ...(timeline.some((p) => p.failedRate > 0) ? [{ name: 'failed', color: 'red', of: (p: TimelinePoint) => p.failedRate }] : []),
      ],
    },
    {
      key: 'replicas',
      title: 'Replicas',
      decimals: 0,
      custom: counts,
      lines: [
        { name: missing, color: 'red', of: (p) => Math.max(p.neededReplicas, p.readyReplicas), custom: { lineWidth: 0, fillOpacity: 30, fillBelowTo: 'ready', hideFrom: { legend: true, tooltip: true, viz: false } } },
        { name: 'ready', color: 'blue', of: (p) => p.readyReplicas, custom: { fillOpacity: 14 } },
        { name: 'asked for', color: 'orange', of: (p) => p.replicas },
        { name: 'needed', color: 'text', of: (p) => p.neededReplicas, custom: { lineWidth: 1.5, lineStyle: { fill: 'dash', dash: [6, 5] } } },
        ...(reached ? [{ name: 'max', color: 'red', of: () => autoscaler.maxReplicas, custom: { lineWidth: 1, lineStyle: { fill: 'dash', dash: [2, 4] } } }] : []),
      ],
    },
    target
      ? { key: 'cpu', title: 'CPU of a pod, in percent of its request', unit: 'percent', decimals: 0, lines: [{ name: 'CPU', color: 'purple', of: (p) => p.cpuUtilization ?? null, custom: { fillOpacity: 10 } }] }
      : { key: 'cpu', title: 'CPU of a pod, in cores', lines: [{ name: 'CPU', color: 'purple', of: (p) => p.cpuCoresPerPod, custom: { fillOpacity: 10 } }] },
    {
      key: 'latency',
      title: queued ? 'Age of events when they are done' : 'Latency, estimated',
      unit: 's',
      lines: [
        { name: 'p99', color: 'orange', of: (p) => p.latencyP99Seconds, custom: { fillOpacity: 10 } },
        { name: 'mean', color: 'blue', of: (p) => p.latencyMeanSeconds },
      ],
    },
    ...(queued ? [{ key: 'waiting', title: 'Events that wait', lines: [{ name: 'waiting', color: 'yellow', of: (p: TimelinePoint) => p.waiting, custom: { fillOpacity: 14 } }] }] : []),
  ];
}

function panelOf({ title, unit, decimals, lines, custom }: Plan): PanelModel {
  return {
    type: 'timeseries',
    title,
    fieldConfig: {
      defaults: { unit, decimals, min: 0, custom: { lineWidth: 2, fillOpacity: 0, showPoints: 'never', ...custom } },
      overrides: lines.map((line) => ({
        matcher: { id: 'byName', options: line.name },
        properties: [{ id: 'color', value: { mode: 'fixed', fixedColor: line.color } }, ...Object.entries(line.custom ?? {}).map(([id, value]) => ({ id: `custom.${id}`, value }))],
      })),
    } as unknown as PanelModel['fieldConfig'],
  };
}

function annotationsOf(report: SimulationReport, theme: ColorTheme): ChartAnnotation[] {
  return report.scalings.map(({ timeSeconds, from, to, sentence }) => ({ timeMs: timeSeconds * 1000, name: `${from} → ${to}`, text: sentence, color: theme.color('blue') }));
}

export function timelinePanels(report: SimulationReport, queued: boolean, theme: ColorTheme): TimelinePanel[] {
  const times = report.timeline.map((p) => p.timeSeconds * 1000);
  const annotations = annotationsOf(report, theme);
  return plansOf(report, queued).map((plan) => {
    const series = plan.lines.map((line): RawSeries => ({ refId: 'A', name: line.name, labels: { line: line.name }, times, values: report.timeline.map(line.of) }));
    const model = timeseriesModel({ panel: panelOf(plan), series, step: report.timelineSeconds * 1000, theme });
    return { key: plan.key, title: plan.title, model: { ...model, elapsed: true, axes: model.axes.map((axis) => ({ ...axis, minWidth: axisWidth })), ...(plan.key === 'replicas' ? { annotations } : {}) } };
  });
}
