// tidewatch and Prometheus side by side on the same data: a day of 10,000 series in a folder that both open, the same
// queries in turns, and the same target of 10,000 series scraped by both. Prints medians and ratios (tidewatch/Prometheus).
// Needs a prometheus on the PATH, `make build` and the example `fill` (run.sh sees to it).
import { execFileSync, spawn } from 'node:child_process';
import { createServer } from 'node:http';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../../scripts/free-port.mjs';

const ROUNDS = 9;
const SERIES = 10_000;
const SCRAPES_S = 30;
const TICK_S = 0.01;

const folder = mkdtempSync(join(tmpdir(), 'tidewatch-peer-'));
const children = [];
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Processor seconds and resident megabytes (anonymous ones apart) of a process. */
function usage(pid) {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ');
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const megabytes = (field) => Number(status.match(new RegExp(`${field}:\\s+(\\d+)`))[1]) / 1000;
  return { cpu: (Number(stat[11]) + Number(stat[12])) * TICK_S, rss: megabytes('VmRSS'), anon: megabytes('RssAnon') };
}

async function ready(url) {
  for (let attempt = 0; attempt < 300; attempt++) {
    const answer = await fetch(`${url}/-/ready`).catch(() => undefined);
    if (answer?.ok) return;
    await sleep(100);
  }
  throw new Error(`${url} is not ready`);
}

function start(program, args) {
  const child = spawn(program, args, { stdio: 'ignore' });
  children.push(child);
  return child.pid;
}

/** Both systems on a configuration each with data of its own. */
async function both(config, data) {
  const engines = [];
  for (const [name, program] of [['tidewatch', 'target/release/tidewatch'], ['prometheus', 'prometheus']]) {
    const port = await freePort();
    const flags = [`--config.file=${config}`, `--storage.tsdb.path=${data[name]}`, `--web.listen-address=127.0.0.1:${port}`];
    const pid = start(program, name === 'tidewatch' ? ['serve', ...flags, ...['otlp.grpc', 'otlp.http', 'jaeger.web', 'jaeger.sampling'].map((api) => `--${api}.listen-address=127.0.0.1:0`), '--storage.tsdb.retention.time=30d'] : [...flags, '--storage.tsdb.retention.time=30d', '--log.level=error']);
    const url = `http://127.0.0.1:${port}`;
    await ready(url);
    engines.push({ name, pid, url });
  }
  return engines;
}

function stopAll() {
  for (const child of children.splice(0)) child.kill('SIGKILL');
}

const median = (values) => values.toSorted((a, b) => a - b)[values.length >> 1];
const shown = (value, digits = 1) => value.toFixed(digits).padStart(8);

function row(label, ours, theirs, unit, digits = 1) {
  console.log(`${label.padEnd(58)} ${shown(ours, digits)} ${shown(theirs, digits)} ${unit.padEnd(3)} ratio ${(ours / theirs).toFixed(2)}`);
}

