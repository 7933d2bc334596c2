// The systems of the comparison: the application under `tidewatch up`, Prometheus with Alertmanager, and `tidewatch serve`; and the
// receivers that both of the latter tell. Everything listens on free loopback ports and ends with stop().
import { spawn } from 'node:child_process';
import { createServer } from 'node:http';
import { createWriteStream, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from '../../scripts/free-port.mjs';

const { PROMETHEUS, ALERTMANAGER, TIDEWATCH } = process.env;
const children = [];
export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

export async function eventually(what, seconds, ask) {
  for (const end = Date.now() + seconds * 1000; Date.now() < end; await sleep(200)) {
    const answer = await Promise.resolve().then(ask).catch(() => undefined);
    if (answer) return answer;
  }
  throw new Error(`${what}: not within ${seconds} s`);
}

/** A server that keeps what is posted to it, with the moment and the path. */
export async function receiver() {
  const told = [];
  const server = createServer((request, response) => {
    const parts = [];
    request.on('data', (part) => parts.push(part));
    request.on('end', () => {
      told.push({ at: Date.now(), path: request.url, body: JSON.parse(Buffer.concat(parts).toString()) });
      response.end();
    });
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  server.unref();
  return { told, url: `http://127.0.0.1:${server.address().port}` };
}

function start(program, flags, log) {
  const output = createWriteStream(log);
  const child = spawn(program, flags, { stdio: ['ignore', 'pipe', 'pipe'] });
  child.stdout.pipe(output);
  child.stderr.pipe(output);
  children.push(child);
  return child;
}

export async function stop() {
  for (const child of children) child.kill('SIGTERM');
  await Promise.all(children.map((child) => child.exitCode ?? new Promise((resolve) => child.once('exit', resolve))));
}

const anyPort = (names) => names.map((name) => `--${name}listen-address=127.0.0.1:0`);
const TRACES = ['otlp.grpc.', 'otlp.http.', 'jaeger.web.', 'jaeger.sampling.'];

/** The application; its addresses. */
export async function application(folder) {
  const data = join(folder, 'up');
  start(TIDEWATCH, ['up', '--data-dir', data, '--enable-faults', '--scrape-interval=1s', '--expose=todo-backend=0', '--expose=todo-frontend=0', ...anyPort(['ui-', 'web.', 'alertmanager.web.', ...TRACES])], join(folder, 'up.log'));
  const addresses = await eventually('addresses of the application', 60, () => JSON.parse(readFileSync(join(data, 'addresses.json'), 'utf8')));
  await eventually('its targets', 60, async () => {
    const targets = await activeTargets(addresses.prometheus);
    return targets.length >= 14 && targets.every(({ health }) => health === 'up');
  });
  return { ...addresses, data };
}

export async function activeTargets(url) {
  return (await (await fetch(`${url}/api/v1/targets`)).json()).data.activeTargets;
}

/** Prometheus and Alertmanager. */
export async function real(folder, externalUrl, alertmanagerFile) {
  const [web, alerts] = [await freePort(), await freePort()];
  start(ALERTMANAGER, [`--config.file=${alertmanagerFile}`, `--storage.path=${join(folder, 'alertmanager')}`, `--web.listen-address=127.0.0.1:${alerts}`, `--web.external-url=${externalUrl}`, '--web.route-prefix=/', '--cluster.listen-address=', '--log.level=warn'], join(folder, 'alertmanager.log'));
  await eventually('Alertmanager', 30, async () => (await fetch(`http://127.0.0.1:${alerts}/-/ready`)).ok);
  const config = join(folder, 'prometheus.yml');
  const alerting = `alerting: {alertmanagers: [{static_configs: [{targets: ['127.0.0.1:${alerts}']}]}]}\n`;
  writeFileSync(config, readFileSync(config, 'utf8') + alerting);
  start(PROMETHEUS, [`--config.file=${config}`, `--storage.tsdb.path=${join(folder, 'data')}`, `--web.listen-address=127.0.0.1:${web}`, `--web.external-url=${externalUrl}`, '--web.route-prefix=/', '--log.level=error'], join(folder, 'prometheus.log'));
  await eventually('Prometheus', 30, async () => (await fetch(`http://127.0.0.1:${web}/-/ready`)).ok);
  return { prometheus: `http://127.0.0.1:${web}`, alertmanager: `http://127.0.0.1:${alerts}` };
}

/** `tidewatch serve` in the place of both. */
export async function ours(folder, externalUrl, alertmanagerFile) {
  const data = join(folder, 'data');
  mkdirSync(data);
  start(TIDEWATCH, ['serve', `--config.file=${join(folder, 'prometheus.yml')}`, `--storage.tsdb.path=${data}`, `--alertmanager.config.file=${alertmanagerFile}`, `--web.external-url=${externalUrl}`, ...anyPort(['web.', 'alertmanager.web.', ...TRACES])], join(folder, 'serve.log'));
  return eventually('addresses of tidewatch serve', 30, () => JSON.parse(readFileSync(join(data, 'addresses.json'), 'utf8')));
}
