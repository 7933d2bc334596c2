// The same requests to Jaeger and to tidewatch, the same questions to both, and what differs. Exits with 1 when something does.
//   node compare.mjs <Jaeger's OTLP> <Jaeger's API> <tidewatch's OTLP> <tidewatch's API>
import { encode } from './protobuf.mjs';
import { random, requests, spansOf } from './payload.mjs';

const [jaegerIn, jaeger, tidewatchIn, tidewatch] = process.argv.slice(2);
const hour = 3_600_000_000_000n;
const base = (BigInt(Date.now()) * 1_000_000n) / hour * hour - hour;
const sent = requests(base);

async function send(address) {
  for (const [number, request] of sent.entries()) {
    const [type, body] = number % 2 ? ['application/json', JSON.stringify(request)] : ['application/x-protobuf', encode(request)];
    const answer = await fetch(`${address}/v1/traces`, { method: 'POST', headers: { 'Content-Type': type }, body });
    if (!answer.ok) throw new Error(`${address} refuses request ${number}: ${answer.status} ${await answer.text()}`);
  }
}

// ---- what is legitimately free -------------------------------------------------------------------------------------

const by = (key) => (a, b) => (key(a) < key(b) ? -1 : key(a) > key(b) ? 1 : 0);
const asText = JSON.stringify;

/** A legacy trace: the order of spans and the numbers of processes come from maps in Jaeger. */
function legacyTrace(trace) {
  const spans = trace.spans.map(({ processID, warnings, ...span }) => ({
    ...span,
    process: trace.processes[processID],
    warnings: warnings?.map((warning) => warning.replace(/ XXX_.*\}$/, '}')) ?? null,
  }));
  // of spans with one id, which counts as the first is the map's choice too
  const isDuplicate = (warning) => warning.startsWith('duplicate span IDs');
  const duplicates = spans.filter(({ warnings }) => warnings?.some(isDuplicate)).length;
  for (const span of spans) span.warnings = span.warnings?.filter((warning) => !isDuplicate(warning)) ?? [];
  return { ...trace, spans: spans.sort(by(asText)), duplicates, processes: Object.keys(trace.processes).length };
}

/** OTLP: spans one by one with their resource and scope, since how they are grouped is free; warnings apart. */
function otlpSpans(data) {
  const out = [];
  for (const { resource, scopeSpans } of data.resourceSpans) {
    for (const { scope, spans } of scopeSpans) {
      for (const { attributes, events, ...span } of spans ?? []) {
        const isWarning = ({ key }) => key === '@jaeger@warnings';
        const warnings = attributes?.filter(isWarning).flatMap(({ value }) => value.arrayValue.values.map((text) => text.stringValue)) ?? [];
        out.push({
          ...span,
          attributes: attributes?.filter((attribute) => !isWarning(attribute)) ?? [],
          // Jaeger adds the same warnings again whenever it is asked
          warnings: [...new Set(warnings)].sort(),
          events: [...(events ?? [])].sort(by(asText)),
          resource: { ...resource, attributes: [...(resource.attributes ?? [])].sort(by(asText)) },
          scope,
        });
      }
    }
  }
  return out.sort(by(asText));
}

/** Texts of errors whose end is the JSON or time library's own. */
const firstWords = (text) => text.replace(/(cannot unmarshal (JSON|OTLP )|malformed parameter (query\.start_time_m..|start_time|end_time)):.*/s, '$1');

function normal({ status, body }, question) {
  let value;
  try {
    value = JSON.parse(body);
  } catch {
    return { status, body: body.slice(0, 40) };
  }
  if (Array.isArray(value.errors)) value.errors = value.errors.map((error) => ({ ...error, msg: firstWords(error.msg) }));
  if (value.error) value.error.message = firstWords(value.error.message);
  if (value.data?.[0]?.spans) {
    value.data = value.data.map(legacyTrace);
    if (!question.ordered) value.data.sort(by((trace) => trace.traceID));
  } else if (Array.isArray(value.data)) value.data.sort(by(asText));
  if (value.result) value = { ...value, result: otlpSpans(value.result) };
  // protobuf's JSON leaves out what is empty
  value.operations = value.operations?.map((operation) => ({ name: '', spanKind: '', ...operation }));
  for (const list of [value.services, value.operations]) list?.sort(by(asText));
  return { status, value };
}

