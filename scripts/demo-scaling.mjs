// Autoscaling shown and proved on this machine: starts the todo application with `tidewatch up` on free ports and fresh data, puts
// on the backend the load that needs four replicas and takes it away again, makes a queue for the event service, and holds what
// the replicas did against what is required:
//   - 2 -> at least 4 ready backend replicas within 2 minutes of the load's start, back to 2 within 5 minutes of its end;
//   - no request fails or is missed during either;
//   - the event service scales by the lag of its consumer group, drains it, and goes back to 1;
//   - `tidewatch simulate`, given the load as it was recorded, predicts each step of the replicas within one sync period.
// The simulator's model of the service (what a request costs, when a pod is ready) is calibrated from the recorded run itself: only the
// load, the phases of syncs and scrapes, what an idle pod costs (measured before) and these two figures go in.
// Ends by itself in about ten minutes, with 1 when one of these does not hold. Only processes that it started are ended.
//
//   node scripts/demo-scaling.mjs [--output FILE.json] [--keep FOLDER]
//   TIDEWATCH=target/release/tidewatch   the program, with the applications beside it (make build)
//   HOLD_SECONDS=150                     how long the load lasts
//   QUIET_RATE=20                        requests a second after it, so that scaling down is proved to fail none
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, openSync, readFileSync, readdirSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';

const { values: options } = parseArgs({ options: { output: { type: 'string' }, keep: { type: 'string' } } });
process.chdir(join(import.meta.dirname, '..'));
const PROGRAM = resolve(process.env.TIDEWATCH ?? 'target/release/tidewatch');
const HOLD_S = Number(process.env.HOLD_SECONDS ?? 150);
const QUIET_RATE = Number(process.env.QUIET_RATE ?? 20);
const SYNC_S = 15;
const NAMESPACE = 'todo-app-prod';
const BACKEND = 'todo-backend-hpa';
const EVENTS = 'event-service-hpa';
/** Cores of CPU requests of a backend pod with its sidecar, and the share of them that its HPA aims at. */
const TARGET_CORES = 0.7 * (0.25 + 0.05);
/** What asks for four replicas is above 3 and not above 4 times the target of a pod; requests get cheaper the more there are. */
const FOUR_REPLICAS_CORES = 3.75 * TARGET_CORES;
/** A load that turns out to need less than this is tried again with what its requests really cost. */
const LEAST_CORES = 3.05 * TARGET_CORES;
const TRIES = 3;
/** Asks for no third replica. */
const CALIBRATION_CORES = 1.7 * TARGET_CORES;
/** Mostly lists: they cost the backend more than the machine around it. */
const MIX = ['--scenario', 'tasks', '--weights', 'list=90,get=4,create=2,update=2,complete=1,delete=1', '--task-count', '100', '--list-limit', '100'];
const UP_LIMIT_S = 120;
const DOWN_LIMIT_S = 300;
const LAG_LIMIT_S = 180;
const STOPPED_S = 18;
const TICK_S = 0.01;

if (!existsSync(PROGRAM)) {
  console.error(`${PROGRAM} is not there\n  hint: make build`);
  process.exit(2);
}
const folder = options.keep ? resolve(options.keep) : mkdtempSync(join(tmpdir(), 'tidewatch-scaling-'));
mkdirSync(folder, { recursive: true });
const data = join(folder, 'data');
const children = new Set();
const stopped = new Set();
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
const now = () => Date.now() / 1000;
const say = (text) => console.log(`${new Date().toISOString().slice(11, 19)} ${text}`);

function start(args, log) {
  const output = openSync(join(folder, log), 'w');
  const child = spawn(PROGRAM, args, { stdio: ['ignore', output, output] });
  children.add(child);
  child.ended = new Promise((done) => {
    child.once('error', (error) => done(String(error)));
    child.once('exit', (code, signal) => done(code ?? signal));
  }).then((code) => {
    children.delete(child);
    child.result = code;
    return code;
  });
  return child;
}

async function end(child, patience = 60) {
  child.kill('SIGTERM');
  const late = sleep(patience * 1000).then(() => 'late');
  if ((await Promise.race([child.ended, late])) === 'late') {
    say(`process ${child.pid} does not end by itself; killed`);
    child.kill('SIGKILL');
    await child.ended;
  }
}

