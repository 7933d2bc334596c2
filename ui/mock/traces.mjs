// The traces of the mock: requests of the last hours through frontend, backend, database, sidecars and event service, in Jaeger's JSON. Repeatable: a
// trace is made of the number of the second it began in. Beside them four odd ones with fixed ids: very large, skewed clocks, parts missing, a loop.
import { namespace, pods } from './metrics.mjs';

const everySeconds = 20;
const perSlot = 2;
export const odd = {
  large: '000000000000000000000000000a1000',
  skewed: '000000000000000000000000000a2000',
  broken: '000000000000000000000000000a3000',
  deep: '000000000000000000000000000a4000',
};

/** Numbers from 0 to 1, the same for the same seed. */
function random(seed) {
  let state = (seed * 2654435761) >>> 0 || 1;
  return () => {
    state ^= state << 13;
    state >>>= 0;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state / 2 ** 32;
  };
}

const hex = (next, digits) => Array.from({ length: digits / 4 }, () => Math.floor(next() * 65536).toString(16).padStart(4, '0')).join('');
const kv = (tags) => Object.entries(tags).map(([key, value]) => ({ key, type: typeof value === 'boolean' ? 'bool' : typeof value === 'number' ? (Number.isInteger(value) ? 'int64' : 'float64') : 'string', value }));

class Builder {
  constructor(id, startUs, next) {
    Object.assign(this, { id, startUs, next, spans: [], processes: {} });
  }

  process(service, pod, more = {}) {
    const key = `p${service} ${pod?.name ?? ''} ${more['telemetry.sdk.language'] ?? ''}`;
    this.processes[key] ??= {
      serviceName: service,
      tags: kv({ 'service.version': '0.1.0', 'service.namespace': 'todo-app', ...(pod ? { 'k8s.namespace.name': namespace, 'k8s.pod.name': pod.name, 'k8s.deployment.name': pod.workload.name, 'service.instance.id': pod.uid } : {}), 'telemetry.sdk.name': 'opentelemetry', 'telemetry.sdk.language': 'rust', ...more }),
    };
    return key;
  }

  /** Times in microseconds since the start of the trace. */
  span(processID, name, kind, at, duration, parent, tags = {}, { error, logs = [], links = [] } = {}) {
    const spanID = hex(this.next, 16);
    const references = parent ? [{ refType: 'CHILD_OF', traceID: this.id, spanID: parent }] : [];
    this.spans.push({
      traceID: this.id,
      spanID,
      operationName: name,
      references: [...references, ...links.map((l) => ({ refType: 'FOLLOWS_FROM', ...l }))],
      startTime: this.startUs + Math.round(at),
      duration: Math.max(1, Math.round(duration)),
      tags: kv({ ...tags, 'span.kind': kind, ...(error ? { 'otel.status_code': 'ERROR', 'otel.status_description': error, error: true } : {}), 'otel.scope.name': 'todo' }),
      logs: logs.map(([offset, event, fields = {}]) => ({ timestamp: this.startUs + Math.round(at + offset), fields: kv({ event, ...fields }) })),
      processID,
      warnings: null,
    });
    return spanID;
  }

  done() {
    return { traceID: this.id, spans: this.spans, processes: this.processes, warnings: null };
  }
}

const podOf = (next, name) => {
  const own = pods.filter((p) => p.workload.name === name);
  return own[Math.floor(next() * own.length)];
};

const http = (method, route, status, more = {}) => ({ 'http.request.method': method, 'http.route': route, 'url.path': route, 'http.response.status_code': status, 'network.protocol.version': '1.1', ...more });
const sql = (text, operation, collection) => ({ 'db.system.name': 'sqlite', 'db.namespace': 'todo', 'db.query.text': text, 'db.operation.name': operation, 'db.collection.name': collection });
const messaging = (operation, more = {}) => ({ 'messaging.system': 'kafka', 'messaging.destination.name': 'task-events', 'messaging.operation.type': operation, ...more });

