// tidewatch and Jaeger v2 (all-in-one's configuration, in memory) on the same million spans: what a span costs to take in and to keep, how
// long searches take, and how soon a span can be seen. Prints both and their ratio. Needs JAEGER= or jaeger on the PATH (run.sh sees to
// it) and about 3 GB of memory.
//   SPANS=1000000  how many     ROUNDS=15  searches of each kind
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { Agent, request as httpRequest } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { encode } from '../../conformance/jaeger/protobuf.mjs';
import { int, random, string } from '../../conformance/jaeger/payload.mjs';
import { freePort } from '../../scripts/free-port.mjs';

const SPANS = Number(process.env.SPANS ?? 1_000_000);
const ROUNDS = Number(process.env.ROUNDS ?? 15);
const JAEGER = process.env.JAEGER ?? 'jaeger';
const TIDEWATCH = process.env.TIDEWATCH ?? 'target/release/tidewatch';
const TRACES_PER_REQUEST = 100;
const TEMPLATES = 40;
const SENDERS = 4;
const TICK_S = 0.01;

const folder = mkdtempSync(join(tmpdir(), 'tidewatch-jaeger-'));
const children = [];
const agent = new Agent({ keepAlive: true, maxSockets: SENDERS });
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const median = (values) => values.toSorted((a, b) => a - b)[values.length >> 1];

/** Processor seconds, and resident bytes in all and without pages of files. */
function usage(pid) {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ');
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const bytes = (field) => Number(status.match(new RegExp(`${field}:\\s+(\\d+)`))[1]) * 1024;
  return { cpu: (Number(stat[11]) + Number(stat[12])) * TICK_S, rss: bytes('VmRSS'), anon: bytes('RssAnon') };
}

/** Processor seconds once nothing is left to do. */
async function settled(pid) {
  for (let before = usage(pid); ; ) {
    await sleep(1000);
    const now = usage(pid);
    if (now.cpu - before.cpu < 0.05) return now;
    before = now;
  }
}

function call(url, options = {}, body) {
  return new Promise((resolve, reject) => {
    const request = httpRequest(url, { agent, ...options }, (answer) => {
      const parts = [];
      answer.on('data', (part) => parts.push(part));
      answer.on('end', () => resolve({ status: answer.statusCode, bytes: Buffer.concat(parts) }));
      answer.on('error', reject);
    });
    request.on('error', reject);
    request.end(body);
  });
}

async function start(name, program, args, otlp, api, env = {}) {
  const child = spawn(program, args, { stdio: 'ignore', env: { ...process.env, ...env } });
  children.push(child);
  const [otlpUrl, apiUrl] = [`http://127.0.0.1:${otlp}`, `http://127.0.0.1:${api}`];
  for (let attempt = 0; ; attempt++) {
    const answer = await call(`${apiUrl}/api/services`).catch(() => undefined);
    if (answer?.status === 200) break;
    if (attempt > 300) throw new Error(`${name} does not answer`);
    await sleep(100);
  }
  return { name, pid: child.pid, otlp: `${otlpUrl}/v1/traces`, api: apiUrl };
}

async function both() {
  const ports = [];
  for (let n = 0; n < 9; n++) ports.push(await freePort());
  const [a, b, c, d, e, f, g, h, i] = ports;
  const yaml = readFileSync('conformance/jaeger/jaeger.yaml', 'utf8')
    .replace('      receivers: [otlp]\n', '      receivers: [otlp]\n      processors: [batch]\n')
    .concat('processors:\n  batch:\n');
  writeFileSync(join(folder, 'jaeger.yaml'), yaml);
  writeFileSync(join(folder, 'empty.yml'), 'global: {}\n');
  const flags = [`--config.file=${join(folder, 'empty.yml')}`, `--storage.tsdb.path=${join(folder, 'data')}`, `--web.listen-address=127.0.0.1:${a}`, `--otlp.http.listen-address=127.0.0.1:${b}`, `--otlp.grpc.listen-address=127.0.0.1:${c}`, `--jaeger.web.listen-address=127.0.0.1:${d}`, `--jaeger.sampling.listen-address=127.0.0.1:${e}`];
  const ours = await start('tidewatch', TIDEWATCH, ['serve', ...flags], b, d);
  const theirs = await start('jaeger', JAEGER, ['--config', join(folder, 'jaeger.yaml')], f, g, { JAEGER_OTLP_PORT: f, JAEGER_QUERY_PORT: g, JAEGER_OTLP_GRPC_PORT: h, JAEGER_QUERY_GRPC_PORT: i, JAEGER_MAX_TRACES: String(SPANS) });
  return [ours, theirs];
}