async function eventually(what, seconds, attempt) {
  const limit = now() + seconds;
  let last;
  for (;;) {
    try {
      const found = await attempt();
      if (found !== undefined && found !== false) return found;
    } catch (error) {
      if (error.fatal) throw error;
      last = error;
    }
    if (now() > limit) throw new Error(`not within ${seconds} s: ${what}${last ? ` (${last.message})` : ''}`);
    await sleep(500);
  }
}

async function json(url) {
  const answer = await fetch(url, { signal: AbortSignal.timeout(10_000) });
  if (!answer.ok) throw new Error(`${url}: ${answer.status}`);
  return answer.json();
}

// ---- what the product tells, by the APIs that everyone has

let addresses;
const ui = (path) => json(`${addresses.ui}${path}`);
const query = async (expression) => {
  const answer = await json(`${addresses.prometheus}/api/v1/query?query=${encodeURIComponent(expression)}`);
  return answer.data.result.map((one) => Number(one.value[1]));
};
const range = async (expression, from, to) => {
  const parameters = new URLSearchParams({ query: expression, start: from, end: to, step: 5 });
  return (await json(`${addresses.prometheus}/api/v1/query_range?${parameters}`)).data.result;
};
const SERIES = [
  'kube_deployment_spec_replicas',
  'kube_deployment_status_replicas_ready',
  'kube_horizontalpodautoscaler_status_desired_replicas',
  'kube_horizontalpodautoscaler_status_current_replicas',
];

async function pods(deployment) {
  const { items } = await ui(`/api/v1/namespaces/${NAMESPACE}/pods`);
  const own = items.filter((pod) => pod.metadata.name.startsWith(`${deployment}-`) && !pod.metadata.deletionTimestamp);
  const ready = own.filter((pod) => pod.status.conditions?.some((one) => one.type === 'Ready' && one.status === 'True'));
  return { present: own.length, ready: ready.length };
}

async function autoscaler(name) {
  const { autoscalers } = await ui('/api/tidewatch/v1/autoscalers');
  const found = autoscalers.find((one) => one.name === name || one.target.name === name);
  if (!found) throw new Error(`no autoscaler ${name}`);
  return found;
}

/** CPU of a Deployment's pods as its HPA sees it, in cores, and the end and length of the measurement. */
async function cpuOf(deployment) {
  const { items } = await ui(`/apis/metrics.k8s.io/v1beta1/namespaces/${NAMESPACE}/pods`);
  const own = items.filter((pod) => pod.metadata.name.startsWith(`${deployment}-`));
  const cores = own.flatMap((pod) => pod.containers).reduce((sum, one) => sum + quantity(one.usage.cpu), 0);
  return { cores, pods: own.length, at: Date.parse(own[0]?.timestamp) / 1000, window: Number.parseFloat(own[0]?.window) };
}

function quantity(text) {
  const [, number, suffix] = text.match(/^([\d.]+)([num]?)$/);
  return Number(number) * { n: 1e-9, u: 1e-6, m: 1e-3, '': 1 }[suffix];
}

/** Busy and all processor seconds of the machine. */
function machine() {
  const fields = readFileSync('/proc/stat', 'utf8').split('\n')[0].trim().split(/\s+/).slice(1, 9).map(Number);
  const all = fields.reduce((a, b) => a + b, 0) * TICK_S;
  return { all, busy: all - (fields[3] + fields[4]) * TICK_S };
}

/** Processor seconds of this process and everything below it, ended children of living ones included. */
function own() {
  const parents = new Map();
  const used = new Map();
  for (const name of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      const fields = readFileSync(`/proc/${name}/stat`, 'utf8').split(') ').at(-1).split(' ');
      parents.set(Number(name), Number(fields[1]));
      used.set(Number(name), fields.slice(11, 15).map(Number).reduce((a, b) => a + b, 0) * TICK_S);
    } catch {
      // it has ended meanwhile
    }
  }
  const mine = (pid) => pid === process.pid || (parents.has(pid) && mine(parents.get(pid)));
  return [...used].filter(([pid]) => mine(pid)).reduce((sum, [, seconds]) => sum + seconds, 0);
}

