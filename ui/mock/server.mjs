// Serves ui/dist and made-up answers of the APIs the page uses, for working on the page without the rest of tidewatch.
// Usage: npm run mock [-- port]. The content security policy is the product's, so that a violation shows here first.
import { createReadStream, existsSync, statSync } from 'node:fs';
import { createServer } from 'node:http';
import { extname, join, normalize } from 'node:path';
import * as alerting from './alerting.mjs';
import { dashboards as mocked } from './dashboards.mjs';
import { catalog, namespace, pods } from './metrics.mjs';
import { productDashboards } from './productDashboards.mjs';
import { addPubsub } from './pubsub.mjs';
import * as scaling from './scaling.mjs';
import { instant, QueryError, range, select } from './promql.mjs';
import * as traces from './traces.mjs';

addPubsub();
scaling.addSeries();
alerting.addSeries();
const dashboards = [...productDashboards(), ...mocked];
const port = Number(process.argv[2] ?? process.env.PORT ?? 3100);
const dist = new URL('../dist', import.meta.url).pathname;
const policy = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'";
const types = { '.js': 'text/javascript', '.css': 'text/css', '.html': 'text/html; charset=utf-8', '.svg': 'image/svg+xml' };

const json = (response, body, status = 200) => {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(body));
};
const success = (response, data, more = {}) => json(response, { status: 'success', data, ...more });

async function parametersOf(request, url) {
  if (request.method !== 'POST') return url.searchParams;
  let body = '';
  for await (const chunk of request) body += chunk;
  if (request.headers['content-type'] === 'application/json') return JSON.parse(body);
  return new URLSearchParams(body);
}

const selected = (parameters) => {
  const matchers = parameters.getAll('match[]');
  return matchers.length ? matchers.flatMap(select) : select('');
};
const unique = (values) => [...new Set(values)].sort();
const warned = (expr) => (expr.includes('mock_warn') ? { infos: ['PromQL info: metric might not be a counter, name does not end in _total/_sum/_count/_bucket: "mock_warn" (1:6)'] } : {});

function targets() {
  const ago = (seconds) => new Date(Date.now() - seconds * 1000).toISOString();
  const active = catalog.up.series.map((labels, i) => ({
    discoveredLabels: { __address__: labels.instance, __scheme__: 'http', __metrics_path__: '/metrics', __meta_kubernetes_namespace: namespace, __meta_kubernetes_pod_name: labels.pod ?? '' },
    labels: Object.fromEntries(Object.entries(labels).filter(([, v]) => v)),
    scrapePool: labels.service ? `serviceMonitor/${namespace}/${labels.service}/0` : labels.job,
    scrapeUrl: `http://${labels.instance}${labels.metrics_path ?? '/metrics'}`,
    globalUrl: `http://${labels.instance}${labels.metrics_path ?? '/metrics'}`,
    lastError: '',
    lastScrape: ago(3 + i * 2),
    lastScrapeDuration: 0.0021 + i * 0.0007,
    health: 'up',
    scrapeInterval: '30s',
    scrapeTimeout: '10s',
  }));
  if (process.env.MOCK_TROUBLE) {
    Object.assign(active[1], { health: 'down', lastError: 'Get "http://127.10.1.2:9464/metrics": dial tcp 127.10.1.2:9464: connect: connection refused' });
    Object.assign(active[2], { health: 'unknown', lastScrape: '0001-01-01T00:00:00Z' });
  }
  return { activeTargets: active, droppedTargets: [] };
}

function podObject(pod) {
  const started = new Date(Date.now() - 3.2 * 3600e3).toISOString();
  return {
    metadata: { name: pod.name, namespace, uid: pod.uid, labels: { app: pod.workload.name }, creationTimestamp: started },
    spec: { nodeName: 'localhost', containers: [{ name: pod.workload.container, image: pod.workload.image }, ...(pod.workload.name === 'todo-frontend' ? [] : [{ name: 'daprd', image: 'daprd' }])] },
    status: {
      phase: 'Running',
      podIP: pod.ip,
      startTime: started,
      conditions: [{ type: 'Ready', status: 'True' }],
      containerStatuses: [{ name: pod.workload.container, ready: true, restartCount: pod.restarts, image: pod.workload.image, state: { running: { startedAt: started } } }],
    },
  };
}

/** Jaeger's envelope. MOCK_NO_TRACES shows the pages before the first trace. */
const jaeger = (response, data, counted = false) => json(response, { data, total: counted ? data.length : 0, limit: 0, offset: 0, errors: null });
const jaegerError = (response, status, msg) => json(response, { data: null, total: 0, limit: 0, offset: 0, errors: [{ code: status, msg }] }, status);
const traced = !process.env.MOCK_NO_TRACES;
/** MOCK_NO_SCALING shows the pages where nothing is autoscaled. */
const scaled = !process.env.MOCK_NO_SCALING;