// ---- the payload ---------------------------------------------------------------------------------------------------

const hex = (number, digits) => number.toString(16).padStart(digits, '0');
const base = BigInt(Date.now()) * 1_000_000n - 3_600_000_000_000n;

/** Requests of a hundred traces of five spans over three services, as three agents' batches would hold them. */
function template(number) {
  const next = random(number + 1);
  const services = ['todo-frontend', 'todo-backend', 'event-service'].map((name) => ({
    resource: { attributes: [string('service.name', name), string('service.version', '0.1.0'), string('k8s.pod.name', `${name}-7b59bdc74c-${number % 3}`), string('k8s.namespace.name', 'todo-app-prod'), string('telemetry.sdk.language', 'rust'), string('telemetry.sdk.name', 'opentelemetry')] },
    scopeSpans: [{ scope: { name: 'todo', version: '0.1.0' }, spans: [] }],
  }));
  const marks = [];
  for (let trace = 0; trace < TRACES_PER_REQUEST; trace++) {
    const traceId = hex(0xa5a5_0000_0000n + BigInt(number * TRACES_PER_REQUEST + trace), 16) + hex(BigInt(Math.floor(next() * 2 ** 48)), 16);
    const task = `task-${traceId.slice(0, 16)}`;
    marks.push({ traceId: Buffer.from(traceId, 'hex'), task: Buffer.from(task) });
    const start = base + BigInt(Math.floor(next() * 3.5e12));
    const length = 300_000 + Math.floor(next() * next() * 80_000_000);
    const failed = next() < 0.03;
    const method = ['GET', 'POST', 'PUT', 'DELETE'][Math.floor(next() * 4)];
    const span = (service, id, parent, name, kind, offset, end, attributes, extra = {}) =>
      services[service].scopeSpans[0].spans.push({ traceId, spanId: hex(BigInt(Math.floor(next() * 2 ** 44)) * 8n + BigInt(id), 16), parentSpanId: parent, name, kind, startTimeUnixNano: String(start + BigInt(offset)), endTimeUnixNano: String(start + BigInt(end)), attributes, status: failed ? { code: 2, message: 'no such task' } : {}, flags: 0x101, ...extra });
    const last = (service) => services[service].scopeSpans[0].spans.at(-1).spanId;
    const http = [string('http.request.method', method), string('url.scheme', 'http'), int('http.response.status_code', failed ? 404 : 200), string('network.protocol.version', '1.1')];
    span(0, 1, '', `${method} /tasks/{id}`, 2, 0, length, [...http, string('http.route', '/tasks/{id}'), string('url.path', `/tasks/${task}`), string('user_agent.original', 'Mozilla/5.0 (X11; Linux x86_64)')]);
    span(0, 2, last(0), method, 3, 20_000, length - 20_000, [...http, string('server.address', 'todo-backend'), int('server.port', 8000)]);
    span(1, 3, last(0), `${method} /api/tasks/{id}`, 2, 50_000, length - 50_000, [...http, string('http.route', '/api/tasks/{id}'), string('task.id', task), string('client.address', '127.64.1.5')], { events: failed ? [{ timeUnixNano: String(start + 60_000n), name: 'exception', attributes: [string('exception.type', 'NotFound'), string('exception.message', `no task ${task}`)] }] : [] });
    span(1, 4, last(1), 'SELECT tasks', 3, 90_000, Math.floor(length / 2), [string('db.system.name', 'sqlite'), string('db.query.text', 'SELECT id, title, done FROM tasks WHERE id = ?'), string('db.namespace', 'todo')]);
    span(2, 5, last(1), 'process task-events', 5, length, length + 400_000, [string('messaging.system', 'kafka'), string('messaging.destination.name', 'task-events'), int('messaging.kafka.offset', Math.floor(next() * 1e6)), string('task.id', task)]);
  }
  const bytes = encode({ resourceSpans: services });
  const places = [];
  for (const { traceId, task } of marks) {
    for (let at = bytes.indexOf(traceId); at >= 0; at = bytes.indexOf(traceId, at + 1)) places.push([at, true]);
    for (let at = bytes.indexOf(task); at >= 0; at = bytes.indexOf(task, at + 1)) places.push([at + 5, false]);
  }
  return { bytes, places, spans: marks.length * 5 };
}

