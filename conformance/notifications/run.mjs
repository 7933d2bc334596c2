// Plays drawn configurations and events at a real Alertmanager, as they come in real time, and at tidewatch's in virtual time, and compares who was told what,
// when and in which group. usage: run.mjs WORK CASES SEED, with ALERTMANAGER= and REPLAY=.
import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { once } from 'node:events';
import { endSeconds, generate } from './generate.mjs';
import { freePort } from '../../scripts/free-port.mjs';

const [work, cases, seed] = [process.argv[2], Number(process.argv[3]), Number(process.argv[4])];
/** Alertmanagers at a time: so many start and answer in time on two cores. */
const together = 25;
/** How far the two may be apart, and how late a request may be answered: a quarter of a second lies between a reload and the next event. */
const [apartMs, lateMs] = [400, 200];

const told = new Map();
const capture = createServer(async (request, response) => {
  const at = Date.now();
  let text = '';
  for await (const part of request) text += part;
  response.end();
  const [, number, receiver, integration] = request.url.split('/');
  const body = JSON.parse(text);
  const alerts = body.alerts.map(({ labels, status }) => ({ labels, status }));
  told.get(Number(number))?.push({ at, receiver, integration: Number(integration), groupKey: body.groupKey, alerts });
});
// else a connection that idles ends just when it is used again, and Alertmanager tries again half a second later
capture.keepAliveTimeout = 120_000;
capture.listen(0, '127.0.0.1');
await once(capture, 'listening');
const captured = `http://127.0.0.1:${capture.address().port}`;

const sleep = (milliseconds) => new Promise((done) => setTimeout(done, Math.max(0, milliseconds)));
/** An integration as both name it, `webhook[0]` or 0, and the text by which notifications are compared. */
const numberOf = (integration) => (typeof integration === 'number' ? integration : Number(/\[(\d+)\]/.exec(integration)?.[1] ?? 0));
const sorted = (object) => JSON.stringify(Object.fromEntries(Object.entries(object).sort(([a], [b]) => (a < b ? -1 : 1))));
const textOf = (one) => one.alerts.map(({ labels, status }) => `${status} ${sorted(labels)}`).sort().join('\n');
const keyOf = (one) => `${one.receiver}[${numberOf(one.integration)}] ${one.groupKey}`;

async function playReal(number, { configs, events }) {
  const folder = `${work}/${number}`;
  mkdirSync(folder, { recursive: true });
  // one file, as Alertmanager reloads the one it was started with
  const text = (config) => JSON.stringify(config).replaceAll('URL/', `${captured}/${number}/`);
  configs.forEach((config, index) => writeFileSync(`${folder}/${index}.yml`, text(config)));
  writeFileSync(`${folder}/live.yml`, text(configs[0]));
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const args = [`--config.file=${folder}/live.yml`, `--storage.path=${folder}/data`, `--web.listen-address=127.0.0.1:${port}`, '--cluster.listen-address=', '--log.level=warn'];
  const process_ = spawn(process.env.ALERTMANAGER, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  process_.stderr.on('data', (part) => (said += part));
  const ended = once(process_, 'exit');
  told.set(number, []);
  try {
    for (let tries = 0; ; tries += 1) {
      if (process_.exitCode !== null || tries > 200) throw new Error(`case ${number}: Alertmanager did not start: ${said}`);
      const ready = await fetch(`${url}/-/ready`).catch(() => undefined);
      if (ready?.ok) break;
      await sleep(50);
    }
    return { url, process_, ended };
  } catch (error) {
    process_.kill();
    throw error;
  }
}

/** Sends the events when they are due; what was refused, and how late the latest was. */
async function send(number, { configs, events }, { url }, begin) {
  const folder = `${work}/${number}`;
  const ids = [];
  const refused = new Set();
  let latest = 0;
  const post = async (path, body) => {
    const answer = await fetch(`${url}${path}`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) });
    return { ok: answer.ok, text: await answer.text() };
  };
  for (const event of events) {
    await sleep(begin + event.at - Date.now());
    const date = (milliseconds) => new Date(begin + milliseconds).toISOString();
    if (event.alerts) {
      const sent = event.alerts.map(({ labels, endsAt }) => ({ labels, ...(endsAt === undefined ? {} : { endsAt: date(endsAt) }) }));
      const { ok, text } = await post('/api/v2/alerts', sent);
      if (!ok) throw new Error(`case ${number}: ${text}`);
    } else if (event.silence) {
      const matchers = event.silence.matchers.map((matcher) => {
        const [, name, operator, value] = /^(\w+)(=~|!~|!=|=)"(.*)"$/.exec(matcher);
        return { name, value, isRegex: operator.endsWith('~'), isEqual: operator.startsWith('=') };
      });
      const { ok, text } = await post('/api/v2/silences', { matchers, startsAt: new Date().toISOString(), endsAt: date(event.silence.endsAt), createdBy: 'x', comment: 'x' });
      if (!ok) throw new Error(`case ${number}: ${text}`);
      ids.push(JSON.parse(text).silenceID);
    } else if (event.expire) {
      const { ok } = await fetch(`${url}/api/v2/silence/${ids[event.expire - 1]}`, { method: 'DELETE' });
      // one that is over cannot be ended
      if (!ok) refused.add(event);
    } else {
      writeFileSync(`${folder}/live.yml`, JSON.stringify(configs[1]).replaceAll('URL/', `${captured}/${number}/`));
      const { ok, text } = await post('/-/reload', '');
      if (!ok) throw new Error(`case ${number}: ${text}`);
    }
    latest = Math.max(latest, Date.now() - begin - event.at);
  }
  return { refused, latest };
}