/** A new task, from the form to the activity entry. */
function create(b, next, slow, failing) {
  const [frontendPod, backendPod, eventPod] = ['todo-frontend', 'todo-backend', 'event-service'].map((name) => podOf(next, name));
  const frontend = b.process('todo-frontend', frontendPod);
  const backend = b.process('todo-backend', backendPod);
  const event = b.process('event-service', eventPod);
  const sendSide = b.process('todo-backend', backendPod, { 'telemetry.sdk.language': 'go', 'dapr.app_id': 'todo-backend' });
  const receiveSide = b.process('event-service', eventPod, { 'telemetry.sdk.language': 'go', 'dapr.app_id': 'event-service' });
  const f = slow * (0.7 + next() * 0.9);
  const task = 1000 + Math.floor(next() * 9000);
  const root = b.span(frontend, 'POST /tasks', 'server', 0, 6400 * f, undefined, http('POST', '/tasks', 303, { 'client.address': '127.0.0.1', 'user_agent.original': 'Mozilla/5.0' }));
  const call = b.span(frontend, 'POST', 'client', 420 * f, 5600 * f, root, { 'http.request.method': 'POST', 'server.address': 'todo-backend', 'server.port': 8000, 'url.full': 'http://todo-backend:8000/api/tasks', 'http.response.status_code': 201 });
  const handle = b.span(backend, 'POST /api/tasks', 'server', 700 * f, 5000 * f, call, http('POST', '/api/tasks', 201), { logs: [[300, 'task accepted', { 'task.id': task, title: 'water the plants' }]] });
  const transaction = b.span(backend, 'create task', 'internal', 1000 * f, 4300 * f, handle, { 'task.id': task });
  b.span(backend, 'BEGIN', 'client', 1050 * f, 120 * f, transaction, sql('BEGIN IMMEDIATE', 'BEGIN', ''));
  b.span(backend, 'INSERT tasks', 'client', 1250 * f, 900 * f, transaction, sql('INSERT INTO tasks (id, title, completed, created_at) VALUES (?, ?, ?, ?) RETURNING *', 'INSERT', 'tasks'));
  b.span(backend, 'INSERT outbox', 'client', 2250 * f, 700 * f, transaction, sql('INSERT INTO outbox (event_id, task_id, payload, traceparent) VALUES (?, ?, ?, ?)', 'INSERT', 'outbox'));
  b.span(backend, 'COMMIT', 'client', 3050 * f, 2100 * f, transaction, sql('COMMIT', 'COMMIT', ''));
  const relayAt = 6000 * f + 4000 + next() * 30_000;
  const send = b.span(backend, 'send task-events', 'producer', relayAt, 7200 * f, transaction, messaging('send', { 'messaging.message.id': hex(next, 32), 'messaging.batch.message_count': 1 }));
  const publish = b.span(sendSide, '/v1.0/publish/todo-pubsub/task-events', 'server', relayAt + 400 * f, 6300 * f, send, { 'rpc.system': 'dapr', 'dapr.api': 'POST /v1.0/publish/todo-pubsub/task-events', 'http.response.status_code': 204 });
  const deliverAt = relayAt + 7000 * f + next() * 2500;
  const deliver = b.span(receiveSide, 'pubsub/task-events', 'consumer', deliverAt, 4700 * f, publish, messaging('process', { 'messaging.kafka.consumer.group': 'event-service', 'messaging.destination.partition.id': String(task % 5) }), failing ? { error: 'the app answered 500', logs: [[4000 * f, 'exception', { 'exception.type': 'RetryableError', 'exception.message': 'status 500 from /events/tasks, the message will be delivered again', 'exception.stacktrace': 'runtime.processCloudEvent\n  at pubsub/publish.go:212\nruntime.deliver\n  at pubsub/subscriber.go:88' }]] } : {});
  const store = b.span(event, 'POST /events/tasks', 'server', deliverAt + 500 * f, 3800 * f, deliver, http('POST', '/events/tasks', failing ? 500 : 200, { 'cloudevents.event_type': 'task.created', 'cloudevents.event_id': hex(next, 32) }), failing ? { error: 'database is locked' } : {});
  b.span(event, 'INSERT activity', 'client', deliverAt + 1000 * f, 2600 * f, store, sql('INSERT INTO activity (event_id, task_id, kind, at) VALUES (?, ?, ?, ?) ON CONFLICT (event_id) DO NOTHING', 'INSERT', 'activity'), failing ? { error: 'SQLITE_BUSY: database is locked' } : {});
  if (failing) {
    const again = b.span(receiveSide, 'pubsub/task-events', 'consumer', deliverAt + 210_000, 3900 * f, publish, messaging('process', { 'messaging.kafka.consumer.group': 'event-service', 'dapr.retry': 1 }));
    const stored = b.span(event, 'POST /events/tasks', 'server', deliverAt + 210_500, 2900 * f, again, http('POST', '/events/tasks', 200));
    b.span(event, 'INSERT activity', 'client', deliverAt + 210_900, 1900 * f, stored, sql('INSERT INTO activity (event_id, task_id, kind, at) VALUES (?, ?, ?, ?) ON CONFLICT (event_id) DO NOTHING', 'INSERT', 'activity'));
  }
}

