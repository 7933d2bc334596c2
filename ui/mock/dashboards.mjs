// Dashboards of the mock beside the product's own: a gallery of panel types and states, and one with 12 panels for measuring.
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
const instantly = (expr, legendFormat = '__auto') => ({ expr, legendFormat, instant: true, range: false });
const bottom = (calcs = [], mode = 'list') => ({ legend: { displayMode: mode, placement: 'bottom', showLegend: true, calcs }, tooltip: { mode: 'multi', sort: 'desc' } });
const line = (custom = {}) => ({ custom: { drawStyle: 'line', lineWidth: 1, fillOpacity: 10, showPoints: 'never', ...custom } });
const steps = (...pairs) => ({ mode: 'absolute', steps: pairs.map(([value, color]) => ({ value, color })) });

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

const gallery = dashboard('gallery', 'Gallery of panels', ['mock'], [
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
  panel('timeseries', 'Exemplars', at(0, 39, 24, 8), [{ ...named('histogram_quantile(0.95, sum by (le) (rate(http_request_duration_seconds_bucket[5m])))', 'p95'), exemplar: true }], { defaults: { unit: 's', ...line() }, options: bottom() }),
  panel('timeseries', 'Warnings and a description', at(16, 28, 8, 7), [named('rate(mock_warn[5m]) or node_load1', 'x')], { description: 'Explains what is seen here.', defaults: line(), options: bottom() }),
], [
  { name: 'mode', type: 'custom', query: 'idle,user,system', multi: true, includeAll: true, current: { text: ['idle', 'user', 'system'], value: ['idle', 'user', 'system'] } },
  { name: 'unit', type: 'textbox', query: 'seconds', label: 'Unit' },
  { name: 'resolution', type: 'interval', query: '30s,1m,5m', auto: true, auto_count: 30, auto_min: '10s', current: { text: '1m', value: '1m' } },
  queryVariable('broken', 'nonsense(', {}),
]);

const load = dashboard('load', 'Twelve panels, ten thousand series', ['mock'], Array.from({ length: 12 }, (_, i) =>
  panel('timeseries', `Panel ${i + 1}`, at((i % 3) * 8, Math.floor(i / 3) * 6, 8, 6), [named(`sum by (group) (mock_load{panel="${i}"})`, 'group {{group}}')], { defaults: line({ fillOpacity: 0 }), options: bottom() }),
), [], { time: { from: 'now-24h', to: 'now' } });

export const dashboards = [gallery, load];
