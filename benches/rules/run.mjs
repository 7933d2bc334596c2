// tidewatch and Prometheus side by side on the same rules and series: a folder with rules.yml and a data directory that
// services.rs has filled to ten minutes ahead, so that nothing has to be scraped and every processor second is a rule's. Prints
// processor time and memory of both, and whether they recorded the same. Called by run.sh.
import { execFileSync, spawn } from 'node:child_process';
import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from '../../scripts/free-port.mjs';

const SETTLE_S = Number(process.env.SETTLE_S ?? 45);
const SECONDS = Number(process.env.SECONDS_RUN ?? 180);
const TICK_S = 0.01;

const folder = process.argv[2];
const children = [];
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Processor seconds and resident megabytes of a process. */
function usage(pid) {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ');
  const rss = Number(readFileSync(`/proc/${pid}/status`, 'utf8').match(/VmRSS:\s+(\d+)/)[1]) / 1000;
  return { cpu: (Number(stat[11]) + Number(stat[12])) * TICK_S, rss };
}

async function ready(url) {
  for (let attempt = 0; attempt < 600; attempt++) {
    const answer = await fetch(`${url}/-/ready`).catch(() => undefined);
    if (answer?.ok) return;
    await sleep(100);
  }
  throw new Error(`${url} is not ready`);
}

async function start(name, program, flags) {
  const port = await freePort();
  const child = spawn(program, [...flags, `--config.file=${join(folder, 'prometheus.yml')}`, `--storage.tsdb.path=${join(folder, name)}`, '--storage.tsdb.retention.time=30d', `--web.listen-address=127.0.0.1:${port}`], { stdio: ['ignore', 'ignore', 'inherit'] });
  children.push(child);
  const url = `http://127.0.0.1:${port}`;
  await ready(url);
  return { name, pid: child.pid, url };
}

async function ask(engine, query, time) {
  const answer = await fetch(`${engine.url}/api/v1/query`, { method: 'POST', body: new URLSearchParams({ query, time }) });
  const { data, error } = await answer.json();
  if (!answer.ok) throw new Error(`${engine.name}: ${query}: ${error}`);
  return new Map(data.result.map(({ metric, value }) => [JSON.stringify(Object.entries(metric).sort()), Number(value[1])]));
}

/** Evaluations and failures so far. */
async function evaluations(engine) {
  const text = await (await fetch(`${engine.url}/metrics`)).text();
  const sum = (name) => text.split('\n').filter((line) => line.startsWith(`${name}{`)).reduce((total, line) => total + Number(line.split('} ')[1].split(' ')[0]), 0);
  return { done: sum('prometheus_rule_evaluations_total'), failed: sum('prometheus_rule_evaluation_failures_total'), missed: sum('prometheus_rule_group_iterations_missed_total') };
}

/** Compares what both recorded at a time. */
async function compare(engines, query, time) {
  const [ours, theirs] = await Promise.all(engines.map((engine) => ask(engine, query, time)));
  let different = 0;
  for (const [labels, value] of theirs) {
    const own = ours.get(labels);
    const close = own !== undefined && (Object.is(own, value) || Math.abs(own - value) <= 1e-9 * Math.abs(value));
    if (!close) different += 1;
  }
  const more = [...ours.keys()].filter((labels) => !theirs.has(labels)).length;
  console.log(`${query.padEnd(40)} ${theirs.size} series in Prometheus, ${different} of them different here, ${more} only here`);
}

async function main() {
  cpSync(join(folder, 'tidewatch'), join(folder, 'prometheus'), { recursive: true });
  rmSync(join(folder, 'prometheus', 'lock'), { force: true });
  writeFileSync(join(folder, 'prometheus.yml'), `global: {evaluation_interval: 15s}\nrule_files: [${join(folder, 'rules.yml')}]\n`);
  const help = execFileSync('target/release/tidewatch', ['serve', '--help'], { encoding: 'utf8' });
  const apis = ['otlp.grpc.listen-address', 'otlp.http.listen-address', 'jaeger.web.listen-address', 'jaeger.sampling.listen-address', 'alertmanager.web.listen-address'];
  const elsewhere = apis.filter((flag) => help.includes(`--${flag}`)).map((flag) => `--${flag}=127.0.0.1:0`);
  const engines = [await start('tidewatch', 'target/release/tidewatch', ['serve', ...elsewhere]), await start('prometheus', 'prometheus', ['--log.level=error'])];
  await sleep(SETTLE_S * 1000);
  const before = await Promise.all(engines.map(async (engine) => ({ ...usage(engine.pid), ...(await evaluations(engine)) })));
  await sleep(SECONDS * 1000);
  const after = await Promise.all(engines.map(async (engine) => ({ ...usage(engine.pid), ...(await evaluations(engine)) })));
  const rows = engines.map((engine, at) => {
    const rules = after[at].done - before[at].done;
    const cpu = after[at].cpu - before[at].cpu;
    console.log(`${engine.name.padEnd(10)} ${cpu.toFixed(2)} s of processor time in ${SECONDS} s for ${rules} evaluations (${after[at].failed} failed, ${after[at].missed} iterations missed), ${((cpu / rules) * 1e6).toFixed(0)} us each, ${after[at].rss.toFixed(0)} MB resident`);
    return cpu / rules;
  });
  console.log(`ratio of processor time an evaluation ${(rows[0] / rows[1]).toFixed(2)} (tidewatch/Prometheus)`);
  const time = Math.floor(Date.now() / 1000) - 5;
  for (const query of ['{__name__=~".+:.+"}', 'ALERTS', 'count by (alertname) (ALERTS_FOR_STATE)']) await compare(engines, query, time);
}

try {
  await main();
} finally {
  for (const child of children) child.kill('SIGKILL');
}