function playVirtual(number, { events }, refused) {
  const folder = `${work}/${number}`;
  const lines = events.filter((event) => !refused.has(event)).map((event) => {
    if (event.silence) return { at: event.at, silence: { matchers: `{${event.silence.matchers.join(',')}}`, endsAt: event.silence.endsAt } };
    if (event.expire) return { at: event.at, expire: `silence-${event.expire}` };
    if (event.reload) return { at: event.at, reload: `${folder}/1.yml` };
    return { at: event.at, alerts: event.alerts };
  });
  lines.push({ at: endSeconds * 1000 });
  const input = lines.map((line) => `${JSON.stringify(line)}\n`).join('');
  writeFileSync(`${folder}/events.jsonl`, input);
  const { status, stdout, stderr } = spawnSync(process.env.REPLAY, [`${folder}/0.yml`], { input, encoding: 'utf8' });
  if (status !== 0) throw new Error(`case ${number}: ${stderr}`);
  return stdout.split('\n').filter(Boolean).map((line) => JSON.parse(line));
}

/**
 * What differs, in words, and the largest difference of times. After a reload Alertmanager puts alerts that were over before into its new groups, and tells of
 * them, once more or for the first time; tidewatch goes on with the groups it had. What such an alert changes is on purpose. Whether a new group of old and
 * young alerts waits then is decided in Alertmanager by the one that its map gives first: anew in each run.
 */
function compare(real, ours, reloadedAt) {
  const byKey = (list) => {
    const groups = new Map();
    for (const one of list) groups.set(keyOf(one), [...(groups.get(keyOf(one)) ?? []), one]);
    return groups;
  };
  const [left, right] = [byKey(real), byKey(ours)];
  const found = [];
  let [apart, purpose] = [0, 0];
  for (const key of new Set([...left.keys(), ...right.keys()])) {
    const [theirs, own] = [left.get(key) ?? [], right.get(key) ?? []];
    for (let at = 0; at < Math.max(theirs.length, own.length); at += 1) {
      const [a, b] = [theirs[at], own[at]];
      const between = a && b ? Math.abs(a.at - b.at) : 0;
      const ofOurs = b ? textOf(b).split('\n') : [];
      const atOnce = (one) => one !== undefined && one.at >= reloadedAt && one.at < reloadedAt + 100;
      if (at === 0 && atOnce(a) !== atOnce(b)) {
        purpose += 1;
        break;
      }
      if (a && a.at >= reloadedAt && textOf(a).split('\n').some((line) => line.startsWith('resolved ') && !ofOurs.includes(line))) {
        purpose += 1;
        break;
      }
      apart = Math.max(apart, between);
      if (!a || !b || textOf(a) !== textOf(b) || between > apartMs) {
        const show = (one) => (one ? `${one.at} ms ${textOf(one).replaceAll('\n', ' | ')}` : 'nothing');
        found.push(`${key}, number ${at + 1}\n    Alertmanager: ${show(a)}\n    tidewatch:    ${show(b)}`);
        break;
      }
    }
  }
  return { found, apart, purpose };
}

const sum = { cases: 0, notifications: 0, differ: 0, late: 0, apart: 0, reloads: 0, purpose: 0 };
for (let first = 0; first < cases; first += together) {
  const numbers = Array.from({ length: Math.min(together, cases - first) }, (_, index) => first + index);
  const drawn = new Map(numbers.map((number) => [number, generate(seed * 100_003 + number)]));
  const running = new Map();
  // Alertmanager looks for empty groups by its own clock, from its start: all start within what is left of 30 s
  for (let at = 0; at < numbers.length; at += 5) {
    const some = numbers.slice(at, at + 5);
    (await Promise.all(some.map((number) => playReal(number, drawn.get(number))))).forEach((one, index) => running.set(some[index], one));
  }
  const begin = Date.now() + 100;
  const outcomes = await Promise.all(numbers.map((number) => send(number, drawn.get(number), running.get(number), begin)));
  await sleep(begin + endSeconds * 1000 + apartMs - Date.now());
  for (const { process_ } of running.values()) process_.kill();
  await Promise.all([...running.values()].map(({ ended }) => ended));
  numbers.forEach((number, index) => {
    const real = told.get(number).map((one) => ({ ...one, at: one.at - begin })).filter((one) => one.at < endSeconds * 1000 - apartMs);
    told.delete(number);
    const { refused, latest } = outcomes[index];
    if (latest > lateMs) {
      sum.late += 1;
      return;
    }
    const ours = playVirtual(number, drawn.get(number), refused).filter((one) => one.at < endSeconds * 1000 - apartMs);
    const { found, apart, purpose } = compare(real, ours, drawn.get(number).events.find((event) => event.reload)?.at ?? Infinity);
    sum.purpose += purpose;
    sum.cases += 1;
    sum.reloads += drawn.get(number).configs.length - 1;
    sum.notifications += real.length;
    sum.apart = Math.max(sum.apart, apart);
    if (found.length > 0) {
      sum.differ += 1;
      console.log(`case ${number} of seed ${seed} differs:\n  ${found.join('\n  ')}`);
    }
  });
}
capture.close();
console.log(`${sum.cases} configurations with what happened under them (${sum.reloads} reloaded), ${sum.notifications} notifications, ${sum.differ} differ; ${sum.purpose} groups after a reload differ on purpose; times at most ${sum.apart} ms apart; ${sum.late} not judged, as this machine was late`);
process.exit(sum.differ > 0 || sum.cases === 0 ? 1 : 0);