/** The page with its list: two calls at the same time. */
function list(b, next, slow, failing) {
  const frontend = b.process('todo-frontend', podOf(next, 'todo-frontend'));
  const backend = b.process('todo-backend', podOf(next, 'todo-backend'));
  const event = b.process('event-service', podOf(next, 'event-service'));
  const f = slow * (0.6 + next() * 0.8);
  const root = b.span(frontend, 'GET /', 'server', 0, 5200 * f, undefined, http('GET', '/', failing ? 502 : 200), failing ? { error: 'event service: connection refused' } : {});
  const tasks = b.span(frontend, 'GET', 'client', 300 * f, 3600 * f, root, { 'http.request.method': 'GET', 'server.address': 'todo-backend', 'url.full': 'http://todo-backend:8000/api/tasks', 'http.response.status_code': 200 });
  const handle = b.span(backend, 'GET /api/tasks', 'server', 600 * f, 3000 * f, tasks, http('GET', '/api/tasks', 200));
  b.span(backend, 'SELECT tasks', 'client', 900 * f, 2300 * f, handle, sql('SELECT id, title, completed, created_at FROM tasks ORDER BY created_at DESC LIMIT ?', 'SELECT', 'tasks'));
  const activity = b.span(frontend, 'GET', 'client', 320 * f, 2100 * f, root, { 'http.request.method': 'GET', 'server.address': 'event-service', 'url.full': 'http://event-service:8001/api/activity', ...(failing ? { 'error.type': 'connection_refused' } : { 'http.response.status_code': 200 }) }, failing ? { error: 'connection refused' } : {});
  if (!failing) {
    const events = b.span(event, 'GET /api/activity', 'server', 600 * f, 1600 * f, activity, http('GET', '/api/activity', 200));
    b.span(event, 'SELECT activity', 'client', 800 * f, 1200 * f, events, sql('SELECT event_id, task_id, kind, at FROM activity ORDER BY at DESC LIMIT 50', 'SELECT', 'activity'));
  }
  b.span(frontend, 'render', 'internal', 4000 * f, 1000 * f, root, { template: 'index.html' });
}

function complete(b, next, slow, failing) {
  const backend = b.process('todo-backend', podOf(next, 'todo-backend'));
  const f = slow * (0.6 + next() * 0.8);
  const status = failing ? 404 : 200;
  const root = b.span(backend, 'POST /api/tasks/{id}/complete', 'server', 0, 3000 * f, undefined, http('POST', '/api/tasks/{id}/complete', status));
  b.span(backend, 'UPDATE tasks', 'client', 400 * f, 2000 * f, root, sql('UPDATE tasks SET completed = 1 WHERE id = ?', 'UPDATE', 'tasks'));
}

/** Slots counted from the epoch, so that a trace keeps its id while time goes on. */
function usual(slot) {
  return Array.from({ length: perSlot }, (_, i) => {
    const next = random(slot * perSlot + i + 1);
    next();
    const start = (slot * everySeconds + next() * everySeconds) * 1e6;
    const b = new Builder(hex(next, 32), Math.floor(start), next);
    const what = next();
    const slow = next() < 0.05 ? 12 + next() * 30 : 1 + next() * 0.5;
    const failing = next() < 0.06;
    (what < 0.5 ? create : what < 0.85 ? list : complete)(b, next, slow, failing);
    return b.done();
  });
}

/** Ten thousand spans: an import that calls for each of its rows. */
function large(startUs) {
  const next = random(99);
  const b = new Builder(odd.large, startUs, next);
  const backend = b.process('todo-backend', pods[0]);
  const services = Array.from({ length: 9 }, (_, i) => b.process(`worker-${i}`));
  const root = b.span(backend, 'import tasks', 'server', 0, 4_000_000, undefined, { rows: 1249 });
  for (let i = 0; i < 1249; i++) {
    const at = i * 3150 + next() * 400;
    const row = b.span(services[i % 9], 'import row', 'client', at, 3000, root, { row: i });
    for (let k = 0; k < 7; k++) b.span(services[(i + k) % 9], k % 2 ? 'SELECT tasks' : 'validate', 'internal', at + 100 + k * 390, 350 * next() + 20, row, { step: k }, i === 700 && k === 3 ? { error: 'duplicate title' } : {});
  }
  b.span(backend, 'finish', 'internal', 3_960_000, 30_000, root);
  return b.done();
}

