// The same requests to Alertmanager and to tidewatch, one after the other, and what differs. Exits with 1 when something does.
//   node compare.mjs <Alertmanager> <tidewatch>
import http from 'node:http';
import { mistakes, silences, silence } from './mistakes.mjs';
import { scenario } from './scenario.mjs';

const sides = process.argv.slice(2).map((base) => ({ base, ids: [], starts: [] }));
/** Headers that Alertmanager sets on purpose. */
const HEADERS = ['cache-control', 'content-type', 'allow'];

/** Without a client between: headers as they are given, bodies where there should be none. */
function send(side, { method, path, headers, body }) {
  const { hostname, port } = new URL(side.base);
  return new Promise((done) => {
    const request = http.request({ hostname, port, method, path: `/api/v2${path}`, headers, agent: false }, (answer) => {
      let text = '';
      answer.setEncoding('utf8');
      answer.on('data', (part) => (text += part));
      answer.on('end', () => done({ status: answer.statusCode, headers: answer.headers, text, at: Date.now() }));
    });
    request.on('error', (error) => done({ status: 0, headers: {}, text: String(error.code), at: Date.now() }));
    if (body !== undefined) request.write(body);
    request.end();
  });
}

/** The request with this side's ids in it. */
function meant(side, request) {
  const filled = (text) => text?.replace(/\{\{(\d+)\}\}/g, (_, number) => side.ids[number]).replace(/\{\{start of (\d+)\}\}/g, (_, number) => side.starts[number]);
  return { ...request, path: filled(request.path), body: filled(request.body) };
}

// ---- what is legitimately free -------------------------------------------------------------------------------------

const UUID = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g;
const TIME = /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)/g;
const sent = new Set();

/** Ids by number; times that nobody sent by their distance from now, all in UTC; the words of JSON, time and regular expression libraries. */
function normal(side, request, answer) {
  let text = answer.text
    .replace(UUID, (id) => (side.ids.includes(id) ? `<silence ${side.ids.indexOf(id)}>` : id))
    .replace(/ failed, because .*/s, ' failed, because <words>')
    .replace(/(error parsing regexp: |invalid regular expression ).*/s, '<a wrong expression>');
  if (answer.status === 200) {
    text = text.replace(TIME, (time) => {
      const at = Date.parse(time);
      return sent.has(at) ? new Date(at).toISOString() : `<now${Math.round((at - answer.at) / 60_000)}m>`;
    });
    // an annotation without text is none here
    text = text.replaceAll('"annotations":{"a":""}', '"annotations":{}');
    text = text.replace(/"silencedBy":\[([^\]]*)\]/g, (_, ids) => `"silencedBy":[${ids.split(',').sort()}]`);
  }
  if (request.path === '/status') text = text.replace(/"original":".*?[^\\]"(?=\})/s, '"original":<the configuration>').replace(/"versionInfo":\{.*?\}/, '"versionInfo":<a version>');
  const headers = HEADERS.map((name) => (answer.headers[name] ?? '').split(',').sort().join());
  if (request.ordered === false && answer.status === 200) text = text.split(/(?=\{"id"|\{"annotations)/).map((part) => part.replace(/[,\]\n]+$/, '')).sort().join('\n');
  return { status: answer.status, headers, text: text.replace(/\[POST,GET\]|\[GET,POST\]/, '[GET,POST]').replace(/\[DELETE,GET\]|\[GET,DELETE\]/, '[DELETE,GET]') };
}

function note(side, request, answer) {
  if (request.method !== 'POST' || request.path !== '/silences' || answer.status !== 200) return undefined;
  const id = JSON.parse(answer.text).silenceID;
  if (side.ids.includes(id)) return undefined;
  side.ids.push(id);
  return id;
}

// ---- differences on purpose ----------------------------------------------------------------------------------------

const expected = [
  ['null in a list is refused; Alertmanager panics and drops the connection', ({ panics }) => panics],
  ['a type with * is none that can be read: 415, in Alertmanager 500', ({ anyType }) => anyType],
];

// ---- the run -------------------------------------------------------------------------------------------------------

const counts = { requests: 0, equal: 0, differ: 0 };
const purpose = new Map();

for (const [time] of JSON.stringify([...scenario(), ...mistakes()].map(({ body }) => body)).matchAll(TIME)) sent.add(Date.parse(time));

async function ask(request) {
  const answers = [];
  for (const side of sides) {
    const answer = await send(side, meant(side, request));
    const id = note(side, request, answer);
    if (id) side.starts.push(JSON.parse((await send(side, { method: 'GET', path: `/silence/${id}`, headers: {} })).text).startsAt);
    answers.push(normal(side, request, answer));
  }
  return answers;
}

const same = ([one, other]) => JSON.stringify(one) === JSON.stringify(other);

async function play(request) {
  let answers = await ask(request);
  // groups are made, and muted, a moment after alerts are taken
  for (let end = Date.now() + 10_000; request.settle && !same(answers) && Date.now() < end; ) {
    await new Promise((done) => setTimeout(done, 100));
    answers = await ask(request);
  }
  counts.requests++;
  if (same(answers)) return void counts.equal++;
  const reason = expected.find(([, is]) => is(request));
  if (reason) return void purpose.set(reason[0], (purpose.get(reason[0]) ?? 0) + 1);
  counts.differ++;
  console.log(`DIFFERS ${request.method} ${request.path} ${JSON.stringify(request.headers)} ${request.body ?? ''}`.slice(0, 600));
  for (const [at, answer] of answers.entries()) {
    const [one, other] = [answer.text, answers[1 - at].text];
    let from = 0;
    while (from < one.length && one[from] === other[from]) from++;
    const text = from > 150 ? `…${one.slice(from - 100, from + 300)}` : one.slice(0, 450);
    console.log(`  ${['Alertmanager', 'tidewatch   '][at]} ${answer.status} ${answer.headers.join(' | ')}\n    ${text}`);
  }
}

for (const request of scenario()) await play(request);
for (const request of mistakes()) await play(request);
await play(silences(silence({ comment: 'the last' })));
for (const path of ['/alerts', '/alerts/groups', '/silences']) await play({ method: 'GET', path, headers: {}, settle: true, ordered: false });

console.log(`${counts.requests} requests, ${counts.equal} equal answers, ${counts.differ} differ`);
for (const [reason, count] of purpose) console.log(`  on purpose, ${count}: ${reason}`);
process.exit(counts.differ ? 1 : 0);