/** The processes of the event service's containers: children of the `up` started here, and nobody else's. */
function eventServiceProcesses(up) {
  return readdirSync('/proc').filter((name) => /^\d+$/.test(name)).map(Number).filter((pid) => {
    try {
      const parent = Number(readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1).split(' ')[1]);
      return parent === up.pid && basename(readlinkSync(`/proc/${pid}/exe`)) === 'todo-event-service';
    } catch {
      return false; // it has ended meanwhile
    }
  });
}

// ---- the watch: a line a second, for the table and for whoever compares

const timeline = [];
let watching = true;

async function watch() {
  let last = '';
  let before = { ...machine(), own: own(), time: now() };
  while (watching) {
    try {
      const after = { ...machine(), own: own(), time: now() };
      const passed = after.time - before.time;
      const cores = { busy: (after.busy - before.busy) / passed, own: (after.own - before.own) / passed };
      before = after;
      const [backend, events, backendPods, eventPods, lag, cpu] = await Promise.all([
        autoscaler(BACKEND), autoscaler(EVENTS), pods('todo-backend'), pods('event-service'),
        query('sum(kafka_consumergroup_lag{consumergroup="event-service",topic="task-events"})'),
        cpuOf('todo-backend'),
      ]);
      const line = {
        time: now(),
        backend: { desired: backend.desiredReplicas, current: backend.currentReplicas, ...backendPods, cores: cpu.cores, measured: cpu.at, window: cpu.window },
        eventService: { desired: events.desiredReplicas, current: events.currentReplicas, ...eventPods },
        lag: lag[0] ?? null,
        machine: cores,
      };
      timeline.push(line);
      const told = `todo-backend ${line.backend.desired} wanted, ${line.backend.ready} ready; event-service ${line.eventService.desired} wanted, ${line.eventService.ready} ready`;
      if (told !== last) say(`  ${told}; lag ${line.lag}`);
      last = told;
    } catch (error) {
      if (watching) timeline.push({ time: now(), error: error.message });
    }
    await sleep(1000);
  }
}

/** The first moment from `from` on at which something holds of a line. */
const firstTime = (from, holds) => timeline.find((line) => line.time >= from && !line.error && holds(line))?.time;

/** Waits for it. */
const seen = (what, from, seconds, holds) => eventually(what, seconds, () => firstTime(from, holds));

// ---- load

function load(name, schedule, more = MIX) {
  const file = join(folder, `${name}.json`);
  const url = addresses.services['todo-backend'];
  const child = start(['load', url, ...schedule, ...more, '--connections', '32', '--save', file], `${name}.log`);
  child.report = async () => {
    const code = await child.ended;
    if (code !== 0) throw new Error(`the load ended with ${code}: ${readFileSync(join(folder, `${name}.log`), 'utf8').slice(-2000)}`);
    return JSON.parse(readFileSync(file, 'utf8'));
  };
  return child;
}

const failures = (report) => report.totals.errors + report.totals.missed;
const told = (report) => `${report.totals.ok} ok, ${report.totals.errors} errors ${JSON.stringify(report.totals.errorsByKind)}, ${report.totals.missed} missed, p99 ${report.latency.p99.toFixed(0)} ms`;

/** CPU of the backend's pods, and of the machine, at a rate. */
async function calibrate(name, rate) {
  const child = load(name, ['--rate', `${rate}/s`, '--for', '48s']);
  await sleep(3000);
  const from = now();
  const before = machine();
  const seenAt = new Map();
  while (child.result === undefined && now() < from + 42) {
    const cpu = await cpuOf('todo-backend').catch(() => undefined);
    if (cpu && cpu.at - cpu.window >= from) seenAt.set(cpu.at, cpu.cores);
    await sleep(1000);
  }
  const after = machine();
  const report = await child.report();
  const cores = [...seenAt.values()].reduce((a, b) => a + b, 0) / seenAt.size;
  if (!(cores > 0)) throw new Error('the resource metrics of the backend are missing');
  const busy = ((after.busy - before.busy) / (after.all - before.all)) * cpus().length;
  say(`  ${rate}/s: backend ${(cores * 1000).toFixed(0)} mcores (${((cores / rate) * 1e6).toFixed(0)} µs a request), machine ${busy.toFixed(2)} of ${cpus().length} cores; ${told(report)}`);
  return { rate, cores, busy, report };
}