function skewed(startUs) {
  const next = random(98);
  const b = new Builder(odd.skewed, startUs, next);
  const frontend = b.process('todo-frontend', pods[2]);
  const backend = b.process('todo-backend', pods[0]);
  const root = b.span(frontend, 'GET /', 'server', 0, 9000, undefined, http('GET', '/', 200));
  const call = b.span(frontend, 'GET', 'client', 1000, 7000, root);
  const handle = b.span(backend, 'GET /api/tasks', 'server', -86_000, 5000, call, http('GET', '/api/tasks', 200));
  b.spans.at(-1).warnings = ['clock skew adjustment disabled; not applying calculated delta of 87ms'];
  b.span(backend, 'SELECT tasks', 'client', -85_000, 3000, handle, sql('SELECT * FROM tasks', 'SELECT', 'tasks'));
  return b.done();
}

function broken(startUs) {
  const next = random(97);
  const b = new Builder(odd.broken, startUs, next);
  const backend = b.process('todo-backend', pods[0]);
  const event = b.process('event-service', pods[4]);
  const lost = b.span(event, 'POST /events/tasks', 'server', 3000, 4000, 'ffffffffffffffff', http('POST', '/events/tasks', 200), { links: [{ traceID: odd.skewed, spanID: '00000000000000ab' }] });
  b.span(event, 'INSERT activity', 'client', 3500, 2000, lost, sql('INSERT INTO activity', 'INSERT', 'activity'));
  const root = b.span(backend, 'relay', 'internal', 0, 2500);
  b.span(backend, 'SELECT outbox', 'client', 200, 900, root, sql('SELECT * FROM outbox', 'SELECT', 'outbox'));
  b.span(backend, 'relay', 'internal', 8000, 1000);
  return b.done();
}

function deep(startUs) {
  const next = random(96);
  const b = new Builder(odd.deep, startUs, next);
  const backend = b.process('todo-backend', pods[0]);
  let parent;
  for (let i = 0; i < 60; i++) parent = b.span(backend, `level ${i}`, 'internal', i * 100, 20_000 - i * 250, parent);
  return b.done();
}

const durationOf = (trace) => {
  const starts = trace.spans.map((s) => s.startTime);
  return { start: Math.min(...starts), spans: trace.spans };
};

const slots = new Map();
const slotTraces = (slot) => {
  if (!slots.has(slot)) slots.set(slot, usual(slot));
  return slots.get(slot);
};

const begun = Math.floor(Date.now() / 1000) * 1e6;
// the last two are found by their ids only
const strange = [skewed(begun - 300e6), broken(begun - 360e6), deep(begun - 420e6), large(begun - 240e6)];

/** All traces that began between two times in seconds, at most four hours of them. */
export function tracesBetween(from, to) {
  const first = Math.floor(Math.max(from, to - 4 * 3600) / everySeconds);
  const now = Date.now() * 1000;
  const found = [];
  for (let slot = Math.floor(to / everySeconds); slot >= first; slot--) found.push(...slotTraces(slot));
  return [...found, ...strange.slice(0, 2)].filter((t) => {
    const { start } = durationOf(t);
    return start >= from * 1e6 && start <= to * 1e6 && start < now;
  });
}

const serviceOf = (trace, span) => trace.processes[span.processID].serviceName;
const goUnits = { ns: 1e-3, us: 1, 'µs': 1, ms: 1e3, s: 1e6, m: 60e6, h: 3600e6 };
const goDuration = (text) => [...text.matchAll(/([\d.]+)(ns|us|µs|ms|s|m|h)/g)].reduce((sum, [, n, unit]) => sum + Number(n) * goUnits[unit], 0);

