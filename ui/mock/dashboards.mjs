// Dashboards of the mock: one like the application's, one like the cluster's, a gallery of panel types and states, and one with 12 panels for measuring.
const source = { type: 'prometheus', uid: '${datasource}' };
let nextId = 1;

function panel(type, title, gridPos, targets, rest = {}) {
  const { defaults = {}, overrides = [], options = {}, ...more } = rest;
  return {
    id: nextId++,
    type,
    title,
    gridPos,
    datasource: source,
    targets: targets.map((t, i) => ({ refId: String.fromCharCode(65 + i), datasource: source, ...(typeof t === 'string' ? { expr: t, legendFormat: '__auto' } : t) })),
    fieldConfig: { defaults, overrides },
    options,
    ...more,
  };
}

const at = (x, y, w, h) => ({ x, y, w, h });
const named = (expr, legendFormat) => ({ expr, legendFormat });
const table = (expr) => ({ expr, format: 'table', instant: true, range: false });
const instantly = (expr, legendFormat = '__auto') => ({ expr, legendFormat, instant: true, range: false });
const bottom = (calcs = [], mode = 'list') => ({ legend: { displayMode: mode, placement: 'bottom', showLegend: true, calcs }, tooltip: { mode: 'multi', sort: 'desc' } });
const line = (custom = {}) => ({ custom: { drawStyle: 'line', lineWidth: 1, fillOpacity: 10, showPoints: 'never', ...custom } });
const steps = (...pairs) => ({ mode: 'absolute', steps: pairs.map(([value, color]) => ({ value, color })) });
const row = (title, y, collapsed = false, panels = []) => ({ id: nextId++, type: 'row', title, collapsed, panels, gridPos: at(0, y, 24, 1) });

const datasourceVariable = { name: 'datasource', type: 'datasource', query: 'prometheus', current: { text: 'Prometheus', value: 'prometheus' } };
const queryVariable = (name, query, more = {}) => ({ name, type: 'query', datasource: source, query: { query, refId: 'v' }, refresh: 2, sort: 1, ...more });

function dashboard(uid, title, tags, panels, variables = [], more = {}) {
  return {
    uid,
    title,
    tags,
    schemaVersion: 39,
    time: { from: 'now-1h', to: 'now' },
    refresh: '30s',
    graphTooltip: 1,
    templating: { list: [datasourceVariable, ...variables] },
    panels,
    ...more,
  };
}