/** The request as round `round` of its template: other traces, other tasks. */
function stamped({ bytes, places }, round) {
  const out = Buffer.from(bytes);
  const text = Buffer.from(hex(round, 4));
  for (const [at, isId] of places) {
    if (isId) out.writeUInt16BE(round, at);
    else text.copy(out, at);
  }
  return out;
}

const templates = Array.from({ length: TEMPLATES }, (_, number) => template(number));
const total = Math.ceil(SPANS / templates[0].spans);
const payload = (number) => stamped(templates[number % TEMPLATES], Math.floor(number / TEMPLATES) + 1);

async function fill(engine) {
  const headers = { 'Content-Type': 'application/x-protobuf' };
  let next = 0;
  const before = await settled(engine.pid);
  const began = performance.now();
  const sender = async () => {
    while (next < total) {
      const body = payload(next++);
      const answer = await call(engine.otlp, { method: 'POST', headers: { ...headers, 'Content-Length': body.length } }, body);
      if (answer.status !== 200) throw new Error(`${engine.name}: ${answer.status} ${answer.bytes}`);
    }
  };
  await Promise.all(Array.from({ length: SENDERS }, sender));
  const seconds = (performance.now() - began) / 1000;
  const after = await settled(engine.pid);
  engine.before = before;
  const spans = total * templates[0].spans;
  return { rate: spans / seconds, cpu: ((after.cpu - before.cpu) / spans) * 1e6, rss: (after.rss - before.rss) / spans, anon: (after.anon - before.anon) / spans };
}

// ---- questions -----------------------------------------------------------------------------------------------------

const micro = (ns) => String(ns / 1000n);
const everything = { start: micro(base - 1_000_000_000n), end: micro(base + 3_700_000_000_000n), limit: '20' };
const searches = [
  ['service', { service: 'todo-backend' }],
  ['service and operation', { service: 'todo-frontend', operation: 'POST /tasks/{id}' }],
  ['common tag', { service: 'todo-backend', tags: '{"http.request.method":"PUT"}' }],
  ['failed requests', { service: 'todo-frontend', tags: '{"http.response.status_code":"404"}' }],
  ['one task', { service: 'todo-backend', tags: JSON.stringify({ 'task.id': `task-0001${hex(0xa5a5_0000_0000n + 3n, 16).slice(4)}` }) }],
  ['no such task', { service: 'todo-backend', tags: '{"task.id":"nowhere"}' }],
  ['slow', { service: 'todo-backend', minDuration: '75ms' }],
  ['none so slow', { service: 'todo-backend', minDuration: '5s' }],
  ['one minute', { service: 'todo-frontend', start: micro(base + 600_000_000_000n), end: micro(base + 660_000_000_000n) }],
  ['operation, tag, duration', { service: 'event-service', operation: 'process task-events', tags: '{"messaging.system":"kafka"}', minDuration: '100us' }],
  ['100 traces', { service: 'todo-backend', limit: '100' }],
];

