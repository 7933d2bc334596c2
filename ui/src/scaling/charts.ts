/** The panels of an autoscaler: its replicas within their limits, and its metrics in percent of their targets. Series as kube-state-metrics has them. */
import type { Autoscaler } from '../api/scaling';
import type { PanelModel } from '../grafana/model';

const dashed = (name: string, color: string) => ({
  matcher: { id: 'byName', options: name },
  properties: [
    { id: 'custom.lineStyle', value: { fill: 'dash', dash: [6, 6] } },
    { id: 'custom.fillOpacity', value: 0 },
    { id: 'color', value: { mode: 'fixed', fixedColor: color } },
  ],
});

const colored = (name: string, color: string) => ({ matcher: { id: 'byName', options: name }, properties: [{ id: 'color', value: { mode: 'fixed', fixedColor: color } }] });

/** The string literal of PromQL. */
const quoted = (text: string): string => JSON.stringify(text);

export function autoscalerPanels({ namespace, name }: Pick<Autoscaler, 'namespace' | 'name'>): [PanelModel, PanelModel] {
  const own = `{namespace=${quoted(namespace)},horizontalpodautoscaler=${quoted(name)}}`;
  const series = (metric: string) => `max(kube_horizontalpodautoscaler_${metric}${own})`;
  const metric = (kind: string) => `max by (metric_name, metric_target_type, container) (kube_horizontalpodautoscaler_${kind}_target_metric${own})`;
  const replicas: PanelModel = {
    type: 'timeseries',
    title: 'Replicas',
    interval: '15s',
    targets: [
      { refId: 'A', expr: series('status_current_replicas'), legendFormat: 'current' },
      { refId: 'B', expr: series('status_desired_replicas'), legendFormat: 'desired' },
      { refId: 'C', expr: series('spec_min_replicas'), legendFormat: 'min' },
      { refId: 'D', expr: series('spec_max_replicas'), legendFormat: 'max' },
    ],
    fieldConfig: {
      defaults: { decimals: 0, min: 0, custom: { lineInterpolation: 'stepAfter', lineWidth: 2, fillOpacity: 0, showPoints: 'never', axisSoftMax: 2 } },
      overrides: [
        { matcher: { id: 'byName', options: 'current' }, properties: [{ id: 'custom.fillOpacity', value: 18 }, { id: 'color', value: { mode: 'fixed', fixedColor: 'blue' } }] },
        colored('desired', 'orange'),
        dashed('min', 'text'),
        dashed('max', 'red'),
      ],
    },
  };
  const metrics: PanelModel = {
    type: 'timeseries',
    title: 'Metrics, in percent of their targets',
    interval: '15s',
    targets: [{ refId: 'A', expr: `100 * ${metric('status')} / ${metric('spec')}`, legendFormat: '{{metric_name}} {{container}}' }],
    fieldConfig: {
      defaults: {
        unit: 'percent',
        decimals: 0,
        min: 0,
        custom: { lineWidth: 2, fillOpacity: 8, showPoints: 'never', axisSoftMax: 120, thresholdsStyle: { mode: 'dashed' } },
        thresholds: { mode: 'absolute', steps: [{ value: null, color: 'transparent' }, { value: 100, color: 'red' }] },
      },
      overrides: [],
    } as unknown as PanelModel['fieldConfig'],
  };
  return [replicas, metrics];
}
