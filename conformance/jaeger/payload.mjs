// Traces to ask for: realistic ones, and every oddity that the query API treats in a way of its own. The same at every run, but for the
// hour they happened in.

/** Numbers that look random and are the same at every run. */
export function random(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

export const string = (key, stringValue) => ({ key, value: { stringValue } });
export const int = (key, intValue) => ({ key, value: { intValue: String(intValue) } });
const double = (key, doubleValue) => ({ key, value: { doubleValue } });
const bool = (key, boolValue) => ({ key, value: { boolValue } });

const hex = (number, digits) => number.toString(16).padStart(digits, '0');
const [INTERNAL, SERVER, CLIENT, PRODUCER, CONSUMER] = [1, 2, 3, 4, 5];

/** A request of one resource and scope. */
function request(resource, spans, scope = { name: 'tracer', version: '1.2.3' }) {
  return { resourceSpans: [{ resource: { attributes: resource }, scopeSpans: [{ scope, spans }] }] };
}

/** One todo trace over four services, in one request. */
function todo(number, base, next) {
  const traceId = hex(0x5eed0000n + BigInt(number), 16) + hex(0xabc00000n + BigInt(number), 16);
  const start = base + BigInt(number) * 1_000_000_000n + BigInt(Math.floor(next() * 1e6));
  let id = BigInt(number) * 100n + 1n;
  const span = (name, kind, parentSpanId, offset, duration, attributes, extra = {}) => ({
    traceId,
    spanId: hex(id++, 16),
    parentSpanId,
    name,
    kind,
    startTimeUnixNano: String(start + BigInt(offset)),
    endTimeUnixNano: String(start + BigInt(offset + duration)),
    attributes,
    status: {},
    ...extra,
  });
  const length = 20_000 + Math.floor(next() * 5_000_000);
  const failed = next() < 0.2;
  const status = failed ? { code: 2, message: 'no such task' } : next() < 0.3 ? { code: 1 } : {};
  const route = ['/tasks', '/tasks/{id}', '/health'][number % 3];
  const method = ['GET', 'POST', 'PUT'][Math.floor(next() * 3)];
  const root = span(`${method} ${route}`, SERVER, '', 0, length, [string('http.request.method', method), int('http.response.status_code', failed ? 404 : 200), string('user.id', `user-${number % 7}`)]);
  const call = span('GET', CLIENT, root.spanId, 1000, length - 2000, [string('server.address', 'todo-backend'), int('server.port', 8000)]);
  const server = span(`${method} /api${route}`, SERVER, call.spanId, 2000, length - 4000, [string('http.route', `/api${route}`), double('load', next() * 10)], {
    status,
    events: failed ? [{ timeUnixNano: String(start + 2500n), name: 'exception', attributes: [string('exception.type', 'NotFound'), string('exception.message', 'no such task')] }] : [],
  });
  const database = span('SELECT tasks', CLIENT, server.spanId, 3000, length - 8000, [string('db.system.name', 'sqlite'), string('db.query.text', 'SELECT * FROM tasks WHERE id = ?')]);
  const publish = span('publish task-events', PRODUCER, server.spanId, 4000, 1500, [string('messaging.system', 'kafka'), string('messaging.destination.name', 'task-events')]);
  const process = span('process task-events', CONSUMER, publish.spanId, length + 9000, 70_000, [string('messaging.system', 'kafka')], {
    links: [{ traceId, spanId: publish.spanId, attributes: [] }],
  });
  const service = (name, spans, pod) => ({
    resource: { attributes: [string('service.name', name), string('service.version', '0.1.0'), string('k8s.pod.name', `${name}-${pod}`), string('telemetry.sdk.language', 'rust')] },
    scopeSpans: [{ scope: { name: `${name}-tracer`, version: '0.1.0', attributes: [string('team', 'todo')] }, spans }],
  });
  return {
    resourceSpans: [service('todo-frontend', [root, call], number % 2), service('todo-backend', [server, database, publish], number % 3), service('event-service', [process], 0)],
  };
}

/** Everything that a span can carry. */
function odd(base) {
  const at = (us) => String(base + BigInt(us) * 1000n + 123n);
  const span = (traceId, spanId, fields = {}) => ({ traceId, spanId, name: 'odd', kind: INTERNAL, startTimeUnixNano: at(0), endTimeUnixNano: at(1000), attributes: [], ...fields });
  const values = [
    int('int', '9007199254740991'), int('big', '9007199254740993'), int('small', '-9007199254740993'), int('zero', 0), int('least', '-9223372036854775808'),
    double('two', 2), double('nothing', 0), double('huge', 1e21), double('tiny', 1.5e-7), double('long', 123456789.125), double('negative', -1.5), double('third', 1 / 3),
    bool('yes', true), bool('no', false),
    { key: 'bytes', value: { bytesValue: 'AQIDBA==' } }, { key: 'no.bytes', value: { bytesValue: '' } },
    string('empty', ''), { key: 'none', value: {} }, string('unicode', 'Größe 日本 🛑 <b>&amp;</b> \u2028 "q" \\ \n\t\u0001\u007f'), string('ключ', 'да'),
    { key: 'list', value: { arrayValue: { values: [{ intValue: '1' }, { stringValue: '<x>' }, {}, { doubleValue: 2.5 }, { boolValue: false }, { bytesValue: 'AQID' }, { arrayValue: { values: [{ intValue: '7' }] } }] } } },
    { key: 'no.list', value: { arrayValue: {} } }, { key: 'no.map', value: { kvlistValue: {} } },
    { key: 'map', value: { kvlistValue: { values: [int('z', '9007199254740993'), { key: 'a', value: { kvlistValue: { values: [bool('q', true), string('"', '\\')] } } }, double('d', 2)] } } },
  ];
  const short = '0000000000000000' + 'fedcba9876543210';
  const id = (number) => hex(0x0dd0000000000000n, 16) + hex(BigInt(number), 16);
  const out = [];
  out.push(request([string('service.name', 'odd-values'), ...values.map(({ key, value }) => ({ key: `r.${key}`, value }))], [
    span(id(1), hex(1, 16), { attributes: values, events: [{ timeUnixNano: at(5), name: 'all', attributes: values, droppedAttributesCount: 7 }, { timeUnixNano: '0', name: '' }, { timeUnixNano: at(3), name: 'a' }], droppedAttributesCount: 3, droppedEventsCount: 4, droppedLinksCount: 5, flags: 257, traceState: 'vendor=1,other=2' }),
  ], { name: 'lib<>&\u2028', version: '1', attributes: [bool('s.a', false), int('s.b', 3)], droppedAttributesCount: 1 }));
  out.push(request([string('service.name', 'odd-ids')], [
    span(short, hex(0xffn, 16), { name: 'short id', kind: SERVER, links: [{ traceId: short, spanId: hex(0xfen, 16) }] }),
    span(short, hex(0xfdn, 16), { name: 'child of short', parentSpanId: hex(0xffn, 16), kind: 0 }),
  ]));
  out.push(request([string('service.name', 'odd-links')], [
    span(id(2), hex(1, 16), { name: 'many', links: [
      { traceId: id(1), spanId: hex(1, 16), traceState: 'l=1', flags: 1, droppedAttributesCount: 1, attributes: [string('opentracing.ref_type', 'child_of')] },
      { traceId: id(2), spanId: hex(2, 16), attributes: [string('why', 'because')] },
      { traceId: short, spanId: hex(0xffn, 16) },
    ] }),
    span(id(2), hex(2, 16), { name: 'parent in a link', parentSpanId: hex(1, 16), links: [{ traceId: id(2), spanId: hex(1, 16) }] }),
    span(id(2), hex(3, 16), { name: 'links only', links: [{ traceId: id(1), spanId: hex(1, 16) }, { traceId: id(2), spanId: hex(2, 16), attributes: [string('opentracing.ref_type', 'child_of')] }] }),
    span(id(2), hex(4, 16), { name: 'to nowhere', links: [{ traceId: '', spanId: '' }, { traceId: id(1), spanId: hex(1, 16) }] }),
  ]));
  // services that are none, each in a request of its own
  out.push(request([], [span(id(3), hex(1, 16), { name: 'no resource' })]));
  out.push(request([string('other', 'x')], [span(id(4), hex(1, 16), { name: 'no name' })]));
  out.push(request([string('service.name', ''), string('z', '1')], [span(id(5), hex(1, 16), { name: 'empty name' })]));
  out.push(request([int('service.name', 7)], [span(id(6), hex(1, 16), { name: 'number as name' })]));
  out.push({ resourceSpans: [{ scopeSpans: [{ spans: [span(id(7), hex(1, 16), { name: '' })] }] }] });
  // times
  out.push(request([string('service.name', 'odd-times')], [
    span(id(8), hex(1, 16), { name: 'ends first', startTimeUnixNano: at(1000), endTimeUnixNano: at(0) }),
    span(id(8), hex(2, 16), { name: 'instant', parentSpanId: hex(1, 16), startTimeUnixNano: at(1), endTimeUnixNano: at(1) }),
    span(id(8), hex(3, 16), { name: 'never ends', parentSpanId: hex(1, 16), endTimeUnixNano: '0' }),
    span(id(8), hex(4, 16), { name: 'one nanosecond', parentSpanId: hex(1, 16), startTimeUnixNano: at(2), endTimeUnixNano: String(BigInt(at(2)) + 1n) }),
    span(id(8), hex(5, 16), { name: 'nine hundred', parentSpanId: hex(1, 16), startTimeUnixNano: at(2), endTimeUnixNano: String(BigInt(at(2)) + 999n) }),
  ]));
  out.push(request([string('service.name', 'odd-epoch')], [span(id(9), hex(1, 16), { name: 'since 1970', startTimeUnixNano: '0' }), span(id(9), hex(2, 16), { name: 'at 1', startTimeUnixNano: '1', endTimeUnixNano: '1000000' })]));
  // status and kind
  // a trace per request: which of the traces of one request is the newest differs from run to run in Jaeger
  for (const code of [0, 1, 2]) {
    out.push(request([string('service.name', 'odd-status')], [0, 1, 2, 3, 4, 5].map((kind) => span(id(10 + code), hex(kind + 1, 16), { name: `kind ${kind}`, kind, status: { code, message: code ? `message ${code}` : '' } }))));
  }
  // clock skew: hosts told in the ways that either API reads
  for (const [number, key, where] of [[20, 'ip', 'legacy'], [21, 'host.name', 'v3'], [22, 'host.id', 'v3'], [23, 'host.ip', 'v3']]) {
    const hosts = ['10.0.0.1', '10.0.0.2'].map((host) => [string('service.name', `skew-${where}`), string(key, host)]);
    const parent = span(id(number), hex(1, 16), { name: 'parent', kind: CLIENT, startTimeUnixNano: at(10_000), endTimeUnixNano: at(20_000) });
    const early = span(id(number), hex(2, 16), { name: 'early', kind: SERVER, parentSpanId: hex(1, 16), startTimeUnixNano: at(2_000), endTimeUnixNano: at(9_000) });
    const within = span(id(number), hex(3, 16), { name: 'same host', parentSpanId: hex(2, 16), startTimeUnixNano: at(1_000), endTimeUnixNano: at(1_500) });
    const longer = span(id(number), hex(4, 16), { name: 'longer', parentSpanId: hex(1, 16), startTimeUnixNano: at(5), endTimeUnixNano: at(70_000_000) });
    out.push({ resourceSpans: [{ resource: { attributes: hosts[0] }, scopeSpans: [{ spans: [parent] }] }, { resource: { attributes: hosts[1] }, scopeSpans: [{ spans: [early, within, longer] }] }] });
  }
  // ids that client and server share, and children of theirs
  const shared = (number, order) => {
    const client = span(id(number), hex(5, 16), { name: 'call', kind: CLIENT, parentSpanId: hex(1, 16) });
    const server = span(id(number), hex(5, 16), { name: 'called', kind: SERVER, parentSpanId: hex(1, 16), startTimeUnixNano: at(100), endTimeUnixNano: at(900) });
    const child = span(id(number), hex(6, 16), { name: 'within', parentSpanId: hex(5, 16), startTimeUnixNano: at(200), endTimeUnixNano: at(300) });
    const root = span(id(number), hex(1, 16), { name: 'root' });
    const sides = { client: { resource: { attributes: [string('service.name', 'zipkin-client')] }, scopeSpans: [{ spans: [root, client] }] }, server: { resource: { attributes: [string('service.name', 'zipkin-server')] }, scopeSpans: [{ spans: [server, child] }] } };
    return { resourceSpans: order.map((side) => sides[side]) };
  };
  out.push(shared(30, ['client', 'server']), shared(31, ['server', 'client']));
  // the same span sent again, and others with its id
  const again = request([string('service.name', 'resent')], [span(id(32), hex(1, 16), { name: 'again', attributes: [int('n', 1)] })]);
  out.push(again, again);
  out.push(request([string('service.name', 'same-id')], [span(id(33), hex(1, 16), { name: 'first' }), span(id(33), hex(1, 16), { name: 'second' }), span(id(33), hex(2, 16), { name: 'child', parentSpanId: hex(1, 16) })]));
  // parents that are missing, themselves, or their own children
  out.push(request([string('service.name', 'odd-parents')], [span(id(34), hex(1, 16), { parentSpanId: hex(0x99n, 16) }), span(id(34), hex(2, 16), { parentSpanId: hex(2, 16), name: 'own parent' }), span(id(34), hex(3, 16), { parentSpanId: hex(4, 16), name: 'cycle a' }), span(id(34), hex(4, 16), { parentSpanId: hex(3, 16), name: 'cycle b' })]));
  // what belongs to the process, and addresses as numbers
  out.push(request([string('service.name', 'library'), int('ip', 2130706433)], [
    span(id(35), hex(1, 16), { name: 'moves', attributes: [string('telemetry.sdk.name', 'otel'), string('telemetry.sdk.language', 'go'), string('telemetry.distro.name', 'd'), string('kept', 'x'), int('peer.ipv4', 16909060), double('ip', 3232235777)] }),
  ]));
  out.push(request([string('service.name', 'library'), string('telemetry.sdk.name', 'mine')], [span(id(36), hex(1, 16), { name: 'conflicts', attributes: [string('telemetry.sdk.name', 'yours')] })]));
  // one trace in several requests, scopes and resources
  for (const part of [1, 2, 3]) {
    out.push({ resourceSpans: [
      { resource: { attributes: [string('service.name', 'parts'), string('pod', 'a')], droppedAttributesCount: part }, schemaUrl: 'https://example.org/1', scopeSpans: [
        { scope: { name: 's1' }, schemaUrl: 'https://example.org/2', spans: [span(id(40), hex(part * 10 + 1, 16), { name: `p${part}a`, parentSpanId: part > 1 ? hex(11, 16) : '' })] },
        { scope: { name: 's1', attributes: [int('n', part)] }, spans: [span(id(40), hex(part * 10 + 2, 16), { name: `p${part}b`, parentSpanId: hex(part * 10 + 1, 16) })] },
      ] },
      { resource: { attributes: [string('service.name', 'parts'), string('pod', 'b')] }, scopeSpans: [{ spans: [span(id(40), hex(part * 10 + 3, 16), { name: `p${part}c`, parentSpanId: hex(part * 10 + 1, 16) }), span(id(41), hex(part, 16), { name: 'elsewhere', traceState: `part=${part}` })] }] },
    ] });
  }
  // tags that are also what Jaeger derives
  out.push(request([string('service.name', 'odd-tags')], [
    span(id(42), hex(1, 16), { kind: SERVER, attributes: [string('span.kind', 'mine'), string('event', 'x'), string('otel.scope.name', 'mine')], events: [{ timeUnixNano: at(1), name: 'named', attributes: [string('event', 'own'), string('a', 'b')] }, { timeUnixNano: at(2), name: 'counted', attributes: [int('event', 3), string('b', 'c')] }] }),
    span(id(42), hex(2, 16), { name: 'Ünïcode <op> & "q" 日本', attributes: [string('a:b', 'c:d'), string('', 'no key')] }),
  ]));
  return out;
}

/** All requests, in the order in which they are to be sent. */
export function requests(base) {
  const next = random(7);
  const todos = Array.from({ length: 60 }, (_, number) => todo(number, base, next));
  const odds = odd(base + 200_000_000_000n);
  return [...todos.slice(0, 30), ...odds, ...todos.slice(30)];
}

export const spansOf = (request) => request.resourceSpans.flatMap(({ resource, scopeSpans }) => scopeSpans.flatMap(({ spans }) => spans.map((span) => ({ span, resource }))));
