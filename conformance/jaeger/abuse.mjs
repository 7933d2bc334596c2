// Ten thousand bad requests to a running tidewatch: malformed, oversized, late, duplicated, skewed, from clients that leave half-way. In the end it
// answers, has not grown beyond its bounds, and has counted every kind.
//   node abuse.mjs <OTLP> <API> <pid> [requests]
import { gzipSync } from 'node:zlib';
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { encode } from './protobuf.mjs';
import { random, requests, string } from './payload.mjs';

const [otlp, api, pid, many = '10000'] = process.argv.slice(2);
const total = Number(many);
const next = random(23);
const hour = 3_600_000_000_000n;
const now = BigInt(Date.now()) * 1_000_000n;
const good = requests(now - hour).map((request) => encode(request));

const one = (fields, attributes = []) => ({ resourceSpans: [{ resource: { attributes: [string('service.name', 'abuse')] }, scopeSpans: [{ spans: [{ traceId: id(32), spanId: id(16), name: 'bad', startTimeUnixNano: String(now), endTimeUnixNano: String(now + 1000n), attributes, ...fields }] }] }] });
const id = (digits) => Array.from({ length: digits }, () => Math.floor(next() * 16).toString(16)).join('').replace(/^0/, '1');
const bytes = (length) => Buffer.from(Array.from({ length }, () => Math.floor(next() * 256)));
const pick = (list) => list[Math.floor(next() * list.length)];
const type = { protobuf: 'application/x-protobuf', json: 'application/json' };
const bomb = gzipSync(Buffer.alloc(200 << 20));
const large = Buffer.alloc(40 << 20, 0x0a);
const nested = `{"resourceSpans":${'['.repeat(20_000)}`;

// Each kind: how to make one, and the series of /metrics that must have grown, if it is counted by itself.
const kinds = {
  noise: { make: () => ({ body: bytes(1 + Math.floor(next() * 400)), type: type.protobuf }), counted: 'malformed' },
  truncated: { make: () => { const body = pick(good); return { body: body.subarray(0, 1 + Math.floor(next() * (body.length - 1))), type: type.protobuf }; }, counted: 'malformed' },
  flipped: { make: () => { const body = Buffer.from(pick(good)); for (let n = 0; n < 8; n++) body[Math.floor(next() * body.length)] ^= 1 << Math.floor(next() * 8); return { body, type: type.protobuf }; } },
  'not JSON': { make: () => ({ body: Buffer.from(pick(['{', '[1,', '{"resourceSpans":7}', '{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"xyz"}]}]}]}', nested])), type: type.json }), counted: 'malformed' },
  'not gzip': { make: () => ({ body: bytes(100), type: type.protobuf, encoding: 'gzip' }), counted: 'malformed' },
  'a bomb': { make: () => ({ body: bomb, type: type.protobuf, encoding: 'gzip' }), counted: 'too_large', rare: true },
  'too large': { make: () => ({ body: large, type: type.protobuf }), counted: 'too_large', rare: true },
  'unknown type': { make: () => ({ body: Buffer.from('x'), type: pick(['text/plain', 'application/xml']) }), counted: 'unsupported' },
  'zero ids': { make: () => ({ body: encode(one(pick([{ traceId: '0'.repeat(32) }, { spanId: '0'.repeat(16) }]))), type: type.protobuf }), counted: 'invalid_' },
  'long ago': { make: () => ({ body: encode(one({ startTimeUnixNano: String(now - 100n * hour - BigInt(Math.floor(next() * 1e9))), endTimeUnixNano: String(now) })), type: type.protobuf }), counted: 'late' },
  'in the future': { make: () => ({ body: encode(one({ startTimeUnixNano: String(now + 100n * hour), endTimeUnixNano: String(now) })), type: type.protobuf }), counted: 'skewed' },
  'at the end of time': { make: () => ({ body: encode(one({ startTimeUnixNano: '18446744073709551615', endTimeUnixNano: pick(['0', '18446744073709551615']) })), type: type.protobuf }), counted: 'skewed' },
  again: { make: () => ({ body: good[0], type: type.protobuf }), counted: 'duplicate' },
  'new keys': { make: () => ({ body: encode(one({ name: `op-${id(16)}` }, Array.from({ length: 50 }, () => string(`key-${id(12)}`, id(40))))), type: type.protobuf }) },
  'new services': { make: () => ({ body: encode({ resourceSpans: [{ resource: { attributes: [string('service.name', `service-${id(12)}`)] }, scopeSpans: one({}).resourceSpans[0].scopeSpans }] }), type: type.protobuf }) },
  'large values': { make: () => ({ body: encode(one({}, [string('blob', 'x'.repeat(100_000))])), type: type.protobuf }) },
  'left half-way': { leave: true, make: () => ({ body: pick(good), type: type.protobuf }), counted: 'cut_off' },
};