const job = '{job=~"$job"}';
export const application = dashboard('todo-app', 'Todo application', ['todo', 'application'], [
  panel('stat', 'Requests', at(0, 0, 4, 4), [named(`sum(rate(http_requests_total${job}[$__rate_interval]))`, 'requests')], { defaults: { unit: 'reqps', color: { mode: 'fixed', fixedColor: 'blue' } }, options: { graphMode: 'area', colorMode: 'value', reduceOptions: { calcs: ['lastNotNull'] } } }),
  panel('stat', 'Errors', at(4, 0, 4, 4), [named('sum(rate(http_requests_total{status=~"5.."}[5m])) / sum(rate(http_requests_total[5m]))', 'errors')], { defaults: { unit: 'percentunit', decimals: 2, thresholds: steps([null, 'green'], [0.01, 'orange'], [0.5, 'red']) }, options: { graphMode: 'area', colorMode: 'background', reduceOptions: { calcs: ['mean'] } } }),
  panel('gauge', 'Memory of limit', at(8, 0, 4, 4), ['max(container_memory_working_set_bytes) / max(kube_pod_container_resource_limits{resource="memory"})'], { defaults: { unit: 'percentunit', min: 0, max: 1, thresholds: steps([null, 'green'], [0.7, 'orange'], [0.9, 'red']) } }),
  panel('bargauge', 'Replicas', at(12, 0, 6, 4), [instantly('kube_deployment_status_replicas_ready', '{{deployment}}')], { defaults: { min: 0, max: 10 }, options: { displayMode: 'gradient', orientation: 'horizontal' } }),
  panel('stat', 'Pods', at(18, 0, 6, 4), [instantly('kube_pod_status_ready{condition="true"} == 1', '{{pod}}')], { defaults: { mappings: [{ type: 'value', options: { 1: { text: 'ready', color: 'green' }, 0: { text: 'not ready', color: 'red' } } }] }, options: { graphMode: 'none', colorMode: 'background', textMode: 'value_and_name' } }),
  row('Traffic', 4),
  panel('timeseries', 'Request rate by $job', at(0, 5, 12, 8), [named(`sum by (job) (rate(http_requests_total${job}[$__rate_interval]))`, '{{job}}')], { defaults: { unit: 'reqps', ...line({ stacking: { mode: 'normal', group: 'A' }, fillOpacity: 25 }) }, options: bottom(['mean', 'lastNotNull'], 'table') }),
  panel('timeseries', 'Latency', at(12, 5, 12, 8), [
    named(`histogram_quantile(0.50, sum by (le) (rate(http_request_duration_seconds_bucket${job}[$__rate_interval])))`, 'p50'),
    named(`histogram_quantile(0.95, sum by (le) (rate(http_request_duration_seconds_bucket${job}[$__rate_interval])))`, 'p95'),
    named(`histogram_quantile(0.99, sum by (le) (rate(http_request_duration_seconds_bucket${job}[$__rate_interval])))`, 'p99'),
  ], { defaults: { unit: 's', thresholds: steps([null, 'green'], [0.025, 'red']), ...line({ thresholdsStyle: { mode: 'line' } }) }, overrides: [{ matcher: { id: 'byName', options: 'p99' }, properties: [{ id: 'color', value: { mode: 'fixed', fixedColor: 'red' } }, { id: 'custom.lineWidth', value: 2 }] }], options: bottom() }),
  panel('timeseries', 'Responses by status', at(0, 13, 8, 8), [named(`sum by (status) (rate(http_requests_total${job}[$__rate_interval]))`, '{{status}}')], { defaults: { unit: 'reqps', custom: { drawStyle: 'bars', fillOpacity: 80, lineWidth: 0, stacking: { mode: 'normal' } } }, options: bottom() }),
  panel('timeseries', 'Tasks', at(8, 13, 8, 8), ['created', 'updated', 'completed', 'deleted'].map((verb) => named(`sum(rate(tasks_${verb}_total[$__rate_interval]))`, verb)), { defaults: { unit: 'ops', ...line({ fillOpacity: 0, lineWidth: 2, lineInterpolation: 'smooth' }) }, options: bottom() }),
  panel('timeseries', 'Network', at(16, 13, 8, 8), [named('sum(rate(container_network_receive_bytes_total[$__rate_interval]))', 'received'), named('sum(rate(container_network_transmit_bytes_total[$__rate_interval]))', 'sent')], { defaults: { unit: 'Bps', ...line() }, overrides: [{ matcher: { id: 'byName', options: 'sent' }, properties: [{ id: 'custom.transform', value: 'negative-Y' }] }], options: bottom() }),
  row('Resources', 21),
  panel('timeseries', 'Memory by pod', at(0, 22, 12, 8), [named('container_memory_working_set_bytes{namespace="todo-app-prod"}', '{{pod}}')], { defaults: { unit: 'bytes', min: 0, ...line() }, options: { legend: { displayMode: 'table', placement: 'right', calcs: ['lastNotNull', 'max'], showLegend: true, sortBy: 'Max', sortDesc: true }, tooltip: { mode: 'multi', sort: 'desc' } } }),
  panel('table', 'Pods', at(12, 22, 12, 8), [table('sum by (pod) (rate(container_cpu_usage_seconds_total[5m]))'), table('sum by (pod) (container_memory_working_set_bytes)'), table('sum by (pod) (kube_pod_container_status_restarts_total)')], {
    defaults: { custom: { align: 'auto' } },
    overrides: [
      { matcher: { id: 'byName', options: 'CPU' }, properties: [{ id: 'unit', value: 'none' }, { id: 'decimals', value: 3 }] },
      { matcher: { id: 'byName', options: 'Memory' }, properties: [{ id: 'unit', value: 'bytes' }, { id: 'custom.cellOptions', value: { type: 'gauge' } }, { id: 'max', value: 134217728 }, { id: 'min', value: 0 }, { id: 'thresholds', value: steps([null, 'green'], [80e6, 'orange']) }] },
      { matcher: { id: 'byName', options: 'Restarts' }, properties: [{ id: 'custom.cellOptions', value: { type: 'color-background' } }, { id: 'thresholds', value: steps([null, 'transparent'], [1, 'orange']) }] },
    ],
    transformations: [
      { id: 'merge', options: {} },
      { id: 'organize', options: { excludeByName: { Time: true }, indexByName: { pod: 0, 'Value #A': 1, 'Value #B': 2, 'Value #C': 3 }, renameByName: { pod: 'Pod', 'Value #A': 'CPU', 'Value #B': 'Memory', 'Value #C': 'Restarts' } } },
    ],
    options: { sortBy: [{ displayName: 'Memory', desc: true }] },
  }),
], [queryVariable('job', 'label_values(http_requests_total, job)', { multi: true, includeAll: true, current: { text: 'All', value: '$__all' } })]);