async function chooseRate(idle) {
  say('calibrating: what does a request cost the backend?');
  const first = await calibrate('calibration-1', 40);
  const each = (first.cores - idle) / first.rate;
  const second = await calibrate('calibration-2', Math.max(10, Math.round((CALIBRATION_CORES - idle) / each)));
  // more requests at a time cost less each: what one more costs counts
  const average = (second.cores - idle) / second.rate;
  const cost = Math.min(average, Math.max(0.6 * average, (second.cores - first.cores) / (second.rate - first.rate)));
  const rate = Math.round(second.rate + (FOUR_REPLICAS_CORES - second.cores) / cost);
  const machineNeeds = second.busy + ((rate - second.rate) * (second.busy - first.busy)) / (second.rate - first.rate);
  if (machineNeeds > 0.92 * cpus().length) {
    say(`  WARNING: the load needs about ${machineNeeds.toFixed(2)} of ${cpus().length} cores: this machine may be too small or too busy`);
  }
  return { rate, cost, machineNeeds, calibrations: [first, second] };
}

// ---- what is required

const results = [];
function require(what, passed, measured) {
  results.push({ what, passed, measured });
  say(`${passed ? 'HOLDS ' : 'FAILED'} ${what}: ${measured}`);
}
const seconds = (value) => (value === undefined ? 'never' : `${value.toFixed(0)} s`);

/** What the backend used, by measurements that lie within a span of time: their mean. */
function coresWithin(from, to) {
  const within = timeline.filter((line) => !line.error && line.backend.measured - line.backend.window >= from && line.backend.measured <= to);
  const byTime = [...new Map(within.map((line) => [line.backend.measured, line.backend.cores])).values()];
  return byTime.length ? byTime.reduce((a, b) => a + b, 0) / byTime.length : undefined;
}

/** What programs that are not part of this used of the machine, in cores: the highest mean over a sync period. */
function othersWithin(from, to) {
  const lines = timeline.filter((line) => !line.error && line.time >= from && line.time <= to);
  const means = lines.map((line) => lines.filter((one) => one.time >= line.time && one.time < line.time + SYNC_S).map((one) => Math.max(0, one.machine.busy - one.machine.own)));
  return Math.max(0, ...means.map((values) => values.reduce((a, b) => a + b, 0) / values.length));
}

/** Puts the load on, until it is known to need four replicas. Tries that do not are taken off again and told. */
async function loadThatNeedsFour(chosen, idle) {
  const tries = [];
  for (let number = 1; ; number++) {
    const schedule = ['--stage', `${chosen.rate}/s:${HOLD_S}s`, '--stage', `${QUIET_RATE}/s:${DOWN_LIMIT_S + 30}s`];
    say(`load: ${chosen.rate}/s for ${HOLD_S} s, then ${QUIET_RATE}/s until the replicas are back`);
    const asked = now();
    const child = load(`load-${number}`, schedule);
    const used = await eventually('a measurement', 60, () => coresWithin(asked + 3, now()));
    if (child.result !== undefined || used >= LEAST_CORES || number === TRIES) return { child, asked, tries };
    child.kill('SIGINT');
    tries.push(await child.report());
    say(`  it needs ${(used * 1000).toFixed(0)} mcores, which is less than four replicas are for: once more with what a request costs under load`);
    chosen.cost = (used - idle) / chosen.rate;
    chosen.rate = Math.round((FOUR_REPLICAS_CORES - idle) / chosen.cost);
    await twoBackends();
  }
}

const twoBackends = () => eventually('2 backends before the load', 240, async () => (await pods('todo-backend')).present === 2 && (await autoscaler(BACKEND)).desiredReplicas === 2);