/** The Alertmanager's API v2. */
function alertmanager(response, parameters, request, path) {
  if (!alerting.has) return json(response, { error: 'no Alertmanager here' }, 404);
  const answers = {
    '/api/v2/alerts': () => alerting.managed(parameters.getAll('filter')),
    '/api/v2/alerts/groups': alerting.alertGroups,
    '/api/v2/receivers': alerting.receivers,
    '/api/v2/status': alerting.status,
    '/api/v2/silences': alerting.listSilences,
  };
  if (request.method === 'POST' && path === '/api/v2/silences') {
    const made = alerting.setSilence(parameters);
    return json(response, made.error ?? made, made.error ? 400 : 200);
  }
  if (request.method === 'DELETE') return json(response, '', alerting.expire(path.split('/').at(-1)) ? 200 : 404);
  return answers[path] ? json(response, answers[path]()) : json(response, { code: 404, message: `path ${path} was not found` }, 404);
}

/** Answers of range queries, so that measuring the page does not measure the mock. */
const ranges = new Map();

const routes = [
  [/^\/api\/v1\/query$/, (r, _m, p) => {
    const time = Number(p.get('time') ?? Date.now() / 1000);
    const expr = p.get('query') ?? '';
    success(r, { resultType: 'vector', result: instant(expr, time) }, warned(expr));
  }],
  [/^\/api\/v1\/query_range$/, (r, _m, p) => {
    const expr = p.get('query') ?? '';
    const key = `${expr} ${p.get('start')} ${p.get('end')} ${p.get('step')}`;
    if (!ranges.has(key)) {
      if (ranges.size > 500) ranges.clear();
      const result = range(expr, Number(p.get('start')), Number(p.get('end')), Number(p.get('step')));
      ranges.set(key, JSON.stringify({ status: 'success', data: { resultType: 'matrix', result }, ...warned(expr) }));
    }
    r.writeHead(200, { 'content-type': 'application/json' });
    r.end(ranges.get(key));
  }],
  [/^\/api\/v1\/labels$/, (r, _m, p) => success(r, unique(selected(p).flatMap(Object.keys)))],
  [/^\/api\/v1\/label\/(.+)\/values$/, (r, m, p) => success(r, unique(selected(p).map((l) => l[m[1]]).filter(Boolean)))],
  [/^\/api\/v1\/series$/, (r, _m, p) => success(r, selected(p))],
  [/^\/api\/v1\/metadata$/, (r) => success(r, Object.fromEntries(Object.entries(catalog).map(([name, { type, help }]) => [name.replace(/_(bucket|sum|count)$/, ''), [{ type, help, unit: '' }]])))],
  [/^\/api\/v1\/targets$/, (r) => success(r, targets())],
  [/^\/api\/v1\/status\/buildinfo$/, (r) => success(r, { version: '0.1.0-mock' })],
  [/^\/api\/search$/, (r) => json(r, dashboards.map(({ uid, title, tags }) => ({ uid, title, tags, type: 'dash-db', folderTitle: tags.includes('mock') ? 'Mock' : 'tidewatch', url: `/d/${uid}` })))],
  [/^\/api\/dashboards\/uid\/(.+)$/, (r, m) => {
    const dashboard = dashboards.find((d) => d.uid === m[1]);
    json(r, dashboard ? { meta: { slug: m[1] }, dashboard } : { message: 'Dashboard not found' }, dashboard ? 200 : 404);
  }],
  [/^\/api\/v1\/query_exemplars$/, (r, _m, p) => success(r, traced ? traces.exemplars(p.get('query') ?? '', Number(p.get('start')), Number(p.get('end'))) : [])],
  [/^\/api\/services$/, (r) => jaeger(r, traced ? traces.services() : [], true)],
  [/^\/api\/operations$/, (r, _m, p) => jaeger(r, traced ? traces.operations(p.get('service')) : [], true)],
  [/^\/api\/traces$/, (r, _m, p) => {
    if (!p.get('service')) jaegerError(r, 400, "parameter 'service' is required");
    else jaeger(r, traced ? traces.searchTraces(p) : []);
  }],
  [/^\/api\/traces\/(.+)$/, (r, m) => {
    const trace = traced && traces.traceById(m[1]);
    if (trace) jaeger(r, [trace]);
    else jaegerError(r, 404, 'trace not found');
  }],
  [/^\/api\/dependencies$/, (r, _m, p) => jaeger(r, traced ? traces.dependencies(Number(p.get('endTs')) - Number(p.get('lookback')), Number(p.get('endTs'))) : [])],
  [/^\/api\/tidewatch\/v1\/autoscalers$/, (r) => (scaled ? json(r, { autoscalers: scaling.autoscalers() }) : json(r, { error: 'nothing is scaled here' }, 404))],
  [/^\/api\/tidewatch\/v1\/autoscalers\/[^/]+\/([^/]+)\/decisions$/, (r, m, p) => json(r, { decisions: scaling.decisions(m[1], Number(p.get('limit') ?? 100)) })],
  [/^\/api\/tidewatch\/v1\/simulation$/, (r, _m, body) => {
    const report = scaling.simulation(body);
    json(r, report, report.error ? 400 : 200);
  }],
  [/^\/api\/annotations$/, (r, _m, p) => json(r, [...(scaled ? scaling.annotations(Number(p.get('from')), Number(p.get('to'))) : []), ...alerting.annotations(Number(p.get('from')), Number(p.get('to')))])],
  [/^\/api\/v1\/rules$/, (r, _m, p) => success(r, { groups: alerting.groups(p.get('type') ?? undefined) })],
  [/^\/api\/v1\/alerts$/, (r) => success(r, { alerts: alerting.alerts() })],
  [/^\/api\/v2\//, (r, _m, p, request, path) => alertmanager(r, p, request, path)],
  [/^\/api\/tidewatch\/v1\/notifications$/, (r) => (alerting.has ? json(r, { notifications: alerting.notifications() }) : json(r, { error: 'no Alertmanager here' }, 404))],
  [/^\/api\/tidewatch\/v1\/slos$/, (r) => json(r, { slos: alerting.slos() })],
  [/^\/user\/([^/]+)$/, (r, m) => {
    const page = alerting.page(m[1]);
    r.writeHead(page ? 200 : 404, { 'content-type': 'text/plain; charset=utf-8' });
    r.end(page ?? 'no such page\n');
  }],
  [/^\/apis\/autoscaling\/v2\/horizontalpodautoscalers$/, (r) => (scaled ? json(r, { kind: 'HorizontalPodAutoscalerList', items: scaling.horizontalPodAutoscalers() }) : json(r, { kind: 'Status', message: 'nothing is scaled here' }, 404))],
  [/^\/apis\/apps\/v1\/deployments$/, (r) => json(r, { kind: 'DeploymentList', items: scaled ? scaling.deployments() : [] })],
  [/^\/api\/v1\/namespaces\/([^/]+)\/pods$/, (r) => json(r, { kind: 'PodList', apiVersion: 'v1', items: pods.map(podObject) })],
  [/^\/api\/v1\/namespaces\/([^/]+)\/pods\/([^/]+)\/log$/, (r, m, p) => {
    r.writeHead(200, { 'content-type': 'text/plain' });
    r.end(`${traces.logLines(m[2], Math.min(Number(p.get('tailLines') ?? 100), 5000)).join('\n')}\n`);
  }],
];

function serveFile(request, response, path) {
  const safe = normalize(path).replace(/^(\.\.[/\\])+/, '');
  const wanted = join(dist, safe);
  const file = existsSync(wanted) && statSync(wanted).isFile() ? wanted : join(dist, 'index.html');
  if (!existsSync(file)) {
    response.writeHead(404, { 'content-type': 'text/plain' });
    response.end('ui/dist is not there yet: run npm run build');
    return;
  }
  const gzip = existsSync(`${file}.gz`) && String(request.headers['accept-encoding']).includes('gzip');
  response.writeHead(200, {
    'content-type': types[extname(file)] ?? 'application/octet-stream',
    'content-security-policy': policy,
    'cache-control': file.includes('/assets/') ? 'public, max-age=31536000, immutable' : 'no-cache',
    ...(gzip ? { 'content-encoding': 'gzip' } : {}),
  });
  createReadStream(gzip ? `${file}.gz` : file).pipe(response);
}

const server = createServer(async (request, response) => {
  const url = new URL(request.url, 'http://mock');
  const route = routes.find(([pattern]) => pattern.test(url.pathname));
  try {
    if (route) await route[1](response, route[0].exec(url.pathname), await parametersOf(request, url), request, url.pathname);
    else if (url.pathname.startsWith('/api/')) json(response, { status: 'error', error: 'not found' }, 404);
    else serveFile(request, response, url.pathname);
  } catch (error) {
    const bad = error instanceof QueryError;
    json(response, { status: 'error', errorType: bad ? 'bad_data' : 'internal', error: bad ? `invalid parameter "query": ${error.message}` : String(error) }, bad ? 400 : 500);
  }
});

server.listen(port, '127.0.0.1', () => console.log(`mock on http://127.0.0.1:${server.address().port}`));