export const cluster = dashboard('kubernetes', 'Kubernetes', ['kubernetes'], [
  panel('stat', 'CPU', at(0, 0, 6, 4), ['1 - avg(rate(node_cpu_seconds_total{mode="idle"}[5m]))'], { defaults: { unit: 'percentunit', thresholds: steps([null, 'green'], [0.8, 'red']) } }),
  panel('stat', 'Memory', at(6, 0, 6, 4), ['1 - node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes'], { defaults: { unit: 'percentunit' } }),
  panel('stat', 'Pods running', at(12, 0, 6, 4), [instantly('count(kube_pod_status_phase{phase="Running"} == 1)')], {}),
  panel('stat', 'Restarts', at(18, 0, 6, 4), [instantly('sum(kube_pod_container_status_restarts_total)')], { defaults: { thresholds: steps([null, 'green'], [1, 'orange']) } }),
  panel('timeseries', 'CPU by pod', at(0, 4, 12, 8), [named('sum by (pod) (rate(container_cpu_usage_seconds_total{namespace="$namespace",pod=~"$pod"}[$__rate_interval]))', '{{pod}}')], { defaults: { unit: 'short', ...line() }, options: bottom() }),
  panel('timeseries', 'Memory by pod', at(12, 4, 12, 8), [named('sum by (pod) (container_memory_working_set_bytes{namespace="$namespace",pod=~"$pod"})', '{{pod}}')], { defaults: { unit: 'bytes', ...line() }, options: bottom() }),
  row('Hidden in a row', 12, true, [panel('timeseries', 'CPU by mode', at(0, 13, 24, 8), [named('avg by (mode) (rate(node_cpu_seconds_total[5m]))', '{{mode}}')], { defaults: { unit: 'percentunit', ...line({ stacking: { mode: 'percent' }, fillOpacity: 40 }) }, options: bottom() })]),
], [queryVariable('namespace', 'label_values(kube_pod_info, namespace)'), queryVariable('pod', 'label_values(kube_pod_info{namespace="$namespace"}, pod)', { multi: true, includeAll: true })]);