async function backendFollowsLoad(chosen, idle) {
  const { child, asked, tries } = await loadThatNeedsFour(chosen, idle);
  const early = child.ended.then((code) => {
    throw Object.assign(new Error(`the load ended early with ${code}`), { fatal: true });
  });
  early.catch(() => {});
  const guarded = (wait) => Promise.race([wait.catch(() => undefined), early]);
  const up = await guarded(seen('4 ready backends', asked, UP_LIMIT_S + 20, (line) => line.backend.ready >= 4));
  await guarded(sleep(Math.max(0, (asked + HOLD_S + 3 - now()) * 1000)));
  const down = await guarded(
    seen('back to 2', asked + HOLD_S, DOWN_LIMIT_S + 20, (line) => line.backend.desired === 2 && line.backend.present === 2),
  );
  if (child.result === undefined) child.kill('SIGINT');
  const report = await child.report();
  // the first request was due after the tasks were made
  const began = report.startMs / 1000;
  const ended = began + HOLD_S;
  const cores = coresWithin(began, ended);
  require('the load needs four replicas', cores > 3 * TARGET_CORES, `${report.totals.scheduled} requests, ${chosen.rate}/s, ${(cores * 1000).toFixed(0)} mcores`);
  require(`2 -> 4 or more ready replicas within ${UP_LIMIT_S} s of the load's start`, up !== undefined && up - began <= UP_LIMIT_S, seconds(up && up - began));
  require(`back to 2 within ${DOWN_LIMIT_S} s of the load's end`, down !== undefined && down - ended <= DOWN_LIMIT_S, seconds(down && down - ended));
  require('no request fails or is missed while replicas come and go', failures(report) === 0 && report.totals.ok > 0, told(report));
  // what a request has cost while it lasted, for the simulator
  const each = (cores - idle) / chosen.rate;
  return { began, ended, up, down, report, tries, cores, cost: each };
}

async function eventServiceFollowsLag(up) {
  const settled = async () => (await pods('event-service')).present === 1 && (await autoscaler(EVENTS)).desiredReplicas === 1;
  await eventually('1 event service before the queue', DOWN_LIMIT_S + 60, settled);
  say(`the event service stops working for ${STOPPED_S} s while tasks change`);
  const from = now();
  const writers = load('events', ['--rate', '120/s', '--for', `${STOPPED_S}s`], ['--scenario', 'tasks', '--weights', 'create=1,update=2,delete=1']);
  for (const pid of eventServiceProcesses(up)) {
    process.kill(pid, 'SIGSTOP');
    stopped.add(pid);
  }
  if (stopped.size === 0) throw new Error('no process of the event service is found');
  const report = await writers.report();
  goOn();
  const until = now();
  const wanted = await seen('more event services', from, LAG_LIMIT_S, (line) => line.eventService.ready > 1).catch(() => undefined);
  const most = () => Math.max(0, ...timeline.filter((line) => line.time >= from && line.lag !== null).map((line) => line.lag ?? 0));
  // the lag is measured every 15 s: the queue was seen, and then seen empty
  const drained = await eventually('no lag', LAG_LIMIT_S, () => most() > 200 && firstTime(until + SYNC_S, (line) => line.lag === 0)).catch(() => undefined);
  const back = await seen('1 event service', wanted ?? until, DOWN_LIMIT_S, (line) => line.eventService.desired === 1 && line.eventService.present === 1).catch(() => undefined);
  const { decisions } = await ui(`/api/tidewatch/v1/autoscalers/${NAMESPACE}/${EVENTS}/decisions?limit=1000`);
  const byLag = decisions.findLast((one) => one.scaled && one.desiredReplicas > one.currentReplicas && Date.parse(one.time) / 1000 >= from && one.sentence.startsWith('s0-kafka'));
  const highest = Math.max(...timeline.filter((line) => line.time >= from && !line.error).map((line) => line.eventService.ready));
  require('the event service scales by lag', wanted !== undefined && byLag !== undefined && most() > 200, `${byLag?.sentence ?? 'no scaling names the lag'}; lag ${most()}, ${highest} ready replicas, the second after ${seconds(wanted && wanted - from)}`);
  require('and drains it', drained !== undefined, `${seconds(drained && drained - until)} after it went on`);
  require('and goes back to 1', back !== undefined, `${seconds(back && back - until)} after it went on`);
  require('no request failed meanwhile', failures(report) === 0 && report.totals.ok > 0, told(report));
  return { began: report.startMs / 1000, until, wanted, drained, back, mostLag: most(), report };
}

function goOn() {
  for (const pid of stopped) {
    try {
      process.kill(pid, 'SIGCONT');
    } catch {
      // it has ended
    }
  }
  stopped.clear();
}