async function ask(engine, query, start, end, step) {
  const body = new URLSearchParams({ query, start, end, step });
  const began = performance.now();
  const answer = await fetch(`${engine.url}/api/v1/query_range`, { method: 'POST', body });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${engine.name}: ${query}: ${text.slice(0, 200)}`);
  return { ms: performance.now() - began, text };
}

async function queries() {
  const ours = join(folder, 'tidewatch');
  execFileSync('target/release/examples/fill', [ours, String(SERIES), '24'], { stdio: 'ignore' });
  const theirs = join(folder, 'prometheus');
  cpSync(ours, theirs, { recursive: true });
  rmSync(join(theirs, 'lock'), { force: true });
  const config = join(folder, 'empty.yml');
  writeFileSync(config, 'global: {}\n');
  const engines = await both(config, { tidewatch: ours, prometheus: theirs });
  const end = Math.floor(Date.now() / 1000);
  // let Prometheus finish what it does with an old head before it is timed
  await sleep(Number(process.env.SETTLE_S ?? 20) * 1000);
  const [a, b] = engines.map((engine) => usage(engine.pid));
  console.log(`after start with ${SERIES} series x 24 h:`);
  row('  resident memory', a.rss, b.rss, 'MB');
  row('  of it anonymous', a.anon, b.anon, 'MB');
  const asked = [
    'sum by (pod) (rate(bench_00_total[4m]))',
    'sum(rate(bench_01_total{status="500"}[4m])) / sum(rate(bench_01_total[4m]))',
    'topk(5, sum by (endpoint) (increase(bench_02_total[10m])))',
    'max_over_time(bench_03_total[1h])',
    'bench_04_total{pod="bench-001"}',
    'sum by (status) ({__name__=~"bench_.*_total"})',
  ];
  console.log(`query_range over 24 h, step 180 s, median of ${ROUNDS} in turns:`);
  for (const query of asked) {
    const wall = [[], []];
    const cpu = [0, 0];
    let texts = [];
    for (let round = 0; round <= ROUNDS; round++) {
      texts = [];
      for (const [at, engine] of engines.entries()) {
        const before = usage(engine.pid).cpu;
        const { ms, text } = await ask(engine, query, end - 86_400, end, 180);
        texts.push(text.length);
        if (round === 0) continue; // warm-up
        wall[at].push(ms);
        cpu[at] += usage(engine.pid).cpu - before;
      }
    }
    row(`  ${query}`, median(wall[0]), median(wall[1]), 'ms');
    row('    processor time a query', (cpu[0] / ROUNDS) * 1000, (cpu[1] / ROUNDS) * 1000, 'ms');
    if (texts[0] !== texts[1]) console.log(`    answers differ in length: ${texts.join(' and ')}`);
  }
  stopAll();
}

/** Ten thousand series, every third of which changes between scrapes. */
function page(round) {
  const lines = ['# TYPE peer_requests_total counter'];
  for (let at = 0; at < SERIES; at++) {
    lines.push(`peer_requests_total{pod="pod-${at % 50}",endpoint="/api/${at % 20}",method="GET",status="${200 + (at % 5)}",id="${at}"} ${at % 3 === 0 ? round * 7 + at : at}`);
  }
  return `${lines.join('\n')}\n`;
}

async function scraping() {
  let round = 0;
  const target = createServer((_, answer) => {
    answer.setHeader('Content-Type', 'text/plain; version=0.0.4');
    answer.end(page(++round >> 1));
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => target.once('listening', resolve));
  const config = join(folder, 'scrape.yml');
  writeFileSync(config, `global: {scrape_interval: 1s, scrape_timeout: 1s}\nscrape_configs:\n- job_name: peer\n  static_configs: [{targets: ['127.0.0.1:${target.address().port}']}]\n`);
  const data = { tidewatch: join(folder, 'a'), prometheus: join(folder, 'b') };
  Object.values(data).forEach((path) => mkdirSync(path));
  const engines = await both(config, data);
  await sleep(5000);
  const before = engines.map((engine) => usage(engine.pid));
  await sleep(SCRAPES_S * 1000);
  const after = engines.map((engine) => usage(engine.pid));
  target.close();
  const perSample = (at) => ((after[at].cpu - before[at].cpu) / (SCRAPES_S * SERIES)) * 1e9;
  console.log(`scraping ${SERIES} series every second for ${SCRAPES_S} s:`);
  row('  processor time a sample', perSample(0), perSample(1), 'ns', 0);
  row('  resident memory', after[0].rss, after[1].rss, 'MB');
  stopAll();
}

try {
  if (!existsSync('target/release/examples/fill')) throw new Error('target/release/examples/fill is missing; run benches/peer/run.sh');
  console.log(`${''.padEnd(58)} tidewatch prometheus`);
  await queries();
  await scraping();
} finally {
  stopAll();
  rmSync(folder, { recursive: true, force: true });
}