// ---- differences on purpose ----------------------------------------------------------------------------------------

const has = (pattern) => ({ path }) => pattern.test(path);
const expected = [
  ['a limit out of range is the client’s mistake: 400, in Jaeger 500', ({ path }) => /[?&](limit|query\.num_traces)=(0|-\d+|9{6,})\b/.test(path)],
  ['so is a look back into the future', has(/lookback=-/)],
  ['a v3 search that does not say how many gets 100 traces, in Jaeger 500', ({ path }) => /^\/api\/v3\/traces\?/.test(path) && !path.includes('num_traces')],
  ['error, span.kind and otel.status_code find what is shown with them; in Jaeger error=true finds status OK', ({ derived }) => derived],
  ['a span sent again is kept once; in Jaeger raw shows it twice', ({ resent }) => resent],
  ['Jaeger’s made-up data is not served', has(/quality-metrics|deep-dependencies/)],
  ['rate, errors and latency need no other system', has(/^\/api\/metrics\//)],
  ['addresses that are none are 404, in Jaeger its page', ({ unknown }) => unknown],
];

// ---- questions -----------------------------------------------------------------------------------------------------

const traceIds = [...new Set(sent.flatMap(spansOf).map(({ span }) => span.traceId))];
const services = ['todo-frontend', 'todo-backend', 'event-service', 'odd-values', 'odd-ids', 'odd-links', 'missing-service-name', 'empty-service-name', 'service-name-wrong-type', 'odd-times', 'odd-epoch', 'odd-status', 'skew-legacy', 'skew-v3', 'zipkin-client', 'zipkin-server', 'resent', 'same-id', 'odd-parents', 'library', 'parts', 'odd-tags', 'nobody', 'Größe'];
const micro = (ns) => String(ns / 1000n);
const everything = { start: '0', end: micro(base + 100n * hour), limit: '500' };
const ask = (path, parameters = {}) => {
  const query = new URLSearchParams();
  for (const [key, value] of Object.entries(parameters)) for (const one of [value].flat()) query.append(key, one);
  const text = query.toString();
  return text ? `${path}?${text}` : path;
};

function* legacyQuestions() {
  yield { path: '/api/services' };
  for (const service of services) {
    yield { path: `/api/services/${encodeURIComponent(service)}/operations` };
    for (const spanKind of ['', 'server', 'client', 'internal', 'unspecified', 'nonsense']) yield { path: ask('/api/operations', { service, spanKind }) };
    yield { path: ask('/api/traces', { ...everything, service }), ordered: true };
    yield { path: ask('/api/traces', { ...everything, service, raw: 'true' }), ordered: true, resent: service === 'resent' };
    yield { path: ask('/api/traces', { service }) };
    for (const limit of [1, 2, 7]) yield { path: ask('/api/traces', { ...everything, service, limit }), ordered: true };
    for (const [minDuration, maxDuration] of [['1ms', ''], ['', '1ms'], ['1000000ns', '1000000ns'], ['999.999us', '1000.001µs'], ['2s', ''], ['-1s', '1h30m'], ['0', '0s'], ['', '-1ms'], ['1ns', '1ns']]) {
      yield { path: ask('/api/traces', { ...everything, service, minDuration, maxDuration }), ordered: true };
    }
  }
  for (const id of traceIds.filter(Boolean)) {
    const resent = id.endsWith('0020');
    yield { path: `/api/traces/${id}` };
    yield { path: `/api/traces/${id}?raw=1`, resent };
  }
  yield { path: '/api/traces/FEDCBA9876543210' };
  yield { path: '/api/traces/0fedcba9876543210' };
  yield { path: `/api/traces/${traceIds[0].toUpperCase()}?start=1&end=2&prettyPrint=true` };
  yield { path: ask('/api/traces', { traceID: [traceIds[0], 'abcdef', traceIds[40], 'fedcba9876543210'] }) };
  yield { path: ask('/api/traces', { traceID: ['1', '2'] }) };
  yield { path: ask('/api/traces', { traceID: traceIds[3], service: 'nobody', limit: 'x1' }) };
  for (const [key, value] of [['int', '9007199254740991'], ['big', '9007199254740993'], ['zero', '0'], ['two', '2'], ['two', '2.0'], ['nothing', '0'], ['huge', '1e+21'], ['huge', '1e21'], ['tiny', '1.5e-7'], ['tiny', '1.5e-07'], ['long', '123456789.125'], ['third', String(1 / 3)], ['yes', 'true'], ['yes', 'True'], ['no', 'false'], ['bytes', 'AQIDBA=='], ['no.bytes', ''], ['empty', ''], ['none', ''], ['absent', ''], ['ключ', 'да'], ['list', '[1,"\\u003cx\\u003e",null,2.5,false,"AQID",[7]]'], ['no.list', '[]'], ['no.map', '{}'], ['map', '{"a":{"\\"":"\\\\","q":true},"d":2,"z":9007199254740993}'], ['r.two', '2'], ['s.b', '3'], ['s.a', 'false'], ['service.name', 'odd-values'], ['a', 'odd']]) {
    yield { path: ask('/api/traces', { ...everything, service: 'odd-values', tags: JSON.stringify({ [key]: value }) }) };
    yield { path: ask('/api/traces', { ...everything, service: 'odd-values', tag: `${key}:${value}` }) };
  }
  for (const tags of [{ 'http.response.status_code': '404' }, { 'http.response.status_code': '200', 'user.id': 'user-3' }, { 'user.id': 'user-3', 'http.route': '/api/tasks' }, { 'exception.type': 'NotFound' }, { team: 'todo' }, { 'k8s.pod.name': 'todo-backend-1' }, { 'k8s.pod.name': 'todo-frontend-1' }, { 'a:b': 'c:d' }, { 'messaging.system': 'kafka' }, {}]) {
    for (const service of ['todo-frontend', 'todo-backend', 'event-service', 'odd-tags']) {
      yield { path: ask('/api/traces', { ...everything, service, tags: JSON.stringify(tags) }), ordered: true };
      yield { path: ask('/api/traces', { ...everything, service, tag: Object.entries(tags).map(([key, value]) => `${key}:${value}`) }), ordered: true };
    }
  }
  for (const tags of [{ error: 'true' }, { error: 'false' }, { 'span.kind': 'server' }, { 'otel.status_code': 'ERROR' }]) {
    yield { path: ask('/api/traces', { ...everything, service: 'todo-backend', tags: JSON.stringify(tags) }), derived: true };
  }
  const next = random(11);
  const pick = (list) => list[Math.floor(next() * list.length)];
  for (let number = 0; number < 150; number++) {
    const from = base + BigInt(Math.floor(next() * 60)) * 1_000_000_000n;
    yield {
      ordered: true,
      path: ask('/api/traces', {
        service: pick(services.slice(0, 3)),
        ...(next() < 0.5 ? { operation: pick(['GET /tasks', 'POST /health', 'GET', 'SELECT tasks', 'process task-events', 'nothing']) } : {}),
        start: micro(from),
        end: micro(from + BigInt(Math.floor(next() * 40)) * 1_000_000_000n),
        limit: pick(['1', '5', '20', '100']),
        ...(next() < 0.4 ? { minDuration: `${Math.floor(next() * 4000)}us` } : {}),
        ...(next() < 0.4 ? { maxDuration: `${4 + Math.floor(next() * 4)}ms` } : {}),
        ...(next() < 0.3 ? { tag: `user.id:user-${Math.floor(next() * 7)}` } : {}),
        lookback: '1h',
      }),
    };
  }
  // at the bounds of one span, to the microsecond and to the nanosecond
  const edge = sent.flatMap(spansOf).find(({ span }) => span.name.startsWith('SELECT')).span;
  const [start, end] = [BigInt(edge.startTimeUnixNano), BigInt(edge.endTimeUnixNano)];
  for (const offset of [-1n, 0n, 1n]) {
    const us = start / 1000n + offset;
    yield { path: ask('/api/traces', { service: 'todo-backend', operation: edge.name, start: String(us), end: String(us) }) };
    yield { path: ask('/api/traces', { service: 'todo-backend', operation: edge.name, start: String(us), end: String(us + 1n) }) };
    yield { path: ask('/api/traces', { ...everything, service: 'todo-backend', operation: edge.name, minDuration: `${end - start + offset}ns`, maxDuration: `${end - start + offset}ns` }) };
  }
  for (const service of ['', 'todo-backend', 'parts', 'nobody']) yield { path: ask('/api/dependencies', { endTs: String((base + 50n * hour) / 1_000_000n), lookback: '4000000000000', service }) };
  yield { path: ask('/api/dependencies', { endTs: '1000', lookback: '10' }) };
  // mistakes
  for (const path of [
    '/api/traces', '/api/traces?service=', '/api/operations', '/api/operations?spanKind=server', '/api/traces/xyz', '/api/traces/123456789012345678901234567890123', '/api/traces/-1', '/api/traces/00000000000000000x00000000000000', '/api/traces/abcdef', '/api/traces/0', '/api/traces/abc?raw=maybe', '/api/traces/abc?start=x', '/api/traces/abc?end=1.5',
    '/api/traces?service=a&start=x', '/api/traces?service=a&end=1.5', '/api/traces?service=a&end=99999999999999999999', '/api/traces?service=a&limit=x', '/api/traces?service=a&limit=99999999999', '/api/traces?service=a&limit=0', '/api/traces?service=a&limit=-3', '/api/traces?service=a&limit=1.0', '/api/traces?service=a&minDuration=5', '/api/traces?service=a&minDuration=x', '/api/traces?service=a&maxDuration=5lightyears', '/api/traces?service=a&maxDuration=-', '/api/traces?service=a&maxDuration=.s', '/api/traces?service=a&minDuration=2s&maxDuration=1s', '/api/traces?service=a&tag=x', '/api/traces?service=a&tags=x', '/api/traces?service=a&tags={"a":1}', '/api/traces?service=a&tags=[]', '/api/traces?service=a&tags=null', '/api/traces?service=a&tags={"a":null}', '/api/traces?service=a&raw=2', '/api/traces?traceID=zz', '/api/traces?traceID=', '/api/traces?traceID=1&traceID=zz', '/api/traces?service=a&start=x&end=y&limit=z',
    '/api/dependencies?endTs=x', '/api/dependencies?lookback=x', '/api/dependencies?lookback=1h', '/api/dependencies?endTs=1&lookback=-5', '/api/traces?service=%zz&operation=a', '/api/traces/%20',
    '/api/quality-metrics', '/api/deep-dependencies', '/api/metrics/minstep', '/api/metrics/calls?service=a',
  ]) yield { path };
  yield { path: '/api/v3/nothing', unknown: true };
  for (const path of ['/api/archive/abc', '/api/archive/xyz']) yield { path, method: 'POST' };
  for (const body of ['{', '[]', '{"resourceSpans":[]}', JSON.stringify(sent[2]), JSON.stringify({ resourceSpans: sent.slice(0, 5).flatMap((request) => request.resourceSpans) })]) yield { path: '/api/transform', method: 'POST', body };
}

function* v3Questions(raw) {
  const time = (ns) => new Date(Number(ns / 1_000_000n)).toISOString();
  const all = { 'query.start_time_min': '1970-01-01T00:00:00Z', 'query.start_time_max': time(base + 50n * hour), 'query.num_traces': '500', ...(raw ? { 'query.raw_traces': 'true' } : {}) };
  for (const id of traceIds.filter(Boolean)) yield { path: ask(`/api/v3/traces/${id}`, raw ? { raw_traces: 'true' } : {}), resent: raw && id.endsWith('0020') };
  yield { path: ask('/api/v3/traces/FEDCBA9876543210', { start_time: '2020-01-01T00:00:00Z', end_time: '2020-01-01T00:00:00.5+02:00', raw_traces: String(raw) }) };
  for (const service of [...services, '']) {
    const from = { ...all, ...(service ? { 'query.service_name': service } : {}) };
    const resent = raw && (service === 'resent' || service === '');
    yield { path: ask('/api/v3/traces', from), resent };
    yield { path: ask('/api/v3/traces', { ...from, 'query.num_traces': '3' }), resent: raw && service === 'resent' };
    yield { path: ask('/api/v3/traces', { ...from, 'query.duration_min': '1ms', 'query.duration_max': '5ms' }), resent };
    yield { path: ask('/api/v3/traces', { ...from, 'query.operation_name': 'odd' }) };
    yield { path: ask('/api/v3/traces', { ...from, 'query.start_time_min': time(base + 20_000_000_000n), 'query.start_time_max': time(base + 30_000_000_000n) }) };
  }
  if (!raw) return;
  yield { path: '/api/v3/services' };
  for (const service of [...services, '']) for (const span_kind of ['', 'server', 'internal', 'nonsense']) yield { path: ask('/api/v3/operations', { service, span_kind }) };
  for (const change of [{ 'query.start_time_min': '' }, { 'query.start_time_max': '' }, { 'query.start_time_min': '2026' }, { 'query.start_time_max': '1234567' }, { 'query.num_traces': 'x' }, { 'query.num_traces': '1.5' }, { 'query.num_traces': '0' }, { 'query.num_traces': '-1' }, { 'query.num_traces': '99999999999999999999' }, { 'query.duration_min': '5' }, { 'query.duration_max': 'x' }, { 'query.raw_traces': 'perhaps' }]) yield { path: ask('/api/v3/traces', { ...all, ...change }) };
  yield { path: ask('/api/v3/traces', { 'query.start_time_min': all['query.start_time_min'], 'query.start_time_max': all['query.start_time_max'], 'query.raw_traces': 'true' }) };
  for (const path of ['/api/v3/traces', '/api/v3/traces/xyz', '/api/v3/traces/abcdef', '/api/v3/traces/123456789012345678901234567890123', '/api/v3/traces/abc?start_time=x', '/api/v3/traces/abc?end_time=5', '/api/v3/traces/abc?raw_traces=x']) yield { path };
}

// ---- the comparison ------------------------------------------------------------------------------------------------

async function answered(address, { path, method = 'GET', body }) {
  const answer = await fetch(address + path, { method, body });
  return { status: answer.status, body: await answer.text() };
}

/** The first place where two values differ. */
function difference(a, b, at = '') {
  if (Object.is(a, b)) return undefined;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return `${at || '.'}: ${asText(a)?.slice(0, 300)} and ${asText(b)?.slice(0, 300)}`;
  for (const key of new Set([...Object.keys(a), ...Object.keys(b)])) {
    const found = difference(a[key], b[key], `${at}.${key}`);
    if (found) return found;
  }
  return undefined;
}

await Promise.all([send(jaegerIn), send(tidewatchIn)]);
let [asked, equal, unexpected, errors] = [0, 0, 0, 0];
const counts = new Map();
// adjusted answers of v3 come last: Jaeger adjusts what it has stored when it is asked for them
for (const question of [...legacyQuestions(), ...v3Questions(true), ...v3Questions(false)]) {
  const [theirs, ours] = (await Promise.all([jaeger, tidewatch].map((address) => answered(address, question)))).map((answer) => normal(answer, question));
  asked += 1;
  if (theirs.status >= 400) errors += 1;
  const found = difference(theirs, ours);
  const reason = expected.find(([, applies]) => applies(question))?.[0];
  if (reason) counts.set(reason, (counts.get(reason) ?? 0) + 1);
  else if (!found) equal += 1;
  else {
    unexpected += 1;
    if (unexpected <= Number(process.env.SHOW ?? 20)) console.log(`${question.method ?? 'GET'} ${decodeURIComponent(question.path.replace(/%(?![0-9a-f]{2})/gi, '%25')).slice(0, 300)}\n    Jaeger and tidewatch at ${found}`);
  }
}
console.log(`${sent.length} requests, ${traceIds.length} traces; ${asked} questions (${errors} with an error as Jaeger's answer), ${equal} equal answers, ${unexpected} differ`);
for (const [reason, count] of counts) console.log(`  ${String(count).padStart(4)} not compared: ${reason}`);
process.exitCode = unexpected ? 1 : 0;