export function searchTraces(p) {
  const to = Number(p.get('end') ?? Date.now() * 1000) / 1e6;
  const from = Number(p.get('start') ?? (to - 48 * 3600) * 1e6) / 1e6;
  const tags = Object.entries(JSON.parse(p.get('tags') ?? '{}'));
  const min = p.get('minDuration') ? goDuration(p.get('minDuration')) : 0;
  const max = p.get('maxDuration') ? goDuration(p.get('maxDuration')) : Infinity;
  const matches = (trace, span) => {
    const all = [...span.tags, ...trace.processes[span.processID].tags, ...span.logs.flatMap((l) => l.fields)];
    return (
      serviceOf(trace, span) === p.get('service') &&
      (!p.get('operation') || span.operationName === p.get('operation')) &&
      span.duration >= min &&
      span.duration <= max &&
      tags.every(([key, value]) => all.some((t) => t.key === key && String(t.value) === value))
    );
  };
  return tracesBetween(from, to)
    .filter((trace) => trace.spans.some((span) => matches(trace, span)))
    .sort((a, b) => durationOf(b).start - durationOf(a).start)
    .slice(0, Number(p.get('limit') ?? 100));
}

const recent = () => tracesBetween(Date.now() / 1000 - 4 * 3600, Date.now() / 1000);
export const traceById = (id) => [...recent(), ...strange].find((t) => t.traceID.padStart(32, '0') === id.toLowerCase().padStart(32, '0'));
export const services = () => [...new Set(recent().flatMap((t) => Object.values(t.processes).map((p) => p.serviceName)))].sort();

export function operations(service) {
  const pairs = recent().flatMap((t) => t.spans.filter((s) => serviceOf(t, s) === service).map((s) => `${s.operationName}\n${s.tags.find((x) => x.key === 'span.kind').value}`));
  return [...new Set(pairs)].sort().map((pair) => ({ name: pair.split('\n')[0], spanKind: pair.split('\n')[1] }));
}

export function dependencies(fromMs, toMs) {
  const counts = new Map();
  for (const trace of tracesBetween(fromMs / 1000, toMs / 1000)) {
    const byId = new Map(trace.spans.map((s) => [s.spanID, s]));
    for (const span of trace.spans) {
      const parent = byId.get(span.references[0]?.spanID);
      if (!parent) continue;
      const key = `${serviceOf(trace, parent)}\n${serviceOf(trace, span)}`;
      counts.set(key, (counts.get(key) ?? 0) + 1);
    }
  }
  return [...counts].map(([key, callCount]) => ({ parent: key.split('\n')[0], child: key.split('\n')[1], callCount }));
}

/** Exemplars of the request durations: the roots and their durations in seconds. */
export function exemplars(expr, start, end) {
  if (!/_bucket|duration/.test(expr)) return [];
  const rows = new Map();
  for (const trace of tracesBetween(start, end)) {
    for (const span of trace.spans) {
      const route = span.tags.find((t) => t.key === 'http.route')?.value;
      if (!route || span.tags.find((t) => t.key === 'span.kind').value !== 'server') continue;
      const pod = trace.processes[span.processID].tags.find((t) => t.key === 'k8s.pod.name')?.value ?? '';
      const key = JSON.stringify({ __name__: 'http_request_duration_seconds_bucket', job: serviceOf(trace, span), pod, namespace, method: span.operationName.split(' ')[0], endpoint: route });
      if (!rows.has(key)) rows.set(key, []);
      rows.get(key).push({ labels: { trace_id: trace.traceID, span_id: span.spanID }, value: String(span.duration / 1e6), timestamp: span.startTime / 1e6 });
    }
  }
  return [...rows].map(([labels, list]) => ({ seriesLabels: JSON.parse(labels), exemplars: list.sort((a, b) => a.timestamp - b.timestamp) }));
}

/** Lines of a pod's log that name traces, newest last. */
export function logLines(pod, count) {
  const lines = [];
  for (const trace of recent().slice(0, 400)) {
    for (const span of trace.spans) {
      if (!trace.processes[span.processID].tags.some((t) => t.key === 'k8s.pod.name' && t.value === pod)) continue;
      const kind = span.tags.find((t) => t.key === 'span.kind').value;
      if (kind !== 'server') continue;
      const failed = span.tags.some((t) => t.key === 'error');
      lines.push([span.startTime, JSON.stringify({ timestamp: new Date((span.startTime + span.duration) / 1000).toISOString(), level: failed ? 'WARN' : 'INFO', message: failed ? 'request failed' : 'request', route: span.operationName, duration_ms: span.duration / 1000, trace_id: trace.traceID, span_id: span.spanID })]);
    }
  }
  return lines.sort((a, b) => a[0] - b[0]).slice(-count).map(([, line]) => line);
}