// ---- the simulator on the same load

/** Each change that an autoscaler made between two moments: the sync that made it, and the number. */
function steps(decisions, from, to) {
  const made = decisions.filter((one) => one.scaled).map((one) => ({ time: Date.parse(one.time) / 1000, to: one.desiredReplicas }));
  return made.filter((one) => one.time >= from && one.time <= to).sort((a, b) => a.time - b.time);
}

/** Requests due in each second, as the answer of a Prometheus: from the first calibration on, since what a measurement tells goes back. */
function recording(reports) {
  const rates = new Map();
  for (const report of reports) {
    for (const one of report.timeline) {
      const at = Math.floor(report.startMs / 1000 + one.second);
      rates.set(at, (rates.get(at) ?? 0) + one.scheduled);
    }
  }
  const from = Math.min(...rates.keys());
  // one sync more, so that the last step is not cut off
  const to = Math.max(...rates.keys()) + SYNC_S;
  const values = Array.from({ length: to - from + 1 }, (_, at) => [from + at, String(rates.get(from + at) ?? 0)]);
  return { from, answer: { status: 'success', data: { resultType: 'matrix', result: [{ metric: {}, values }] } } };
}

async function simulated(chosen, run, idle) {
  const { from, answer } = recording([...chosen.calibrations.map((one) => one.report), ...run.tries, run.report]);
  const recorded = join(folder, 'recorded-load.json');
  writeFileSync(recorded, JSON.stringify(answer));
  const { decisions } = await ui(`/api/tidewatch/v1/autoscalers/${NAMESPACE}/${BACKEND}/decisions?limit=1000`);
  const sync = Math.max(...decisions.map((one) => Date.parse(one.time) / 1000).filter((time) => time <= run.began));
  const after = (moment) => (((moment - sync) % SYNC_S) + SYNC_S) % SYNC_S;
  const scaled = timeline.find((line) => line.time >= run.began && line.backend?.desired > 2)?.time;
  const fields = {
    'service.cpuSecondsPerRequest': run.cost,
    'service.idleCpuCores': idle / 2,
    'service.sidecarIdleCpuCores': 0,
    'service.startSeconds': 0.5,
    'service.readySeconds': run.up && scaled ? Math.max(0.5, run.up - scaled - 0.5) : 5,
    'metrics.scrapeOffsetSeconds': after((await cpuOf('todo-backend')).at),
    phaseSeconds: after(from),
    warmupSeconds: 60,
    initialReplicas: 2,
  };
  const flags = Object.entries(fields).flatMap(([field, value]) => ['--set', `${field}=${value}`]);
  const child = spawn(PROGRAM, ['simulate', '-f', 'kubernetes/todo-app-prod.yaml', '--hpa', BACKEND, '--recorded', recorded, ...flags, '--output', 'json'], { stdio: ['ignore', 'pipe', 'pipe'] });
  let [out, complaint] = ['', ''];
  child.stdout.on('data', (chunk) => (out += chunk));
  child.stderr.on('data', (chunk) => (complaint += chunk));
  const code = await new Promise((done) => child.once('close', done));
  if (code !== 0) throw new Error(`simulate: ${complaint}`);
  const predicted = JSON.parse(out)[0].scalings.map((one) => ({ time: from + one.timeSeconds - run.began, to: one.to }));
  const happened = steps(decisions, from, run.down ?? now()).map((one) => ({ ...one, time: one.time - run.began }));
  // both are on the grid of syncs, the real one within milliseconds: whole periods count
  const periods = (one, other) => Math.round(Math.abs(one.time - other.time) / SYNC_S);
  const alike = happened.length === predicted.length && happened.every((one, at) => one.to === predicted[at].to && periods(one, predicted[at]) <= 1);
  say(`  the simulator's model is calibrated from this run: ${(run.cost * 1e6).toFixed(0)} µs a request, ready after ${fields['service.readySeconds'].toFixed(1)} s; besides, only the load, the phases and the idle cost go in`);
  const shown = (list) => list.map((one) => `${one.to} at ${one.time.toFixed(0)} s`).join(', ') || 'none';
  require(`the simulator predicts each step within one sync period, ${SYNC_S} s`, alike && happened.length > 0, `happened: ${shown(happened)}; predicted: ${shown(predicted)}`);
  const others = othersWithin(run.began, run.down ?? now());
  say(`  other programs used up to ${others.toFixed(2)} of ${cpus().length} cores during the load${others > 0.3 ? ', which makes requests dearer than any model of them knows' : ''}`);
  return { fields, predicted, happened, others };
}