export const gallery = dashboard('gallery', 'Gallery of panels', ['mock'], [
  panel('timeseries', 'Three hundred series', at(0, 0, 12, 8), [named('mock_many', '{{instance}}')], { defaults: line({ fillOpacity: 0 }), options: bottom(['max'], 'table') }),
  panel('timeseries', 'One series, threshold areas', at(12, 0, 6, 8), [named('node_load1', 'load')], { defaults: { thresholds: steps([null, 'green'], [0.7, 'orange'], [1, 'red']), ...line({ thresholdsStyle: { mode: 'area' } }) }, options: bottom() }),
  panel('timeseries', 'No series', at(18, 0, 6, 8), ['mock_nothing_of_that_name']),
  panel('timeseries', 'Long names', at(0, 8, 8, 7), [named('mock_long', '{{path}} in {{region}}')], { defaults: line(), options: bottom(['lastNotNull']) }),
  panel('timeseries', 'Gaps', at(8, 8, 4, 7), [named('mock_gaps', '{{name}}')], { defaults: line({ showPoints: 'auto' }), options: bottom() }),
  panel('timeseries', 'Steps and points, two axes', at(12, 8, 6, 7), [named('node_load1', 'load'), named('node_memory_MemAvailable_bytes', 'memory')], { defaults: line({ lineInterpolation: 'stepAfter' }), overrides: [{ matcher: { id: 'byName', options: 'memory' }, properties: [{ id: 'unit', value: 'bytes' }, { id: 'custom.drawStyle', value: 'points' }, { id: 'custom.axisPlacement', value: 'right' }] }], options: bottom() }),
  panel('timeseries', 'An error', at(18, 8, 6, 7), ['fail(up)']),
  panel('timeseries', 'Positive and negative, dashed', at(0, 15, 8, 7), [named('mock_signed', '{{way}}')], { defaults: line({ lineStyle: { fill: 'dash', dash: [10, 10] }, gradientMode: 'opacity', fillOpacity: 40 }), options: bottom() }),
  panel('timeseries', 'Logarithmic', at(8, 15, 8, 7), [named('mock_huge', '{{size}}')], { defaults: line({ scaleDistribution: { type: 'log', log: 10 } }), options: bottom() }),
  panel('heatmap', 'An unknown type', at(16, 15, 8, 7), ['up']),
  panel('gauge', 'Gauges', at(0, 22, 8, 6), [instantly('sum by (pod) (container_memory_working_set_bytes)', '{{pod}}')], { defaults: { unit: 'bytes', min: 0, max: 134217728, thresholds: steps([null, 'green'], [60e6, 'orange'], [110e6, 'red']) } }),
  panel('bargauge', 'Bars', at(8, 22, 8, 6), [instantly('sum by (pod) (container_memory_working_set_bytes)', '{{pod}}')], { defaults: { unit: 'bytes', min: 0, color: { mode: 'continuous-GrYlRd' } }, options: { displayMode: 'lcd', orientation: 'horizontal' } }),
  panel('text', 'Text', at(16, 22, 8, 6), [], { options: { mode: 'markdown', content: '## Markdown\n\nWith `code`, **weight**, a [link](https://prometheus.io) and the variable **$unit**.\n\n- one\n- two\n\n<script>alert(1)</script>' } }),
  panel('table', 'Reduced table', at(0, 28, 12, 7), [named('mock_many', '{{instance}}')], { transformations: [{ id: 'reduce', options: { reducers: ['max', 'min', 'mean'] } }], options: { sortBy: [{ displayName: 'Max', desc: true }], footer: { show: true, reducer: ['sum'] } } }),
  panel('stat', 'Repeated for $mode', at(0, 35, 24, 4), [named('avg(rate(node_cpu_seconds_total{mode="$mode"}[5m]))', '$mode')], { defaults: { unit: 'percentunit' }, repeat: 'mode', maxPerRow: 4, options: { graphMode: 'area' } }),
  panel('stat', 'No value', at(12, 28, 4, 7), ['mock_nothing_of_that_name'], { defaults: { noValue: 'nothing yet' } }),
  panel('timeseries', 'Warnings and a description', at(16, 28, 8, 7), [named('rate(mock_warn[5m]) or node_load1', 'x')], { description: 'Explains what is seen here.', defaults: line(), options: bottom() }),
], [
  { name: 'mode', type: 'custom', query: 'idle,user,system', multi: true, includeAll: true, current: { text: ['idle', 'user', 'system'], value: ['idle', 'user', 'system'] } },
  { name: 'unit', type: 'textbox', query: 'seconds', label: 'Unit' },
  { name: 'resolution', type: 'interval', query: '30s,1m,5m', auto: true, auto_count: 30, auto_min: '10s', current: { text: '1m', value: '1m' } },
  queryVariable('broken', 'nonsense(', {}),
]);

export const load = dashboard('load', 'Twelve panels, ten thousand series', ['mock'], Array.from({ length: 12 }, (_, i) =>
  panel('timeseries', `Panel ${i + 1}`, at((i % 3) * 8, Math.floor(i / 3) * 6, 8, 6), [named(`sum by (group) (mock_load{panel="${i}"})`, 'group {{group}}')], { defaults: line({ fillOpacity: 0 }), options: bottom() }),
), [], { time: { from: 'now-24h', to: 'now' } });

export const dashboards = [application, cluster, gallery, load];