async function timed(engine, parameters) {
  const began = performance.now();
  const answer = await call(`${engine.api}/api/traces?${new URLSearchParams({ ...everything, ...parameters })}`);
  const ms = performance.now() - began;
  const { data } = JSON.parse(answer.bytes);
  return { ms, traces: data.length };
}

async function visible(engine, number) {
  const traceId = hex(0xbeef_0000n + BigInt(number), 32);
  const start = BigInt(Date.now()) * 1_000_000n;
  const body = encode({ resourceSpans: [{ resource: { attributes: [string('service.name', 'seen')] }, scopeSpans: [{ spans: [{ traceId, spanId: hex(number + 1, 16), name: 'seen', kind: 1, startTimeUnixNano: String(start), endTimeUnixNano: String(start + 1000n) }] }] }] });
  const began = performance.now();
  await call(engine.otlp, { method: 'POST', headers: { 'Content-Type': 'application/x-protobuf', 'Content-Length': body.length } }, body);
  for (;;) {
    const answer = await call(`${engine.api}/api/traces/${traceId}`);
    if (answer.status === 200) return performance.now() - began;
    await sleep(1);
  }
}

const bars = [];
function row(label, ours, theirs, unit, digits, holds, bar) {
  const shown = (value) => value.toFixed(digits).padStart(11);
  const verdict = bar ? (holds ? `holds ${bar}` : `MISSES ${bar}`) : '';
  if (bar) bars.push(holds);
  console.log(`${label.padEnd(34)}${shown(ours)} ${shown(theirs)} ${unit.padEnd(9)} ratio ${(ours / theirs).toFixed(3).padStart(7)}  ${verdict}`);
}

try {
  const engines = await both();
  console.log(`${''.padEnd(34)}${'tidewatch'.padStart(11)} ${'jaeger'.padStart(11)}`);
  const [ours, theirs] = [await fill(engines[0]), await fill(engines[1])];
  row('taken in, four senders', ours.rate, theirs.rate, 'spans/s', 0);
  row('processor time per million spans', ours.cpu, theirs.cpu, 's', 2, ours.cpu * 3 <= theirs.cpu, 'at most a third');
  row('resident bytes per span', ours.rss, theirs.rss, 'bytes', 0, ours.rss * 4 <= theirs.rss, 'at most a quarter');
  row('  of them without files', ours.anon, theirs.anon, 'bytes', 0);
  const all = [[], []];
  for (const [label, parameters] of searches) {
    const times = [[], []];
    let found = [];
    for (let round = 0; round <= ROUNDS; round++) {
      found = [];
      for (const [at, engine] of engines.entries()) {
        const { ms, traces } = await timed(engine, parameters);
        found.push(traces);
        if (round > 0) times[at].push(ms); // the first warms up
      }
    }
    times.forEach((values, at) => all[at].push(...values));
    row(`  ${label} (${found.join(' and ')})`, median(times[0]), median(times[1]), 'ms', 2);
  }
  row('search, median of all', median(all[0]), median(all[1]), 'ms', 2, median(all[0]) <= 0.3 * median(all[1]), 'at most 0.3');
  const grown = engines.map((engine) => (usage(engine.pid).rss - engine.before.rss) / (total * templates[0].spans));
  row('resident bytes per span afterwards', grown[0], grown[1], 'bytes', 0, grown[0] * 4 <= grown[1], 'at most a quarter');
  const seen = [[], []];
  for (let number = 0; number < 20; number++) for (const [at, engine] of engines.entries()) seen[at].push(await visible(engine, number));
  row('from sent to seen', median(seen[0]), median(seen[1]), 'ms', 2, median(seen[0]) <= 50, 'at most 50 ms');
} finally {
  for (const child of children) child.kill('SIGKILL');
  agent.destroy();
  rmSync(folder, { recursive: true, force: true });
}
process.exitCode = bars.every(Boolean) ? 0 : 1;