// ---- the table

function table(run) {
  console.log('\n  after the load\'s start | wanted | ready | event service | lag');
  let last = '';
  for (const line of timeline.filter((line) => !line.error)) {
    const cells = [line.backend.desired, line.backend.ready, `${line.eventService.desired} wanted, ${line.eventService.ready} ready`];
    if (cells.join() === last) continue;
    last = cells.join();
    console.log(`  ${`${(line.time - run.began).toFixed(0)} s`.padStart(22)} | ${String(cells[0]).padStart(6)} | ${String(cells[1]).padStart(5)} | ${cells[2].padStart(13)} | ${line.lag}`);
  }
  console.log('');
  for (const { what, passed, measured } of results) console.log(`  ${passed ? 'holds ' : 'FAILED'}  ${what}: ${measured}`);
}

async function main() {
  const any = ['ui-', 'web.', 'alertmanager.web.', 'otlp.grpc.', 'otlp.http.', 'jaeger.web.', 'jaeger.sampling.'].map((name) => `--${name}listen-address=127.0.0.1:0`);
  const up = start(['up', '--data-dir', data, '--expose', 'todo-backend=0', '--expose', 'todo-frontend=0', ...any], 'tidewatch.log');
  addresses = await eventually('addresses.json', 60, () => {
    if (up.result !== undefined) throw Object.assign(new Error(`up ended: ${readFileSync(join(folder, 'tidewatch.log'), 'utf8').slice(-2000)}`), { fatal: true });
    return JSON.parse(readFileSync(join(data, 'addresses.json'), 'utf8'));
  });
  say(`page: ${addresses.ui}   data and logs: ${folder}`);
  await eventually('ready pods', 120, async () => (await pods('todo-backend')).ready === 2 && (await pods('event-service')).ready === 1);
  await eventually('a task list', 60, () => json(`${addresses.services['todo-backend']}/api/tasks?limit=1`));
  await eventually('resource metrics', 90, async () => (await autoscaler(BACKEND)).metrics.some((one) => one.current));
  const began = now();
  const watcher = watch();
  await sleep(17_000);
  const idle = (await cpuOf('todo-backend')).cores;
  say(`idle: backend ${(idle * 1000).toFixed(0)} mcores`);
  const chosen = await chooseRate(idle);
  await eventually('series of the lag', 90, () => timeline.at(-1).lag !== null);
  await twoBackends();
  const run = await backendFollowsLoad(chosen, idle);
  const events = await eventServiceFollowsLag(up);
  const simulation = await simulated(chosen, run, idle);
  watching = false;
  await watcher;
  const series = Object.fromEntries(await Promise.all(SERIES.map(async (name) => [name, await range(`${name}{namespace="${NAMESPACE}"}`, began, now())])));
  table(run);
  const file = resolve(options.output ?? join(folder, 'demo-scaling.json'));
  writeFileSync(file, JSON.stringify({ chosen, idleCores: idle, load: run, events, simulation, results, timeline, series }, null, 1));
  if (options.output || options.keep) console.log(`\n  all of it: ${file}`);
  return results.every((one) => one.passed);
}

let passed = false;
const interrupted = new Promise((_, fail) => ['SIGINT', 'SIGTERM'].forEach((signal) => process.once(signal, () => fail(new Error(`ended by ${signal}`)))));
try {
  passed = await Promise.race([main(), interrupted]);
} catch (error) {
  console.error(`FAILED: ${error.message}`);
  const log = join(folder, 'tidewatch.log');
  if (existsSync(log)) console.error(readFileSync(log, 'utf8').split('\n').slice(-15).join('\n'));
} finally {
  watching = false;
  goOn();
  await Promise.all([...children].reverse().map((child) => end(child)));
  if (!options.keep) rmSync(folder, { recursive: true, force: true });
}
process.exit(passed ? 0 : 1);