const rss = () => Number(readFileSync(`/proc/${pid}/status`, 'utf8').match(/VmRSS:\s+(\d+)/)[1]) / 1024;

async function metrics() {
  const text = await (await fetch(`${api}/metrics`)).text();
  return text.split('\n').filter((line) => line && !line.startsWith('#'));
}

/** The sum of all series whose line has a text. */
const sum = (lines, text) => lines.filter((line) => line.includes(text) && /otlp|traces|receiver|span/.test(line)).reduce((all, line) => all + Number(line.split(' ').at(-1)), 0);

function leave({ body }) {
  return new Promise((resolve) => {
    const url = new URL(otlp);
    const socket = connect(url.port, url.hostname, () => {
      socket.write(`POST /v1/traces HTTP/1.1\r\nHost: ${url.host}\r\nContent-Type: ${type.protobuf}\r\nContent-Length: ${body.length}\r\n\r\n`);
      socket.write(body.subarray(0, body.length >> 1), () => socket.destroy());
    });
    socket.on('close', () => resolve('left'));
    socket.on('error', () => resolve('left'));
  });
}

async function send(kind) {
  const made = kind.make();
  if (kind.leave) return leave(made);
  const headers = { 'Content-Type': made.type, ...(made.encoding ? { 'Content-Encoding': made.encoding } : {}) };
  // a server may close on a body it refuses before it has read it: that is an answer too
  return fetch(`${otlp}/v1/traces`, { method: 'POST', headers, body: made.body }).then(async (answer) => (await answer.arrayBuffer(), answer.status), () => 'closed');
}

const before = { lines: await metrics(), rss: rss() };
const names = Object.keys(kinds);
const outcomes = new Map(names.map((name) => [name, new Map()]));
let [sent, peak] = [0, before.rss];
const sender = async () => {
  while (sent < total) {
    const number = sent++;
    let name = names[number % names.length];
    if (kinds[name].rare && number % (names.length * 20) > names.length) name = 'noise';
    const outcome = await send(kinds[name]);
    outcomes.get(name).set(outcome, (outcomes.get(name).get(outcome) ?? 0) + 1);
    if (number % 200 === 0) peak = Math.max(peak, rss());
    if (outcome === 500) throw new Error(`${name}: answered with 500`);
  }
};
const began = performance.now();
await Promise.all(Array.from({ length: 8 }, sender));
const after = await metrics();

for (const [name, counts] of outcomes) console.log(`  ${name.padEnd(20)} ${[...counts].map(([outcome, count]) => `${outcome}: ${count}`).join('  ')}`);
let failures = 0;
const check = (holds, text) => {
  if (!holds) failures += 1;
  console.log(`${holds ? 'holds ' : 'FAILS '} ${text}`);
};
console.log(`${total} requests in ${((performance.now() - began) / 1000).toFixed(1)} s`);
for (const counted of new Set(Object.values(kinds).flatMap((kind) => kind.counted ?? []))) {
  const [earlier, later] = [sum(before.lines, counted), sum(after, counted)];
  check(later > earlier, `counted as ${counted}: ${later - earlier}`);
}
const services = await fetch(`${api}/api/services`);
check(services.status === 200, `services are answered: ${(await services.json()).data.length}`);
const search = await fetch(`${api}/api/traces?service=todo-frontend`);
check(search.status === 200, 'searches are answered');
const last = await send({ make: () => ({ body: encode(one({ traceId: 'feedfeedfeedfeedfeedfeedfeedfeed' })), type: type.protobuf }) });
check(last === 200 && (await fetch(`${api}/api/traces/feedfeedfeedfeedfeedfeedfeedfeed`)).status === 200, 'a good span after all that is taken and found');
peak = Math.max(peak, rss());
check(peak < 400, `memory: ${before.rss.toFixed(0)} MB before, ${peak.toFixed(0)} MB at most, ${rss().toFixed(0)} MB after`);
process.exitCode = failures ? 1 : 0;
